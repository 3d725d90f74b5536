//! Start, spread, drain.

use std::net::TcpStream;
use std::path::Path;

use erlmcp_server::{Limits, Listening, Registry, Server, ServerConfig, ServerError, bind};

use crate::client::{Client, Texts, eventually, start, start_with, stop};
use crate::gated;

#[test]
fn connections_are_spread_over_the_shards() {
    let (server, address) =
        start_with(ServerConfig { registry: Registry::builtin(), shards: 3, ..ServerConfig::default() });
    let texts = Texts(address);
    let mut clients: Vec<Client> = (0..30).map(|_| Client::connect(address)).collect();
    for client in &mut clients {
        assert_eq!(client.ask(texts.echo("hi")).status, 200);
    }
    let snapshot = server.snapshot();
    assert_eq!(snapshot.shards.iter().map(|shard| shard.connections).collect::<Vec<_>>(), [10, 10, 10]);
    assert_eq!((snapshot.connections.mcp, snapshot.connections_accepted_total), (30, 30));
    assert_eq!(snapshot.connections_an_address_max, None, "nobody counts them");
    drop(clients);
    eventually("all connections are gone", || server.snapshot().connections.mcp == 0);
    stop(server);
}

#[test]
fn an_address_has_its_share_of_connections() {
    let (server, address) = start(Limits { connections_per_address_max: 3, ..Limits::default() });
    let texts = Texts(address);
    let mut first: Vec<Client> = (0..3).map(|_| Client::connect(address)).collect();
    first.iter_mut().for_each(|client| assert_eq!(client.ask(texts.echo("hi")).status, 200));
    for _ in 0..30 {
        let mut more = Client::connect(address);
        let refused = more.answer();
        assert_eq!((refused.status, refused.field("Connection").as_deref()), (503, Some("close")));
        assert_eq!(more.rest(), "");
    }
    let other = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    let from: std::net::SocketAddr = "127.0.0.9:0".parse().expect("an address");
    other.bind(&from.into()).and_then(|()| other.connect(&address.into())).expect("loopback is all ours");
    assert_eq!(Client::of(other.into()).ask(texts.echo("hi")).status, 200, "others are not affected");
    first.iter_mut().for_each(|client| assert_eq!(client.ask(texts.echo("hi")).status, 200));
    let snapshot = server.snapshot();
    assert_eq!((snapshot.connections_refused_address_total, snapshot.connections_refused_total), (30, 30));
    assert!(snapshot.connections_an_address_max >= Some(3));
    drop(first);
    eventually("its places are free again", || server.snapshot().connections_an_address_max == Some(0));
    assert_eq!(Client::connect(address).ask(texts.echo("hi")).status, 200);
    stop(server);
}

#[test]
fn a_drain_answers_what_is_in_flight() {
    let (registry, gate) = gated::registry();
    let (server, address) = start_with(ServerConfig { registry, shards: 1, ..ServerConfig::default() });
    let texts = Texts(address);
    let mut idle = Client::connect(address);
    assert_eq!(idle.ask(texts.echo("hi")).status, 200);
    let mut busy = Client::connect(address);
    busy.send(texts.call("gated", "{}"));
    eventually("the call runs", || server.snapshot().queue.workers_active == 1);
    server.drain();
    assert_eq!(idle.rest(), "");
    gate.add_permits(1);
    let answer = busy.answer();
    assert_eq!((answer.status, answer.field("Connection").as_deref()), (200, Some("close")));
    assert_eq!(busy.rest(), "");
    assert_eq!(server.join().cut, 0);
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
}

#[test]
fn a_drain_cuts_what_does_not_end() {
    let (server, address) = start(Limits { drain_timeout_ms: 300, shutdown_timeout_ms: 100, ..Limits::default() });
    let mut client = Client::connect(address);
    client.send(Texts(address).call("work", "{\"ms\":60000}"));
    eventually("the call runs", || server.snapshot().queue.workers_active == 1);
    server.drain();
    assert_eq!(server.join().cut, 1);
    assert_eq!(client.rest(), "");
}

