//! Who may come in: reliability.md, B11 (134 to 142), and 126, 130, 131, 145, 146, 149(d).

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use erlmcp_server::tools::{Arguments, CallContext, JobContext, NoArguments, Tool, ToolResult, ToolSpec};
use erlmcp_server::{EntryConfig, Limits, Registry, Server, ServerConfig, Share, new_token};

use serde_json::json;

use crate::client::{Answer, Client, Texts, eventually, start_with, stop};
use crate::operations::{append, status};

/// A server that wants tokens of a file, and the file's folder.
struct Guarded {
    server: Server,
    address: SocketAddr,
    folder: tempfile::TempDir,
    alice: String,
    bob: String,
}

fn config(tokens: &Path, limits: Limits) -> ServerConfig {
    let entry = EntryConfig {
        tokens: Some(tokens.into()),
        scopes: vec!["mcp".into()],
        authorization_servers: vec!["https://issuer.example".into()],
        ..EntryConfig::default()
    };
    ServerConfig { limits, entry, registry: Registry::builtin(), shards: 1, ..ServerConfig::default() }
}

impl Guarded {
    fn start(limits: Limits) -> Self {
        Self::start_over(limits, false)
    }

    fn start_over(limits: Limits, has_store: bool) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let scopes = ["mcp".to_string()];
        let ((alice, first), (bob, second)) = (new_token("alice", &scopes, None), new_token("bob", &scopes, None));
        let (_, small) = new_token("carol", &[], None);
        std::fs::write(folder.path().join("tokens"), format!("{first}\n{second}\n{small}\n")).expect("written");
        let store = has_store.then(|| folder.path().join("operations.db").as_path().into());
        let (server, address) = start_with(ServerConfig { store, ..config(&folder.path().join("tokens"), limits) });
        Self { server, address, folder, alice, bob }
    }

    fn ask(&self, authorization: &str) -> Answer {
        Client::connect(self.address).ask(with(&Texts(self.address).echo("x"), authorization))
    }

    fn texts(&self) -> Texts {
        Texts(self.address)
    }
}

/// A request with more fields.
fn with(request: &str, fields: &str) -> String {
    request.replacen("\r\n", &format!("\r\n{fields}"), 1)
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

fn challenge(answer: &Answer) -> String {
    answer.field("WWW-Authenticate").unwrap_or_default()
}

#[test]
fn tokens_are_asked_for_and_what_is_wrong_is_said() {
    let guarded = Guarded::start(Limits::default());
    assert_eq!(guarded.ask(&bearer(&guarded.alice)).status, 200);
    assert_eq!(guarded.ask(&format!("authorization: bEARER {}\r\n", guarded.alice)).status, 200, "135: any case");
    let none = guarded.ask("");
    let metadata = format!("resource_metadata=\"http://{}/.well-known/oauth-protected-resource/mcp\"", guarded.address);
    assert_eq!((none.status, none.field("Connection")), (401, None), "134: the connection stays");
    assert!(challenge(&none).starts_with("Bearer ") && challenge(&none).contains(&metadata), "{}", none.head);
    assert!(!challenge(&none).contains("error="), "{}", none.head);
    let twice = bearer(&guarded.alice) + &bearer(&guarded.bob);
    assert_eq!((guarded.ask(&twice).status, guarded.ask("Authorization: Basic YTpi\r\n").status), (400, 401), "135");
    for bad in ["erlmcp_unknown", "a.b.c", &"x".repeat(8_193), &guarded.alice[1..]] {
        let answer = guarded.ask(&bearer(bad));
        assert_eq!(answer.status, 401, "140");
        assert!(challenge(&answer).contains("error=\"invalid_token\""), "{}", answer.head);
    }
    let query = guarded.texts().echo("x").replacen("/mcp", &format!("/mcp?access_token={}", guarded.alice), 1);
    assert_eq!(Client::connect(guarded.address).ask(query).status, 401, "138");
    stop(guarded.server);
}

#[test]
fn a_scope_that_is_lacking_is_named_and_pages_have_their_own() {
    let guarded = Guarded::start(Limits::default());
    let (carol, line) = new_token("carol", &["metrics".to_string()], None);
    std::fs::write(guarded.folder.path().join("tokens"), &line).expect("written");
    eventually("the file is read again", || guarded.ask(&bearer(&carol)).status == 403);
    let small = guarded.ask(&bearer(&carol));
    assert!(challenge(&small).contains("error=\"insufficient_scope\", scope=\"mcp\""), "139: {}", small.head);
    assert_eq!(guarded.ask(&bearer(&guarded.alice)).status, 401, "who is not in the file any more stays out");
    let page =
        |path: &str, fields: &str| Client::connect(guarded.address).ask(with(&guarded.texts().get(path), fields));
    for path in ["/metrics", "/status"] {
        assert_eq!((page(path, "").status, page(path, &bearer(&carol)).status), (401, 200), "{path}");
    }
    assert_eq!((page("/health", "").status, page("/ready", "").status), (200, 200));
    for path in ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"] {
        let shown = page(path, "").json();
        assert_eq!(shown["resource"], format!("http://{}/mcp", guarded.address));
        assert_eq!(shown["authorization_servers"][0], "https://issuer.example");
    }
    stop(guarded.server);
}

