//! Everything before the first phase: checks, cluster or target, agents, the plan.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use erlmcp_load::clock::{RunClock, monotonic_ns, unix_ns};
use erlmcp_load::proto::Reached;
use erlmcp_record::{Entry, Proxied, RECORD_VERSION, RunHeader};
use erlmcp_report::{live, plural};

mod agents;

use super::fronts;
use super::origin::{self, Origin};
use crate::action::Action;
use crate::calls::{self, Chosen};
use crate::config::{Purpose, StressConfig};
use crate::describe::{self, Settled};
use crate::doctor::{Finding, Leads, Need, Readings, Weight, examine};
use crate::driver::LocalCluster;
use crate::fault::FaultList;
use crate::folder::Folder;
use crate::hands::Hands;
use crate::machine::{RunFacts, WORK_MS};
use crate::plan::{self, Found, Fronts, Plan};
use crate::preflight::{Crew, Room};
use crate::recorder::Recorder;
use crate::rig::Rig;
use crate::run::Watcher;
use crate::target::{Status, Target, Url};
use crate::visit::{BACK_WITHIN, Door};
use crate::world::World;
use crate::{StressError, clock, collector, host};

const CLUSTER_LOG: &str = "cluster.log";
/// Below the ids of every phase's blocks.
const REACH_BLOCK: u32 = 1;
/// A probe of the target has a few requests, and patience of its own for each.
const REACH: Duration = Duration::from_secs(60);
/// Lines of the setup that run.log gets.
const LINES_MAX: usize = 1_000;

/// A run that is ready for its first phase.
pub(super) struct Ready {
    pub(super) plan: Plan,
    pub(super) facts: RunFacts,
    pub(super) world: World,
    pub(super) recorder: Recorder,
    pub(super) stops_at_errors: bool,
}

/// What was begun so far.
pub(super) struct Setup<'a> {
    config: &'a StressConfig,
    watcher: Watcher,
    /// What was said so far, for run.log.
    said: Vec<(u64, String)>,
    rig: Rig,
    base_ns: u64,
    started_at: jiff::Zoned,
    folder: Folder,
    /// None: a cluster of the run's own.
    url: Option<Url>,
    readings: Readings,
    room: Room,
    crew: Crew,
    /// Rows of the agents that have joined from elsewhere.
    joined: Vec<Entry>,
}

/// The target, and who answers there.
struct Answering {
    target: Target,
    status: Option<Status>,
    origin: Origin,
    endpoints: Vec<(u16, SocketAddr)>,
}

/// The fault proxy that stands in front of replicas.
struct Proxy {
    proxied: Proxied,
    /// Where it waits until it is needed.
    fronts: Option<Fronts>,
}

fn planner(purpose: &Purpose) -> fn(&StressConfig, &Found) -> Result<Plan, StressError> {
    match purpose {
        Purpose::Stress => plan::stress,
        Purpose::Comprehensive { .. } => plan::comprehensive,
        Purpose::Chaos => plan::chaos,
        Purpose::Capacity(_) => plan::capacity,
    }
}

/// Refuses a process that cannot be read.
pub(crate) fn check_target_pid(pid: Option<u32>) -> Result<(), StressError> {
    match pid {
        Some(pid) if !collector::can_read(pid) => Err(StressError::usage(format!(
            "--target-pid {pid}: there is no such process here, or its memory may not be read: name the server's \
             process, or leave it out"
        ))),
        _ => Ok(()),
    }
}

impl<'a> Setup<'a> {
    /// Checks everything that needs nobody else, and creates the folder.
    pub(super) fn begin(config: &'a StressConfig, watcher: Watcher) -> Result<Self, StressError> {
        config.check()?;
        let url = config.target.as_deref().map(Url::parse).transpose()?;
        check_target_pid(config.target_pid)?;
        host::raise_descriptors();
        let readings = Readings::of(Path::new("/"), config.target_pid);
        let room = Room::of(&readings);
        let crew = room.crew(config)?;
        let (base_ns, started_at) = (monotonic_ns(), clock::local_now());
        let run_id = format!("{}-test-{}", config.purpose.command(), started_at.strftime("%Y%m%d-%H%M%S"));
        let folder = Folder::create(config.output.as_deref(), &run_id)?;
        let rig = Rig::new(RunClock::new(base_ns));
        let (said, joined) = (Vec::new(), Vec::new());
        Ok(Self { config, watcher, said, rig, base_ns, started_at, folder, url, readings, room, crew, joined })
    }

