//! What clusters of one database write to each other: a letter is the payload of one NOTIFY.
//!
//! Clusters of two versions meet here, so that these rules hold: members of a letter are added, never renamed or given
//! another meaning; a kind that a reader does not know may have been a change, and is taken for one of everything.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::super::messages::ListChange;
use crate::session::{Ended, Word};

/// PostgreSQL takes payloads of less than 8,000 bytes.
pub(super) const LETTER_BYTES_MAX: usize = 7_999;
/// Ends of sessions in one letter: each takes 62 bytes at most.
const ENDED_A_LETTER: usize = 100;

/// The outside of a letter.
#[derive(Debug, Serialize, Deserialize)]
struct Envelope<'a> {
    /// Names the supervisor: new for each life of it.
    from: u64,
    /// The fingerprint of its session key: only who has the same key is of the same cluster.
    of: &'a str,
    #[serde(borrow)]
    text: &'a RawValue,
}

/// What is in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::cluster) enum Text {
    /// It is there.
    Here(Presence),
    /// It ends, in order.
    Gone,
    Changed(ListChange),
    /// What a session's client has said.
    Heard(Word),
    /// Sessions that have ended, and the epoch before which all have.
    Ended {
        floor: u32,
        ended: Vec<Ended>,
    },
}

/// A cluster as it tells the others of itself, once a second.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::cluster) struct Presence {
    pub(in crate::cluster) name: String,
    /// Where clients reach it.
    pub(in crate::cluster) address: String,
    pub(in crate::cluster) version: String,
    pub(in crate::cluster) state: String,
    pub(in crate::cluster) replicas: u16,
    /// How many of them are members.
    pub(in crate::cluster) members: u16,
    /// It is new, and wants to know who else is there.
    pub(in crate::cluster) asks: bool,
}

/// A letter that was read.
#[derive(Debug, PartialEq)]
pub(super) struct Letter {
    pub(super) from: u64,
    pub(super) is_ours: bool,
    /// None for a kind that only a later version knows.
    pub(super) text: Option<Text>,
}

impl Text {
    /// The letter; none where it would be too long.
    pub(super) fn write(&self, from: u64, of: &str) -> Option<String> {
        let text = serde_json::value::to_raw_value(self).ok()?;
        let letter = serde_json::to_string(&Envelope { from, of, text: &text }).ok()?;
        (letter.len() <= LETTER_BYTES_MAX).then_some(letter)
    }

    /// The same for a change: where its letter would be too long, any resource may have changed.
    pub(super) fn write_change(change: ListChange, from: u64, of: &str) -> Option<String> {
        Self::Changed(change).write(from, of).or_else(|| Self::Changed(ListChange::AnyUpdated).write(from, of))
    }

    /// The letters that it takes to tell of these.
    pub(super) fn write_ended(floor: u32, ended: &[Ended], from: u64, of: &str) -> Vec<String> {
        let mut parts: Vec<&[Ended]> = ended.chunks(ENDED_A_LETTER).collect();
        if parts.is_empty() {
            parts.push(&[]);
        }
        parts.iter().filter_map(|part| Self::Ended { floor, ended: part.to_vec() }.write(from, of)).collect()
    }
}

