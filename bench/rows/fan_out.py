"""One change to 100,000 open streams: from the change to the last of them that was told."""

import json

from figures import CannotRun, Figure
from stress import stress


def measure(bench):
    streams = bench.many(100_000)
    # Changes are made every few seconds of the load, which is next to nothing here.
    run = stress(
        bench,
        "-c",
        100,
        "-r",
        100,
        "-d",
        f"{max(30, 6 * bench.pairs)}s",
        "--warmup",
        "5s",
        "--streams",
        streams,
        "--ramp-rate",
        20_000,
    )
    held, changes = run.number("Streams Held"), run.number("Changes Made")
    lasts = last_streams_ms((run.folder / "journal.jsonl").read_text())
    if not lasts or len(lasts) != changes:
        raise CannotRun(f"{changes} changes were made, and the record's last part has {len(lasts)}")
    missed = run.numbers["Notifications Missed"].get("text", "not measured")
    note = f"{held} streams held of {streams}, {changes} changes; notifications missed: {missed}"
    if held != streams or not missed.startswith("0 of ") or run.trouble:
        # The last of those that were told is not the last of all.
        raise CannotRun(f"{note}{'; ' + run.trouble if run.trouble else ''}")
    yield Figure("to the last stream, each change of one run", lasts, "{:.0f} ms", ("<", 1_500), ("<", 600), note)
    yield Figure("P99 of the streams", [run.number("Fan-Out P99 (each stream)")], "{:.0f} ms")
    memory = run.number("Server Memory per Stream (its connection included)")
    yield Figure("server's bytes a stream, its connection included", [memory], must=("<=", 2_048), aim=("<=", 1_024))


def last_streams_ms(journal):
    """Of each change that was made: from it to the last stream that told of it; None where none did."""
    made, last_us = {}, {}
    for row in map(json.loads, filter(is_of_a_change, journal.splitlines())):
        if row["row"] == "change" and "failed" not in row:
            made[row["change"]] = row["at_us"]
        elif row["row"] == "fan_out" and row["last_us"] is not None:
            last_us[row["change"]] = max(row["last_us"], last_us.get(row["change"], 0))
    return [(last_us[change] - at_us) / 1e3 if change in last_us else None for change, at_us in made.items()]


def is_of_a_change(line):
    """What need not be parsed is most of a journal."""
    return line.startswith(('{"row":"change"', '{"row":"fan_out"'))
