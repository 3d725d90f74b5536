//! Visitors and changes of the number of replicas, among a troupe.

use std::time::Duration;

use erlmcp_load::proto::command::Command;
use erlmcp_record::names::detail;

use crate::action::Ask;
use crate::event::HealError;
use crate::fault::{Fault, Kind};
use crate::plan::{Block, Scaling, Step, Visit, Visiting};
use crate::stage::{SECOND, Stage};
use crate::visit::Visited;

const WINDOW: Duration = Duration::from_secs(3);

fn visiting(rate: Option<f64>, under: Option<Fault>) -> Stage {
    let plan = Visiting { visit: Visit::Body, rate, window: WINDOW, under };
    Stage::new(vec![Step::scenario("limit_body", "the largest body", Block::Visiting(plan))], 500)
}

fn is_visit(ask: &Ask) -> bool {
    matches!(ask, Ask::Visit { visit: Visit::Body, .. })
}

#[test]
fn a_visitor_comes_when_the_load_is_known_and_the_load_goes_on_after_it() {
    let mut stage = visiting(Some(400.0), None);
    let detail = [(detail::TAKEN_BYTES.to_string(), 9.0)].into();
    stage.troupe.visited = Ok(Visited { detail, text: "it took nine".into() });
    stage.run_for(2 * SECOND);
    assert!(!stage.asked_for(is_visit), "the window is not over");
    stage.run_to_end(20 * SECOND);
    assert!(stage.asked_for(is_visit));
    let row = stage.scenario();
    assert_eq!((row.inconclusive.clone(), row.detail.get(detail::TAKEN_BYTES)), (None, Some(&9.0)));
    assert!(row.ended_us >= row.started_us + 6 * SECOND, "a window before and one after: {row:?}");
    assert_eq!(row.blocks.len(), 1);
}

#[test]
fn a_visitor_may_come_alone() {
    let mut stage = visiting(None, None);
    stage.run_to_end(2 * SECOND);
    assert!(stage.asked_for(is_visit));
    assert!(stage.commands().all(|(_, command)| !matches!(command, Command::Load(_))));
    assert!(stage.scenario().blocks.is_empty());
}

#[test]
fn what_a_visitor_could_not_find_out_is_inconclusive() {
    let mut stage = visiting(None, None);
    stage.troupe.visited = Err("the target opens no sessions".into());
    stage.run_to_end(2 * SECOND);
    assert_eq!(stage.scenario().inconclusive.as_deref(), Some("the target opens no sessions"));
}

#[test]
fn a_visitor_comes_while_a_fault_is_in_force_and_the_fault_is_undone() {
    let mut stage = visiting(Some(400.0), Some(Fault::of(Kind::Descriptors, vec![1])));
    stage.run_to_end(40 * SECOND);
    assert!(stage.asked_for(is_visit));
    let fault = stage.fault_row();
    assert!(fault.effect_us.is_some() && fault.heal_verified_us.is_some(), "{fault:?}");
    assert_eq!(stage.scenario().faults, [fault.id]);
    let mut stage = visiting(Some(400.0), Some(Fault::of(Kind::Descriptors, vec![1])));
    stage.troupe.fault = Err("not permitted".into());
    stage.run_to_end(40 * SECOND);
    assert!(!stage.asked_for(is_visit), "there was nothing to see");
    assert_eq!(stage.scenario().inconclusive.as_deref(), Some("not permitted"));
}

#[test]
fn the_way_back_from_a_fault_is_told() {
    let stage = |change: &dyn Fn(&mut Stage)| {
        let mut stage = visiting(Some(400.0), Some(Fault::of(Kind::Descriptors, vec![1])));
        change(&mut stage);
        stage.run_to_end(80 * SECOND);
        stage.scenario()
    };
    let row = stage(&|_| {});
    assert_eq!((row.inconclusive.as_ref(), row.detail.get(detail::BACK_MS)), (None, Some(&0.0)), "{row:?}");
    let row = stage(&|stage| stage.troupe.recovers = false);
    let found = |name| row.detail.get(name).copied();
    assert_eq!((found(detail::BACK_MS), found(detail::BACK_WATCHED_MS)), (None, Some(30_000.0)), "{row:?}");
    let row = stage(&|stage| stage.troupe.healing = Err(HealError::Stuck("the limit stays".into())));
    assert_eq!((row.inconclusive.as_deref(), row.detail.get(detail::BACK_MS)), (Some("the limit stays"), None));
}

/// From two replicas to four, and back.
fn up_and_down() -> Stage {
    let plan = Scaling {
        rate: 400.0,
        window: WINDOW,
        replicas: vec![4, 2],
        bound: Duration::from_secs(30),
        move_rate: 100.0,
        moves: 0,
    };
    Stage::new(vec![Step::scenario("scaling", "scaling", Block::Scaling(plan))], 500)
}

#[test]
fn clients_learn_of_more_replicas_and_nothing_is_said_to_be_even_that_is_not() {
    let mut stage = up_and_down();
    stage.run_to_end(40 * SECOND);
    let told: Vec<usize> = stage
        .commands()
        .filter_map(|(_, command)| match command {
            Command::Endpoints(list) => Some(list.endpoints.len()),
            _ => None,
        })
        .collect();
    assert_eq!(told, [4, 4, 2, 2], "two agents, two changes");
    let moves =
        stage.commands().filter(|(_, command)| matches!(command, Command::Rebalance(order) if order.rate == 50.0));
    assert_eq!(moves.count(), 4, "each agent moves its part of them");
    let row = stage.scenario();
    assert!(!row.detail.contains_key("change_1_even_again_ms"), "nobody moved: {row:?}");
    // All connections are at two of the four replicas.
    assert_eq!(row.detail.get("change_1_spread_ratio"), Some(&2.0), "{row:?}");
    assert_eq!((row.detail.get("change_1_least_count"), row.detail.get("change_1_gini")), (Some(&0.0), Some(&0.5)));
    assert_eq!(row.detail.get("change_2_spread_ratio"), Some(&1.0), "{row:?}");
}

#[test]
fn a_change_that_is_not_over_in_its_time_says_how_long_that_was() {
    let mut stage = up_and_down();
    stage.troupe.scales = false;
    stage.run_to_end(60 * SECOND);
    let row = stage.scenario();
    assert_eq!(row.inconclusive.as_deref(), Some("not scaled within 30 s"));
    assert_eq!(row.detail.get("change_1_scale_watched_ms"), Some(&30_000.0), "{row:?}");
}

#[test]
fn a_cut_takes_the_new_replicas_back() {
    let mut stage = up_and_down();
    stage.run_for(5 * SECOND);
    assert!(stage.asked(&Ask::Scale { replicas: 4 }) && !stage.asked(&Ask::Scale { replicas: 2 }));
    stage.cut("interrupted");
    stage.run_to_end(2 * SECOND);
    assert!(stage.asked(&Ask::Scale { replicas: 2 }));
}
