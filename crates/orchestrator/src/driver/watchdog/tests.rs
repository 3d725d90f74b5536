use std::process::Command as Std;
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::{sleep, timeout};

use super::*;
use crate::driver::fault::process::{Known, Process};
use crate::event::HealError;

const SOON: Duration = Duration::from_secs(20);
const KEEPER: &str = "ERLMCP_TEST_WATCHDOG";
const OWNER: &str = "ERLMCP_TEST_WATCHDOG_OWNER";

/// Not a test by itself: the watchdog that the others start.
#[tokio::test]
#[ignore = "it is started by other tests"]
async fn a_watchdog() {
    if std::env::var_os(KEEPER).is_some() {
        keep_watch().await.expect("it has a socket");
    }
}

/// This test's own program as a watchdog.
pub(in crate::driver) fn program_of_tests() -> Program {
    program("any")
}

/// The same, to be found again by that name.
fn program(name: &str) -> Program {
    let arguments = ["--exact", "driver::watchdog::tests::a_watchdog", "--ignored", "--nocapture"];
    Program {
        binary: std::env::current_exe().expect("this is a process"),
        arguments: arguments.map(String::from).to_vec(),
        environment: vec![(KEEPER.into(), name.into())],
    }
}

/// A process that stands still.
struct Stopped(std::process::Child);

impl Stopped {
    fn new() -> Self {
        let child = Std::new("sleep").arg("60").spawn().expect("sleep is there");
        let stopped = Self(child);
        stopped.process().signal(Signal::STOP).expect("it is our child");
        stopped
    }

    fn process(&self) -> Process {
        Process::open(self.0.id()).expect("it runs")
    }

    fn debt(&self) -> Debt {
        Debt::Continue { process: Known::of(self.0.id()).expect("it runs") }
    }

