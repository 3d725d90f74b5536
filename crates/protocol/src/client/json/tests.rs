use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn is_json(text: &str) -> bool {
    let mut cursor = Cursor::new(text.as_bytes());
    cursor.skip().is_ok() && cursor.is_at_end()
}

#[test]
fn whatever_serde_takes_is_taken_and_nothing_else() {
    let texts = [
        "{}",
        "[]",
        " { \"a\" : [ 1 , -2.5e+3 , null , true , false ] } ",
        "\"\\u00e4\\n\\\"\"",
        "0",
        "-0",
        "1e5",
        "",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "{\"a\"}",
        "{a:1}",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "+1",
        "nul",
        "tru",
        "\"\\x\"",
        "\"\\u12\"",
        "\"a\nb\"",
        "\"open",
        "[1 2]",
        "{} {}",
        "[[[[]]]]",
        "{\"a\":{\"b\":{}}}",
        "truefalse",
        "\u{feff}{}",
    ];
    for text in texts {
        assert_eq!(is_json(text), serde_json::from_str::<Value>(text).is_ok(), "{text}");
    }
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(is_json(&nested(100)));
    assert!(!is_json(&nested(100_000)));
}

#[test]
fn strings_are_compared_however_they_are_written() {
    let quoted = |text: &'static str| Cursor::new(text.as_bytes()).string().expect("a string");
    assert!(quoted("\"id\"").is("id"));
    assert!(quoted("\"\\u0069d\"").is("id"));
    assert!(!quoted("\"\\\\u0069d\"").is("id"));
    assert!(!quoted("\"ide\"").is("id"));
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 30, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map(any::<String>(), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_value_is_skipped_whole(value in values(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        prop_assert!(is_json(&text.expect("a value can be written")));
    }

    #[test]
    fn a_spoiled_text_is_judged_as_serde_does(value in values(), at in any::<prop::sample::Index>(), with in "[\\[\\]{}:,\"0-9a-z.\\\\ -]") {
        let mut text: Vec<char> = value.to_string().chars().collect();
        let at = at.index(text.len());
        text[at] = with.chars().next().expect("one");
        let text: String = text.into_iter().collect();
        // serde reads numbers and lone surrogates that no value can hold more strictly.
        let strict = serde_json::from_str::<&serde_json::value::RawValue>(text.trim()).is_ok();
        prop_assert_eq!(is_json(&text), strict, "{}", text);
    }
}
