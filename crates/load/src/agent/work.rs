//! What an agent has after its setup: the engine, the target, and what is known of it.

mod speaking;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use erlmcp_protocol::client::request::{Ask, Template};
use erlmcp_protocol::header::method;
use erlmcp_record::{AgentSample, Entry, Hist};
use tokio::sync::watch;

use super::AgentError;
use super::engine_thread::EngineThread;
use super::misbehaving::{Misbehaving, Texts};
use super::process::connections_possible;
use super::reach::{self, Found, Trouble};
use super::resources::Resources;
use super::slow::Slow;
use super::target::{self, Spoken, Target};
use super::under_way::UnderWay;
use crate::clock::RunClock;
use crate::engine::Order;
use crate::operations::Wanted;
use crate::proto::{self, Reached};
use crate::report::{EngineSecond, Report};
use crate::wire::Calls;

/// A target that does not say which era it speaks is asked again after so long, doubled each time, for a few seconds.
const ASKED_AGAIN_AFTER: Duration = Duration::from_millis(250);
const ASKED_AGAIN_FOR_US: u64 = 3_000_000;

/// See the module.
pub(super) struct Work {
    pub(super) engine: EngineThread,
    pub(super) target: Target,
    agent: u32,
    seed: u64,
    spread_sources: bool,
    own_sessions: bool,
    /// How the target is spoken to; None: not found out yet.
    spoken: Option<Spoken>,
    /// How the run speaks to it, while another era is spoken.
    usual: Option<Spoken>,
    /// A session that has ended, and the one that a change has opened in its place.
    renewed: Arc<Mutex<Option<(Spoken, Spoken)>>>,
    tools: Vec<proto::Tool>,
    pub(super) requests: proto::Requests,
    /// Resources that streams ask to be told of; None: no streams are wanted.
    listens_to: Option<Vec<String>>,
    clock: RunClock,
    resources: Resources,
    pub(super) operations: UnderWay,
    /// The block of clients that misbehave, and its end.
    misbehaving: Option<(u32, watch::Sender<bool>)>,
    pub(super) reports: Vec<Report>,
}

pub(super) fn failed(error: impl std::fmt::Display) -> AgentError {
    AgentError::Failed(error.to_string())
}

impl Work {
    pub(super) fn new(setup: &proto::Setup, descriptors_limit: u64) -> Result<Self, AgentError> {
        let target = Target::of(setup).map_err(failed)?;
        let requests = proto::Requests::default();
        let calls = Calls::new(&target.peer_of_load(&target.assumed()), &requests, &[]).map_err(failed)?;
        let clock = RunClock::new(setup.monotonic_base_ns);
        let engine = EngineThread::start(clock, target::settings(setup), calls, target.tls.clone())
            .map_err(|error| AgentError::Failed(format!("the agent's engine cannot be started: {error}")))?;
        engine.order(Order::Endpoints(target.endpoints.clone()));
        Ok(Self {
            engine,
            agent: setup.agent,
            seed: setup.seed,
            spread_sources: setup.spread_sources,
            own_sessions: setup.own_sessions,
            spoken: None,
            usual: None,
            renewed: Arc::default(),
            tools: Vec::new(),
            requests,
            listens_to: None,
            clock,
            resources: Resources::new(setup.agent, descriptors_limit),
            operations: UnderWay::None,
            misbehaving: None,
            reports: Vec::new(),
            target,
        })
    }

    pub(super) fn connections_possible(&self, descriptors_limit: u64) -> u64 {
        connections_possible(descriptors_limit, self.spread_sources, &self.target.addresses())
    }

    /// How the target is spoken to, or will be.
    fn speaks(&self) -> Spoken {
        self.spoken.clone().unwrap_or_else(|| self.target.assumed())
    }

