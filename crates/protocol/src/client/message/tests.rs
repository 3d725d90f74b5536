use super::*;

fn kind(text: &str) -> Result<Kind, NotJsonRpc> {
    read(text.as_bytes()).map(|message| message.kind)
}

#[test]
fn results_errors_and_calls_are_told_apart() {
    assert_eq!(
        read(br#"{"jsonrpc":"2.0","id":41,"result":{"resultType":"complete","content":[]}}"#),
        Ok(Message { id: Id::Number(41), id_at: 22, kind: Kind::Result(Outcome::Complete) })
    );
    assert_eq!(
        kind(r#"{"result":{"a":1,"isError":true},"id":1,"jsonrpc":"2.0"}"#),
        Ok(Kind::Result(Outcome::ToolError))
    );
    assert_eq!(
        read(br#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"no"}}"#),
        Ok(Message {
            id: Id::Absent,
            id_at: 0,
            kind: Kind::Error { code: -32_700, executed: None, retry_after_ms: None }
        })
    );
    let refusal = r#"{"jsonrpc":"2.0","id":1,"error":{"code":53003,"message":"overloaded",
        "data":{"executed":false,"retryAfterMs":740,"scope":"node"}}}"#;
    assert_eq!(kind(refusal), Ok(Kind::Error { code: 53_003, executed: Some(false), retry_after_ms: Some(740) }));
    assert_eq!(kind(r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{}}"#), Ok(Kind::Call));
}

#[test]
fn words_inside_of_strings_and_deeper_values_mean_nothing() {
    let text = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"text":"\"isError\":true,\"id\":2","isError":true}]}}"#;
    assert_eq!(
        read(text.as_bytes()),
        Ok(Message { id: Id::Number(1), id_at: 22, kind: Kind::Result(Outcome::Complete) })
    );
    let text = r#"{"jsonrpc":"2.0","id":1,"result":{"error":{"code":1},"id":3}}"#;
    assert_eq!(
        read(text.as_bytes()),
        Ok(Message { id: Id::Number(1), id_at: 22, kind: Kind::Result(Outcome::Complete) })
    );
    assert_eq!(kind(r#"{"jsonrpc":"2.0","id":1,"result":{"isError":"true"}}"#), Ok(Kind::Result(Outcome::Complete)));
}

#[test]
fn escaped_keys_are_the_same_keys() {
    let text = r#"{"jsonrpc":"2.0","\u0069d":5,"result":{"is\u0045rror":true}}"#;
    assert_eq!(
        read(text.as_bytes()),
        Ok(Message { id: Id::Number(5), id_at: 27, kind: Kind::Result(Outcome::ToolError) })
    );
}

#[test]
fn ids_that_are_no_numbers_of_ours_are_others() {
    for id in ["\"1\"", "-1", "1.0", "1e0", "99999999999999999999", "true", "[]"] {
        let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#);
        assert_eq!(read(text.as_bytes()).map(|message| message.id), Ok(Id::Other), "{id}");
    }
    assert_eq!(read(br#"{"jsonrpc":"2.0","id":null,"result":{}}"#).map(|m| m.id), Ok(Id::Absent));
}

#[test]
fn other_texts_are_no_messages() {
    for text in [
        "",
        "null",
        "[]",
        "{}",
        "<html>",
        r#"{"jsonrpc":"2.0","id":1}"#,
        r#"{"id":1,"result":{}}"#,
        r#"{"jsonrpc":"1.0","id":1,"result":{}}"#,
        r#"{"jsonrpc":2.0,"id":1,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1}}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":{"message":"no code"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"id":1,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{}} x"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{}"#,
        r#"[{"jsonrpc":"2.0","id":1,"result":{}}]"#,
    ] {
        assert_eq!(read(text.as_bytes()), Err(NotJsonRpc), "{text}");
    }
    assert_eq!(read(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"a\":\"\xff\"}}"), Err(NotJsonRpc), "not UTF-8");
}

#[test]
fn the_type_of_a_result_says_whether_it_is_one() {
    let of = |members: &str| kind(&format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{{members}}}}}"#));
    assert_eq!(of(r#""resultType":"input_required","requestState":"x""#), Ok(Kind::Result(Outcome::InputRequired)));
    assert_eq!(of(r#""isError":true,"resultType":"input_\u0072equired""#), Ok(Kind::Result(Outcome::InputRequired)));
    assert_eq!(of(r#""isError":true,"resultType":"complete""#), Ok(Kind::Result(Outcome::ToolError)));
    for other in [r#""task""#, "1", "null"] {
        assert_eq!(of(&format!(r#""resultType":{other}"#)), Ok(Kind::Result(Outcome::OfAnotherType)), "{other}");
    }
    assert_eq!(of(r#""a":{"resultType":"task"}"#), Ok(Kind::Result(Outcome::Complete)));
}
