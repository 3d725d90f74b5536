use super::*;
use crate::config::tests::plain;
use crate::fault::Field;
use crate::plan::{ChangeBy, Offers, QueueFacts, Visits};

pub(in crate::plan) fn own_cluster() -> Found {
    Found {
        own_cluster: true,
        colocated: true,
        replicas: 12,
        field: Field {
            replicas: (1..=12).collect(),
            fronted: Vec::new(),
            elsewhere: Vec::new(),
            lacks: Default::default(),
        },
        cannot_scale: None,
        fronts: None,
        queue: Ok(QueueFacts { workers: 600, places: 12_288 }),
        seed: 7,
        spare: 20_000,
        changes: Err("no way".into()),
        operations: None,
        offers: Offers { is_ours: true, has_tools: true, other_era: Some(crate::Era::Legacy), ..Offers::default() },
        visits: Visits { exhausting: Ok(()), filling: Ok(()), parts: Ok(()), connections_of_one: None },
    }
}

pub(in crate::plan) fn foreign() -> Found {
    Found {
        own_cluster: false,
        colocated: true,
        replicas: 1,
        field: Field {
            replicas: vec![1],
            fronted: Vec::new(),
            elsewhere: Vec::new(),
            lacks: Kind::ALL.map(|kind| (kind, "no fault driver".into())).into(),
        },
        cannot_scale: None,
        fronts: None,
        queue: Err("no queued tool".into()),
        seed: 7,
        spare: 20_000,
        changes: Err("no way".into()),
        operations: None,
        offers: Offers::default(),
        visits: Visits {
            exhausting: Err("it is not ours".into()),
            filling: Err("it is not ours".into()),
            parts: Err("it does not tell".into()),
            connections_of_one: None,
        },
    }
}

fn minutes(minutes: f64) -> StressConfig {
    StressConfig { duration: Some(Duration::from_secs_f64(minutes * 60.0)), ..plain() }
}

fn skips(plan: &Plan) -> Vec<Option<&str>> {
    plan.phases.iter().map(|phase| phase.skip.as_deref()).collect()
}

#[test]
fn the_default_run_is_planned_under_five_minutes() {
    let plan = stress(&plain(), &own_cluster()).expect("a plan");
    assert!(plan.estimate() < Duration::from_secs(285), "{:?}", plan.estimate());
    assert_eq!(plan.phases.iter().map(PhasePlan::scenarios).collect::<Vec<_>>(), [0, 0, 0, 3, 4, 0]);
}

#[test]
fn the_shortest_run_is_planned_too() {
    let config = StressConfig { duration: Some(Duration::from_millis(100)), ..plain() };
    let plan = stress(&config, &own_cluster()).expect("a plan");
    assert!(plan.phases.iter().all(|phase| phase.estimate() > Duration::ZERO), "{plan:?}");
    assert_eq!(plan.phases[2].about, "Hold 100K for 0.1 seconds");
    assert_eq!(crate::plan::in_words(config.duration() / 3), "33 ms");
    assert_eq!(crate::plan::in_words(Duration::from_millis(1_280)), "1.3 s");
}

#[test]
fn streams_are_opened_before_the_load_and_closed_after_its_sweep() {
    let changes = Ok(ChangeBy::ControlSocket);
    let found = Found { changes: changes.clone(), ..own_cluster() };
    let plan = stress(&StressConfig { streams: 10_000, ..plain() }, &found).expect("a plan");
    let blocks: Vec<&Block> = plan.phases[2].steps.iter().map(|step| &step.block).collect();
    let [Block::Streams(opening), Block::Streaming { load, changes: by }, Block::Probe(_)] = blocks[..] else {
        panic!("{blocks:?}")
    };
    assert_eq!((opening.streams, opening.rate, load.rate, by), (10_000, 5_000.0, 12_000.0, &changes));
    let closes = |number: usize, plan: &Plan| {
        let blocks = plan.phases[number].steps.iter().map(|step| &step.block);
        blocks.filter(|block| matches!(block, Block::EndStreams { .. })).count()
    };
    assert_eq!(closes(3, &plan), 1, "they are held through the failures");
    let only = ["1", "2", "3", "6"].map(String::from).to_vec();
    let config = StressConfig { streams: 10_000, phases: only, ..plain() };
    assert_eq!(closes(2, &stress(&config, &found).expect("a plan")), 1, "where there are none, only through the load");
    let without = stress(&plain(), &found).expect("a plan");
    assert_eq!(without.phases[2].steps.len(), 2, "and where there are none, nothing is different");
    assert!(plan.estimate() > without.estimate());
}

#[test]
fn fifteen_minutes_are_planned_under_thirty_five() {
    let plan = stress(&minutes(15.0), &own_cluster()).expect("a plan");
    assert!(plan.estimate() < Duration::from_secs(34 * 60), "{:?}", plan.estimate());
}

#[test]
fn the_scenarios_last_as_long_as_the_issue_says() {
    let lengths = |at: f64| {
        let plan = stress(&minutes(at), &own_cluster()).expect("a plan");
        let mut found = Vec::new();
        for step in &plan.phases[4].steps {
            match &step.block {
                Block::Load(load) => found.push(load.duration.as_secs()),
                Block::Burst(burst) => found.push(burst.duration.as_secs()),
                _ => {}
            }
        }
        found
    };
    assert_eq!(lengths(1.0), [40, 20]);
    assert_eq!(lengths(3.0), [120, 30]);
    assert_eq!(lengths(60.0), [600, 30]);
}

