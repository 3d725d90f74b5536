"""The table of bench/kills.sh from a report.json: how long it took until a lost replica was known, made good, and back.

    kills.py REPORT EXIT_CODE kill|partition HOW_MANY

Exits with 99 where a limit is passed, with 3 where there were fewer than HOW_MANY or not all of it was seen,
with EXIT_CODE where that is neither 0 nor 3, else with 0.
"""

import sys

from report import checks, figure, load, made, ms, quantile, reason, verdict

PROOF = "faults.operations_lost_count"
# Fewer than this and a P99 says nothing.
P99_MIN = 300


def since_signal(name):
    """From the SIGKILL: the report's times are from when the process was gone."""

    def of(fault):
        gone, then = ms(fault, "effect_ms"), ms(fault, name)
        return None if gone is None or then is None else gone + then

    return of


def of(name):
    return lambda fault: ms(fault, name)


# What, how it is read, and the limit in milliseconds with whether it may be reached.
FIGURES = {
    "kill": [
        ("detected by the cluster, since the SIGKILL", of("detected_since_injection_ms"), (200, True)),
        ("... since the process was gone", of("detected_by_cluster_ms"), None),
        ("by the kernel: from the SIGKILL until the process and its sockets were gone", of("effect_ms"), None),
        ("all its clients served again, since the process was gone", of("served_again_ms"), (1_000, False)),
        ("... since the SIGKILL", since_signal("served_again_ms"), None),
        ("ready again, since the SIGKILL", since_signal("ready_again_ms"), (2_000, False)),
        ("... since the process was gone", of("ready_again_ms"), None),
        ("load as before, since the process was gone", of("steady_again_ms"), None),
    ],
    "partition": [
        ("detected by the cluster", of("detected_by_cluster_ms"), (1_000, True)),
        ("detected by the last client", of("detected_by_last_client_ms"), (1_000, True)),
        ("all its clients served again", of("served_again_ms"), None),
        ("ready again, since the heal", of("ready_again_ms"), None),
        ("load as before", of("steady_again_ms"), None),
    ],
}


def row(what, limit, times, asked):
    cells = [f"{quantile(times, share):,.0f} ms" if times else "-" for share in (0.5, 0.9)]
    cells.append(f"{quantile(times, 0.99):,.0f} ms" if len(times) >= P99_MIN else "-")
    cells.append(f"{max(times):,.0f} ms" if times else "-")
    if limit is None:
        mark, words = "", ""
    else:
        keeps = all(time < limit[0] or (limit[1] and time == limit[0]) for time in times)
        mark = "FAIL" if not keeps else "PASS" if len(times) == asked else "INCONCLUSIVE"
        words = f"{'<=' if limit[1] else '<'} {limit[0]:,} ms"
    print(f"| {what} | {words} | {len(times)} | " + " | ".join(cells) + f" | {mark} |")
    return mark


def main():
    path, code, kind, wanted = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    report = load(path)
    faults = [fault for fault in made(report) if fault["kind"] == kind]
    print("| | limit | n | P50 | P90 | P99 | max | |")
    print("|---" * 8 + "|")
    marks = [
        row(what, limit, [time for time in map(read, faults) if time is not None], wanted)
        for what, read, limit in FIGURES[kind]
    ]
    lost = figure(report, "chaos", "replicas_lost_without_fault")
    lasted = figure(report, "chaos", "duration_ms")
    minutes = f"{lasted / 60_000:.1f} minutes" if lasted is not None else "a time that is not known"
    proof = checks(report)[PROOF]
    print(f"\n- replicas that the cluster took for lost without a fault on them, in {minutes} of load: {'not known' if lost is None else lost}")
    print(f"- operations lost, doubled, invented or mixed up: {proof['estimate']} of {proof['samples']:,} ({reason(proof['verdict'])})")
    for check in report["checks"]:
        if check["id"].startswith("faults.") and check["id"] != PROOF:
            print(f"- `{check['id']}`: {check['estimate']} of {check['samples']} {check['samples_of']}: {reason(check['verdict'])}")
    print(f"- {len(faults)} of {wanted} had an effect that was seen; the run ended with exit code {code}")
    for fault in report.get("faults", []):
        if verdict(fault["verdict"]) != "pass":
            print(f"- {fault['injected_ms'] / 1000:.1f} s, replica {fault['targets']}: {verdict(fault['verdict'])}: {fault['reason']}")
    if "FAIL" in marks or lost:
        sys.exit(99)
    is_known = len(faults) >= wanted and "INCONCLUSIVE" not in marks and lost is not None
    is_proven = verdict(proof["verdict"]) in ("pass", "skipped")
    # What else the run could not say stands above, and is not asked here.
    sys.exit(code if code not in (0, 3) else 0 if is_known and is_proven else 3)


main()
