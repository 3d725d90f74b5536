//! Commands and their flags, from the definition of the arguments.

use clap::{Arg, Command, CommandFactory};

use super::{code, table};
use crate::args::Args;

/// How values are written, by the word that stands for them.
const VALUES: [(&str, &str); 7] = [
    ("TIME", "a number and its unit, or several: `500ms`, `30s`, `15m`, `1h30m`"),
    ("RATE", "so many a second, with `k` for thousand and `m` for million: `5000`, `12k`"),
    ("N, CONNECTIONS", "a number; where it counts load also `100k`, `1m`"),
    ("BYTES", "with `K`, `M` and `G`, which are thousands: `500M`, `32G`"),
    ("JSON", "an object in quotes of the shell: `'{\"q\":\"x\"}'`"),
    ("LIST", "several with commas between"),
    ("CONDITION", "`p99>+10%`, `throughput<-5%`, `p95>+3ms` or `errors>+0.1pp`"),
];

pub(super) fn text() -> String {
    let mut root = Args::command();
    root.build();
    let values = VALUES.map(|(word, meaning)| [word.to_string(), meaning.to_string()]);
    let mut text =
        "## Commands\n\nA flag can also be said by a variable (`ERLMCP_RAMP_RATE`) or in the file of `--config`: see \
                    [configuration.md](configuration.md). `-h` shows what is used most, `--help` all of it.\n\n"
            .to_string();
    text += &table(["value", "is written"], values);
    text += "Flags of every command:\n\n";
    text += &flags(root.get_arguments().filter(|arg| arg.is_global_set()));
    root.get_subcommands().filter(|command| is_for_people(command)).for_each(|command| one(command, &mut text));
    text
}

fn is_for_people(command: &Command) -> bool {
    !command.is_hide_set() && command.get_name() != "help"
}

/// A command, and the commands of it.
fn one(command: &Command, text: &mut String) {
    let name = command.get_bin_name().unwrap_or(command.get_name());
    let about =
        command.get_long_about().or(command.get_about()).map(|about| line(&about.to_string())).unwrap_or_default();
    let usage = command.clone().render_usage().to_string();
    *text += &format!("### {}\n\n{about}.\n\n```\n{}\n```\n\n", code(name), usage.trim_start_matches("Usage:").trim());
    *text += &flags(command.get_arguments().filter(|arg| !arg.is_global_set()));
    if let Some(more) = command.get_after_long_help().or(command.get_after_help()) {
        *text += &format!("```\n{}\n```\n\n", more.to_string().trim());
    }
    command.get_subcommands().filter(|command| is_for_people(command)).for_each(|command| one(command, text));
}

fn flags<'a>(all: impl Iterator<Item = &'a Arg>) -> String {
    let is_shown = |arg: &&Arg| !arg.is_hide_set() && !["help", "version"].contains(&arg.get_id().as_str());
    let rows: Vec<[String; 3]> = all.filter(is_shown).map(flag).collect();
    if rows.is_empty() { String::new() } else { table(["flag", "is", "default"], rows) }
}

fn flag(arg: &Arg) -> [String; 3] {
    let value = match arg.get_value_names() {
        Some(names) if arg.get_action().takes_values() => format!(" {}", names.join(" ")),
        _ => String::new(),
    };
    let name = match (arg.get_short(), arg.get_long()) {
        (Some(short), Some(long)) => format!("`-{short}`, `--{long}{value}`"),
        (None, Some(long)) => format!("`--{long}{value}`"),
        _ => code(value.trim()),
    };
    let mut is = arg.get_long_help().or(arg.get_help()).map(|help| line(&help.to_string())).unwrap_or_default();
    let possible: Vec<String> = match arg.get_action().takes_values() {
        true => arg.get_possible_values().iter().filter(|value| !value.is_hide_set()).map(possible).collect(),
        false => Vec::new(),
    };
    if !possible.is_empty() {
        is += &format!(": {}", possible.join("; "));
    }
    // A default that depends is told in the words of the help.
    let (is, told) = match is.split_once(" [default: ") {
        Some((before, rest)) => match rest.split_once(']') {
            Some((told, after)) => (format!("{before}{after}"), told.to_string()),
            None => (is, String::new()),
        },
        None => (is, String::new()),
    };
    let defaults: Vec<String> = match arg.get_action().takes_values() {
        true => arg.get_default_values().iter().map(|value| code(&value.to_string_lossy())).collect(),
        false => Vec::new(),
    };
    let default = if defaults.is_empty() { told } else { defaults.join(", ") };
    [name, is, default]
}

fn possible(value: &clap::builder::PossibleValue) -> String {
    let help = value.get_help().map(|help| format!(" ({help})")).unwrap_or_default();
    code(value.get_name()) + &help
}

/// On one line, for a cell; a paragraph becomes a sentence.
fn line(text: &str) -> String {
    text.replace("\n\n", ". ").split_whitespace().collect::<Vec<_>>().join(" ")
}
