use super::*;
use crate::driver::fake::{self, FakeCluster};

fn config(cluster: &FakeCluster, dry_run: bool) -> AutoscaleConfig {
    // The fake's replicas have 40 connections each.
    let policy = Policy { min: 1, max: 9, connections: 10, queue: 0.5, cool_down: Duration::from_secs(3_600) };
    let place = Place::Cluster { control: cluster.control().to_path_buf() };
    AutoscaleConfig { place, policy, every: Duration::from_millis(10), dry_run }
}

async fn first_two(config: AutoscaleConfig) -> (AutoscaleEvent, AutoscaleEvent) {
    let (events, mut told) = mpsc::channel(4);
    let (stop, cancel) = watch::channel(0);
    let scaling = tokio::spawn(autoscale(config, events, cancel));
    let first = told.recv().await.expect("it looks");
    let second = told.recv().await.expect("it scales");
    stop.send_replace(1);
    scaling.await.expect("no panic").expect("it ends in order");
    (first, second)
}

fn scales(cluster: &FakeCluster) -> Vec<String> {
    cluster.asked().into_iter().filter(|line| line.contains("\"scale\"")).collect()
}

#[tokio::test]
async fn a_local_cluster_is_scaled_by_its_control_socket() {
    let cluster = FakeCluster::new(fake::status(1, &[Some(5), Some(6)]));
    let (begun, scaled) = first_two(config(&cluster, false)).await;
    let load = Load { replicas: 2, told: 2, connections: 80, queue_depth: 6, queue_limit: 1_000, ..Load::default() };
    assert_eq!(begun, AutoscaleEvent::Begun(load));
    let change = Change { to: 8, why: "80 connections, 10 a replica".into() };
    assert_eq!(scaled, AutoscaleEvent::Scaled { from: 2, change });
    assert_eq!(scales(&cluster), [r#"{"op":"scale","replicas":8}"#]);
}

#[tokio::test]
async fn it_ends_while_a_change_is_under_way() {
    let mut status = fake::status(1, &[Some(5), Some(6)]);
    status["scale_ms"] = 600_000.into();
    let cluster = FakeCluster::new(status);
    let (events, mut told) = mpsc::channel(4);
    let (stop, cancel) = watch::channel(0);
    let scaling = tokio::spawn(autoscale(config(&cluster, false), events, cancel));
    told.recv().await.expect("it looks");
    while scales(&cluster).is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stop.send_replace(1);
    let ended = timeout(Duration::from_secs(20), scaling).await.expect("it hears");
    ended.expect("no panic").expect("it ends in order");
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let cluster = FakeCluster::new(fake::status(1, &[Some(5), Some(6)]));
    let (_, scaled) = first_two(config(&cluster, true)).await;
    assert!(matches!(scaled, AutoscaleEvent::Scaled { from: 2, .. }), "{scaled:?}");
    assert!(scales(&cluster).is_empty());
}

#[tokio::test]
async fn without_a_cluster_it_does_not_begin() {
    let cluster = FakeCluster::new(fake::status(1, &[None]));
    let (events, _told) = mpsc::channel(4);
    let (_stop, cancel) = watch::channel(0);
    let place = Place::Cluster { control: "/nowhere/x.sock".into() };
    let nowhere = AutoscaleConfig { place, ..config(&cluster, false) };
    let why = autoscale(nowhere, events.clone(), cancel.clone()).await.unwrap_err();
    assert!(why.to_string().starts_with("no cluster answers at /nowhere/x.sock"), "{why}");
    let mut wrong = config(&cluster, false);
    wrong.policy.min = 10;
    assert_eq!(autoscale(wrong, events, cancel).await.unwrap_err().exit_code(), 2);
}
