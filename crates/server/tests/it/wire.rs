//! The corpus against this server: every class of bad input, each case whole, byte by byte, behind a good request and
//! on a connection that was used before, in both eras.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use erlmcp_server::features::{Failure, ResourceRequest, TemplateSpec};
use erlmcp_server::tools::{
    Arguments, Ask, CallContext, InlineTool, JobContext, ResourceContents, ToolResult, ToolSpec,
};
use erlmcp_server::{Limits, Registry, Server, ServerConfig};
use serde_json::json;

use crate::client::{Client, Texts, start_with, stop};
use crate::corpus::case::{Case, Class, classes};
use crate::corpus::guard::Guard;
use crate::corpus::run::{Run, Target, run_all};

/// How often the tool was called with a text, by the text.
type Calls = Arc<Mutex<HashMap<String, u32>>>;

/// A server with the limits of some cases.
struct Ours {
    server: Server,
    address: SocketAddr,
    session: String,
    calls: Calls,
    /// What cases call by a name: tokens, and states of a request.
    names: Arc<Vec<(&'static str, String)>>,
    _kept: (Option<Guard>, tempfile::TempDir),
}

struct CountedEcho(Calls);

impl InlineTool for CountedEcho {
    fn call<'a>(&self, _: &CallContext<'_>, arguments: Arguments<'a>) -> ToolResult<'a> {
        let arguments: serde_json::Value = arguments.parse().unwrap_or_default();
        let Some(text) = arguments["text"].as_str() else { return ToolResult::error("text is missing") };
        *self.0.lock().expect("no call panics").entry(text.to_string()).or_default() += 1;
        ToolResult::text(text.to_string())
    }
}

fn panics<'a>(_: &CallContext<'_>, _: Arguments<'a>) -> ToolResult<'a> {
    panic!("a tool that panics, for a test")
}

async fn panics_later(_: JobContext, _: Box<str>) -> ToolResult<'static> {
    panic!("a tool that panics, for a test")
}

async fn tells(context: JobContext, _: Box<str>) -> ToolResult<'static> {
    context.progress(1.0, Some(1.0), None).await;
    ToolResult::text("told")
}

async fn asks(context: JobContext, _: Box<str>) -> ToolResult<'static> {
    match context.elicited("who") {
        Some(_) => ToolResult::text("known"),
        None => ToolResult::ask(Ask::new().elicit("who", "Who?", json!({"type": "object"})).remembering("asked")),
    }
}

fn mirrors<'a>(_: &CallContext<'_>, _: Arguments<'a>) -> ToolResult<'a> {
    ToolResult::text("mirrored")
}

async fn no_item(_: JobContext, request: ResourceRequest) -> Result<Vec<ResourceContents<'static>>, Failure> {
    Err(Failure::no_resource(&request.uri))
}

fn registry(calls: &Calls) -> Registry {
    let spec = |name: &str| ToolSpec::new(name, "For the corpus.", json!({"type": "object"}));
    let registry = Registry::default().inline(spec("echo"), CountedEcho(Arc::clone(calls)));
    let registry = registry.and_then(|registry| registry.inline(spec("panics"), panics));
    let registry = registry.and_then(|registry| registry.queued(spec("panics-later"), panics_later));
    let registry = registry.and_then(|registry| registry.queued(spec("tells"), tells));
    let registry = registry.and_then(|registry| registry.queued(spec("asks"), asks));
    let registry = registry.and_then(|registry| registry.queued(spec("needy").needing("sampling"), tells));
    let schema = json!({"type": "object", "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"}, "count": {"type": "integer", "x-mcp-header": "Count"},
    }});
    let mirrored = ToolSpec::new("mirrors", "For the corpus.", schema);
    let registry = registry.and_then(|registry| registry.inline(mirrored, mirrors));
    let item = TemplateSpec::new("corpus://item/{id}", "item").described("One.");
    registry.and_then(|registry| registry.template(item, no_item)).expect("good names")
}

