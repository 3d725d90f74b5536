"""What 10 million and more connections take, from measured figures, and how they come through storms: a simulation.

    bench/scale.py [--connections 100m] [--seed 1] [--zones 3]     the tables of docs/scale.md
    bench/scale.py --test                                          what the simulation must keep

The figures are those of bench/results; each says where it is from. The clients of a simulation stand for many each
(the sample), which changes no rate: arrivals and what is served are scaled alike. The same seed gives the same lines.
"""

import argparse
import heapq
import math
import random

# Measured, one machine of 16 cores and 125 GiB that server and generator shared: sixteen-cores-2026-11-26.md.
HELD = 1_000_000
KERNEL_BYTES = 7_300
USER_BYTES = 98
SERVED_RATE = 50_000
# Connections that it took a second, paced, while it held and served; it took more (219,739) only with nothing else to do.
ACCEPTED_RATE = 20_000
# What a process may have of descriptors where nobody raises it, and what a replica keeps of them for itself.
DESCRIPTORS, KEPT = 20_000, 512
# rolling-2026-11-27.md: twelve replicas one after the other took 14.4 s, and no connection was lost.
RESTART_S = 14.4 / 12
# Linux as it comes: net.ipv4.ip_local_port_range 32768 to 60999, for each pair of a source and a destination address.
PORTS = 28_232
# A client's own limits, as erlmcp has them by default.
TIMEOUT_S = 5.0
SAMPLE = 10_000
# A client that has tried so often says enough.
TRIES_MAX = 50


def machines(connections, zones):
    """Server machines: those that hold them, and those that hold them with a zone gone."""
    needed = math.ceil(connections / HELD)
    a_zone = math.ceil(needed / (zones - 1))
    return needed, a_zone * zones


def storm(connections, servers, lost, policy, seed):
    """A share of the clients has lost its server at time 0 and comes back. Of each 1/SAMPLE of them: when it was served.

    The servers that are left accept ACCEPTED_RATE a second each, first come first served. A client that waits for longer
    than its timeout goes away and comes again; what it has asked for is done all the same, for nobody.
    """
    draw = random.Random(seed)
    rate = ACCEPTED_RATE * servers * SAMPLE / (connections * lost)
    waiting = [(policy(draw, 0), client, 0) for client in range(SAMPLE)]
    heapq.heapify(waiting)
    free, attempts, vain, served = 0.0, 0, 0, []
    by_second = {}
    while waiting:
        at, client, tries = heapq.heappop(waiting)
        attempts += 1
        by_second[int(at)] = by_second.get(int(at), 0) + 1
        free = max(free, at) + 1 / rate
        if free - at <= TIMEOUT_S:
            served.append(free)
        elif tries >= TRIES_MAX:
            return None
        else:
            vain += 1
            heapq.heappush(waiting, (at + TIMEOUT_S + policy(draw, tries + 1), client, tries + 1))
    served.sort()
    scale = connections * lost / SAMPLE
    return {
        "p50_s": served[len(served) // 2],
        "p99_s": served[len(served) * 99 // 100],
        "all_s": served[-1],
        "peak": max(by_second.values()) * scale,
        "attempts": attempts / SAMPLE,
        "vain": vain / attempts,
    }


def at_once(draw, tries):
    """All at the same moment, and again as soon as it failed."""
    return draw.uniform(0, 0.1)


def backed_off(draw, tries):
    """Full jitter: from 1 s, doubled with each failure to 60 s."""
    return draw.uniform(0, min(60.0, 2.0**tries))


def spread(seconds):
    """Once at a time that is drawn from so many seconds, then backed off."""
    return lambda draw, tries: draw.uniform(0, seconds) if tries == 0 else backed_off(draw, tries)


def rolling(connections, servers, at_a_time, drain_s, seed):
    """Replacing all replicas, so many percent at a time, by others at other addresses, as Swarm and Kubernetes do.

    One storm a batch. Its clients come first within its drain, and are spread over the other machines; of these the old ones
    have them come back again, so that each batch has more than the one before. The next one begins when the drain is over and
    all are back. None where a storm feeds itself; else how long all of it took, how often a client came back on average, and the
    last batch, which is the largest.
    """
    batches = math.ceil(100 / at_a_time)
    held, takes, came_back = 1 / batches, 0.0, 0.0
    for batch in range(batches):
        found = storm(connections, servers * (1 - 1 / batches), held, spread(drain_s), seed + batch)
        if found is None:
            return None
        takes += max(drain_s, found["all_s"])
        came_back += held
        held += held / (batches - 1)
    return takes, came_back, found


def size(number):
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "K")):
        if number >= unit:
            return f"{number / unit:.3g}{name}"
    return f"{number:.0f}"