#[test]
fn a_foreign_target_has_no_failure_recovery() {
    let plan = stress(&plain(), &foreign()).expect("a plan");
    assert_eq!(skips(&plan), [None, None, None, Some("no fault driver"), None, None]);
    assert_eq!(plan.phases[3].estimate(), Duration::ZERO);
}

#[test]
fn no_faults_means_none() {
    let plan = stress(&StressConfig { no_faults: true, ..plain() }, &own_cluster()).expect("a plan");
    assert_eq!(plan.phases[3].skip.as_deref(), Some("--no-faults"));
    assert!(plan.phases[3].steps.iter().all(|step| step.skip.is_some()));
}

#[test]
fn what_a_left_out_phase_would_have_prepared_is_prepared_quietly() {
    let config = StressConfig { phases: vec!["sustained_load".into(), "5".into()], ..plain() };
    let plan = stress(&config, &own_cluster()).expect("a plan");
    let left_out = Some(LEFT_OUT);
    assert_eq!(skips(&plan), [left_out, left_out, None, left_out, None, left_out]);
    let first = |phase: usize| &plan.phases[phase].steps[0];
    assert!(first(2).quiet && matches!(first(2).block, Block::Connect(_)), "{:?}", first(2));
    assert!(first(4).quiet && matches!(first(4).block, Block::Close(_)), "{:?}", first(4));
}

#[test]
fn performance_alone_ramps_from_zero_without_closing_first() {
    let plan = stress(&StressConfig { phases: vec!["5".into()], ..plain() }, &own_cluster()).expect("a plan");
    assert!(matches!(plan.phases[4].steps[0].block, Block::Connect(_)));
}

#[test]
fn a_sweep_never_exceeds_the_rate_on_another_machine() {
    let config = StressConfig { connections: Some(1_000), rate: Some(100.0), ..plain() };
    let far = Found { colocated: false, ..foreign() };
    assert_eq!(sweep(&config, &far), Probe::Sweep { connections: 1_000, duration: Duration::from_secs(10) });
}

#[test]
fn amounts_read_as_people_write_them() {
    let counts: Vec<String> = [500, 1_000, 12_345, 100_000, 2_000_000].into_iter().map(short_count).collect();
    assert_eq!(counts, ["500", "1K", "12,345", "100K", "2M"]);
    assert_eq!(short_duration(Duration::from_secs(900)), "15 minutes");
    assert_eq!(short_duration(Duration::from_secs(60)), "1 minute");
    assert_eq!(short_duration(Duration::from_secs(90)), "1.5 minutes");
    assert_eq!(short_duration(Duration::from_secs(20)), "20 seconds");
}

/// The extra connections of each phase, and why the overflow is skipped.
fn filling(connections: u64, spare: u64) -> (Vec<u64>, Option<String>) {
    let config = StressConfig { connections: Some(connections), ..plain() };
    let queue = Ok(QueueFacts { workers: 600, places: 6_000 });
    let plan = stress(&config, &Found { queue, spare, ..own_cluster() }).expect("a plan");
    let extra = |step: &Step| match &step.block {
        Block::Connect(connect) if step.name.starts_with("more connections") => Some(connect.connections),
        _ => None,
    };
    let steps = || plan.phases.iter().flat_map(|phase| &phase.steps);
    let skip = steps().find(|step| step.name == "queue overflow").and_then(|step| step.skip.clone());
    (steps().filter(|step| step.skip.is_none()).filter_map(extra).collect(), skip)
}

#[test]
fn few_connections_get_company_to_fill_the_queue() {
    assert_eq!(filling(11_550, 0), (Vec::new(), None));
    assert_eq!(filling(5_000, 6_550), (vec![6_550, 6_550], None));
    let (extra, skip) = filling(5_000, 6_549);
    assert!(extra.is_empty() && skip.is_some_and(|why| why.contains("11550 connections")));
}

/// The quiet steps about operations in each phase.
fn operating(config: &StressConfig, tool: Option<&str>) -> Vec<Vec<Block>> {
    let found = Found { operations: tool.map(String::from), ..own_cluster() };
    let plan = stress(config, &found).expect("a plan");
    let is_about = |block: &Block| matches!(block, Block::Operations(_) | Block::Audit(_));
    let of = |phase: &PhasePlan| phase.steps.iter().map(|step| step.block.clone()).filter(is_about).collect();
    plan.phases.iter().map(of).collect()
}

#[test]
fn operations_run_beside_load_and_faults_and_are_audited_after_them() {
    let begin = |rate| Block::Operations(Operations { rate, tool: "append".into() });
    let (none, audit) = (Vec::new, || vec![Block::Audit(Ok(()))]);
    assert_eq!(operating(&plain(), Some("append")), [none(), none(), vec![begin(500.0)], audit(), none(), none()]);
    let slow = StressConfig { operations: Some(25.0), ..plain() };
    assert_eq!(operating(&slow, Some("append"))[2], [begin(25.0)]);
    let faults_alone = StressConfig { phases: vec!["4".into()], ..plain() };
    assert_eq!(operating(&faults_alone, Some("append"))[3], [begin(500.0), Block::Audit(Ok(()))]);
    let without_faults = StressConfig { phases: vec!["3".into(), "6".into()], ..plain() };
    assert_eq!(
        operating(&without_faults, Some("append"))[2],
        [begin(500.0), Block::Audit(Ok(()))],
        "nothing else ends them"
    );
    let unwanted = StressConfig { operations: Some(0.0), ..plain() };
    assert_eq!(operating(&unwanted, Some("append"))[3], [Block::Audit(Err("--operations 0".into()))]);
    assert!(operating(&plain(), None).iter().all(Vec::is_empty), "a target that knows none");
}
