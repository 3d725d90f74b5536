use std::time::Duration;

use erlmcp_record::names::{phase, scenario};

use super::super::stress::tests::{foreign, own_cluster};
use super::*;
use crate::Purpose;
use crate::config::tests::plain;
use crate::fault::{Field, Kind, Needs};
use crate::plan::{Block, Fronts, Offers, Visits};

fn suite(steps: &[u64]) -> StressConfig {
    StressConfig { purpose: Purpose::Comprehensive { steps: steps.to_vec() }, ..plain() }
}

fn phase<'a>(plan: &'a Plan, name: &str) -> &'a PhasePlan {
    plan.phases.iter().find(|phase| phase.name == name).expect("it is planned")
}

#[test]
fn the_suite_has_eight_phases_and_a_cool_down() {
    let plan = comprehensive(&suite(&[]), &own_cluster()).expect("a plan");
    let names: Vec<&str> = plan.phases.iter().map(|phase| phase.name.as_str()).collect();
    assert_eq!(names[..8], SUITE_PHASES);
    assert_eq!(names[8..], [phase::COOL_DOWN]);
    assert!(plan.phases.iter().zip(1..).all(|(phase, number)| phase.number == number));
    assert!(plan.estimate() < Duration::from_secs(20 * 60), "{:?}", plan.estimate());
}

#[test]
fn scenarios_of_a_phase_have_names_of_their_own() {
    for phase in comprehensive(&suite(&[]), &own_cluster()).expect("a plan").phases {
        let mut names: Vec<_> = phase.steps.iter().filter_map(|step| step.scenario.clone()).collect();
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all, "{}", phase.name);
    }
}

#[test]
fn steps_go_up_to_the_connections_of_the_run() {
    let plan = comprehensive(&StressConfig { connections: Some(5_000), ..suite(&[]) }, &own_cluster()).expect("a plan");
    let names: Vec<_> = phase(&plan, phase::LOAD_SCALING).steps.iter().filter_map(|s| s.scenario.clone()).collect();
    assert_eq!(names, ["ramp_1000", "load_1000", "ramp_5000", "load_5000"]);
    let more = suite(&[400_000, 200_000]);
    assert_eq!((more.connections(), more.sockets(), more.steps()), (400_000, 400_000, vec![200_000, 400_000]));
    let fewer = StressConfig { connections: Some(100), ..suite(&[50, 300]) };
    assert_eq!((fewer.connections(), fewer.sockets()), (100, 300));
    let plan = comprehensive(&fewer, &own_cluster()).expect("a plan");
    assert!(matches!(phase(&plan, phase::LOAD_SCALING).steps.last().map(|step| &step.block), Some(Block::Close(_))));
    assert_eq!(phase(&plan, phase::SUSTAINED_LOAD).steps[0].name, "opening the connections first");
}

#[test]
fn connections_stay_open_from_one_phase_to_the_next() {
    let plan = comprehensive(&suite(&[]), &own_cluster()).expect("a plan");
    for name in [phase::SUSTAINED_LOAD, phase::DISTRIBUTION] {
        assert!(!phase(&plan, name).steps.iter().any(|step| matches!(step.block, Block::Connect(_))), "{name}");
    }
    let alone = StressConfig { phases: vec!["4".into()], ..suite(&[]) };
    let plan = comprehensive(&alone, &own_cluster()).expect("a plan");
    assert!(matches!(phase(&plan, phase::DISTRIBUTION).steps[0].block, Block::Connect(_)));
    assert_eq!(phase(&plan, phase::LOAD_SCALING).skip.as_deref(), Some(LEFT_OUT));
    assert_eq!(phase(&plan, phase::COOL_DOWN).skip, None);
}

#[test]
fn clients_move_to_the_fault_proxy_for_the_faults_that_need_it_and_back() {
    let addresses = |port: u16| vec![(1, ([127, 0, 0, 11], port).into()), (2, ([127, 0, 0, 12], 80).into())];
    let fronts = Some(Fronts { through: addresses(9_999), direct: addresses(80) });
    let field = Field { fronted: vec![1], ..own_cluster().field };
    let found = Found { fronts, field, operations: Some("append".into()), ..own_cluster() };
    let plan = comprehensive(&suite(&[]), &found).expect("a plan");
    let steps = &phase(&plan, phase::FAILURE_SCENARIOS).steps;
    let names: Vec<&str> = steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "operations",
            "faults, one of each kind",
            "clients move to the fault proxy",
            "faults of the fault proxy",
            "clients move back from the fault proxy",
            "audit of the operations"
        ]
    );
    let kinds = |index: usize| match &steps[index].block {
        Block::Faults(faults) => {
            faults.planned.iter().filter(|one| one.skip.is_none()).map(|one| one.fault.kind).collect()
        }
        _ => Vec::new(),
    };
    assert!(kinds(1).contains(&Kind::StoreFull) && kinds(1).iter().all(|kind| kind.needs() != Needs::Proxy));
    assert!(kinds(3).len() == 7 && kinds(3).iter().all(|kind| kind.needs() == Needs::Proxy), "{:?}", kinds(3));
    assert!(plan.estimate() < Duration::from_secs(20 * 60), "{:?}", plan.estimate());
    let without = comprehensive(&suite(&[]), &Found { fronts: None, ..own_cluster() }).expect("a plan");
    let skips: Vec<_> =
        phase(&without, phase::FAILURE_SCENARIOS).steps.iter().map(|step| step.skip.is_some()).collect();
    assert_eq!(skips, [false, true], "no proxy, no operations");
    let none = StressConfig { no_faults: true, ..suite(&[]) };
    let skipped = comprehensive(&none, &found).expect("a plan");
    assert!(phase(&skipped, phase::FAILURE_SCENARIOS).skip.is_some());
}