def say(connections, zones, seed):
    needed, with_zone = machines(connections, zones)
    a_replica = DESCRIPTORS - KEPT
    agents = math.ceil(connections / a_replica)
    print(f"### {size(connections)} connections, {zones} zones, seed {seed}\n")
    print("| what | how much | from |\n|---|---|---|")
    print(f"| server machines of 16 cores, all of them needed | {needed} | {size(HELD)} held, {size(SERVED_RATE)} req/s, on one |")
    print(f"| ... so that any one of {zones} zones may be lost | {with_zone} | the zones that are left hold all |")
    print(f"| replicas, and listeners as many | {math.ceil(connections / a_replica):,} | {DESCRIPTORS:,} descriptors each |")
    print(f"| memory, kernel | {connections * KERNEL_BYTES / 1e9:,.0f} GB | {KERNEL_BYTES / 1e3} KB a connection |")
    print(f"| memory, the servers' own | {connections * USER_BYTES / 1e9:,.2f} GB | {USER_BYTES} bytes a connection, when idle |")
    print(f"| agents of the tester | {agents:,} on {needed} machines | as many descriptors; one machine carried both sides |")
    print(f"| source addresses of the tester | {math.ceil(connections / PORTS / needed):,} a machine for one destination address | {PORTS:,} local ports |")
    print(f"| to connect all | {connections / (ACCEPTED_RATE * needed):.0f} s | {size(ACCEPTED_RATE)}/s a machine, paced |\n")
    left = with_zone * (zones - 1) // zones
    print(f"A zone is lost: {size(connections / zones)} clients come back to {left} machines.\n")
    print("| clients come back | half served | 99 % | all | most attempts in a second | attempts each | for nobody |")
    print("|---|---|---|---|---|---|---|")
    for name, policy in (
        ("at once, and again at once", at_once),
        ("backed off with jitter, 1 s to 60 s", backed_off),
        ("first within 30 s, then backed off", spread(30.0)),
        ("first within 60 s, then backed off", spread(60.0)),
    ):
        found = storm(connections, left, 1 / zones, policy, seed)
        print(f"| {name} | {columns(found) if found else NOT_IN_SIGHT}")
    print("\nA rolling update: how long it takes, how often each client comes back, and the last batch, which is the largest.\n")
    print("| machines are replaced | takes | comes back | half served | 99 % | all | most attempts in a second | attempts each | for nobody |")
    print("|---|---|---|---|---|---|---|---|---|")
    print(f"| by erlmcp's own restart, beside each other: connections are handed over | {RESTART_S * a_machine():.0f} s | never | | | | | | |")
    for at_a_time, drain_s in ((10, 3), (10, 10), (10, 60), (2, 60)):
        updated = rolling(connections, with_zone, at_a_time, drain_s, seed)
        name = f"at new addresses, {at_a_time} % at a time, drained in {drain_s} s"
        if updated is None:
            print(f"| {name} | | | {NOT_IN_SIGHT}")
            continue
        takes, came_back, last = updated
        print(f"| {name} | {takes:,.0f} s | {came_back:.2f} times | {columns(last)}")
    print()


NOT_IN_SIGHT = f"not in sight: clients have tried {TRIES_MAX} times | | | | | |"


def columns(found):
    """Of a storm."""
    times = f"{found['p50_s']:.1f} s | {found['p99_s']:.1f} s | {found['all_s']:.1f} s"
    return f"{times} | {size(found['peak'])} | {found['attempts']:.2f} | {100 * found['vain']:.0f} % |"


def a_machine():
    """Replicas of one."""
    return math.ceil(HELD / (DESCRIPTORS - KEPT))


def test():
    def ten(policy, seed=1):
        return storm(10_000_000, 10, 1 / 3, policy, seed)

    assert ten(backed_off) == ten(backed_off), "the same seed gives the same run"
    assert ten(backed_off) != ten(backed_off, 2), "another seed another one"
    # Nobody is served sooner than the servers accept.
    for policy in (backed_off, spread(30.0)):
        assert ten(policy)["all_s"] >= 10_000_000 / 3 / (ACCEPTED_RATE * 10) * 0.999
    # Slower than they accept, nobody is turned away.
    calm = storm(10_000_000, 10, 1 / 3, spread(40.0), 1)
    assert calm["vain"] == 0 and calm["attempts"] == 1, calm
    assert ten(backed_off)["vain"] > 0
    assert ten(at_once) is None, "a storm that feeds itself"
    small, large = storm(1_000_000, 1, 1, spread(60.0), 1), storm(10_000_000, 10, 1, spread(60.0), 1)
    assert abs(small["all_s"] - large["all_s"]) < 1e-6, "only the ratio of clients to machines counts"
    assert machines(10_000_000, 3) == (10, 15) and machines(100_000_000, 3) == (100, 150)

    def update(drain_s, seed=1):
        return rolling(10_000_000, 15, 10, drain_s, seed)

    assert update(10) == update(10) and update(10) != update(10, 2)
    # Slowly, it takes as long as its drains, and nobody is turned away; no sooner than the others accept, hurried.
    takes, came_back, last = update(60)
    assert 600 <= takes < 601 and last["vain"] == 0, (takes, last)
    assert abs(came_back - sum(0.1 * (10 / 9) ** batch for batch in range(10))) < 1e-9
    assert update(1)[0] >= came_back * 10_000_000 / (ACCEPTED_RATE * 13.5) * 0.999
    print("scale: everything holds")


def count(text):
    units = {"k": 1e3, "m": 1e6, "g": 1e9}
    return int(float(text[:-1]) * units[text[-1].lower()]) if text[-1].lower() in units else int(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--connections", type=count, action="append", help="10m, 100m (repeatable) [default: both]")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--zones", type=int, default=3, choices=range(2, 11), metavar="2..10")
    parser.add_argument("--test", action="store_true")
    asked = parser.parse_args()
    if asked.test:
        test()
        return
    for connections in asked.connections or [10_000_000, 100_000_000]:
        say(connections, asked.zones, asked.seed)


main()
