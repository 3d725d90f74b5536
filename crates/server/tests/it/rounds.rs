//! Tools, prompts and resources that ask the client before they answer.

use erlmcp_server::features::{
    Failure, PromptArguments, PromptMessage, PromptResult, PromptSpec, ResourceRequest, ResourceResult, ResourceSpec,
};
use erlmcp_server::tools::{Arguments, Ask, CallContext, Content, JobContext, ResourceContents, ToolResult, ToolSpec};
use erlmcp_server::{Limits, Registry, ServerConfig};
use serde_json::{Value, json};

use crate::asker::{Asker, text};
use crate::client::{start_with, stop};

fn ask() -> Ask {
    Ask::new().elicit("who", "Who are you?", json!({"type": "object", "properties": {"name": {"type": "string"}}}))
}

async fn two_rounds(context: JobContext, _: Box<str>) -> ToolResult<'static> {
    let name = context.elicited("who").and_then(|given| given.get("name")?.as_str());
    match (context.state(), name) {
        (Some("asked"), Some(name)) => ToolResult::text(format!("Hello, {name}!")),
        _ => ToolResult::ask(ask().remembering("asked")),
    }
}

async fn stateless(context: JobContext, _: Box<str>) -> ToolResult<'static> {
    match context.elicited("who") {
        Some(_) => ToolResult::text("known"),
        None => ToolResult::ask(ask()),
    }
}

async fn prompt(context: JobContext, _: PromptArguments) -> Result<PromptResult, Failure> {
    Ok(match context.elicited("who") {
        Some(_) => PromptResult::messages(vec![PromptMessage::user(Content::text("known"))]),
        None => PromptResult::ask(ask()),
    })
}

async fn resource(context: JobContext, request: ResourceRequest) -> Result<ResourceResult, Failure> {
    Ok(match context.elicited("who") {
        Some(_) => ResourceResult::contents(vec![ResourceContents::text(request.uri, "text/plain", "known")]),
        None => ResourceResult::ask(ask()),
    })
}

async fn model(_: JobContext, _: Box<str>) -> ToolResult<'static> {
    let params = json!({"messages": [], "maxTokens": 9, "tools": [], "includeContext": "thisServer"});
    ToolResult::ask(Ask::new().sample("said", params))
}

fn in_place<'a>(_: &CallContext<'_>, _: Arguments<'a>) -> ToolResult<'a> {
    ToolResult::ask(ask())
}

fn config(limits: Limits) -> ServerConfig {
    let spec = |name: &str| ToolSpec::new(name, "Asks.", json!({"type": "object"}));
    let registry = Registry::new()
        .queued(spec("two"), two_rounds)
        .and_then(|registry| registry.queued(spec("one"), stateless))
        .and_then(|registry| registry.queued(spec("needy").needing("sampling"), stateless))
        .and_then(|registry| registry.queued(spec("model"), model))
        .and_then(|registry| registry.inline(spec("inline"), in_place))
        .and_then(|registry| registry.prompt(PromptSpec::new("p", "Asks."), prompt))
        .and_then(|registry| registry.resource(ResourceSpec::new("app://r", "Asks."), resource))
        .expect("good names");
    ServerConfig { registry, limits, ..ServerConfig::default() }
}

#[test]
fn a_request_goes_on_with_what_the_client_answers() {
    let (server, address) = start_with(config(Limits::default()));
    let capabilities = json!({"elicitation": {}});
    let mut asker = Asker::connect(address, capabilities);
    let arguments = json!({"a": 1});
    let asked = asker.call("two", &json!({"arguments": arguments}));
    let result = &asked["result"];
    assert_eq!((&result["resultType"], &asked["id"]), (&json!("input_required"), &json!(8)));
    assert_eq!(result["inputRequests"]["who"]["method"], "elicitation/create");
    assert_eq!(result["inputRequests"]["who"]["params"]["message"], "Who are you?");
    assert!(result["_meta"]["io.modelcontextprotocol/serverInfo"].is_object());
    let state = result["requestState"].as_str().expect("a state").to_string();
    let inputs = json!({"who": {"action": "accept", "content": {"name": "Ada"}}, "else": 1});
    let retry = json!({"arguments": arguments, "inputResponses": inputs, "requestState": state});
    assert_eq!(text(&asker.call("two", &retry)), "Hello, Ada!");

    let bad = |asker: &mut Asker, change: &dyn Fn(&mut Value), name: &str| {
        let mut retry = retry.clone();
        change(&mut retry);
        let answer = asker.call(name, &retry);
        assert_eq!(answer["error"]["code"], -32_602, "{answer}");
    };
    bad(&mut asker, &|retry| retry["requestState"] = json!(format!("{state}-TAMPERED")), "two");
    bad(&mut asker, &|retry| retry["requestState"] = json!(7), "two");
    bad(&mut asker, &|retry| retry["arguments"] = json!({"a": 2}), "two");
    bad(&mut asker, &|_| (), "one");
    bad(&mut asker, &|retry| retry["inputResponses"] = json!([1]), "two");
    for inputs in [json!(null), json!({}), json!({"who": 12_345}), json!({"who": {"action": "decline"}})] {
        let again =
            asker.call("two", &json!({"arguments": arguments, "inputResponses": inputs, "requestState": state}));
        assert_eq!(again["result"]["resultType"], "input_required", "{inputs}");
    }
    stop(server);
}