impl Ours {
    fn start(limits: Limits, guard: Option<Guard>) -> Self {
        let calls = Calls::default();
        let registry = registry(&calls);
        let entry = guard.as_ref().map(Guard::config).unwrap_or_default();
        let folder = tempfile::tempdir().expect("a folder");
        let store = Some(folder.path().join("operations.db").as_path().into());
        let config = ServerConfig { limits, registry, entry, store, shards: 2, ..ServerConfig::default() };
        let (server, address) = start_with(config);
        let bearer = guard.as_ref().map(|guard| format!("Authorization: Bearer {}\r\n", guard.token()));
        let bearer = bearer.unwrap_or_default();
        let ask = |fields: &str, body: &serde_json::Value| {
            Client::connect(address).ask(Texts(address).post(&format!("{bearer}{fields}"), &body.to_string()))
        };
        let initialize = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "corpus", "version": "1"}}});
        let session = ask("", &initialize).field("Mcp-Session-Id").expect("a session");
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
            "name": "asks", "arguments": {"a": 1}, "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}}}}});
        let asked =
            ask("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: asks\r\n", &call).json();
        let mut names = guard.as_ref().map(|guard| guard.tokens.to_vec()).unwrap_or_default();
        names.extend(states(asked["result"]["requestState"].as_str().expect("a state")));
        Self { server, address, session, calls, names: Arc::new(names), _kept: (guard, folder) }
    }
}

/// The state of a request, and what was made of it. Longer names first: one begins with the other.
fn states(state: &str) -> [(&'static str, String); 3] {
    let (front, back) = state.split_at(state.len() / 2);
    let other = if back.starts_with('A') { 'B' } else { 'A' };
    [
        ("$state-cut", state[..state.len() - 4].to_string()),
        ("$state-flipped", format!("{front}{other}{}", &back[1..])),
        ("$state", state.to_string()),
    ]
}

impl Target for Ours {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn session(&self) -> String {
        self.session.clone()
    }

    fn tokens(&self) -> Arc<Vec<(&'static str, String)>> {
        Arc::clone(&self.names)
    }

    fn calls(&self, nonce: &str) -> Option<u32> {
        Some(self.calls.lock().expect("no call panics").get(nonce).copied().unwrap_or(0))
    }
}

/// The server that a case is sent to.
fn server_of(case: &Case) -> String {
    format!("{}{}", case.limits, case.guarded)
}

fn limits(case: &Case) -> Limits {
    case.limits.clone().try_into().unwrap_or_else(|error| panic!("{}: {error}", case.id))
}

#[test]
fn every_case_is_answered_as_it_must_be() {
    let classes = classes();
    let mut servers: HashMap<String, Ours> = HashMap::new();
    let cases = || classes.iter().flat_map(|class| class.case.iter().map(move |case| (class.class, case)));
    for (_, case) in cases() {
        let server = || Ours::start(limits(case), case.guarded.then(Guard::new));
        servers.entry(server_of(case)).or_insert_with(server);
    }
    let mut runs = Vec::new();
    for (class, case) in cases() {
        let target = &servers[&server_of(case)];
        for era in case.eras.iter().copied() {
            runs.extend(case.ways.iter().copied().map(|way| Run { target, class, case, era, way }));
        }
    }
    // Those of one server beside each other, so that second connections are kept; the slow ones first.
    runs.sort_by_key(|run| std::cmp::Reverse(server_of(run.case)));
    let cases = cases().count();
    assert_eq!((cases, runs.len()), (525, 3_803), "cases and runs: docs/wire.md tells them, too");
    let wrong = run_all(&runs);
    let told: Vec<String> = wrong.iter().map(|(number, error)| format!("{}: {error}", runs[*number].name())).collect();
    assert!(told.is_empty(), "{} of {} runs:\n{}", told.len(), runs.len(), told.join("\n"));
    drop(runs);
    for ours in servers.into_values() {
        let snapshot = ours.server.snapshot();
        assert!(snapshot.memory.buffers < 16 << 20, "{} bytes of buffers are left", snapshot.memory.buffers);
        stop(ours.server);
    }
}

/// Where a class is shown, one way or another.
fn is_covered(class: &Class) -> bool {
    let ways =
        [!class.case.is_empty(), !class.tests.is_empty(), class.waits_for.is_some(), class.not_applicable.is_some()];
    ways.iter().any(|way| *way)
}

#[test]
fn every_class_is_in_the_corpus() {
    let classes = classes();
    let numbers: Vec<u16> = classes.iter().map(|class| class.class).collect();
    assert_eq!(numbers, (1..=150).collect::<Vec<u16>>(), "one file a class");
    let uncovered: Vec<u16> = classes.iter().filter(|class| !is_covered(class)).map(|class| class.class).collect();
    assert_eq!(uncovered, Vec::<u16>::new(), "classes with neither a case nor a test nor a reason");
    let says_what = |class: &Class| !class.title.is_empty() && class.refs.iter().all(|reference| !reference.is_empty());
    assert!(classes.iter().all(says_what), "every class says what it is");
    let count = |has: fn(&Class) -> bool| classes.iter().filter(|class| has(class)).count();
    let tried = count(|class| !class.case.is_empty() || !class.tests.is_empty());
    let waiting = count(|class| class.waits_for.is_some());
    let impossible = count(|class| class.not_applicable.is_some());
    assert_eq!(
        (tried, waiting, impossible),
        (150, 0, 0),
        "tried, waiting, not applicable: docs/wire.md tells them, too"
    );
    let mut ids: Vec<&str> = classes.iter().flat_map(|class| &class.case).map(|case| case.id.as_str()).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "two cases have the same id");
}

