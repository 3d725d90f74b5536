//! More queued calls at once than workers and queue have room for.

use std::time::Duration;

use erlmcp_record::names::detail;
use tokio::task::JoinSet;

use super::figures::{self, Figures, LONG_NS};
use super::talk::Talk;
use super::{Door, Visited, refusal, texts};
use crate::collector::Answered;
use crate::plan::FLOOD_EXCESS;

/// More connections are not made for it.
const CONNECTIONS_MAX: u64 = 6_000;
/// All of what was admitted is meant to be done within so long.
const DRAIN_MS: u64 = 3_000;
/// A call waits for those before it.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

pub(super) async fn queue(door: &Door) -> Result<Visited, String> {
    let before = figures::now(door).await?;
    let room = before.worker_pool.size + before.queue.limit;
    let calls = room + FLOOD_EXCESS;
    if calls > CONNECTIONS_MAX {
        return Err(format!("workers and queue have room for {room} calls, more than the visitor makes connections"));
    }
    let places = before.connections_limit.saturating_sub(before.connections.all());
    if calls > places {
        return Err(format!("it takes {calls} connections to flood the queue, and the replica takes {places} more"));
    }
    let work_ms = (DRAIN_MS * before.worker_pool.size.max(1) / room.max(1)).clamp(5, 1_000);
    let answers = call_at_once(door, calls, work_ms).await?;
    let done_us = door.clock.now_us();
    let counted = Counted::of(&answers);
    // A server that is not back says nothing, either.
    let visited = match figures::now(door).await {
        Ok(after) => counted.compare(&before, &after),
        Err(_) => counted.told(),
    };
    // Who is refused says more of the limit than who gets no answer at all.
    let first = answers.iter().find(|answer| is_refusal(answer)).or_else(|| answers.iter().find(|one| one.is_err()));
    let (visited, said) = match first {
        Some(answer) => refusal(visited, answer),
        None => (visited, "none was refused".into()),
    };
    let taken = counted.ok;
    Ok(visited
        .with_back(door.back(done_us, || is_taken(door)).await)
        .saying(format!("{taken} of {calls} calls at once were taken ({room} have room); the others: {said}")))
}

/// What became of the calls.
#[derive(Debug, Default)]
struct Counted {
    ok: u64,
    refused: u64,
    other: u64,
}

fn is_refusal(answer: &Result<Answered, String>) -> bool {
    answer.as_ref().is_ok_and(|answered| matches!(answered.status, 429 | 503))
}

impl Counted {
    fn of(answers: &[Result<Answered, String>]) -> Self {
        let mut counted = Self::default();
        for answer in answers {
            let is_ok = answer.as_ref().is_ok_and(|answered| answered.status == 200 && answered.rpc_code().is_none());
            match () {
                () if is_ok => counted.ok += 1,
                () if is_refusal(answer) => counted.refused += 1,
                () => counted.other += 1,
            }
        }
        counted
    }

    fn told(&self) -> Visited {
        Visited::default()
            .with(detail::TAKEN, self.ok as f64)
            .with(detail::REFUSED, self.refused as f64)
            .with(detail::OTHER, self.other as f64)
    }

    /// Beside what the server counted of them.
    fn compare(&self, before: &Figures, after: &Figures) -> Visited {
        let refused = after.queue.refused_total.saturating_sub(before.queue.refused_total);
        let waits = after.components.queue_wait.since(&before.components.queue_wait);
        let took = after.components.worker_time.since(&before.components.worker_time);
        let (queue, workers) = (&before.queue, &before.worker_pool);
        let depth_max = of_flood((queue.depth_max, after.queue.depth_max), queue.limit);
        let active_max = of_flood((workers.active_max, after.worker_pool.active_max), workers.size);
        self.told()
            .with(detail::SERVER_REFUSED, refused as f64)
            .with(detail::REFUSED_DIFFERENCE, figures::difference(refused, self.refused))
            .with(detail::SERVER_TAKEN, waits.count() as f64)
            .with(detail::TAKEN_DIFFERENCE, figures::difference(waits.count(), self.ok + self.other))
            .with_some(detail::QUEUE_DEPTH_MAX, depth_max)
            .with(detail::QUEUE_LIMIT, queue.limit as f64)
            .with_some(detail::WORKERS_ACTIVE_MAX, active_max)
            .with(detail::WORKERS, workers.size as f64)
            .with_some(detail::QUEUE_WAIT_MEAN_MS, waits.mean_ns().map(|ns| ns / 1e6))
            .with_some(detail::QUEUE_WAIT_P95_MS, waits.quantile_ns(0.95, LONG_NS).map(|ns| ns / 1e6))
            .with_some(detail::WORKER_TIME_MEAN_MS, took.mean_ns().map(|ns| ns / 1e6))
    }
}

