use std::net::TcpListener;
use std::process::{Child, Command};

use serde_json::{Value, json};

use super::*;
use crate::driver::fake::{self, FakeCluster};

/// A cluster whose replica 1 is a process of ours, with a listener of ours at its address.
struct Stage {
    cluster: FakeCluster,
    replica: Child,
    _listener: TcpListener,
    address: SocketAddr,
}

impl Stage {
    fn new(last: u8, fence_after_ms: Option<u64>) -> Self {
        let listener =
            TcpListener::bind((std::net::Ipv4Addr::new(127, 77, 2, last), 0)).expect("loopback has many addresses");
        let address = listener.local_addr().expect("it is bound");
        let replica = Command::new("sleep").arg("60").spawn().expect("sleep is there");
        let mut status = fake::status(std::process::id(), &[Some(replica.id()), None]);
        status["replicas"][0]["address"] = Value::from(address.to_string());
        status["fence_after_ms"] = json!(fence_after_ms);
        Self { cluster: FakeCluster::new(status), replica, _listener: listener, address }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = self.replica.kill();
        let _ = self.replica.wait();
    }
}

fn clock() -> RunClock {
    RunClock::new(erlmcp_load::clock::monotonic_ns())
}

#[tokio::test]
async fn packets_are_dropped_where_that_is_permitted() {
    let Some(nft) = super::super::nft::tests::nft().await else { return };
    let (stage, clock) = (Stage::new(1, None), clock());
    let cut = cut_off(stage.cluster.control(), 1, &Ok(nft), &clock).await;
    let (partition, injected) = cut.expect("it was possible a moment ago");
    assert_eq!(injected.method, format!("packets from and to {} dropped (nftables)", stage.address));
    assert!(injected.injected_us <= injected.effect_us && injected.at_most_us.is_none(), "{injected:?}");
    assert_eq!(connect(stage.address, PROBE).await, Seen::Silent);
    let healed = partition.heal(&clock).await.expect("it can be undone");
    assert!(injected.effect_us < healed.healed_us && healed.healed_us <= healed.verified_us, "{healed:?}");
    assert_eq!(connect(stage.address, Duration::from_secs(10)).await, Seen::Answers);
}

#[tokio::test]
async fn else_the_process_is_stopped_for_less_than_the_cluster_bears() {
    let (stage, clock) = (Stage::new(2, Some(3_000)), clock());
    let nft = Err("there is no nft command".into());
    let cut = cut_off(stage.cluster.control(), 1, &nft, &clock).await;
    let (partition, injected) = cut.expect("our child can be stopped");
    let method = "process stopped (SIGSTOP) for 2.6 s: nftables is not available (there is no nft command)";
    assert_eq!((injected.method.as_str(), injected.at_most_us), (method, Some(2_600_000)));
    let process = Process::open(stage.replica.id()).expect("it is there");
    assert_eq!(process.state(), Some('T'));
    let healed = partition.heal(&clock).await.expect("it can be continued");
    assert!(injected.effect_us <= healed.healed_us && healed.healed_us <= healed.verified_us, "{healed:?}");
    assert_ne!(process.state(), Some('T'));
}

#[tokio::test]
async fn what_cannot_be_cut_off_is_said() {
    let (stage, clock) = (Stage::new(3, None), clock());
    let nft = Err("there is no nft command".into());
    let error = |result: Result<(Partition, Injected), String>| result.map(|_| ()).unwrap_err();
    let why = error(cut_off(stage.cluster.control(), 2, &nft, &clock).await);
    assert_eq!(why, "replica 2 has no process now");
    let why = error(cut_off(stage.cluster.control(), 9, &nft, &clock).await);
    assert_eq!(why, "the cluster has no replica 9");
}

#[test]
fn a_pause_ends_before_the_process_is_taken_for_dead() {
    assert_eq!(pause_for(None), PAUSE);
    assert_eq!(pause_for(Some(5_000)), Duration::from_millis(4_600));
    assert_eq!(pause_for(Some(600)), Duration::from_millis(300));
}
