use crate::proto;
use crate::random::Random;

/// Letters of a text, at most.
const LETTERS_MAX: i64 = 16 << 20;
/// Texts of letters begin anywhere in it, and go round.
const LETTERS: &[u8] = b"the quick brown fox jumps over the lazy dog and then it sleeps all day long under some tree ";

/// What a gap is filled with: the same for the same seed, session and step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) of_session: bool,
    of: Of,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Of {
    /// Each as JSON, and as it stands in the midst of a string.
    Choices(Box<[(Box<str>, Box<str>)]>),
    Integer(i64, i64),
    Letters(u64, u64),
    Number,
}

impl Value {
    /// None where nothing could be drawn from it.
    pub(super) fn new(value: &proto::Value) -> Option<Self> {
        use proto::value::Of as Told;
        let of = match value.of.as_ref()? {
            Told::Choices(choices) if choices.json.is_empty() => return None,
            Told::Choices(choices) => Of::Choices(choices.json.iter().map(|json| both(json)).collect::<Option<_>>()?),
            Told::Integer(span) if span.from <= span.to => Of::Integer(span.from, span.to),
            Told::Letters(span) if 0 <= span.from && span.from <= span.to && span.to <= LETTERS_MAX => {
                Of::Letters(span.from as u64, span.to as u64)
            }
            Told::Number(true) => Of::Number,
            _ => return None,
        };
        Some(Self { of_session: value.of_session, of })
    }

    /// Appends the value as JSON where it is `whole`, else as it stands in the midst of a JSON string.
    pub(super) fn write(&self, random: &mut Random, number: u64, whole: bool, out: &mut Vec<u8>) {
        match &self.of {
            Of::Choices(choices) => {
                let (json, text) = &choices[random.below(choices.len() as u64) as usize];
                out.extend_from_slice(if whole { json } else { text }.as_bytes());
            }
            Of::Integer(from, to) => {
                let drawn = i128::from(*from) + i128::from(random.below(to.abs_diff(*from).saturating_add(1)));
                out.extend_from_slice(itoa::Buffer::new().format(drawn as i64).as_bytes());
            }
            Of::Letters(from, to) => {
                let quote: &[u8] = if whole { b"\"" } else { b"" };
                out.extend_from_slice(quote);
                let mut left = (from + random.below(to - from + 1)) as usize;
                let mut at = random.below(LETTERS.len() as u64) as usize;
                while left > 0 {
                    let part = &LETTERS[at..][..left.min(LETTERS.len() - at)];
                    out.extend_from_slice(part);
                    (left, at) = (left - part.len(), 0);
                }
                out.extend_from_slice(quote);
            }
            Of::Number => out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
        }
    }
}

/// A JSON value as it is, and what it is in the midst of a string: a string without its quotes, others escaped.
fn both(json: &str) -> Option<(Box<str>, Box<str>)> {
    let value: serde_json::Value = serde_json::from_str(json).ok()?;
    let quoted = match &value {
        serde_json::Value::String(_) => json.to_string(),
        other => serde_json::Value::from(other.to_string()).to_string(),
    };
    let text = quoted.trim().strip_prefix('"')?.strip_suffix('"')?;
    Some((json.into(), text.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::value::Of as Told;

    fn value(of: Told) -> Option<Value> {
        Value::new(&proto::Value { of_session: false, of: Some(of) })
    }

    fn written(of: Told, seed: u64, whole: bool) -> String {
        let mut out = Vec::new();
        value(of).expect("good").write(&mut Random::new(seed, 0), 77, whole, &mut out);
        String::from_utf8(out).expect("text")
    }

    fn choices(json: &[&str]) -> Told {
        Told::Choices(proto::Choices { json: json.iter().map(ToString::to_string).collect() })
    }

    fn span(from: i64, to: i64) -> proto::Span {
        proto::Span { from, to }
    }

    #[test]
    fn each_kind_is_json_when_whole_and_text_in_the_midst() {
        for seed in 0..200 {
            let whole = written(Told::Integer(span(-2, 3)), seed, true);
            assert!((-2..=3).contains(&whole.parse::<i64>().expect("a number")));
            let letters: String =
                serde_json::from_str(&written(Told::Letters(span(3, 300)), seed, true)).expect("JSON");
            assert!((3..=300).contains(&letters.len()));
            assert!((3..=300).contains(&written(Told::Letters(span(3, 300)), seed, false).len()));
        }
        assert_eq!(written(choices(&[r#""a\"b""#]), 1, true), r#""a\"b""#);
        assert_eq!(written(choices(&[r#""a\"b""#]), 1, false), r#"a\"b"#);
        assert_eq!(written(choices(&[r#"{"a":"b"}"#]), 1, false), r#"{\"a\":\"b\"}"#);
        assert_eq!(written(Told::Number(true), 1, true), "77");
    }

    #[test]
    fn the_seed_draws_the_same_and_every_choice_comes() {
        let list = choices(&["1", "2", "3"]);
        let drawn = |seed| written(list.clone(), seed, true);
        assert!((0..50).all(|seed| drawn(seed) == drawn(seed)));
        let all: std::collections::BTreeSet<String> = (0..50).map(drawn).collect();
        assert_eq!(all.len(), 3);
    }

    #[test]
    fn what_cannot_be_drawn_is_refused() {
        let bad = [choices(&[]), choices(&["x"]), Told::Integer(span(2, 1)), Told::Letters(span(-1, 1))];
        assert!(bad.into_iter().all(|of| value(of).is_none()));
        assert!(value(Told::Letters(span(0, i64::MAX))).is_none());
        assert!(value(Told::Integer(span(i64::MIN, i64::MAX))).is_some());
    }
}
