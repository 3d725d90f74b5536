use clap::{ArgAction, FromArgMatches, Parser};

use super::*;

type Variables<'a> = &'a [(&'a str, &'a str)];

/// The layers of a command line, of variables, and of a file that is called plan.toml.
fn all(words: &[&str], variables: Variables<'_>, file: Option<&str>) -> Result<Layered, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("plan.toml");
    let mut words: Vec<OsString> = words.iter().map(OsString::from).collect();
    if let Some(text) = file {
        std::fs::write(&path, text).expect("written");
        words.splice(1..1, ["--config".into(), path.clone().into()]);
    }
    let variable = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
    let root = definition(&words, &variable);
    match layered(words, &root, &variable) {
        Ok(layered) => Ok(layered),
        Err(Refused::Said(why)) => Err(why.replace(&path.display().to_string(), "plan.toml")),
        Err(Refused::Usage(error)) => Err(error.to_string()),
    }
}

/// What a command line without further layers comes to, without the option that names a file; or why it is refused.
fn read(words: impl IntoIterator<Item = OsString>) -> String {
    match Args::try_parse_from(words) {
        Ok(args) => format!("{:?}", Args { config: None, ..args }),
        Err(error) => format!("{:?}", error.kind()),
    }
}

fn comes_to(words: &[&str], variables: Variables<'_>, file: Option<&str>) -> String {
    read(all(words, variables, file).expect("nothing is wrong").words)
}

fn as_typed(words: &[&str]) -> String {
    read(words.iter().map(OsString::from))
}