#[test]
fn metadata_are_where_the_resource_is() {
    let named = "https://mcp.example/api/mcp";
    let folder = tempfile::tempdir().expect("a folder");
    let (_, line) = new_token("alice", &[], None);
    std::fs::write(folder.path().join("tokens"), line).expect("written");
    let entry = EntryConfig {
        tokens: Some(folder.path().join("tokens")),
        resource: Some(named.into()),
        authorization_servers: vec!["https://issuer.example".into()],
        ..EntryConfig::default()
    };
    let config = ServerConfig { entry, registry: Registry::builtin(), ..ServerConfig::default() };
    let (server, address) = start_with(config.clone());
    let texts = Texts(address);
    let said = Client::connect(address).ask(texts.echo("x")).field("WWW-Authenticate").expect("a challenge");
    let path = "/.well-known/oauth-protected-resource/api/mcp";
    assert!(said.contains(&format!("resource_metadata=\"https://mcp.example{path}\"")), "{said}");
    let shown = Client::connect(address).ask(texts.get(path)).json();
    assert_eq!(shown["resource"], named);
    assert_eq!(Client::connect(address).ask(texts.get(&format!("{path}/x"))).status, 404);
    stop(server);

    let entry = EntryConfig { authorization_servers: Vec::new(), ..config.entry.clone() };
    let (server, address) = start_with(ServerConfig { entry, ..config });
    let texts = Texts(address);
    let said = Client::connect(address).ask(texts.echo("x")).field("WWW-Authenticate");
    assert_eq!(said.as_deref(), Some("Bearer realm=\"mcp\""), "nobody gives tokens");
    assert_eq!(Client::connect(address).ask(texts.get(path)).status, 404);
    stop(server);
}

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}"#;

/// The fields of a request in a session.
fn in_session(token: &str, session: &str) -> String {
    format!("{token}MCP-Protocol-Version: 2025-11-25\r\nMcp-Session-Id: {session}\r\n")
}

