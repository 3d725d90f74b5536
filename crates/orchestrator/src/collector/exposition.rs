//! The Prometheus text format, as far as a page of plain samples needs it.

/// One sample: `name{label="value",...} 12 [timestamp]`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    pub(crate) name: String,
    labels: Vec<(String, String)>,
    pub(crate) value: f64,
}

impl Sample {
    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// A count or an amount; None where it is negative or no number.
    pub(crate) fn whole(&self) -> Option<u64> {
        (self.value.is_finite() && self.value >= 0.0).then_some(self.value as u64)
    }
}

/// The samples of a page. Lines that are not understood are passed over.
pub(crate) fn samples(text: &str) -> impl Iterator<Item = Sample> {
    text.lines().filter_map(|line| sample(line.trim()))
}

fn sample(line: &str) -> Option<Sample> {
    if line.starts_with('#') {
        return None;
    }
    let end = line.find(|c: char| c == '{' || c.is_ascii_whitespace())?;
    let (name, mut rest) = line.split_at(end);
    let mut found = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        (found, rest) = labels(inside)?;
    }
    let value = rest.split_ascii_whitespace().next()?.parse().ok()?;
    (!name.is_empty()).then(|| Sample { name: name.into(), labels: found, value })
}

type Labels = Vec<(String, String)>;

/// The labels up to the closing brace, and what stands behind it.
fn labels(mut rest: &str) -> Option<(Labels, &str)> {
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(behind) = rest.strip_prefix('}') {
            return Some((found, behind));
        }
        let (name, behind) = rest.split_once('=')?;
        let (value, behind) = quoted(behind.trim_start().strip_prefix('"')?)?;
        found.push((name.trim().to_string(), value));
        rest = behind;
    }
}

/// A value up to its closing quote, with its escapes resolved, and what stands behind it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                escaped => value.push(escaped),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_have_names_labels_and_values() {
        let text = "# HELP up Help.\n# TYPE up gauge\nup 1\nx{} 2.5e3 1700000000\n\
            y{replica=\"3\", kind=\"a\\\"b\\\\c,}\",} 7\nbroken{a=\"b 1\nnovalue\nz{a=\"b\"} NaN\nw -3\n";
        let found: Vec<Sample> = samples(text).collect();
        let names: Vec<&str> = found.iter().map(|sample| sample.name.as_str()).collect();
        assert_eq!(names, ["up", "x", "y", "z", "w"]);
        assert_eq!((found[0].whole(), found[1].whole()), (Some(1), Some(2_500)));
        assert_eq!(found[2].label("kind"), Some("a\"b\\c,}"));
        assert_eq!((found[2].label("replica"), found[2].label("x")), (Some("3"), None));
        assert_eq!((found[3].whole(), found[4].whole()), (None, None));
    }
}
