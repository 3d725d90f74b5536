"""Foreign servers, and erlmcp's own, under `erlmcp stress`. peers/run has the command line."""

import datetime
import json
import pathlib
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from honest import complaints, told
from measure import measure
from servers import PEERS, ROWS, Running

RESULTS = pathlib.Path(__file__).resolve().parent.parent.parent / "test-results"
CONNECTIONS = 50
# Short runs beside one another: most of their time is waiting.
AT_ONCE = 4


def short(row, results):
    """A short run; its report."""
    print(f"{row.name} ...", flush=True)
    with Running(row, results / row.name) as running:
        run = running.stress("run", "-c", str(CONNECTIONS), "-d", "3s", "-r", "100", "--seed", "7")
    return json.loads((run / "report.json").read_text())


def reports(rows, results):
    """A row and its report, in the order of the rows."""
    # One after another: two that install the same into the same folder would be in each other's way.
    for server in dict.fromkeys(row.server for row in rows if row.server != "erlmcp"):
        subprocess.run([PEERS / "run", "install", server], stdout=sys.stderr, check=True)
    runs = ThreadPoolExecutor(AT_ONCE)
    try:
        yield from zip(rows, runs.map(lambda row: short(row, results), rows))
    finally:
        runs.shutdown(cancel_futures=True)


def small(rows, results):
    """What the report of a short run claims is checked, never how fast a server is."""
    bad, table = 0, []
    for row, report in reports(rows, results):
        found = complaints(report, CONNECTIONS, row.server != "erlmcp")
        for complaint in found:
            print(f"  {row.name}: {complaint}")
        bad += bool(found)
        words = [told(check["verdict"])[0] for check in report["checks"]]
        counts = [words.count(word) for word in ("pass", "fail", "inconclusive", "skipped")]
        planned = sum(line["planned"] for line in report["ledger"])
        table.append((row.name, planned, *counts, "claims too much" if found else "honest"))
    print()
    print(f"{'server':28} {'requests':>8} {'pass':>5} {'fail':>5} {'inconclusive':>12} {'skipped':>7}  report")
    for name, *counts, said in table:
        widths = (8, 5, 5, 12, 7)
        print(f"{name:28}", *(f"{count:>{width}}" for count, width in zip(counts, widths)), f" {said}")
    return bad


def main():
    # So that servers are ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    given = sys.argv[1:]
    names = [name for name in given if name != "--measure"]
    unknown = set(names) - {row.server for row in ROWS}
    if unknown:
        sys.exit(f"there is no server {', '.join(sorted(unknown))}: {', '.join(sorted({row.server for row in ROWS}))}")
    rows = [row for row in ROWS if not names or row.server in names]
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    results = RESULTS / f"peers-{stamp}"
    if "--measure" in given:
        # Its ratios need the reference.
        measure([row for row in ROWS if row in rows or row.server == "erlmcp"], results)
        return
    bad = small(rows, results)
    print(f"\nreports in {results}")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