    async fn goes_on(&self) {
        let seen = async {
            while self.process().state() == Some('T') {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(SOON, seen).await.expect("it is continued");
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The watchdogs of that name.
fn keepers(name: &str) -> Vec<u32> {
    let pids = std::fs::read_dir("/proc").expect("procfs").flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let wanted = format!("{KEEPER}={name}");
    let is_it = |pid: &u32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes())
    };
    pids.filter(is_it).collect()
}

#[tokio::test]
async fn what_is_released_is_undone_and_the_rest_at_the_end() {
    let (one, two, three) = (Stopped::new(), Stopped::new(), Stopped::new());
    let watchdog = Watchdog::new(program_of_tests());
    let (first, second) = (watchdog.ticket(), watchdog.ticket());
    watchdog.hold(first, vec![one.debt(), two.debt()]).await.expect("it is told");
    watchdog.hold(second, vec![three.debt()]).await.expect("it is told");
    assert_eq!(one.process().state(), Some('T'));
    watchdog.release(first).await.expect("it is undone");
    one.goes_on().await;
    two.goes_on().await;
    assert_eq!(three.process().state(), Some('T'));
    watchdog.release(first).await.expect("once is enough, twice does no harm");
    assert_eq!(watchdog.end().await, Vec::<String>::new());
    three.goes_on().await;
}

#[tokio::test]
async fn a_debt_outlives_long_silence_of_others_but_not_of_its_owner() {
    let victim = Stopped::new();
    let (child, stream) = program_of_tests().start().expect("this program can be run");
    let mut child = child;
    let (reading, mut writing) = stream.into_split();
    let line = serde_json::to_string(&Request::Hold { ticket: 1, debts: vec![victim.debt()] }).expect("JSON") + "\n";
    tokio::io::AsyncWriteExt::write_all(&mut writing, line.as_bytes()).await.expect("it reads");
    // Nobody renews, and nobody closes anything: the lease alone ends it.
    victim.goes_on().await;
    timeout(SOON, child.wait()).await.expect("it ends with its lease").expect("it is our child");
    drop((reading, writing));
}

/// Not a test by itself: the owner that the next test kills.
#[tokio::test]
#[ignore = "it is started by another test"]
async fn own_a_debt_and_wait() {
    let Ok(pid) = std::env::var(OWNER) else { return };
    let watchdog = Watchdog::new(program(&format!("of {}", std::process::id())));
    let process = Known::of(pid.parse().expect("a number")).expect("it runs");
    watchdog.hold(watchdog.ticket(), vec![Debt::Continue { process }]).await.expect("it is told");
    Process::open(process.pid).expect("it runs").signal(Signal::STOP).expect("it is ours");
    sleep(Duration::from_secs(60)).await;
}

#[tokio::test]
async fn everything_is_undone_when_the_owner_is_killed() {
    let victim = Std::new("sleep").arg("60").spawn().expect("sleep is there");
    let victim = Stopped(victim);
    let mut command = Std::new(std::env::current_exe().expect("this is a process"));
    command.args(["--exact", "driver::watchdog::tests::own_a_debt_and_wait", "--ignored"]);
    let mut owner = command.env(OWNER, victim.0.id().to_string()).spawn().expect("it can be run");
    let stopped = async {
        while victim.process().state() != Some('T') {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, stopped).await.expect("the owner stops it");
    let keepers = keepers(&format!("of {}", owner.id()));
    owner.kill().expect("it is our child");
    owner.wait().expect("it is our child");
    victim.goes_on().await;
    let gone = async {
        while keepers.iter().any(|pid| Known::of(*pid).is_some_and(|keeper| keeper.is_alive())) {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, gone).await.expect("a watchdog without an owner ends");
    assert_eq!(keepers.len(), 1);
}

#[tokio::test]
async fn a_watchdog_that_is_killed_is_replaced_by_its_owner() {
    let (one, two) = (Stopped::new(), Stopped::new());
    let name = format!("killed by {}", std::process::id());
    let watchdog = Watchdog::new(program(&name));
    let early = watchdog.ticket();
    watchdog.hold(early, vec![one.debt()]).await.expect("it is told");
    let [pid] = keepers(&name)[..] else { panic!("one process keeps watch") };
    Process::open(pid).expect("it runs").signal(Signal::KILL).expect("it is our child");
    one.goes_on().await;
    let why = watchdog.release(early).await.expect_err("nobody asked for that").to_string();
    assert!(why.starts_with("it was undone before its time: "), "{why}");
    watchdog.release(early).await.expect("it was said");
    let ticket = watchdog.ticket();
    watchdog.hold(ticket, vec![two.debt()]).await.expect("there is a new one");
    watchdog.release(ticket).await.expect("it is undone");
    two.goes_on().await;
    assert_eq!(watchdog.end().await, Vec::<String>::new());
}

#[tokio::test]
async fn what_cannot_be_undone_is_said() {
    let watchdog = Watchdog::new(program_of_tests());
    let ticket = watchdog.ticket();
    let words = vec!["sh".to_string(), "-c".into(), "echo it will not >&2; exit 1".into()];
    watchdog.hold(ticket, vec![Debt::Command { words: words.clone(), within_ms: 5_000 }]).await.expect("it is told");
    let why = watchdog.release(ticket).await.unwrap_err().to_string();
    assert!(why.contains("it will not"), "{why}");
    // Nor by the owner, at whose end it is said, too.
    let name = format!("in vain for {}", std::process::id());
    let watchdog = Watchdog::new(program(&name));
    let (told, untold) = (watchdog.ticket(), watchdog.ticket());
    for ticket in [told, untold] {
        watchdog
            .hold(ticket, vec![Debt::Command { words: words.clone(), within_ms: 5_000 }])
            .await
            .expect("it is told");
    }
    let [pid] = keepers(&name)[..] else { panic!("one process keeps watch") };
    Process::open(pid).expect("it runs").signal(Signal::KILL).expect("it is our child");
    let outcome = watchdog.release(told).await;
    assert!(matches!(&outcome, Err(HealError::Stuck(why)) if why.contains("it will not")), "{outcome:?}");
    let [stuck] = &watchdog.end().await[..] else { panic!("one is left") };
    assert!(stuck.contains("it will not"), "{stuck}");
    let absent = Program { binary: "/nonexistent/x".into(), arguments: Vec::new(), environment: Vec::new() };
    let watchdog = Watchdog::new(absent);
    let held = watchdog.hold(watchdog.ticket(), Vec::new()).await;
    assert!(held.unwrap_err().contains("cannot be started"));
}
