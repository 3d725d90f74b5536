"""The load generator's CPU a request against wrk's, at the same rate over as many connections to the same server.

wrk has no rate. So that both do the same work, each of its connections waits some milliseconds before each request, and there are so many
of them that the rate is the one that is wanted. That favours wrk: its timers tick in milliseconds, so that several requests leave in one
wakeup, while ours leave in steps of a millisecond at most; asking its script for the delay costs it a little. wrk in a closed loop at full
speed, which never waits and so has the least to do, stands beside it. wrk runs under SCHED_BATCH here, as our agents do. Ours is what its
agents use; what plans the run and writes its report does so once a second and after the run."""

import functools

import wrk
from figures import CannotRun, Figure, ratios
from processes import serve
from stress import of, stress, troubles

THINK_MS = 2
RATES = [10_000, 50_000]


# One thread, as one agent has, under the same scheduling class.
load = functools.partial(wrk.load, threads=1, is_batch=True)


def connections_for(rate, server):
    """How many connections of wrk come within 5 % of the rate."""
    first = connections = max(1, round(rate * (THINK_MS + 1) / 1_000))
    for _ in range(8):
        found = load(server, connections, 2, think_ms=THINK_MS).rate
        if abs(found - rate) <= rate * 0.05:
            return connections
        # Where the machine carries no more, more connections only make a longer queue.
        connections = min(max(1, round(connections * rate / found)), 3 * first)
    raise CannotRun(f"wrk does not come to {rate:,} requests/s here: {found:,.0f} on {connections} connections")


def measure(bench):
    missed = []
    with serve(bench) as server:
        for rate in map(bench.many, RATES):
            try:
                yield from at_rate(bench, server, rate)
            except CannotRun as why:
                missed.append(str(why))
        loads = [load(server, 64, bench.seconds) for _ in range(bench.pairs)]
        rates = f"{min(load.rate for load in loads):,.0f} to {max(load.rate for load in loads):,.0f} requests/s"
        yield Figure(
            "wrk's CPU a request in a closed loop",
            [load.wrk_us for load in loads],
            "{:.1f} us",
            note=f"64 connections, 1 thread, under SCHED_BATCH, {rates}",
        )
    if missed:
        raise CannotRun("; ".join(missed))


def at_rate(bench, server, rate):
    connections = connections_for(rate, server)
    ours, theirs, again = [], [], []
    for pair in range(bench.pairs):
        bench.say(f"  {rate:,} requests/s, pair {pair + 1} of {bench.pairs}")
        paced = lambda: load(server, connections, bench.seconds, think_ms=THINK_MS)
        theirs.append(paced())
        arguments = ["-c", connections, "-r", round(theirs[-1].rate), "-d", f"{bench.seconds + 2}s", "--warmup", "2s"]
        run = stress(bench, server.url, *arguments, "--agents", 1, "--tool", "echo", "--args", '{"text":"hello"}')
        ours.append(run)
        again.append(paced())
    generator, own = of(ours, lambda run: run.generator_us), [load.wrk_us for load in theirs]
    name = f"at {rate:,} requests/s"
    reached = f"{min(load.rate for load in theirs):,.0f} to {max(load.rate for load in theirs):,.0f} requests/s over {connections} connections"
    yield Figure(
        f"the generator's CPU a request {name}",
        generator,
        "{:.1f} us",
        note=f"under SCHED_BATCH; checks, ledger and histograms on{troubles(ours)}",
    )
    yield Figure(f"wrk's {name}", own, "{:.1f} us", note=f"under SCHED_BATCH; {THINK_MS} ms of think time, {reached}")
    yield ratios(f"generator / wrk {name}", generator, own, must=("<=", 1.3), aim=("<=", 1.0), note="by pair")
    yield ratios(f"control: wrk / wrk {name}", [load.wrk_us for load in again], own, note="by pair")
