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
use crate::action::Action;
use crate::capacity::Seek;
use crate::machine::{Observation, Place, RunningBlock};
use crate::plan::{Block, Fault, Probe};
use crate::scenario::{BurstTraffic, Faults, Outage, QueueOverflow, Scaling, Visiting};

/// What runs a block from here on, and what is to be done first.
type Begun = (Box<dyn RunningBlock>, Vec<Action>);

/// Begins a block.
pub(super) fn begin(block: &Block, place: Place, seen: &Observation<'_>) -> Begun {
    match block {
        Block::Probe(Probe::Reachability) => boxed(Reachability::start(place)),
        Block::Probe(Probe::Endpoints { knocks }) => boxed(Endpoints::start(place, *knocks, seen)),
        Block::Probe(Probe::Sequential { count }) => boxed(Sequential::start(&place, *count, seen)),
        Block::Probe(Probe::Readiness) => boxed(Readiness::start(place)),
        Block::Probe(Probe::Metrics) => boxed(Metrics::start(place, seen)),
        Block::Probe(Probe::MemoryReference) => boxed(Metrics::reference(place, seen)),
        Block::Probe(Probe::Sweep { duration, .. }) => boxed(Sweep::start(&place, *duration, seen)),
        Block::Connect(connect) => boxed(Connect::start(place, connect.clone(), seen)),
        Block::Hold(duration) => boxed(Hold::start(*duration, seen)),
        Block::Load(load) => boxed(Load::start(&place, load.clone(), seen)),
        Block::Varied { variant, load } => boxed(Varied::start(place, variant.clone(), load.clone(), seen)),
        Block::RateSweep(sweep) => boxed(RateSweep::start(place, sweep.clone(), seen)),
        Block::Streams(streams) => boxed(Streams::start(place, streams.clone(), seen)),
        Block::Streaming { load, changes } => boxed(Streaming::start(&place, load.clone(), changes.clone(), seen)),
        Block::EndStreams { .. } => boxed(EndStreams::start(&place, seen)),
        Block::Burst(burst) => boxed(BurstTraffic::start(place, burst.clone(), seen)),
        Block::Fault(Fault::Outage { scenario, rate, window, fault, among }) => {
            boxed(Outage::start(place, scenario, (*rate, *window), (fault.clone(), among.clone()), seen))
        }
        Block::Fault(Fault::QueueOverflow { rate, window, overflow }) => {
            boxed(QueueOverflow::start(place, (*rate, *window), *overflow, seen))
        }
        Block::Operations(operations) => boxed(Operations::start(&place, operations, seen)),
        Block::Audit(begun) => boxed(Audit::start(place, begun.clone(), seen)),
        Block::AuditRemaining => boxed(Audit::of_remaining(place, seen)),
        Block::Faults(faults) => boxed(Faults::start(place, faults.clone(), seen)),
        Block::Visiting(visiting) => boxed(Visiting::start(place, visiting.clone(), seen)),
        Block::Scaling(scaling) => boxed(Scaling::start(place, scaling.clone(), seen)),
        Block::Readdress(readdress) => boxed(Readdress::start(&place, readdress, seen)),
        Block::Scale { replicas, bound } => boxed(Scale::start(&place, *replicas, *bound, seen)),
        Block::Capacity(capacity) => boxed(Seek::start(place, (**capacity).clone(), seen)),
        Block::Close(close) => boxed(Close::start(place, close.clone(), seen)),
        Block::Dismantle { own_cluster } => boxed(Dismantle::start(place, *own_cluster)),
    }
}

fn boxed<B: RunningBlock + 'static>((block, actions): (B, Vec<Action>)) -> Begun {
    (Box::new(block), actions)
}
