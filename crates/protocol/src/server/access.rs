//! Which hosts and origins a request may name: the protection against DNS rebinding and against foreign web pages.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::head::{Head, Known, Once, Refusal};
use crate::VALIDATES;

/// The hosts that a server answers to. Compared byte by byte: only the normalised form of a name passes.
#[derive(Debug, Clone)]
pub struct AllowedHosts {
    /// With their ports, as Host has them.
    exact: Vec<Box<[u8]>>,
    /// Given by the operator without a port: any port will do.
    names: Vec<Box<[u8]>>,
    /// Of the listeners.
    ports: Vec<u16>,
    /// Of those that take connections to every address of the machine, so that every address may be named with them.
    open_ports: Vec<u16>,
    /// The listeners speak TLS themselves.
    is_secured: bool,
}

const FOREIGN_HOST: Refusal = Refusal::keeping(403, "this server does not answer to that Host");

/// The port that is not written where it is this one.
const fn unwritten(is_secured: bool) -> u16 {
    if is_secured { 443 } else { 80 }
}

impl AllowedHosts {
    /// For these listeners, and what the operator added, with or without ports. `is_secured`: they speak TLS themselves.
    pub fn new(listeners: &[SocketAddr], added: &[String], is_secured: bool) -> Self {
        let (exact, names, ports) = (Vec::new(), Vec::new(), Vec::new());
        let mut hosts = Self { exact, names, ports, open_ports: Vec::new(), is_secured };
        for listener in listeners {
            if listener.ip().is_unspecified() {
                hosts.open_ports.push(listener.port());
            }
            hosts.add(listener.to_string());
            hosts.add(format!("localhost:{}", listener.port()));
            if listener.port() == unwritten(is_secured) {
                let ending = format!(":{}", listener.port());
                hosts.add(listener.to_string().trim_end_matches(&ending).to_string());
                hosts.add("localhost".to_string());
            }
            if !hosts.ports.contains(&listener.port()) {
                hosts.ports.push(listener.port());
            }
        }
        for name in added {
            match split_port(name.as_bytes()) {
                (_, Some(_)) => hosts.add(name.clone()),
                (_, None) => hosts.names.push(name.clone().into_bytes().into()),
            }
        }
        hosts
    }

    fn add(&mut self, entry: String) {
        if !self.exact.iter().any(|known| **known == *entry.as_bytes()) {
            self.exact.push(entry.into_bytes().into());
        }
    }

    /// True for a host that requests may name.
    pub fn has(&self, host: &[u8]) -> bool {
        self.exact.iter().any(|known| **known == *host) || self.has_name(host) || self.has_address(host)
    }

    fn has_name(&self, host: &[u8]) -> bool {
        !self.names.is_empty() && self.names.iter().any(|known| **known == *split_port(host).0)
    }

    /// An address literal with a listener's port: a loopback address, or any where all are listened on with that port.
    fn has_address(&self, host: &[u8]) -> bool {
        let (name, port) = split_port(host);
        let port = port.unwrap_or(unwritten(self.is_secured));
        if !self.ports.contains(&port) {
            return false;
        }
        let is_open = self.open_ports.contains(&port);
        let Ok(name) = std::str::from_utf8(name) else { return false };
        match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
            Some(inner) => inner.parse().is_ok_and(|ip: Ipv6Addr| ip.is_loopback() || is_open),
            None => name.parse().is_ok_and(|ip: Ipv4Addr| ip.is_loopback() || is_open),
        }
    }

    /// True for an origin whose pages may send requests here.
    fn has_origin(&self, origin: &[u8]) -> bool {
        let plain = origin.strip_prefix(b"http://");
        let secured = origin.strip_prefix(b"https://");
        match (plain, secured, self.is_secured) {
            (Some(own), _, false) | (_, Some(own), true) => self.has(own),
            // TLS is ended before this server, by whoever the added names belong to.
            (_, Some(before), false) => self.has_name(before),
            _ => false,
        }
    }

    /// Checks where a request says it is going and where it comes from.
    ///
    /// # Errors
    /// 403; 421 for a target of another scheme; 400 for an Origin that is there twice.
    pub fn check(&self, head: &Head<'_>) -> Result<(), Refusal> {
        if !VALIDATES {
            return Ok(());
        }
        match head.origin {
            None if head.known.host.value().is_some_and(|host| self.has(host)) => {}
            None => return Err(FOREIGN_HOST),
            Some(origin) => self.check_target(origin)?,
        }
        self.check_origin(&head.known)
    }

    /// Checks the scheme and the host of an absolute-form target (RFC 9110, 7.4).
    #[cold]
    fn check_target(&self, origin: &str) -> Result<(), Refusal> {
        let (scheme, host) = origin.split_once("://").unwrap_or_default();
        let is_secured = scheme.eq_ignore_ascii_case("https");
        if !self.has(host.as_bytes()) {
            return Err(FOREIGN_HOST);
        }
        // As in an Origin, TLS may be ended before this server.
        if is_secured == self.is_secured || (is_secured && self.has_name(host.as_bytes())) {
            return Ok(());
        }
        Err(Refusal::keeping(421, "this connection is not secured as the target's scheme says"))
    }

    fn check_origin(&self, known: &Known<'_>) -> Result<(), Refusal> {
        match known.origin {
            Once::Value(origin) if self.has_origin(origin) => Ok(()),
            Once::Value(_) => Err(Refusal::keeping(403, "requests from that Origin are not taken")),
            Once::Repeated => Err(Refusal::keeping(400, "Origin is there twice")),
            // A browser of today names the origin of whatever it sends across sites; this catches older ones.
            Once::Absent if matches!(known.sec_fetch_site, Once::Repeated | Once::Value(b"cross-site")) => {
                Err(Refusal::keeping(403, "requests across sites are not taken"))
            }
            Once::Absent => Ok(()),
        }
    }
}

