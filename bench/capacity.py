"""Reads the runs of bench/capacity.sh: how far the limits that were found are from those that are known."""
import datetime
import json
import os
import sys

work, runs, rate, connections = sys.argv[1], *map(int, sys.argv[2:])
OFF_MAX = 0.05

print(f"# Known limits, as `erlmcp capacity` finds them, {datetime.date.today()}\n")
print(f"{os.cpu_count()} cores shared by server and tester, Linux {os.uname().release}. One `erlmcp serve`.\n")
print("| sought | known | run | found | 95 % interval | off by | trials |")
print("|---|---|---|---|---|---|---|")
code = 0
for axis, known in (("rate", rate), ("connections", connections)):
    for run in range(1, runs + 1):
        with open(f"{work}/{axis}-{run}/report.json") as file:
            found = json.load(file)["capacity"]
        limit = next((limit for limit in found["limits"] if limit["axis"] == axis), {})
        estimate = limit.get("estimate")
        if estimate is None:
            code = max(code, 3)
            print(f"| {axis} | {known:,} | {run} | none: {limit.get('by', 'no answer')} | | | |")
            continue
        off = estimate / known - 1
        code = 99 if abs(off) > OFF_MAX else code
        interval = " to ".join(f"{limit[end]:,.0f}" if limit.get(end) is not None else "-" for end in ("low", "high"))
        trials = limit.get("trials", len(found.get("trials", [])))
        print(f"| {axis} | {known:,} | {run} | {estimate:,.0f} | {interval} | {off:+.1%} | {trials} |")
sys.exit(code)
