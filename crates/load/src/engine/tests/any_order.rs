//! Whatever servers do and whatever is ordered, in whatever order: every planned request has exactly one fate.

use erlmcp_protocol::era::Version;
use proptest::prelude::*;

use super::stage::{S, Stage};
use crate::engine::Order;
use crate::net::simulated::{Listens, Peer, Reply};
use crate::proto;
use crate::wire::Calls;

#[derive(Debug, Clone)]
enum Step {
    Open { connections: u64, paced: bool },
    Load { rate: u32, retry: bool, poisson: bool },
    Sweep,
    Sequential,
    Cut,
    Close,
    Run { ms: u64 },
    Kill(usize),
    Revive(usize),
    CutOff(usize),
    Shout(usize),
    Descriptors(usize),
    Stall { ms: u64 },
    Endpoints(usize),
    Rebalance { rate: u32, ms: u64 },
    Streams { streams: u64, paced: bool },
    EndStreams { paced: bool },
    Change,
    Announce(usize),
    EndFromThere(usize),
    Reconnect { outage_ms: u64 },
}

fn reply() -> impl Strategy<Value = Reply> {
    prop_oneof![
        8 => Just(Reply::Good),
        1 => Just(Reply::ToolError),
        1 => Just(Reply::RpcError),
        1 => Just(Reply::Http500),
        2 => (1u64..3_000).prop_map(Reply::Refuse),
        1 => Just(Reply::WrongId),
        1 => Just(Reply::Twice),
        1 => Just(Reply::Never),
        1 => Just(Reply::Close),
        1 => Just(Reply::Reset),
        1 => Just(Reply::HalfThenClose),
        1 => Just(Reply::EmptyThenGood),
        1 => Just(Reply::LeavesOpen),
        1 => Just(Reply::NotHttp),
        1 => Just(Reply::GoodThenClose),
        1 => Just(Reply::GoodAndClose),
        2 => Just(Reply::GoodAndLast),
        1 => (1u16..4).prop_map(Reply::GoodAndKept),
        1 => Just(Reply::InputRequired),
        1 => (1u8..7).prop_map(Reply::Rounds),
        2 => (1u8..4).prop_map(Reply::Asks),
        1 => (0u64..3_000).prop_map(Reply::Resumes),
    ]
}

fn peer() -> impl Strategy<Value = Peer> {
    let accepts = prop_oneof![Just(usize::MAX), 0usize..10];
    let listens = prop_oneof![
        6 => Just(Listens::Well),
        1 => Just(Listens::No),
        1 => Just(Listens::Unacknowledged),
        1 => Just(Listens::AtOnceOver),
        1 => Just(Listens::Silent),
        1 => Just(Listens::Closes),
    ];
    let pieces = prop_oneof![Just(usize::MAX), 1usize..40];
    (proptest::collection::vec(reply(), 1..8), 1u64..50_000, accepts, any::<bool>(), listens, pieces).prop_map(
        |(replies, latency_us, accepts_max, refuses_answers, listens, pieces)| Peer {
            latency_us,
            accepts_max,
            refuses_answers,
            listens,
            pieces,
            ..Peer::with(&replies)
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1u64..30, any::<bool>()).prop_map(|(connections, paced)| Step::Open { connections, paced }),
        4 => (1u32..200, any::<bool>(), any::<bool>())
            .prop_map(|(rate, retry, poisson)| Step::Load { rate, retry, poisson }),
        1 => Just(Step::Sweep),
        1 => Just(Step::Sequential),
        1 => Just(Step::Cut),
        1 => Just(Step::Close),
        6 => (1u64..2_000).prop_map(|ms| Step::Run { ms }),
        1 => (0usize..3).prop_map(Step::Kill),
        1 => (0usize..3).prop_map(Step::Revive),
        1 => (0usize..3).prop_map(Step::CutOff),
        1 => (0usize..3).prop_map(Step::Shout),
        1 => (0usize..40).prop_map(Step::Descriptors),
        1 => (1u64..5_000).prop_map(|ms| Step::Stall { ms }),
        1 => (0usize..4).prop_map(Step::Endpoints),
        2 => (0u32..200, 1u64..5_000).prop_map(|(rate, ms)| Step::Rebalance { rate, ms }),
        2 => (1u64..20, any::<bool>()).prop_map(|(streams, paced)| Step::Streams { streams, paced }),
        1 => any::<bool>().prop_map(|paced| Step::EndStreams { paced }),
        1 => Just(Step::Change),
        1 => (0usize..3).prop_map(Step::Announce),
        1 => (0usize..3).prop_map(Step::EndFromThere),
        1 => prop_oneof![Just(0), 1u64..2_000].prop_map(|outage_ms| Step::Reconnect { outage_ms }),
    ]
}