    /// To the moment before the first phase.
    pub(super) async fn all(&mut self) -> Result<Ready, StressError> {
        let connections = self.config.connections();
        self.show(live::Event::Banner { version: env!("CARGO_PKG_VERSION").into(), connections }).await;
        let binary = std::env::current_exe()
            .map_err(|error| StressError::failed(format!("cannot find this program's own file: {error}")))?;
        let mut answering = match self.url.clone() {
            None => self.start_cluster(binary.clone()).await?,
            Some(url) => self.find_target(url).await?,
        };
        self.rig.add_target(answering.target.clone());
        let seed = self.config.seed.unwrap_or_else(|| unix_ns() / 1_000 % 1_000_000_000);
        self.add_door(&answering);
        let proxy = self.put_proxy(&mut answering, seed).await?;
        let (reached, world) = self.start_agents(binary, &answering, seed).await?;
        let chosen = calls::choose(&reached, self.config.tool.as_ref(), self.config.workload.as_ref())?;
        if let Some(workload) = &chosen.calls.workload {
            workload.check_size(world.alive().len() as u32)?;
        }
        self.settle(answering, (reached, world), chosen, (seed, proxy)).await
    }

    /// A visitor goes to the replicas' own addresses.
    fn add_door(&mut self, answering: &Answering) {
        let Target { url, way, .. } = &answering.target;
        let control = self.rig.cluster().map(|cluster| cluster.control().to_path_buf());
        self.rig.add_door(Door {
            clock: self.rig.clock,
            endpoints: answering.endpoints.clone(),
            way: way.clone(),
            authority: control.is_none().then(|| url.authority.clone()),
            path: url.path.clone(),
            headers: self.config.headers.clone(),
            control,
            held: Arc::default(),
            back_within: BACK_WITHIN,
        });
    }

    /// Where a fault of the list needs the fault proxy: it stands in front of as many replicas as can be, for all
    /// connections of the run to them. In the suite it waits there until its own phase needs it.
    async fn put_proxy(&mut self, answering: &mut Answering, seed: u64) -> Result<Option<Proxy>, StressError> {
        let is_suite = matches!(self.config.purpose, Purpose::Comprehensive { .. });
        let is_usual = is_suite || self.config.purpose == Purpose::Chaos;
        let list = self.config.faults.clone().or_else(|| is_usual.then(FaultList::usual));
        let list = list.filter(|_| !is_suite || fronts::are_wanted(self.config));
        let (Some(list), Some(cluster)) = (list.filter(FaultList::needs_proxy), self.rig.cluster_mut()) else {
            return Ok(None);
        };
        let replicas: Vec<u16> = answering.endpoints.iter().map(|(replica, _)| *replica).collect();
        let (sockets, descriptors) = (self.config.sockets(), self.room.descriptors);
        // In the suite faults come one at a time, and none puts out more than one replica while clients pass the proxy.
        let out = if is_suite { 1 } else { list.out_at_most(replicas.len()) };
        let chosen = match fronts::choose(out, &replicas, (sockets, descriptors), seed) {
            Ok(chosen) => chosen,
            Err(why) => {
                cluster.lack_proxy(&why);
                let text = format!("No traffic goes through the fault proxy: {why}");
                self.show(live::Event::Note { text }).await;
                return Ok(None);
            }
        };
        let (proxied, addresses) = cluster.put_proxy_before(&chosen).await?;
        let direct = answering.endpoints.clone();
        let mut through = direct.clone();
        fronts::replace(&mut through, &addresses);
        let text = fronts::told(&proxied, (replicas.len(), is_suite), descriptors);
        self.show(live::Event::Note { text }).await;
        if is_suite {
            return Ok(Some(Proxy { proxied, fronts: Some(Fronts { through, direct }) }));
        }
        answering.endpoints = through;
        Ok(Some(Proxy { proxied, fronts: None }))
    }

    /// Ends what was begun, and leaves no folder of a run that never was, unless its cluster's log helps to find out
    /// why.
    pub(super) async fn undo(mut self, why: &StressError) {
        self.rig.abandon().await;
        let log = self.folder.path().join(CLUSTER_LOG);
        let is_of_use = *why != StressError::Interrupted && std::fs::metadata(&log).is_ok_and(|found| found.len() > 0);
        if !is_of_use {
            // Most often it is not there: the cluster was never started.
            let _ = std::fs::remove_file(&log);
        }
        self.folder.discard_if_empty();
    }