impl Letter {
    /// None for what nobody of us has written.
    pub(super) fn read(payload: &str, of: &str) -> Option<Self> {
        let envelope: Envelope<'_> = serde_json::from_str(payload).ok()?;
        let text = serde_json::from_str(envelope.text.get()).ok();
        Some(Self { from: envelope.from, is_ours: envelope.of == of, text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Said;

    fn read(payload: &str) -> Letter {
        Letter::read(payload, "k").unwrap_or_else(|| panic!("no letter: {payload}"))
    }

    #[test]
    fn what_is_written_is_read() {
        let word = Word { session: u128::MAX, expires: 9, said: Said::Level("info".into()) };
        let presence = Presence { name: "east".into(), replicas: 3, ..Presence::default() };
        for text in [
            Text::Here(presence),
            Text::Gone,
            Text::Changed(ListChange::Updated("app://a\0\n".into())),
            Text::Heard(word),
            Text::Ended { floor: 3, ended: vec![Ended { epoch: u32::MAX, id: u128::MAX }] },
        ] {
            let letter = text.write(u64::MAX, "k").expect("it is short");
            assert!(!letter.contains('\0'), "PostgreSQL takes no such character");
            assert_eq!(read(&letter), Letter { from: u64::MAX, is_ours: true, text: Some(text) });
            assert!(!Letter::read(&letter, "other").expect("a letter").is_ours);
        }
    }

    /// Letters as earlier versions wrote them: they have to be read for ever after.
    #[test]
    fn letters_of_the_first_version_are_read() {
        let here = r#"{"from":7,"of":"k","text":{"here":{"name":"east","address":"10.0.0.1:8080","version":"0.1.0","state":"running","replicas":3,"members":2,"asks":true}}}"#;
        let Some(Text::Here(presence)) = read(here).text else { panic!("it is there") };
        assert_eq!((&*presence.name, presence.replicas, presence.members, presence.asks), ("east", 3, 2, true));
        for (text, is) in [
            (r#""gone""#, Text::Gone),
            (r#"{"changed":"tools"}"#, Text::Changed(ListChange::Tools)),
            (r#"{"changed":{"updated":"a"}}"#, Text::Changed(ListChange::Updated("a".into()))),
            (r#"{"changed":"any_updated"}"#, Text::Changed(ListChange::AnyUpdated)),
            (
                r#"{"ended":{"floor":1,"ended":[{"epoch":2,"id":3}]}}"#,
                Text::Ended { floor: 1, ended: vec![Ended { epoch: 2, id: 3 }] },
            ),
            (
                r#"{"heard":{"session":1,"expires":2,"said":{"subscribed":{"uri":"u","wanted":true}}}}"#,
                Text::Heard(Word { session: 1, expires: 2, said: Said::Subscribed { uri: "u".into(), wanted: true } }),
            ),
        ] {
            assert_eq!(read(&format!(r#"{{"from":7,"of":"k","text":{text}}}"#)).text, Some(is));
        }
    }

    #[test]
    fn letters_of_later_versions_are_read_as_far_as_they_can_be() {
        let more = r#"{"from":7,"of":"k","sent":1,"text":{"here":{"name":"west","load":0.5}},"z":[]}"#;
        assert!(matches!(read(more).text, Some(Text::Here(presence)) if presence.name == "west"));
        assert_eq!(read(r#"{"from":7,"of":"k","text":{"moved":{}}}"#).text, None);
        assert_eq!(Letter::read(r#"{"from":"a"}"#, "k"), None);
    }

    #[test]
    fn what_is_too_long_is_told_as_any_or_in_parts() {
        let long = ListChange::Updated("u".repeat(LETTER_BYTES_MAX));
        let letter = Text::write_change(long, 1, "k").expect("it is short");
        assert_eq!(read(&letter).text, Some(Text::Changed(ListChange::AnyUpdated)));
        let word = Word { session: 1, expires: 1, said: Said::Cancelled("u".repeat(LETTER_BYTES_MAX)) };
        assert_eq!(Text::Heard(word).write(1, "k"), None);
        let ended: Vec<Ended> = (0..250).map(|id| Ended { epoch: u32::MAX, id: u128::MAX - id }).collect();
        let letters = Text::write_ended(u32::MAX, &ended, u64::MAX, &"k".repeat(16));
        let of = |letter: &String| match Letter::read(letter, "").and_then(|letter| letter.text) {
            Some(Text::Ended { ended, .. }) => ended,
            other => panic!("{other:?}"),
        };
        assert_eq!(letters.iter().flat_map(of).collect::<Vec<_>>(), ended);
        assert_eq!(Text::write_ended(3, &[], 1, "k").len(), 1);
    }
}
