//! The hands of a real run: agents, cluster, collector and the clock behind one [`Hands`].

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use erlmcp_load::clock::RunClock;
use erlmcp_load::proto::command::Command;
use erlmcp_report::plural;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior, timeout};

use crate::action::Ask;
use crate::collector::{self, Figures};
use crate::driver::{ABANDONED_WITHIN, ForeignFaults, LocalCluster};
use crate::event::{Answer, Event, HealError, Leftovers};
use crate::fleet::Fleet;
use crate::hands::Hands;
use crate::plan::Visit;
use crate::target::Target;
use crate::visit::{self, Door, Held};

/// Events that wait for the loop. Rows carry histograms: this bounds memory, and a full channel holds up its
/// writers, which hold up nobody's load.
const EVENTS_MAX: usize = 128;
const TICK: Duration = Duration::from_millis(50);
/// From the order to dismantle to the end of everything. Each part has a shorter bound of its own: faults and cluster the
/// longest, agents are gone in seconds.
const DISMANTLE: Duration = ABANDONED_WITHIN.saturating_add(Duration::from_secs(10));

/// What a visitor does, and its task.
type Visiting = (Visit, JoinHandle<()>);

/// Everything that a run brought with it.
pub(crate) struct Rig {
    pub(crate) clock: RunClock,
    target: Option<Target>,
    /// Where a visitor goes; None where none can.
    door: Option<Door>,
    visiting: Option<Visiting>,
    fleet: Option<Fleet>,
    cluster: Option<LocalCluster>,
    /// What the user's commands, or the driver that the user named, can break where the target is no cluster of ours.
    foreign: Option<ForeignFaults>,
    collector: Option<JoinHandle<()>>,
    /// Where the target has moved to, for the collector.
    moved: watch::Sender<Vec<(u16, SocketAddr)>>,
    sender: mpsc::Sender<Event>,
    events: mpsc::Receiver<Event>,
    ticks: Interval,
    dismantling: Option<JoinHandle<Leftovers>>,
}

impl Rig {
    /// With nothing in it.
    pub(crate) fn new(clock: RunClock) -> Self {
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (target, door, visiting, fleet, cluster) = (None, None, None, None, None);
        let (foreign, collector, dismantling) = (None, None, None);
        let (moved, _) = watch::channel(Vec::new());
        Self {
            clock,
            target,
            door,
            visiting,
            fleet,
            cluster,
            foreign,
            collector,
            moved,
            sender,
            events,
            ticks,
            dismantling,
        }
    }

    /// Where whatever joins the rig tells its events.
    pub(crate) fn sender(&self) -> mpsc::Sender<Event> {
        self.sender.clone()
    }

    pub(crate) fn add_cluster(&mut self, cluster: LocalCluster) {
        self.cluster = Some(cluster);
    }

    pub(crate) fn cluster_mut(&mut self) -> Option<&mut LocalCluster> {
        self.cluster.as_mut()
    }

    pub(crate) fn cluster(&self) -> Option<&LocalCluster> {
        self.cluster.as_ref()
    }

    pub(crate) fn add_foreign_faults(&mut self, faults: ForeignFaults) {
        self.foreign = Some(faults);
    }

    pub(crate) fn foreign_faults(&self) -> Option<&ForeignFaults> {
        self.foreign.as_ref()
    }

    pub(crate) fn add_target(&mut self, target: Target) {
        self.target = Some(target);
    }

    pub(crate) fn add_door(&mut self, door: Door) {
        self.door = Some(door);
    }

    pub(crate) fn add_fleet(&mut self, fleet: Fleet) -> &mut Fleet {
        self.fleet.insert(fleet)
    }

    pub(crate) fn fleet_mut(&mut self) -> Option<&mut Fleet> {
        self.fleet.as_mut()
    }

    pub(crate) async fn collect(&mut self, figures: Figures) {
        let proxy = match &self.cluster {
            Some(cluster) => cluster.proxy_pid().await,
            None => None,
        };
        let collector = collector::start((figures, proxy), self.moved.subscribe(), self.clock, self.sender());
        self.collector = Some(collector);
    }

