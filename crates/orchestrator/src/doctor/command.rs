//! Commands that are proposed: another run or another look, with all that the user has said of the one that was thought of, so
//! that it goes to the same place and asks for no more.

use erlmcp_record::without_query_values;
use erlmcp_report::command_line;

use crate::{Era, StressConfig};

/// A flag and its value, which is empty where the flag has none.
type Flag<'a> = (&'a str, &'a str);

/// `erlmcp stress` as it was thought of, but with these flags.
pub(super) fn stress(run: &StressConfig, but: &[Flag<'_>]) -> String {
    command("stress", run.target.as_deref(), &said(run), but)
}

/// The same on another machine, where it has to be said what may be loaded, and how much.
pub(super) fn stress_from_elsewhere(run: &StressConfig) -> String {
    let (connections, rate) = (Some(run.connections()), Some(run.rate()));
    let mut far = StressConfig { connections, rate, target_pid: None, ..run.clone() };
    // What needed no leave here has another name there.
    if far.allow_hosts.is_empty() {
        (far.target, far.allow_hosts) = (Some("URL".into()), vec!["HOST".into()]);
    }
    stress(&far, &[])
}

/// A search that tries no more than was thought of.
pub(super) fn capacity(run: &StressConfig) -> String {
    let mut own = Vec::new();
    if let Some(connections) = run.connections {
        own.extend([("-c", connections.to_string()), ("--max-connections", connections.to_string())]);
    }
    if let Some(rate) = run.rate {
        own.push(("--max-rate", rate.ceil().to_string()));
        // It begins with 100 where nothing else is said.
        own.extend((rate < 100.0).then(|| ("--start-rate", rate.ceil().to_string())));
    }
    own.extend(called(run).chain(allowed(run)).chain(trusted(run)));
    command("capacity", run.target.as_deref(), &own, &[])
}

/// `erlmcp doctor` as it was asked, but with these flags.
pub(super) fn doctor(run: &StressConfig, but: &[Flag<'_>]) -> String {
    command("doctor", run.target.as_deref(), &said(run), but)
}

pub(super) fn discover(run: &StressConfig) -> String {
    let own: Vec<_> = era(run).chain(trusted(run)).collect();
    command("discover", run.target.as_deref(), &own, &[])
}

fn command(name: &str, target: Option<&str>, own: &[(&str, String)], but: &[Flag<'_>]) -> String {
    let own = own.iter().map(|(flag, value)| (*flag, value.as_str()));
    let is_left = |flag: &Flag<'_>| !but.iter().any(|other| subject(other) == subject(flag));
    let flags = own.filter(is_left).chain(but.iter().copied()).flat_map(|(flag, value)| [flag, value]);
    let mut words = vec!["erlmcp".to_string(), name.to_string()];
    words.extend(target.map(without_query_values));
    words.extend(flags.filter(|word| !word.is_empty()).map(str::to_string));
    command_line(&words)
}

/// What a flag is about: two about the same exclude each other.
fn subject((flag, value): &Flag<'_>) -> String {
    match *flag {
        "--bearer-file" | "--bearer-env" | "--token-file" => "authorization".into(),
        "--cacert" | "--insecure" => "--cacert".into(),
        "-H" => value.split(':').next().unwrap_or_default().to_ascii_lowercase(),
        flag => flag.into(),
    }
}

fn said(run: &StressConfig) -> Vec<(&'static str, String)> {
    let amounts = [
        ("-c", run.connections.map(|count| count.to_string())),
        ("-r", run.rate.map(|rate| rate.to_string())),
        ("--target-pid", run.target_pid.map(|pid| pid.to_string())),
    ];
    let amounts = amounts.into_iter().filter_map(|(flag, value)| Some((flag, value?)));
    amounts.chain(called(run)).chain(allowed(run)).chain(era(run)).chain(trusted(run)).collect()
}

fn called(run: &StressConfig) -> impl Iterator<Item = (&'static str, String)> {
    let arguments = |text: &str| (!text.is_empty()).then(|| ("--args", text.to_string()));
    let tool = run.tool.iter();
    tool.flat_map(move |tool| [Some(("--tool", tool.name.clone())), arguments(&tool.arguments)].into_iter().flatten())
}

fn allowed(run: &StressConfig) -> impl Iterator<Item = (&'static str, String)> {
    run.allow_hosts.iter().map(|host| ("--allow-host", host.clone()))
}

fn era(run: &StressConfig) -> impl Iterator<Item = (&'static str, String)> {
    (run.era != Era::Auto).then(|| ("--era", run.era.name().to_string())).into_iter()
}

fn trusted(run: &StressConfig) -> impl Iterator<Item = (&'static str, String)> {
    run.reaching.iter().cloned().chain(run.insecure.then(|| ("--insecure", String::new())))
}

#[cfg(test)]
pub(super) mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::ToolCall;
    use crate::target::{Url, permit};

    /// A run on another host, where all has to be said.
    pub(in crate::doctor) fn far() -> StressConfig {
        StressConfig {
            target: Some("http://shop.example/mcp".into()),
            connections: Some(200),
            rate: Some(500.0),
            allow_hosts: vec!["shop.example".into()],
            ..StressConfig::default()
        }
    }

    /// It is a run that may be made, and asks for no more than this one.
    pub(in crate::doctor) fn assert_may_be_pasted(command: &str, run: &StressConfig) {
        let mut words = command.split(' ').skip(2);
        let mut config = StressConfig { target: words.next().map(str::to_string), ..StressConfig::default() };
        while let (Some(flag), Some(value)) = (words.next(), words.next()) {
            match flag {
                "-c" => config.connections = value.parse().ok(),
                "-r" => config.rate = value.parse().ok(),
                "--allow-host" => config.allow_hosts.push(value.into()),
                flag => assert!(["--agents", "-d", "--phases", "--target-pid"].contains(&flag), "{flag} in {command}"),
            }
        }
        let url = Url::parse(config.target.as_deref().unwrap_or_default()).expect("a URL");
        let permitted = permit::check(&url, &[SocketAddr::from(([192, 0, 2, 1], 80))], &config);
        assert_eq!(permitted, Ok(()), "{command}");
        assert!(config.connections <= run.connections && config.rate <= run.rate, "{command}");
    }

    #[test]
    fn what_was_said_is_said_again() {
        let tool = Some(ToolCall { name: "search".into(), arguments: r#"{"q":1}"#.into() });
        let reaching = vec![("-H", "X-Key: ...".to_string()), ("--bearer-env", "TOKEN".to_string())];
        let run = StressConfig { era: Era::Legacy, tool, reaching, target_pid: Some(7), insecure: true, ..far() };
        let target = "http://shop.example/mcp -c 200 -r 500 --target-pid 7 --tool search --args '{\"q\":1}' --allow-host \
                      shop.example --era legacy";
        let expected = format!("erlmcp stress {target} -H 'X-Key: ...' --bearer-env TOKEN --insecure --agents 4");
        assert_eq!(stress(&run, &[("--agents", "4")]), expected);
        let expected = format!("erlmcp doctor {target} -H 'X-Key: ...' --insecure --bearer-file FILE");
        assert_eq!(doctor(&run, &[("--bearer-file", "FILE")]), expected);
        let expected = format!("erlmcp doctor {target} -H 'X-Key: ...' --bearer-env TOKEN --cacert FILE");
        assert_eq!(doctor(&run, &[("--cacert", "FILE")]), expected);
        let expected =
            "erlmcp discover http://shop.example/mcp --era legacy -H 'X-Key: ...' --bearer-env TOKEN --insecure";
        assert_eq!(discover(&run), expected);
        assert_eq!(stress(&StressConfig::default(), &[("-c", "7")]), "erlmcp stress -c 7");
    }

    #[test]
    fn a_search_tries_no_more() {
        let amounts = "-c 200 --max-connections 200 --max-rate 500";
        assert_eq!(
            capacity(&far()),
            format!("erlmcp capacity http://shop.example/mcp {amounts} --allow-host shop.example")
        );
        let slow =
            StressConfig { target: Some("http://localhost:1".into()), rate: Some(39.5), ..StressConfig::default() };
        assert_eq!(capacity(&slow), "erlmcp capacity http://localhost:1 --max-rate 40 --start-rate 40");
    }

    #[test]
    fn from_another_machine_all_is_said() {
        assert_eq!(stress_from_elsewhere(&far()), stress(&far(), &[]));
        let near = StressConfig { target_pid: Some(7), connections: Some(5), ..StressConfig::default() };
        assert_eq!(stress_from_elsewhere(&near), "erlmcp stress URL -c 5 -r 12000 --allow-host HOST");
    }
}