    pub(super) fn into_parts(self) -> (Rig, Folder) {
        (self.rig, self.folder)
    }

    async fn show(&mut self, event: live::Event) {
        for line in live::console(&event).lines().filter(|line| !line.is_empty()) {
            self.note(line.to_string());
        }
        self.watcher.show(event).await;
    }

    fn note(&mut self, line: String) {
        if self.said.len() < LINES_MAX {
            self.said.push((self.rig.now_us(), line));
        }
    }

    /// Tells what the run would take of this machine, and what would bend it here.
    ///
    /// # Errors
    /// With what would stop it.
    async fn check_machine(&mut self, leads: Option<Leads>) -> Result<(), StressError> {
        if self.config.agents_are_elsewhere() {
            // What is here holds none of the connections; each agent says itself how many it can hold.
            return Ok(());
        }
        let need = Need { config: self.config, leads };
        let found = examine(&self.readings, &need);
        let of = |weight: Weight| found.iter().filter(move |finding| finding.weight == weight).map(Finding::sentence);
        let stops: Vec<String> = of(Weight::Stops).collect();
        if !stops.is_empty() {
            return Err(StressError::failed(stops.join("; ")));
        }
        let text = self.room.cost(self.config.sockets(), self.crew, need.has_both_ends());
        self.show(live::Event::Note { text }).await;
        for sentence in of(Weight::Warning) {
            self.show(live::Event::Note { text: format!("Warning: {sentence}") }).await;
        }
        Ok(())
    }

    async fn start_cluster(&mut self, binary: PathBuf) -> Result<Answering, StressError> {
        self.check_machine(None).await?;
        let replicas = self.crew.replicas.unwrap_or(crate::REPLICAS);
        let agents = match self.config.joining {
            None => format!(" and {}", plural(u64::from(self.crew.agents), "agent")),
            Some(_) => String::new(),
        };
        let text = format!("Starting a cluster of {}{agents}", plural(u64::from(replicas), "replica"));
        self.show(live::Event::Note { text }).await;
        let log = self.folder.path().join(CLUSTER_LOG);
        let cluster = LocalCluster::start(&binary, replicas, &log, self.rig.clock, self.rig.sender()).await?;
        let target = Target::own(cluster.shared());
        let endpoints = cluster.endpoints();
        self.rig.add_cluster(cluster);
        let status = target.status().await;
        Ok(Answering { target, status, origin: Origin::Own, endpoints })
    }

    async fn find_target(&mut self, url: Url) -> Result<Answering, StressError> {
        let target = Target::find(url, self.config).await?;
        for text in target.left_out.clone() {
            self.show(live::Event::Note { text }).await;
        }
        self.check_machine(Some(target.leads())).await?;
        let status = target.status().await;
        let mut origin = Origin::Foreign;
        let reference = match self.config.driver {
            None => target.cluster(status.as_ref()).await,
            Some(_) => None,
        };
        match origin::attach(&target, reference.as_ref(), self.rig.clock, self.rig.sender()).await {
            Ok(None) => {}
            Ok(Some(cluster)) => {
                let replicas = cluster.endpoints().len();
                self.rig.add_cluster(cluster);
                if self.config.target_pid.is_some() {
                    return Err(StressError::usage(
                        "--target-pid is not needed: the target is an erlmcp cluster on this machine, which names its \
                         processes itself; leave it out",
                    ));
                }
                self.room.check_attached(replicas as u64, self.config.sockets())?;
                origin = Origin::Attached;
                let replicas = plural(replicas as u64, "replica");
                let text = format!("Attached to the erlmcp cluster on this machine: {replicas}");
                self.show(live::Event::Note { text }).await;
            }
            Err(why) => {
                let text = format!("The target is an erlmcp cluster, but tested like any other server: {why}");
                self.show(live::Event::Note { text }).await;
            }
        }
        let endpoints = origin::endpoints(&target, self.rig.cluster());
        if self.rig.cluster().is_none() {
            let faults = origin::faults(self.config, &target, &endpoints, (self.rig.clock, self.rig.sender())).await?;
            if let Some(held) = faults.held() {
                let text = format!("Held by the driver: {held} of {} replicas", endpoints.len());
                self.show(live::Event::Note { text }).await;
            }
            self.rig.add_foreign_faults(faults);
        }
        Ok(Answering { target, status, origin, endpoints })
    }

