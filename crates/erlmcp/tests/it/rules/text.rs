//! What may stand in which file.

use std::collections::BTreeSet;

use super::source::{SourceFile, tree};

/// A text that only some files may contain.
struct Rule {
    texts: &'static [&'static str],
    /// Where it may stand.
    allowed: fn(&SourceFile) -> bool,
    why: &'static str,
}

const RULES: [Rule; 7] = [
    Rule {
        texts: &["Instant::now", "SystemTime::now", "clock_gettime", "Zoned::now", "Timestamp::now"],
        allowed: |file| file.path.ends_with("/clock.rs"),
        why: "time is read only in each crate's clock.rs, so that everything else can be driven by a test's clock",
    },
    Rule {
        texts: &["Command::new"],
        allowed: |file| {
            ["crates/server/src/cluster/", "crates/orchestrator/src/fleet/", "crates/orchestrator/src/driver/"]
                .iter()
                .any(|folder| file.path.starts_with(folder))
                || file.path.ends_with("/build.rs")
        },
        why: "child processes are started only by the supervisor, the fleet and the cluster drivers",
    },
    Rule {
        texts: &["println!", "print!(", "process::exit", "stdout()", "stderr()"],
        allowed: |file| file.krate() == "erlmcp" || file.path.ends_with("/build.rs"),
        why: "only the binary prints and exits",
    },
    Rule {
        texts: &["unbounded_channel", "mpsc::channel()", "channel::unbounded"],
        allowed: |_| false,
        why: "every channel has a bound",
    },
    Rule {
        texts: &["clap::", "std::env::args"],
        allowed: |file| file.krate() == "erlmcp",
        why: "only the binary knows flags",
    },
    Rule {
        texts: &["unsafe {", "unsafe fn", "unsafe impl"],
        allowed: |_| false,
        why: "unsafe is forbidden until a measurement demands it",
    },
    Rule {
        texts: &["TcpStream::connect", "TcpSocket::new", "socket.connect("],
        allowed: |file| {
            file.krate() != "load" || ["/allowed.rs", "/net/socket.rs"].iter().any(|name| file.path.ends_with(name))
        },
        why: "load connects only where it is allowed to, which is asked at each connect",
    },
];

fn broken(files: &[SourceFile]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| !file.is_test()) {
        for rule in RULES.iter().filter(|rule| !(rule.allowed)(file)) {
            for (line, code) in file.code() {
                if let Some(text) = rule.texts.iter().find(|text| code.contains(*text)) {
                    found.push(format!("{}:{line}: {text}: {}", file.path, rule.why));
                }
            }
        }
    }
    found
}

#[test]
fn texts_stand_only_where_they_may() {
    let found = broken(&tree());
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_text_in_the_wrong_file_is_found() {
    let files = [
        SourceFile::new("crates/load/src/pace.rs", "fn now() -> Instant {\n    Instant::now()\n}\n"),
        SourceFile::new("crates/load/src/clock.rs", "fn now() -> Instant {\n    Instant::now()\n}\n"),
        SourceFile::new("crates/report/src/render.rs", "fn show() {\n    println!(\"hello\"); // println!\n}\n"),
        SourceFile::new("crates/report/src/comment.rs", "// Instant::now\n#[cfg(test)]\nmod tests { Instant::now }\n"),
        SourceFile::new("crates/load/src/near.rs", "#[cfg(test)]\nmod tests;\nfn f(){Instant::now()}\n"),
        SourceFile::new(
            "crates/load/src/within.rs",
            "impl A {\n    #[cfg(test)]\n    fn f() {\n        Instant::now()\n    }\n}\n\
             #[cfg(test)]\nmod tests {\n    use a::{b, c};\n    Instant::now()\n}\nfn f() { Instant::now() }\n",
        ),
    ];
    let found = broken(&files);
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(found[0].starts_with("crates/load/src/pace.rs:2: Instant::now"), "{found:?}");
    assert!(found[1].starts_with("crates/report/src/render.rs:2: println!"), "{found:?}");
    assert!(found[2].starts_with("crates/load/src/near.rs:3: Instant::now"), "{found:?}");
    assert!(found[3].starts_with("crates/load/src/within.rs:12: Instant::now"), "{found:?}");
}

/// What renderers share, and what names them.
const NO_RENDERERS: [&str; 3] = ["mod", "prose", "tables"];

/// The renderer, or what they share, that a file is a part of.
fn renderer(file: &SourceFile) -> Option<&str> {
    let first = file.path.strip_prefix("crates/report/src/render/")?.split('/').next()?;
    Some(first.trim_end_matches(".rs"))
}

/// Renderers show the one view model; where does one of them call another?
fn read_each_other(files: &[SourceFile]) -> Vec<String> {
    let views: BTreeSet<&str> = files.iter().filter_map(renderer).filter(|name| !NO_RENDERERS.contains(name)).collect();
    let mut found = Vec::new();
    for file in files {
        let Some(own) = renderer(file).filter(|own| *own != "mod") else { continue };
        for (line, code) in file.code() {
            let paths = code.split(|letter: char| !letter.is_alphanumeric() && !"_:".contains(letter));
            let read = paths.flat_map(|path| path.rsplit("::").skip(1)).filter(|name| views.contains(name));
            found.extend(read.filter(|name| *name != own).map(|name| format!("{}:{line}: reads {name}", file.path)));
        }
    }
    found
}

#[test]
fn renderers_do_not_read_each_other() {
    let files = tree();
    assert!(files.iter().any(|file| renderer(file) == Some("markdown")), "they are elsewhere");
    assert_eq!(read_each_other(&files), Vec::<String>::new());
}

#[test]
fn a_renderer_that_reads_another_one_is_found() {
    let file = |name: &str, text: &str| SourceFile::new(&format!("crates/report/src/render/{name}.rs"), text);
    let files = [
        file("csv", "use super::tables::row;\nfn f() { csv::f(); serde_json::f() }\n"),
        file("github", "use super::csv::f; // json::f\n"),
        file("html/run", "use super::html::head;\nfn f() { crate::render::github::f() }\n"),
        file("json", ""),
        file("mod", "pub use csv::f;\n"),
        file("tables", "use super::{csv, json::f};\n"),
    ];
    let found = ["github.rs:1: reads csv", "html/run.rs:2: reads github", "tables.rs:1: reads json"];
    assert_eq!(read_each_other(&files), found.map(|found| format!("crates/report/src/render/{found}")));
}