    /// What is asked of a target that no driver holds.
    fn ask_target(&self, ask: Ask) {
        let (target, sender, clock) = (self.target.clone(), self.sender(), self.clock);
        tokio::spawn(async move {
            let no_driver = || "the target has no fault driver".to_string();
            let answer = match (ask, &target) {
                (Ask::Health, Some(target)) => Answer::Health(target.health(clock).await),
                (Ask::Health, None) => Answer::Health(Err("there is no target".into())),
                (Ask::Resolve, Some(target)) => Answer::Resolved(target.resolve(clock).await),
                (Ask::Resolve, None) => Answer::Resolved(Err("there is no target".into())),
                (Ask::Workers, Some(target)) => {
                    Answer::Workers(target.status().await.and_then(|status| status.workers()))
                }
                (Ask::Workers, None) => Answer::Workers(None),
                (Ask::Inject { id, .. }, _) => Answer::Injected { id, outcome: Err(no_driver()) },
                (Ask::Heal { id }, _) => Answer::Healed { id, outcome: Err(HealError::Otherwise(no_driver())) },
                (Ask::Scale { .. }, _) => Answer::Scaled(Err(no_driver())),
                (Ask::Visit { id, .. }, _) => {
                    Answer::Visited { id, outcome: Err("the target cannot be visited".into()) }
                }
                (Ask::Audit { .. }, _) => Answer::Audited(Err(no_driver())),
                (Ask::Change { change }, _) => Answer::Changed { change, made: Err(no_driver()) },
                // Nothing was broken that could become ready again.
                (Ask::AwaitReady { .. } | Ask::Dismantle { .. }, _) => return,
            };
            let _ = sender.send(Event::Answer(answer)).await;
        });
    }

    /// Sends a visitor.
    fn visit(&mut self, id: u32, visit: Visit) {
        let (Some(door), sender) = (self.door.clone(), self.sender()) else { return };
        let visiting = tokio::spawn(async move {
            let outcome = visit::visit(visit, &door).await;
            let _ = sender.send(Event::Answer(Answer::Visited { id, outcome })).await;
        });
        self.visiting = Some((visit, visiting));
    }

    /// Begins to end everything; once.
    fn dismantle(&mut self) {
        if let Some(collector) = self.collector.take() {
            collector.abort();
        }
        let visiting = self.visiting.take();
        // What a cluster of the run's own has goes with it.
        let is_attached = self.cluster.as_ref().is_some_and(|cluster| !cluster.is_own());
        let held = self.door.as_ref().filter(|_| is_attached).map(|door| Arc::clone(&door.held));
        let (fleet, cluster, foreign) = (self.fleet.take(), self.cluster.take(), self.foreign.take());
        let sender = self.sender();
        self.dismantling.get_or_insert_with(|| {
            tokio::spawn(async move {
                let left =
                    timeout(DISMANTLE, end(fleet, (cluster, foreign), (visiting, held))).await.unwrap_or_else(|_| {
                        Leftovers {
                            processes: 1,
                            note: Some(format!("it was not over within {} s", DISMANTLE.as_secs())),
                            ..Leftovers::default()
                        }
                    });
                let _ = sender.send(Event::Answer(Answer::Dismantled(left.clone()))).await;
                left
            })
        });
    }
}

/// Agents and cluster at the same time: a fault is undone at once, and a draining cluster sees its clients go.
async fn end(
    fleet: Option<Fleet>,
    (cluster, foreign): (Option<LocalCluster>, Option<ForeignFaults>),
    (visiting, held): (Option<Visiting>, Option<Arc<Held>>),
) -> Leftovers {
    let agents = async {
        match fleet {
            Some(fleet) => fleet.dismiss().await,
            None => 0,
        }
    };
    let cluster = async {
        match cluster {
            Some(mut cluster) => cluster.abandon().await,
            None => Leftovers::default(),
        }
    };
    let faults = async {
        match foreign {
            Some(foreign) => foreign.abandon().await,
            None => Vec::new(),
        }
    };
    let (agents, mut left, faults, sessions) = tokio::join!(agents, cluster, faults, leave(visiting, held));
    left.faults += faults.len() as u64;
    left.processes += agents;
    let agents = (agents > 0).then(|| format!("{} did not end", plural(agents, "agent")));
    let notes = left.note.take().into_iter().chain(faults).chain(agents).chain(sessions);
    left.note = notes.reduce(|all, next| format!("{all}; {next}"));
    left
}