/// The most that were ever used, before a flood and after it, as far as that tells of the flood: where all were used before, it
/// does not.
fn of_flood((before, after): (u64, u64), all: u64) -> Option<f64> {
    (before < all || before < after).then_some(after as f64)
}

/// One call on each of so many connections, which are there before.
async fn call_at_once(door: &Door, calls: u64, work_ms: u64) -> Result<Vec<Result<Answered, String>>, String> {
    let address = door.first()?;
    let mut talks = Vec::new();
    for call in 0..calls {
        talks.push(Talk::connect_as(&door.way, address, (call / 1_000) as u16).await?);
    }
    let request: std::sync::Arc<[u8]> = texts::call(door, "work", &format!("{{\"ms\":{work_ms}}}")).into();
    let mut under_way = JoinSet::new();
    for mut talk in talks {
        let request = std::sync::Arc::clone(&request);
        under_way.spawn(async move {
            talk.send(&request).await?;
            talk.answer_within(ANSWER_WITHIN).await
        });
    }
    let mut answers = Vec::new();
    while let Some(answer) = under_way.join_next().await {
        answers.push(answer.map_err(|error| error.to_string()).and_then(|answer| answer));
    }
    Ok(answers)
}

/// The queue is empty, and a call is done.
async fn is_taken(door: &Door) -> bool {
    let is_empty = figures::now(door).await.is_ok_and(|figures| figures.queue.depth == 0);
    let called = async { door.talk().await?.ask(&texts::call(door, "work", "{\"ms\":1}")).await };
    is_empty && called.await.is_ok_and(|answered| answered.status == 200)
}

#[cfg(test)]
mod tests {
    use super::figures::{Queue, WorkerPool};
    use super::*;

    /// So many of `limit` places and of 50 workers were ever used.
    fn ever(depth_max: u64, limit: u64, active_max: u64) -> Figures {
        let queue = Queue { limit, depth_max, ..Queue::default() };
        Figures { queue, worker_pool: WorkerPool { size: 50, active_max }, ..Figures::default() }
    }

    #[test]
    fn what_was_used_before_says_nothing_of_a_flood() {
        let found = |before: Figures, after: Figures| {
            let detail = Counted::default().compare(&before, &after).detail;
            [detail::QUEUE_DEPTH_MAX, detail::WORKERS_ACTIVE_MAX].map(|name| detail.get(name).copied())
        };
        assert_eq!(found(ever(0, 500, 3), ever(500, 500, 50)), [Some(500.0), Some(50.0)]);
        assert_eq!(found(ever(500, 500, 50), ever(500, 500, 50)), [None, None]);
        assert_eq!(found(ever(500, 500, 50), ever(501, 500, 50)), [Some(501.0), None]);
        assert_eq!(
            found(ever(400, 500, 40), ever(400, 500, 40)),
            [Some(400.0), Some(40.0)],
            "they were never all used"
        );
    }

    #[test]
    fn a_queue_is_full_by_the_limit_that_it_had_when_it_was_flooded() {
        let visited = Counted::default().compare(&ever(0, 500, 0), &ever(450, 300, 50));
        assert_eq!(visited.detail.get(detail::QUEUE_LIMIT), Some(&500.0));
    }
}
