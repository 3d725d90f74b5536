use std::fmt;
use std::net::{IpAddr, SocketAddr};

use erlmcp_record::without_query_values;

use crate::StressError;

/// The path where none is written.
const DEFAULT_PATH: &str = "/mcp";
const LENGTH_MAX: usize = 2_048;

/// A URL to put load on, as far as load needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) tls: bool,
    /// In lower case; an IPv6 address without its brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// From the first `/` on, with the query.
    pub(crate) path: String,
    /// For the Host field.
    pub(crate) authority: String,
}

impl Url {
    /// # Errors
    /// Where it is not an `http` or `https` URL, as one sentence with an example.
    pub(crate) fn parse(text: &str) -> Result<Self, StressError> {
        let wrong = |what: &str| {
            StressError::usage(format!("{text:?} is no URL to test: {what}; write it as http://localhost:8080/mcp"))
        };
        if text.len() > LENGTH_MAX || text.bytes().any(|byte| !byte.is_ascii_graphic()) {
            return Err(wrong("it is too long or has spaces or other characters that a URL cannot have"));
        }
        let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("it has no http:// in front"))?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return Err(wrong("only http and https are spoken")),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('@') {
            return Err(wrong("names and passwords are not taken from it: use --header for them"));
        }
        if path.contains('#') {
            return Err(wrong("a part after # never reaches a server"));
        }
        let (host, port) = split_authority(authority, tls).map_err(wrong)?;
        let path = match path {
            "" => DEFAULT_PATH.to_string(),
            query if query.starts_with('?') => format!("{DEFAULT_PATH}{query}"),
            path => path.to_string(),
        };
        Ok(Self { tls, host, port, path, authority: authority.to_ascii_lowercase() })
    }
}

/// Host and port; the scheme's own port where none is written.
fn split_authority(authority: &str, tls: bool) -> Result<(String, u16), &'static str> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or("the ] of its IPv6 address is missing")?;
            let is_address = address.parse::<std::net::Ipv6Addr>().is_ok();
            (is_address.then_some(address).ok_or("what stands in [ ] is no IPv6 address")?, port)
        }
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    if host.is_empty() {
        return Err("it names no host");
    }
    let is_name = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte));
    if !is_name {
        return Err("its host has characters that a host cannot have");
    }
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => Some(if tls { 443 } else { 80 }),
        None => None,
        Some(digits) => digits.parse().ok().filter(|port| *port > 0),
    };
    Ok((host.to_ascii_lowercase(), port.ok_or("its port must be a number from 1 to 65535")?))
}

impl Url {
    /// # Errors
    /// Where it is said whom to trust, and nobody has to be.
    pub(crate) fn has_use_for(&self, ca_pem: &str, insecure: bool) -> Result<(), StressError> {
        if !self.tls && (insecure || !ca_pem.is_empty()) {
            return Err(StressError::usage(
                "--cacert and --insecure are for https://: leave them out, or correct the URL",
            ));
        }
        Ok(())
    }

    /// Without its path: "https://shop.example:8443".
    pub(crate) fn origin(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.authority)
    }

    /// Host and port, an IPv6 address in its brackets.
    pub(crate) fn endpoint(&self) -> String {
        match self.address() {
            Some(address) => SocketAddr::new(address, self.port).to_string(),
            None => format!("{}:{}", self.host, self.port),
        }
    }

    /// The host, where it is an address already.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

/// To be told and kept, so without the values of its query.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin(), without_query_values(&self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (bool, String, u16, String, String) {
        let url = Url::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        (url.tls, url.host, url.port, url.path, url.authority)
    }

    #[test]
    fn urls_come_apart() {
        let expect = |tls: bool, host: &str, port: u16, path: &str, authority: &str| {
            (tls, host.to_string(), port, path.to_string(), authority.to_string())
        };
        assert_eq!(parts("http://localhost:8080"), expect(false, "localhost", 8080, "/mcp", "localhost:8080"));
        assert_eq!(parts("HTTP://LocalHost:1/"), expect(false, "localhost", 1, "/", "localhost:1"));
        assert_eq!(parts("https://a.b/c/d?e=f"), expect(true, "a.b", 443, "/c/d?e=f", "a.b"));
        assert_eq!(parts("http://a?x=1"), expect(false, "a", 80, "/mcp?x=1", "a"));
        assert_eq!(parts("http://[::1]:90/mcp"), expect(false, "::1", 90, "/mcp", "[::1]:90"));
        assert_eq!(parts("http://[::1]"), expect(false, "::1", 80, "/mcp", "[::1]"));
    }

    #[test]
    fn a_url_is_shown_with_its_path_and_without_the_keys_in_its_query() {
        assert_eq!(Url::parse("http://LOCALHOST:8080").expect("fine").to_string(), "http://localhost:8080/mcp");
        let url = Url::parse("https://a.b?k=s3cret").expect("fine");
        assert_eq!((url.to_string().as_str(), url.path.as_str()), ("https://a.b/mcp?k=***", "/mcp?k=s3cret"));
    }

    #[test]
    fn what_is_no_url_says_what_is_wrong_and_how_it_is_written() {
        let wrong = [
            ("localhost:8080", "http:// in front"),
            ("ftp://a", "only http and https"),
            ("http://", "names no host"),
            ("http://:80", "names no host"),
            ("http://a:b", "port"),
            ("http://a:0", "port"),
            ("http://a:65536", "port"),
            ("http://a:", "port"),
            ("http://[::1", "IPv6"),
            ("http://[a]:1", "IPv6"),
            ("http://[::1]x", "port"),
            ("http://me:pw@a", "--header"),
            ("http://a/b#c", "#"),
            ("http://a b", "spaces"),
            ("http://a/\r\nX: y", "spaces"),
            ("http://ä", "characters"),
            ("http://a_%", "characters"),
        ];
        for (text, named) in wrong {
            let error = Url::parse(text).expect_err(text);
            assert_eq!(error.exit_code(), 2);
            let said = error.to_string();
            assert!(said.contains(named) && said.contains("http://localhost:8080/mcp"), "{text}: {said}");
        }
    }
}
