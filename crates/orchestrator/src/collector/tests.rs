use erlmcp_record::MemorySource;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::*;
use crate::driver::fake::{self, FakeCluster};

const SOON: Duration = Duration::from_secs(30);

async fn samples(figures: Figures, count: usize) -> (Vec<ClusterSample>, RunClock) {
    let clock = RunClock::new(erlmcp_load::clock::monotonic_ns());
    let (sender, mut events) = mpsc::channel(8);
    let (_moved, moves) = watch::channel(Vec::new());
    let collecting = start((figures, None), moves, clock, sender);
    let mut found = Vec::new();
    while found.len() < count {
        match timeout(SOON, events.recv()).await.expect("a sample a second").expect("it goes on") {
            Event::Sample(sample) => found.push(*sample),
            other => panic!("{other:?}"),
        }
    }
    collecting.abort();
    (found, clock)
}

#[tokio::test]
async fn a_cluster_is_sampled_at_whole_seconds() {
    let own = std::process::id();
    let cluster = FakeCluster::new(fake::status(1, &[Some(own), None]));
    let (found, clock) = samples(Figures::Cluster { control: cluster.control().to_path_buf() }, 2).await;
    for sample in &found {
        assert!(sample.at_us >= (u64::from(sample.second) + 1) * 1_000_000, "{sample:?}");
        let [one, two] = &sample.replicas[..] else { panic!("{sample:?}") };
        assert_eq!((one.pid, one.connections, one.memory_source), (Some(own), Some(40), MemorySource::Anonymous));
        assert!(one.memory_bytes > Some(0) && one.cpu_us.is_some(), "{one:?}");
        assert_eq!((two.pid, two.connections, two.memory_bytes, two.ready), (None, None, None, false));
        assert_eq!(sample.missing.as_deref(), Some("replica 2 (down) tells no figures"));
        assert!(sample.kernel.busy_us.is_some(), "{sample:?}");
    }
    assert!(found[0].second < found[1].second && found[1].at_us <= clock.now_us());
}

#[tokio::test]
async fn a_cluster_that_went_away_leaves_the_kernels_figures() {
    let control = PathBuf::from("/nowhere/control.sock");
    let sample = Collector::new(Figures::Cluster { control }, None).sample(8, &RunClock::new(0)).await;
    assert_eq!((sample.second, sample.replicas.len()), (7, 0));
    assert!(sample.orchestrator_rss_bytes > Some(0), "that is this process");
    assert!(sample.missing.is_some_and(|why| why.starts_with("no cluster answers at /nowhere")));
    assert!(sample.kernel.busy_us.is_some());
}

#[tokio::test]
async fn a_connection_that_broke_is_made_anew() {
    let cluster = FakeCluster::new(fake::status(1, &[None]));
    let mut asked = Cluster::new(cluster.control().to_path_buf());
    asked.status(SOON).await.expect("the fake answers");
    cluster.set(serde_json::json!({"ok": true}));
    asked.status(SOON).await.expect_err("that is no status");
    cluster.set(fake::status(1, &[None, None]));
    assert_eq!(asked.status(SOON).await.expect("the fake answers again").replicas.len(), 2);
}

#[tokio::test]
async fn a_foreign_server_has_a_page_and_a_process() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let address = listener.local_addr().expect("it is bound");
    let serving = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 1_024]).await;
            let body = "process_resident_memory_bytes 4096\nprocess_open_fds 12\n";
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    let page = Way::default().page(address, "/metrics");
    let clock = RunClock::new(0);
    let figures = |pid| Figures::Server { pages: vec![(1, page.clone())], pid };
    let sample = Collector::new(figures(None), None).sample(1, &clock).await;
    let one = &sample.replicas[0];
    assert_eq!((one.memory_bytes, one.memory_source, one.cpu_us), (Some(4_096), MemorySource::Reported, None));
    let own = std::process::id();
    let sample = Collector::new(figures(Some(own)), None).sample(1, &clock).await;
    let one = &sample.replicas[0];
    assert_eq!((one.pid, one.memory_source), (Some(own), MemorySource::Anonymous), "{sample:?}");
    assert!(one.memory_bytes > Some(4_096) && one.cpu_us.is_some(), "{one:?}");
    assert_eq!(describe(&figures(Some(7))), format!("http://{address}/metrics and pid 7"));
    serving.abort();
    let _ = serving.await;
    let sample = Collector::new(figures(None), None).sample(1, &clock).await;
    assert!(sample.replicas.is_empty() && sample.missing.is_some(), "{sample:?}");
}

/// A server of no cluster, at this address of loopback.
async fn lone(ip: &str, began_s: u32, connections: u32) -> SocketAddr {
    let listener = TcpListener::bind((ip, 0)).await.expect("loopback");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        let body = format!(
            "erlmcp_start_time_seconds{{replica=\"0\"}} {began_s}.5\n\
             erlmcp_connections{{replica=\"0\",kind=\"mcp\"}} {connections}\n"
        );
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 1_024]).await;
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    address
}

#[tokio::test]
async fn servers_are_asked_at_each_address_and_where_they_move_to() {
    let (one, two) = (lone("127.0.0.2", 1, 40).await, lone("127.0.0.3", 2, 40).await);
    let three = lone("127.0.0.4", 3, 7).await;
    let page = |address| Page { host: "mcp.example:80".into(), ..Way::default().page(address, "/metrics") };
    let figures = Figures::Server { pages: vec![(1, page(one)), (2, page(two))], pid: None };
    assert_eq!(describe(&figures), "http://mcp.example:80/metrics at 2 addresses");
    let (sender, mut events) = mpsc::channel(8);
    let (moved, moves) = watch::channel(Vec::new());
    let collecting = start((figures, None), moves, RunClock::new(erlmcp_load::clock::monotonic_ns()), sender);
    for (first, connections) in [(one, 40), (three, 7)] {
        moved.send_replace(vec![(1, first), (2, two)]);
        // A sample may have been under way.
        loop {
            let event = timeout(SOON, events.recv()).await.expect("a sample a second");
            let Some(Event::Sample(sample)) = event else { panic!("{event:?}") };
            let told: Vec<_> = sample.replicas.iter().map(|one| (one.replica, one.connections)).collect();
            assert_eq!(told.len(), 2, "{sample:?}");
            if told == [(1, Some(connections)), (2, Some(40))] {
                break;
            }
        }
    }
    collecting.abort();
}

#[tokio::test]
async fn a_process_alone_or_nothing_at_all() {
    let clock = RunClock::new(0);
    let sample =
        Collector::new(Figures::Server { pages: Vec::new(), pid: Some(u32::MAX) }, None).sample(1, &clock).await;
    assert_eq!(sample.missing.as_deref(), Some("process 4294967295 cannot be read"));
    assert_eq!((sample.replicas[0].memory_bytes, sample.replicas[0].memory_source), (None, MemorySource::None));
    let sample = Collector::new(Figures::Nothing, None).sample(1, &clock).await;
    assert_eq!((sample.replicas.len(), sample.missing), (0, None));
    assert!(describe(&Figures::Nothing).starts_with("none: "));
}

#[test]
fn few_reasons_are_named() {
    let missing: Vec<String> = (1..=5).map(|number| format!("r{number}")).collect();
    assert_eq!(reasons(&[]), None);
    assert_eq!(reasons(&missing[..3]).as_deref(), Some("r1; r2; r3"));
    assert_eq!(reasons(&missing).as_deref(), Some("r1; r2; r3; and 2 more"));
}
