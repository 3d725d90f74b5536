"""Measures the rows that are asked for, one after the other, prints their table, and writes it."""

import argparse
import datetime
import importlib
import pathlib
import shutil
import signal
import sys
import tempfile
import time

import machine
from figures import CannotRun, page

RESULTS = pathlib.Path(__file__).resolve().parent.parent / "results"
# Each a module of this folder, with the most minutes that it may take.
ROWS = {"throughput": 8, "cluster": 15, "carried": 12, "floor": 12, "memory": 20, "generator": 10, "fan-out": 10, "telemetry": 25, "million": 40}
ONLY_WHEN_NAMED = {"million"}


class Bench:
    """What every row is given: how often, how long, how much, and a folder for what it leaves."""

    def __init__(self, pairs, seconds, is_small, work):
        self.pairs, self.seconds, self.is_small, self.work = pairs, seconds, is_small, work

    def many(self, count):
        return count // 20 if self.is_small else count

    def folder(self, name):
        return self.work / f"{name}-{time.monotonic_ns()}"

    @staticmethod
    def say(text):
        print(text, file=sys.stderr, flush=True)


def out_of_time(*_):
    raise CannotRun("it took longer than its bound")


def run(row, bench):
    """The row's figures; a sentence where there are none."""
    bench.say(f"{row} ...")
    signal.signal(signal.SIGALRM, out_of_time)
    signal.alarm(ROWS[row] * 60)
    found = []
    try:
        for figure in importlib.import_module(row.replace("-", "_")).measure(bench):
            bench.say(f"  {figure}")
            found.append(figure)
    except Exception as error:
        # What one row cannot do takes nothing from the others.
        why = error if isinstance(error, CannotRun) else CannotRun(f"{type(error).__name__}: {error}")
        bench.say(f"  not measured: {why}")
        found.append(why)
    finally:
        signal.alarm(0)
    return found


def arguments():
    parser = argparse.ArgumentParser(prog="bench/run")
    parser.add_argument("rows", nargs="*", metavar="ROW")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--small", action="store_true")
    given = parser.parse_args()
    for row in given.rows:
        if row not in ROWS:
            parser.error(f"there is no row {row}; there are {', '.join(ROWS)}")
    return given


def main():
    given = arguments()
    # A signal ends what was started as an error does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    rows = given.rows or [row for row in ROWS if row not in ONLY_WHEN_NAMED]
    pairs, seconds = (min(given.pairs, 2), min(given.seconds, 2)) if given.small else (given.pairs, given.seconds)
    described = machine.describe()
    work = pathlib.Path(tempfile.mkdtemp(prefix="erlmcp-bench-"))
    try:
        bench = Bench(pairs, seconds, given.small, work)
        text = page(described, {row: run(row, bench) for row in rows}, pairs, seconds)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(text)
    if given.small:
        return bench.say("--small: too little to be a measurement, so nothing was written")
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{datetime.date.today()}-table.md"
    # What was measured earlier on the same day stays, under the same title.
    earlier = path.read_text() + "\n" if path.exists() else ""
    path.write_text(earlier + text)
    bench.say(f"written to {path}")


main()
