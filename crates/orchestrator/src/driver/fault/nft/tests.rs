use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::ExitStatusExt;

use rustix::process::Signal;

use super::super::probe::{Seen, connect};
use super::super::process::Process;
use super::*;
use crate::driver::own::tests::{folder, script};
use crate::lacking::lacking;

const SOON: Duration = Duration::from_secs(10);

/// The command where it may be used; else the test says why it does nothing.
pub(in crate::driver) async fn nft() -> Option<Nft> {
    Nft::find().await.map_err(|why| lacking("nft", &why)).ok()
}

fn listen(last: u8) -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::new(127, 77, 1, last), 0)).expect("loopback has many addresses");
    let address = listener.local_addr().expect("it is bound");
    (listener, address)
}

fn own(address: SocketAddr) -> SocketAddrV4 {
    let SocketAddr::V4(address) = address else { unreachable!("it is IPv4") };
    address
}

async fn until(address: SocketAddr, wanted: Seen) {
    let seen = async {
        while connect(address, Duration::from_millis(100)).await != wanted {
            sleep(LOOK_EVERY).await;
        }
    };
    timeout(SOON, seen).await.unwrap_or_else(|_| panic!("{address} was never {wanted:?}"));
}

#[tokio::test]
async fn only_that_address_and_port_are_cut_off_and_come_back() {
    let Some(nft) = nft().await else { return };
    let ((_one, cut), (_other, neighbour), (_same, lodger)) = (listen(1), listen(2), listen(1));
    assert_eq!(cut.ip(), lodger.ip());
    until(cut, Seen::Answers).await;
    let table = nft.drop_packets_of(own(cut)).await.expect("it was possible a moment ago");
    until(cut, Seen::Silent).await;
    assert_eq!(connect(neighbour, SOON).await, Seen::Answers);
    assert_eq!(
        connect(lodger, SOON).await,
        Seen::Answers,
        "another service at the same address is not ours to cut off"
    );
    assert!(table.caught().await.is_some_and(|packets| packets > 0));
    let name = table.name.clone();
    table.close().await.expect("it can be undone");
    assert_eq!(nft.list(&name).await, Ok(None));
    until(cut, Seen::Answers).await;
}

#[tokio::test]
async fn the_table_goes_with_the_process_that_owns_it() {
    let Some(nft) = nft().await else { return };
    let (_listener, cut) = listen(3);
    let mut table = nft.drop_packets_of(own(cut)).await.expect("it was possible a moment ago");
    until(cut, Seen::Silent).await;
    let owner = Process::open(table.owner.id().expect("it runs")).expect("it runs");
    owner.signal(Signal::KILL).expect("it is our child");
    let ended = table.owner.wait().await.expect("it is our child");
    assert_eq!(ended.signal(), Some(9));
    until(cut, Seen::Answers).await;
    table.close().await.expect("there is nothing left to undo");
}

const VICTIM: &str = "ERLMCP_TEST_CUT_OFF";

/// Not a test by itself: the process that the next one kills.
#[tokio::test]
#[ignore = "it is started by another test"]
async fn cut_an_address_off_and_wait() {
    let Ok(address) = std::env::var(VICTIM) else { return };
    let nft = Nft::find().await.expect("the other test found it");
    let _table = nft.drop_packets_of(address.parse().expect("an address")).await.expect("it is permitted");
    sleep(Duration::from_secs(60)).await;
}

#[tokio::test]
async fn the_table_goes_when_the_process_that_wanted_it_is_killed() {
    if nft().await.is_none() {
        return;
    }
    let (_listener, cut) = listen(5);
    let name = "driver::fault::nft::tests::cut_an_address_off_and_wait";
    let mut command = Command::new(std::env::current_exe().expect("this is a process"));
    command.args(["--exact", name, "--ignored"]).env(VICTIM, own(cut).to_string()).stdout(Stdio::null());
    let mut wanting = command.kill_on_drop(true).spawn().expect("a test binary can be run");
    until(cut, Seen::Silent).await;
    wanting.kill().await.expect("it is our child");
    until(cut, Seen::Answers).await;
}

/// What the kernel does to us when we are killed: the other end of nft's input is closed, nothing else is done.
#[tokio::test]
async fn the_table_goes_when_nobody_holds_its_input() {
    let Some(nft) = nft().await else { return };
    let (_listener, cut) = listen(4);
    let mut table = nft.drop_packets_of(own(cut)).await.expect("it was possible a moment ago");
    until(cut, Seen::Silent).await;
    drop(table.owner.stdin.take());
    until(cut, Seen::Answers).await;
    table.close().await.expect("there is nothing left to undo");
}

#[tokio::test]
async fn a_command_that_fails_is_quoted() {
    let folder = folder();
    let binary = folder.path().join("nft");
    script(&binary, "echo 'Error: Operation not permitted (you must be root)' >&2\nexit 1");
    let nft = Nft { binary };
    let error = nft.drop_packets_of(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0)).await.unwrap_err();
    assert_eq!(error, "Operation not permitted (you must be root)");
    assert_eq!(nft.list("x").await, Err("Operation not permitted (you must be root)".into()));
}

#[tokio::test]
async fn each_direction_and_fate_can_be_had() {
    let Some(nft) = nft().await else { return };
    let (_listener, at) = listen(6);
    let expected = [
        (true, false, Fate::Dropped, Seen::Silent),
        (false, true, Fate::Dropped, Seen::Silent),
        (true, true, Fate::Reset, Seen::Refused),
        (true, true, Fate::Lost { percent: 99 }, Seen::Silent),
    ];
    for (arriving, leaving, fate, seen) in expected {
        let mut table = nft.open().await.expect("nft can be started");
        let filter = Filter { addresses: vec![own(at)], arriving, leaving, fate };
        table.apply(&filter).await.expect("it was possible a moment ago");
        until(at, seen).await;
        table.close().await.expect("it can be undone");
        until(at, Seen::Answers).await;
    }
}

#[test]
fn packets_are_counted_over_all_rules() {
    let listing = r#"{"nftables":[{"metainfo":{"version":"1"}},{"table":{"name":"t"}},
        {"rule":{"expr":[{"match":{}},{"counter":{"packets":3,"bytes":180}},{"drop":null}]}},
        {"rule":{"expr":[{"match":{}},{"counter":{"packets":4,"bytes":240}},{"drop":null}]}}]}"#;
    assert_eq!(count_packets(listing), Some(7));
    assert_eq!(count_packets("no JSON"), None);
}
