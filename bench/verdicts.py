"""Reads the runs of bench/verdicts.sh: the verdict of every check, run by run."""
import datetime
import json
import os
import sys

work, runs, what = sys.argv[1], int(sys.argv[2]), sys.argv[3]


def report(run):
    with open(f"{work}/{run}/report.json") as file:
        return json.load(file)


def word(verdict):
    return verdict if isinstance(verdict, str) else next(iter(verdict))


reports = [report(run) for run in range(1, runs + 1)]
checks = {}
for report in reports:
    for check in report["checks"]:
        checks.setdefault(check["id"], []).append((word(check["verdict"]), check["estimate"], check["threshold"]["unit"]))
differing = [name for name, seen in checks.items() if len({verdict for verdict, *_ in seen}) > 1 or len(seen) < runs]

print(f"# Verdicts of {runs} runs against one cluster, {datetime.date.today()}\n")
print(f"{what}; {os.cpu_count()} cores shared by cluster and tester, Linux {os.uname().release}.\n")
wholes = [word(report["readiness"]["verdict"]) for report in reports]
print("Verdicts as a whole: " + ", ".join(wholes) + ".\n")
print(f"{len(checks) - len(differing)} of {len(checks)} checks had the same verdict in every run.\n")
open_questions = [name for name, seen in checks.items() if any(verdict == "inconclusive" for verdict, *_ in seen)]
if open_questions:
    print(f"INCONCLUSIVE is no verdict that repeats; so were: {', '.join(open_questions)}.\n")
print("| check | " + " | ".join(f"run {run}" for run in range(1, runs + 1)) + " |")
print("|---|" + "---|" * runs)
for name in differing + [name for name in checks if name not in differing]:
    cells = [verdict + ("" if estimate is None else f" ({estimate:.4g} {unit})") for verdict, estimate, unit in checks[name]]
    shown = f"**{name}**" if name in differing else name
    print(f"| {shown} | " + " | ".join(cells) + " |")
sys.exit(99 if differing else 3 if "inconclusive" in wholes else 0)
