"""The table of bench/chaos.sh from a report.json: kind by kind, how many faults, and the middle and longest times of each.

    chaos.py REPORT EXIT_CODE

Exits with EXIT_CODE where there were enough faults, kinds and operations (see FAULTS, KINDS, OPERATIONS) and nothing was lost,
else with 3.
"""

import os
import sys

from report import checks, load, made, ms, reason, verdict

TIMES = [
    ("detected_by_cluster_ms", "cluster detected"),
    ("detected_by_clients_ms", "clients detected"),
    ("served_again_ms", "all served again"),
    ("ready_again_ms", "ready again"),
    ("steady_again_ms", "load as before"),
]
PROOF = "faults.operations_lost_count"


def times(faults, name):
    """The middle one and the longest, in milliseconds."""
    seen = sorted(ms(fault, name) for fault in faults if ms(fault, name) is not None)
    return f"{seen[len(seen) // 2]:,.0f} / {seen[-1]:,.0f}" if seen else "-"


def main():
    report = load(sys.argv[1])
    faults, done = report.get("faults", []), made(report)
    proof = checks(report)[PROOF]
    print("| kind | faults | pass | fail | inconclusive | skipped | " + " | ".join(f"{name}, P50 / max ms" for _, name in TIMES) + " |")
    print("|---" * (6 + len(TIMES)) + "|")
    for kind in sorted({fault["kind"] for fault in faults}):
        mine = [fault for fault in faults if fault["kind"] == kind]
        counts = [sum(verdict(fault["verdict"]) == name for fault in mine) for name in ("pass", "fail", "inconclusive", "skipped")]
        cells = [f"`{kind}`", len(mine), *counts, *(times(mine, name) for name, _ in TIMES)]
        print("| " + " | ".join(map(str, cells)) + " |")
    kinds, operations = len({fault["kind"] for fault in done}), proof["samples"]
    print(f"\n{len(done)} faults of {kinds} kinds with an effect that was seen; {operations:,} operations audited, ", end="")
    print(f"{proof['estimate']} violations ({verdict(proof['verdict'])}). The run ended with exit code {sys.argv[2]}.\n")
    for check in report["checks"]:
        if check["id"].startswith("faults."):
            print(f"- `{check['id']}`: {check['estimate']} of {check['samples']} {check['samples_of']}: {reason(check['verdict'])}")
    wrong = [fault for fault in faults if verdict(fault["verdict"]) in ("fail", "inconclusive")]
    if wrong:
        print("\nNot passed:\n")
    for fault in wrong:
        print(f"- {fault['injected_ms'] / 1000:.1f} s, `{fault['kind']}` of {fault['targets']}: {fault['reason']}")
    least = {name: int(os.environ.get(name, default)) for name, default in (("FAULTS", 100), ("KINDS", 20), ("OPERATIONS", 1_000_000))}
    enough = len(done) >= least["FAULTS"] and kinds >= least["KINDS"] and operations >= least["OPERATIONS"]
    sys.exit(int(sys.argv[2]) if enough and verdict(proof["verdict"]) == "pass" else 3)


main()
