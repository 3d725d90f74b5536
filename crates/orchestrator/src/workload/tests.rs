use erlmcp_load::proto::{Missing, Reached, Request, Tool};
use erlmcp_record::ClassLimit;

use super::*;
use crate::config::tests::plain;

fn parsed(text: &str) -> Result<Workload, String> {
    parse::parse("w.toml", text, None)
}

fn good(text: &str) -> Workload {
    parsed(text).expect("a workload")
}

fn wrong(text: &str) -> String {
    parsed(text).expect_err("it is wrong")
}

const ECHO: &str = r#"
[values]
word = { one_of = ["a", "b"] }
size = { letters = [1, 9] }
[[request]]
weight = 3
tool = "echo"
arguments = { text = "say ${word}", pad = "${size}", deep = { list = ["${word}", 1, true] } }
expect = ["p99<50ms", "errors<1%"]
[[request]]
method = "tools/list"
"#;

/// A target with these tools.
fn with_tools(names: &[&str]) -> Reached {
    let tools = names.iter().map(|name| Tool { name: (*name).into(), ..Tool::default() }).collect();
    Reached { tools, ..Reached::default() }
}

#[test]
fn a_mix_has_its_shares_and_limits() {
    let workload = good(ECHO);
    let row = workload.row(100);
    assert_eq!(row.name, "w.toml");
    let classes: Vec<(&str, f64, usize)> =
        row.classes.iter().map(|class| (class.name.as_str(), class.share, class.limits.len())).collect();
    assert_eq!(classes, [("tools/call echo", 0.75, 2), ("tools/list", 0.25, 0)]);
    assert_eq!(row.classes[0].limits[0], ClassLimit::Latency { percent: 99.0, limit_ms: 50.0 });
    assert_eq!(workload.natural_rate(100), None, "it takes no time, so any rate will do");
}

