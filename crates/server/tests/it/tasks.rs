//! Calls that become tasks: the extension `io.modelcontextprotocol/tasks`.

use std::net::SocketAddr;
use std::sync::Arc;

use erlmcp_server::tools::{Ask, JobContext, Registry, TaskSupport, ToolResult, ToolSpec};
use erlmcp_server::{Limits, Server, ServerConfig};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::client::{Answer, Client, Texts, eventually, start, start_with, stop};
use crate::gated::Gated;

const EXTENSION: &str = "io.modelcontextprotocol/tasks";

async fn asking(context: JobContext, _: Box<str>) -> ToolResult<'static> {
    match (context.input("a"), context.input("b")) {
        (Some(a), Some(b)) => ToolResult::text(format!("{} {}", a["content"]["x"], b["content"]["x"])),
        _ => ToolResult::ask(Ask::new().elicit("a", "A?", json!({"type": "object"})).elicit(
            "b",
            "B?",
            json!({"type": "object"}),
        )),
    }
}

async fn broken(_: JobContext, _: Box<str>) -> ToolResult<'static> {
    std::panic::resume_unwind(Box::new("on purpose"))
}

async fn endless(_: JobContext, _: Box<str>) -> ToolResult<'static> {
    ToolResult::ask(Ask::new().elicit("a", "And now?", json!({"type": "object"})))
}

/// A server whose tool `gated` ends as the gate lets it.
fn server(limits: Limits) -> (Server, SocketAddr, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let gated = Gated::new(&gate, || ToolResult::error("done"));
    let spec = |name: &str, task| ToolSpec::new(name, "Works.", json!({"type": "object"})).as_task(task);
    let registry = Registry::new()
        .queued(spec("gated", TaskSupport::Optional), gated)
        .and_then(|registry| registry.queued(spec("asking", TaskSupport::Optional), asking))
        .and_then(|registry| registry.queued(spec("broken", TaskSupport::Required), broken))
        .and_then(|registry| registry.queued(spec("endless", TaskSupport::Optional), endless))
        .and_then(|registry| registry.queued(spec("later", TaskSupport::AfterQuestions), asking))
        .expect("good names");
    let (server, address) = start_with(ServerConfig { registry, limits, ..ServerConfig::default() });
    (server, address, gate)
}

struct Asker {
    client: Client,
    texts: Texts,
    capabilities: Value,
}

impl Asker {
    fn new(address: SocketAddr) -> Self {
        let capabilities = json!({"elicitation": {}, "extensions": {EXTENSION: {}}});
        Self { client: Client::connect(address), texts: Texts(address), capabilities }
    }

    fn request(&self, method: &str, name: Option<&str>, mut params: Value) -> String {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": self.capabilities,
        });
        let message = json!({"jsonrpc": "2.0", "id": 8, "method": method, "params": params});
        let name = name.map(|name| format!("Mcp-Name: {name}\r\n")).unwrap_or_default();
        let headers = format!("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\n{name}");
        self.texts.post(&headers, &message.to_string())
    }

    fn ask(&mut self, method: &str, name: &str, params: Value) -> Answer {
        let text = self.request(method, Some(name), params);
        self.client.ask(text)
    }

    fn call(&mut self, tool: &str, mut params: Value) -> Value {
        params["name"] = json!(tool);
        let answer = self.ask("tools/call", tool, params);
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["result"].clone()
    }

    /// The id of the task that a call becomes.
    fn begin(&mut self, tool: &str) -> String {
        let created = self.call(tool, json!({}));
        assert_eq!((&created["resultType"], &created["status"]), (&json!("task"), &json!("working")), "{created}");
        created["taskId"].as_str().expect("an id").to_string()
    }

    fn about(&mut self, method: &str, task: &str, mut params: Value) -> Answer {
        params["taskId"] = json!(task);
        self.ask(method, task, params)
    }

    fn get(&mut self, task: &str) -> Value {
        let answer = self.about("tasks/get", task, json!({}));
        assert_eq!(
            (answer.status, &answer.json()["result"]["resultType"]),
            (200, &json!("complete")),
            "{}",
            answer.body
        );
        answer.json()["result"].clone()
    }

    fn until(&mut self, task: &str, status: &str) -> Value {
        eventually(status, || self.get(task)["status"] == status);
        self.get(task)
    }

    /// Says something that is only acknowledged.
    fn tell(&mut self, method: &str, task: &str, params: Value) {
        let result = self.about(method, task, params).json()["result"].clone();
        let members: Vec<&str> = result.as_object().expect("a result").keys().map(String::as_str).collect();
        assert_eq!((members, &result["resultType"]), (vec!["_meta", "resultType"], &json!("complete")));
    }
}

