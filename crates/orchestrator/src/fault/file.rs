//! `--faults FILE`: which faults, how often, how strong, or when.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::{CommandFault, Kind};
use crate::duration::parse_duration;

/// A list of faults to draw from, or a timetable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultList {
    pub(crate) choices: Vec<Choice>,
    /// Quiet time before each, drawn between these two.
    pub(crate) gap: (Duration, Duration),
    /// In force at the same time, at most.
    pub(crate) at_once: u32,
}

/// One entry of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) kind: Kind,
    pub(crate) weight: u32,
    pub(crate) targets: Targets,
    pub(crate) amount: u64,
    pub(crate) hold: Duration,
    pub(crate) command: Option<Arc<CommandFault>>,
    /// In a timetable.
    pub(crate) at: Option<Duration>,
}

/// Whom it is done to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Targets {
    Count(u16),
    Half,
    All,
    These(Vec<u16>),
    /// The cluster, or what the user's commands mean.
    None,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    gap: Option<String>,
    at_once: Option<u32>,
    #[serde(default)]
    fault: Vec<toml::Table>,
}

const GAP: (Duration, Duration) = (Duration::from_secs(3), Duration::from_secs(8));
const AT_ONCE_MAX: u32 = 16;
const HOLD_MAX: Duration = Duration::from_secs(600);
const COMMAND_WITHIN: Duration = Duration::from_secs(10);

/// Everything that leaves the cluster able to serve, with the milder kinds more often. Kinds that the machine cannot do
/// are skipped with the reason.
const USUAL: &str = r#"
[[fault]]
kind = "kill"
weight = 4
[[fault]]
kind = "kill"
targets = 2
[[fault]]
kind = "crash_loop"
[[fault]]
kind = "terminate"
weight = 2
[[fault]]
kind = "rolling_restart"
[[fault]]
kind = "pause"
weight = 3
[[fault]]
kind = "partition"
weight = 3
[[fault]]
kind = "partition_in"
[[fault]]
kind = "partition_out"
[[fault]]
kind = "partition"
targets = "half"
[[fault]]
kind = "reset"
weight = 2
[[fault]]
kind = "loss"
weight = 2
[[fault]]
kind = "cpu"
weight = 2
[[fault]]
kind = "memory"
[[fault]]
kind = "descriptors"
[[fault]]
kind = "thundering_reconnect"
[[fault]]
kind = "retry_storm"
[[fault]]
kind = "slow_clients"
[[fault]]
kind = "store_killed"
weight = 2
[[fault]]
kind = "store_slow"
[[fault]]
kind = "store_full"
[[fault]]
kind = "latency"
weight = 2
[[fault]]
kind = "latency_in"
[[fault]]
kind = "latency_out"
[[fault]]
kind = "bandwidth"
[[fault]]
kind = "slicing"
[[fault]]
kind = "black_hole"
weight = 2
[[fault]]
kind = "cut"
weight = 2
"#;

impl FaultList {
    /// The list of `erlmcp chaos` where no file is given.
    pub fn usual() -> Self {
        Self::parse(USUAL).expect("it is tested")
    }

    /// # Errors
    /// What is wrong with the text of a file, as a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|error| error.message().to_string())?;
        let gap = file.gap.as_deref().map_or(Ok(GAP), parse_gap)?;
        let at_once = file.at_once.unwrap_or(1);
        if !(1..=AT_ONCE_MAX).contains(&at_once) {
            return Err(format!("at_once must be from 1 to {AT_ONCE_MAX}, not {at_once}"));
        }
        let mut choices = Vec::new();
        for (index, entry) in file.fault.into_iter().enumerate() {
            choices.push(choice(entry).map_err(|why| format!("fault {}: {why}", index + 1))?);
        }
        if choices.is_empty() {
            return Err("there is no [[fault]] in it".into());
        }
        let timed = choices.iter().filter(|choice| choice.at.is_some()).count();
        if timed != 0 && timed != choices.len() {
            return Err("either every fault has an `at`, or none has".into());
        }
        Ok(Self { choices, gap, at_once })
    }

    /// Each fault has its time.
    pub(crate) fn is_timetable(&self) -> bool {
        self.choices.iter().all(|choice| choice.at.is_some())
    }

    /// The last fault of a timetable is over by then.
    pub(crate) fn ends(&self) -> Option<Duration> {
        self.choices.iter().map(|choice| choice.at.map(|at| at + choice.hold)).max().flatten()
    }
}

impl FaultList {
    /// A kind of it needs the fault proxy in front of replicas.
    pub(crate) fn needs_proxy(&self) -> bool {
        self.choices.iter().any(|choice| choice.kind.needs() == super::Needs::Proxy)
    }

    /// Of so many replicas, those that may be out at the same time, while others carry their load.
    pub(crate) fn out_at_most(&self, replicas: usize) -> usize {
        let outs = self.choices.iter().filter(|choice| choice.kind.takes_out()).map(|choice| match &choice.targets {
            Targets::Count(count) => usize::from(*count),
            Targets::Half => (replicas / 2).max(1),
            Targets::All => replicas,
            Targets::These(these) => these.len(),
            Targets::None => 0,
        });
        // Where all are out nobody takes their load over.
        let most = outs.filter(|out| *out < replicas).max().unwrap_or(0);
        (most * self.at_once as usize).min(replicas.saturating_sub(1))
    }
}

/// "5s", or "3s..8s".
fn parse_gap(text: &str) -> Result<(Duration, Duration), String> {
    let (from, to) = text.split_once("..").unwrap_or((text, text));
    let (from, to) = (parse_duration(from)?, parse_duration(to)?);
    if from > to { Err(format!("gap {text:?} ends before it begins")) } else { Ok((from, to)) }
}

