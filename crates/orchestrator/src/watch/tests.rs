use super::*;
use crate::config::tests::plain;

fn config(url: &str) -> WatchConfig {
    WatchConfig {
        check: StressConfig {
            target: Some(url.into()),
            connections: Some(4),
            rate: Some(20.0),
            agents: Some(1),
            ..plain()
        },
        slo: "p95<100ms".parse().expect("an objective"),
        every: Duration::from_secs(900),
        count: None,
        exit_on: ExitOn::Never,
        folder: None,
        records: 5,
        webhook: None,
    }
}

/// A port that nobody listens on.
fn dead_url() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    format!("http://{}", listener.local_addr().expect("bound"))
}

#[test]
fn a_check_is_as_long_as_the_objective_takes() {
    let seconds = |slo: &str| {
        let config = WatchConfig { slo: slo.parse().expect("an objective"), ..config("http://a") };
        config.load().expect("a time").as_secs()
    };
    assert_eq!((seconds("errors<1%"), seconds("p95<1s")), (20, 20));
    assert_eq!((seconds("p99<1s"), seconds("p99.9<1s")), (50, 300));
}

#[test]
fn what_is_no_watching_is_refused() {
    let check = |change: &dyn Fn(&mut WatchConfig)| {
        let mut config = config("http://a");
        change(&mut config);
        config.check().map_err(|error| error.to_string())
    };
    assert_eq!(check(&|_| {}), Ok(()));
    for (change, word) in [
        (
            &(|config: &mut WatchConfig| config.check.connections = Some(101)) as &dyn Fn(&mut WatchConfig),
            "--connections",
        ),
        (&|config| config.check.rate = Some(201.0), "--rate"),
        (&|config| config.check.duration = Some(Duration::from_secs(301)), "--for"),
        (&|config| config.every = Duration::from_millis(999), "--every"),
        (&|config| config.count = Some(0), "--count"),
    ] {
        assert!(check(change).is_err_and(|why| why.contains(word)), "{word}");
    }
}

#[test]
fn a_check_loads_without_faults_and_operations() {
    let run = config("http://a").run("records/x".into()).expect("a run");
    run.check().expect("it can be run");
    assert_eq!((run.operations(), run.no_faults, run.warmup()), (0.0, true, Duration::ZERO));
    assert_eq!(run.chosen_phases().expect("phases"), [false, true, true, false, false, true]);
}

#[tokio::test]
async fn nobody_there_is_a_violation_and_is_remembered() {
    let folder = tempfile::tempdir().expect("a folder");
    let asked = WatchConfig { count: Some(1), folder: Some(folder.path().into()), ..config(&dead_url()) };
    for known in 0..2 {
        let (events, mut told) = mpsc::channel(8);
        let (_stop, cancel) = watch::channel(0);
        let watched = watch(asked.clone(), events, cancel).await.expect("it is watched");
        assert_eq!((watched.exit_code, watched.count.unreachable), (99, 1));
        assert!(matches!(told.recv().await, Some(WatchEvent::Begun { known: found, .. }) if found == known));
        let Some(WatchEvent::Checked { line, text }) = told.recv().await else { panic!("no check") };
        assert!(text.contains("UNREACHABLE") && text.contains("refused"), "{text}");
        assert!(line.contains(r#""outcome":"unreachable""#), "{line}");
    }
    let history = std::fs::read_to_string(folder.path().join("history.jsonl")).expect("a history");
    assert_eq!(history.lines().count(), 2);
}

#[tokio::test]
async fn a_watch_that_is_stopped_ends_between_its_checks() {
    let folder = tempfile::tempdir().expect("a folder");
    let asked = WatchConfig { folder: Some(folder.path().into()), ..config(&dead_url()) };
    let (events, mut told) = mpsc::channel(8);
    let (stop, cancel) = watch::channel(0);
    let watching = watch(asked, events, cancel);
    let stopping = async {
        while !matches!(told.recv().await, Some(WatchEvent::Checked { .. }) | None) {}
        stop.send(1).expect("it listens");
        told.recv().await.is_none()
    };
    let (watched, _) = tokio::join!(watching, stopping);
    let watched = watched.expect("it is watched");
    assert_eq!((watched.exit_code, watched.count.checks), (105, 1));
}

#[tokio::test]
async fn what_cannot_be_asked_for_ends_a_watch() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut asked = config("http://192.0.2.1");
    asked.folder = Some(folder.path().into());
    let (events, _told) = mpsc::channel(8);
    let (_stop, cancel) = watch::channel(0);
    let error = watch(asked, events, cancel).await.expect_err("another host");
    assert!(error.exit_code() == 2 && error.to_string().contains("--allow-host"), "{error}");
}