/// Sees to it that a visitor leaves nothing behind, where somebody would have it; what it left, as a sentence.
async fn leave(visiting: Option<Visiting>, held: Option<Arc<Held>>) -> Option<String> {
    let (visit, mut visiting) = visiting?;
    if let (Visit::HeldSessions, Some(held)) = (visit, &held) {
        held.is_cut.store(true, Ordering::Relaxed);
        let _ = timeout(visit::END_WITHIN, &mut visiting).await;
    }
    visiting.abort();
    let sessions = held.map_or(0, |held| held.sessions.load(Ordering::Relaxed));
    (sessions > 0)
        .then(|| format!("{} of the visitor, which end by themselves in an hour", plural(sessions, "session")))
}

impl Hands for Rig {
    fn now_us(&self) -> u64 {
        self.clock.now_us()
    }

    fn command(&mut self, agent: u32, command: Command) {
        if let Some(fleet) = &mut self.fleet {
            fleet.command(agent, command);
        }
    }

    fn ask(&mut self, ask: Ask) {
        match (ask, &self.cluster) {
            (Ask::Dismantle { .. }, _) => self.dismantle(),
            (ask @ (Ask::Health | Ask::Resolve), _) => self.ask_target(ask),
            (Ask::Visit { id, visit }, _) if self.door.is_some() => self.visit(id, visit),
            (ask @ Ask::Visit { .. }, _) => self.ask_target(ask),
            (ask, Some(cluster)) => cluster.ask(ask),
            (ask, None) => {
                let is_taken = self.foreign.as_mut().is_some_and(|foreign| foreign.ask(ask.clone()));
                if !is_taken {
                    self.ask_target(ask);
                }
            }
        }
    }

    async fn next(&mut self) -> Event {
        let event = tokio::select! {
            Some(event) = self.events.recv() => event,
            _ = self.ticks.tick() => Event::Tick,
        };
        if let Event::Moved(endpoints) | Event::Answer(Answer::Scaled(Ok(endpoints))) = &event {
            self.moved.send_replace(endpoints.clone());
            if let Some(door) = &mut self.door {
                door.endpoints.clone_from(endpoints);
            }
        }
        event
    }

