//! Tools whose arguments, answers and questions are types.

use erlmcp_server::tools::{JobContext, Json, NoArguments, Tool, ToolError};
use erlmcp_server::{Registry, ServerConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::asker::{Asker, text};
use crate::asking::{message, respond, session};
use crate::client::{Client, Texts, start_with, stop};

#[derive(Deserialize, JsonSchema)]
struct Route {
    /// Where it goes.
    stops: Vec<Stop>,
}

#[derive(Deserialize, JsonSchema)]
struct Stop {
    town: String,
    #[serde(default)]
    nights: u8,
}

#[derive(Serialize, JsonSchema)]
struct Length {
    nights: u32,
}

fn length(route: Route) -> Result<Json<Length>, ToolError> {
    if let Some(stop) = route.stops.iter().find(|stop| stop.town.is_empty()) {
        return Err(ToolError::new(format!("a town without a name, {} nights", stop.nights)));
    }
    Ok(Json(Length { nights: route.stops.iter().map(|stop| u32::from(stop.nights)).sum() }))
}

#[derive(Deserialize, JsonSchema)]
struct Name {
    name: String,
}

#[derive(Deserialize, JsonSchema)]
struct Seat {
    row: u8,
    window: Option<bool>,
}

async fn book(context: JobContext, _: NoArguments) -> Result<String, ToolError> {
    let Some(Name { name }) = context.ask("name", "Who are you?")? else {
        return Ok("Nobody travels.".to_string());
    };
    let Some(seat) = context.ask::<Seat>("seat", &format!("Where does {name} sit?"))? else {
        return Ok(format!("{name} stands."));
    };
    let side = if seat.window == Some(true) { "at the window" } else { "somewhere" };
    Ok(format!("{name} sits in row {} {side}.", seat.row))
}

#[derive(Deserialize, JsonSchema)]
struct Nested {
    #[expect(dead_code, reason = "it is never filled in")]
    stops: Vec<Stop>,
}

async fn unaskable(context: JobContext, _: NoArguments) -> Result<&'static str, ToolError> {
    context.ask::<Nested>("x", "?")?;
    Ok("asked")
}

fn config() -> ServerConfig {
    let registry = Registry::new()
        .tool(Tool::inline("length", "Counts nights.", length))
        .and_then(|registry| registry.tool(Tool::queued("book", "Books a seat.", book).needing("elicitation")))
        .and_then(|registry| registry.tool(Tool::queued("unaskable", "Asks too much.", unaskable)));
    ServerConfig { registry: registry.expect("good tools"), ..ServerConfig::default() }
}

#[test]
fn schemas_are_listed_as_the_types_have_them() {
    let (server, address) = start_with(config());
    let listed = Client::connect(address).ask(Texts(address).request("tools/list", "")).json();
    let tool = &listed["result"]["tools"][0];
    let stops = &tool["inputSchema"]["properties"]["stops"];
    assert_eq!((&stops["description"], &stops["items"]), (&json!("Where it goes."), &json!({"$ref": "#/$defs/Stop"})));
    assert_eq!(tool["inputSchema"]["$defs"]["Stop"]["required"], json!(["town"]));
    assert_eq!(tool["outputSchema"]["required"], json!(["nights"]));
    let book = &listed["result"]["tools"][1];
    assert_eq!((&book["inputSchema"]["type"], book.get("outputSchema")), (&json!("object"), None), "{book}");
    stop(server);
}

#[test]
fn arguments_that_do_not_fit_are_told_by_their_path() {
    let (server, address) = start_with(config());
    let mut asker = Asker::connect(address, json!({}));
    let mut call = |arguments: Value| asker.call("length", &json!({"arguments": arguments}))["result"].clone();
    let good = call(json!({"stops": [{"town": "a", "nights": 2}, {"town": "b"}]}));
    assert_eq!(good["structuredContent"], json!({"nights": 2}));
    assert_eq!((&good["content"][0]["text"], good.get("isError")), (&json!("{\"nights\":2}"), None));
    for (arguments, why) in [
        (json!({}), "Bad arguments: missing field `stops`."),
        (
            json!({"stops": [{"town": "a"}, {"town": "b", "nights": 700}]}),
            "Bad arguments: stops[1].nights: invalid value: integer `700`, expected u8.",
        ),
        (json!({"stops": [{"town": "", "nights": 3}]}), "a town without a name, 3 nights"),
    ] {
        let bad = call(arguments);
        assert_eq!((&bad["isError"], &bad["content"][0]["text"]), (&json!(true), &json!(why)));
    }
    stop(server);
}

