"""Foreign servers, and erlmcp's own, under `erlmcp stress`. peers/run has the command line."""

import datetime
import json
import pathlib
import signal
import sys

from honest import complaints, told
from measure import measure
from servers import ROWS, Running

RESULTS = pathlib.Path(__file__).resolve().parent.parent.parent / "test-results"
CONNECTIONS = 50


def small(rows, results):
    """A short run each; what its report claims is checked, never how fast a server is."""
    bad, table = 0, []
    for row in rows:
        print(f"{row.name} ...", flush=True)
        with Running(row, results / row.name) as running:
            run = running.stress("run", "-c", str(CONNECTIONS), "-d", "3s", "-r", "100", "--seed", "7")
        report = json.loads((run / "report.json").read_text())
        found = complaints(report, CONNECTIONS, row.server != "erlmcp")
        for complaint in found:
            print(f"  {complaint}")
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
