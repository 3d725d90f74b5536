//! The file of `--config`: TOML whose keys are the long names of options, at its top for the command that is run, or in
//! a table of a command's name.

use std::borrow::Cow;
use std::ffi::OsString;
use std::path::Path;

use clap::Command;
use erlmcp_report::nearest::nearest;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::options::{Given, Opt, of_file, options};
use super::{Origin, Setting};

const BYTES_MAX: usize = 1 << 20;
const HINT: &str = "erlmcp config --print > plan.toml makes a file to start from";

/// A key and its value, in the file's order.
type Line<'a, 'i> = (&'a Spanned<Cow<'i, str>>, &'a Spanned<DeValue<'i>>);

/// What the file says for the command `path`.
///
/// # Errors
/// A sentence with the line, also about what it says for other commands.
pub(super) fn read(file: &Path, root: &Command, path: &[String]) -> Result<Vec<Setting>, String> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|error| format!("cannot read {name}: {error}; {HINT}"))?;
    if text.len() > BYTES_MAX {
        return Err(format!("{name} is larger than {BYTES_MAX} bytes: is it a configuration?"));
    }
    said(&name, &text, root, path)
}

pub(super) fn said(name: &str, text: &str, root: &Command, path: &[String]) -> Result<Vec<Setting>, String> {
    let reader = Reader { name, text, root, path };
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        reader.wrong(at, error.message().lines().next().unwrap_or_default())
    })?;
    let mut found = Vec::new();
    reader.table(table.get_ref(), root, &mut Vec::new(), &mut found)?;
    // What stands in the table of the command goes over what stands at the top.
    found.sort_by_key(|(depth, _)| std::cmp::Reverse(*depth));
    let mut all: Vec<Setting> = Vec::new();
    for (_, one) in found {
        if !all.iter().any(|other| other.id == one.id) {
            all.push(one);
        }
    }
    Ok(all)
}

struct Reader<'a> {
    /// What the user calls the file.
    name: &'a str,
    text: &'a str,
    root: &'a Command,
    path: &'a [String],
}

impl Reader<'_> {
    fn line_of(&self, at: usize) -> usize {
        self.text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
    }

    fn wrong(&self, at: usize, why: &str) -> String {
        format!("{}, line {}: {why}", self.name, self.line_of(at))
    }

    /// The table of the command at `at`; what counts for the command that runs goes into `found`, with its depth.
    fn table(
        &self,
        table: &DeTable<'_>,
        command: &Command,
        at: &mut Vec<String>,
        found: &mut Vec<(usize, Setting)>,
    ) -> Result<(), String> {
        let mut lines: Vec<Line<'_, '_>> = table.iter().collect();
        lines.sort_by_key(|(key, _)| key.span().start);
        let leaf = if at.is_empty() { find(self.root, self.path) } else { command };
        let counts = at.is_empty() || at == self.path;
        for (key, value) in lines {
            let inner = command.find_subcommand(key.get_ref().as_ref()).filter(|inner| !inner.is_hide_set());
            if let (Some(inner), Some(table)) = (inner, value.get_ref().as_table()) {
                at.push(key.get_ref().to_string());
                self.table(table, inner, at, found)?;
                at.pop();
                continue;
            }
            let asked = key.get_ref().replace('_', "-");
            let options = of_file(self.root, leaf);
            let (place, is_table) = (key.span().start, value.get_ref().as_table().is_some());
            let Some(option) = options.iter().find(|option| option.key == asked) else {
                return Err(self.wrong(place, &self.unknown((key.get_ref(), &asked, is_table), leaf, &options)));
            };
            let given = given(option, value.get_ref()).map_err(|why| self.wrong(place, &format!("{asked} {why}")))?;
            if counts {
                let origin = Origin::File { name: self.name.into(), line: self.line_of(place) };
                found.push((at.len(), Setting { id: option.arg.get_id().to_string(), given, origin }));
            }
        }
        Ok(())
    }

    fn unknown(&self, (written, asked, is_table): (&str, &str, bool), leaf: &Command, options: &[Opt<'_>]) -> String {
        if asked == super::FILE {
            return "a file names no further file: leave config out".into();
        }
        let is_its = |command: &&Command| {
            !command.is_hide_set() && options_have(self.root, command, asked) && command.get_name() != leaf.get_name()
        };
        if let Some(other) = self.root.get_subcommands().find(is_its) {
            let (name, leaf) = (other.get_name(), leaf.get_name());
            return format!("{written:?} is an option of `{name}`, not of `{leaf}`: put it under [{name}]");
        }
        let tables = leaf.get_subcommands().filter(|inner| !inner.is_hide_set()).map(Command::get_name);
        let tables: Vec<&str> = if is_table { tables.chain(self.commands()).collect() } else { Vec::new() };
        let known = options.iter().map(|option| option.key.as_str()).chain(tables.iter().copied());
        let near = nearest(asked, known).map_or_else(String::new, |near| match tables.contains(&near) {
            true => format!("; the nearest is [{near}]"),
            false => format!("; the nearest is {near:?}"),
        });
        format!("there is no option {written:?} of `{}`{near}", leaf.get_name())
    }

    /// The names of tables at the top.
    fn commands(&self) -> impl Iterator<Item = &str> {
        self.root.get_subcommands().filter(|command| !command.is_hide_set()).map(Command::get_name)
    }
}

