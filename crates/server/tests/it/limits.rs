//! Each limit is gone to from outside: answered as it says, counted, and who is below it is served all the while.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use erlmcp_server::tools::{JobContext, LogLevel, ToolResult, ToolSpec};
use erlmcp_server::{Limits, Registry, Server, ServerConfig};
use serde_json::json;

use crate::client::{Client, Texts, eventually, message, start_with, stop};
use crate::legacy::{Older, request};

/// One limit, what it is set to, how it is counted, and how it is gone to.
struct Case {
    set: &'static [(&'static str, u64)],
    counter: Counter,
    reach: fn(&Reach<'_>),
}

#[derive(Debug, Clone, Copy)]
enum Counter {
    /// Among `erlmcp_limit_reached_total`; a gauge of its unit says what was set.
    Limit(&'static str),
    /// A counter of its own, and the gauge beside it.
    Own { name: &'static str, gauge: &'static str },
}

struct Reach<'a> {
    server: &'a Server,
    address: SocketAddr,
    texts: Texts,
}

impl Reach<'_> {
    fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// A connection whose client reads when it likes, and its end for a thread that writes.
    fn deaf(&self) -> (Client, TcpStream) {
        let stream = TcpStream::connect(self.address).expect("the server listens");
        let writer = stream.try_clone().expect("descriptors are left");
        (Client::of(stream), writer)
    }

    fn counts(&self, limit: &str) -> u64 {
        let found = self.server.snapshot().limits_reached.into_iter().find(|one| one.limit == limit);
        found.unwrap_or_else(|| panic!("no {limit}")).count
    }
}

const fn limit(set: &'static [(&'static str, u64)], label: &'static str, reach: fn(&Reach<'_>)) -> Case {
    Case { set, counter: Counter::Limit(label), reach }
}

const fn own(
    set: &'static [(&'static str, u64)],
    name: &'static str,
    gauge: &'static str,
    reach: fn(&Reach<'_>),
) -> Case {
    Case { set, counter: Counter::Own { name, gauge }, reach }
}

const CASES: &[Case] = &[
    own(&[("connections_max", 2)], "erlmcp_connections_refused_total", "erlmcp_connections_limit", connections),
    own(
        &[("connections_per_address_max", 2)],
        "erlmcp_connections_refused_address_total",
        "erlmcp_connections_an_address_limit",
        connections,
    ),
    limit(&[("head_bytes_max", 2_000)], "head", |to| refused(to, &"X: yyyyyyyyyyyy\r\n".repeat(300), "{}", 431)),
    limit(&[("head_fields_max", 20)], "head", |to| {
        refused(to, &"X: y\r\n".repeat(30), "{}", 431);
    }),
    limit(&[("body_bytes_max", 2_000)], "body", |to| refused(to, "", &"x".repeat(3_000), 413)),
    limit(&[("json_depth_max", 10)], "json_depth", too_deep),
    limit(&[("answers_bytes_soft_max", 10_000)], "pipelined", pipelined),
    limit(&[], "in_flight", in_flight),
    own(&[("workers", 1), ("queue_max", 0)], "erlmcp_queue_refused_total", "erlmcp_queue_limit", queue),
    limit(&[("sessions_held_max", 1)], "sessions", sessions),
    limit(&[("session_streams_max", 1)], "session_streams", session_streams),
    limit(&[("streams_max", 1)], "streams", streams),
    limit(&[("stream_bytes_max", 10_000)], "stream_bytes", stream_bytes),
    limit(&[("write_stall_timeout_ms", 300)], "write_stall", write_stall),
    limit(&[("head_timeout_ms", 2_000)], "head_timeout", |to| too_slow(to, 20)),
    limit(&[("body_timeout_ms", 2_000)], "body_timeout", |to| too_slow(to, to.texts.echo("hi").len() - 3)),
    limit(&[("idle_timeout_ms", 300)], "idle_timeout", |to| {
        let mut idle = to.connect();
        assert_eq!((idle.ask(to.texts.echo("hi")).status, idle.rest().as_str()), (200, ""));
    }),
    limit(&[("connection_age_max_ms", 300)], "connection_age", age),
];

/// Says far more than its client reads.
async fn flood(context: JobContext, _: Box<str>) -> ToolResult<'static> {
    let long = "x".repeat(8_000);
    for _ in 0..9_000 {
        context.log(LogLevel::Info, long.as_str()).await;
    }
    ToolResult::text("done")
}

fn start(case: &Case) -> (Server, SocketAddr) {
    let mut limits = Limits { drain_idle_ms: 10, drain_timeout_ms: 200, ..Limits::default() };
    case.set.iter().for_each(|(name, value)| assert!(limits.set(name, *value), "{name}"));
    let spec = ToolSpec::new("flood", "Says much.", json!({"type": "object"}));
    let registry = Registry::builtin().queued(spec, flood).expect("a good tool").logging();
    start_with(ServerConfig { limits, registry, shards: 2, ..ServerConfig::default() })
}

/// Asks on one connection for as long as it is kept.
struct Other {
    address: SocketAddr,
    kept: Option<Client>,
    /// False where a silence of any length may end it.
    keeps: bool,
}

