use std::net::{IpAddr, SocketAddr};

use super::{Url, is_loopback};
use crate::{StressConfig, StressError};

/// May these addresses be loaded? This machine's loopback without asking; any other only where the user named
/// the host, and said how much.
///
/// # Errors
/// Says which flag is missing.
pub(crate) fn check(url: &Url, resolved: &[SocketAddr], config: &StressConfig) -> Result<(), StressError> {
    let Some(elsewhere) = resolved.iter().find(|address| !is_loopback(address.ip())) else { return Ok(()) };
    let host = &url.host;
    if !config.allow_hosts.iter().any(|allowed| names(allowed, url)) {
        let leads =
            if url.address().is_some() { String::new() } else { format!(" leads to {}, which", elsewhere.ip()) };
        return Err(StressError::usage(format!(
            "{host}{leads} is not this machine's loopback: add --allow-host {host} if it is yours to load"
        )));
    }
    let missing = match (config.connections, config.rate, config.purpose.capacity().is_some()) {
        (Some(_), Some(_), _) => return Ok(()),
        (None, Some(_), false) => "--connections",
        (Some(_), None, false) => "--rate",
        (None, None, false) => "--connections and --rate",
        // A search names the most that it may try.
        (_, _, true) => "--max-connections and --max-rate",
    };
    Err(StressError::usage(format!(
        "{host} is another host, and what it can take is not known here: say {missing} yourself"
    )))
}

/// An IPv6 address may be written with brackets.
fn names(allowed: &str, url: &Url) -> bool {
    let allowed = allowed.trim().trim_start_matches('[').trim_end_matches(']');
    let same_address = || matches!((allowed.parse::<IpAddr>(), url.address()), (Ok(ip), Some(own)) if own == ip);
    allowed.eq_ignore_ascii_case(&url.host) || same_address()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::plain;

    fn verdict(url: &str, resolved: &[&str], change: impl FnOnce(&mut StressConfig)) -> Result<(), String> {
        let mut config = plain();
        change(&mut config);
        let resolved: Vec<SocketAddr> = resolved.iter().map(|address| address.parse().expect("an address")).collect();
        check(&Url::parse(url).expect("a URL"), &resolved, &config).map_err(|error| error.to_string())
    }

    #[test]
    fn loopback_needs_no_permission() {
        let loopback = ["127.0.0.1:1", "127.200.3.4:1", "[::1]:1", "[::ffff:127.0.0.1]:1"];
        assert_eq!(verdict("http://anything", &loopback, |_| {}), Ok(()));
    }

    #[test]
    fn the_address_counts_not_the_name() {
        for resolved in [["127.0.0.1:1", "10.0.0.1:1"], ["0.0.0.0:1", "[::]:1"]] {
            let said = verdict("http://localhost", &resolved, |_| {}).expect_err("one of them is elsewhere");
            assert!(said.contains("--allow-host localhost"), "{said}");
        }
    }

    #[test]
    fn another_host_needs_its_name_and_both_amounts() {
        let far = ["192.0.2.1:80"];
        let named = |config: &mut StressConfig| config.allow_hosts = vec!["Other.example".into()];
        let wrong = verdict("http://a.example", &far, named).expect_err("another name");
        assert!(wrong.contains("--allow-host a.example"), "{wrong}");
        let bare = verdict("http://other.example", &far, named).expect_err("how much?");
        assert!(bare.contains("--connections and --rate"), "{bare}");
        let half = verdict("http://other.example", &far, |config| {
            named(config);
            config.connections = Some(10);
        });
        assert!(half.expect_err("how fast?").contains("say --rate"));
        let whole = verdict("http://other.example", &far, |config| {
            named(config);
            (config.connections, config.rate) = (Some(10), Some(5.0));
        });
        assert_eq!(whole, Ok(()));
    }

    #[test]
    fn an_address_may_be_named_with_brackets() {
        let allow = |config: &mut StressConfig| {
            config.allow_hosts = vec!["[2001:DB8::1]".into()];
            (config.connections, config.rate) = (Some(10), Some(5.0));
        };
        assert_eq!(verdict("http://[2001:db8:0::1]", &["[2001:db8::1]:80"], allow), Ok(()));
    }
}
