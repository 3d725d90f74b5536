//! From a file's text to a workload; what is wrong is told with its line.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use erlmcp_load::gaps;
use toml::Spanned;

use super::expect::Expected;
use super::file::{EraWord, File, Letters, Per, SessionForm, StepForm, ValueForm};
use super::{Arrival, Asks, Class, Session, Step, Streams, Value, ValueOf, Workload};
use crate::config::Era;
use crate::duration::parse_duration;

const CLASSES_MAX: usize = 32;
const STEPS_MAX: usize = 1_024;
const VALUES_MAX: usize = 256;
const WEIGHT_MAX: u32 = 1_000_000;
const LETTERS_MAX: i64 = 16 << 20;
const THINK_MAX: Duration = Duration::from_secs(600);
const FILE_BYTES_MAX: usize = 1 << 20;

/// What is wrong, and where in the text.
pub(super) struct Wrong {
    at: Option<usize>,
    why: String,
}

impl From<String> for Wrong {
    fn from(why: String) -> Self {
        Self { at: None, why }
    }
}

impl From<&str> for Wrong {
    fn from(why: &str) -> Self {
        Self { at: None, why: why.into() }
    }
}

/// Puts the place of `spanned` to what is wrong inside it, unless that knows a closer one.
pub(super) fn within<T, U>(spanned: &Spanned<T>, of: impl FnOnce(&T) -> Result<U, Wrong>) -> Result<U, Wrong> {
    of(spanned.get_ref()).map_err(|wrong| Wrong { at: wrong.at.or(Some(spanned.span().start)), ..wrong })
}

/// `name` is what the user calls the file, `folder` where it is.
pub(super) fn parse(name: &str, text: &str, folder: Option<&Path>) -> Result<Workload, String> {
    if text.len() > FILE_BYTES_MAX {
        return Err(format!("{name} is larger than {FILE_BYTES_MAX} bytes: is it a workload?"));
    }
    let told = |wrong: Wrong| match wrong.at {
        Some(at) => format!("{name}, line {}: {}", line_of(text, at), wrong.why),
        None => format!("{name}: {}", wrong.why),
    };
    let file: File = toml::from_str(text)
        .map_err(|error| Wrong { at: error.span().map(|span| span.start), why: error.message().trim().to_string() })
        .map_err(told)?;
    Builder { text, ..Builder::default() }.build(name, file, folder).map_err(told)
}

fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}

#[derive(Default)]
struct Builder<'t> {
    /// Of the file.
    text: &'t str,
    /// Index of each value by its name.
    named: BTreeMap<String, u16>,
    steps: Vec<Step>,
    sessions: Vec<Session>,
    classes: Vec<Class>,
}