impl Other {
    fn ask(&mut self, text: &str) -> String {
        let mut client = self.kept.take().unwrap_or_else(|| Client::connect(self.address));
        let answer = client.ask(text);
        assert_eq!(answer.status, 200, "{}", answer.body);
        self.kept = Some(client).filter(|_| self.keeps && answer.field("Connection").as_deref() != Some("close"));
        answer.body
    }
}

/// The gauge that shows where the limit of this name is, and what it shows.
fn gauge(name: &str, set: u64) -> (&'static str, Option<f64>) {
    let set = set as f64;
    match name {
        _ if name.ends_with("_ms") => ("erlmcp_limit_seconds", Some(set / 1e3)),
        _ if name.contains("_bytes_") => ("erlmcp_limit_bytes", Some(set)),
        _ => ("erlmcp_limit", Some(set)),
    }
}

/// The value of the sample that begins so; none where there is no such line.
fn sample(page: &str, start: &str) -> Option<f64> {
    page.lines().find_map(|line| line.strip_prefix(start)?.trim().parse().ok())
}

#[test]
fn at_each_limit_the_answer_comes_the_counter_moves_and_service_goes_on() {
    std::thread::scope(|threads| CASES.iter().for_each(|case| drop(threads.spawn(|| go_to(case)))));
}

fn go_to(case: &Case) {
    let (server, address) = start(case);
    let texts = Texts(address);
    let mut other = Other { address, kept: None, keeps: !matches!(case.counter, Counter::Limit("idle_timeout")) };
    other.ask(&texts.echo("hi"));
    (case.reach)(&Reach { server: &server, address, texts });
    let (labels, name, gauges) = match case.counter {
        Counter::Limit(label) => {
            let gauges = case.set.iter().map(|(name, set)| gauge(name, *set)).collect();
            (format!("{{replica=\"0\",limit=\"{label}\"}} "), "erlmcp_limit_reached_total", gauges)
        }
        Counter::Own { name, gauge } => ("{replica=\"0\"} ".to_string(), name, vec![(gauge, None)]),
    };
    eventually(name, || {
        let page = other.ask(&texts.get("/metrics"));
        for (gauge, set) in &gauges {
            let shown = sample(&page, &format!("{gauge}{labels}"));
            assert!(shown.is_some() && set.is_none_or(|set| shown == Some(set)), "{gauge}{labels}: {shown:?}");
        }
        sample(&page, &format!("{name}{labels}")).expect("it is there from the beginning") > 0.0
    });
    other.ask(&texts.echo("still here"));
    stop(server);
}

#[test]
fn no_limit_that_is_counted_is_left_out_here() {
    // These need tokens, and processes without descriptors and memory: entry.rs, and the tests of the binary.
    let elsewhere = ["principal", "descriptors", "memory"];
    let (server, _) = start(&CASES[0]);
    for counted in server.snapshot().limits_reached {
        let is_here = CASES.iter().any(|case| matches!(case.counter, Counter::Limit(label) if label == counted.limit));
        assert!(is_here || elsewhere.contains(&&*counted.limit), "{} is nowhere gone to", counted.limit);
    }
    stop(server);
}

/// One is there already.
fn connections(to: &Reach<'_>) {
    let mut second = to.connect();
    assert_eq!(second.ask(to.texts.echo("hi")).status, 200);
    let mut third = to.connect();
    let refused = third.ask(to.texts.echo("hi"));
    assert_eq!((refused.status, refused.field("Connection").as_deref()), (503, Some("close")));
    assert!(refused.field("Retry-After").is_some());
    assert_eq!((third.rest().as_str(), second.ask(to.texts.echo("hi")).status), ("", 200));
}

fn refused(to: &Reach<'_>, fields: &str, body: &str, status: u16) {
    let mut client = to.connect();
    let answer = client.ask(to.texts.post(fields, body));
    assert_eq!((answer.status, answer.field("Connection").as_deref()), (status, Some("close")));
    assert_eq!(client.rest(), "");
}

fn too_deep(to: &Reach<'_>) {
    let mut client = to.connect();
    let deep = format!("{}{}", "[".repeat(11), "]".repeat(11));
    let answer = client.ask(to.texts.call("echo", &format!("{{\"text\":{deep}}}")));
    assert_eq!((answer.status, answer.code()), (400, -32_700));
    assert_eq!(client.ask(to.texts.echo("on the same connection")).status, 200);
}

/// More is asked than is read: nothing is lost, and nothing is read from it until its answers are out.
fn pipelined(to: &Reach<'_>) {
    const REQUESTS: usize = 400;
    let (mut client, mut writer) = to.deaf();
    let requests = to.texts.echo(&"x".repeat(60_000)).repeat(REQUESTS);
    let writing = std::thread::spawn(move || writer.write_all(requests.as_bytes()));
    eventually("it is not read any more", || to.counts("pipelined") > 0);
    for _ in 0..REQUESTS {
        assert_eq!(client.answer().status, 200);
    }
    writing.join().expect("it ends").expect("all is taken");
}