#[test]
fn a_number_of_replicas_that_cannot_be_changed_is_said() {
    let found = Found { cannot_scale: Some("no manager".into()), ..own_cluster() };
    let plan = comprehensive(&suite(&[]), &found).expect("a plan");
    let skips =
        phase(&plan, phase::FAILOVER).steps.iter().filter_map(|step| Some((step.scenario.as_deref()?, &step.skip)));
    let skipped: Vec<_> = skips.filter_map(|(name, skip)| Some((name, skip.as_deref()?))).collect();
    assert_eq!(skipped, [(scenario::SCALING, "no manager")]);
}

#[test]
fn what_a_foreign_server_lacks_is_skipped_with_the_reason() {
    let plan = comprehensive(&suite(&[]), &foreign()).expect("a plan");
    let steps = &phase(&plan, phase::DISTRIBUTION).steps;
    let skip = |name: &str| {
        let found = steps.iter().find(|step| step.scenario.as_deref() == Some(name));
        found.expect("it is planned").skip.as_deref()
    };
    assert_eq!(skip(scenario::RATE_SWEEP), None);
    assert_eq!(skip("method_server_discover"), None);
    assert!(skip("answer_bytes_100").is_some_and(|why| why.contains("no tool")));
    assert!(skip("era_legacy").is_some_and(|why| why.contains("names no version")));
    assert!(skip(scenario::AS_SSE).is_some());
}

#[test]
fn what_a_target_lists_is_asked_for_by_its_method() {
    let offers = Offers {
        lists: vec!["resources/list".into(), "prompts/list".into()],
        resource: Some("a://small".into()),
        ..Offers::default()
    };
    let plan = comprehensive(&suite(&[]), &Found { offers, ..foreign() }).expect("a plan");
    let names = phase(&plan, phase::DISTRIBUTION).steps.iter().filter_map(|step| step.scenario.as_deref());
    let methods: Vec<&str> = names.filter_map(|name| name.strip_prefix(scenario::METHOD)).collect();
    let beside = ["resources_list", "prompts_list", "resources_read"];
    assert_eq!(methods, [["usual", "server_discover", "tools_list"], beside].concat());
}

#[test]
fn a_queue_is_flooded_where_a_replica_has_the_connections_for_it() {
    let skips = |connections_of_one: u64| {
        let visits = Visits { connections_of_one: Some(connections_of_one), ..own_cluster().visits };
        let plan = comprehensive(&suite(&[]), &Found { visits, ..own_cluster() }).expect("a plan");
        let skip = |name: &str, scenario: &str| {
            let mut steps = phase(&plan, name).steps.iter();
            steps.find(|step| step.scenario.as_deref() == Some(scenario)).expect("it is planned").skip.is_some()
        };
        let (limits, parts) = (phase::RESOURCE_LIMITS, phase::INTEGRATION);
        [skip(limits, scenario::LIMIT_QUEUE), skip(parts, scenario::QUEUE_AND_WORKERS)]
    };
    // A replica has 50 workers and 1,024 places, and holds 8,333 connections through the limits.
    assert_eq!(skips(1_173), [true, true]);
    assert_eq!(skips(1_174), [true, false]);
    assert_eq!(skips(8_333 + 1_174), [false, false]);
}

#[test]
fn the_streams_of_sessions_are_those_of_servers_that_may_have_sessions() {
    let skip = |offers: Offers| {
        let plan = comprehensive(&suite(&[]), &Found { offers, ..foreign() }).expect("a plan");
        let mut steps = phase(&plan, phase::RESOURCE_LIMITS).steps.iter();
        let found = steps.find(|step| step.scenario.as_deref() == Some(scenario::LIMIT_STREAMS));
        found.expect("it is planned").skip.clone()
    };
    assert!(skip(Offers::default()).is_some_and(|why| why.contains("no version of the older era")));
    assert_eq!(skip(Offers { is_legacy: true, ..Offers::default() }), None);
    assert_eq!(skip(Offers { other_era: Some(crate::Era::Legacy), ..Offers::default() }), None);
}
