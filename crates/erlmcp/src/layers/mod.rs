//! What the user said, in layers: the command line goes over variables named `ERLMCP_*`, those over the file of
//! `--config`, and that over the defaults. All of it is derived from the definition of the command line: no option is
//! listed a second time.

mod file;
mod options;
mod printed;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, ColorChoice, Command, CommandFactory, FromArgMatches};

use crate::args::Args;
use crate::{console, exit};
use options::{Given, Opt, excluded, options};

/// The id of the option that names the file.
const FILE: &str = "config";

/// Where a value was said.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Origin {
    /// By its name.
    Variable(String),
    File {
        name: String,
        line: usize,
    },
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Variable(name) => f.write_str(name),
            Self::File { name, line } => write!(f, "{name}, line {line}"),
        }
    }
}

/// What one layer says of one option.
#[derive(Debug, Clone)]
struct Setting {
    /// The option's id.
    id: String,
    given: Given,
    origin: Origin,
}

/// Why there is nothing to run.
#[derive(Debug)]
pub(crate) enum Refused {
    /// Also where help was asked for.
    Usage(clap::Error),
    /// A sentence about a variable or the file.
    Said(String),
}

impl Refused {
    /// Says it, or helps; the exit code.
    pub(crate) fn tell(self) -> ExitCode {
        match self {
            Self::Usage(error) => {
                let error = without_hidden(error);
                let told = error.print();
                if error.use_stderr() {
                    return exit::code(exit::USAGE);
                }
                console::note(told);
                ExitCode::SUCCESS
            }
            Self::Said(why) => {
                eprintln!("erlmcp: {why}");
                exit::code(exit::USAGE)
            }
        }
    }
}

/// Of a command that is not there clap proposes also those that nobody types.
fn without_hidden(mut error: clap::Error) -> clap::Error {
    if let Some(ContextValue::Strings(names)) = error.remove(ContextKind::SuggestedSubcommand) {
        let root = Args::command();
        let is_hidden = |name: &String| root.find_subcommand(name).is_some_and(Command::is_hide_set);
        let names: Vec<String> = names.into_iter().filter(|name| !is_hidden(name)).collect();
        if !names.is_empty() {
            error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(names));
        }
    }
    error
}

impl From<clap::Error> for Refused {
    fn from(error: clap::Error) -> Self {
        Self::Usage(error)
    }
}

/// All layers together.
#[derive(Debug)]
struct Layered {
    /// The command line with what the other layers add.
    words: Vec<OsString>,
    /// Of what they add, by the option's id.
    origins: BTreeMap<String, Origin>,
    /// The names of the command: "cluster", "status".
    path: Vec<String>,
}

