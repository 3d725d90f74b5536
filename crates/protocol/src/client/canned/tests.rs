use super::*;

fn response_to(request: Value) -> (Question, Value) {
    let (question, text) = response(request.to_string().as_bytes()).expect("it is a request");
    (question, serde_json::from_str(&text).expect("JSON"))
}

fn filled(schema: &Value) -> Value {
    content(schema).expect("there is room")
}

#[test]
fn every_kind_of_question_has_its_answer() {
    let (question, ping) = response_to(json!({"jsonrpc": "2.0", "id": "a", "method": "ping"}));
    assert_eq!((question, ping), (Question::Ping, json!({"jsonrpc": "2.0", "id": "a", "result": {}})));
    let (question, roots) = response_to(json!({"jsonrpc": "2.0", "id": 0, "method": "roots/list"}));
    assert_eq!((question, roots), (Question::Roots, json!({"jsonrpc": "2.0", "id": 0, "result": {"roots": []}})));
    let sample = json!({"jsonrpc": "2.0", "id": 7, "method": "sampling/createMessage",
                        "params": {"messages": [], "maxTokens": 100}});
    let (question, sampled) = response_to(sample);
    let result = &sampled["result"];
    assert_eq!(
        (question, &result["model"], &result["role"]),
        (Question::Sampling, &json!("erlmcp"), &json!("assistant"))
    );
    assert!(result["content"]["type"] == "text" && result["content"]["text"].is_string(), "{result}");
    let (question, refused) = response_to(json!({"jsonrpc": "2.0", "id": 7, "method": "tasks/list"}));
    assert_eq!((question, &refused["error"]["code"]), (Question::Unknown, &json!(-32_601)));
    assert!(refused["error"]["message"].is_string() && refused.get("result").is_none());
}

