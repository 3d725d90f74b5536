//! The performance scenarios of a story.

use erlmcp_record::names::{detail, finding, scenario};
use erlmcp_record::{Entry, Fate, Kind};

use super::rows::{self, Block};
use super::{AGENTS, CONNECTIONS, OK_US, REPLICAS, Story};

impl Story {
    /// The second in which the phase ends.
    pub(super) fn performance(&self, from: u32) -> u32 {
        self.started(5, from, 42);
        let steady_from = self.unpaced_ramp(from);
        let burst_from = steady_from + 20;
        self.steady(5, 50_200, (steady_from, burst_from), false);
        let row = rows::scenario(5, scenario::SUSTAINED_LOAD, (steady_from, burst_from), &[50_200]);
        self.push(Entry::Scenario(row));
        let cool_from = self.burst(burst_from);
        let mut row = rows::scenario(5, scenario::GRADUAL_COOLDOWN, (cool_from, cool_from + 2), &[]);
        row.detail.insert(detail::CLOSE_MS.into(), 640.0);
        row.detail.insert(detail::CONNECTIONS_CLOSED.into(), CONNECTIONS as f64);
        row.detail.insert(finding::CLOSING_GAUGE.into(), 0.0);
        for agent in AGENTS {
            let mut closed = rows::connections(agent, 5, cool_from, 0, REPLICAS);
            closed.closed = CONNECTIONS / 2;
            self.push(Entry::Connections(closed));
        }
        self.second(5, cool_from, 0);
        self.push(Entry::Scenario(row));
        self.ended(5, cool_from + 2);
        cool_from + 2
    }

    /// All connections within one second.
    fn unpaced_ramp(&self, from: u32) -> u32 {
        for agent in AGENTS {
            let block = Block { agent, phase: 5, block: 50_100, kind: Kind::Probe };
            self.push(block.row(CONNECTIONS / 2, from, 0));
            self.push(Entry::Interval(block.interval(from, rows::fates(&[(Fate::Ok, CONNECTIONS / 2)]))));
        }
        self.second(5, from, CONNECTIONS);
        let mut row = rows::scenario(5, scenario::RAMP_UP, (from, from + 1), &[50_100]);
        row.detail.insert(detail::RAMP_MS.into(), 240.0);
        self.push(Entry::Scenario(row));
        from + 1
    }

    /// 3 s as before, 5 s of twice the load with queued work in the last three, 4 s after.
    fn burst(&self, from: u32) -> u32 {
        let to = from + 12;
        self.steady(5, 50_300, (from, to), false);
        let rate = self.rate / 2;
        for agent in AGENTS {
            let block = Block { agent, phase: 5, block: 50_301, kind: Kind::Load };
            self.push(block.row(rate * 5, from + 3, 40));
            for second in from + 3..from + 8 {
                let mut row = block.interval(second, rows::fates(&[(Fate::Ok, rate)]));
                row.latency = Some(self.hist(&[(3 * OK_US, rate)]));
                self.push(Entry::Interval(row));
            }
        }
        self.queued(5, 50_302, from + 5, Fate::Refused);
        let row = rows::scenario(5, scenario::BURST_TRAFFIC, (from, to), &[50_300, 50_301, 50_302]);
        self.push(Entry::Scenario(row));
        to
    }
}
