//! The pages of a target that has several addresses: which of them are of one server, and which replica each server is.

use std::net::SocketAddr;

use erlmcp_record::ReplicaSample;
use tokio::task::JoinSet;

use super::ASKED_WITHIN;
use super::page::Page;
use super::scrape::{Scraped, scrape};
use crate::target::is_loopback;

/// What one address answered.
struct Told {
    endpoint: u16,
    address: SocketAddr,
    page: Result<Scraped, String>,
}

/// The replicas of all pages, each process once, and why figures are missing. Of several servers each is the replica that its
/// endpoint is numbered by; so nothing is known of all together while one of them does not answer.
pub(super) async fn ask(pages: &[(u16, Page)]) -> (Vec<ReplicaSample>, Vec<String>) {
    let mut asked = JoinSet::new();
    for (endpoint, page) in pages.iter().cloned() {
        asked.spawn(async move { Told { endpoint, address: page.address, page: scrape(&page, ASKED_WITHIN).await } });
    }
    let mut told = asked.join_all().await;
    told.sort_by_key(|one| one.endpoint);
    replicas(told)
}

fn replicas(told: Vec<Told>) -> (Vec<ReplicaSample>, Vec<String>) {
    let (mut servers, mut silent, mut missing) = (Vec::new(), Vec::new(), Vec::new());
    for Told { endpoint, address, page } in told {
        match page {
            Ok(page) => match is_known(&servers, address, &page) {
                Ok(true) => {}
                Ok(false) => servers.push((endpoint, address, page)),
                Err(why) => return (Vec::new(), vec![why]),
            },
            Err(why) => {
                silent.push(endpoint);
                missing.push(why);
            }
        }
    }
    let is_alone = servers.len() + silent.len() == 1;
    let mut found = Vec::new();
    for (endpoint, address, mut page) in servers {
        match &mut page.replicas[..] {
            // A server of no cluster has no number of its own.
            [one] if !is_alone || one.replica == 0 => one.replica = endpoint,
            _ if is_alone => {}
            _ => {
                return (
                    Vec::new(),
                    vec![format!("{address} answers for several replicas, and is not all of the target")],
                );
            }
        }
        found.append(&mut page.replicas);
    }
    if !is_alone {
        found.extend(silent.into_iter().map(|replica| ReplicaSample { replica, ..ReplicaSample::default() }));
        found.sort_by_key(|one| one.replica);
    }
    (found, missing)
}

/// True where one of these is the server at the address as well.
///
/// # Errors
/// Where nobody can tell, as a sentence.
fn is_known(servers: &[(u16, SocketAddr, Scraped)], address: SocketAddr, page: &Scraped) -> Result<bool, String> {
    for (_, other, known) in servers {
        let began = (&known.began_us, &page.began_us);
        let unknown = |why: &str| Err(format!("whether {other} and {address} are one server is not known: {why}"));
        if began.0.is_empty() || began.1.is_empty() {
            return unknown("they do not say when they began");
        }
        if began.0 != began.1 {
            continue;
        }
        // Of other servers this is known to a hundredth of a second, in which many may have been started.
        let are_here = [other, &address].iter().all(|address| is_loopback(address.ip()));
        return if page.is_precise || are_here { Ok(true) } else { unknown("they began at the same time") };
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::super::scrape::read;
    use super::*;

    const COARSE: &str = "process_start_time_seconds";
    const PRECISE: &str = "erlmcp_start_time_seconds";

    /// A server that began then, seconds, by a metric of this name.
    fn page(name: &str, began: f64) -> Result<Scraped, String> {
        Ok(read(&format!("process_open_fds 40\n{name} {began}\n")))
    }

    fn told(pages: Vec<(&str, Result<Scraped, String>)>) -> (Vec<(u16, Option<u64>)>, Vec<String>) {
        let told = (1..).zip(pages).map(|(endpoint, (address, page))| {
            let address = address.parse().expect("an address");
            Told { endpoint, address, page }
        });
        let (found, missing) = replicas(told.collect());
        (found.iter().map(|one| (one.replica, one.descriptors)).collect(), missing)
    }

    #[test]
    fn lone_servers_are_numbered_by_their_addresses() {
        let (found, missing) = told(vec![("10.0.0.1:80", page(COARSE, 1.5)), ("10.0.0.2:80", page(COARSE, 1.25))]);
        assert_eq!((found, missing), (vec![(1, Some(40)), (2, Some(40))], Vec::new()));
        assert_eq!(told(vec![("10.0.0.1:80", page("x", 1.5))]).0, [(1, Some(40))]);
    }

    #[test]
    fn a_server_at_two_addresses_counts_once() {
        for name in [COARSE, PRECISE] {
            let (found, missing) = told(vec![("[::1]:80", page(name, 1.5)), ("127.0.0.1:80", page(name, 1.5))]);
            assert_eq!((found, missing), (vec![(1, Some(40))], Vec::new()), "{name}");
        }
        let far = vec![("10.0.0.1:80", page(PRECISE, 1.5)), ("[2001:db8::1]:80", page(PRECISE, 1.5))];
        assert_eq!(told(far).0.len(), 1);
        let text = "process_open_fds{replica=\"1\"} 1\nprocess_open_fds{replica=\"3\"} 2\n\
            erlmcp_start_time_seconds{replica=\"1\"} 1.5\nerlmcp_start_time_seconds{replica=\"3\"} 1.75\n";
        let cluster = || Ok(read(text));
        let (found, missing) = told(vec![("[::1]:80", cluster()), ("127.0.0.1:80", cluster())]);
        assert_eq!((found, missing), (vec![(1, Some(1)), (3, Some(2))], Vec::new()), "by its own numbers");
        let (found, missing) = told(vec![("10.0.0.1:80", cluster()), ("10.0.0.2:80", page(PRECISE, 2.5))]);
        let why = "10.0.0.1:80 answers for several replicas, and is not all of the target";
        assert_eq!((found, missing), (Vec::new(), vec![why.to_string()]));
    }

    #[test]
    fn nothing_is_added_up_that_may_be_the_same() {
        for (name, why) in [(COARSE, "they began at the same time"), ("x", "they do not say when they began")] {
            let (found, missing) = told(vec![("10.0.0.1:80", page(name, 1.5)), ("10.0.0.2:80", page(name, 1.5))]);
            let expected = format!("whether 10.0.0.1:80 and 10.0.0.2:80 are one server is not known: {why}");
            assert_eq!((found.len(), missing), (0, vec![expected]));
        }
    }

    #[test]
    fn one_that_does_not_answer_leaves_no_sum() {
        let silent = || Err("no answer".to_string());
        let (found, missing) = told(vec![("10.0.0.1:80", silent()), ("10.0.0.2:80", page(COARSE, 1.5))]);
        assert_eq!((found, missing), (vec![(1, None), (2, Some(40))], vec!["no answer".to_string()]));
        assert_eq!(told(vec![("10.0.0.1:80", silent())]), (Vec::new(), vec!["no answer".to_string()]));
    }
}
