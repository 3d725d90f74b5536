/// Descriptors that an agent keeps for itself: its stream to the orchestrator, pollers, logs, openings in flight.
const AGENT_DESCRIPTORS: u64 = 512;
/// Requests a second that one agent sends and checks with ease: at 16 us each, two thirds of a core.
const AGENT_RATE: f64 = 40_000.0;

/// The part of `total` that part `index` of `parts` gets: parts differ by at most one and add up exactly.
pub(crate) fn share(total: u64, parts: u32, index: u32) -> u64 {
    let parts = u64::from(parts.max(1));
    total / parts + u64::from(u64::from(index) < total % parts)
}

/// An agent's requests a second, and where in its period its first arrival is: the agents' arrivals together
/// are one even sequence at `rate`.
pub(crate) fn rate_share(rate: f64, agents: u32, index: u32) -> (f64, f64) {
    let agents = f64::from(agents.max(1));
    (rate / agents, f64::from(index) / agents)
}

/// How many agents need so many connections among so many sockets, at `rate` requests a second, where each may hold `descriptors`. One a
/// core up to two, as long as each gets enough to do; where the rate wants more, up to one for two cores, since what is loaded may be
/// here, too. More than connections only where descriptors ask for them.
pub(crate) fn agents_for((connections, sockets): (u64, u64), rate: f64, descriptors: u64, cores: u32) -> u32 {
    let each = descriptors.saturating_sub(AGENT_DESCRIPTORS).max(1);
    let by_descriptors = sockets.div_ceil(each);
    let by_work = u64::from(cores.clamp(1, 2)).min(sockets.div_ceil(1_000));
    let by_rate = ((rate / AGENT_RATE).ceil() as u64).min(u64::from(cores / 2));
    by_descriptors.max(by_work.max(by_rate).min(connections)).clamp(1, 10_000) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_and_differ_by_one_at_most() {
        for (total, parts) in [(100_000, 6), (7, 3), (3, 7), (0, 4), (1, 1)] {
            let shares: Vec<u64> = (0..parts).map(|index| share(total, parts, index)).collect();
            assert_eq!(shares.iter().sum::<u64>(), total);
            let spread = shares.iter().max().expect("some") - shares.iter().min().expect("some");
            assert!(spread <= 1, "{shares:?}");
        }
    }

    /// Arrival k of agent i is at (k + offset) / rate: together they are j / rate for j = 0, 1, 2, ...
    #[test]
    fn arrivals_of_all_agents_are_one_even_sequence() {
        let (rate, agents) = (12_000.0, 6);
        let mut times: Vec<u64> = Vec::new();
        for index in 0..agents {
            let (own, offset) = rate_share(rate, agents, index);
            times.extend((0..100).map(|k| ((f64::from(k) + offset) / own * 1e9).round() as u64));
        }
        times.sort_unstable();
        for (j, time) in times.iter().enumerate() {
            let even = (j as f64 / rate * 1e9).round() as u64;
            assert!(time.abs_diff(even) <= 1, "arrival {j} at {time}, not {even}");
        }
    }

    #[test]
    fn agents_are_as_many_as_descriptors_need() {
        assert_eq!(agents_for((100_000, 100_000), 12_000.0, 20_000, 2), 6);
        assert_eq!(agents_for((100_000, 100_000), 12_000.0, 1_048_576, 2), 2);
        assert_eq!(agents_for((500, 500), 12_000.0, 20_000, 8), 1);
        assert_eq!(agents_for((1_000_000, 1_000_000), 12_000.0, 20_000, 2), 52);
    }

    #[test]
    fn agents_are_as_many_as_the_rate_needs_and_half_of_the_cores_permits() {
        assert_eq!(agents_for((100, 100), 300_000.0, 20_000, 16), 8);
        assert_eq!(agents_for((100, 100), 100_000.0, 20_000, 16), 3);
        assert_eq!(agents_for((100, 100), 40_000.0, 20_000, 16), 1);
        assert_eq!(agents_for((100, 100), 300_000.0, 20_000, 2), 1);
        assert_eq!(agents_for((100, 100), 300_000.0, 20_000, 1), 1);
        assert_eq!(agents_for((2, 2), 300_000.0, 20_000, 16), 2, "each has a connection");
        assert_eq!(agents_for((1, 1_001), 100.0, 20_000, 2), 1, "streams alone make no second one");
        assert_eq!(agents_for((1, 100_001), 100.0, 20_000, 2), 6, "but where they need its descriptors");
        assert_eq!(agents_for((100_000, 100_000), 300_000.0, 20_000, 4), 6);
    }
}
