//! The failure recovery of a story: a replica killed, one cut off, the queue filled.

use erlmcp_record::names::{finding, scenario};
use erlmcp_record::{Entry, EpisodeRow, Fate, FaultRow, Kind};

use super::rows::{self, Block, SECOND_US};
use super::{AGENTS, CONNECTIONS, OK_US, Story};

/// Of each scenario: 3 s before, 5 s in which it happens, 3 s after.
const BEFORE_S: u32 = 3;
const SCENARIO_S: u32 = 11;

impl Story {
    /// The second in which the phase ends.
    pub(super) fn faults(&self, from: u32) -> u32 {
        self.started(4, from, 36);
        let names = [scenario::NODE_FAILURE, scenario::NETWORK_PARTITION, scenario::QUEUE_OVERFLOW];
        let mut at = from;
        for (index, name) in (0..).zip(names) {
            let block = 40_000 + index * 100;
            self.steady(4, block, (at, at + SCENARIO_S), index < 2);
            let mut row = rows::scenario(4, name, (at, at + SCENARIO_S), &[block]);
            row.faults = vec![block];
            if name == scenario::QUEUE_OVERFLOW {
                self.overflow(block, at);
                row.blocks.push(block + 1);
            } else {
                self.outage(name, block, at + BEFORE_S, index as u16 + 1);
            }
            self.push(Entry::Scenario(row));
            at += SCENARIO_S;
        }
        self.push(rows::finding(4, finding::AUDITED_OPERATIONS, Some(14_000.0), None));
        self.push(rows::finding(4, finding::AUDIT_VIOLATIONS, Some(0.0), None));
        self.ended(4, at);
        at
    }

    /// The load under a scenario; with a loss, the fourth second has resets.
    pub(super) fn steady(&self, phase: u8, block: u32, (from, to): (u32, u32), has_loss: bool) {
        let rate = self.rate / 2;
        for agent in AGENTS {
            let block = Block { agent, phase, block, kind: Kind::Load };
            self.push(block.row(rate * u64::from(to - from), from, to - from));
        }
        for second in from..to {
            self.second(phase, second, CONNECTIONS);
            for agent in AGENTS {
                let lost = if has_loss && second == from + BEFORE_S { 40 } else { 0 };
                let block = Block { agent, phase, block, kind: Kind::Load };
                let mut row = block.interval(second, rows::fates(&[(Fate::Ok, rate - lost), (Fate::Reset, lost)]));
                row.latency = Some(self.hist(&[(OK_US, rate - lost), (5_000_000, lost)]));
                row.causes.extend((lost > 0).then(|| ("connection reset".to_string(), lost)));
                self.push(Entry::Interval(row));
            }
        }
    }

    fn outage(&self, name: &str, id: u32, at: u32, replica: u16) {
        let us = |ms: u64| Some(u64::from(at) * SECOND_US + ms * 1_000);
        let is_partition = name == scenario::NETWORK_PARTITION;
        let method = match is_partition {
            true => "packets of 127.0.0.12 dropped by nftables",
            false => "SIGKILL of the process",
        };
        self.push(Entry::Fault(FaultRow {
            id,
            phase: 4,
            scenario: name.into(),
            method: method.into(),
            replica: Some(replica),
            injected_us: u64::from(at) * SECOND_US,
            effect_us: us(20),
            cluster_detected_us: us(if is_partition { 1_520 } else { 60 }),
            healed_us: us(5_000).filter(|_| is_partition),
            heal_verified_us: us(5_100).filter(|_| is_partition),
            ready_us: us(if is_partition { 5_200 } else { 1_320 }),
            ..FaultRow::default()
        }));
        for agent in AGENTS {
            self.push(Entry::Episode(EpisodeRow {
                agent,
                phase: 4,
                episode: id,
                replica,
                detected_us: u64::from(at) * SECOND_US + if is_partition { 620_000 } else { 25_000 },
                how: if is_partition { "unanswered" } else { "reset" }.into(),
                affected: CONNECTIONS / 6,
                served_again: CONNECTIONS / 6,
                last_served_us: us(if is_partition { 900 } else { 300 }),
            }));
        }
    }

    /// Three seconds of queued work, a third of it refused at first.
    fn overflow(&self, block: u32, at: u32) {
        let from = at + BEFORE_S;
        self.push(Entry::Fault(FaultRow {
            id: block,
            phase: 4,
            scenario: scenario::QUEUE_OVERFLOW.into(),
            method: "300 queued calls a second of 100 ms, the workers can do 150".into(),
            replica: None,
            injected_us: u64::from(from) * SECOND_US,
            effect_us: Some(u64::from(from + 1) * SECOND_US),
            cluster_detected_us: None,
            healed_us: Some(u64::from(from + 3) * SECOND_US),
            heal_verified_us: Some(u64::from(from + 4) * SECOND_US),
            ready_us: None,
            ..FaultRow::default()
        }));
        self.queued(4, block + 1, from, Fate::Ok);
    }

    /// Queued work of three seconds; `refused_end` is how the refused operations ended.
    pub(super) fn queued(&self, phase: u8, block: u32, from: u32, refused_end: Fate) {
        for agent in AGENTS {
            let block = Block { agent, phase, block, kind: Kind::Queued };
            self.push(block.row(450, from, 3));
            for second in from..from + 3 {
                let mut row = block.interval(second, rows::fates(&[(Fate::Ok, 100), (refused_end, 50)]));
                row.latency = Some(self.hist(&[(120_000, 150)]));
                if refused_end == Fate::Ok {
                    row.operation = Some(self.hist(&[(120_000, 100), (1_300_000, 50)]));
                    row.refusals = 50;
                    row.retries = 50;
                }
                self.push(Entry::Interval(row));
            }
        }
    }
}
