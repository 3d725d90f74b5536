use std::time::Duration;

use super::super::contract::{Stage, local};
use super::super::{FaultDriver, HealError};
use super::*;
use crate::driver::fault::process::Process;

fn fault(kind: Kind) -> Fault {
    Fault::of(kind, vec![1])
}

#[tokio::test]
async fn packets_are_filtered_where_that_is_permitted() {
    let Some(nft) = super::super::nft::tests::nft().await else { return };
    let stage = Stage::new(21, None);
    let local = LocalFaults { nft: Ok(nft), ..local(stage.cluster.control()) };
    let at = stage.address;
    for (kind, method, seen) in [
        (Kind::Partition, format!("packets from and to {at} dropped (nftables)"), Some(Seen::Silent)),
        (Kind::PartitionIn, format!("packets to {at} dropped (nftables)"), Some(Seen::Silent)),
        (Kind::PartitionOut, format!("packets from {at} dropped (nftables)"), Some(Seen::Silent)),
        (Kind::Reset, format!("packets from and to {at} answered with a reset (nftables)"), Some(Seen::Refused)),
        (Kind::Loss, format!("5 % of the packets from and to {at} dropped (nftables)"), None),
    ] {
        let (force, injected) = local.inject(&fault(kind)).await.expect("it was possible a moment ago");
        assert_eq!(injected.method, method);
        assert!(injected.injected_us <= injected.effect_us && injected.at_most_us.is_none(), "{injected:?}");
        if let Some(seen) = seen {
            assert_eq!(connect(at, PROBE).await, seen, "{kind:?}");
        }
        let healed = local.heal(force).await.expect("it can be undone");
        assert!(injected.effect_us <= healed.healed_us && healed.healed_us <= healed.verified_us, "{healed:?}");
        assert_eq!(connect(at, Duration::from_secs(10)).await, Seen::Answers);
    }
    assert_eq!(local.end().await, Vec::<String>::new());
}

#[tokio::test]
async fn else_the_process_is_stopped_for_less_than_the_cluster_bears() {
    let stage = Stage::new(22, Some(3_000));
    let local = local(stage.cluster.control());
    let (force, injected) = local.inject(&fault(Kind::Partition)).await.expect("our child can be stopped");
    let method = "process stopped (SIGSTOP) for 2.6 s: nftables is not available (no nft in this test)";
    assert_eq!((injected.method.as_str(), injected.at_most_us), (method, Some(2_600_000)));
    let process = Process::open(stage.pid()).expect("it is there");
    assert_eq!(process.state(), Some('T'));
    let healed = local.heal(force).await.expect("it can be continued");
    assert!(injected.effect_us <= healed.healed_us && healed.healed_us <= healed.verified_us, "{healed:?}");
    assert_ne!(process.state(), Some('T'));
}

#[tokio::test]
async fn what_cannot_be_done_is_said() {
    let stage = Stage::new(23, None);
    let local = local(stage.cluster.control());
    let why = async |fault: Fault| local.inject(&fault).await.map(|_| ()).unwrap_err();
    assert_eq!(why(Fault::of(Kind::Partition, vec![2])).await, "replica 2 has no process now");
    assert_eq!(why(Fault::of(Kind::Partition, vec![9])).await, "the cluster has no replica 9");
    assert_eq!(why(fault(Kind::Reset)).await, "nftables is not available (no nft in this test)");
    assert_eq!(why(fault(Kind::Cpu)).await, "no cgroups in this test");
    assert!(why(fault(Kind::Supervisor)).await.starts_with("the cluster is not the run's own"));
}

#[tokio::test]
async fn one_that_dies_while_it_is_stopped_is_not_healed() {
    let stage = Stage::new(24, None);
    let local = local(stage.cluster.control());
    let (force, _) = local.inject(&fault(Kind::Pause)).await.expect("our child can be stopped");
    let process = Process::open(stage.pid()).expect("it is there");
    process.signal(rustix::process::Signal::KILL).expect("it is our child");
    assert!(process.ended(Duration::from_secs(10), &local.clock).await.is_some());
    let error = local.heal(force).await.unwrap_err();
    assert!(matches!(&error, HealError::Otherwise(why) if why.contains("ended while it was stopped")), "{error}");
}
