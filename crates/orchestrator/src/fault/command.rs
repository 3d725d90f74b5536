use std::time::Duration;

/// A fault that is made by the user's own commands. In each of their words `{replica}` and `{address}` stand for the
/// first target's number and own address, `{replicas}` for the numbers of all, with commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandFault {
    /// "db-failover".
    pub name: String,
    /// Program and arguments; a shell only where it says so.
    pub inject: Vec<String>,
    /// Succeeds once the effect is there; asked until then.
    pub effect: Vec<String>,
    /// Undoes it; empty where it undoes itself.
    pub heal: Vec<String>,
    /// Succeeds once it is undone; asked until then. Empty: the heal's own success is enough.
    pub verify: Vec<String>,
    /// Each of the four may take so long.
    pub within: Duration,
}

impl CommandFault {
    /// A command with its places filled in.
    pub(crate) fn fill(words: &[String], replicas: &[u16], address: Option<String>) -> Vec<String> {
        let numbers: Vec<String> = replicas.iter().map(u16::to_string).collect();
        let first = numbers.first().cloned().unwrap_or_default();
        let (all, address) = (numbers.join(","), address.unwrap_or_default());
        let fill = |word: &String| {
            word.replace("{replica}", &first).replace("{replicas}", &all).replace("{address}", &address)
        };
        words.iter().map(fill).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled() {
        let words = ["stop".to_string(), "--at={address}".into(), "{replica} of {replicas}".into()];
        let filled = CommandFault::fill(&words, &[3, 7], Some("127.0.0.13:80".into()));
        assert_eq!(filled, ["stop", "--at=127.0.0.13:80", "3 of 3,7"]);
        assert_eq!(CommandFault::fill(&words, &[], None), ["stop", "--at=", " of "]);
    }
}
