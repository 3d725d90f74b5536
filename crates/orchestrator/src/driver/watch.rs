//! A cluster's own words about its replicas, as events of the run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use erlmcp_load::clock::RunClock;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::control::{ANSWER_WITHIN, Connection, ControlError, Done};
use super::protocol::{ReplicaStatus, Status, Told, run_us};
use crate::event::{Change, Event};

/// Between two attempts to watch a cluster that has stopped to talk.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// Watches until it is aborted or nobody listens. `ready` is told when it hears what happens.
pub(super) async fn watch(
    control: PathBuf,
    clock: RunClock,
    events: mpsc::Sender<Event>,
    ready: tokio::sync::oneshot::Sender<()>,
) {
    let mut ready = Some(ready);
    // What was last said of each replica: true for a member.
    let mut members: BTreeMap<u16, bool> = BTreeMap::new();
    while !events.is_closed() {
        match open(&control).await {
            Ok((mut connection, status)) => {
                let missed = missed(&mut members, &status, &clock);
                ready.take().map(|ready| ready.send(()));
                for event in missed {
                    let _ = events.send(event).await;
                }
                while let Some(line) = connection.line().await {
                    let Ok(told) = serde_json::from_str::<Told>(&line) else { continue };
                    let event = told.on(&clock);
                    note(&mut members, &event);
                    let _ = events.send(event).await;
                }
                tracing::warn!("the cluster at {} tells no more of itself", control.display());
            }
            Err(error) => tracing::debug!("the cluster cannot be watched: {error}"),
        }
        sleep(AGAIN_AFTER).await;
    }
}

/// Nothing falls between the two: the status is asked for after the watching began.
async fn open(control: &Path) -> Result<(Connection, Status), ControlError> {
    let mut connection = Connection::open(control).await?;
    let _: Done = connection.ask(("watch", None), ANSWER_WITHIN).await?;
    Ok((connection, super::control::status(control).await?))
}

fn note(members: &mut BTreeMap<u16, bool>, event: &Event) {
    let Event::Replica { replica, change, .. } = event else { return };
    match change {
        Change::Down => drop(members.insert(*replica, false)),
        Change::Up => drop(members.insert(*replica, true)),
        Change::Other => {}
    }
}

/// What changed while nobody listened. Replicas that are not known yet are taken for members.
fn missed(members: &mut BTreeMap<u16, bool>, status: &Status, clock: &RunClock) -> Vec<Event> {
    let changed = |one: &ReplicaStatus| {
        let was_member = members.insert(one.replica, one.member).unwrap_or(true);
        let change = match (was_member, one.member) {
            (true, false) => Change::Down,
            (false, true) => Change::Up,
            _ => return None,
        };
        let since = one.down_since_ns.filter(|_| change == Change::Down);
        let at_us = since.map_or_else(|| clock.now_us(), |ns| run_us(clock, ns));
        Some(Event::Replica { replica: one.replica, at_us, change })
    };
    status.replicas.iter().filter_map(changed).collect()
}

#[cfg(test)]
mod tests {
    use super::super::fake::{self, FakeCluster};
    use super::*;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn what_happens_is_told_and_what_had_happened() {
        let cluster = FakeCluster::new(fake::status(1, &[Some(5), None]));
        let (events, mut told) = mpsc::channel(16);
        let (ready, is_ready) = oneshot::channel();
        let clock = RunClock::new(1_000_000_000);
        let watching = tokio::spawn(watch(cluster.control().to_path_buf(), clock, events, ready));
        is_ready.await.expect("it watches");
        cluster.tell(r#"{"event":"restarting","replica":2,"at_ns":8000000000,"delay_ms":1,"reason":"x"}"#);
        cluster.tell("not JSON");
        cluster.tell(r#"{"event":"up","replica":2,"at_ns":9000000000}"#);
        let mut seen = Vec::new();
        while seen.len() < 3 {
            match told.recv().await.expect("it goes on") {
                Event::Replica { replica, at_us, change } => seen.push((replica, at_us, change)),
                other => panic!("{other:?}"),
            }
        }
        let expected = [(2, 6_000_000, Change::Down), (2, 7_000_000, Change::Other), (2, 8_000_000, Change::Up)];
        assert_eq!(seen, expected);
        watching.abort();
    }

    #[test]
    fn a_change_that_nobody_heard_of_is_found_in_the_status() {
        let clock = RunClock::new(1_000_000_000);
        let status = |pids: &[Option<u32>]| -> Status {
            serde_json::from_value(fake::status(1, pids)).expect("the fake speaks the protocol")
        };
        let mut members = BTreeMap::new();
        assert!(missed(&mut members, &status(&[Some(5), Some(6)]), &clock).is_empty());
        let down = missed(&mut members, &status(&[Some(5), None]), &clock);
        assert!(
            matches!(down[..], [Event::Replica { replica: 2, at_us: 6_000_000, change: Change::Down }]),
            "{down:?}"
        );
        assert!(missed(&mut members, &status(&[Some(5), None]), &clock).is_empty());
        let up = missed(&mut members, &status(&[Some(5), Some(7)]), &clock);
        assert!(matches!(up[..], [Event::Replica { replica: 2, change: Change::Up, .. }]), "{up:?}");
    }
}
