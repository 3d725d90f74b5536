use proptest::prelude::*;

use super::*;

const LIMITS: MessageLimits = MessageLimits { depth_max: 64, id_bytes_max: 256 };

fn read(text: &str) -> Result<Message<'_>, (i64, Option<&str>)> {
    read_message(text.as_bytes(), &LIMITS).map_err(|fault| {
        assert_eq!(fault.status, 400);
        (fault.code, fault.id)
    })
}

#[test]
fn a_request_is_read() {
    let text = r#"{"jsonrpc":"2.0","id":41,"method":"tools/call","params":{"name":"sum","arguments":{"a":2,"b":[3]},"more":1,
        "_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"x":{"id":1}}}}"#;
    let message = read(text).expect("a request");
    assert_eq!(message.id, Some("41"));
    assert!(message.method.is("tools/call"));
    assert!(message.params.name.is_some_and(|name| name.is("sum")));
    assert_eq!(message.params.arguments, Some(r#"{"a":2,"b":[3]}"#));
    assert!(message.params.meta.protocol_version.is_some_and(|version| version.is("2026-07-28")));
    assert!(message.params.meta.has_client_capabilities);
    let notification = read(r#" {"method":"notifications/x","jsonrpc":"2.0"} "#).expect("a notification");
    assert_eq!((notification.id, notification.params), (None, Params::default()));
}

#[test]
fn ids_come_back_as_they_were_written() {
    for id in ["0", "-7", "9007199254740993", "\"a\\u0041\"", "\"\""] {
        let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"x"}}"#);
        assert_eq!(read(&text).map(|message| message.id), Ok(Some(id)));
    }
    for id in ["null", "1.5", "1e3", "true", "{}", "[]", &"1".repeat(257), &format!("\"{}\"", "a".repeat(255))] {
        let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"x"}}"#);
        assert_eq!(read(&text), Err((-32_600, None)), "{id}");
    }
}

#[test]
fn what_is_no_json_is_a_parse_error() {
    let deep =
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"x","params":{{"a":{}{}}}}}"#, "[".repeat(63), "]".repeat(63));
    for text in [
        "",
        " ",
        "{",
        "{}x",
        "{}{}",
        "{}\n{}",
        "\u{feff}{}",
        r#"{"id":NaN}"#,
        r#"{"id":1,}"#,
        r#"{"id":01}"#,
        r#"{"a":"\ud800"}"#,
        &deep,
    ] {
        assert_eq!(read(text), Err((-32_700, None)), "{text}");
    }
    assert!(read(&deep.replacen("[]", "", 1)).is_ok());
    assert_eq!(read_message(b"{\"id\":\"\xff\"}", &LIMITS).map_err(|fault| fault.code), Err(-32_700));
    assert_eq!(read_message(b"\xff\xfe{\0}\0", &LIMITS).map_err(|fault| fault.code), Err(-32_700));
}

#[test]
fn what_is_no_message_is_an_invalid_request() {
    let cases = [
        ("1", None),
        ("null", None),
        ("\"x\"", None),
        ("[]", None),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"x"}]"#, None),
        ("{}", None),
        (r#"{"id":1,"method":"x"}"#, Some("1")),
        (r#"{"jsonrpc":"1.0","id":1,"method":"x"}"#, Some("1")),
        (r#"{"jsonrpc":2.0,"id":1,"method":"x"}"#, Some("1")),
        (r#"{"jsonrpc":"2.0","id":1}"#, Some("1")),
        (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, Some("1")),
        (r#"{"jsonrpc":"2.0","id":1,"method":""}"#, Some("1")),
        (r#"{"jsonrpc":"2.0","id":1,"Method":"x"}"#, Some("1")),
        (r#"{"jsonrpc":"2.0","id":1,"method\u0000":"x"}"#, Some("1")),
        (r#"{"jsonrpc":"2.0","id":1,"method":"x","method":"x"}"#, None),
        (r#"{"jsonrpc":"2.0","id":1,"method":"x","m\u0065thod":"x"}"#, None),
        (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"x"}"#, None),
        (r#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"name":"a","name":"b"}}"#, None),
        (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, Some("1")),
        (r#"{"jsonrpc":"2.0","id":1,"method":"x","result":{}}"#, Some("1")),
        (r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#, Some("1")),
    ];
    for (text, id) in cases {
        assert_eq!(read(text), Err((-32_600, id)), "{text}");
    }
    let meta = r#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"a","io.modelcontextprotocol/protocolVersion":"b"}}}"#;
    assert_eq!(read(meta), Err((-32_600, None)));
}

#[test]
fn params_must_be_an_object() {
    for params in ["[]", "1", "null", "\"x\""] {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"x","params":{params}}}"#);
        assert_eq!(read(&text), Err((-32_602, Some("1"))), "{params}");
    }
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(body in prop::collection::vec(any::<u8>(), 0..200), text in "[{}\\[\\]\":,a-z0-9\\\\]{0,80}") {
        let _ = read_message(&body, &LIMITS);
        let _ = read_message(text.as_bytes(), &LIMITS);
    }

    /// A body that was cut is never taken.
    #[test]
    fn a_part_is_no_message(cut in any::<prop::sample::Index>()) {
        let text = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"a":[1,"x"]}}}"#;
        prop_assert_eq!(read(&text[..cut.index(text.len())]), Err((-32_700, None)));
    }
}