    /// What is still said is not heard any more, but taken, so that nobody waits for a full channel.
    async fn abandon(&mut self) {
        self.dismantle();
        let Some(mut dismantling) = self.dismantling.take() else { return };
        loop {
            tokio::select! {
                _ = &mut dismantling => return,
                Some(_) = self.events.recv() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collector::{Page, Way};
    use crate::driver::fake;
    use crate::fault::{Fault, Kind};

    fn rig() -> Rig {
        Rig::new(RunClock::new(erlmcp_load::clock::monotonic_ns()))
    }

    /// The next event that is no tick.
    async fn answer(rig: &mut Rig) -> Answer {
        let found = async {
            loop {
                match rig.next().await {
                    Event::Tick => {}
                    Event::Answer(answer) => return answer,
                    event => panic!("nobody said {event:?}"),
                }
            }
        };
        timeout(Duration::from_secs(20), found).await.expect("in time")
    }

    #[tokio::test]
    async fn time_goes_on_where_nothing_happens() {
        let mut rig = rig();
        for _ in 0..3 {
            assert!(matches!(rig.next().await, Event::Tick));
        }
    }

    #[tokio::test]
    async fn what_no_driver_can_do_is_answered_with_the_reason() {
        let mut rig = rig();
        rig.ask(Ask::Inject { id: 7, fault: Fault::of(Kind::Kill, vec![1]) });
        let Answer::Injected { id: 7, outcome: Err(why) } = answer(&mut rig).await else { panic!("it is no cluster") };
        assert!(why.contains("no fault driver"), "{why}");
        rig.ask(Ask::Workers);
        assert_eq!(answer(&mut rig).await, Answer::Workers(None));
    }

    #[tokio::test]
    async fn what_the_users_commands_broke_is_ready_when_it_says_so_where_it_can() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let replicas = [(1, listener.local_addr().expect("it is bound"))];
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let heard = fake::heard(&mut stream).await.expect("a request");
                assert!(heard.0 == "GET /ready" && heard.1.contains("Host: mcp.example:80"), "{heard:?}");
                fake::say(&mut stream, "200 OK", None).await;
            }
        });
        let page = Page { host: "mcp.example:80".into(), ..Way::default().page(replicas[0].1, "/ready") };
        for ready in [Some(page), None] {
            let (mut rig, says) = (rig(), ready.is_some());
            let faults = ForeignFaults::new(&replicas, ready, (rig.clock, rig.sender()));
            rig.add_foreign_faults(faults);
            rig.ask(Ask::AwaitReady { replica: 1 });
            let Answer::Ready { replica: 1, at_us } = answer(&mut rig).await else { panic!("it is asked") };
            assert_eq!(at_us.is_some(), says);
        }
    }

    #[tokio::test]
    async fn the_collector_is_told_where_the_target_has_moved_to() {
        let mut rig = rig();
        let moves = rig.moved.subscribe();
        let at = |last| (1, SocketAddr::from(([10, 0, 0, last], 80)));
        for (event, last) in
            [(Event::Moved(vec![at(7)]), 7), (Event::Answer(Answer::Scaled(Ok(vec![at(8), at(9)]))), 8)]
        {
            rig.sender().send(event).await.expect("there is room");
            while moves.borrow().first() != Some(&at(last)) {
                timeout(Duration::from_secs(20), rig.next()).await.expect("it is told");
            }
        }
    }

    #[tokio::test]
    async fn a_visitor_goes_to_where_the_target_is_now() {
        let bind = || tokio::net::TcpListener::bind("127.0.0.1:0");
        let gone = bind().await.expect("loopback").local_addr().expect("it is bound");
        let listener = bind().await.expect("loopback");
        let now = vec![(1, listener.local_addr().expect("it is bound"))];
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = fake::heard(&mut stream).await;
                fake::say(&mut stream, "401 Who", None).await;
            }
        });
        for event in [Event::Moved(now.clone()), Event::Answer(Answer::Scaled(Ok(now)))] {
            let mut rig = rig();
            rig.add_door(Door {
                clock: rig.clock,
                endpoints: vec![(1, gone)],
                way: Way::default(),
                authority: None,
                path: "/mcp".into(),
                headers: Vec::new(),
                control: None,
                held: Arc::default(),
                back_within: crate::visit::BACK_WITHIN,
            });
            rig.sender().send(event).await.expect("it is heard");
            while matches!(rig.next().await, Event::Tick) {}
            rig.ask(Ask::Visit { id: 3, visit: Visit::Body });
            let outcome = Err("a small request was answered with HTTP 401".into());
            assert_eq!(answer(&mut rig).await, Answer::Visited { id: 3, outcome });
        }
    }

    #[tokio::test]
    async fn nothing_is_dismantled_without_remains_and_twice_does_no_harm() {
        let mut rig = rig();
        rig.ask(Ask::Dismantle { own_cluster: true });
        assert_eq!(answer(&mut rig).await, Answer::Dismantled(Leftovers::default()));
        rig.abandon().await;
        rig.abandon().await;
    }

    #[tokio::test]
    async fn a_full_channel_does_not_hold_up_the_end() {
        let mut rig = rig();
        let sender = rig.sender();
        let writer = tokio::spawn(async move {
            for _ in 0..4 * EVENTS_MAX {
                if sender.send(Event::Answer(Answer::Workers(None))).await.is_err() {
                    return;
                }
            }
        });
        tokio::task::yield_now().await;
        timeout(Duration::from_secs(30), rig.abandon()).await.expect("it ends");
        drop(rig);
        timeout(Duration::from_secs(30), writer)
            .await
            .expect("nobody waits for a room that never comes")
            .expect("fine");
    }
}
