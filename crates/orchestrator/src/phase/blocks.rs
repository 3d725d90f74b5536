use super::audit::Audit;
use super::close::Close;
use super::connect::Connect;
use super::dismantle::Dismantle;
use super::end_streams::EndStreams;
use super::endpoints::Endpoints;
use super::hold::Hold;
use super::load::Load;
use super::metrics::Metrics;
use super::operations::Operations;
use super::rate_sweep::RateSweep;
use super::reachability::Reachability;
use super::readdress::Readdress;
use super::readiness::Readiness;
use super::scale::Scale;
use super::sequential::Sequential;
use super::streaming::Streaming;
use super::streams::Streams;
use super::sweep::Sweep;
use super::varied::Varied;
use crate::capacity::Seek;
use crate::machine::{Place, RunningBlock};
use crate::plan::{Block, Fault, Probe};
use crate::scenario::{BurstTraffic, Faults, Outage, QueueOverflow, Scaling, Visiting};

/// What runs a block.
pub(super) fn build(block: &Block, place: Place) -> Box<dyn RunningBlock> {
    match block {
        Block::Probe(Probe::Reachability) => Box::new(Reachability::new(place)),
        Block::Probe(Probe::Endpoints { knocks }) => Box::new(Endpoints::new(place, *knocks)),
        Block::Probe(Probe::Sequential { count }) => Box::new(Sequential::new(place, *count)),
        Block::Probe(Probe::Readiness) => Box::new(Readiness::new(place)),
        Block::Probe(Probe::Metrics) => Box::new(Metrics::new(place)),
        Block::Probe(Probe::MemoryReference) => Box::new(Metrics::reference(place)),
        Block::Probe(Probe::Sweep { duration, .. }) => Box::new(Sweep::new(place, *duration)),
        Block::Connect(connect) => Box::new(Connect::new(place, connect.clone())),
        Block::Hold(duration) => Box::new(Hold::new(*duration)),
        Block::Load(load) => Box::new(Load::new(place, load.clone())),
        Block::Varied { variant, load } => Box::new(Varied::new(place, variant.clone(), load.clone())),
        Block::RateSweep(sweep) => Box::new(RateSweep::new(place, sweep.clone())),
        Block::Streams(streams) => Box::new(Streams::new(place, streams.clone())),
        Block::Streaming { load, changes } => Box::new(Streaming::new(place, load.clone(), changes.clone())),
        Block::EndStreams { .. } => Box::new(EndStreams::new(place)),
        Block::Burst(burst) => Box::new(BurstTraffic::new(place, burst.clone())),
        Block::Fault(Fault::Outage { scenario, rate, window, fault, among }) => {
            Box::new(Outage::new(place, scenario, (*rate, *window), (fault.clone(), among.clone())))
        }
        Block::Fault(Fault::QueueOverflow { rate, window, overflow }) => {
            Box::new(QueueOverflow::new(place, *rate, *window, *overflow))
        }
        Block::Operations(operations) => Box::new(Operations::new(place, operations.clone())),
        Block::Audit(begun) => Box::new(Audit::new(place, begun.clone())),
        Block::AuditRemaining => Box::new(Audit::of_remaining(place)),
        Block::Faults(faults) => Box::new(Faults::new(place, faults.clone())),
        Block::Visiting(visiting) => Box::new(Visiting::new(place, visiting.clone())),
        Block::Scaling(scaling) => Box::new(Scaling::new(place, scaling.clone())),
        Block::Readdress(readdress) => Box::new(Readdress::new(place, readdress.clone())),
        Block::Scale { replicas, bound } => Box::new(Scale::new(place, *replicas, *bound)),
        Block::Capacity(capacity) => Box::new(Seek::new(place, (**capacity).clone())),
        Block::Close(close) => Box::new(Close::new(place, close.clone())),
        Block::Dismantle { own_cluster } => Box::new(Dismantle::new(place, *own_cluster)),
    }
}
