"""Runs of `erlmcp stress`, and the figures of their reports."""

import csv
import json
import os
import statistics
import subprocess
import sys

from figures import CannotRun
from processes import BENCH

sys.path.insert(0, str(BENCH))
import report as reports  # noqa: E402


class Run:
    """What one run has found."""

    def __init__(self, folder):
        self.folder = folder
        self.report = report = json.loads((folder / "report.json").read_text())
        self.checks = reports.checks(report)
        self.numbers = {one["name"]: one["value"] for section in report["numbers"] for one in section["figures"]}
        self.generator = {one["name"]: one["value"] for one in report["generator"]["figures"]}

    def number(self, name):
        """Of the report's numbers; None where it was not measured."""
        value = self.numbers.get(name, {"not_measured": ""})
        return None if "not_measured" in value or "text" in value else next(iter(value.values()))

    def estimate(self, check):
        return self.checks[check]["estimate"]

    @property
    def rate(self):
        return self.number("Sustained Throughput")

    @property
    def p95_ms(self):
        return self.number("P95 Latency")

    @property
    def p99_ms(self):
        return self.number("P99 Latency")

    @property
    def median_second_p99_ms(self):
        """The P99 of the median second of load: one core lost for a moment bends that of the run, but not this one."""
        command = [os.environ["ERLMCP"], "report", str(self.folder), "--format", "csv"]
        told = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds = csv.DictReader(told.stdout.splitlines())
        of_load = (second["p99_ms"] for second in seconds if second["phase_name"] == "sustained_load")
        p99s = [float(p99) for p99 in of_load if p99]
        return statistics.median(p99s) if p99s else None

    @property
    def ramp(self):
        """Connections a second, from the first start to the last first answer."""
        ms = reports.figure(self.report, "ramp_up", "ramp_ms")
        return self.report["configuration"]["connections"] / ms * 1e3 if ms else None

    def cpu_us(self, percent):
        """Percent of one core over the sustained load, as microseconds a request."""
        return percent * 1e4 / self.rate if percent is not None and self.rate else None

    @property
    def server_us(self):
        return self.cpu_us(self.number("Total Cluster CPU"))

    @property
    def generator_us(self):
        value = self.generator.get("agents_cpu_percent_all", {})
        return self.cpu_us(value.get("percent"))

    @property
    def cpu_a_request_us(self):
        """Of server and generator."""
        parts = self.server_us, self.generator_us
        return None if None in parts else sum(parts)

    @property
    def agents(self):
        return self.generator["agents"]["count"]

    @property
    def trouble(self):
        """Why its figures are not those of the load that was asked for; empty where they are."""
        found = []
        for check, least, name in (
            ("sustained.held_percent", 100, "held"),
            ("sustained.offered_percent", 99.9, "offered and answered"),
        ):
            estimate = self.estimate(check)
            if estimate is None or estimate < least:
                found.append(f"{estimate} % {name}")
        if self.estimate("sustained.error_rate_percent"):
            found.append(f"{self.estimate('sustained.error_rate_percent')} % errors")
        unsent = self.generator["unsent_by_generator"].get("count", 0)
        if unsent:
            found.append(f"{unsent} unsent by the generator")
        return ", ".join(found)


def of(runs, figure):
    """A figure of each run; None of one with trouble, and where it was not measured."""
    return [None if run.trouble else figure(run) for run in runs]


def troubles(runs):
    """A note of the runs whose figures are left out, and why; empty where there are none."""
    found = [run.trouble for run in runs if run.trouble]
    return f"; TROUBLE in {len(found)} of {len(runs)} runs, which are left out: {'; '.join(sorted(set(found)))}" if found else ""


def stress(bench, *arguments, phases="baseline,ramp_up,sustained_load,cool_down", timeout=600):
    """One run, with phases that break nothing. Whatever its verdict is, its figures are what was measured."""
    folder = bench.folder("stress")
    command = [os.environ["ERLMCP"], "stress", *map(str, arguments), "--phases", phases, "--output", str(folder)]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise CannotRun(f"`erlmcp {' '.join(command[1:])}` took longer than {timeout} s") from None
    if done.returncode not in (0, 3, 99):
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise CannotRun(f"`erlmcp stress` ended with {done.returncode}: {said[-1] if said else 'it said nothing'}")
    return Run(folder)
