//! A cluster that speaks TLS: its replicas find each other, one that is told to end leaves its clients in order, and a run
//! attaches to it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use rustix::process::Signal;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::between::{chaos_of, timetable};
use super::chaos::made;
use super::{Cluster, PATIENCE, get, signal, until};
use crate::encrypted::{certify, flags};

/// A connection to a replica's own address, and its first answer.
fn ask(
    cluster: &Cluster,
    replica: u8,
    config: &Arc<ClientConfig>,
) -> (StreamOwned<ClientConnection, TcpStream>, String) {
    let socket = TcpStream::connect(cluster.own(replica)).expect("it listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let tls = ClientConnection::new(Arc::clone(config), "localhost".try_into().expect("a name"));
    let mut stream = StreamOwned::new(tls.expect("a configuration"), socket);
    write!(stream, "GET /ready HTTP/1.1\r\nHost: {}\r\n\r\n", cluster.own(replica)).expect("it is open");
    let mut answer = vec![0; 4_096];
    let count = stream.read(&mut answer).expect("an answer");
    (stream, String::from_utf8_lossy(&answer[..count]).into_owned())
}

#[test]
fn a_replica_with_tls_is_a_member_and_ends_its_connections_in_order() {
    let folder = tempfile::tempdir().expect("a folder");
    certify(folder.path());
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_file(folder.path().join("cert.pem")).expect("a certificate");
    roots.add(root).expect("it can be trusted");
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().expect("ring has them");
    let config = Arc::new(builder.with_root_certificates(roots).with_no_client_auth());
    let flags = flags(folder.path());
    // It says that it listens once all are members: their probes go through TLS.
    let cluster = Cluster::start_with(folder.path(), 2, &flags.each_ref().map(String::as_str));
    let (mut kept, answer) = ask(&cluster, 1, &config);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let before = cluster.pid(1);
    signal(before, Signal::TERM);
    let mut rest = Vec::new();
    kept.read_to_end(&mut rest).expect("it ends with close_notify");
    assert!(rest.is_empty());
    until("another process is there", || cluster.is_elsewhere(1, before));
    assert!(ask(&cluster, 1, &config).1.starts_with("HTTP/1.1 200 "));
    let replica = cluster.replica(1);
    assert!(replica["replacements"] == 1 && replica["state"] == "ready", "its place was taken in order: {replica}");
}

/// By a signal, a limit, the fault proxy and the store: what is asked of replicas to see them goes through TLS.
#[test]
fn a_cluster_with_tls_is_attached_to_and_broken_as_any_other() {
    let folder = tempfile::tempdir().expect("a folder");
    certify(folder.path());
    let flags = flags(folder.path());
    let lasting = timetable(&[
        "kind = \"descriptors\"\nreplicas = [2]",
        "kind = \"latency\"\nreplicas = [3]",
        "kind = \"slicing\"\nreplicas = [2]",
        "kind = \"cut\"\nreplicas = [3]",
        "kind = \"store_slow\"",
        "kind = \"slow_clients\"",
    ]);
    let list = format!("[[fault]]\nat = \"0s\"\nkind = \"kill\"\nreplicas = [1]\n{lasting}");
    let start = flags.each_ref().map(String::as_str);
    let (finished, rows) = chaos_of((&start, "https"), &list, &["--for", "10s", "--cacert", start[1]]);
    assert_eq!(finished.report()["configuration"]["attached"], true, "{}", finished.said());
    let kinds: Vec<&str> = rows.iter().filter_map(|row| row["kind"].as_str()).collect();
    let expected = ["kill", "descriptors", "latency", "slicing", "cut", "store_slow", "slow_clients"];
    assert_eq!(kinds, expected, "{}", finished.said());
    for row in rows.iter().filter(|row| made(row)) {
        let over = if row["kind"] == "kill" { "ready_us" } else { "heal_verified_us" };
        assert!(row["effect_us"].is_u64() && row[over].is_u64(), "{row}\n{}", finished.said());
    }
    let lost = finished.verdict("faults.operations_lost_count");
    assert!(["pass", "inconclusive"].contains(&lost), "{}", finished.said());
}

#[test]
fn the_pages_of_a_cluster_may_be_at_an_address_of_their_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let admin = TcpListener::bind("127.0.0.5:0").and_then(|free| free.local_addr()).expect("a free port");
    let cluster = Cluster::start_with(folder.path(), 2, &["--admin-listen", &admin.to_string()]);
    until("the pages are those of the whole cluster", || {
        let page = get(admin, "/metrics").map(|(_, page)| page).unwrap_or_default();
        page.contains("{replica=\"1\"") && page.contains("{replica=\"2\"")
    });
    let status = |address, path| get(address, path).map(|(status, _)| status);
    assert_eq!(status(admin, "/status"), Some(200));
    for elsewhere in [cluster.shared, cluster.own(1)] {
        assert_eq!((status(elsewhere, "/metrics"), status(elsewhere, "/ready")), (Some(404), Some(200)), "{elsewhere}");
    }
}
