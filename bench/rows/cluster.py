"""100,000 connections on a cluster of 12, and 1,000 on the same, in turn: ramp, latency, memory, and CPU a request.

The ramp is asked for at a rate that no machine reaches, so that it goes as fast as it can."""

from figures import Figure, ratios
from stress import of, stress, troubles

RATE, RAMP, REPLICAS = 10_000, 1_000_000, 12


def measure(bench):
    many, few = bench.many(100_000), bench.many(20_000) // 20
    rate = bench.many(RATE)
    warm_up = 3
    more = [
        "-r",
        rate,
        "-d",
        f"{bench.seconds + warm_up}s",
        "--warmup",
        f"{warm_up}s",
        "--ramp-rate",
        RAMP,
        "--replicas",
        REPLICAS,
        "--operations",
        0,
    ]
    large, small = [], []
    for pair in range(bench.pairs):
        bench.say(f"  pair {pair + 1} of {bench.pairs}")
        large.append(stress(bench, "-c", many, *more))
        # As many generator processes: what differs is the number of connections alone.
        small.append(stress(bench, "-c", few, "--agents", large[-1].agents, *more))
    at = f"{many:,} connections, {REPLICAS} replicas, {rate:,} requests/s"
    trouble = troubles(large)
    yield Figure(
        f"ramp to {many:,}, connections/s",
        of(large, lambda run: run.ramp),
        must=(">=", 20_000),
        aim=(">=", 35_000),
        note=f"unpaced, one request each{trouble}",
    )
    yield Figure("P95 latency", of(large, lambda run: run.p95_ms), "{:.2f} ms", ("<", 5), ("<", 1), f"{at}{trouble}")
    yield Figure(
        "P99 latency", of(large, lambda run: run.p99_ms), "{:.2f} ms", ("<", 10), ("<", 2), "from the intended time"
    )
    yield Figure(
        "server's bytes a connection",
        of(large, lambda run: run.number("Memory per Connection")),
        note="user memory, all replicas",
    )
    yield Figure(
        "kernel's bytes a connection",
        of(large, lambda run: run.number("Kernel Memory per Connection (machine-wide difference)")),
        note="both ends are on this machine",
    )
    both = lambda run: run.cpu_a_request_us
    yield Figure("CPU a request, server and generator", of(large, both), "{:.1f} us", note=at)
    few_note = f"{few:,} connections, else the same{troubles(small)}"
    yield Figure("the same with few connections", of(small, both), "{:.1f} us", note=few_note)
    yield ratios(
        "CPU a request, many / few", of(large, both), of(small, both), must=("<=", 1.5), aim=("<=", 1.2), note="by pair"
    )
    for name, part in (("server", lambda run: run.server_us), ("generator", lambda run: run.generator_us)):
        yield ratios(f"of it the {name}, many / few", of(large, part), of(small, part), note="by pair")
