//! A file of the corpus.

use std::fs;
use std::path::Path;

use serde::Deserialize;

/// A class of bad input.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Class {
    /// Its number in reliability.md, section B.
    pub(crate) class: u16,
    pub(crate) title: String,
    /// Where it comes from, and where a word is needed, why it is answered as it is.
    #[serde(default)]
    pub(crate) refs: Vec<String>,
    #[serde(default)]
    pub(crate) case: Vec<Case>,
    /// Tests of what one connection cannot show: "path/of/a/file.rs: name_of_the_test".
    #[serde(default)]
    pub(crate) tests: Vec<String>,
    /// What it waits for, where nothing can be tried yet.
    pub(crate) waits_for: Option<String>,
    /// Why it can't be tried on this server at all.
    pub(crate) not_applicable: Option<String>,
}

/// One case: what is sent, and what must come back.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) id: String,
    #[serde(default = "both")]
    pub(crate) eras: Vec<Era>,
    #[serde(default = "all_ways")]
    pub(crate) ways: Vec<Way>,
    /// Limits that are not the default ones: such a case has a server of its own.
    #[serde(default)]
    pub(crate) limits: toml::Table,
    /// Sent to a server that asks for tokens: a good call has one.
    #[serde(default)]
    pub(crate) guarded: bool,
    pub(crate) send: Vec<Piece>,
    /// Each answer: "400", "400!" (the connection ends after it), "501|405" (either); "close": it ends without one.
    pub(crate) answers: Vec<String>,
    /// The JSON-RPC error of the last answer.
    pub(crate) code: Option<i64>,
    /// The same in the older era, where it is another one.
    pub(crate) legacy_code: Option<i64>,
    /// Texts of the last answer.
    #[serde(default)]
    pub(crate) has: Vec<String>,
    /// Texts that no answer may have.
    #[serde(default)]
    pub(crate) lacks: Vec<String>,
    /// How often the tool ran.
    #[serde(default)]
    pub(crate) calls: u32,
    /// The answers have no body: to HEAD.
    #[serde(default)]
    pub(crate) bodiless: bool,
    /// From the last byte sent to the last answer, or to the end.
    #[serde(default = "patience_ms")]
    pub(crate) within_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Era {
    Modern,
    Legacy,
}

/// How a case is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Way {
    Whole,
    /// Byte by byte.
    Bytes,
    /// In one piece with a good request before it.
    Behind,
    /// On a connection that has answered a good request.
    Reused,
}

/// A part of what is sent. In texts, names with a dollar sign stand for something: see [`super::text`].
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub(crate) enum Piece {
    Text(String),
    Hex {
        hex: String,
    },
    Repeat {
        repeat: String,
        times: usize,
    },
    SleepMs {
        sleep_ms: u64,
    },
    /// Goes on when so many more answers have come.
    Await {
        answers: usize,
    },
    /// "fin", "rst".
    End {
        end: End,
    },
    Post {
        post: Post,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum End {
    Fin,
    Rst,
}

/// A good call of `echo`, but for what is said.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Post {
    /// The request line.
    pub(crate) line: Option<String>,
    /// Fields that are left out.
    pub(crate) without: Vec<String>,
    /// Further fields, each with its CRLF.
    pub(crate) fields: String,
    /// The fields that frame the body; else a Content-Length that is right.
    pub(crate) framing: Option<String>,
    /// The body.
    pub(crate) body: Option<Vec<Piece>>,
}

fn both() -> Vec<Era> {
    vec![Era::Modern, Era::Legacy]
}

fn all_ways() -> Vec<Way> {
    vec![Way::Whole, Way::Bytes, Way::Behind, Way::Reused]
}

fn patience_ms() -> u64 {
    180_000
}

/// All classes, by number.
pub(crate) fn classes() -> Vec<Class> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut classes: Vec<Class> = Vec::new();
    for entry in fs::read_dir(&folder).expect("the corpus is there") {
        let path = entry.expect("its folder is readable").path();
        let text = fs::read_to_string(&path).expect("its files are UTF-8");
        classes.push(toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
    }
    classes.sort_by_key(|class| class.class);
    classes
}
