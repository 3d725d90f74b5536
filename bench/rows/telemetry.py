"""What telemetry costs the server: its CPU a request and its requests/s, on against off, in interleaved pairs.

Metrics: the release build whose `/metrics` is read once a second, which is more often than Prometheus does, against a build that
counts and times no request (the feature `uncounted`) and is not read. Tracing: `serve --otlp` with its default of 1 % of the
requests, to a collector here that takes all, against the same build without it. Beside each base runs another process of the same
kind: what these two differ by is the control. Requests/s depend on the generator too, which shares the cores: the CPU time of the
server (user and system) a request does not."""

import contextlib
import http.server
import json
import os
import re
import subprocess
import threading
import urllib.request

import wrk
from figures import CannotRun, Compared, Figure, median_bounds
from processes import BENCH, serve

CONNECTIONS = 32
SAMPLED = 0.01
# So many that the median's bounds leave out two values at each end.
PAIRS = 12
MEASURES = [("CPU a request", lambda load: load.server_us, "<="), ("requests/s", lambda load: load.rate, ">=")]


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


def page(server):
    return urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=5).read().decode()


@contextlib.contextmanager
def scraped(server):
    """Reads /metrics at once, and then once a second; fails where that fails."""
    over, errors = threading.Event(), []

    def scrape():
        while True:
            try:
                page(server)
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


def counted(server):
    """Calls of tools that it says that it has answered."""
    found = re.findall(r'(?m)^erlmcp_requests_total\{[^}]*method="tools/call"[^}]*\} (\d+)', page(server))
    return sum(map(int, found))


class Trio:
    """Loads of a server that is changed, each between those of two that are alike: the base and the control."""

    def __init__(self, name, base, changed, control, while_loaded=contextlib.nullcontext):
        self.name, self.servers, self.while_loaded = name, (base, changed, control), while_loaded
        self.base, self.changed, self.control = [], [], []

    def measure(self, bench, nth):
        base, changed, control = self.servers
        # In turns, so that what grows with time is in neither of the two.
        outer = [(base, self.base), (control, self.control)]
        (first, firsts), (last, lasts) = outer if nth % 2 == 0 else reversed(outer)
        firsts.append(wrk.load(first, CONNECTIONS, bench.seconds, threads=1))
        with self.while_loaded():
            self.changed.append(wrk.load(changed, CONNECTIONS, bench.seconds, threads=1))
        lasts.append(wrk.load(last, CONNECTIONS, bench.seconds, threads=1))

    def figures(self, most):
        for what, of, comparison in MEASURES:
            base, changed, control = (list(map(of, loads)) for loads in (self.base, self.changed, self.control))
            means = [(one + other) / 2 for one, other in zip(base, control)]
            alike = divided(control, base)
            limit = (comparison, most if comparison == "<=" else 2 - most)
            yield Compared(f"{self.name}, on / off: {what}", divided(changed, means), alike, limit, note="by pair")
            bounds = median_bounds(alike)
            known = "" if bounds is None else "; the median is {:.3f} to {:.3f} with 95 % confidence".format(*bounds)
            yield Figure(f"{self.name}, control: {what}", alike, "{:.3f}", note=f"two processes, off / off{known}")


def divided(ours, theirs):
    return [one / other for one, other in zip(ours, theirs)]


def built():
    """The program of a build that does not count."""
    root = BENCH.parent
    flags = ["--release", "--locked", "--package", "erlmcp", "--features", "uncounted", "--target-dir", "target/uncounted"]
    if subprocess.run(["cargo", "build", *flags], cwd=root).returncode:
        raise CannotRun("the build that does not count could not be made")
    return str(root / "target" / "uncounted" / "release" / "erlmcp")


def measure(bench):
    uncounted = os.environ.get("UNCOUNTED") or built()
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(collector())
        quiet, quiet_too = (stack.enter_context(serve(bench, program=uncounted)) for _ in range(2))
        plain, plain_too = (stack.enter_context(serve(bench)) for _ in range(2))
        telling = stack.enter_context(serve(bench, "--otlp", place))
        metrics = Trio("metrics", quiet, plain, quiet_too, lambda: scraped(plain))
        tracing = Trio("tracing at 1 %", plain, telling, plain_too)
        for server in (quiet, quiet_too, plain, plain_too, telling):
            wrk.load(server, CONNECTIONS, 1, threads=1)
        pairs = bench.pairs if bench.is_small else max(bench.pairs, PAIRS)
        for nth in range(pairs):
            bench.say(f"  pair {nth + 1} of {pairs}")
            metrics.measure(bench, nth)
            tracing.measure(bench, nth)
        if counted(quiet) or not counted(plain):
            raise CannotRun(f"the build of UNCOUNTED counted {counted(quiet)} calls, the other one {counted(plain)}")
    # The server has ended, and has sent what was left.
    asked = sum(load.count for load in tracing.changed)
    if not 0.8 * SAMPLED * asked < Collector.spans < 1.2 * SAMPLED * asked + 10_000:
        raise CannotRun(f"{Collector.spans} spans came of {asked} requests, which is not one of a hundred")
    yield Figure("off: server's CPU a request", [load.server_us for load in metrics.base], "{:.2f} us", note="nothing is counted")
    yield from metrics.figures(1.02)
    yield from tracing.figures(1.05)