#[test]
fn a_state_has_its_time() {
    let (server, address) = start_with(config(Limits { request_state_lifetime_ms: 1_000, ..Limits::default() }));
    let capabilities = json!({"elicitation": {}});
    let mut asker = Asker::connect(address, capabilities);
    let state = asker.call("two", &json!({}))["result"]["requestState"].clone();
    std::thread::sleep(std::time::Duration::from_millis(2_200));
    let late = asker.call("two", &json!({"requestState": state}));
    assert_eq!(late["error"]["code"], -32_602, "{late}");
    stop(server);
}

#[test]
fn only_what_the_client_can_do_is_asked() {
    let (server, address) = start_with(config(Limits::default()));
    let mut asker = Asker::connect(address, json!({}));
    for (method, name, needed) in [
        ("tools/call", "one", "elicitation"),
        ("tools/call", "needy", "sampling"),
        ("prompts/get", "p", "elicitation"),
        ("resources/read", "app://r", "elicitation"),
    ] {
        let answer = asker.ask(method, name, &json!({}));
        assert_eq!((answer.status, answer.code()), (400, -32_021), "{name}");
        assert_eq!(answer.json()["error"]["data"], json!({"requiredCapabilities": {needed: {}}}));
    }
    asker.capabilities = json!({"sampling": {}, "elicitation": {}});
    let needy = asker.call("needy", &json!({}));
    assert_eq!(needy["result"]["resultType"], "input_required");
    assert!(needy["result"].get("requestState").is_none(), "there is nothing to remember");
    let prompt = asker.ask("prompts/get", "p", &json!({})).json();
    assert_eq!(prompt["result"]["resultType"], "input_required");
    let read = asker.ask("resources/read", "app://r", &json!({})).json();
    assert_eq!(read["result"]["resultType"], "input_required");
    assert!(read["result"].get("ttlMs").is_none(), "a question is not to be kept");
    let inputs = json!({"inputResponses": {"who": {"action": "accept", "content": {}}}});
    assert_eq!(text(&asker.call("one", &inputs)), "known");
    let prompt = asker.ask("prompts/get", "p", &inputs).json();
    assert_eq!(prompt["result"]["messages"][0]["content"]["text"], "known");
    let read = asker.ask("resources/read", "app://r", &inputs).json();
    assert_eq!(read["result"]["contents"][0]["text"], "known");
    assert_eq!(asker.call("inline", &json!({}))["error"]["code"], -32_603, "it would not see the answers");
    stop(server);
}

#[test]
fn a_model_is_asked_with_tools_and_context_where_the_client_has_them() {
    let (server, address) = start_with(config(Limits::default()));
    let mut asker = Asker::connect(address, json!({"sampling": {"context": {}}}));
    let refused = asker.ask("tools/call", "model", &json!({}));
    assert_eq!((refused.status, refused.code()), (400, -32_021));
    assert_eq!(refused.json()["error"]["data"], json!({"requiredCapabilities": {"sampling": {"tools": {}}}}));
    for (sampling, context) in
        [(json!({"tools": {}}), json!(null)), (json!({"tools": {}, "context": {}}), json!("thisServer"))]
    {
        asker.capabilities = json!({"sampling": sampling});
        let asked = asker.call("model", &json!({}));
        let params = &asked["result"]["inputRequests"]["said"]["params"];
        assert_eq!((&params["tools"], &params["includeContext"]), (&json!([]), &context));
    }
    stop(server);
}