impl Builder<'_> {
    fn build(mut self, name: &str, file: File, folder: Option<&Path>) -> Result<Workload, Wrong> {
        let values = self.values(&file.values)?;
        let arrival = match &file.arrival {
            None => Arrival::even(),
            Some(form) => within(&form.kind, |_| Ok(Arrival::parse(form, folder)?))?,
        };
        for session in &file.session {
            within(session, |form| self.session(form))?;
        }
        for request in &file.request {
            within(request, |form| self.request(form, request.span().start))?;
        }
        if let Some(trace) = arrival.trace() {
            if !self.sessions.is_empty() {
                return Err("a recorded trace says itself what is sent: leave [[session]] and [[request]] out".into());
            }
            for (request, count) in trace.requests.iter().zip(trace.counts()) {
                let class = self.class(&request.label(), true)?;
                self.sessions.push(Session { weight: count, first: self.steps.len(), count: 1, rest: Duration::ZERO });
                self.steps.push(Step {
                    class,
                    asks: request.asks(),
                    think: (Duration::ZERO, Duration::ZERO),
                    line: None,
                });
            }
        }
        if self.sessions.is_empty() {
            return Err("nothing is sent: add a [[session]] with steps, or a [[request]]".into());
        }
        if file.own_sessions && file.era != Some(EraWord::Legacy) {
            return Err("own_sessions is of the older era: add era = \"legacy\", or leave it out".into());
        }
        Ok(Workload {
            name: name.into(),
            about: file.about.clone().unwrap_or_default(),
            connections: in_bounds("connections", file.connections, 1, 10_000_000)?,
            rate: rate(file.rate)?,
            streams: streams(&file)?,
            era: file.era.map(|era| if era == EraWord::Modern { Era::Modern } else { Era::Legacy }),
            own_sessions: file.own_sessions,
            arrival,
            values,
            steps: self.steps,
            sessions: self.sessions,
            classes: self.classes,
            misbehaving: super::misbehaving::parse(&file.misbehaving)?,
        })
    }

    fn values(&mut self, forms: &BTreeMap<String, Spanned<ValueForm>>) -> Result<Vec<Value>, Wrong> {
        if forms.len() > VALUES_MAX {
            return Err(format!("there may be {VALUES_MAX} values at most").into());
        }
        let mut values = Vec::new();
        for (name, form) in forms {
            self.named.insert(name.clone(), values.len() as u16);
            values.push(within(form, |form| value(name, form))?);
        }
        Ok(values)
    }

    fn session(&mut self, form: &SessionForm) -> Result<(), Wrong> {
        let first = self.steps.len();
        for step in &form.steps {
            within(step, |form| match form.weight {
                Some(_) => Err("a step has no weight: its session has".into()),
                None => self.step(form, step.span().start),
            })?;
        }
        let (weight, rest) = (weight(form.weight)?, span(form.rest.as_deref(), "rest")?);
        self.end(first, weight, (rest.0 + rest.1) / 2)
    }

    /// `at`: where it is in the text.
    fn request(&mut self, form: &StepForm, at: usize) -> Result<(), Wrong> {
        let first = self.steps.len();
        self.step(form, at)?;
        self.end(first, weight(form.weight)?, Duration::ZERO)
    }

    fn end(&mut self, first: usize, weight: u32, rest: Duration) -> Result<(), Wrong> {
        let count = self.steps.len() - first;
        if count == 0 {
            return Err("a session needs steps, as steps = [{ tool = \"search\" }]".into());
        }
        self.sessions.push(Session { weight, first, count, rest });
        Ok(())
    }

    fn step(&mut self, form: &StepForm, at: usize) -> Result<(), Wrong> {
        let (asks, label) = self.asks(form)?;
        let class = self.class(form.name.as_deref().unwrap_or(&label), false)?;
        for text in &form.expect {
            let (expected, class) = (Expected::parse(text)?, &mut self.classes[class]);
            match class.expected.iter().find(|known| known.figure() == expected.figure()) {
                None => class.expected.push(expected),
                Some(known) if *known == expected => {}
                Some(known) => {
                    let (figure, name) = (known.figure(), &class.name);
                    let why =
                        format!("{name:?} has another limit of {figure}: leave one out, or give one step another name");
                    return Err(why.into());
                }
            }
        }
        let think = span(form.think.as_deref(), "think")?;
        let times = form.times.unwrap_or(1);
        if !(1..=STEPS_MAX as u32).contains(&times) || self.steps.len() + times as usize > STEPS_MAX {
            return Err(format!("there may be {STEPS_MAX} steps at most, and times is from 1").into());
        }
        let line = Some(line_of(self.text, at));
        for _ in 0..times {
            self.steps.push(Step { class, asks: asks.clone(), think, line });
        }
        Ok(())
    }

    /// What a step sends, and what that is called.
    fn asks(&self, form: &StepForm) -> Result<(Asks, String), Wrong> {
        let given = [form.tool.is_some(), form.method.is_some(), form.resource.is_some(), form.prompt.is_some()];
        let count = given.iter().filter(|is_given| **is_given).count() + usize::from(form.usual == Some(true));
        if count != 1 {
            return Err("a step needs exactly one of tool, method, resource, prompt and usual = true".into());
        }
        if form.arguments.is_some() && form.tool.is_none() && form.prompt.is_none() {
            return Err("arguments are for a tool or a prompt".into());
        }
        let arguments = match &form.arguments {
            None if form.tool.is_some() => "{}".to_string(),
            None => String::new(),
            Some(table) => serde_json::Value::Object(self.object(table)?).to_string(),
        };
        let named = |method: &str, name: &str| {
            let asks = Asks::Method { method: method.into(), name: name.into(), arguments: arguments.clone() };
            (asks, format!("{method} {name}").trim().to_string())
        };
        let is_name = |name: &str| !name.is_empty() && !name.chars().any(char::is_control);
        match (&form.tool, &form.method, &form.resource, &form.prompt) {
            (Some(name), ..) | (_, _, Some(name), _) | (.., Some(name)) if !is_name(name) => {
                Err("a name is a text in one line".into())
            }
            (Some(tool), ..) => Ok(named("tools/call", tool)),
            (_, Some(method), ..) => Ok(named(plain_method(method)?, "")),
            (_, _, Some(uri), _) => Ok(named("resources/read", uri)),
            (.., Some(prompt)) => Ok(named("prompts/get", prompt)),
            _ => Ok((Asks::Usual, "usual call".into())),
        }
    }

    /// The index of a class by its name. `others`: where there are too many, one takes the rest.
    fn class(&mut self, name: &str, others: bool) -> Result<usize, Wrong> {
        let find = |classes: &[Class], name: &str| classes.iter().position(|class| class.name == name);
        if let Some(index) = find(&self.classes, name) {
            return Ok(index);
        }
        let name = match self.classes.len() {
            count if count + 1 < CLASSES_MAX || (count < CLASSES_MAX && !others) => name,
            _ if others => "others",
            _ => {
                let why = format!("there may be {CLASSES_MAX} names of steps at most: give some of them the same name");
                return Err(why.into());
            }
        };
        Ok(find(&self.classes, name).unwrap_or_else(|| {
            self.classes.push(Class { name: name.into(), expected: Vec::new() });
            self.classes.len() - 1
        }))
    }

    fn object(&self, table: &toml::Table) -> Result<serde_json::Map<String, serde_json::Value>, Wrong> {
        table.iter().map(|(key, value)| Ok((key.clone(), self.json(value)?))).collect()
    }

    fn json(&self, value: &toml::Value) -> Result<serde_json::Value, Wrong> {
        Ok(match value {
            toml::Value::String(text) => self.text(text)?.into(),
            toml::Value::Array(list) => {
                serde_json::Value::Array(list.iter().map(|item| self.json(item)).collect::<Result<_, _>>()?)
            }
            toml::Value::Table(table) => serde_json::Value::Object(self.object(table)?),
            other => plain_json(other),
        })
    }

    /// Puts marks where a text names values.
    fn text(&self, text: &str) -> Result<String, Wrong> {
        if gaps::looks_like_gap(text) {
            return Err(format!("{text:?} has characters from U+F8F0 to U+F8F2, which no argument may have").into());
        }
        let (mut made, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after.split_once('}').ok_or_else(|| format!("{text:?} has a ${{ without a }}"))?;
            let value = *self.named.get(name).ok_or_else(|| self.unknown(name))?;
            let is_whole = before.is_empty() && after.is_empty() && made.is_empty();
            made += before;
            made += &gaps::gap(value, is_whole);
            rest = after;
        }
        Ok(made + rest)
    }

    fn unknown(&self, name: &str) -> String {
        let names: Vec<&str> = self.named.keys().map(String::as_str).collect();
        let there = if names.is_empty() { "there are none".into() } else { format!("there are {}", names.join(", ")) };
        format!("there is no value {name:?} in [values]: {there}")
    }
}

