//! The engine's own thread: one loop around [`Engine`], with the real network.

use std::io;
use std::num::NonZeroU64;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;

use erlmcp_record::Hist;
use tokio::sync::mpsc;

use super::moderation::Moderation;
use crate::clock::RunClock;
use crate::engine::{Engine, Order};
use crate::net::tls::Tls;
use crate::net::{Net, Sockets, Wake};
use crate::report::Report;
use crate::settings::Settings;
use crate::wire::Calls;

const ORDERS_MAX: usize = 64;
const REPORTS_MAX: usize = 4_096;
const SPARE_MAX: usize = 64;
/// Arrivals are looked at after so many connections in one turn.
const READS_BETWEEN: usize = 32;
/// Where reports are left over, they are offered again after this.
const OFFER_AGAIN_US: u64 = 5_000;

/// The engine as the main thread sees it.
#[derive(Debug)]
pub(crate) struct EngineThread {
    orders: SyncSender<Order>,
    wake: Wake,
    /// Ends when the thread does.
    pub(crate) reports: mpsc::Receiver<Report>,
    spare: SyncSender<Hist>,
    thread: Option<JoinHandle<()>>,
}

impl EngineThread {
    /// # Errors
    /// Where the system has no descriptors or threads left.
    pub(crate) fn start(clock: RunClock, settings: Settings, calls: Calls, tls: Option<Tls>) -> io::Result<Self> {
        let (net, wake) = Sockets::new(clock, tls)?;
        let (orders, orders_taken) = sync_channel(ORDERS_MAX);
        let (spare, spare_taken) = sync_channel(SPARE_MAX);
        let (reports_given, reports) = mpsc::channel(REPORTS_MAX);
        let engine = Engine::new(net, settings, calls);
        let mut shell = Shell {
            engine,
            orders: orders_taken,
            reports: reports_given,
            spare: spare_taken,
            moderation: Moderation::default(),
        };
        let thread = std::thread::Builder::new().name("engine".into()).spawn(move || shell.run())?;
        Ok(Self { orders, wake, reports, spare, thread: Some(thread) })
    }

    /// Gives the engine something to do. Nothing where its thread has ended, which `reports` tells.
    pub(crate) fn order(&self, order: Order) {
        if self.orders.send(order).is_ok() {
            self.wake.wake();
        }
    }

    /// Gives back an empty histogram, for use again.
    pub(crate) fn give_back(&self, hist: Hist) {
        // Where there are enough it is dropped.
        let _ = self.spare.try_send(hist);
    }
}

impl Drop for EngineThread {
    fn drop(&mut self) {
        self.order(Order::Goodbye);
        self.reports.close();
        if let Some(thread) = self.thread.take() {
            // A panic in it was told by the end of its reports.
            let _ = thread.join();
        }
    }
}

struct Shell {
    engine: Engine<Sockets>,
    orders: Receiver<Order>,
    reports: mpsc::Sender<Report>,
    spare: Receiver<Hist>,
    moderation: Moderation,
}

impl Shell {
    fn run(&mut self) {
        // The kernel may else wake it 50 us late, so as to wake others with it. Where it refuses, that is lag that is told.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
        while self.take_orders() {
            self.engine.turn();
            let all_given = self.give_reports();
            if self.engine.is_over() && (all_given || self.reports.is_closed()) {
                return;
            }
            if let Err(error) = self.wait(all_given) {
                let why = format!("the agent's loop cannot wait for its sockets: {error}");
                let _ = self.reports.try_send(Report::Failure(why));
                return;
            }
        }
    }

    /// False where nobody gives orders any more.
    fn take_orders(&mut self) -> bool {
        while let Ok(hist) = self.spare.try_recv() {
            self.engine.spare_hist(hist);
        }
        loop {
            match self.orders.try_recv() {
                Ok(order) => self.engine.order(order),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    /// True where nothing is left to tell.
    fn give_reports(&mut self) -> bool {
        while let Some(report) = self.engine.take_report() {
            match self.reports.try_send(report) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(report)) => {
                    self.engine.put_back(report);
                    return false;
                }
                Err(mpsc::error::TrySendError::Closed(_)) => return true,
            }
        }
        true
    }

    fn wait(&mut self, all_given: bool) -> io::Result<()> {
        let entered_us = self.engine.net.now_us();
        self.moderation.count(self.engine.arrived, entered_us);
        self.engine.step_us = self.moderation.step_us();
        let until_us = self.engine.next_us().min(if all_given { u64::MAX } else { entered_us + OFFER_AGAIN_US });
        let woken = self.engine.net.wait(Some(until_us))?;
        self.moderation.woken(until_us, woken.at_us);
        self.engine.loop_times.polled(entered_us, woken);
        let ready = self.engine.net.take_ready();
        for (number, (key, readiness)) in ready.iter().enumerate() {
            self.engine.ready(*key, *readiness);
            if number % READS_BETWEEN == READS_BETWEEN - 1 {
                let now_us = self.engine.net.now_us();
                self.engine.arrive(now_us);
            }
        }
        self.engine.net.give_back(ready);
        Ok(())
    }
}
