//! The options of a command, as variables and files know them.

use std::ffi::{OsStr, OsString};

use clap::{Arg, ArgAction, Command};

use super::{FILE, Origin, Setting};

/// What starts the name of each variable.
const PREFIX: &str = "ERLMCP_";

/// An option and its name in a file: its long flag, or for a word of the command line what that is called.
#[derive(Debug, Clone)]
pub(super) struct Opt<'a> {
    pub(super) arg: &'a Arg,
    pub(super) key: String,
}

/// What is said of an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Given {
    Switch(bool),
    Values(Vec<OsString>),
}

impl Opt<'_> {
    pub(super) fn is_switch(&self) -> bool {
        matches!(self.arg.get_action(), ArgAction::SetTrue)
    }

    pub(super) fn is_repeatable(&self) -> bool {
        matches!(self.arg.get_action(), ArgAction::Append)
    }

    pub(super) fn variable(&self) -> String {
        variable_of(&self.key)
    }
}

/// `ramp-rate` is ERLMCP_RAMP_RATE.
pub(super) fn variable_of(key: &str) -> String {
    format!("{PREFIX}{}", key.to_uppercase().replace('-', "_"))
}

/// True of what looks like a variable of ours.
pub(super) fn is_ours(variable: &str) -> bool {
    variable.starts_with(PREFIX)
}

/// The options of a command that people use, those for every command among them. A word that says the same as an option
/// is left out.
pub(super) fn options<'a>(root: &'a Command, leaf: &'a Command) -> Vec<Opt<'a>> {
    let global = root.get_arguments().filter(|arg| arg.is_global_set());
    let own = leaf.get_arguments().filter(|arg| !arg.is_global_set());
    let is_for_people = |arg: &&Arg| !arg.is_hide_set() && !arg.is_trailing_var_arg_set();
    let is_said_otherwise = |arg: &&Arg| arg.is_positional() && !others(leaf, arg.get_id().as_str()).is_empty();
    let option = |arg: &'a Arg| {
        let key = arg.get_long().map_or_else(|| arg.get_id().as_str().replace('_', "-"), str::to_string);
        Opt { arg, key }
    };
    own.filter(is_for_people).filter(|arg| !is_said_otherwise(arg)).chain(global).map(option).collect()
}

/// The options that a file may have: it names no further file.
pub(super) fn of_file<'a>(root: &'a Command, leaf: &'a Command) -> Vec<Opt<'a>> {
    let all = options(root, leaf).into_iter();
    all.filter(|option| option.arg.get_id() != FILE).collect()
}

/// The ids of the options that exclude this one, whichever of the two says so.
pub(super) fn others(leaf: &Command, id: &str) -> Vec<String> {
    let ids = leaf.get_arguments().map(|arg| arg.get_id().as_str());
    ids.filter(|other| *other != id && excluded(leaf, id, other)).map(str::to_string).collect()
}

/// True where two options of a command exclude each other.
pub(super) fn excluded(leaf: &Command, one: &str, other: &str) -> bool {
    let excludes = |one: &str, other: &str| {
        let arg = leaf.get_arguments().find(|arg| arg.get_id() == one && !arg.is_global_set());
        arg.is_some_and(|arg| leaf.get_arg_conflicts_with(arg).iter().any(|found| found.get_id() == other))
    };
    excludes(one, other) || excludes(other, one)
}

/// What variables say. An empty one says nothing; values of a repeatable option stand on lines of their own.
pub(super) fn variables(
    options: &[Opt<'_>],
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Vec<Setting>, String> {
    let mut all = Vec::new();
    for option in options.iter().filter(|option| option.arg.get_id() != FILE) {
        let name = option.variable();
        let Some(value) = variable(&name).filter(|value| !value.is_empty()) else { continue };
        let given =
            match value.to_str() {
                Some(text) if option.is_switch() => Given::Switch(switch(text).ok_or_else(|| {
                    format!("{name} is {text:?}, and --{} is a switch: write true or false", option.key)
                })?),
                Some(text) if option.is_repeatable() => Given::Values(text.lines().map(OsString::from).collect()),
                _ => Given::Values(vec![value]),
            };
        all.push(Setting { id: option.arg.get_id().to_string(), given, origin: Origin::Variable(name) });
    }
    Ok(all)
}

/// True of the value of a variable that turns a switch on.
pub(super) fn is_on(value: &OsStr) -> bool {
    value.to_str().and_then(switch) == Some(true)
}

fn switch(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Some(true),
        "0" | "false" | "no" | "off" => Some(false),
        _ => None,
    }
}
