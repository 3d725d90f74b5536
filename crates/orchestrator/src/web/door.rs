//! Who may look: those who know the token, from a page of this very address.

use ring::rand::{SecureRandom, SystemRandom};

/// What a request is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    Page,
    Events,
    /// A wrong method: 405.
    OnlyGet,
    /// The Host or the Origin of someone else: 403.
    Foreign,
    /// No token, or nothing there: 404, which tells the two apart for nobody.
    Nothing,
}

/// The address of the page, and what it holds against a request.
#[derive(Debug, Clone)]
pub(super) struct Door {
    token: String,
    hosts: [String; 2],
}

/// What is looked at of a request. A field that is there twice is in neither.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) is_get: bool,
    pub(super) path: &'a str,
    pub(super) host: Option<&'a str>,
    pub(super) origin: Option<&'a str>,
}

impl Door {
    /// With a token of 128 random bits; None where the system has none.
    pub(super) fn new(port: u16) -> Option<Self> {
        let mut bytes = [0_u8; 16];
        SystemRandom::new().fill(&mut bytes).ok()?;
        Some(Self::with(port, bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    fn with(port: u16, token: String) -> Self {
        Self { token, hosts: [format!("127.0.0.1:{port}"), format!("localhost:{port}")] }
    }

    pub(super) fn address(&self) -> String {
        format!("http://{}/{}/", self.hosts[0], self.token)
    }

    /// The Host keeps out names that an attacker lets lead here, the Origin other pages of the same browser.
    pub(super) fn decide(&self, asked: Asked<'_>) -> Entry {
        let is_own = |host: &str| self.hosts.iter().any(|own| own == host);
        let is_from_here = asked.origin.is_none_or(|origin| origin.strip_prefix("http://").is_some_and(is_own));
        if !asked.host.is_some_and(is_own) || !is_from_here {
            return Entry::Foreign;
        }
        let Some((token, rest)) = asked.path.trim_start_matches('/').split_once('/') else { return Entry::Nothing };
        match rest {
            _ if !self.is_token(token) => Entry::Nothing,
            _ if !asked.is_get => Entry::OnlyGet,
            "" => Entry::Page,
            "events" => Entry::Events,
            _ => Entry::Nothing,
        }
    }

    /// In the same time wherever it differs.
    fn is_token(&self, found: &str) -> bool {
        let differ = self.token.bytes().zip(found.bytes()).fold(0, |differ, (one, other)| differ | (one ^ other));
        found.len() == self.token.len() && differ == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(path: &str, host: Option<&str>, origin: Option<&str>) -> Entry {
        Door::with(7000, "70cce2".into()).decide(Asked { is_get: true, path, host, origin })
    }

    #[test]
    fn only_its_own_address_is_let_in() {
        let own = Some("127.0.0.1:7000");
        assert_eq!(decided("/70cce2/", own, None), Entry::Page);
        assert_eq!(decided("/70cce2/events", Some("localhost:7000"), Some("http://localhost:7000")), Entry::Events);
        for path in
            ["/", "/70cce2", "/70cce3/", "/70cce/", "/70cce22/", "//", "/events", "/70cce2/other", "/70cce3/events"]
        {
            assert_eq!(decided(path, own, None), Entry::Nothing, "{path}");
        }
        for host in [None, Some("127.0.0.1"), Some("127.0.0.1:7001"), Some("evil.example:7000")] {
            assert_eq!(decided("/70cce2/", host, None), Entry::Foreign, "{host:?}");
        }
        for origin in ["null", "http://evil.example", "https://127.0.0.1:7000", "http://127.0.0.1:7001", ""] {
            assert_eq!(decided("/70cce2/events", own, Some(origin)), Entry::Foreign, "{origin}");
        }
        let post = Asked { is_get: false, path: "/70cce2/", host: own, origin: None };
        assert_eq!(Door::with(7000, "70cce2".into()).decide(post), Entry::OnlyGet);
    }

    #[test]
    fn tokens_are_long_and_never_the_same() {
        let (one, other) = (Door::new(1).expect("random"), Door::new(1).expect("random"));
        assert_eq!(one.token.len(), 32);
        assert_ne!(one.token, other.token);
    }
}
