//! Resources, prompts, completion and pages over real sockets.

use erlmcp_server::features::{
    Completion, CompletionRequest, Failure, PromptArguments, PromptMessage, PromptResult, PromptSpec, ResourceRequest,
    ResourceSpec, TemplateSpec,
};
use erlmcp_server::tools::{Arguments, CallContext, Content, JobContext, ResourceContents, ToolResult, ToolSpec};
use erlmcp_server::{Limits, Registry, ServerConfig};
use serde_json::{Value, json};

use crate::client::{Answer, Client, Texts, start, start_with, stop};
use crate::legacy::{Older, request};

async fn read(_: JobContext, request: ResourceRequest) -> Result<Vec<ResourceContents<'static>>, Failure> {
    match request.variables.get("id").map(String::as_str) {
        None => Ok(vec![ResourceContents::bytes(request.uri, "image/png", [1, 2, 3])]),
        Some("none") => Ok(Vec::new()),
        Some("broken") => Err(Failure::internal("the disk is on fire")),
        Some(id) => {
            let text = format!("number {id}");
            Ok(vec![ResourceContents::text(request.uri, "text/plain", text)])
        }
    }
}

async fn greet(_: JobContext, arguments: PromptArguments) -> Result<PromptResult, Failure> {
    let who = arguments.get("who").cloned().unwrap_or_default();
    Ok(PromptResult::messages(vec![PromptMessage::user(Content::text(format!("Greet {who}.")))]))
}

async fn complete(_: JobContext, request: CompletionRequest) -> Result<Completion, Failure> {
    let known = request.known.len();
    Ok(Completion::of(vec![format!("{}={}+{known}", request.argument, request.value)]))
}

fn registry() -> Registry {
    let greeting = PromptSpec::new("greet", "Greets.").requiring("who", "Whom.").taking("how", "How.");
    let offers = Registry::builtin()
        .resource(ResourceSpec::new("app://logo", "logo").of_type("image/png"), read)
        .and_then(|registry| registry.template(TemplateSpec::new("app://item/{id}", "item").described("One."), read))
        .and_then(|registry| registry.prompt(greeting, greet))
        .and_then(|registry| registry.completing("greet", complete));
    offers.expect("good names")
}

/// A request with the header that names what it is about.
fn about(texts: Texts, method: &str, name: &str, params: &str) -> String {
    let text = texts.request(method, params);
    text.replace("Mcp-Method:", &format!("Mcp-Name: {name}\r\nMcp-Method:"))
}

fn result(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let mut result = answer.json()["result"].clone();
    assert_eq!(result["resultType"], "complete", "{}", answer.body);
    let members = result.as_object_mut().expect("a result is an object");
    members.remove("_meta").expect("every result says who the server is");
    members.remove("resultType");
    result
}

#[test]
fn what_is_offered_is_listed_and_declared() {
    let (server, address) = start_with(ServerConfig { registry: registry(), ..ServerConfig::default() });
    let (mut client, texts) = (Client::connect(address), Texts(address));
    let capabilities = result(&client.ask(texts.request("server/discover", "")))["capabilities"].clone();
    let declared = json!({
        "tools": {"listChanged": true}, "resources": {"listChanged": true, "subscribe": true},
        "prompts": {"listChanged": true}, "completions": {},
    });
    assert_eq!(capabilities, declared);
    let cached = |key: &str, list: Value| json!({key: list, "ttlMs": 600_000, "cacheScope": "public"});
    let resources = json!([{"uri": "app://logo", "name": "logo", "mimeType": "image/png"}]);
    assert_eq!(result(&client.ask(texts.request("resources/list", ""))), cached("resources", resources));
    let templates = json!([{"uriTemplate": "app://item/{id}", "name": "item", "description": "One."}]);
    let listed = result(&client.ask(texts.request("resources/templates/list", "")));
    assert_eq!(listed, cached("resourceTemplates", templates));
    let arguments = json!([
        {"name": "who", "description": "Whom.", "required": true},
        {"name": "how", "description": "How.", "required": false},
    ]);
    let prompts = json!([{"name": "greet", "description": "Greets.", "arguments": arguments}]);
    assert_eq!(result(&client.ask(texts.request("prompts/list", ""))), cached("prompts", prompts));
    stop(server);
}

#[test]
fn what_is_not_offered_is_no_method() {
    let (server, address) = start(Limits::default());
    let (mut client, texts) = (Client::connect(address), Texts(address));
    for method in ["resources/list", "resources/templates/list", "prompts/list", "completion/complete"] {
        let answer = client.ask(texts.request(method, ""));
        assert_eq!((answer.status, answer.code()), (404, -32_601), "{method}");
    }
    let read = client.ask(about(texts, "resources/read", "a://b", "\"uri\":\"a://b\","));
    assert_eq!((read.status, read.code()), (404, -32_601));
    stop(server);
}

