"""1,000,000 connections on this machine, at 10,000 requests/s. One run: it takes some ten minutes."""

from figures import CannotRun, Figure
from stress import stress


def measure(bench):
    connections = bench.many(1_000_000)
    rate = 10_000
    run = stress(bench, "-c", connections, "-r", rate, "-d", "60s", "--ramp-rate", 1_000_000, timeout=2_300)
    how = f"{rate:,} requests/s for a minute, {run.agents} agents"
    if run.trouble:
        raise CannotRun(f"{how}: {run.trouble}")
    # By the agents' counts and the server's own, whichever is less.
    held = run.estimate("sustained.held_percent") * connections / 100
    yield Figure("connections held in every second, by both sides", [held], must=(">=", connections), note=how)
    yield Figure("P95 latency", [run.p95_ms], "{:.2f} ms", ("<", 50))
    yield Figure("P99 latency", [run.p99_ms], "{:.2f} ms", aim=("<", 20))
    yield Figure(
        "ramp, connections/s", [run.ramp], must=(">=", 10_000), aim=(">=", 20_000), note="unpaced, one request each"
    )
    yield Figure("server's bytes a connection", [run.number("Memory per Connection")])
    yield Figure(
        "kernel's bytes a connection",
        [run.number("Kernel Memory per Connection (machine-wide difference)")],
        note="both ends",
    )