/// A method that a step has no other words for.
fn plain_method(method: &str) -> Result<&str, Wrong> {
    match method {
        "tools/call" => Err("a tool is called by tool = \"NAME\"".into()),
        "resources/read" => Err("a resource is read by resource = \"URI\"".into()),
        "prompts/get" => Err("a prompt is got by prompt = \"NAME\"".into()),
        _ => check_method(method).map(|()| method).map_err(Wrong::from),
    }
}

/// # Errors
/// Why a method is no request of a load, as a sentence.
pub(super) fn check_method(method: &str) -> Result<(), String> {
    let is_name = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_graphic());
    match method {
        "initialize" => Err("sessions are opened by own_sessions = true, not by a step".into()),
        "subscriptions/listen" => Err("streams are asked for by streams or streams_share, not by a step".into()),
        "completion/complete"
        | "logging/setLevel"
        | "resources/subscribe"
        | "resources/unsubscribe"
        | "tasks/get"
        | "tasks/result"
        | "tasks/update"
        | "tasks/cancel" => {
            Err(format!("{method} needs parameters, which only tools, resources and prompts are given"))
        }
        _ if method.starts_with("notifications/") => Err("a notification has no answer to be measured".into()),
        _ if !is_name => Err(format!("{method:?} is no method: write one as \"tools/list\"")),
        _ => Ok(()),
    }
}

