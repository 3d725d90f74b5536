"""What telemetry costs the server: its CPU a request and its requests/s, on against off, in interleaved pairs.

Counting cannot be turned off in `serve`: it is part of what a request costs everywhere in this table. So metrics are "on" while
`/metrics` is read once a second, which is more often than Prometheus does, and "off" while nobody reads it; both are the same
process. Tracing is `serve --otlp` with its default of 1 % of the requests, to a collector here that takes all, against the plain
server. Requests/s depend on the generator too, which shares the cores: the CPU a request does not."""

import contextlib
import http.server
import json
import threading
import urllib.request

import wrk
from figures import CannotRun, Figure, ratios
from processes import serve

CONNECTIONS = 32
SAMPLED = 0.01


class Collector(http.server.BaseHTTPRequestHandler):
    """Takes what comes, and counts the spans."""

    spans = 0

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        for resource in body.get("resourceSpans", []):
            Collector.spans += sum(len(scope["spans"]) for scope in resource["scopeSpans"])
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def collector():
    listener = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.server_port}"
    finally:
        listener.shutdown()
        listener.server_close()


@contextlib.contextmanager
def scraped(server):
    """Reads /metrics at once, and then once a second; fails where that fails."""
    over, errors = threading.Event(), []

    def scrape():
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=5).read()
            except OSError as error:
                errors.append(error)
            if over.wait(1):
                return

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    if errors:
        raise CannotRun(f"/metrics could not be read: {errors[0]}")


def measure(bench):
    off, read, traced, again = [], [], [], []
    with collector() as place, serve(bench) as plain, serve(bench, "--otlp", place) as telling:
        for server in (plain, telling):
            wrk.load(server, CONNECTIONS, 1, threads=1)
        for pair in range(bench.pairs):
            bench.say(f"  pair {pair + 1} of {bench.pairs}")
            off.append(wrk.load(plain, CONNECTIONS, bench.seconds, threads=1))
            with scraped(plain):
                read.append(wrk.load(plain, CONNECTIONS, bench.seconds, threads=1))
            traced.append(wrk.load(telling, CONNECTIONS, bench.seconds, threads=1))
            again.append(wrk.load(plain, CONNECTIONS, bench.seconds, threads=1))
    # The server has ended, and has sent what was left.
    asked = sum(load.count for load in traced)
    if not 0.8 * SAMPLED * asked < Collector.spans < 1.2 * SAMPLED * asked + 10_000:
        raise CannotRun(f"{Collector.spans} spans came of {asked} requests, which is not one of a hundred")
    yield Figure("off: server's CPU a request", [load.server_us for load in off], "{:.2f} us", note="nobody reads /metrics")
    for name, loads, most in (("metrics", read, 1.02), ("tracing at 1 %", traced, 1.05)):
        yield from against(name, loads, off, again, most)
    yield from against("control: off", again, off, off, None)


def against(name, loads, before, after, most):
    """By pair, against what was off before and after it."""
    us = [(one.server_us + other.server_us) / 2 for one, other in zip(before, after)]
    rates = [(one.rate + other.rate) / 2 for one, other in zip(before, after)]
    bound = (lambda comparison, value: (comparison, value)) if most else (lambda *_: None)
    yield ratios(
        f"{name} / off: CPU a request",
        [load.server_us for load in loads],
        us,
        form="{:.3f}",
        must=bound("<=", most),
        note="by pair, off before and after",
    )
    yield ratios(
        f"{name} / off: requests/s",
        [load.rate for load in loads],
        rates,
        form="{:.3f}",
        must=bound(">=", 2 - (most or 1)),
        note="by pair; wrk shares the cores",
    )
