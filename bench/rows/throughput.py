"""Requests/s over 64 connections in a closed loop: `serve`, nginx with a fixed answer of the same size, and rmcp as it comes and in
JSON, in turn."""

import wrk
from figures import CannotRun, Figure, ratios
from processes import nginx, rmcp, serve

CONNECTIONS = 64


def measure(bench):
    ours, theirs, sdks, plain, again = [], [], [], [], []
    with serve(bench) as erlmcp, nginx(bench) as fixed, rmcp(bench) as sdk, rmcp(bench, "--json") as json:
        body = same_size(erlmcp.answer(), fixed.answer())
        for server in (erlmcp, fixed, sdk, json):
            wrk.load(server, CONNECTIONS, 1)
        for pair in range(bench.pairs):
            bench.say(f"  pair {pair + 1} of {bench.pairs}")
            turns = ((erlmcp, ours), (fixed, theirs), (sdk, sdks), (erlmcp, again), (json, plain))
            for server, loads in turns:
                loads.append(wrk.load(server, CONNECTIONS, bench.seconds))
    rates = lambda loads: [load.rate for load in loads]
    how = f"wrk, 2 threads, {CONNECTIONS} connections"
    yield Figure("`erlmcp serve`, tools/call, requests/s", rates(ours), note=f"{how}; every check of the protocol on")
    yield Figure("nginx, requests/s", rates(theirs), note=f"a fixed JSON of the same size, {body} bytes")
    yield Figure("rmcp, requests/s", rates(sdks), note="its echo, as it comes: answers are streams; codegen-units = 1")
    yield Figure("rmcp in JSON, requests/s", rates(plain), note="its echo, told to answer in JSON")
    yield ratios("`serve` / nginx", rates(ours), rates(theirs), must=(">=", 0.65), aim=(">=", 0.9), note="by pair")
    yield ratios("`serve` / rmcp", rates(ours), rates(sdks), must=(">=", 5), aim=(">=", 7), note="by pair")
    yield ratios("`serve` / rmcp in JSON", rates(ours), rates(plain), note="by pair")
    yield ratios(
        "control: `serve` / `serve`",
        rates(again),
        rates(ours),
        note="by pair; as far from 1 as this, a ratio means nothing",
    )
    for name, loads in (("`serve`", ours), ("nginx", theirs), ("rmcp", sdks), ("rmcp in JSON", plain)):
        yield Figure(
            f"{name}: server's CPU a request", [load.server_us for load in loads], "{:.1f} us", note="user and kernel"
        )


def same_size(ours, fixed):
    """How many bytes both bodies have."""
    if len(ours) != len(fixed):
        raise CannotRun(f"bench/nginx.conf answers {len(fixed)} bytes, `serve` {len(ours)}: {ours.decode()}")
    return len(ours)