fn in_flight(to: &Reach<'_>) {
    let mut client = to.connect();
    client.send(to.texts.call("work", "{\"ms\":50}") + &to.texts.echo("behind it"));
    let answers = [client.answer(), client.answer()];
    assert_eq!(answers.each_ref().map(|answer| answer.status), [200, 200]);
    assert!(answers[1].body.contains("behind it"), "in their order");
}

fn queue(to: &Reach<'_>) {
    let mut busy = to.connect();
    busy.send(to.texts.call("work", "{\"ms\":60000}"));
    eventually("the call runs", || to.server.snapshot().queue.workers_active == 1);
    let mut client = to.connect();
    let answer = client.ask(to.texts.call("work", "{\"ms\":1}"));
    assert_eq!((answer.status, answer.code()), (503, 53_003));
    assert_eq!(answer.json()["error"]["data"]["executed"], false);
    assert!(answer.field("Retry-After").is_some() && answer.field("Connection").is_none(), "{}", answer.head);
    assert_eq!(client.ask(to.texts.echo("in place")).status, 200);
}

fn sessions(to: &Reach<'_>) {
    let wish = request(2, "logging/setLevel", &json!({"level": "error"}));
    let [mut first, mut second] = [(); 2].map(|()| Older::new(to.address, "2025-11-25"));
    assert_eq!((first.ask(&wish).status, second.ask(&wish).status), (200, 503));
    assert_eq!(to.server.snapshot().sessions_held, 1);
    let ping = request(3, "ping", &json!({}));
    assert_eq!((first.ask(&ping).status, second.ask(&ping).status), (200, 200));
}

fn session_streams(to: &Reach<'_>) {
    let session = Older::new(to.address, "2025-11-25");
    let (mut first, mut second) = (to.connect(), to.connect());
    for one in [&mut first, &mut second] {
        one.send(session.get());
        assert!(one.head().starts_with("HTTP/1.1 200 "));
    }
    assert!(first.rest().ends_with("0\r\n\r\n"));
}

fn streams(to: &Reach<'_>) {
    let (mut first, mut second) = (to.connect(), to.connect());
    first.send(to.texts.listen());
    assert!(first.head().starts_with("HTTP/1.1 200 "));
    let refused = second.ask(to.texts.listen());
    assert_eq!((refused.status, refused.code()), (503, 53_003));
    assert_eq!(second.ask(to.texts.echo("on the same connection")).status, 200);
    let older = second.ask(Older::new(to.address, "2025-11-25").get());
    let body_ms = older.json()["error"]["data"]["retryAfterMs"].as_u64().expect("a time to come back");
    let header_s = older.field("Retry-After");
    assert_eq!((older.status, header_s), (503, Some(body_ms.div_ceil(1_000).max(1).to_string())), "they say the same");
}

fn stream_bytes(to: &Reach<'_>) {
    let mut deaf = to.connect();
    let level = "\"_meta\":{\"io.modelcontextprotocol/logLevel\":\"info\",";
    let body = message("tools/call", "\"name\":\"flood\",\"arguments\":{},").replace("\"_meta\":{", level);
    let fields = "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: flood\r\n";
    deaf.send(to.texts.post(fields, &body));
    eventually("it is cut", || to.counts("stream_bytes") > 0);
    assert!(!deaf.rest().contains("\"result\""), "it was cut before its end");
}

fn write_stall(to: &Reach<'_>) {
    let mut deaf = to.connect();
    // Sending goes on until the server has had enough.
    deaf.send(to.texts.echo(&"x".repeat(60_000)).repeat(400));
    eventually("it is cut", || to.counts("write_stall") > 0);
}

/// A request of which only the first bytes come.
fn too_slow(to: &Reach<'_>, bytes: usize) {
    let mut slow = to.connect();
    slow.send(&to.texts.echo("hi")[..bytes]);
    let answer = slow.answer();
    assert_eq!((answer.status, answer.field("Connection").as_deref()), (408, Some("close")));
    assert_eq!(slow.rest(), "");
}

/// It is told at the end of a request, of one that a worker answers as well.
fn age(to: &Reach<'_>) {
    for text in [to.texts.echo("hi"), to.texts.call("work", "{\"ms\":1}")] {
        let mut old = to.connect();
        eventually("it is too old", || {
            let answer = old.ask(&text);
            assert_eq!(answer.status, 200, "the last one as well");
            answer.field("Connection").as_deref() == Some("close")
        });
        assert_eq!(old.rest(), "");
    }
}

#[test]
fn no_limit_of_depth_ends_the_process() {
    let limits = Limits { json_depth_max: 1_000_000, ..Limits::default() };
    let (server, address) =
        start_with(ServerConfig { limits, registry: Registry::builtin(), ..ServerConfig::default() });
    let texts = Texts(address);
    for (depth, status) in [(500, 200), (100_000, 400)] {
        let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let answer = Client::connect(address).ask(texts.request("tools/list", &format!("\"x\":{deep},")));
        assert_eq!(answer.status, status, "{depth}: {}", answer.body);
    }
    stop(server);
}
