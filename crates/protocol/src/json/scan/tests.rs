use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn scan(text: &str) -> Result<&str, JsonError> {
    whole(Scanner::new(text, 8))
}

fn scan_leniently(text: &str) -> Result<&str, JsonError> {
    whole(Scanner::lenient(text, 8))
}

fn whole(mut scanner: Scanner<'_>) -> Result<&str, JsonError> {
    let value = scanner.value()?;
    scanner.end()?;
    Ok(value)
}

#[test]
fn values_are_given_as_written() {
    for text in ["0", "-0", "1e400", "-1.5E+3", "\"a\\u00e4\\ud83d\\ude00\"", "[ ]", "{ \"a\" : [1, {}] }", "null"] {
        assert_eq!(scan(&format!(" {text}\n")), Ok(text));
    }
}

#[test]
fn what_is_no_json_is_refused() {
    let bad = [
        "",
        " ",
        "01",
        "1.",
        ".5",
        "+1",
        "1e",
        "NaN",
        "nul",
        "tru e",
        "'a'",
        "\"",
        "\"\u{1}\"",
        "\"\\x\"",
        "\"\\ud800\"",
        "\"\\udc00\\ud800\"",
        "\"\\ud800\\u0041\"",
        "\"\\u12g4\"",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[",
        "{\"a\"}",
        "{\"a\":1,}",
        "{a:1}",
        "{\"a\":1 \"b\":2}",
        "{}x",
        "{}{}",
        "\u{feff}{}",
        "/**/1",
        "]",
        "1 1",
    ];
    for text in bad {
        assert_eq!(scan(text), Err(JsonError::Syntax), "{text}");
    }
}

#[test]
fn depth_is_bounded() {
    let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    assert!(scan(&nested(8)).is_ok());
    assert_eq!(scan(&nested(9)), Err(JsonError::TooDeep));
    assert_eq!(scan(&"{\"a\":".repeat(100_000)), Err(JsonError::TooDeep));
    assert!(scan("[[],[],[[[[]]]],{\"a\":{}}]").is_ok());
}

#[test]
fn keys_are_compared_by_what_they_say() {
    let mut seen = Vec::new();
    let text = r#"{"a":1,"\u0061b":"x","c\u0000":null}"#;
    let members = Scanner::new(text, 1).object(|scanner, key| {
        seen.push((key.decode().into_owned(), key.is("ab"), scanner.value()?));
        Ok(())
    });
    assert_eq!(members, Ok(()));
    assert_eq!(seen[0], ("a".to_string(), false, "1"));
    assert_eq!(seen[1], ("ab".to_string(), true, "\"x\""));
    assert_eq!(seen[2], ("c\0".to_string(), false, "null"));
}

#[test]
fn lone_surrogates_are_taken_by_who_asks_for_it_and_equal_to_nothing() {
    for text in [r#""\ud800""#, r#""\udc00\ud800""#, r#""a\ud800\u0041""#] {
        assert_eq!((scan(text), scan_leniently(text)), (Err(JsonError::Syntax), Ok(text)));
        let alone = Scanner::lenient(text, 0).string().expect("a string");
        assert!(!alone.is("") && !alone.is("a") && !alone.is("\u{fffd}"), "{text}");
    }
    assert_eq!(scan_leniently(r#""\ud80""#), Err(JsonError::Syntax));
}

#[test]
fn the_plain_part_of_a_string_ends_at_the_first_of_its_stops() {
    for length in 0..40 {
        let plain: Vec<u8> =
            (0..length).map(|at| [b'a', 0x20, 0x7f, 0x80, 0xff, b'!', b'#', b'['][at * 5 % 8]).collect();
        assert_eq!(plain_end(&plain, 0), length);
        for stop in (0..0x20).chain([b'"', b'\\']) {
            let text = [&plain[..], &[stop, b'"', 0, b'\\', 0xff, stop, b'x']].concat();
            assert_eq!(plain_end(&text, 0), length, "{stop:#x} after {length}");
        }
    }
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
    /// Whatever is taken, serde_json takes too; and what serde_json writes is taken.
    #[test]
    fn it_agrees_with_serde_json(text in "[\\[\\]{}:,\"\\\\a0-9eE.+\\-u \ntruefalsn]{0,24}") {
        // A raw value, since no value has numbers out of f64's range.
        let is_json = serde_json::from_str::<&serde_json::value::RawValue>(text.trim()).is_ok();
        match scan(&text) {
            Ok(raw) => prop_assert!(is_json && raw == text.trim(), "{text}"),
            Err(JsonError::Syntax) => prop_assert!(!is_json, "{text}"),
            Err(JsonError::TooDeep) => prop_assert!(text.matches(['[', '{']).count() > 8, "{text}"),
        }
    }

    #[test]
    fn every_string_survives(value in any::<String>()) {
        let written = serde_json::to_string(&value).expect("strings are JSON");
        let mut scanner = Scanner::new(&written, 0);
        let text = scanner.string().expect("a string");
        prop_assert!(text.is(&value));
        prop_assert_eq!(text.decode(), value.as_str());
    }

    #[test]
    fn any_value_is_skipped_whole(value in values(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        prop_assert!(scan(&text.expect("a value can be written")).is_ok());
    }

    #[test]
    fn a_spoiled_text_is_judged_as_serde_does(value in values(), at in any::<prop::sample::Index>(), with in "[\\[\\]{}:,\"0-9a-z.\\\\ -]") {
        let mut text: Vec<char> = value.to_string().chars().collect();
        let at = at.index(text.len());
        text[at] = with.chars().next().expect("one");
        let text: String = text.into_iter().collect();
        // A raw value may hold numbers and lone surrogates that no value can.
        let strict = serde_json::from_str::<&serde_json::value::RawValue>(text.trim()).is_ok();
        prop_assert_eq!(scan_leniently(&text).is_ok(), strict, "{}", text);
    }
}