fn apply(stage: &mut Stage, block: u32, step: Step) -> bool {
    let start_us = stage.now_us() + 1_000;
    match step {
        Step::Open { connections, paced } => {
            stage.order_open(block, connections, if paced { 40.0 } else { 0.0 });
            return true;
        }
        Step::Load { rate, retry, poisson } => {
            stage.engine.order(Order::Load(proto::Load {
                block,
                phase: 3,
                queued: retry,
                rate: f64::from(rate),
                poisson,
                start_us,
                duration_us: S,
                offset: 0.5,
                retry_refused: retry,
                shape: None,
                settle_rate: if poisson { 50.0 } else { 0.0 },
            }));
            return true;
        }
        Step::Sweep => {
            stage.engine.order(Order::Sweep(proto::Sweep { block, phase: 3, start_us, duration_us: S / 2 }));
            return true;
        }
        Step::Sequential => {
            stage.engine.order(Order::Sequential(proto::Sequential { block, phase: 3, count: 5 }));
            return true;
        }
        Step::Close => {
            stage.order_close(block);
            return true;
        }
        Step::Cut => stage.engine.order(Order::Cut(block.saturating_sub(1))),
        Step::Run { ms } => stage.run_for(ms * 1_000),
        Step::Kill(index) => {
            let address = stage.addresses[index];
            stage.engine.net.kill(address);
        }
        Step::Revive(index) => {
            stage.peer(index).refuses = false;
            stage.peer(index).cut = false;
        }
        Step::CutOff(index) => stage.peer(index).cut = true,
        Step::Shout(index) => {
            let address = stage.addresses[index];
            stage.engine.net.shout(address);
        }
        Step::Descriptors(count) => stage.engine.net.descriptors = count,
        Step::Stall { ms } => stage.engine.net.now_us += ms * 1_000,
        Step::Endpoints(count) => {
            let list = (0u16..).zip(stage.addresses.iter().copied()).take(count).collect();
            stage.engine.order(Order::Endpoints(list));
        }
        Step::Rebalance { rate, ms } => {
            let (rate, until_us) = (f64::from(rate), start_us + ms * 1_000);
            stage.engine.order(Order::Rebalance(proto::Rebalance { block, phase: 3, rate, start_us, until_us }));
            return true;
        }
        Step::Streams { streams, paced } => {
            stage.order_streams(block, streams, if paced { 40.0 } else { 0.0 });
            return true;
        }
        Step::EndStreams { paced } => {
            stage.order_end_streams(block, if paced { 40.0 } else { 0.0 });
            return true;
        }
        Step::Change => stage.order_change(block, S / 2),
        Step::Announce(index) => {
            let address = stage.addresses[index];
            stage.engine.net.announce(address, usize::MAX);
        }
        Step::Reconnect { outage_ms } => {
            let (percent, outage_us) = (100, outage_ms * 1_000);
            let order = proto::Reconnect { block, phase: 3, percent, at_us: start_us, outage_us };
            stage.engine.order(Order::Reconnect(order));
            return true;
        }
        Step::EndFromThere(index) => {
            let address = stage.addresses[index];
            stage.engine.net.end_streams(address);
        }
    }
    false
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 4, ..ProptestConfig::default() })]

    #[test]
    fn every_planned_request_has_one_fate(
        seed in any::<u64>(),
        legacy in any::<bool>(),
        step_us in proptest::sample::select(vec![1, 256, 1_024]),
        peers in proptest::collection::vec(peer(), 3),
        steps in proptest::collection::vec(step(), 1..25),
    ) {
        let mut stage = Stage::seeded(peers, seed);
        stage.engine.step_us = step_us;
        let calls = match legacy {
            true => Calls::with_streams_of(Version::NEWEST_LEGACY),
            false => Calls::with_streams_of(Version::NEWEST),
        };
        stage.engine.order(Order::Calls(calls));
        let mut blocks = 0;
        for step in steps {
            if apply(&mut stage, blocks + 1, step) {
                blocks += 1;
            }
            stage.step();
        }
        for block in 1..=blocks {
            stage.until_done(block);
            prop_assert_eq!(stage.engine.ledger.outstanding(block), 0);
        }
        stage.order_close(1_000);
        stage.until_done(1_000);
        prop_assert_eq!(stage.open_now().iter().sum::<u64>(), 0);
        prop_assert_eq!(stage.engine.openings.in_flight, 0);
        stage.engine.order(Order::Goodbye);
        stage.step();
        prop_assert_eq!(stage.sockets(), 0);
        prop_assert_eq!(stage.engine.ledger.outstanding(0), 0);
        let opened: u64 = stage.connections.iter().map(|row| row.opened).sum();
        let lost: u64 = stage.connections.iter().flat_map(|row| row.lost.values()).sum();
        let closed: u64 = stage.connections.iter().map(|row| row.closed).sum();
        prop_assert_eq!(opened, lost + closed, "every connection that was open was lost or closed");
        let acknowledged = stage.of_streams(|row| row.acknowledged);
        let gone = stage.of_streams(|row| row.ended + row.closed + row.lost.values().sum::<u64>());
        prop_assert_eq!(acknowledged, gone, "every stream that was held has ended in one way");
        for row in &stage.fan_outs {
            prop_assert_eq!(row.streams, row.heard + row.missed + row.lost, "{:?}", row);
        }
        prop_assert!(stage.failures.is_empty(), "{:?}", stage.failures);
    }
}
