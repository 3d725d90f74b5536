//! `config --print`: what a command would run with, as a file that says the same.

use std::ffi::{OsStr, OsString};
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, CommandFactory};
use erlmcp_report::nearest::nearest;

use super::options::{Opt, is_ours, of_file, options, others};
use super::{Layered, Refused, leaf_of};
use crate::args::Args;

/// `variables` are the names of all that are set.
pub(super) fn toml(layered: &Layered, variables: impl Iterator<Item = OsString>) -> Result<String, Refused> {
    let root = Args::command();
    let matches = root.clone().try_get_matches_from(&layered.words)?;
    let (leaf, inner, _) = leaf_of(&root, &matches);
    let mut text = format!(
        "# What `erlmcp {}` runs with. Over each other: command line, ERLMCP_* variables, file of --config, default.\n",
        layered.path.join(" ")
    );
    for option in of_file(&root, leaf) {
        text += &line(layered, leaf, inner, &option);
    }
    let mut unknown: Vec<String> = variables.filter_map(|name| unknown(&root, &name)).collect();
    unknown.sort();
    unknown.iter().for_each(|note| text += note);
    Ok(text)
}

fn line(layered: &Layered, leaf: &Command, matches: &ArgMatches, option: &Opt<'_>) -> String {
    let id = option.arg.get_id().as_str();
    let key = &option.key;
    // A word may have said what this option says, too.
    let word = others(leaf, id).into_iter().find(|other| {
        let is_word = leaf.get_arguments().any(|arg| arg.get_id() == other.as_str() && arg.is_positional());
        is_word && matches.value_source(other) == Some(ValueSource::CommandLine)
    });
    if let Some(value) = word.and_then(|word| typed(matches, &word)) {
        return format!("{key} = {}  # command line\n", quoted(&value));
    }
    let from = match (layered.origins.get(id), matches.value_source(id)) {
        (Some(origin), _) => origin.to_string(),
        (None, Some(ValueSource::CommandLine)) => "command line".to_string(),
        _ => "default".to_string(),
    };
    if option.is_switch() {
        return format!("{key} = {}  # {from}\n", matches.get_flag(id));
    }
    let values: Vec<String> =
        matches.get_raw(id).into_iter().flatten().map(|value| value.to_string_lossy().into_owned()).collect();
    match values.as_slice() {
        [] => format!("# {key} is not set{}\n", without(option.arg)),
        _ if option.arg.is_hide_env_values_set() => format!("# {key} is set, and not shown  # {from}\n"),
        [one] if !option.is_repeatable() => format!("{key} = {}  # {from}\n", quoted(one)),
        all => format!("{key} = [{}]  # {from}\n", all.iter().map(|one| quoted(one)).collect::<Vec<_>>().join(", ")),
    }
}

/// What a word came to: in an option's place it may be written otherwise (15 minutes are "15m").
fn typed(matches: &ArgMatches, id: &str) -> Option<String> {
    if let Ok(Some(time)) = matches.try_get_one::<Duration>(id) {
        return Some(format!("{}ms", time.as_millis()));
    }
    Some(matches.get_raw(id)?.next()?.to_string_lossy().into_owned())
}

/// Whole numbers as they are, all else in quotes.
fn quoted(value: &str) -> String {
    match value.parse::<i64>() {
        Ok(number) if number.to_string() == value => value.to_string(),
        _ => toml::Value::String(value.into()).to_string(),
    }
}

/// What is done then, where the help says it: "[default: 12]".
fn without(arg: &Arg) -> String {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let default = help.rsplit_once("[default: ").and_then(|(_, rest)| rest.split_once(']'));
    default.map_or_else(String::new, |(default, _)| format!(": {}", default.replace('\n', " ")))
}

/// A note about a variable that looks like ours and is none.
fn unknown(root: &Command, name: &OsStr) -> Option<String> {
    // It is no option: what is logged is asked for before the command line is read.
    const LOG: &str = "ERLMCP_LOG";
    let name = name.to_str().filter(|name| is_ours(name) && *name != LOG)?;
    let mut known: Vec<String> = Vec::new();
    let mut open: Vec<&Command> = vec![root];
    while let Some(command) = open.pop() {
        known.extend(options(root, command).iter().map(Opt::variable));
        open.extend(command.get_subcommands().filter(|inner| !inner.is_hide_set()));
    }
    if known.iter().any(|other| other == name) {
        return None;
    }
    let near = nearest(name, known.iter().map(String::as_str));
    let near = near.map_or_else(String::new, |near| format!("; the nearest is {near}"));
    Some(format!("# {name} is set, and no option has that name{near}\n"))
}