#[test]
fn what_is_no_request_gets_no_answer() {
    for text in [
        r#"{"jsonrpc":"2.0","method":"notifications/message"}"#,
        r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
        "ping",
    ] {
        assert_eq!(response(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn a_form_is_filled_in_with_defaults_then_choices_then_values_of_the_type() {
    let schema = json!({"type": "object", "properties": {
        "name": {"type": "string", "default": "John Doe"},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive"], "default": "inactive"},
        "first": {"type": "string", "enum": ["opt1", "opt2"], "enumNames": ["One", "Two"]},
        "titled": {"type": "string", "oneOf": [{"const": "v1", "title": "One"}, {"const": "v2", "title": "Two"}]},
        "several": {"type": "array", "minItems": 2, "items": {"type": "string", "enum": ["a", "b", "c"]}},
        "titles": {"type": "array", "items": {"anyOf": [{"const": "x", "title": "X"}, {"const": "y", "title": "Y"}]}},
        "free": {"type": "array", "items": {"type": "integer"}},
        "plain": {"type": "string"},
        "long": {"type": "string", "minLength": 9},
        "short": {"type": "string", "maxLength": 3},
        "mail": {"type": "string", "format": "email"},
        "day": {"type": "string", "format": "date"},
        "is": {"type": "boolean"},
        "isnt": {"type": "boolean", "default": false},
        "count": {"type": "integer"},
        "most": {"type": "integer", "maximum": -3},
        "least": {"type": "integer", "minimum": 17.5},
        "between": {"type": "number", "minimum": 0.25, "maximum": 0.5},
    }, "required": ["plain"]});
    let (question, accepted) = response_to(json!({"jsonrpc": "2.0", "id": 1, "method": "elicitation/create",
        "params": {"message": "?", "requestedSchema": schema}}));
    assert_eq!((question, &accepted["result"]["action"]), (Question::Elicitation, &json!("accept")));
    let expected = json!({"name": "John Doe", "score": 95.5, "status": "inactive", "first": "opt1", "titled": "v1",
        "several": ["a", "b"], "titles": ["x"], "free": [1], "plain": "erlmcp", "long": "erlmcpxxx", "short": "erl",
        "mail": "user@example.com", "day": "2026-07-28", "is": true, "isnt": false, "count": 1, "most": -3, "least": 18,
        "between": 0.25});
    assert_eq!(accepted["result"]["content"], expected);
}

#[test]
fn no_schema_makes_a_value_without_end() {
    let long = filled(&json!({"properties": {"a": {"type": "string", "minLength": u64::MAX}}}));
    assert_eq!(long["a"].as_str().map(str::len), Some(64 * 1024));
    for schema in [json!(null), json!([]), json!({"properties": 3}), json!({"properties": {"a": 3}})] {
        assert!(filled(&schema).is_object(), "{schema}");
    }
}

#[test]
fn a_form_that_wants_more_than_there_is_room_for_is_declined() {
    let long = |count: usize| {
        let properties: Map<_, _> =
            (0..count).map(|at| (format!("p{at}"), json!({"type": "string", "minLength": 65_536}))).collect();
        json!({"method": "elicitation/create", "params": {"requestedSchema": {"properties": properties}}})
    };
    let asked = |forms: &[Value]| {
        let forms: Map<_, _> = forms.iter().enumerate().map(|(at, form)| (at.to_string(), form.clone())).collect();
        json!({"result": {"inputRequests": forms}}).to_string()
    };
    let round = |forms: &[Value]| round(asked(forms).as_bytes()).expect("each has an answer");
    assert!(round(&[long(1)]).len() > 65_536);
    assert_eq!(round(&[long(2)]), round(&[long(1_500)]));
    assert_eq!(round(&[long(1_500)]), r#""inputResponses":{"0":{"action":"decline"}}"#);
    let many = round(&vec![long(1); 1_000]);
    assert!(many.len() < 2 * 65_536 && many.ends_with(r#"{"action":"decline"}}"#), "{} bytes", many.len());
}

#[test]
fn a_page_to_be_visited_is_refused() {
    let params = json!({"mode": "url", "message": "?", "url": "https://example.com/", "elicitationId": "1"});
    let (_, refused) =
        response_to(json!({"jsonrpc": "2.0", "id": 1, "method": "elicitation/create", "params": params}));
    assert_eq!(refused["error"]["code"], -32_602);
}

#[test]
fn a_sampling_with_tools_is_refused_since_none_were_declared() {
    for more in [json!({"tools": []}), json!({"toolChoice": {"mode": "auto"}})] {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": "sampling/createMessage", "params": more});
        let (question, refused) = response_to(request.clone());
        assert_eq!((question, &refused["error"]["code"]), (Question::Sampling, &json!(-32_602)));
        assert_eq!(round(json!({"result": {"inputRequests": {"a": request}}}).to_string().as_bytes()), None);
    }
}

#[test]
fn a_round_answers_each_question_and_echoes_the_state() {
    let asked = r#"{"jsonrpc":"2.0","id":7,"result":{"resultType":"input_required","requestState":"v1.\"k\"","inputRequests":
        {"who":{"method":"elicitation/create","params":{"message":"?","requestedSchema":{"type":"object",
        "properties":{"n":{"type":"string"}}}}},"where":{"method":"roots/list"}}}}"#;
    let expected = r#""inputResponses":{"where":{"roots":[]},"who":{"action":"accept","content":{"n":"erlmcp"}}},"requestState":"v1.\"k\"""#;
    assert_eq!(round(asked.as_bytes()).as_deref(), Some(expected));
    let only = |rest: &str| round(format!(r#"{{"jsonrpc":"2.0","id":7,"result":{{{rest}}}}}"#).as_bytes());
    assert_eq!(only(r#""requestState":"s""#).as_deref(), Some(r#""requestState":"s""#), "come back later");
    assert_eq!(
        only(r#""inputRequests":{}"#).as_deref(),
        Some(r#""inputResponses":{}"#),
        "without a state none is sent"
    );
    assert_eq!(only(r#""inputRequests":{"a":{"method":"tasks/list"}}"#), None, "nobody can answer that");
    assert_eq!(only(r#""requestState":5"#), None);
    assert_eq!(only(r#""content":[]"#), None);
}