fn options_have(root: &Command, command: &Command, key: &str) -> bool {
    options(root, command).iter().any(|option| option.key == key)
}

fn find<'a>(root: &'a Command, path: &[String]) -> &'a Command {
    path.iter().fold(root, |command, name| command.find_subcommand(name).unwrap_or(command))
}

/// The value as it would be typed.
fn given(option: &Opt<'_>, value: &DeValue<'_>) -> Result<Given, String> {
    match value {
        DeValue::Boolean(on) if option.is_switch() => Ok(Given::Switch(*on)),
        _ if option.is_switch() => Err("is a switch: write true or false".into()),
        DeValue::Array(all) if option.is_repeatable() => {
            let values = all.iter().map(|one| word(one.get_ref()));
            values.collect::<Result<_, _>>().map(Given::Values)
        }
        DeValue::Table(table) if option.is_repeatable() => {
            let mut values = Vec::new();
            pairs("", table, &mut values)?;
            Ok(Given::Values(values))
        }
        DeValue::Array(_) => Err("takes one value, not a list".into()),
        value => Ok(Given::Values(vec![word(value)?])),
    }
}

/// `[threshold] "sla.p95_ms" = 50` and `[threshold.sla] p95_ms = 50` mean `--threshold sla.p95_ms=50`.
fn pairs(prefix: &str, table: &DeTable<'_>, values: &mut Vec<OsString>) -> Result<(), String> {
    let mut lines: Vec<Line<'_, '_>> = table.iter().collect();
    lines.sort_by_key(|(key, _)| key.span().start);
    for (key, value) in lines {
        let name = if prefix.is_empty() { key.get_ref().to_string() } else { format!("{prefix}.{}", key.get_ref()) };
        match value.get_ref() {
            DeValue::Table(inner) => pairs(&name, inner, values)?,
            value => {
                let mut pair = OsString::from(format!("{name}="));
                pair.push(word(value)?);
                values.push(pair);
            }
        }
    }
    Ok(())
}

fn word(value: &DeValue<'_>) -> Result<OsString, String> {
    match value {
        DeValue::String(text) => Ok(text.as_ref().into()),
        DeValue::Integer(number) => {
            let digits = number.as_str().replace('_', "");
            let value = i64::from_str_radix(&digits, number.radix()).map_err(|_| format!("cannot be {digits}"))?;
            Ok(value.to_string().into())
        }
        DeValue::Float(number) => Ok(number.as_str().replace('_', "").into()),
        other => Err(format!("takes a text or a number, not a {}", other.type_str())),
    }
}