#[test]
fn a_session_is_its_principals_alone() {
    let guarded = Guarded::start(Limits { principal_sessions_max: 2, ..Limits::default() });
    let (texts, alice, bob) = (guarded.texts(), bearer(&guarded.alice), bearer(&guarded.bob));
    let ask = |request: String| Client::connect(guarded.address).ask(request);
    let opened = ask(texts.post(&alice, INITIALIZE));
    let session = opened.field("Mcp-Session-Id").expect("a session");
    let ping = |session: &str, token: &str| {
        ask(texts.post(&in_session(token, session), r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#))
    };
    assert_eq!(ping(&session, &alice).status, 200);
    let (foreign, unknown) = (ping(&session, &bob), ping(&"A".repeat(session.len()), &bob));
    assert_eq!((foreign.status, &foreign.body), (404, &unknown.body), "126: as one that is not there");
    let end =
        |token: &str| ask(with(&texts.get("/mcp"), &in_session(token, &session)).replacen("GET", "DELETE", 1)).status;
    assert_eq!((end(&bob), end(&alice), end(&alice)), (404, 204, 404), "130");
    assert_eq!(ask(texts.post(&alice, INITIALIZE)).status, 200);
    assert_eq!(ask(texts.post(&alice, INITIALIZE)).status, 200, "the one that ended counts no more");
    let flood = ask(texts.post(&alice, INITIALIZE));
    assert_eq!((flood.status, flood.code()), (429, 53_029), "131");
    assert!(flood.field("Retry-After").is_some() && ask(texts.post(&bob, INITIALIZE)).status == 200);
    stop(guarded.server);
}

#[test]
fn a_principal_ends_no_sessions_of_another() {
    let guarded = Guarded::start(Limits { sessions_revoked_max: 2, ..Limits::default() });
    let (texts, alice, bob) = (guarded.texts(), bearer(&guarded.alice), bearer(&guarded.bob));
    let ask = |request: String| Client::connect(guarded.address).ask(request);
    let open = |token: &str| ask(texts.post(token, INITIALIZE)).field("Mcp-Session-Id").expect("a session");
    let end = |token: &str, session: &str| {
        ask(with(&texts.get("/mcp"), &in_session(token, session)).replacen("GET", "DELETE", 1))
    };
    let lasting = open(&bob);
    assert_eq!(end(&alice, &open(&alice)).status, 204);
    let flood = [(); 3].map(|()| end(&alice, &open(&alice)));
    for refused in &flood {
        assert_eq!((refused.status, refused.code(), refused.field("Retry-After").is_some()), (429, 53_029, true));
    }
    assert_eq!(end(&bob, &lasting).status, 204, "it lived on, and another one has a share of its own");
    stop(guarded.server);
}

#[test]
fn a_stream_ends_with_its_token() {
    let folder = tempfile::tempdir().expect("a folder");
    let (tokens, scopes) = (folder.path().join("tokens"), ["mcp".to_string()]);
    let (short, first) = new_token("alice", &scopes, Some(Duration::from_secs(5)));
    let (lasting, second) = new_token("bob", &scopes, None);
    std::fs::write(&tokens, format!("{first}\n{second}\n")).expect("written");
    let (server, address) = start_with(config(&tokens, Limits::default()));
    let listen = |token: &str| {
        let mut client = Client::connect(address);
        client.send(with(&Texts(address).listen(), &bearer(token)));
        assert!(client.head().contains(" 200 "));
        client
    };
    let (stays, ends) = (listen(&lasting), listen(&short));
    let said = ends.rest();
    assert!(said.contains("\"result\":") && said.ends_with("0\r\n\r\n"), "with its result: {said}");
    assert_eq!(server.snapshot().streams, 1, "the other one stays");
    drop(stays);
    stop(server);
}

#[test]
fn a_principal_has_its_share_of_streams_and_requests() {
    let guarded = Guarded::start(Limits { principal_streams_max: 2, ..Limits::default() });
    let listen = |token: &str| {
        let mut client = Client::connect(guarded.address);
        client.send(with(&guarded.texts().listen(), &bearer(token)));
        let head = client.head();
        (client, head)
    };
    let open = [listen(&guarded.alice), listen(&guarded.alice)];
    assert!(open.iter().all(|(_, head)| head.contains(" 200 ")));
    assert!(listen(&guarded.alice).1.contains(" 429 "), "145");
    assert!(listen(&guarded.bob).1.contains(" 200 "), "another one has a share of its own");
    let figures = guarded.server.snapshot().principals.expect("there are tokens");
    assert_eq!((figures.known, figures.streams), (2, Share { most: 2, max: 2 }));
    drop(open);
    eventually("places are given back", || listen(&guarded.alice).1.contains(" 200 "));
    stop(guarded.server);
    let guarded = Guarded::start(Limits { principal_requests_max: 1, ..Limits::default() });
    let mut answers: Vec<Answer> = Vec::new();
    eventually("two are asked within a second", || {
        answers.push(guarded.ask(&bearer(&guarded.alice)));
        answers.last().is_some_and(|answer| answer.status == 429)
    });
    let refused = answers.last().expect("at least one");
    assert_eq!((refused.code(), refused.json()["error"]["data"]["scope"].as_str()), (53_029, Some("principal")));
    let counted = guarded.server.snapshot().limits_reached.into_iter().find(|one| one.limit == "principal");
    let refused = answers.iter().filter(|answer| answer.status == 429).count() as u64;
    assert_eq!(counted.map(|one| one.count), Some(refused));
    stop(guarded.server);
}

#[test]
fn a_principal_has_a_share_of_the_sessions_that_are_held() {
    let guarded = Guarded::start(Limits { principal_sessions_held_max: 1, ..Limits::default() });
    let (texts, alice, bob) = (guarded.texts(), bearer(&guarded.alice), bearer(&guarded.bob));
    let ask = |request: String| Client::connect(guarded.address).ask(request);
    let open = |token: &str| ask(texts.post(token, INITIALIZE)).field("Mcp-Session-Id").expect("a session");
    let set = r#"{"jsonrpc":"2.0","id":2,"method":"logging/setLevel","params":{"level":"error"}}"#;
    let wish = |token: &str, session: &str| ask(texts.post(&in_session(token, session), set));
    let (first, second) = (open(&alice), open(&alice));
    assert_eq!((wish(&alice, &first).status, wish(&alice, &first).status), (200, 200));
    let refused = wish(&alice, &second);
    assert_eq!((refused.status, refused.code(), refused.field("Retry-After").is_some()), (429, 53_029, true));
    assert_eq!(wish(&bob, &open(&bob)).status, 200, "another one has a share of its own");
    let figures = guarded.server.snapshot().principals.expect("there are tokens");
    assert_eq!(figures.sessions_held, Share { most: 1, max: 1 });
    stop(guarded.server);
}

#[test]
fn so_many_principals_are_counted_and_no_more() {
    let guarded = Guarded::start(Limits { principals_max: 1, ..Limits::default() });
    let statuses = [&guarded.alice, &guarded.bob, &guarded.alice].map(|token| guarded.ask(&bearer(token)).status);
    assert_eq!(statuses, [200, 503, 200]);
    let figures = guarded.server.snapshot().principals.expect("there are tokens");
    assert_eq!((figures.known, figures.known_max, figures.refused_total), (1, 1, 1));
    stop(guarded.server);
}

#[test]
fn each_message_of_a_batch_counts() {
    let guarded = Guarded::start(Limits { principal_requests_max: 3, ..Limits::default() });
    let (texts, alice) = (guarded.texts(), bearer(&guarded.alice));
    let mut client = Client::connect(guarded.address);
    let opened = client.ask(texts.post(&alice, &INITIALIZE.replace("2025-11-25", "2025-03-26")));
    let session = opened.field("Mcp-Session-Id").expect("a session");
    let fields = format!("{alice}MCP-Protocol-Version: 2025-03-26\r\nMcp-Session-Id: {session}\r\n");
    let pings: Vec<_> = (0..64).map(|id| json!({"jsonrpc": "2.0", "id": id, "method": "ping"})).collect();
    let mut answers = Vec::new();
    eventually("the batch itself is let in", || {
        let answer = client.ask(texts.post(&fields, &json!(pings).to_string()));
        answers = answer.json().as_array().cloned().unwrap_or_default();
        answer.status == 200
    });
    let refused = answers.iter().filter(|answer| answer["error"]["code"] == 53_029).count();
    let pinged = answers.iter().filter(|answer| answer["result"] == json!({})).count();
    assert_eq!((answers.len(), refused + pinged), (64, 64), "{answers:?}");
    // A second may begin in the middle.
    assert!((1..=6).contains(&pinged), "{pinged}");
    stop(guarded.server);
}

#[test]
fn notifications_count_too() {
    let guarded = Guarded::start(Limits { principal_requests_max: 1, ..Limits::default() });
    let notification = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
    let fields = "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: notifications/cancelled\r\n";
    let flood = |token: &str| {
        let mut client = Client::connect(guarded.address);
        let one = guarded.texts().post(&format!("{token}{fields}"), notification);
        let mut statuses = Vec::new();
        eventually("two are sent within a second", || {
            statuses.push(client.ask(&one).status);
            statuses.last() == Some(&429)
        });
        statuses
    };
    let statuses = flood(&bearer(&guarded.alice));
    assert!(statuses.iter().all(|status| [202, 429].contains(status)), "111: {statuses:?}");
    assert_eq!(statuses[0], 202, "111: {statuses:?}");
    assert_eq!(guarded.ask(&bearer(&guarded.bob)).status, 200, "another one has a share of its own");
    stop(guarded.server);
}

#[test]
fn what_a_principal_began_is_its_own() {
    let guarded = Guarded::start_over(Limits::default(), true);
    let (texts, alice, bob) = (guarded.texts(), bearer(&guarded.alice), bearer(&guarded.bob));
    let mut client = Client::connect(guarded.address);
    let done = client.ask(with(&append(&texts, "a", "x"), &alice));
    assert_eq!(done.status, 200, "{}", done.body);
    let mut state = |token: &str| {
        let answer = client.ask(with(&status(&texts, "a", "\"settle\":false,"), token)).json();
        answer["result"]["state"].as_str().expect("a state").to_string()
    };
    assert_eq!((state(&alice).as_str(), state(&bob).as_str()), ("done", "unknown"), "149(d)");
    let another = Client::connect(guarded.address).ask(with(&append(&texts, "a", "y"), &bob));
    assert_eq!(another.status, 200, "149(d): the same id is another one's operation: {}", another.body);
    assert_eq!(another.json()["result"]["_meta"]["io.erlmcp/operation"]["replayed"], false, "149(d)");
    let late = Client::connect(guarded.address).ask(with(&append(&texts, "a", "x"), &alice));
    assert_eq!(late.json()["result"]["_meta"]["io.erlmcp/operation"]["replayed"], true);
    stop(guarded.server);
}

#[test]
fn tools_know_who_calls() {
    let folder = tempfile::tempdir().expect("a folder");
    let tokens = folder.path().join("tokens");
    let ((alice, first), (bob, second)) = (new_token("alice", &[], None), new_token("bob", &[], None));
    std::fs::write(&tokens, format!("{first}\n{second}\n")).expect("written");
    let start = |tokens| {
        let spec = ToolSpec::new("in_place", "Who calls?", json!({"type": "object"}));
        let registry = Registry::new().inline(spec, in_place).expect("a good tool");
        let registry = registry.tool(Tool::queued("queued", "Who calls?", queued)).expect("a good tool");
        let entry = EntryConfig { tokens, ..EntryConfig::default() };
        start_with(ServerConfig { entry, registry, shards: 1, ..ServerConfig::default() })
    };
    let said = |address, tool: &str, token: &str| {
        let answer = Client::connect(address).ask(with(&Texts(address).call(tool, "{}"), token)).json();
        answer["result"]["content"][0]["text"].as_str().expect("a text").to_string()
    };
    let (guarded, address) = start(Some(tokens));
    let (open, open_address) = start(None);
    for tool in ["in_place", "queued"] {
        assert_eq!(said(address, tool, &bearer(&alice)), "alice", "{tool}");
        assert_eq!(said(address, tool, &bearer(&bob)), "bob", "{tool}");
        assert_eq!(said(open_address, tool, ""), "nobody", "{tool}");
    }
    stop(guarded);
    stop(open);
}

fn in_place<'a>(context: &CallContext<'_>, _: Arguments<'a>) -> ToolResult<'a> {
    ToolResult::text(context.principal().unwrap_or("nobody").to_string())
}

async fn queued(context: JobContext, _: NoArguments) -> String {
    context.principal().unwrap_or("nobody").to_string()
}
