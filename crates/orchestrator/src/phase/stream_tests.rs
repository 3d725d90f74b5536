use std::time::Duration;

use erlmcp_load::proto::{self, command::Command};
use erlmcp_record::names::finding as names;
use erlmcp_record::{ChangeRow, Entry};
use erlmcp_report::live;

use crate::ToolCall;
use crate::action::{Action, Ask};
use crate::plan::{Block, ChangeBy, Load, Step, Streams};
use crate::stage::{SECOND, Stage};

fn streaming(seconds: u64, changes: Result<ChangeBy, String>) -> Step {
    let load = Load { rate: 100.0, duration: Duration::from_secs(seconds), line_every: None, shaped: false };
    Step::new("sustained load", Block::Streaming { load, changes })
}

fn rows(stage: &Stage) -> Vec<ChangeRow> {
    let rows = stage.rows().filter_map(|row| match row {
        Entry::Change(row) => Some(row.clone()),
        _ => None,
    });
    rows.collect()
}

/// What the agents were told of changes.
fn told(stage: &Stage) -> Vec<(u32, proto::Change)> {
    let told = stage.commands().filter_map(|(agent, command)| match command {
        Command::Change(change) => Some((agent, *change)),
        _ => None,
    });
    told.collect()
}

fn notes(stage: &Stage) -> Vec<&str> {
    let notes = stage.actions.iter().filter_map(|action| match action {
        Action::Show(live::Event::Note { text }) => Some(text.as_str()),
        _ => None,
    });
    notes.collect()
}

#[test]
fn streams_are_shared_out_and_their_memory_is_looked_at() {
    let open = Step::new("streams", Block::Streams(Streams { streams: 1_001, rate: 500.0 }));
    let mut stage = Stage::new(vec![open, Step::quiet("end", Block::EndStreams { streams: 1_001 })], 100);
    stage.run_to_end(20 * SECOND);
    let shares: Vec<(u64, f64)> = stage
        .commands()
        .filter_map(|(_, command)| match command {
            Command::Streams(order) => Some((order.streams, order.rate)),
            _ => None,
        })
        .collect();
    assert_eq!(shares, [(501, 250.0), (500, 250.0)]);
    assert_eq!(stage.finding(names::STREAMS_MEASURED), Some(1_001.0));
    assert_eq!(stage.finding(names::MEMORY_WITH_STREAMS), None, "the stage tells no memory, which is no zero");
    assert!(notes(&stage).contains(&"1001 of 1001 streams are held"), "{:?}", notes(&stage));
    let ends = stage.commands().filter(|(_, command)| matches!(command, Command::EndStreams(_))).count();
    assert_eq!(ends, 2);
}

#[test]
fn a_change_is_made_every_few_seconds_and_told_to_every_agent() {
    let mut stage = Stage::new(vec![streaming(20, Ok(ChangeBy::ControlSocket))], 100);
    stage.run_to_end(30 * SECOND);
    let rows = rows(&stage);
    // The load begins at 11 s; each change has 4 s, and the last one's end within the load.
    let times: Vec<(u32, u64)> = rows.iter().map(|row| (row.change, row.at_us / SECOND)).collect();
    assert_eq!(times, [(1, 12), (2, 17), (3, 22), (4, 27)]);
    assert!(rows.iter().all(|row| row.failed.is_none() && row.bound_us == 4 * SECOND), "{rows:?}");
    assert_eq!(rows[0].method, "notify on the cluster's control socket");
    let told = told(&stage);
    assert_eq!(told.len(), 8, "two agents: {told:?}");
    for (_, change) in told {
        let row = &rows[change.change as usize - 1];
        assert_eq!((change.at_us, change.until_us), (row.at_us, row.at_us + row.bound_us));
    }
}

#[test]
fn a_tool_of_the_user_s_is_called_by_one_agent() {
    let tool = ToolCall { name: "touch".into(), arguments: r#"{"a":1}"#.into() };
    let mut stage = Stage::new(vec![streaming(4, Ok(ChangeBy::Tool(tool)))], 100);
    stage.run_to_end(10 * SECOND);
    let made: Vec<(u32, &str, &str)> = stage
        .commands()
        .filter_map(|(agent, command)| match command {
            Command::MakeChange(order) => Some((agent, order.tool.as_str(), order.arguments.as_str())),
            _ => None,
        })
        .collect();
    assert!(made.len() >= 3 && made.iter().all(|call| *call == (0, "touch", r#"{"a":1}"#)), "{made:?}");
    assert_eq!((rows(&stage).len(), told(&stage).len()), (made.len(), 2 * made.len()));
    assert_eq!(rows(&stage)[0].method, "tools/call touch");
}

#[test]
fn changes_that_cannot_be_made_are_recorded_and_given_up() {
    let mut stage = Stage::new(vec![streaming(20, Ok(ChangeBy::ControlSocket))], 100);
    stage.troupe.change = Err("the cluster is stopping".into());
    stage.run_to_end(30 * SECOND);
    let rows = rows(&stage);
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().all(|row| row.failed.as_deref() == Some("the cluster is stopping")));
    assert!(told(&stage).is_empty(), "nobody waits for what was not made");
    assert!(notes(&stage).iter().any(|note| note.contains("the cluster is stopping")));
}

#[test]
fn without_a_way_to_change_anything_that_is_said_once() {
    let mut stage = Stage::new(vec![streaming(5, Err("no tool was named".into()))], 100);
    stage.run_to_end(10 * SECOND);
    assert!(rows(&stage).is_empty() && !stage.asked(&Ask::Change { change: 1 }));
    assert_eq!(notes(&stage).iter().filter(|note| note.contains("no tool was named")).count(), 1);
}

#[test]
fn a_cut_makes_no_more_changes() {
    let mut stage = Stage::new(vec![streaming(60, Ok(ChangeBy::ControlSocket))], 100);
    stage.run_for(4 * SECOND);
    stage.cut("interrupted");
    stage.run_to_end(5 * SECOND);
    assert_eq!(rows(&stage).len(), 1);
}