#[test]
fn arguments_have_gaps_where_values_are_named() {
    let compiled = good(ECHO).compile(&Request::default(), &with_tools(&["echo"])).expect("compiled");
    let told = compiled.told(1, 0);
    let arguments = &told.steps[0].request.as_ref().expect("a request").arguments;
    let (size, word) = (erlmcp_load::gaps::gap(0, true), erlmcp_load::gaps::gap(1, false));
    let whole_word = erlmcp_load::gaps::gap(1, true);
    assert_eq!(
        arguments,
        &format!(r#"{{"deep":{{"list":["{whole_word}",1,true]}},"pad":"{size}","text":"say {word}"}}"#)
    );
    assert_eq!(told.values.len(), 2);
}

#[test]
fn a_workload_that_no_agent_can_be_told_is_refused() {
    let size = |times: u32| {
        let pad = "x".repeat(60_000);
        let text = format!("[[request]]\ntool = \"echo\"\narguments = {{ pad = \"{pad}\" }}\ntimes = {times}\n");
        let compiled = good(&text).compile(&Request::default(), &with_tools(&["echo"])).expect("compiled");
        compiled.check_size(2)
    };
    assert_eq!(size(100), Ok(()));
    let error = size(1_000).expect_err("60 MB of arguments");
    assert!(error.exit_code() == 2 && error.to_string().contains("shorter arguments"), "{error}");
}

#[test]
fn sessions_give_the_rate_and_overlap_is_refused() {
    let text = r#"
[[session]]
steps = [{ method = "tools/list" }, { tool = "echo", think = "1s..3s", times = 4 }]
rest = "2s"
"#;
    let workload = good(text);
    assert_eq!(workload.mean_steps(), 5.0);
    assert_eq!(workload.mean_cycle(), Duration::from_secs(10));
    let config = plain().with_workload(workload.clone());
    assert_eq!(config.rate, Some(config.connections() as f64 / 2.0));
    assert_eq!(config.check().map_err(|error| error.to_string()), Ok(()));
    let config = StressConfig { connections: Some(100), rate: Some(51.0), ..plain() }.with_workload(workload.clone());
    let error = config.check().expect_err("too much").to_string();
    assert!(error.contains("at most 50.0 requests/s") && error.contains("more connections"), "{error}");
    let config = StressConfig { connections: Some(100), rate: Some(50.0), ..plain() }.with_workload(workload);
    assert!(config.check().is_ok());
}

#[test]
fn the_command_line_goes_before_the_file() {
    let text = "connections = 5\nrate = 7\nstreams_share = 0.5\nera = \"legacy\"\nown_sessions = true\n[[request]]\nusual = true\n";
    let config = plain().with_workload(good(text));
    assert_eq!((config.connections, config.rate, config.streams), (Some(5), Some(7.0), 3));
    assert_eq!((config.era, config.own_sessions), (Era::Legacy, true));
    let asked = StressConfig { connections: Some(10), rate: Some(1.0), streams: 1, era: Era::Modern, ..plain() };
    let config = asked.with_workload(good(text));
    assert_eq!((config.connections, config.rate, config.streams), (Some(10), Some(1.0), 1));
    assert_eq!((config.era, config.own_sessions), (Era::Modern, false));
}

#[test]
fn what_is_wrong_is_told_with_its_line_and_what_to_do() {
    let cases = [
        ("\n[[request]]\ntool = \"a\"\nmethod = \"b\"\n", "line 2: ", "exactly one of"),
        ("[[request]]\ntool = \"a\"\nwieght = 3\n", "line 3: ", "wieght"),
        ("rate = 5\n\n[[request]]\nmethod = \"tools/call\"\n", "line 3: ", "tool = \"NAME\""),
        (
            "[[session]]\nsteps = [\n  { tool = \"a\" },\n  { tool = \"b\", think = \"soon\" },\n]\n",
            "line 4: ",
            "500ms",
        ),
        ("[[request]]\nmethod = \"logging/setLevel\"\n", "line 1: ", "needs parameters"),
        ("[[session]]\nsteps = []\n", "line 1: ", "needs steps"),
        ("[values]\nx = { integer = [5, 1] }\n", "line 2: ", "smaller one first"),
        ("[values]\nok = { number = true }\ny = { one_of = [] }\n", "line 3: ", "nothing to choose"),
        ("\n\n[[request]]\ntool = \"a\"\narguments = { q = \"${nope}\" }\n", "line 3: ", "no value \"nope\""),
        ("[[request]]\ntool = \"a\"\nexpect = [\"p99>5ms\"]\n", "line 1: ", "p99<50ms"),
        ("[[request]]\ntool = \"a\"\nexpect = [\"p99<50ms\", \"p99.0<0.1s\"]\n", "line 1: ", "another limit of p99"),
        (
            "[[request]]\ntool = \"a\"\nexpect = [\"errors<1%\"]\n[[request]]\ntool = \"a\"\nexpect = [\"errors<2%\"]\n",
            "line 4: ",
            "another limit of errors",
        ),
        ("[arrival]\nkind = \"sine\"\nevery = \"5s\"\n[[request]]\nusual = true\n", "line 2: ", "\"spikes\""),
        ("[arrival]\nkind = \"waves\"\n", "line 2: ", "waves"),
        ("[arrival]\nkind = \"steps\"\n", "line 2: ", "times above 0"),
        ("[[request]]\nusual = true\n[[request\n", "line 3: ", ""),
        ("[[request]]\nusual = true\nweight = 0\n", "line 1: ", "from 1 to"),
        ("[[misbehaving]]\nway = \"rude\"\nshare = 0.1\n", "line 2: ", "half_request"),
        (
            "[[request]]\nusual = true\n[[misbehaving]]\nway = \"bad_json\"\nshare = 0.9\n",
            "line 3: ",
            "0.5 of the connections",
        ),
        (
            "[[misbehaving]]\nway = \"bad_json\"\nshare = 0.1\n[[misbehaving]]\nway = \"bad_json\"\nshare = 0.1\n[[request]]\nusual = true\n",
            "line 4: ",
            "twice",
        ),
        (
            "[[misbehaving]]\nway = \"bad_json\"\nshare = 0.1\nevery = \"1ms\"\n[[request]]\nusual = true\n",
            "line 1: ",
            "10 ms",
        ),
        ("own_sessions = true\n[[request]]\nusual = true\n", "w.toml: ", "era = \"legacy\""),
        ("about = \"nothing\"\n", "w.toml: ", "[[request]]"),
    ];
    for (text, line, word) in cases {
        let error = wrong(text);
        assert!(error.starts_with("w.toml") && error.contains(line) && error.contains(word), "{text}\n{error}");
        assert!(!error.trim().contains('\n'), "one sentence: {error}");
    }
}

#[test]
fn a_tool_that_the_target_has_not_is_one_clear_sentence() {
    let refused = |tools: &[&str]| {
        let error = good(ECHO).compile(&Request::default(), &with_tools(tools)).expect_err("no echo");
        assert_eq!(error.exit_code(), 2);
        error.to_string()
    };
    assert_eq!(refused(&["search"]), "w.toml, line 5: the target has no tool \"echo\": it has search");
    assert_eq!(refused(&["search", "ecko"]), "w.toml, line 5: the target has no tool \"echo\": did you mean \"ecko\"?");
}

#[test]
fn what_else_the_target_has_not_is_told_with_its_line() {
    let text = "[[session]]\nsteps = [\n  { tool = \"echo\" },\n  { resource = \"shop://ofers\" },\n  { prompt = \"hello\" },\n  \
                { method = \"tools/lits\" },\n  { method = \"tools/lits\" },\n]\n";
    let workload = good(text);
    let wanted = workload.wanted();
    assert_eq!(wanted.resources, ["shop://ofers"]);
    assert_eq!((wanted.prompts, wanted.methods), (vec!["hello".to_string()], vec!["tools/lits".to_string()]));
    let refused = |kind: &str, name: &str, known: &[&str]| {
        let known = known.iter().map(|name| (*name).into()).collect();
        let missing = vec![Missing { kind: kind.into(), name: name.into(), known }];
        let reached = Reached { missing, ..with_tools(&["echo"]) };
        workload.compile(&Request::default(), &reached).expect_err("it is missing").to_string()
    };
    assert_eq!(
        refused("resource", "shop://ofers", &["shop://offers"]),
        "w.toml, line 4: the target has no resource \"shop://ofers\": did you mean \"shop://offers\"?"
    );
    assert_eq!(refused("prompt", "hello", &[]), "w.toml, line 5: the target has no prompt \"hello\": it lists none");
    assert_eq!(
        refused("method", "tools/lits", &[]),
        "w.toml, line 6: the target has no method \"tools/lits\": did you mean \"tools/list\"?"
    );
    assert!(workload.compile(&Request::default(), &with_tools(&["echo"])).is_ok());
    // What the last two are near to has parameters that no step can give.
    for method in ["own/method", "logging/setlevel", "completion/completes"] {
        let unlisted = format!("[[request]]\nmethod = \"{method}\"\n");
        let missing = vec![Missing { kind: "method".into(), name: method.into(), known: Vec::new() }];
        let reached = Reached { missing, ..Reached::default() };
        let error = good(&unlisted).compile(&Request::default(), &reached).expect_err("it is missing").to_string();
        assert!(error.ends_with("it answers that it does not know it"), "{error}");
    }
}

#[test]
fn the_plan_says_what_it_does() {
    let config = StressConfig { connections: Some(100), rate: Some(80.0), ..plain() };
    let workload = good(ECHO);
    let config = config.with_workload(workload.clone());
    assert_eq!(
        workload.lines(&config),
        ["Workload w.toml", "  requests a second expected: tools/call echo 60.0, tools/list 20.0"]
    );
}

#[test]
fn arrivals_of_each_kind_are_understood() {
    let of = |arrival: &str| good(&format!("[arrival]\n{arrival}\n[[request]]\nusual = true\n")).arrival;
    assert_eq!(of("kind = \"poisson\"").words(), "poisson");
    assert_eq!(of("kind = \"constant\"").shape(5.0), None);
    let spikes = of("kind = \"spikes\"\nevery = \"30s\"\nfor = \"2s\"\ntimes = 4\npoisson = true");
    assert_eq!((spikes.words().as_str(), spikes.poisson), ("spikes poisson", true));
    let pieces = spikes.shape(5.0).expect("a shape").pieces;
    assert_eq!(
        pieces.iter().map(|piece| (piece.duration_us, piece.factor)).collect::<Vec<_>>(),
        [(28_000_000, 1.0), (2_000_000, 4.0)]
    );
    let sine = of("kind = \"sine\"\nperiod = \"1m\"\namplitude = 0.8").shape(5.0).expect("a shape");
    assert_eq!((sine.period_us, sine.amplitude), (60_000_000, 0.8));
    let steps = of("kind = \"steps\"\nsteps = [{ for = \"10s\", times = 0.5 }, { for = \"5s\", times = 2 }]");
    assert_eq!(steps.shape(5.0).expect("a shape").pieces.len(), 2);
}

#[test]
fn a_trace_is_a_workload_of_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = "{\"ts\":0,\"tool\":\"echo\",\"arguments\":{\"text\":\"a\"}}\n{\"ts\":1,\"method\":\"tools/list\"}\n\
               {\"ts\":2,\"tool\":\"echo\",\"arguments\":{\"text\":\"b\"}}\n";
    let mut trace = Vec::new();
    record(log.as_bytes(), "text", &mut trace).expect("a trace");
    std::fs::write(folder.path().join("t.jsonl"), trace).expect("written");
    let file = folder.path().join("w.toml");
    std::fs::write(&file, "[arrival]\nkind = \"trace\"\nfile = \"t.jsonl\"\n").expect("written");
    let workload = Workload::load(file.to_str().expect("a path")).expect("a workload");
    let shares: Vec<(String, f64)> =
        workload.row(100).classes.iter().map(|class| (class.name.clone(), class.share)).collect();
    assert_eq!(shares, [("tools/call echo".to_string(), 2.0 / 3.0), ("tools/list".to_string(), 1.0 / 3.0)]);
    let config = plain().with_workload(workload.clone());
    assert_eq!(config.rate, Some(1.0), "as it was recorded");
    assert_eq!(workload.arrival.shape(2.0).expect("a shape").trace_speed, 2.0);
    std::fs::write(&file, "[arrival]\nkind = \"trace\"\nfile = \"no.jsonl\"\n").expect("written");
    let error = Workload::load(file.to_str().expect("a path")).expect_err("no such trace");
    assert!(error.contains("line 2: cannot read the trace"), "{error}");
}