#[test]
fn a_call_goes_on_as_a_task_for_clients_that_know_them() {
    let (server, address, gate) = server(Limits::default());
    let mut asker = Asker::new(address);
    let discovered = asker.client.ask(asker.request("server/discover", None, json!({}))).json();
    assert_eq!(discovered["result"]["capabilities"]["extensions"], json!({EXTENSION: {}}));
    let created = asker.call("gated", json!({"task": {"ttl": 1}}));
    let task = created["taskId"].as_str().expect("an id").to_string();
    for member in ["createdAt", "lastUpdatedAt"] {
        assert!(created[member].as_str().is_some_and(|at| at.len() == 24 && at.ends_with('Z')), "{created}");
    }
    assert_eq!((&created["ttlMs"], &created["pollIntervalMs"]), (&json!(300_000), &json!(500)));
    assert_eq!(asker.get(&task)["status"], "working");
    gate.add_permits(1);
    let over = asker.until(&task, "completed");
    assert_eq!((&over["result"]["isError"], &over["result"]["content"][0]["text"]), (&json!(true), &json!("done")));
    asker.tell("tasks/cancel", &task, json!({}));
    assert_eq!(asker.get(&task), over, "it has ended");

    let cancelled = asker.begin("gated");
    eventually("it runs", || server.snapshot().queue.workers_active == 1);
    asker.tell("tasks/cancel", &cancelled, json!({}));
    let seen = asker.get(&cancelled);
    assert!(seen["status"] == "cancelled" && seen.get("result").is_none(), "{seen}");
    eventually("its worker is free", || server.snapshot().queue.workers_active == 0);

    let broken = asker.begin("broken");
    let failed = asker.until(&broken, "failed");
    assert_eq!((&failed["error"]["code"], failed.get("result")), (&json!(-32_603), None));
    stop(server);
}

#[test]
fn a_task_asks_and_is_answered_piece_by_piece() {
    let (server, address, _) = server(Limits::default());
    let mut asker = Asker::new(address);
    let task = asker.begin("asking");
    let asked = asker.until(&task, "input_required");
    assert_eq!(asked["inputRequests"]["a"]["method"], "elicitation/create");
    assert!(asked.get("requestState").is_none());
    let input = |key: &str, x: u32| json!({"inputResponses": {key: {"action": "accept", "content": {"x": x}}}});
    asker.tell("tasks/update", &task, input("c", 0));
    asker.tell("tasks/update", &task, input("a", 1));
    let left = asker.get(&task);
    let open: Vec<&str> = left["inputRequests"].as_object().expect("questions").keys().map(String::as_str).collect();
    assert_eq!((&left["status"], open), (&json!("input_required"), vec!["b"]));
    asker.tell("tasks/update", &task, input("b", 2));
    assert_eq!(asker.until(&task, "completed")["result"]["content"][0]["text"], "1 2");
    asker.tell("tasks/update", &task, input("b", 3));
    assert_eq!(asker.about("tasks/update", &task, json!({"inputResponses": 7})).code(), -32_602);

    let first = asker.call("later", json!({}));
    assert!(first["resultType"] == "input_required" && first.get("taskId").is_none(), "{first}");
    let accept = json!({"action": "accept", "content": {"x": 5}});
    let second = asker.call("later", json!({"inputResponses": {"a": accept, "b": accept}}));
    assert_eq!(second["resultType"], "task");
    let task = second["taskId"].as_str().expect("an id").to_string();
    assert_eq!(asker.until(&task, "completed")["result"]["content"][0]["text"], "5 5");
    asker.capabilities = json!({"extensions": {EXTENSION: {}}});
    let mute = asker.begin("asking");
    assert_eq!(asker.until(&mute, "failed")["error"]["code"], -32_021);
    stop(server);
}