    /// Plan, rows of what was found, and what the load calls.
    async fn settle(
        &mut self,
        answering: Answering,
        (reached, world): (Reached, World),
        chosen: Chosen,
        (seed, proxy): (u64, Option<Proxy>),
    ) -> Result<Ready, StressError> {
        let Answering { target, status, origin, endpoints } = answering;
        let replicas = endpoints.len() as u16;
        let (proxied, fronts) = proxy.map(|proxy| (proxy.proxied, proxy.fronts)).unzip();
        let possible: u64 = world.agents.iter().map(|agent| agent.connections_possible).sum();
        let visits = origin::visits(origin, status.as_ref(), (self.config.connections(), u64::from(replicas)));
        let changes = origin::changes(self.config, &reached, self.rig.cluster())?;
        let found = origin::found(
            (origin, target.is_colocated, endpoints.iter().map(|(replica, _)| *replica).collect()),
            possible.saturating_sub(self.config.sockets()),
            self.rig.cluster(),
            status.as_ref(),
            (chosen.calls.queued.is_some(), changes, &reached),
            (seed, proxied.as_ref().map(|proxied| proxied.replicas.clone()).unwrap_or_default(), visits),
        );
        let found = self.as_driver_says(Found { fronts: fronts.flatten(), ..found }).await;
        let plan = planner(&self.config.purpose)(self.config, &found)?;
        let figures = origin::figures(&target, self.rig.cluster(), self.config.target_pid).await;
        let settled = Settled {
            target: target.url.to_string(),
            own_cluster: origin == Origin::Own,
            attached: origin == Origin::Attached,
            colocated: target.is_colocated,
            replicas: u32::from(replicas),
            agents: self.crew.agents,
            seed,
            spread: "round robin".into(),
            chosen,
        };
        let config = describe::config_row(self.config, &settled, &reached.era, &plan);
        let addresses = endpoints.iter().map(|(replica, address)| (*replica, address.to_string())).collect();
        let row = describe::target_row(&reached, addresses, &collector::describe(&figures), proxied);
        let phases = describe::planned_phases(&plan);
        let folder = self.folder.path().to_path_buf();
        for text in self.config.workload.iter().flat_map(|workload| workload.lines(self.config)) {
            self.show(live::Event::Note { text }).await;
        }
        self.show(live::Event::Plan { config: Box::new(config.clone()), phases, folder }).await;
        let recorder = self.record([Entry::Config(config), Entry::Target(row)])?;
        let calls = settled.chosen.calls;
        for action in calls.tell(&world, WORK_MS) {
            if let Action::Command { agent, command } = action {
                self.rig.command(agent, command);
            }
        }
        self.rig.collect(figures).await;
        let facts = RunFacts {
            seed,
            calls,
            target: settled.target,
            connections: self.config.connections(),
            ramp_rate: self.config.ramp_rate,
            duration_ms: self.config.duration().as_millis() as u64,
            timeout_us: self.config.timeout.as_micros() as u64,
            // Agents may have been started in another one.
            folder: std::path::absolute(self.folder.path()).unwrap_or_else(|_| self.folder.path().to_path_buf()),
        };
        let stops_at_errors = target.is_elsewhere && !self.config.no_abort;
        Ok(Ready { plan, facts, world, recorder, stops_at_errors })
    }

    /// With what a driver that the user named can do.
    async fn as_driver_says(&self, mut found: Found) -> Found {
        let Some(faults) = self.rig.foreign_faults() else { return found };
        if let Some(lacks) = faults.lacks() {
            found.field.lacks = lacks;
        }
        found.field.elsewhere =
            found.field.replicas.iter().copied().filter(|replica| !faults.holds(*replica)).collect();
        found.cannot_scale = faults.cannot_scale().await;
        found
    }

    /// Starts the record, with its first rows and what was said before.
    fn record(&mut self, rows: [Entry; 2]) -> Result<Recorder, StressError> {
        let header = RunHeader {
            record_version: RECORD_VERSION,
            run_id: self.folder.run_id().into(),
            version: env!("CARGO_PKG_VERSION").into(),
            command: self.config.purpose.command().into(),
            command_line: self.config.command_line.clone(),
            started_at: self.started_at.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
            monotonic_base_ns: self.base_ns,
            machine: host::machine(),
        };
        let mut recorder = Recorder::create(&self.folder, header, self.config.record_limit)?;
        rows.iter().chain(&self.joined).try_for_each(|row| recorder.row(row))?;
        for (at_us, line) in self.said.drain(..) {
            recorder.log(&line, at_us)?;
        }
        Ok(recorder)
    }
}
