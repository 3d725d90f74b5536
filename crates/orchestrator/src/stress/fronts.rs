//! Before which replicas the fault proxy stands: as many as its descriptors permit.

use std::net::SocketAddr;

use erlmcp_record::Proxied;
use erlmcp_record::names::phase;
use erlmcp_report::plural;

use crate::StressConfig;
use crate::fault::mix;
use crate::plan::SUITE_PHASES;
use crate::proxy::connections_max;

/// True where the suite's phase of faults will be run.
pub(super) fn are_wanted(config: &StressConfig) -> bool {
    let place = SUITE_PHASES.iter().position(|name| *name == phase::FAILURE_SCENARIOS);
    let chosen = config.chosen_phases().unwrap_or_default();
    !config.no_faults && place.is_some_and(|place| chosen.get(place).copied().unwrap_or(false))
}

/// The replicas that get the proxy, in their order, drawn by the seed where not all can. `connections` are those of the
/// run; at the worst moment, with `out` replicas gone, they all are on the others.
///
/// # Errors
/// Why there are none.
pub(super) fn choose(
    out: usize,
    replicas: &[u16],
    (connections, descriptors): (u64, u64),
    seed: u64,
) -> Result<Vec<u16>, String> {
    let room = connections_max(descriptors);
    if connections <= room {
        return Ok(replicas.to_vec());
    }
    let left = replicas.len() - out.min(replicas.len().saturating_sub(1));
    let each = connections.div_ceil(left.max(1) as u64).max(1);
    let count = usize::try_from(room / each).unwrap_or(usize::MAX).min(replicas.len());
    if count == 0 {
        return Err(format!(
            "a fault proxy holds {room} connections at {descriptors} descriptors a process, and one replica has up to \
             {each} while others are out: ask for fewer connections, or more replicas"
        ));
    }
    let first = (mix(seed) % replicas.len() as u64) as usize;
    let mut chosen: Vec<u16> = replicas.iter().cycle().skip(first).take(count).copied().collect();
    chosen.sort_unstable();
    Ok(chosen)
}

/// What the person who watches is told.
/// `waits`: nothing goes through it before its phase.
pub(super) fn told(proxied: &Proxied, (all, waits): (usize, bool), descriptors: u64) -> String {
    let of = proxied.replicas.len();
    let which =
        if of == all { format!("all {}", plural(all as u64, "replica")) } else { format!("{of} of {all} replicas") };
    let why = match of == all {
        true => String::new(),
        false => format!(", as many as {descriptors} descriptors a process permit"),
    };
    let cost = match (proxied.direct_us, proxied.through_us) {
        (Some(direct_us), Some(through_us)) => {
            let ms = |us: u64| us as f64 / 1e3;
            format!("; a page takes {:.2} ms through it and {:.2} ms without", ms(through_us), ms(direct_us))
        }
        _ => String::new(),
    };
    let when = if waits { "for the faults that need it" } else { "in the baseline too" };
    format!("Traffic to {which} goes through the fault proxy, {when}{why}{cost}")
}

/// The addresses to connect to, with the proxy's in place of those that it stands before.
pub(super) fn replace(endpoints: &mut [(u16, SocketAddr)], fronts: &[(u16, SocketAddr)]) {
    for (replica, address) in endpoints {
        if let Some((_, front)) = fronts.iter().find(|(number, _)| number == replica) {
            *address = *front;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::FaultList;

    const DESCRIPTORS: u64 = 20_000;

    fn chosen(connections: u64, replicas: u16) -> Result<Vec<u16>, String> {
        let all: Vec<u16> = (1..=replicas).collect();
        choose(FaultList::usual().out_at_most(all.len()), &all, (connections, DESCRIPTORS), 7)
    }

    #[test]
    fn it_stands_before_as_many_as_its_descriptors_permit() {
        assert_eq!(chosen(1_000, 12).map(|all| all.len()), Ok(12));
        assert_eq!(chosen(9_600, 12).map(|all| all.len()), Ok(12));
        // Half of twelve may be out: each of the others has up to 3,334 then, and 9,616 find room.
        let some = chosen(20_000, 12).expect("some");
        assert!(some.len() == 2 && some.is_sorted() && some.iter().all(|one| (1..=12).contains(one)), "{some:?}");
        let why = chosen(100_000, 12).expect_err("each has up to 16,667");
        assert!(why.contains("holds 9616 connections") && why.contains("up to 16667"), "{why}");
        assert!(chosen(100_000, 60).is_ok_and(|some| some.len() == 2));
        let all: Vec<u16> = (1..=12).collect();
        let one_out = choose(1, &all, (100_000, DESCRIPTORS), 7).expect("each has up to 9,091");
        assert_eq!(one_out.len(), 1);
    }

    #[test]
    fn what_it_costs_is_told() {
        let proxied = Proxied { replicas: vec![1, 2], direct_us: Some(150), through_us: Some(321) };
        let told = told(&proxied, (12, false), DESCRIPTORS);
        assert!(told.contains("2 of 12 replicas") && told.contains("0.32 ms through it and 0.15 ms without"), "{told}");
    }
}