/// The retry of a call that was asked something.
fn retry(asked: &Value, key: &str, answer: &Value) -> Value {
    assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
    assert!(asked["result"]["inputRequests"][key].is_object(), "{asked}");
    let mut retry = json!({"inputResponses": {key: answer}});
    if let Some(state) = asked["result"].get("requestState") {
        retry["requestState"] = state.clone();
    }
    retry
}

#[test]
fn questions_are_answered_one_after_the_other() {
    let (server, address) = start_with(config());
    let mut asker = Asker::connect(address, json!({"elicitation": {}}));
    let accept = |content: Value| json!({"action": "accept", "content": content});
    let first = asker.call("book", &json!({}));
    let question = &first["result"]["inputRequests"]["name"]["params"];
    let form = json!({"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]});
    assert_eq!((&question["message"], &question["requestedSchema"]), (&json!("Who are you?"), &form));
    let second = asker.call("book", &retry(&first, "name", &accept(json!({"name": "Ada"}))));
    let question = &second["result"]["inputRequests"]["seat"]["params"];
    assert_eq!(question["message"], "Where does Ada sit?", "{second}");
    assert_eq!(question["requestedSchema"]["properties"]["window"], json!({"type": "boolean"}));
    let answered = retry(&second, "seat", &accept(json!({"row": 7, "window": true})));
    assert_eq!(text(&asker.call("book", &answered)), "Ada sits in row 7 at the window.");

    assert_eq!(text(&asker.call("book", &retry(&second, "seat", &json!({"action": "cancel"})))), "Ada stands.");
    assert_eq!(text(&asker.call("book", &retry(&first, "name", &json!({"action": "decline"})))), "Nobody travels.");
    let again = asker.call("book", &retry(&second, "seat", &json!(7)));
    assert!(again["result"]["inputRequests"]["seat"].is_object(), "that was no answer: {again}");
    let wrong = asker.call("book", &retry(&second, "seat", &accept(json!({"row": "first"}))));
    assert_eq!(wrong["result"]["isError"], true);
    assert!(text(&wrong).starts_with("Bad answer to \"seat\": row: invalid type"), "{wrong}");
    let empty = asker.call("book", &retry(&first, "name", &json!({"action": "accept"})));
    assert_eq!(text(&empty), "Bad answer to \"name\": missing field `name`.");
    stop(server);
}

#[test]
fn questions_are_asked_within_the_call_of_an_older_session() {
    let (server, address) = start_with(config());
    let (mut client, headers) = session(address, &json!({"elicitation": {}}));
    let call = json!({"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": "book"}});
    client.send(Texts(address).post(&headers, &call.to_string()));
    client.head();
    for (question, content) in [("Who are you?", json!({"name": "Ada"})), ("Where does Ada sit?", json!({"row": 7}))] {
        let asked = message(&mut client);
        assert_eq!(asked["params"]["message"], question, "{asked}");
        let result = json!({"action": "accept", "content": content});
        let answer = json!({"jsonrpc": "2.0", "id": asked["id"], "result": result});
        assert_eq!(respond(address, &headers, &answer).status, 202);
    }
    let done = message(&mut client);
    assert_eq!(done["result"]["content"][0]["text"], "Ada sits in row 7 somewhere.", "{done}");
    stop(server);
}

#[test]
fn what_no_form_can_ask_is_an_error_of_the_tool() {
    let (server, address) = start_with(config());
    let failed = Asker::connect(address, json!({"elicitation": {}})).call("unaskable", &json!({}));
    assert_eq!(failed["result"]["isError"], true, "{failed}");
    assert!(text(&failed).contains("\"stops\""), "{failed}");
    stop(server);
}
