"""One change to 100,000 open streams: from the change to the last of them that was told."""

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
    held, last = run.number("Streams Held"), run.number("Fan-Out to the Last Stream, Max (each change)")
    if last is None:
        raise CannotRun("no change reached a stream")
    changes = run.number("Changes Made")
    missed = run.numbers["Notifications Missed"].get("text", "not measured")
    note = f"{held} streams held of {streams}, {changes} changes; notifications missed: {missed}"
    if held != streams or not missed.startswith("0 of ") or run.trouble:
        # The last of those that were told is not the last of all.
        raise CannotRun(f"{note}{'; ' + run.trouble if run.trouble else ''}")
    median = run.number("Fan-Out to the Last Stream, Median (each change)")
    yield Figure("to the last stream, the slowest change", [last], "{:.0f} ms", ("<", 1_500), ("<", 600), note)
    yield Figure("to the last stream, median change", [median], "{:.0f} ms")
    yield Figure("P99 of the streams", [run.number("Fan-Out P99 (each stream)")], "{:.0f} ms")
    memory = run.number("Server Memory per Stream (its connection included)")
    yield Figure("server's bytes a stream, its connection included", [memory], must=("<=", 2_048), aim=("<=", 1_024))
