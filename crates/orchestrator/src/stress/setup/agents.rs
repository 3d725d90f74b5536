//! The agents of a run, from their start to the first thing that one of them finds out.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;

use erlmcp_load::proto::{self, Reached, command::Command};
use erlmcp_record::{Entry, JoinedRow};
use erlmcp_report::{live, plural};
use tokio::time::sleep;

use super::{Answering, REACH, REACH_BLOCK, Setup};
use crate::StressError;
use crate::config::{Era, Joining, Purpose};
use crate::event::{Event, Said};
use crate::fleet::{Fleet, Joined};
use crate::hands::Hands;
use crate::target::Target;
use crate::workload::Workload;
use crate::world::{AgentView, World};

impl Setup<'_> {
    /// The first agent finds out who answers; the others are told.
    pub(super) async fn start_agents(
        &mut self,
        binary: PathBuf,
        answering: &Answering,
        seed: u64,
    ) -> Result<(Reached, World), StressError> {
        match &self.config.joining {
            Some(joining) => self.await_agents(joining).await?,
            None => {
                let fleet = Fleet::listen(self.crew.agents, (self.rig.sender(), self.rig.clock)).await?;
                self.rig.add_fleet(fleet).start(&binary).await?;
            }
        }
        let mut setup = self.agent_setup(answering, seed);
        let mut views = vec![AgentView::ready(self.set_up(setup.clone()).await?)];
        let mut world = World::new(Vec::new());
        let reached = self.reach(&answering.target, &mut world).await?;
        if self.config.own_sessions && reached.era != Era::Legacy.name() {
            let url = &answering.target.url;
            let what = format!(
                "{url} speaks the modern era, which has no sessions: leave --sessions out, or add --era legacy"
            );
            return Err(StressError::Lacking(what));
        }
        setup.era.clone_from(&reached.era);
        for agent in 1..self.crew.agents {
            setup.agent = agent;
            views.push(AgentView::ready(self.set_up(setup.clone()).await?));
        }
        let possible: u64 = views.iter().map(|view| view.connections_possible).sum();
        if possible < self.config.sockets() {
            return Err(StressError::failed(format!(
                "the agents can hold {possible} connections, not {}: raise the limit of descriptors (ulimit -Hn), \
                 add --agents, or ask for fewer",
                self.config.sockets()
            )));
        }
        world.agents = views;
        Ok((reached, world))
    }

    /// Waits for agents that are started elsewhere, and says who has come.
    async fn await_agents(&mut self, joining: &Joining) -> Result<(), StressError> {
        let fleet = Fleet::invite(self.crew.agents, joining, (self.rig.sender(), self.rig.clock)).await?;
        let address = self.rig.add_fleet(fleet).address();
        let agents = self.crew.agents;
        let all = plural(u64::from(agents), "agent");
        let text = format!("Waiting for {all} on {address}: erlmcp agent --join {address} --token-file FILE");
        self.show(live::Event::Note { text }).await;
        let mut too_long = pin!(sleep(joining.wait));
        for agent in 0..agents {
            let fleet = self.rig.fleet_mut().ok_or_else(|| StressError::failed("there are no agents"))?;
            let joined = tokio::select! {
                joined = fleet.joined(agent) => joined?,
                () = &mut too_long => {
                    return Err(StressError::failed(format!(
                        "{agent} of {all} joined on {address} within {} s: start the others, or wait longer with \
                         --agents-wait",
                        joining.wait.as_secs()
                    )));
                }
            };
            let text = said(agent, agents, &joined);
            self.show(live::Event::Note { text }).await;
            self.joined.push(Entry::Joined(row(agent, joined)));
        }
        Ok(())
    }

    async fn set_up(&mut self, setup: proto::Setup) -> Result<u64, StressError> {
        let fleet = self.rig.fleet_mut().ok_or_else(|| StressError::failed("there are no agents"))?;
        fleet.set_up(setup.agent, setup).await
    }

    fn agent_setup(&self, answering: &Answering, seed: u64) -> proto::Setup {
        let (config, target) = (self.config, &answering.target);
        let timeout_us = config.timeout.as_micros() as u64;
        let endpoint = |(replica, address): &(u16, SocketAddr)| proto::Endpoint {
            replica: u32::from(*replica),
            address: address.to_string(),
        };
        let header = |(name, value): &(String, String)| proto::Header { name: name.clone(), value: value.clone() };
        proto::Setup {
            agent: 0,
            agents: self.crew.agents,
            seed,
            monotonic_base_ns: self.base_ns,
            endpoints: answering.endpoints.iter().map(endpoint).collect(),
            authority: target.url.authority.clone(),
            path: target.url.path.clone(),
            tls: target.url.tls,
            ca_pem: config.ca_pem.clone(),
            insecure: config.insecure,
            headers: config.headers.iter().map(header).collect(),
            era: config.era.name().into(),
            // A session is its principal's alone.
            own_sessions: config.own_sessions || config.tokens.len() > 1,
            tokens: config.tokens.clone(),
            timeout_us,
            connect_timeout_us: timeout_us,
            spread_sources: answering.endpoints.iter().all(|(_, address)| crate::target::is_loopback(address.ip())),
            reset_on_close: target.is_colocated,
            allow_foreign: target.is_elsewhere,
            raw_latencies: config.raw_latencies,
        }
    }

    /// Who answers, as the first agent finds out.
    async fn reach(&mut self, target: &Target, world: &mut World) -> Result<Reached, StressError> {
        let cannot = |why: &str| StressError::Unreachable(format!("{} cannot be tested: {why}", target.url));
        let mut wanted = self.config.workload.as_ref().map(Workload::wanted);
        if matches!(self.config.purpose, Purpose::Comprehensive { .. }) {
            wanted.get_or_insert_default().offers = true;
        }
        self.rig.command(0, Command::Reach(proto::Reach { block: REACH_BLOCK, wanted }));
        let answered = async {
            loop {
                match self.rig.next().await {
                    Event::Agent { said: Said::Reached(reached), .. } if reached.ok => return Ok(reached),
                    Event::Agent { said: Said::Reached(reached), .. } => return Err(cannot(&reached.error)),
                    Event::Agent { agent, said: Said::Gone(why) } => {
                        return Err(StressError::failed(format!("agent {agent} cannot work: {why}")));
                    }
                    Event::Agent { agent, said: Said::Line(line) } => {
                        self.said.push((0, format!("agent {agent}: {line}")))
                    }
                    event => world.apply(&event),
                }
            }
        };
        let answered = tokio::time::timeout(REACH, answered).await;
        answered
            .unwrap_or_else(|_| Err(cannot(&format!("the first agent found out nothing within {} s", REACH.as_secs()))))
    }
}

/// "Agent 2 of 3 joined: worker-b, 10.0.0.3:51234, 8 cores, its clock known to 0.12 ms".
fn said(agent: u32, agents: u32, joined: &Joined) -> String {
    let (known_ms, cores) = (joined.offset.uncertainty_ns as f64 / 1e6, plural(u64::from(joined.cores), "core"));
    let Joined { host, address, .. } = joined;
    format!("Agent {} of {agents} joined: {host}, {address}, {cores}, its clock known to {known_ms:.2} ms", agent + 1)
}

fn row(agent: u32, joined: Joined) -> JoinedRow {
    JoinedRow {
        agent,
        host: joined.host,
        address: joined.address,
        cores: joined.cores,
        descriptors: joined.descriptors,
        clock_offset_ns: joined.offset.ns,
        uncertainty_us: joined.offset.uncertainty_ns.div_ceil(1_000),
    }
}
