//! Targets that ask before they answer: what they ask is answered, each request has one fate, and both are counted.

use std::sync::atomic::Ordering;

use super::asking::{Asking, Asks};
use super::verdicts::sent;
use crate::finished::{Finished, erlmcp};

fn run(target: &Asking) -> Finished {
    let url = format!("http://{}/mcp", target.address);
    let load = ["-d", "6s", "--warmup", "2s", "-c", "20", "-r", "200", "--timeout", "5s"];
    let what = ["--tool", "ask", "--phases", "2,3,6"];
    let finished = erlmcp(&[&["stress", &url][..], &load, &what].concat()).end();
    let ledger = "run.ledger_difference_count";
    assert_eq!(finished.verdict(ledger), "pass", "{}", finished.said());
    finished
}

/// The line of the report about what the target wanted.
fn dialogue(finished: &Finished) -> String {
    let figures = finished.report()["generator"]["figures"].as_array().expect("the generator has figures");
    let found = figures.iter().find(|figure| figure["name"] == "dialogue");
    found.map(|figure| figure["value"]["text"].as_str().expect("a text").to_string()).unwrap_or_default()
}

/// "1234" as it is shown: "1,234".
fn shown(count: u64) -> String {
    if count < 1_000 { count.to_string() } else { format!("{},{:03}", count / 1_000, count % 1_000) }
}

#[test]
fn results_that_ask_for_input_are_answered_in_rounds() {
    let target = Asking::start(Asks::InRounds(3));
    let finished = run(&target);
    let counts = &target.counts;
    let [calls, answers, wrong] = [&counts.calls, &counts.answers, &counts.wrong].map(|n| n.load(Ordering::SeqCst));
    assert_eq!((answers, wrong), (3 * calls, 0));
    assert_eq!(sent(&finished), calls, "each planned call is one, whatever its rounds");
    assert_eq!(dialogue(&finished), format!("{} further rounds", shown(answers)));
    assert_ne!(finished.verdict("sla.error_rate_percent"), "fail", "{}", finished.said());
    assert!(finished.output.contains("dialogue: "), "{}", finished.output);
}

#[test]
fn questions_on_the_stream_of_a_call_are_answered() {
    let target = Asking::start(Asks::OnStream);
    let finished = run(&target);
    let counts = &target.counts;
    let [calls, answers, wrong] = [&counts.calls, &counts.answers, &counts.wrong].map(|n| n.load(Ordering::SeqCst));
    assert_eq!((answers, wrong), (calls, 0));
    assert_eq!(sent(&finished), calls);
    assert_eq!(dialogue(&finished), format!("{} elicitation requests answered", shown(answers)));
    assert_ne!(finished.verdict("sla.error_rate_percent"), "fail", "{}", finished.said());
}

#[test]
fn a_target_that_asks_without_end_fails() {
    let target = Asking::start(Asks::InRounds(u64::MAX));
    let finished = run(&target);
    assert_eq!(finished.verdict("sla.error_rate_percent"), "fail", "{}", finished.said());
    let journal = std::fs::read_to_string(finished.results().join("journal.jsonl")).expect("a journal");
    assert!(journal.contains("result is input_required"));
}
