"""What each server carries: a table for the README, with `erlmcp serve` in the same run as the reference."""

import datetime
import json
import math
import pathlib
import sys

from servers import Running

BENCH = pathlib.Path(__file__).resolve().parent.parent.parent / "bench" / "results"

# Held and spoken to at a rate that every one of the servers carries. Each connection speaks every 2 s: uvicorn's
# defaults end one that is silent for 5 s.
HELD, LOW_RATE = 200, 100
# For the highest rate, as many connections as bench/run throughput has.
BUSY = 64
FIRST_RATE, RATE_MAX = 1_000, 1_000_000
# So close are the highest rate that was reached and the lowest one that was not, at the end: 4^(1/8).
HALVINGS = 3
PHASES = "ramp_up,sustained_load,cool_down"
SECONDS, WARM_UP = "5s", "1s"


class Step:
    """One rate offered for some seconds: reached when 99 % of it was answered ok with a P95 under 100 ms."""

    def __init__(self, rate, report):
        self.rate = rate
        checks = {check["id"]: check for check in report["checks"]}
        answered = checks["sustained.offered_percent"]["estimate"]
        self.p95_ms = checks["sustained.p95_ms"]["estimate"]
        self.is_reached = answered is not None and answered >= 99 and self.p95_ms is not None and self.p95_ms < 100
        generator = {figure["name"]: figure["value"] for figure in report["generator"]["figures"]}
        self.is_generators = generator["unsent_by_generator"].get("count", 0) > 0
        self.answered = numbers(report)["Sustained Throughput"].get("rate")
        cpu = numbers(report)["Total Cluster CPU"].get("percent")
        # Percent of one core; microseconds of it a request.
        self.cpu_us = cpu * 1e4 / self.answered if cpu is not None and self.answered else None


def numbers(report):
    return {figure["name"]: figure["value"] for section in report["numbers"] for figure in section["figures"]}


def read(results):
    return json.loads((results / "report.json").read_text())


class Measured:
    """One server's figures."""

    def __init__(self, row, results):
        self.row, self.version = row, row.version()
        with Running(row, results) as running:
            # The first run finds a server that has had no connection: its memory is judged by that.
            arguments = ["-c", str(HELD), "-r", str(LOW_RATE), "-d", "15s", "--warmup", "5s"]
            arguments += ["--phases", f"baseline,{PHASES}"]
            self.held = read(running.stress("held", *arguments))
            self.steps = []
            self.search(running)
        checks = {check["id"]: check for check in self.held["checks"]}
        self.p95_ms = checks["sla.p95_ms"]["estimate"]
        self.memory = checks["sla.memory_per_connection_bytes"]["estimate"]
        self.answers = "SSE" if "ms" in numbers(self.held)["P95 Time to First Event"] else "JSON"

    def offer(self, running, rate):
        arguments = ["-c", str(BUSY), "-r", str(rate), "-d", SECONDS, "--warmup", WARM_UP, "--phases", PHASES]
        step = Step(rate, read(running.stress(f"rate-{rate}", *arguments)))
        self.steps.append(step)
        said = "reached" if step.is_reached else "not reached, by the generator" if step.is_generators else "not reached"
        print(f"  {rate:>7,} req/s {said}", file=sys.stderr, flush=True)
        return step.is_reached

    def search(self, running):
        low, rate = 0, FIRST_RATE
        while self.offer(running, rate):
            low, rate = rate, rate * 4
            if rate > RATE_MAX:
                return
        high = rate
        while not low and high > 10:
            rate = high // 4
            low, high = (rate, high) if self.offer(running, rate) else (0, rate)
        for _ in range(HALVINGS if low else 0):
            rate = round(math.sqrt(low * high))
            low, high = (rate, high) if self.offer(running, rate) else (low, rate)

    @property
    def best(self):
        reached = [step for step in self.steps if step.is_reached]
        return max(reached, key=lambda step: step.rate, default=None)

    @property
    def is_generators(self):
        """True where the lowest rate that was not reached was the generator's own doing."""
        missed = [step for step in self.steps if not step.is_reached]
        return bool(missed) and min(missed, key=lambda step: step.rate).is_generators

    def line(self, reference):
        best = self.best
        ratio = f"{best.rate / reference.best.rate:.2g}" if best and reference.best else "not measured"
        highest = "none of 10 or more" if best is None else f"{'at least ' if self.is_generators else ''}{best.rate:,}"
        cells = [
            " ".join([self.row.server, self.version, *self.row.options]),
            self.row.era,
            self.answers,
            highest,
            ratio,
            shown(best and best.cpu_us, "{:.0f} us"),
            shown(self.p95_ms, "{:.2f} ms"),
            size(self.memory),
        ]
        return f"| {' | '.join(cells)} |"


def shown(value, form):
    return "not measured" if value is None else form.format(value)


def size(amount):
    """What is below zero is lost in what the allocator does."""
    if amount is None or amount < 0:
        return "not measured"
    return f"{amount / 1024:.1f} KB" if amount >= 1024 else f"{amount:.0f} bytes"


def measure(rows, results):
    """Measures each row, and the first one, the reference of its era, once more at the end: the control."""
    measured = []
    for row in rows:
        print(f"{row.name} ...", file=sys.stderr, flush=True)
        measured.append(Measured(row, results / row.name))
    print(f"{rows[0].name} again ...", file=sys.stderr, flush=True)
    again = Measured(rows[0], results / "control")
    references = {one.row.era: one for one in measured if one.row.server == "erlmcp"}
    path = BENCH / f"peers-{datetime.date.today()}.md"
    text = "\n".join(page(measured, again, references))
    path.write_text(text + "\n")
    print(text)
    print(f"written to {path}; reports in {results}", file=sys.stderr)


def page(measured, again, references):
    machine = again.held["machine"]
    yield f"# MCP servers under erlmcp stress, {datetime.date.today()}"
    yield ""
    yield (
        f"{machine['cpu']}, {machine['cores']} cores shared by server and generator, "
        f"{machine['memory_bytes'] / 2**30:.0f} GiB, Linux {machine['kernel']}. Each server is one process as its SDK "
        "has it by default (--json: told to answer in JSON), with TCP_NODELAY; those of Python and TypeScript use one core. "
        "It offers seven tools, two resources and a prompt (erlmcp: its own tools); called is the one that sends its argument "
        "back. Made by `peers/run stress --measure`."
    )
    yield ""
    yield (
        "| server | era | answers | req/s carried | ratio to `erlmcp serve` | server CPU a request | "
        f"P95 at {LOW_RATE} req/s | memory a connection |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    for one in measured:
        yield one.line(references[one.row.era])
    yield ""
    width = (4 ** (1 / 2**HALVINGS) - 1) * 100
    yield (
        f"*Carried* is the highest open-loop rate of tools/call over {BUSY} connections of which 99 % was answered with a "
        f"P95 under 100 ms, from the intended time; the lowest rate that was not is {width:.0f} % above it. The CPU is the "
        f"server's own at that rate. P95 and memory (anonymous, of a server just started) are those of {HELD} connections "
        "held. In the older era each connection has a session of its own, where the server has sessions."
    )
    first = measured[0]
    if first.best and again.best:
        yield ""
        yield (
            f"Control: {first.row.server}, {first.row.era}, measured again at the end, carried "
            f"{again.best.rate / first.best.rate:.2f} of what it had carried at the beginning."
        )