#[test]
fn resources_are_read() {
    let (server, address) = start_with(ServerConfig { registry: registry(), ..ServerConfig::default() });
    let (mut client, texts) = (Client::connect(address), Texts(address));
    let mut read = |uri: &str| client.ask(about(texts, "resources/read", uri, &format!("\"uri\":\"{uri}\",")));
    let of = |contents: Value| json!({"contents": [contents], "ttlMs": 0, "cacheScope": "private"});
    let logo = json!({"uri": "app://logo", "mimeType": "image/png", "blob": "AQID"});
    assert_eq!(result(&read("app://logo")), of(logo));
    let item = json!({"uri": "app://item/7", "mimeType": "text/plain", "text": "number 7"});
    assert_eq!(result(&read("app://item/7")), of(item));
    for uri in ["app://nothing", "app://item/none", "app://item/"] {
        let answer = read(uri);
        assert_eq!((answer.status, answer.code()), (200, -32_602), "{uri}");
        assert_eq!(answer.json()["error"]["data"], json!({"uri": uri}));
    }
    let mut older = Older::new(address, "2025-11-25");
    for uri in ["app://nothing", "app://item/none"] {
        let error = older.ask(&request(2, "resources/read", &json!({"uri": uri}))).json()["error"].clone();
        assert_eq!((&error["code"], &error["data"]), (&json!(-32_002), &json!({"uri": uri})));
    }
    let broken = read("app://item/broken").json();
    assert_eq!(broken["error"], json!({"code": -32_603, "message": "the disk is on fire"}));
    stop(server);
}

#[test]
fn prompts_are_filled_in_and_completed() {
    let (server, address) = start_with(ServerConfig { registry: registry(), ..ServerConfig::default() });
    let (mut client, texts) = (Client::connect(address), Texts(address));
    let got = client.ask(about(texts, "prompts/get", "greet", r#""name":"greet","arguments":{"who":"Ada"},"#));
    let message = json!({"role": "user", "content": {"type": "text", "text": "Greet Ada."}});
    assert_eq!(result(&got), json!({"messages": [message]}));
    for (name, params) in [
        ("other", r#""name":"other","#),
        ("greet", r#""name":"greet","#),
        ("greet", r#""name":"greet","arguments":{"who":7},"#),
    ] {
        let answer = client.ask(about(texts, "prompts/get", name, params));
        assert_eq!((answer.status, answer.code()), (200, -32_602), "{params}");
    }
    let ask = |reference: &str, argument: &str| {
        let context = r#""context":{"arguments":{"a":"1"}},"#;
        texts.request("completion/complete", &format!(r#""ref":{reference},"argument":{argument},{context}"#))
    };
    let prompt = r#"{"type":"ref/prompt","name":"greet"}"#;
    let completed = client.ask(ask(prompt, r#"{"name":"who","value":"A"}"#));
    let values = json!({"values": ["who=A+1"], "total": 1, "hasMore": false});
    assert_eq!(result(&completed), json!({"completion": values}));
    let without = client.ask(ask(r#"{"type":"ref/resource","uri":"app://item/{id}"}"#, r#"{"name":"id","value":""}"#));
    assert_eq!(result(&without)["completion"]["values"], json!([]));
    for (reference, argument) in [
        (prompt, r#"{"name":"nothing","value":""}"#),
        (r#"{"type":"ref/prompt","name":"x"}"#, r#"{"name":"who","value":""}"#),
        (r#"{"type":"ref/other"}"#, r#"{"name":"who","value":""}"#),
        (prompt, r#"{"name":"who"}"#),
    ] {
        let answer = client.ask(ask(reference, argument));
        assert_eq!((answer.status, answer.code()), (200, -32_602), "{reference} {argument}");
    }
    stop(server);
}

#[test]
fn long_lists_come_in_pages() {
    fn ok<'a>(_: &CallContext<'_>, _: Arguments<'a>) -> ToolResult<'a> {
        ToolResult::text("ok")
    }
    let add = |registry: Registry, number: i32| {
        let spec = ToolSpec::new(format!("t{number}"), "One of many.", json!({"type": "object"}));
        registry.inline(spec, ok).expect("a good tool")
    };
    let registry = (0..7).fold(Registry::new(), add);
    let limits = Limits { page_entries_max: 3, ..Limits::default() };
    let (server, address) = start_with(ServerConfig { registry, limits, ..ServerConfig::default() });
    let (mut client, texts) = (Client::connect(address), Texts(address));
    let (mut names, mut params, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = result(&client.ask(texts.request("tools/list", &params)));
        pages += 1;
        let tools = page["tools"].as_array().expect("a list").clone();
        names.extend(tools.iter().map(|tool| tool["name"].as_str().expect("a name").to_string()));
        let Some(next) = page.get("nextCursor") else { break };
        params = format!("\"cursor\":{next},");
    }
    assert_eq!((names, pages), ((0..7).map(|number| format!("t{number}")).collect::<Vec<_>>(), 3));
    let bad = client.ask(texts.request("tools/list", "\"cursor\":\"\","));
    assert_eq!((bad.status, bad.code()), (200, -32_602));
    stop(server);
}
