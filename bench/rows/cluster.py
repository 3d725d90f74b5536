"""100,000 connections on a cluster of 12, and 1,000 on the same, in turn: ramp, latency, memory, and CPU a request.

The ramp is asked for at a rate that no machine reaches, so that it goes as fast as it can."""

from figures import Figure, ratios
from stress import stress

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
    trouble = "; ".join({run.trouble for run in large + small if run.trouble})
    at = f"{many:,} connections, {REPLICAS} replicas, {rate:,} requests/s"
    how = at + (f"; TROUBLE: {trouble}" if trouble else "")
    yield Figure(
        f"ramp to {many:,}, connections/s",
        [run.ramp for run in large],
        must=(">=", 20_000),
        aim=(">=", 35_000),
        note="unpaced, one request each",
    )
    yield Figure("P95 latency", [run.p95_ms for run in large], "{:.2f} ms", ("<", 5), ("<", 1), how)
    yield Figure(
        "P99 latency", [run.p99_ms for run in large], "{:.2f} ms", ("<", 10), ("<", 2), "from the intended time"
    )
    yield Figure(
        "server's bytes a connection",
        [run.number("Memory per Connection") for run in large],
        note="user memory, all replicas",
    )
    yield Figure(
        "kernel's bytes a connection",
        [run.number("Kernel Memory per Connection (machine-wide difference)") for run in large],
        note="both ends are on this machine",
    )
    both = lambda run: run.server_us + run.generator_us
    yield Figure("CPU a request, server and generator", list(map(both, large)), "{:.1f} us", note=at)
    yield Figure(
        "the same with few connections", list(map(both, small)), "{:.1f} us", note=f"{few:,} connections, else the same"
    )
    yield ratios(
        "CPU a request, many / few",
        map(both, large),
        list(map(both, small)),
        must=("<=", 1.5),
        aim=("<=", 1.2),
        note="by pair",
    )
    for name, part in (("server", lambda run: run.server_us), ("generator", lambda run: run.generator_us)):
        yield ratios(f"of it the {name}, many / few", map(part, large), list(map(part, small)), note="by pair")
