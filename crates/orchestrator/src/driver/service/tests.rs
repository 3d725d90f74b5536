use super::*;
use crate::event::{Change, Event};

fn at(last: u8) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, last], 80))
}

fn unit(id: &str, slot: &str, last: u8) -> Unit {
    let [id, slot, owner] = [id, slot, "o"].map(String::from);
    Unit { name: id.clone(), id, slot, owner, addresses: vec![at(last)], address: at(last) }
}

fn service(units: &[Unit], lasts: &[u8]) -> Service {
    let endpoints: Vec<_> = (1..).zip(lasts.iter().map(|last| at(*last))).collect();
    let authority = ("s".into(), 80);
    let clock = RunClock::new(erlmcp_load::clock::monotonic_ns());
    Service::new(units, &endpoints, (authority, Way::default()), clock)
}

#[test]
fn replicas_keep_their_numbers_and_new_ones_get_those_that_are_free() {
    let units = [unit("a", "s.1", 1), unit("b", "s.2", 2)];
    let service = service(&units, &[1, 2, 3]);
    assert_eq!(service.held(), 2, "the third one is elsewhere");
    let renumbered = |lasts: &[u8], units: Vec<Unit>| {
        let addresses = lasts.iter().map(|last| at(*last)).collect();
        let endpoints = service.renumber(&Present { addresses, unsettled: 0, units });
        let mut lasts: Vec<_> = endpoints.into_iter().map(|(replica, address)| (replica, address.ip())).collect();
        lasts.sort();
        lasts
    };
    let ips =
        |list: &[(u16, u8)]| -> Vec<_> { list.iter().map(|(replica, last)| (*replica, at(*last).ip())).collect() };
    let more = [&units[..], &[unit("d", "s.4", 4)]].concat();
    assert_eq!(renumbered(&[1, 2, 3, 4, 5], more), ips(&[(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)]));
    assert_eq!(service.held(), 3);
    // The second one goes, and comes back as another one at the same address.
    assert_eq!(renumbered(&[1, 3, 4], vec![unit("a", "s.1", 1), unit("d", "s.4", 4)]), ips(&[(1, 1), (3, 3), (4, 4)]));
    let back = vec![unit("a", "s.1", 1), unit("d", "s.4", 4), unit("e", "s.2", 2)];
    assert_eq!(renumbered(&[1, 2, 3, 4], back), ips(&[(1, 1), (2, 2), (3, 3), (4, 4)]));
    assert_eq!(service.units(&[2], "unit").expect("it is held")[0].1.id, "e");
    assert_eq!(service.units(&[3], "unit").expect_err("it is elsewhere"), "replica 3 is no unit");
    assert_eq!(service.owner().as_deref(), Ok("o"));
}

#[tokio::test]
async fn while_their_number_changes_none_is_down_and_one_new_unit_takes_one_place() {
    let service = service(&[unit("a", "any", 1), unit("b", "any", 2)], &[1, 2]);
    let mut out = std::collections::BTreeSet::new();
    locked(&service.standing).is_changing = true;
    assert!(service.look(|_| false, async { None }, &mut out).await.is_empty());
    locked(&service.standing).is_changing = false;
    // Both are lost, and of the pods that all share one slot one is new.
    let events = service.look(|unit| unit.id == "c", async { Some(vec![unit("c", "any", 3)]) }, &mut out).await;
    let [
        Event::Replica { replica: 1, change: Change::Down, .. },
        Event::Replica { replica: 2, change: Change::Down, .. },
        Event::Moved(endpoints),
        Event::Replica { replica: 1, change: Change::Up, .. },
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(endpoints[..], [(1, at(3)), (2, at(2))]);
    assert_eq!(out, [2].into());
}