/// The host and, where there is one, a port that is written as ports are.
fn split_port(host: &[u8]) -> (&[u8], Option<u16>) {
    let Some(colon) = memchr::memrchr(b':', host) else { return (host, None) };
    let digits = &host[colon + 1..];
    let plain = !digits.is_empty() && (digits[0] != b'0' || digits.len() == 1) && digits.iter().all(u8::is_ascii_digit);
    let port = plain.then(|| std::str::from_utf8(digits).ok()?.parse().ok()).flatten();
    if port.is_some() { (&host[..colon], port) } else { (host, None) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(listeners: &[&str], added: &[&str]) -> AllowedHosts {
        let listeners: Vec<SocketAddr> = listeners.iter().map(|text| text.parse().expect("an address")).collect();
        AllowedHosts::new(&listeners, &added.iter().map(ToString::to_string).collect::<Vec<_>>(), false)
    }

    #[test]
    fn only_exact_names_pass() {
        let hosts = hosts(&["127.0.0.1:8080", "127.0.0.11:8080"], &["mcp.example", "other.example:81"]);
        for good in [
            "127.0.0.1:8080",
            "127.0.0.11:8080",
            "127.0.3.7:8080",
            "localhost:8080",
            "[::1]:8080",
            "mcp.example",
            "mcp.example:99",
            "other.example:81",
        ] {
            assert!(hosts.has(good.as_bytes()), "{good}");
        }
        let bad = [
            "localhost",
            "localhost:8081",
            "localhost.:8080",
            "LOCALHOST:8080",
            "localhost.evil.com:8080",
            "127.0.0.1.evil.com",
            "2130706433:8080",
            "[::ffff:127.0.0.1]:8080",
            "192.0.2.1:8080",
            "other.example",
            "other.example:82",
            "evil",
            "127.0.0.1:08080",
            "mcp.example.",
            "x.mcp.example",
            "127.1:8080",
            "0x7f.0.0.1:8080",
        ];
        for bad in bad {
            assert!(!hosts.has(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn every_address_passes_where_all_are_listened_on() {
        let hosts = hosts(&["0.0.0.0:80"], &[]);
        for good in ["192.0.2.1", "192.0.2.1:80", "[2001:db8::1]", "localhost"] {
            assert!(hosts.has(good.as_bytes()), "{good}");
        }
        assert!(!hosts.has(b"evil.example") && !hosts.has(b"192.0.2.1:81"));
        let hosts = self::hosts(&["127.0.0.1:8080", "0.0.0.0:9090"], &[]);
        assert!(hosts.has(b"192.0.2.1:9090") && !hosts.has(b"192.0.2.1:8080"), "each listener for itself");
    }

    #[test]
    fn origins_follow_hosts() {
        let hosts = hosts(&["127.0.0.1:8080"], &["mcp.example"]);
        for good in ["http://localhost:8080", "http://127.0.0.1:8080", "https://mcp.example", "http://mcp.example:3000"]
        {
            assert!(hosts.has_origin(good.as_bytes()), "{good}");
        }
        for bad in [
            "null",
            "https://localhost:8080",
            "http://localhost",
            "http://evil.example",
            "http://localhost:8080/",
            "http://localhost:8080, http://x",
            "https://mcp.example.evil",
            "",
        ] {
            assert!(!hosts.has_origin(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn targets_are_of_the_scheme_that_is_spoken() {
        let hosts = hosts(&["127.0.0.1:8080"], &["mcp.example"]);
        let status = |origin| hosts.check_target(origin).err().map(|refusal| refusal.status);
        for good in ["http://127.0.0.1:8080", "HTTP://localhost:8080", "http://mcp.example", "https://mcp.example"] {
            assert_eq!(status(good), None, "{good}");
        }
        assert_eq!(status("https://127.0.0.1:8080"), Some(421));
        assert_eq!(status("http://evil.example"), Some(403));
    }

    #[test]
    fn who_speaks_tls_is_at_https_and_its_own_port_is_not_written() {
        let listeners = ["127.0.0.1:443", "127.0.0.1:8443"].map(|text| text.parse().expect("an address"));
        let hosts = AllowedHosts::new(&listeners, &["mcp.example".to_string()], true);
        for good in ["https://localhost", "https://127.0.0.1", "https://localhost:8443", "https://mcp.example"] {
            assert!(hosts.has_origin(good.as_bytes()), "{good}");
        }
        for bad in ["http://localhost:8443", "http://mcp.example", "https://localhost:80", "http://localhost"] {
            assert!(!hosts.has_origin(bad.as_bytes()), "{bad}");
        }
        assert!(hosts.has(b"127.0.0.5") && !hosts.has(b"127.0.0.5:80"));
    }
}
