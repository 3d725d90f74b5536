"""A row of the table of bench/durable.sh, from a run's folder: its journals of operations and its report.

    durable.py FOLDER STORE RATE EXIT_CODE

Writes to descriptor 3 what the run comes to: 99 where a limit is passed, 3 where that cannot be said, else EXIT_CODE.
"""

import glob
import os
import struct
import sys

from report import checks, load, quantile, reason, verdict

RATE_MIN = 10_000
P99_MAX_MS = 50
WARM_UP_NS = 5_000_000_000
# A header, then records of this length: CRC, sequence, event, attempt, replica, reason, class, replayed, operation, time and what
# else there is of it (crates/record/src/operations/layout.rs). Sequence and sum are the audit's concern.
RECORD = struct.Struct("<I I B B H H B B 16s Q Q Q Q")
HEADER = b"ERLMCPOP" + (1).to_bytes(4, "little")
INVOKE, OK, FAIL = 1, 3, 4
# Not one byte of it was sent: a late operation, made to be refused (docs/operations.md), or the generator's own doing.
NOT_SENT = 2
# What an operation without an answer counts at least, in a percentile: it was waited for as long.
LOST_MS = 10_000
PROOF = "faults.operations_lost_count"


def operations(folder):
    """First attempt and first ok of each operation, in nanoseconds; those that were never sent are none."""
    begun, done, first_end = {}, {}, {}
    for path in sorted(glob.glob(f"{folder}/operations-agent-*.journal")):
        with open(path, "rb") as file:
            if not file.read(RECORD.size).startswith(HEADER):
                sys.exit(f"{path} is no journal of operations of version 1")
            while part := file.read(RECORD.size * 16_384):
                whole = len(part) // RECORD.size * RECORD.size
                for _, _, event, _, _, reason, _, _, operation, at_ns, _, _, _ in RECORD.iter_unpack(part[:whole]):
                    if event == INVOKE:
                        begun.setdefault(operation, at_ns)
                    elif event == OK:
                        done.setdefault(operation, at_ns)
                    if event != INVOKE:
                        first_end.setdefault(operation, (event, reason))
    unsent = {operation for operation, end in first_end.items() if end == (FAIL, NOT_SENT) and operation not in done}
    return {operation: at_ns for operation, at_ns in begun.items() if operation not in unsent}, done


def main():
    folder, store, rate, code = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
    begun, done = operations(folder)
    if not begun or not done:
        print(f"| {store} | none was done | | | | | | | INCONCLUSIVE |")
        os.write(3, b"3")
        return
    from_ns, until_ns = min(begun.values()) + WARM_UP_NS, max(begun.values())
    seconds = int((until_ns - from_ns) // 1_000_000_000)
    if seconds < 1:
        print(f"| {store} | it was over too soon | | | | | | | INCONCLUSIVE |")
        os.write(3, b"3")
        return
    until_ns = from_ns + seconds * 1_000_000_000
    started, ended = [0] * seconds, [0] * seconds
    took_ms = []
    for operation, at_ns in begun.items():
        if from_ns <= at_ns < until_ns:
            started[(at_ns - from_ns) // 1_000_000_000] += 1
            took_ms.append((done[operation] - at_ns) / 1e6 if operation in done else LOST_MS)
    for at_ns in done.values():
        if from_ns <= at_ns < until_ns:
            ended[(at_ns - from_ns) // 1_000_000_000] += 1
    carried, offered = sum(ended) / seconds, sum(started) / seconds
    lost = sum(1 for operation, at_ns in begun.items() if from_ns <= at_ns < until_ns and operation not in done)
    p99 = quantile(took_ms, 0.99)
    proof = checks(load(f"{folder}/report.json"))[PROOF]
    is_proven = verdict(proof["verdict"]) == "pass"
    if carried < RATE_MIN or lost or p99 >= P99_MAX_MS or verdict(proof["verdict"]) == "fail":
        word, said = "FAIL", 99
    else:
        word, said = ("PASS", code) if is_proven else ("INCONCLUSIVE", 3)
    asked = "" if offered >= 0.99 * rate else f" of {rate:,.0f}"
    cells = [f"{carried:,.0f}", f"{min(ended):,}", f"{offered:,.0f}{asked}", f"{lost:,}"]
    cells += [f"{quantile(took_ms, share):,.1f} ms" for share in (0.5, 0.99, 1.0)]
    audit = f"audit of {proof['samples']:,}: {proof['estimate']} violations ({reason(proof['verdict'])})"
    print(f"| {store} | " + " | ".join(cells) + f" | {word}; {audit} |")
    os.write(3, str(said).encode())


main()