/// The arguments, from the command line, the variables and the file.
pub(crate) fn parse(
    words: impl IntoIterator<Item = OsString>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Args, Refused> {
    let words: Vec<OsString> = words.into_iter().collect();
    let root = definition(&words, &variable);
    let layered = layered(words, &root, &variable)?;
    Ok(Args::from_arg_matches(&root.try_get_matches_from(layered.words)?)?)
}

/// The definition of the command line, which says without colours what is wrong with it where none are wanted.
fn definition(words: &[OsString], variable: &dyn Fn(&str) -> Option<OsString>) -> Command {
    let typed = words.iter().take_while(|word| *word != "--").any(|word| word == "--no-color");
    let said = variable(&options::variable_of("no-color")).is_some_and(|value| options::is_on(&value));
    Args::command().color(if typed || said { ColorChoice::Never } else { ColorChoice::Auto })
}

/// The command line that says alone what all layers say together; for the record of a run.
pub(crate) fn effective() -> Vec<String> {
    let words: Vec<OsString> = std::env::args_os().collect();
    let layered = layered(words.clone(), &Args::command(), &|name: &str| std::env::var_os(name));
    let all = layered.map_or(words, |layered| layered.words);
    all.iter().map(|word| word.to_string_lossy().into_owned()).collect()
}

/// What `words` (after the program's name) would run with, as a file for `--config`.
pub(crate) fn print(words: &[OsString]) -> Result<String, Refused> {
    let program = OsString::from("erlmcp");
    let words = [&[program], words].concat();
    let root = definition(&words, &|name: &str| std::env::var_os(name));
    let layered = layered(words, &root, &|name: &str| std::env::var_os(name))?;
    printed::toml(&layered, std::env::vars_os().map(|(name, _)| name))
}

fn layered(
    words: Vec<OsString>,
    root: &Command,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Layered, Refused> {
    let strict = root;
    let root = lenient(root.clone());
    let matches = match root.clone().try_get_matches_from(&words) {
        // Help tells what is required.
        Err(error) if error.kind() == ErrorKind::DisplayHelp => strict.clone().try_get_matches_from(&words)?,
        // What an option needs beside it may be said in another layer.
        Err(error) if error.kind() == ErrorKind::MissingRequiredArgument => {
            root.clone().ignore_errors(true).try_get_matches_from(&words)?
        }
        matches => matches?,
    };
    let (leaf, inner, path) = leaf_of(&root, &matches);
    let options = options(&root, leaf);
    let is_typed = |id: &&str| inner.value_source(id) == Some(ValueSource::CommandLine);
    let typed: Vec<&str> = inner.ids().map(|id| id.as_str()).filter(is_typed).collect();
    let mut layered = Layered { words, origins: BTreeMap::new(), path };
    if is_of_a_program(leaf, inner) {
        return Ok(layered);
    }
    let variables = options::variables(&options, variable).map_err(Refused::Said)?;
    let named = inner.get_one::<PathBuf>(FILE).cloned();
    let of_variable = variable(&options::variable_of(FILE)).filter(|value| !value.is_empty()).map(PathBuf::from);
    let file = match named.or(of_variable) {
        Some(path) => file::read(&path, &root, &layered.path).map_err(Refused::Said)?,
        None => Vec::new(),
    };
    let mut said: Vec<Said> = typed.into_iter().map(|id| (id.to_string(), true)).collect();
    for layer in [variables, file] {
        let above = said.clone();
        if let Some((one, other)) = clash(leaf, &layer, &above) {
            let why = format!("{} and {} exclude each other: leave one out", one.origin, other.origin);
            return Err(Refused::Said(format!(
                "{why} ({}, {})",
                key_of(&options, &one.id),
                key_of(&options, &other.id)
            )));
        }
        for one in layer {
            if is_settled(leaf, &one.id, &above) {
                continue;
            }
            let option = options.iter().find(|option| option.arg.get_id() == one.id.as_str());
            let Some(option) = option else { continue };
            check(&root, &layered.path, option, &one)?;
            add(&mut layered.words, option, &one.given);
            layered.origins.insert(one.id.clone(), one.origin);
            said.push((one.id, one.given != Given::Switch(false)));
        }
    }
    Ok(layered)
}

/// The id of an option that a layer has said, and whether it excludes others: a switch that is off does not.
type Said = (String, bool);

/// True where the layers above say this option, or one that excludes it.
fn is_settled(leaf: &Command, id: &str, above: &[Said]) -> bool {
    above.iter().any(|(said, excludes)| said == id || (*excludes && excluded(leaf, id, said)))
}

/// Two that one layer says, and that exclude each other; what is said above is not asked.
fn clash<'a>(leaf: &Command, layer: &'a [Setting], above: &[Said]) -> Option<(&'a Setting, &'a Setting)> {
    let counts = |one: &&Setting| one.given != Given::Switch(false) && !is_settled(leaf, &one.id, above);
    let all: Vec<&Setting> = layer.iter().filter(counts).collect();
    all.iter().enumerate().find_map(|(at, one)| {
        let other = all[at + 1..].iter().find(|other| excluded(leaf, &one.id, &other.id))?;
        Some((*one, *other))
    })
}

/// As a file calls it.
fn key_of<'a>(options: &'a [Opt<'_>], id: &str) -> &'a str {
    options.iter().find(|option| option.arg.get_id() == id).map_or("", |option| option.key.as_str())
}

/// Nothing is required before all layers have spoken.
fn lenient(command: Command) -> Command {
    command.mut_args(|arg| arg.required(false)).mut_subcommands(lenient)
}

/// The innermost command that was named, what it was told, and its names.
fn leaf_of<'a>(root: &'a Command, matches: &'a ArgMatches) -> (&'a Command, &'a ArgMatches, Vec<String>) {
    let (mut command, mut inner, mut path) = (root, matches, Vec::new());
    while let Some((name, next)) = inner.subcommand()
        && let Some(found) = command.find_subcommand(name)
    {
        (command, inner) = (found, next);
        path.push(name.to_string());
    }
    (command, inner, path)
}

/// Started by another command of ours, which says all that it means: it is hidden, or was told what people are not. Also
/// one that passes words on.
fn is_of_a_program(leaf: &Command, matches: &ArgMatches) -> bool {
    let told = |arg: &clap::Arg| matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine);
    leaf.is_hide_set()
        || leaf.get_arguments().any(|arg| (arg.is_hide_set() && told(arg)) || arg.is_trailing_var_arg_set())
}

/// A value that the option does not take is told with the place where it was said.
fn check(root: &Command, path: &[String], option: &Opt<'_>, said: &Setting) -> Result<(), Refused> {
    let mut words: Vec<OsString> =
        std::iter::once("erlmcp").chain(path.iter().map(String::as_str)).map(Into::into).collect();
    add(&mut words, option, &said.given);
    match root.clone().try_get_matches_from(words) {
        Err(error) if matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue) => {
            let text = error.to_string();
            let lines: Vec<&str> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
            let why = lines.join(" ");
            Err(Refused::Said(format!("{}: {}", said.origin, why.trim_start_matches("error: "))))
        }
        _ => Ok(()),
    }
}

/// Puts an option behind the words of the command line, where it means the same as if it had been typed.
fn add(words: &mut Vec<OsString>, option: &Opt<'_>, given: &Given) {
    let end = words.iter().position(|word| word == OsStr::new("--")).unwrap_or(words.len());
    let new = match (given, option.arg.get_long()) {
        (Given::Switch(false), _) => Vec::new(),
        (Given::Switch(true), long) => long.map(|long| format!("--{long}").into()).into_iter().collect(),
        (Given::Values(values), None) => values.clone(),
        (Given::Values(values), Some(long)) => values
            .iter()
            .map(|value| {
                let mut word = OsString::from(format!("--{long}="));
                word.push(value);
                word
            })
            .collect(),
    };
    words.splice(end..end, new);
}
