"""What the machine does to a bare exchange of as many bytes at the same rates over as many connections: bench/floor.c, which reads and
writes and does nothing else. Under SCHED_BATCH, as agents and replicas are. Three ways of being woken, since fewer wake-ups leave more of
the cores: the lowest of the three is the floor."""

import pathlib
import subprocess

from figures import CannotRun, Figure
from processes import BATCH

SOURCE = pathlib.Path(__file__).resolve().parent.parent / "floor.c"
RATES = [10_000, 50_000]
SERVERS, CLIENTS = 12, 6
WAYS = {
    "each": "woken for each message",
    "steps": "sent in steps of 1 ms",
    "turns": "both ends woken once a ms",
}


def measure(bench):
    floor = bench.work / "floor"
    made = subprocess.run(["cc", "-O2", "-o", floor, SOURCE], capture_output=True, text=True, check=False)
    if made.returncode:
        raise CannotRun(f"bench/floor.c cannot be compiled: {made.stderr.strip()}")
    for rate in map(bench.many, RATES):
        runs = {way: [] for way in WAYS}
        for _ in range(bench.pairs):
            for way, found in runs.items():
                found.append(exchange(floor, way, bench.many(100_000), rate, bench.seconds + 2))
        for way, found in runs.items():
            yield from told(f"a bare exchange, {rate:,}/s, {WAYS[way]}", *zip(*found))


def told(name, p95_us, p99_us, answered, cpu_us, left_out):
    note = f"under SCHED_BATCH; {min(answered):,.0f} requests/s answered at the least, {sum(left_out):,.0f} left out"
    yield Figure(f"{name}: P95 latency", [us / 1e3 for us in p95_us], "{:.2f} ms")
    yield Figure(f"{name}: P99 latency", [us / 1e3 for us in p99_us], "{:.2f} ms", note=note)
    yield Figure(f"{name}: CPU a request", cpu_us, "{:.1f} us", note="both ends, user and kernel")


def exchange(floor, way, connections, rate, seconds):
    """P95 and P99 in us, requests/s answered, us of CPU a request, requests left out."""
    given = [*BATCH, floor, way, SERVERS, CLIENTS, connections, rate, seconds]
    ran = subprocess.run(list(map(str, given)), capture_output=True, text=True, check=False, timeout=120)
    if ran.returncode:
        raise CannotRun(ran.stderr.strip() or f"bench/floor.c ended with {ran.returncode}")
    return [float(word) for word in ran.stdout.split()[1:]]
