//! docs/report.schema.json against reports of every kind of run. The schema lets later keys be; here it is taken as closed, so
//! that a new key is published with the change that brings it.

use erlmcp_record::{Entry, Fate, JournalWriter, RECORD_VERSION};
use erlmcp_report::{Analysis, render};
use serde_json::{Value, json};

use crate::story::{Story, analysis};

const SCHEMA: &str = include_str!("../../../../docs/report.schema.json");
/// One line of every kind of row, as the record's own tests have it.
const EVERY_ROW: &str = include_str!("../../../record/tests/it/golden.jsonl");
/// The words of JSON Schema that are checked here.
const WORDS: [&str; 15] = [
    "$schema",
    "title",
    "description",
    "$defs",
    "$ref",
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "prefixItems",
    "enum",
    "const",
    "minimum",
    "anyOf",
];

fn schema() -> Value {
    serde_json::from_str(SCHEMA).expect("docs/report.schema.json is JSON")
}

fn report(rows: &[Entry]) -> Value {
    serde_json::from_str(&render::json(&analysis(rows).summary())).expect("a report is JSON")
}

fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other} is no type of JSON"),
    }
}

/// What is wrong with a value, each with its place.
fn wrong(root: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let words = schema.as_object().expect("a schema is an object");
    let mut found = Vec::new();
    for (word, says) in words {
        assert!(word == "oneOf" || WORDS.contains(&word.as_str()), "{word} is not checked by this test");
        found.extend(match word.as_str() {
            "$ref" => {
                let name = says.as_str().and_then(|name| name.strip_prefix('#')).expect("a place in this schema");
                wrong(root, root.pointer(name).expect("it is defined"), value, at)
            }
            "type" => kind(says, value, at),
            "enum" if !says.as_array().expect("a list").contains(value) => {
                vec![format!("{at}: {value} is none of {says}")]
            }
            "const" if says != value => vec![format!("{at}: {value} is not {says}")],
            "minimum" if value.is_number() && value.as_f64() < says.as_f64() => {
                vec![format!("{at}: {value} is under {says}")]
            }
            "anyOf" | "oneOf" => choice(root, says, value, at, word == "oneOf"),
            "items" => each(value, |nth, one| wrong(root, says, one, &format!("{at}/{nth}"))),
            "prefixItems" => each(value, |nth, one| match says.get(nth) {
                Some(schema) => wrong(root, schema, one, &format!("{at}/{nth}")),
                None => vec![format!("{at}/{nth} is one too many")],
            }),
            "required" => missing(says, value, at),
            _ => Vec::new(),
        });
    }
    found.extend(keys(root, schema, value, at));
    found
}

fn kind(says: &Value, value: &Value, at: &str) -> Vec<String> {
    let kinds: Vec<&str> = match says {
        Value::String(kind) => vec![kind],
        kinds => kinds.as_array().expect("types").iter().filter_map(Value::as_str).collect(),
    };
    let fits = kinds.iter().any(|kind| is_of(value, kind));
    if fits { Vec::new() } else { vec![format!("{at}: {value} is no {}", kinds.join(" or "))] }
}

fn choice(root: &Value, says: &Value, value: &Value, at: &str, is_exact: bool) -> Vec<String> {
    let all = says.as_array().expect("a list");
    let fit = all.iter().filter(|one| wrong(root, one, value, at).is_empty()).count();
    let fits = if is_exact { fit == 1 } else { fit > 0 };
    if fits { Vec::new() } else { vec![format!("{at}: {value} fits {fit} of what it may be")] }
}

fn each(value: &Value, of: impl Fn(usize, &Value) -> Vec<String>) -> Vec<String> {
    value.as_array().into_iter().flatten().enumerate().flat_map(|(nth, one)| of(nth, one)).collect()
}

fn missing(says: &Value, value: &Value, at: &str) -> Vec<String> {
    let Some(object) = value.as_object() else { return Vec::new() };
    let names = says.as_array().expect("a list").iter().filter_map(Value::as_str);
    names.filter(|name| !object.contains_key(*name)).map(|name| format!("{at} has no {name}")).collect()
}

fn keys(root: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let (named, others) = (schema.get("properties"), schema.get("additionalProperties"));
    let Some(object) = value.as_object().filter(|_| named.is_some() || others.is_some()) else { return Vec::new() };
    let of = |(key, one): (&String, &Value)| {
        let place = format!("{at}/{key}");
        match named.and_then(|named| named.get(key)).or(others) {
            Some(schema) => wrong(root, schema, one, &place),
            None => vec![format!("{place} is not in docs/report.schema.json: describe it there")],
        }
    };
    object.iter().flat_map(of).collect()
}

fn check(rows: &[Entry]) -> Value {
    let (schema, report) = (schema(), report(rows));
    assert_eq!(wrong(&schema, &schema, &report, ""), [""; 0]);
    report
}

fn rows_of(text: &str) -> Vec<Entry> {
    text.lines().map(|line| serde_json::from_str(line).expect("a row")).collect()
}

/// One row of every kind.
pub(crate) fn every_row() -> Vec<Entry> {
    rows_of(EVERY_ROW)
}

#[test]
fn reports_of_every_kind_of_run_fit_the_schema() {
    check(&Story::short().rows());
    check(&Story::comprehensive(|_| {}).rows());
    let mut foreign = Story::short().with_load(|_, load| {
        load.ok -= 12;
        load.others.extend([(Fate::HttpError, 12)]);
    });
    foreign.is_foreign = true;
    foreign.config.asserts = Some("p95<1ms".into());
    check(&foreign.rows());
    let mut cut = Story::short().rows();
    cut.truncate(cut.len() / 2);
    assert_eq!(check(&cut)["finish"], "unfinished");
    check(&[]);
    let every = check(&every_row());
    assert!(every["capacity"]["trials"].as_array().is_some_and(|trials| !trials.is_empty()), "{every}");
}

#[test]
fn older_records_are_still_read() {
    for version in 1..=RECORD_VERSION {
        let mut rows = Story::short().rows();
        let Some(Entry::Run(header)) = rows.first_mut() else { panic!("the first row is of the run") };
        header.record_version = version;
        let folder = tempfile::tempdir().expect("a folder");
        let mut journal = JournalWriter::create(folder.path()).expect("a journal");
        rows.iter().for_each(|row| journal.append(row).expect("written"));
        journal.flush().expect("written");
        let read = Analysis::from_folder(folder.path()).expect("an older record");
        let summary: Value = serde_json::from_str(&render::json(&read.summary())).expect("JSON");
        assert_eq!((&summary["run"]["record_version"], &summary), (&json!(version), &check(&rows)));
    }
}

#[test]
fn what_is_no_report_does_not_fit() {
    let (schema, good) = (schema(), report(&Story::short().rows()));
    let changes: [(&str, Value); 6] = [
        ("/report_version", json!(2)),
        ("/checks/0/verdict", json!("passed")),
        ("/checks/0/estimate", json!("5 ms")),
        ("/finish", json!({"aborted": {}})),
        ("/numbers/0/figures/0/value", json!({"count": 1, "ms": 2.0})),
        ("/ledger/0/fates", json!({"lost": 1})),
    ];
    for (place, value) in changes {
        let mut bad = good.clone();
        *bad.pointer_mut(place).expect("it is there") = value;
        let found = wrong(&schema, &schema, &bad, "");
        assert!(found.iter().any(|wrong| wrong.starts_with(place)), "{place}: {found:?}");
    }
    let mut less = good;
    less.as_object_mut().expect("an object").remove("checks");
    assert_eq!(wrong(&schema, &schema, &less, ""), [" has no checks"]);
}