#[test]
fn a_tool_asks_only_so_often() {
    let (server, address, _) = server(Limits::default());
    let mut asker = Asker::new(address);
    let task = asker.begin("endless");
    let accept = json!({"inputResponses": {"a": {"action": "accept", "content": {}}}});
    eventually("it is given up", || {
        let status = asker.get(&task)["status"].clone();
        if status == "input_required" {
            asker.tell("tasks/update", &task, accept.clone());
        }
        status == "failed"
    });
    let error = asker.get(&task)["error"].clone();
    assert_eq!((&error["code"], &error["message"]), (&json!(-32_603), &json!("the tool asked more than 16 times")));
    stop(server);
}

#[test]
fn a_task_without_an_answer_ends() {
    let (server, address, _) = server(Limits { workers: 1, question_wait_ms: 200, ..Limits::default() });
    let mut asker = Asker::new(address);
    let task = asker.begin("asking");
    assert_eq!(asker.until(&task, "failed")["error"]["code"], -32_603);
    eventually("its worker is free", || server.snapshot().queue.workers_active == 0);
    stop(server);
}

#[test]
fn who_knows_no_tasks_gets_none() {
    let (server, address, gate) = server(Limits::default());
    let mut asker = Asker::new(address);
    let task = asker.begin("gated");
    asker.capabilities = json!({"elicitation": {}});
    gate.add_permits(2);
    assert_eq!(asker.call("gated", json!({}))["content"][0]["text"], "done");
    let needed = json!({"requiredCapabilities": {"extensions": {EXTENSION: {}}}});
    for (method, name, params) in [
        ("tools/call", "broken", json!({"name": "broken"})),
        ("tools/call", "later", json!({"name": "later"})),
        ("tasks/get", &*task, json!({"taskId": task})),
        ("tasks/update", &*task, json!({"taskId": task, "inputResponses": {}})),
        ("tasks/cancel", &*task, json!({"taskId": task})),
    ] {
        let answer = asker.ask(method, name, params);
        assert_eq!((answer.status, answer.code()), (400, -32_021), "{method} {name}");
        assert_eq!(answer.json()["error"]["data"], needed);
    }
    let mut asker = Asker::new(address);
    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        assert_eq!(asker.about(method, "0-0-x", json!({"inputResponses": {}})).code(), -32_602, "{method}");
        let unnamed = asker.request(method, None, json!({"taskId": task}));
        assert_eq!(asker.client.ask(unnamed).code(), -32_020, "{method}");
    }
    for method in ["tasks/result", "tasks/list"] {
        let removed = asker.request(method, None, json!({"taskId": task}));
        let answer = asker.client.ask(removed);
        assert_eq!((answer.status, answer.code()), (404, -32_601), "{method}");
    }
    stop(server);
    let (without, address) = start(Limits::default());
    let mut asker = Asker::new(address);
    let answer = asker.about("tasks/get", "0-0-x", json!({}));
    assert_eq!((answer.status, answer.code()), (404, -32_601), "this server has no tasks");
    stop(without);
}

#[test]
fn tasks_are_bounded_in_number_and_time() {
    let (few, address, _gate) = server(Limits { tasks_max: 1, ..Limits::default() });
    let mut asker = Asker::new(address);
    asker.begin("gated");
    let refused = asker.ask("tools/call", "gated", json!({"name": "gated"}));
    assert_eq!((refused.status, &refused.json()["error"]["data"]["executed"]), (503, &json!(false)));
    assert!(refused.field("Retry-After").is_some());
    stop(few);
    let (server, address, _gate) = server(Limits { tasks_max: 1, task_lifetime_ms: 1_500, ..Limits::default() });
    let mut asker = Asker::new(address);
    let task = asker.begin("gated");
    eventually("its time is over", || asker.about("tasks/get", &task, json!({})).json().get("error").is_some());
    assert_eq!(asker.about("tasks/get", &task, json!({})).code(), -32_602);
    eventually("its worker is free", || server.snapshot().queue.workers_active == 0);
    asker.begin("gated");
    stop(server);
}