    /// Asks the target on a thread that may wait.
    async fn waiting<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Target, usize) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        let (target, first) = (self.target.clone(), self.agent as usize);
        let asked = tokio::task::spawn_blocking(move || ask(&target, first)).await;
        asked.unwrap_or_else(|error| Err(Trouble::Internal(error.to_string())))
    }

    async fn ask(&self) -> Result<Found, Trouble> {
        self.waiting(reach::reach).await
    }

    pub(super) async fn reach(&mut self, reach: proto::Reach) -> Reached {
        let block = reach.block;
        let answered = match self.ask().await {
            Ok(found) => self.look_for(found, reach.wanted).await,
            Err(trouble) => Err(trouble),
        };
        match answered {
            Ok((found, missing, offered)) => {
                let reached = Reached { missing, offered, ..found.reached(block) };
                self.take(found).await;
                reached
            }
            Err(trouble) => Reached { block, ok: false, error: trouble.to_string(), ..Reached::default() },
        }
    }

    /// What of this the target does not have, and what it has, beside what was found.
    async fn look_for(
        &self,
        mut found: Found,
        wanted: Option<proto::Wanted>,
    ) -> Result<(Found, Vec<proto::Missing>, Option<proto::Offered>), Trouble> {
        let Some(wanted) = wanted else { return Ok((found, Vec::new(), None)) };
        self.waiting(move |target, first| {
            let missing = reach::missing(target, first, &mut found, &wanted)?;
            let offered = wanted.offers.then(|| reach::offered(target, first, &mut found)).transpose()?;
            Ok((found, missing, offered))
        })
        .await
    }

    /// Finds out the era, and opens this agent's session where it is the legacy one. True where that was new. Where
    /// the target does not answer, not even when it is asked again, it is taken for a modern one until something else is
    /// to be sent; what comes of it is in the record.
    pub(super) async fn find_out(&mut self) -> bool {
        self.take_renewed();
        if self.spoken.is_some() {
            return false;
        }
        let (until_us, mut wait) = (self.clock.now_us() + ASKED_AGAIN_FOR_US, ASKED_AGAIN_AFTER);
        loop {
            match self.ask().await {
                Ok(found) => {
                    self.take(found).await;
                    return true;
                }
                Err(trouble) => tracing::warn!("{trouble}"),
            }
            if self.clock.now_us() >= until_us {
                return true;
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
    }

    /// Where the target is spoken to already, the load goes on in its session, and the one that was found is ended.
    async fn take(&mut self, found: Found) {
        self.tools = found.tools;
        match self.spoken {
            Some(_) => self.end(found.spoken).await,
            None => self.spoken = Some(found.spoken),
        }
    }

    fn take_renewed(&mut self) {
        let renewed = self.renewed.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((ended, renewed)) = renewed {
            self.take_over(&ended, renewed);
        }
    }

    /// Goes on in a session that was opened in the place of one that had ended. The load does so, too, where it shares it.
    fn take_over(&mut self, ended: &Spoken, renewed: Spoken) {
        if *ended == renewed || self.spoken.as_ref() != Some(ended) {
            return;
        }
        self.spoken = Some(renewed);
        if !self.own_sessions
            && let Ok(calls) = self.calls()
        {
            self.engine.order(calls);
        }
    }

    /// Opens a new legacy session in the place of one that the target does not know any more. None where that fails:
    /// the engine asks again.
    pub(super) async fn renew_session(&mut self) -> Result<Option<Order>, AgentError> {
        match self.waiting(reach::open_session).await {
            Ok(spoken) => {
                tracing::warn!("the target has ended the session (HTTP 404): a new one was opened");
                self.spoken = Some(spoken);
                self.calls().map(Some)
            }
            Err(trouble) => {
                tracing::warn!("the target has ended the session (HTTP 404), and opens no new one: {trouble}");
                Ok(None)
            }
        }
    }

    /// What is sent from here on.
    pub(super) fn calls(&self) -> Result<Order, AgentError> {
        let spoken = self.speaks();
        let peer = self.target.peer_of_load(&spoken);
        let calls = if self.own_sessions {
            Calls::with_own_sessions(&peer, &self.requests, &self.tools)
        } else {
            Calls::new(&peer, &self.requests, &self.tools)
        };
        let calls = match &self.listens_to {
            Some(resources) => calls.and_then(|calls| calls.with_streams(&peer, resources)),
            None => calls,
        };
        let calls = calls.map_err(failed)?;
        match &self.requests.workload {
            Some(workload) => {
                calls.with_workload(&peer, workload, &self.tools, (self.seed, self.agent)).map_err(failed)
            }
            None => Ok(calls),
        }
        .map(Order::Calls)
    }

    /// What is sent from here on, streams among it: they ask for the resources that can be subscribed to.
    pub(super) async fn listen(&mut self) -> Result<Order, AgentError> {
        self.find_out().await;
        if self.listens_to.is_none() {
            let listed = self.waiting(reach::subscribable).await;
            self.listens_to = Some(listed.unwrap_or_else(|trouble| {
                tracing::warn!("streams ask for no resources, since these cannot be listed: {trouble}");
                Vec::new()
            }));
        }
        self.calls()
    }

    /// What it takes to hold slow clients.
    pub(super) fn slow(&self) -> Slow {
        let spoken = self.speaks();
        let peer = self.target.peer(&spoken);
        let mut request = Vec::new();
        // What cannot be asked is not asked: then all of them send slowly.
        if let Ok(list) = Template::new(&peer, &Ask { method: method::TOOLS_LIST, ..Ask::default() }) {
            list.write(1, &mut request);
        }
        let is_plain = self.target.tls.is_none();
        Slow {
            request: if is_plain { request } else { Vec::new() },
            endpoints: self.target.addresses(),
            allowed: self.target.allowed,
            tls: self.target.tls.clone(),
            authority: self.target.authority.clone(),
            path: self.target.path.clone(),
            clock: self.clock,
        }
    }

    /// Calls a tool that changes what streams tell of; what it gives waits for the answer.
    pub(super) async fn make_change(
        &mut self,
        order: proto::MakeChange,
    ) -> impl Future<Output = proto::Changed> + use<> {
        self.find_out().await;
        let spoken = self.speaks();
        let (target, first, clock) = (self.target.clone(), self.agent as usize, self.clock);
        let (renewed, tools) = (Arc::clone(&self.renewed), self.tools.clone());
        let change = order.change;
        let called = tokio::task::spawn_blocking(move || {
            let tool = reach::Named { tool: &order.tool, arguments: &order.arguments, tools: &tools };
            let mut latest = spoken.clone();
            let called = reach::call(&target, first, &mut latest, &tool, || clock.now_us());
            if latest != spoken {
                *renewed.lock().unwrap_or_else(PoisonError::into_inner) = Some((spoken, latest));
            }
            called
        });
        async move {
            match called.await.unwrap_or_else(|error| Err(Trouble::Internal(error.to_string()))) {
                Ok(at_us) => proto::Changed { change, at_us, error: String::new() },
                Err(trouble) => proto::Changed { change, at_us: clock.now_us(), error: trouble.to_string() },
            }
        }
    }

    /// Begins operations; an agent has one journal of them, so they are begun once.
    pub(super) fn begin_operations(&mut self, order: &proto::Operations) -> Result<(), AgentError> {
        let wanted = Wanted {
            agent: self.agent,
            folder: Path::new(&order.folder),
            rate: order.rate,
            lanes: order.lanes,
            tool: &order.tool,
            endpoints: &self.target.endpoints,
            allowed: self.target.allowed,
            tls: self.target.tls.clone(),
            authority: &self.target.authority,
            path: &self.target.path,
            seed: self.seed,
        };
        self.operations.begin(order.block, &wanted).map_err(failed)
    }

    /// What it takes to let clients misbehave, and what tells of their end.
    pub(super) fn misbehave(&mut self, block: u32) -> Result<(Misbehaving, watch::Receiver<bool>), AgentError> {
        let spoken = self.speaks();
        let peer = self.target.peer(&spoken);
        let texts = Texts::new(&peer, self.requests.load.as_ref(), &self.tools).map_err(failed)?;
        let (cut, told) = watch::channel(false);
        self.misbehaving = Some((block, cut));
        let misbehaving = Misbehaving {
            agent: self.agent,
            seed: self.seed,
            clock: self.clock,
            endpoints: self.target.addresses(),
            allowed: self.target.allowed,
            tls: self.target.tls.clone(),
            timeout: self.target.timeout,
            texts,
        };
        Ok((misbehaving, told))
    }

    /// False where the block is not that of misbehaving clients.
    pub(super) fn end_misbehaving(&mut self, block: u32) -> bool {
        let Some((_, cut)) = self.misbehaving.as_ref().filter(|(of, _)| *of == block) else { return false };
        let _ = cut.send(true);
        true
    }

    /// False where the block is not that of the operations.
    pub(super) fn end_operations(&mut self, block: u32) -> bool {
        self.operations.end(block)
    }

    /// The block of operations that are over.
    pub(super) fn take_ended_operations(&mut self) -> Result<Option<u32>, AgentError> {
        self.operations.take_ended().map_err(failed)
    }

    pub(super) fn sample(&mut self, second: EngineSecond) -> AgentSample {
        AgentSample { operation_connections: self.operations.connections(), ..self.resources.sample(second) }
    }

    pub(super) async fn farewell(&mut self) {
        self.take_renewed();
        for spoken in [self.spoken.take(), self.usual.take()].into_iter().flatten() {
            self.end(spoken).await;
        }
    }

    /// Histograms that were written are used again.
    pub(super) fn give_back(&self, entry: &mut Entry) {
        let hists: Vec<&mut Option<Hist>> = match entry {
            Entry::Interval(row) => vec![
                &mut row.latency,
                &mut row.service,
                &mut row.headers,
                &mut row.first_event,
                &mut row.send_lag,
                &mut row.receive_lag,
                &mut row.operation,
            ],
            Entry::Connections(row) => vec![&mut row.late, &mut row.established, &mut row.first_answer],
            Entry::Streams(row) => vec![&mut row.opening, &mut row.away],
            Entry::FanOut(row) => vec![&mut row.latency, &mut row.receive_lag],
            _ => Vec::new(),
        };
        for mut hist in hists.into_iter().filter_map(Option::take) {
            hist.clear();
            self.engine.give_back(hist);
        }
    }
}