#[test]
fn a_server_begins_and_ends_in_async_code() {
    let folder = tempfile::tempdir().expect("a folder");
    let listen = |store: &Path| {
        let config = ServerConfig { store: Some(store.into()), ..ServerConfig::of(Registry::builtin()) };
        Server::listen("127.0.0.1:0".parse().expect("an address"), config)
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let refused = listen(Path::new("/nowhere/at/all/operations.db")).expect_err("there is no such folder");
        assert!(matches!(refused, ServerError::Store(_)), "{refused}");
        let server = listen(&folder.path().join("operations.db")).expect("it starts");
        let address = server.addresses()[0];
        assert_eq!(Client::connect(address).ask(Texts(address).echo("hi")).status, 200);
        server.drain();
        assert_eq!(server.join().cut, 0);
    });
}

#[test]
fn a_server_that_is_dropped_goes_on() {
    let (server, address) = start(Limits::default());
    drop(server);
    assert_eq!(Client::connect(address).ask(Texts(address).call("work", "{\"ms\":1}")).status, 200);
}

#[test]
fn the_loops_turn_without_any_traffic() {
    let (server, _) = start(Limits::default());
    let before = server.last_poll_ns();
    eventually("all shards have polled again", || server.last_poll_ns() > before);
    stop(server);
}

#[test]
fn connections_above_the_limit_are_refused() {
    let (server, address) = start(Limits { connections_max: 2, ..Limits::default() });
    let texts = Texts(address);
    let mut first = Client::connect(address);
    let mut second = Client::connect(address);
    assert_eq!((first.ask(texts.echo("a")).status, second.ask(texts.echo("b")).status), (200, 200));
    let mut third = Client::connect(address);
    assert_eq!(third.ask(texts.echo("c")).status, 503);
    assert_eq!(Client::connect(address).ask(texts.get("/health")).status, 200, "it is full, and well");
    drop(first);
    eventually("there is room again", || server.snapshot().connections.mcp == 1);
    drop(third);
    eventually("the refused one is gone", || server.snapshot().connections.new == 0);
    assert_eq!(Client::connect(address).ask(texts.echo("c")).status, 200);
    stop(server);
}

#[test]
fn clients_cannot_take_the_places_of_operators() {
    let limits =
        Limits { connections_max: 1, linger_connections_max: 1, linger_timeout_ms: 20_000, ..Limits::default() };
    let bound = |admin| {
        let listener = bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        Listening { listener, shared: false, admin }
    };
    let config = ServerConfig { limits, registry: Registry::builtin(), ..ServerConfig::default() };
    let server = Server::start(config, vec![bound(false), bound(true)], true).expect("it starts");
    let (clients, operators) = (server.addresses()[0], server.addresses()[1]);
    let mut held = Client::connect(clients);
    assert_eq!(held.ask(Texts(clients).echo("hi")).status, 200);
    let mut silent = Client::connect(clients);
    for _ in 0..3 {
        assert_eq!(Client::connect(operators).ask(Texts(operators).get("/metrics")).status, 200);
    }
    assert_eq!(silent.ask(Texts(clients).get("/health")).status, 200, "nor they those of clients");
    assert_eq!(held.ask(Texts(clients).echo("hi")).status, 200);
    stop(server);
}

#[test]
fn what_cannot_start_says_why() {
    let config = || ServerConfig {
        limits: Limits { tools_max: 1, ..Limits::default() },
        registry: Registry::builtin(),
        ..ServerConfig::default()
    };
    assert!(matches!(Server::start(config(), Vec::new(), true), Err(ServerError::TooManyTools { tools: 3, max: 1 })));
    let config = ServerConfig::default();
    assert!(matches!(Server::start(config, Vec::new(), true), Err(ServerError::NoListener)));
    let listener = bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let taken = bind(listener.local_addr().expect("it is bound")).expect_err("taken");
    assert!(taken.to_string().contains("is in use"), "{taken}");
}