fn plain_json(value: &toml::Value) -> serde_json::Value {
    match value {
        toml::Value::Integer(number) => (*number).into(),
        toml::Value::Float(number) => (*number).into(),
        toml::Value::Boolean(flag) => (*flag).into(),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::String(text) => text.as_str().into(),
        toml::Value::Array(list) => list.iter().map(plain_json).collect(),
        toml::Value::Table(table) => table.iter().map(|(key, value)| (key.clone(), plain_json(value))).collect(),
    }
}

fn value(name: &str, form: &ValueForm) -> Result<Value, Wrong> {
    let wrong = format!("the value {name:?} needs exactly one of one_of, integer, letters and number = true");
    let of = match (&form.one_of, form.integer, form.letters, form.number) {
        (Some(list), None, None, None) if list.is_empty() => {
            return Err(format!("the value {name:?} has nothing to choose from").into());
        }
        (Some(list), None, None, None) => {
            ValueOf::Choices(list.iter().map(|item| plain_json(item).to_string()).collect())
        }
        (None, Some([from, to]), None, None) if from <= to => ValueOf::Integer(from, to),
        (None, Some([from, to]), None, None) => {
            return Err(format!("the value {name:?} goes from {from} to {to}: write the smaller one first").into());
        }
        (None, None, Some(letters), None) => {
            let [from, to] = match letters {
                Letters::Count(count) => [count, count],
                Letters::Between(span) => span,
            };
            if !(0 <= from && from <= to && to <= LETTERS_MAX) {
                return Err(format!("letters are from 0 to {LETTERS_MAX}, the smaller number first").into());
            }
            ValueOf::Letters(from, to)
        }
        (None, None, None, Some(true)) => ValueOf::Number,
        _ => return Err(wrong.into()),
    };
    Ok(Value { of_session: form.per == Some(Per::Session), of })
}

fn weight(weight: Option<u32>) -> Result<u32, Wrong> {
    let weight = weight.unwrap_or(1);
    let is_good = (1..=WEIGHT_MAX).contains(&weight);
    if is_good { Ok(weight) } else { Err(format!("weight must be from 1 to {WEIGHT_MAX}, not {weight}").into()) }
}

/// "2s", or "1s..5s"; none is no time.
pub(super) fn span(text: Option<&str>, what: &str) -> Result<(Duration, Duration), Wrong> {
    let Some(text) = text else { return Ok((Duration::ZERO, Duration::ZERO)) };
    let (from, to) = text.split_once("..").unwrap_or((text, text));
    let (from, to) = (parse_duration(from)?, parse_duration(to)?);
    if from > to || to > THINK_MAX {
        let most = THINK_MAX.as_secs();
        return Err(format!("{what} {text:?}: write the shorter time first, and {most} s at most").into());
    }
    Ok((from, to))
}

fn in_bounds(what: &str, count: Option<u64>, from: u64, to: u64) -> Result<Option<u64>, Wrong> {
    match count {
        Some(count) if !(from..=to).contains(&count) => {
            Err(format!("{what} must be from {from} to {to}, not {count}").into())
        }
        count => Ok(count),
    }
}

fn rate(rate: Option<f64>) -> Result<Option<f64>, Wrong> {
    match rate {
        Some(rate) if !(rate > 0.0 && rate.is_finite()) => Err(format!("rate must be above 0, not {rate}").into()),
        rate => Ok(rate),
    }
}

fn streams(file: &File) -> Result<Streams, Wrong> {
    match (file.streams, file.streams_share) {
        (Some(_), Some(_)) => Err("streams and streams_share say the same: leave one out".into()),
        (None, Some(share)) if (0.0..=1.0).contains(&share) => Ok(Streams::Share(share)),
        (None, Some(share)) => Err(format!("streams_share is from 0 to 1, not {share}").into()),
        (count, None) => Ok(Streams::Count(in_bounds("streams", count, 0, 10_000_000)?.unwrap_or(0))),
    }
}