/// A value that an option takes.
fn sample(command: &str, option: &Opt<'_>) -> &'static str {
    const CANDIDATES: [&str; 16] = [
        "legacy",
        "per-connection",
        "rate",
        "7",
        "7s",
        "7%",
        "7/s,7",
        "p95<7ms",
        "sla.p95_ms=7",
        "x",
        "7m",
        "conformance",
        "127.0.0.1:7",
        "swarm",
        "workers=7",
        "http://localhost:7",
    ];
    let root = lenient(Args::command());
    let is_taken = |value: &&&str| {
        let given = Given::Values(vec![value.into()]);
        let said = Setting { id: option.arg.get_id().to_string(), given, origin: Origin::Variable("X".into()) };
        check(&root, &[command.to_string()], option, &said).is_ok()
    };
    CANDIDATES.iter().find(is_taken).unwrap_or_else(|| panic!("no candidate is a value of {}", option.key))
}

/// The options of a command, each with a value that it takes; the program's and the command's own word before them.
fn samples(command: &str) -> Vec<(String, bool, &'static str, Vec<OsString>, String)> {
    let root = lenient(Args::command());
    let leaf = root.find_subcommand(command).expect("a command");
    options(&root, leaf)
        .iter()
        .filter(|option| option.arg.get_id() != FILE)
        .map(|option| {
            let value = if option.is_switch() { "true" } else { sample(command, option) };
            let mut words: Vec<OsString> = vec!["erlmcp".into(), command.into()];
            let given = if option.is_switch() { Given::Switch(true) } else { Given::Values(vec![value.into()]) };
            add(&mut words, option, &given);
            (option.key.clone(), option.is_switch(), value, words, option.variable())
        })
        .collect()
}

const LOADING: [&str; 7] = ["stress", "comprehensive", "chaos", "capacity", "discover", "serve", "cluster"];

#[test]
fn each_flag_can_be_said_in_a_file_and_by_a_variable() {
    for command in LOADING {
        let all = samples(command);
        assert!(all.len() > 5, "{command} has {} options: the walk is broken", all.len());
        for (key, is_switch, value, typed, variable) in all {
            let typed = read(typed);
            let text = if is_switch { format!("{key} = true") } else { format!("{key} = {value:?}") };
            assert_eq!(comes_to(&["erlmcp", command], &[], Some(&text)), typed, "{text}");
            let (in_table, snake) = (format!("[{command}]\n{text}"), text.replacen(&key, &key.replace('-', "_"), 1));
            assert_eq!(comes_to(&["erlmcp", command], &[], Some(&in_table)), typed, "{in_table}");
            assert_eq!(comes_to(&["erlmcp", command], &[], Some(&snake)), typed, "{snake}");
            assert_eq!(comes_to(&["erlmcp", command], &[(&variable, value)], None), typed, "{variable}={value}");
        }
    }
}

/// All at once, those that exclude each other left out: what one needs beside it is then there.
#[test]
fn all_flags_of_stress_in_one_file_are_what_they_are_on_the_command_line() {
    let root = lenient(Args::command());
    let leaf = root.find_subcommand("stress").expect("a command");
    let (mut words, mut text, mut taken): (Vec<OsString>, _, Vec<String>) =
        (vec!["erlmcp".into(), "stress".into()], String::new(), Vec::new());
    for option in options(&root, leaf).iter().filter(|option| option.arg.get_id() != FILE) {
        let id = option.arg.get_id().as_str();
        if taken.iter().any(|other| excluded(leaf, id, other)) {
            continue;
        }
        taken.push(id.to_string());
        match option.arg.get_action() {
            ArgAction::SetTrue => {
                add(&mut words, option, &Given::Switch(true));
                text += &format!("{} = true\n", option.key);
            }
            _ => {
                let value = sample("stress", option);
                add(&mut words, option, &Given::Values(vec![value.into()]));
                text += &format!("{} = {value:?}\n", option.key);
            }
        }
    }
    let typed = read(words);
    assert!(typed.starts_with("Args {"), "{typed}");
    assert_eq!(comes_to(&["erlmcp", "stress"], &[], Some(&text)), typed, "{text}");
}

#[test]
fn the_command_line_goes_over_variables_and_those_over_the_file() {
    let file = Some("rate = 3000\nconnections = \"3k\"\ntimeout = \"3s\"\nno-faults = true\n");
    let variables = [("ERLMCP_RATE", "2000"), ("ERLMCP_CONNECTIONS", "2k"), ("ERLMCP_NO_FAULTS", "false")];
    assert_eq!(
        comes_to(&["erlmcp", "stress", "-r", "1000"], &variables, file),
        as_typed(&["erlmcp", "stress", "-r", "1000", "-c", "2k", "--timeout", "3s"])
    );
    // An empty variable says nothing.
    assert_eq!(
        comes_to(&["erlmcp", "stress"], &[("ERLMCP_RATE", "")], Some("rate = 3000")),
        as_typed(&["erlmcp", "stress", "-r", "3000"])
    );
    let over = "rate = 1\n[stress]\nrate = 2\n[chaos]\nrate = 3\n";
    assert_eq!(comes_to(&["erlmcp", "stress"], &[], Some(over)), as_typed(&["erlmcp", "stress", "-r", "2"]));
    assert_eq!(comes_to(&["erlmcp", "capacity"], &[], Some(over)), as_typed(&["erlmcp", "capacity", "-r", "1"]));
}

#[test]
fn what_excludes_something_typed_is_not_added() {
    let typed = ["erlmcp", "stress", "http://localhost:1", "10k", "2", "--bearer-env", "TOKEN"];
    let file = "connections = 5\nduration = \"5s\"\nbearer-file = \"token\"\nurl = \"http://localhost:2\"\n";
    assert_eq!(comes_to(&typed, &[("ERLMCP_CONNECTIONS", "7")], Some(file)), as_typed(&typed));
    // What an option needs beside it may come from another layer.
    assert_eq!(
        comes_to(&["erlmcp", "stress", "--args", "{}"], &[], Some("tool = \"echo\"")),
        as_typed(&["erlmcp", "stress", "--args", "{}", "--tool", "echo"])
    );
}

#[test]
fn a_switch_that_is_off_excludes_nothing() {
    for (variable, file, flag, value) in [
        ("ERLMCP_NO_FAULTS", "faults = \"f.toml\"", "--faults", "f.toml"),
        ("ERLMCP_INSECURE", "cacert = \"ca.pem\"", "--cacert", "ca.pem"),
    ] {
        let words = ["erlmcp", "stress", "https://localhost:1"];
        let both = comes_to(&words, &[(variable, "false")], Some(file));
        assert_eq!(both, as_typed(&[&words[..], &[flag, value]].concat()), "{variable}");
        let on = comes_to(&words, &[(variable, "true")], Some(file));
        assert!(!on.contains(value), "{variable} excludes it: {on}");
    }
}

#[test]
fn several_values_are_a_list_or_a_table_and_lines_of_a_variable() {
    let typed =
        as_typed(&["erlmcp", "stress", "--threshold", "sla.p95_ms=50", "--threshold", "ramp.starts_percent=99.5"]);
    for file in [
        "threshold = [\"sla.p95_ms=50\", \"ramp.starts_percent=99.5\"]",
        "[threshold]\nsla.p95_ms = 50\n\"ramp.starts_percent\" = 99.5",
    ] {
        assert_eq!(comes_to(&["erlmcp", "stress"], &[], Some(file)), typed, "{file}");
    }
    let lines = "sla.p95_ms=50\nramp.starts_percent=99.5";
    assert_eq!(comes_to(&["erlmcp", "stress"], &[("ERLMCP_THRESHOLD", lines)], None), typed);
    assert_eq!(
        comes_to(&["erlmcp", "stress"], &[], Some("phases = [1, 2]")),
        as_typed(&["erlmcp", "stress", "--phases", "1,2"])
    );
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_the_nearest_name() {
    let why = |command: &str, file: &str| all(&["erlmcp", command], &[], Some(file)).expect_err(file);
    assert_eq!(
        why("stress", "rate = 1\n\nramp_rat = 5\n"),
        "plan.toml, line 3: there is no option \"ramp_rat\" of `stress`; the nearest is \"ramp-rate\""
    );
    assert_eq!(
        why("stress", "axis = \"rate\"\n"),
        "plan.toml, line 1: \"axis\" is an option of `capacity`, not of `stress`: put it under [capacity]"
    );
    let far = "plan.toml, line 1: there is no option \"k\" of `stress`";
    assert_eq!(why("stress", "k = 1\n"), far, "nothing is near");
    let table = "plan.toml, line 1: there is no option \"choas\" of `stress`; the nearest is [chaos]";
    assert_eq!(why("stress", "[choas]\nrate = 1\n"), table);
    // Also what it says for another command is read.
    assert!(why("stress", "[chaos]\nfur = \"10m\"").contains("line 2: there is no option \"fur\" of `chaos`"));
    assert!(why("stress", "\nrate = \"fast\"").starts_with("plan.toml, line 2: invalid value 'fast' for '--rate"));
    assert!(why("stress", "era = \"new\"").contains("[possible values: auto, modern, legacy]"));
    assert_eq!(why("stress", "no-faults = 1"), "plan.toml, line 1: no-faults is a switch: write true or false");
    assert_eq!(why("stress", "rate = [1, 2]"), "plan.toml, line 1: rate takes one value, not a list");
    assert!(why("stress", "a = 1\nb = [").starts_with("plan.toml, line 2: "));
    assert!(why("stress", "config = \"more.toml\"").contains("names no further file"));
    assert_eq!(
        why("stress", "tui = true\n\nquiet = true\n"),
        "plan.toml, line 1 and plan.toml, line 3 exclude each other: leave one out (tui, quiet)"
    );
    let of_variable = |name, value| all(&["erlmcp", "stress"], &[(name, value)], None).expect_err(name);
    assert!(of_variable("ERLMCP_RATE", "fast").starts_with("ERLMCP_RATE: invalid value 'fast'"));
    assert!(of_variable("ERLMCP_NO_FAULTS", "maybe").contains("write true or false"));
    assert!(of_variable("ERLMCP_CONFIG", "no-such.toml").starts_with("cannot read no-such.toml"));
}

#[test]
fn a_process_that_a_run_has_started_is_told_all_by_its_command_line() {
    let typed = ["erlmcp", "cluster", "--tied", "--replicas", "3"];
    let variables = [("ERLMCP_WORKERS", "7"), ("ERLMCP_CONFIG", "no-such.toml")];
    assert_eq!(comes_to(&typed, &variables, None), as_typed(&typed));
    assert_ne!(comes_to(&["erlmcp", "cluster"], &[("ERLMCP_WORKERS", "7")], None), as_typed(&["erlmcp", "cluster"]));
}

#[test]
fn what_is_printed_is_a_file_that_says_the_same() {
    let words = ["erlmcp", "stress", "http://localhost:1", "10k", "1.5", "-r", "5", "--phases", "1,2", "--no-abort"];
    let file = "[threshold]\nsla.p95_ms = 50\n";
    let layered = all(&words, &[("ERLMCP_TIMEOUT", "7s"), ("ERLMCP_HEADER", "A: s3cret")], Some(file)).expect("fine");
    let text =
        printed::toml(&layered, ["ERLMCP_RTAE", "ERLMCP_LOG", "ERLMCP_SLO", "HOME"].map(OsString::from).into_iter());
    let text = text.expect("it is shown");
    assert!(text.contains("rate = 5  # command line\n"), "{text}");
    assert!(
        text.contains("connections = \"10k\"  # command line\n") && text.contains("duration = \"90000ms\""),
        "{text}"
    );
    assert!(text.contains("timeout = \"7s\"  # ERLMCP_TIMEOUT\n"), "{text}");
    assert!(text.contains("plan.toml, line 1\n") && text.contains("ramp-rate = 5000  # default\n"), "{text}");
    assert!(text.contains("# agents is not set: as N, the rate and the descriptor limit need\n"), "{text}");
    assert!(text.contains("# header is set, and not shown  # ERLMCP_HEADER\n") && !text.contains("s3cret"), "{text}");
    assert!(
        text.ends_with("# ERLMCP_RTAE is set, and no option has that name; the nearest is ERLMCP_RATE\n"),
        "{text}"
    );
    let again = comes_to(&["erlmcp", "stress"], &[("ERLMCP_HEADER", "A: s3cret")], Some(&text));
    let stress = |text: &str| {
        let (_, rest) = text.split_once("url: ").unwrap_or_else(|| panic!("no arguments: {text}"));
        // What words said is said by options then.
        rest.replace("connections_word: Some(10000)", "connections_word: None")
            .replace("minutes_word: Some(90s)", "minutes_word: None")
            .replace("connections: None", "connections: Some(10000)")
            .replace("duration: None", "duration: Some(90s)")
    };
    assert_eq!(stress(&again), stress(&read(layered.words)), "{text}");
}

/// An option with a default that needs another option beside it would be refused.
#[test]
fn the_defaults_of_each_command_can_be_said_in_a_file() {
    for command in LOADING.into_iter().chain(["autoscale", "observe", "watch"]) {
        let takes_url = !["serve", "cluster", "autoscale"].contains(&command);
        let words: Vec<&str> =
            ["erlmcp", command].into_iter().chain(takes_url.then_some("http://localhost:1")).collect();
        let layered = all(&words, &[], Some("")).expect("nothing is wrong");
        let text = printed::toml(&layered, std::iter::empty()).expect("it is shown");
        assert_eq!(comes_to(&words, &[], Some(&text)), read(layered.words), "{command}: {text}");
    }
}

#[test]
fn nothing_said_anywhere_is_the_command_as_typed() {
    let typed: Vec<OsString> = ["erlmcp", "stress", "-c", "10"].map(OsString::from).into();
    let layered = layered(typed.clone(), &Args::command(), &|_: &str| None).expect("fine");
    assert_eq!(layered.words, typed);
    let matches = Args::command().try_get_matches_from(layered.words).expect("fine");
    assert!(Args::from_arg_matches(&matches).is_ok());
}

#[test]
fn whoever_wants_no_colours_is_helped_and_refused_without_them() {
    let color = |words: &[&str], variables: Variables<'_>| {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        let variable = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
        definition(&words, &variable).get_color()
    };
    assert_eq!(color(&["erlmcp", "stress", "--nonsense"], &[]), ColorChoice::Auto);
    assert_eq!(color(&["erlmcp", "stress", "--no-color", "--help"], &[]), ColorChoice::Never);
    assert_eq!(color(&["erlmcp", "--help"], &[("ERLMCP_NO_COLOR", "true")]), ColorChoice::Never);
    assert_eq!(color(&["erlmcp", "--help"], &[("ERLMCP_NO_COLOR", "false")]), ColorChoice::Auto);
}

#[test]
fn help_says_what_is_required() {
    let words = ["erlmcp", "report", "--help"].map(OsString::from);
    let Err(Refused::Usage(help)) = parse(words, |_| None) else { panic!("help is shown") };
    assert!(help.to_string().contains("report [OPTIONS] <RUN>"), "{help}");
}

#[test]
fn no_command_is_proposed_that_nobody_types() {
    let refused = Args::try_parse_from(["erlmcp", "strss"]).map(drop).expect_err("there is none");
    let text = without_hidden(refused).to_string();
    assert!(text.contains("'stress'") && !text.contains("'store'"), "{text}");
    let refused = Args::try_parse_from(["erlmcp", "watchdo"]).map(drop).expect_err("there is none");
    assert!(!without_hidden(refused).to_string().contains("'watchdog'"));
}
