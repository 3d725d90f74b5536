//! Requests whose arguments have gaps, which are filled anew each time they are sent.

use std::fmt::Write as _;

use super::request::{Ask, BadRequest, Peer, Template};

/// Before the number of a value that is written in the midst of a string.
const IN_TEXT: char = '\u{f8f0}';
/// Before the number of a value that takes the place of a whole string, its quotes included.
const WHOLE: char = '\u{f8f1}';
const END: char = '\u{f8f2}';

/// True where a text has characters that would be taken for gaps.
pub fn looks_like_gap(text: &str) -> bool {
    text.contains([IN_TEXT, WHOLE, END])
}

/// The mark of a gap, to be put into a string of the arguments. A `whole` one must be all that its string has.
pub fn gap(value: u16, whole: bool) -> String {
    let mut mark = String::from(if whole { WHOLE } else { IN_TEXT });
    let _ = write!(mark, "{value}{END}");
    mark
}

/// What a gap is to be filled with: JSON for a whole one, else text as it stands between the quotes of a JSON string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The number of the value.
    pub value: u16,
    pub whole: bool,
}

/// A rendered request, to be sent as it is but for its id and its gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gapped {
    template: Template,
    /// Bytes of the template's end, each before its gap; the rest comes after the last.
    parts: Box<[(Box<[u8]>, Gap)]>,
    rest: Box<[u8]>,
}

impl Gapped {
    /// It asks for no progress.
    ///
    /// # Errors
    /// Where a header, the path or the arguments cannot be sent.
    pub fn new(peer: &Peer<'_>, ask: &Ask<'_>) -> Result<Self, BadRequest> {
        let template = Template::new(peer, &Ask { with_progress: false, ..*ask })?;
        let text = String::from_utf8_lossy(&template.after_id).into_owned();
        let (mut parts, mut rest) = (Vec::new(), text.as_str());
        while let Some((before, gap, after)) = next(rest) {
            parts.push((before.as_bytes().into(), gap));
            rest = after;
        }
        let rest = rest.as_bytes().into();
        Ok(Self { template, parts: parts.into(), rest })
    }

    /// Appends the request with this id, and with further members of its parameters (see [`Template::write_round`]; none
    /// for its first round). `fill` appends what belongs into a gap, the same for the same request.
    pub fn write(&self, id: u64, members: &str, fill: &mut dyn FnMut(Gap, &mut Vec<u8>), out: &mut Vec<u8>) {
        // The length stands in the head and is known last: the end is written first and then turned behind it.
        let begin = out.len();
        for (before, gap) in &self.parts {
            out.extend_from_slice(before);
            fill(*gap, out);
        }
        let (params, end) = self.rest.split_at(self.rest.len().saturating_sub(2));
        out.extend_from_slice(params);
        if !members.is_empty() {
            if out.last() != Some(&b'{') {
                out.push(b',');
            }
            out.extend_from_slice(members.as_bytes());
        }
        out.extend_from_slice(end);
        let length = out.len() - begin;
        self.template.write_before(id, length, out);
        out[begin..].rotate_left(length);
    }
}

/// What is before the next gap, the gap, and what is after it.
fn next(text: &str) -> Option<(&str, Gap, &str)> {
    let at = text.find([IN_TEXT, WHOLE])?;
    let (before, mark) = text.split_at(at);
    let whole = mark.starts_with(WHOLE);
    let (value, after) = mark[WHOLE.len_utf8()..].split_once(END)?;
    let gap = Gap { value: value.parse().ok()?, whole };
    Some(match whole {
        true => (before.strip_suffix('"')?, gap, after.strip_prefix('"')?),
        false => (before, gap, after),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::era::Version;

    fn written(arguments: &str, members: &str) -> String {
        let peer =
            Peer { authority: "localhost", path: "/mcp", headers: &[], version: Version::NEWEST_LEGACY, session: None };
        let ask = Ask { method: "tools/call", name: Some("echo"), arguments: Some(arguments), ..Ask::default() };
        let gapped = Gapped::new(&peer, &ask).expect("nothing is wrong with it");
        let mut out = b"before".to_vec();
        let mut fill = |gap: Gap, out: &mut Vec<u8>| match gap.whole {
            true => out.extend_from_slice(format!("[{}]", gap.value).as_bytes()),
            false => out.extend_from_slice(format!("v{}", gap.value).as_bytes()),
        };
        gapped.write(17, members, &mut fill, &mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn gaps_are_filled_and_the_length_is_right() {
        let arguments = format!(r#"{{"a":"{}","b":"x {} y {}","c":1}}"#, gap(3, true), gap(0, false), gap(12, false));
        for members in ["", r#""requestState":"s""#] {
            let text = written(&arguments, members);
            let (head, body) = text.split_once("\r\n\r\n").expect("a head");
            assert!(head.starts_with("beforePOST /mcp HTTP/1.1\r\n"), "{head}");
            assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{head} {body}");
            let json: serde_json::Value = serde_json::from_str(body).expect("JSON");
            assert_eq!(json["id"], 17);
            assert_eq!(json["params"]["arguments"], serde_json::json!({"a": [3], "b": "x v0 y v12", "c": 1}));
            assert_eq!(json["params"]["requestState"].is_null(), members.is_empty());
        }
    }

    #[test]
    fn without_gaps_it_is_the_template() {
        let text = written(r#"{"text":"hi"}"#, "");
        assert!(text.ends_with(r#""params":{"name":"echo","arguments":{"text":"hi"}}}"#), "{text}");
    }
}