#[test]
fn the_workloads_that_ship_are_good_and_known_by_name() {
    for (name, _) in SHIPPED {
        let config = plain().with_workload(Workload::load(name).expect(name));
        assert_eq!(config.check().map_err(|error| error.to_string()), Ok(()), "{name}");
    }
    let rate = plain().with_workload(Workload::load("agent").expect("it ships")).rate();
    assert!((11_000.0..13_000.0).contains(&rate), "about as the usual load: {rate}");
    let error = Workload::load("agnet").expect_err("no such file");
    assert!(error.contains("agent, chat-fleet, notifications"), "{error}");
}

/// `UPDATE_SCHEMA=1 cargo test -p erlmcp-orchestrator schema` writes it anew.
#[test]
fn the_schema_in_the_documents_is_that_of_the_parser() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/workload.schema.json");
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(path, workload_schema()).expect("written");
    }
    let written = std::fs::read_to_string(path).expect("docs/workload.schema.json");
    assert_eq!(written, workload_schema(), "write it anew: UPDATE_SCHEMA=1 cargo test -p erlmcp-orchestrator schema");
}

const RUDE: &str = "[[request]]\nusual = true\n[[misbehaving]]\nway = \"half_request\"\nshare = 0.02\n\
                    [[misbehaving]]\nway = \"bad_json\"\nshare = 0.001\nevery = \"5s\"\n";

