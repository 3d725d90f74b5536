use std::time::Duration;

use erlmcp_load::proto::{Request, Requests, command::Command};
use erlmcp_report::live;

use crate::Era;
use crate::action::Action;
use crate::plan::{Block, Load, RateSweep, Step, Variant};
use crate::stage::{SECOND, Stage};

fn varied(variant: Variant) -> Step {
    let load = Load { rate: 100.0, duration: Duration::from_secs(2), line_every: None, shaped: false };
    Step::scenario("era_legacy", "the other era", Block::Varied { variant, load })
}

/// What the first agent was told to call, and when it was told to load: None.
fn orders(stage: &Stage) -> Vec<Option<Requests>> {
    let of_first = stage.commands().filter(|(agent, _)| *agent == 0);
    let order = |(_, command): (u32, &Command)| match command {
        Command::Requests(requests) => Some(Some(requests.clone())),
        Command::Load(_) => Some(None),
        _ => None,
    };
    of_first.filter_map(order).collect()
}

#[test]
fn other_calls_are_told_before_the_load_and_the_runs_own_after_it() {
    let call = Request { method: "tools/list".into(), ..Request::default() };
    let mut stage = Stage::new(vec![varied(Variant { call: Some(call), era: Some(Era::Legacy) })], 500);
    stage.run_to_end(10 * SECOND);
    let orders = orders(&stage);
    let [Some(other), None, Some(usual)] = orders.as_slice() else { panic!("{orders:?}") };
    assert_eq!((other.load.as_ref().expect("a call").method.as_str(), other.era.as_str()), ("tools/list", "legacy"));
    assert_eq!((usual.load.as_ref().expect("a call").method.as_str(), usual.era.as_str()), ("ping", ""));
    assert_eq!(other.queued.as_ref().expect("a tool").name, "work");
    assert_ne!(other.block, usual.block);
    assert_eq!((stage.scenario().inconclusive.as_ref(), stage.scenario().blocks.len()), (None, 1));
}

#[test]
fn calls_that_an_agent_cannot_take_are_not_loaded() {
    let mut stage = Stage::new(vec![varied(Variant { call: None, era: Some(Era::Legacy) })], 500);
    stage.troupe.change = Err("no session was opened".into());
    stage.run_to_end(10 * SECOND);
    assert!(orders(&stage).iter().all(Option::is_some));
    assert_eq!(stage.scenario().inconclusive.as_deref(), Some("no session was opened"));
}

#[test]
fn an_interrupt_tells_the_runs_own_calls_again() {
    let mut stage = Stage::new(vec![varied(Variant { call: None, era: Some(Era::Legacy) })], 500);
    stage.run_for(2 * SECOND);
    stage.cut("interrupted");
    stage.run_to_end(5 * SECOND);
    assert_eq!(orders(&stage).last().expect("told").as_ref().map(|requests| requests.era.as_str()), Some(""));
}

fn sweep() -> Step {
    // The stage tells of whole seconds only.
    let sweep = RateSweep { rates: vec![100.0, 200.0, 400.0], each: Duration::from_secs(2) };
    Step::scenario("rate_sweep", "rate sweep", Block::RateSweep(sweep))
}

fn offered(stage: &Stage) -> Vec<f64> {
    let of_first = stage.commands().filter(|(agent, _)| *agent == 0);
    let rate = |(_, command): (u32, &Command)| match command {
        Command::Load(load) => Some(load.rate * 2.0),
        _ => None,
    };
    of_first.filter_map(rate).collect()
}

fn lines(stage: &Stage) -> Vec<String> {
    let line = |action: &Action| match action {
        Action::Show(live::Event::ScenarioLine { text }) => Some(text.clone()),
        _ => None,
    };
    stage.actions.iter().filter_map(line).collect()
}

#[test]
fn rates_rise_as_long_as_they_are_kept() {
    let mut stage = Stage::new(vec![sweep()], 500);
    stage.run_to_end(20 * SECOND);
    assert_eq!(offered(&stage), [100.0, 200.0, 400.0]);
    assert_eq!(stage.scenario().blocks.len(), 3);
    assert!(lines(&stage).iter().all(|line| line.ends_with(", kept")), "{:?}", lines(&stage));
}

#[test]
fn a_rate_that_is_not_kept_is_the_last() {
    let mut slow = Stage::new(vec![sweep()], 500);
    slow.troupe.latency_us = 150_000;
    slow.run_to_end(20 * SECOND);
    assert_eq!(offered(&slow), [100.0]);
    let mut failing = Stage::new(vec![sweep()], 500);
    failing.troupe.fails = true;
    failing.run_to_end(20 * SECOND);
    assert!(lines(&failing)[0].contains("0.00 % ok") && lines(&failing)[0].ends_with("not kept"));
}

#[test]
fn a_sweep_can_be_cut() {
    let mut stage = Stage::new(vec![sweep()], 500);
    stage.run_for(2 * SECOND);
    stage.cut("interrupted");
    stage.run_to_end(3 * SECOND);
    assert_eq!(offered(&stage), [100.0]);
}