/// What an entry of any kind may say; the rest is the kind's own amount.
#[derive(Debug, Deserialize)]
struct Common {
    kind: String,
    weight: Option<u32>,
    targets: Option<toml::Value>,
    replicas: Option<Vec<u16>>,
    hold: Option<String>,
    at: Option<String>,
    name: Option<String>,
    #[serde(default)]
    inject: Vec<String>,
    #[serde(default)]
    effect: Vec<String>,
    #[serde(default)]
    heal: Vec<String>,
    #[serde(default)]
    verify: Vec<String>,
    within: Option<String>,
}

const COMMON: [&str; 6] = ["kind", "weight", "targets", "replicas", "hold", "at"];
const COMMAND: [&str; 6] = ["name", "inject", "effect", "heal", "verify", "within"];

fn choice(entry: toml::Table) -> Result<Choice, String> {
    let common: Common = entry.clone().try_into().map_err(|error: toml::de::Error| error.message().to_string())?;
    let kind = Kind::named(&common.kind).ok_or_else(|| unknown(&common.kind))?;
    let is_known = |name: &&String| {
        let name = name.as_str();
        COMMON.contains(&name)
            || (kind == Kind::Command && COMMAND.contains(&name))
            || kind.amount().is_some_and(|amount| amount.name == name)
    };
    if let Some(other) = entry.keys().find(|name| !is_known(name)) {
        return Err(format!("{} takes no {other:?}", kind.name()));
    }
    let weight = common.weight.unwrap_or(1);
    if !(1..=1_000_000).contains(&weight) {
        return Err(format!("weight must be from 1 to 1000000, not {weight}"));
    }
    let command = (kind == Kind::Command).then(|| command(&common)).transpose()?;
    Ok(Choice {
        kind,
        weight,
        targets: targets(kind, &common)?,
        amount: amount(kind, &entry)?,
        hold: hold(kind, &common)?,
        command: command.map(Arc::new),
        at: common.at.as_deref().map(parse_duration).transpose()?,
    })
}

fn unknown(kind: &str) -> String {
    let names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    format!("there is no kind {kind:?}; there are {}", names.join(", "))
}

fn targets(kind: Kind, common: &Common) -> Result<Targets, String> {
    if kind.is_of_store() {
        let is_good = common.replicas.is_none() && common.targets.is_none();
        let wrong = format!(
            "{} is about the store, which all replicas use: it takes neither targets nor replicas",
            kind.name()
        );
        return if is_good { Ok(Targets::None) } else { Err(wrong) };
    }
    if let Some(replicas) = &common.replicas {
        let is_good = !replicas.is_empty() && replicas.len() <= 1_000 && common.targets.is_none();
        let wrong = "replicas is a list of numbers, in place of targets";
        return if is_good { Ok(Targets::These(replicas.clone())) } else { Err(wrong.into()) };
    }
    let wrong = || "targets is a number from 1, \"one\", \"two\", \"half\" or \"all\"".to_string();
    match &common.targets {
        None if kind == Kind::Command => Ok(Targets::None),
        None => Ok(Targets::Count(1)),
        Some(toml::Value::Integer(count)) => match u16::try_from(*count) {
            Ok(count @ 1..) => Ok(Targets::Count(count)),
            _ => Err(wrong()),
        },
        Some(toml::Value::String(word)) => match word.as_str() {
            "one" => Ok(Targets::Count(1)),
            "two" => Ok(Targets::Count(2)),
            "half" => Ok(Targets::Half),
            "all" => Ok(Targets::All),
            _ => Err(wrong()),
        },
        Some(_) => Err(wrong()),
    }
}

fn amount(kind: Kind, entry: &toml::Table) -> Result<u64, String> {
    let Some(amount) = kind.amount() else { return Ok(0) };
    let Some(value) = entry.get(amount.name) else { return Ok(amount.default) };
    let (name, from, to) = (amount.name, amount.min, amount.max);
    let number = value.as_integer().and_then(|number| u64::try_from(number).ok());
    let in_bounds = number.filter(|number| (from..=to).contains(number));
    in_bounds.ok_or_else(|| format!("{name} is a whole number from {from} to {to}, not {value}"))
}

fn hold(kind: Kind, common: &Common) -> Result<Duration, String> {
    let Some(text) = &common.hold else { return Ok(kind.hold().unwrap_or_default()) };
    if kind.hold().is_none() {
        return Err(format!("{} only happens: it takes no hold", kind.name()));
    }
    let hold = parse_duration(text)?;
    if hold > HOLD_MAX { Err(format!("hold may be {} s at most", HOLD_MAX.as_secs())) } else { Ok(hold) }
}

fn command(common: &Common) -> Result<CommandFault, String> {
    let name = common.name.clone().filter(|name| !name.is_empty()).ok_or("a command needs a name")?;
    for (what, words) in [("inject", &common.inject), ("effect", &common.effect)] {
        if words.first().is_none_or(String::is_empty) {
            return Err(format!("a command needs {what}: a list of a program and its arguments"));
        }
    }
    let within = common.within.as_deref().map_or(Ok(COMMAND_WITHIN), parse_duration)?;
    if !(Duration::from_millis(100)..=HOLD_MAX).contains(&within) {
        return Err(format!("within must be from 100 ms to {} s", HOLD_MAX.as_secs()));
    }
    let (inject, effect) = (common.inject.clone(), common.effect.clone());
    let (heal, verify) = (common.heal.clone(), common.verify.clone());
    Ok(CommandFault { name, inject, effect, heal, verify, within })
}

#[cfg(test)]
mod tests;
