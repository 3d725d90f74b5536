#!/usr/bin/env python3
"""What bench/tuning.sh needs beside other programs: figures, one "NAME<TAB>VALUE" a line, and the table of all.

    tuning.py run FOLDER                 of a run of `erlmcp stress`
    tuning.py overload                   of the last line of overload.py, which comes on standard input
    tuning.py drain ADDRESS:PORT PID     of 40 calls of a second that are under way when the server gets SIGTERM
    tuning.py table FOLDER [SETTING FLAG DEFAULT OTHER]...

Where a run is not the load that was asked for, a line "!<TAB>WHY" says so. The requests are written here by hand: no code is shared
with what is measured.
"""

import http.client
import json
import os
import signal
import statistics
import sys
import time
from pathlib import Path

CALLS = 40
CALL_MS = 1_000
VERSION = "2026-07-28"


def tell(name, value):
    if value is not None:
        print(f"{name}\t{value}")


def run(folder):
    sys.path.insert(0, str(Path(__file__).parent / "rows"))
    from stress import Run

    found = Run(Path(folder))
    tell("requests/s answered", found.rate)
    tell("P95, ms", found.p95_ms)
    tell("P99, ms", found.p99_ms)
    tell("CPU of the server, microseconds a request", found.server_us)
    tell("CPU of the generator, microseconds a request", found.generator_us)
    tell("written late, P99, ms", found.generator["send_lag_p99_ms"].get("ms"))
    tell("!", found.trouble or None)


def overload():
    step = json.loads(sys.stdin.read().strip().splitlines()[-1])
    tell("done/s", step["goodput"])
    tell("P50 of what was done, ms", step["done_p50_ms"])
    tell("P99 of what was done, ms", step["done_p99_ms"])
    tell("refused, of all", round(step["refused"] / step["planned"], 3))
    tell("lost", step["lost"])
    if step["busy"] > 0.5 or step["lag_p99_ms"] > 5.0:
        tell("!", f"the generator was busy for {step['busy']:.0%} of the time, and wrote {step['lag_p99_ms']} ms late at P99")


def has_ended(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def is_answered(connection):
    try:
        answer = connection.getresponse()
        return answer.status == 200 and b'"result"' in answer.read()
    except (http.client.HTTPException, OSError):
        return False


def drain(address, pid):
    meta = {
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientInfo": {"name": "tuning", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"name": "work", "arguments": {"ms": CALL_MS}, "_meta": meta}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    fields = {
        "Content-Type": "application/json", "Accept": "application/json, text/event-stream", "MCP-Protocol-Version": VERSION,
        "Mcp-Method": "tools/call", "Mcp-Name": "work",
    }
    connections = [http.client.HTTPConnection(address, timeout=20) for _ in range(CALLS)]
    for connection in connections:
        connection.request("POST", "/mcp", body, fields)
    time.sleep(0.3)
    told = time.monotonic()
    os.kill(int(pid), signal.SIGTERM)
    answered = sum(is_answered(connection) for connection in connections)
    while not has_ended(pid):
        time.sleep(0.01)
    tell(f"answered, of {CALLS} under way", answered)
    tell("until the server had ended, s", round(time.monotonic() - told, 2))


def read(path):
    """Values by the name of their figure."""
    figures = {}
    for line in path.read_text().splitlines():
        name, value = line.split("\t")
        figures.setdefault(name, []).append(value)
    return figures


def cell(values):
    if not values:
        return "not measured"
    numbers = [float(value) for value in values]
    return f"{statistics.median(numbers):.6g} ({min(numbers):.6g} to {max(numbers):.6g})"


def table(folder, rows):
    notes = []
    print("| setting | figure | default | changed |\n|---|---|---|---|")
    for setting, flag, default, other in zip(*[iter(rows)] * 4):
        sides = [read(Path(folder) / f"{setting}.{value}") for value in (default, other)]
        for value, side in zip((default, other), sides):
            notes += [f"`{flag} {value}`: {why}" for why in side.pop("!", [])]
        for name in dict.fromkeys([*sides[0], *sides[1]]):
            print(f"| `{flag} {default}`, `{flag} {other}` | {name} | {cell(sides[0].get(name))} | {cell(sides[1].get(name))} |")
    if notes:
        print("\nNot all of the load that was asked for:\n")
        print("\n".join(f"- {note}" for note in notes))


def main():
    what, *words = sys.argv[1:]
    {"run": run, "overload": overload, "drain": drain}.get(what, lambda folder, *rows: table(folder, rows))(*words)


main()