fn page() -> String {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/wire.md");
    std::fs::read_to_string(page).expect("the page is there")
}

/// The rows of a table of docs/wire.md: what another list calls a test, and the case here.
fn rows<'a>(page: &'a str, heading: &str) -> Vec<(&'a str, &'a str)> {
    let table = page.split(heading).nth(1).unwrap_or_else(|| panic!("{heading} is not there"));
    let table = table.split("\n## ").next().unwrap_or(table);
    let cells = |row: &'a str| row.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | ");
    table.lines().filter_map(cells).skip(1).collect()
}

#[test]
fn the_lists_of_others_are_in_the_corpus() {
    let page = page();
    let classes = classes();
    let is_case = |id: &str| classes.iter().flat_map(|class| &class.case).any(|case| case.id == id);
    for (heading, all, without) in [("## h1spec", 33, 0), ("## Http11Probe", 215, 13)] {
        let rows = rows(&page, heading);
        let unknown: Vec<_> =
            rows.iter().filter(|(_, case)| !case.starts_with("none: ") && !is_case(case.trim_matches('`'))).collect();
        assert!(unknown.is_empty(), "{heading}: no such cases: {unknown:?}");
        let none = rows.iter().filter(|(_, case)| case.starts_with("none: ")).count();
        assert_eq!((rows.len(), none), (all, without), "{heading}");
    }
}

#[test]
fn the_classes_without_a_case_are_told() {
    let page = page();
    let told: Vec<u16> =
        rows(&page, "## What no case tries").iter().filter_map(|(class, _)| class.parse().ok()).collect();
    let classes = classes();
    let without: Vec<u16> = classes.iter().filter(|class| class.case.is_empty()).map(|class| class.class).collect();
    assert_eq!(told, without);
}

#[test]
fn the_tests_that_classes_name_are_there() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for class in classes() {
        for named in &class.tests {
            let (path, name) = named.split_once(": ").unwrap_or_else(|| panic!("{}: {named}", class.class));
            let text = std::fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
            assert!(text.contains(&format!("fn {name}(")), "{}: there is no {named}", class.class);
        }
    }
}