#[test]
fn misbehaving_clients_are_a_share_beside_the_connections() {
    let workload = good(RUDE);
    let counts = |connections| -> Vec<(String, u64)> {
        workload.row(connections).misbehaving.into_iter().map(|one| (one.way, one.clients)).collect()
    };
    assert_eq!(counts(1_000), [("half_request".into(), 20), ("bad_json".into(), 1)]);
    assert_eq!(counts(10), [("half_request".into(), 1), ("bad_json".into(), 1)], "one at least");
    let config = StressConfig { connections: Some(1_000), ..plain() }.with_workload(workload.clone());
    assert_eq!(config.sockets(), 1_021, "each is on a connection of its own");
    assert!(workload.lines(&config).iter().any(|line| line.contains("20 half_request, 1 bad_json")));
    let compiled = workload.compile(&Request::default(), &Reached::default()).expect("compiled");
    let every = |index: usize| compiled.misbehaving[index].every;
    assert_eq!(every(0), (Duration::from_secs(1), Duration::from_secs(3)));
    assert_eq!(every(1), (Duration::from_secs(5), Duration::from_secs(5)));
    assert_eq!(good(ECHO).row(1_000).misbehaving, [], "nobody misbehaves who is not asked to");
}

#[test]
fn too_many_misbehaving_clients_are_refused() {
    let check = |connections| {
        let target = Some("http://localhost:1".to_string());
        let config = StressConfig { connections: Some(connections), target, rate: Some(1.0), ..plain() };
        config.with_workload(good(RUDE)).check().map_err(|error| error.to_string())
    };
    assert_eq!(check(900_000), Ok(()));
    let many = check(1_000_000).expect_err("21,000 of them");
    assert!(many.contains("21000 misbehaving clients") && many.contains("smaller shares"), "{many}");
}

/// The names of the form are those that agents and records know.
#[test]
fn every_way_can_be_asked_for() {
    for way in erlmcp_load::Misbehaviour::ALL {
        let text = format!("[[request]]\nusual = true\n[[misbehaving]]\nway = \"{}\"\nshare = 0.1\n", way.name());
        assert_eq!(good(&text).row(10).misbehaving[0].way, way.name());
    }
}
