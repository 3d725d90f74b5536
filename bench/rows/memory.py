"""Bytes that things cost while they are held and do nothing, each on a connection of its own: what the memory of the server's
processes and of the kernel grew by. Each measurement has a server of its own, which has held a few of the same before.
"""

import os
import subprocess
import time

from figures import CannotRun, Figure
from processes import BENCH, kernel, nginx, rmcp, serve

# What is held, what it is called, and what it must and should cost at most.
KINDS = [
    ("connection", "a connection, one request answered, then idle", ("<=", 1_024), None),
    ("session", "the same with a legacy session at rest", None, None),
    ("listen", "an open `subscriptions/listen` stream, its connection included", ("<=", 2_048), ("<=", 1_024)),
    ("get", "a session's open GET stream, its connection included", ("<=", 2_048), ("<=", 1_024)),
]
SETTLED_S = 1.5


def measure(bench):
    count = min(bench.many(10_000), os.sysconf("SC_OPEN_MAX") - 200)
    runs = bench.pairs
    found, why_not = {}, ""
    for _ in range(runs):
        for name, start, kind in measured():
            try:
                bytes_each = hold(start(bench), kind, count)
            except CannotRun as why:
                # What rmcp cannot hold takes nothing from the others.
                if name != "rmcp":
                    raise
                bytes_each, why_not = (None, None), f"; {why}"
            found.setdefault(name, []).append(bytes_each)
    users = lambda name: [user for user, _ in found[name]]
    for kind, called, must, aim in KINDS:
        yield Figure(f"`serve`: {called}", users(kind), must=must, aim=aim, note=f"{count:,} held")
    yield Figure("nginx: a connection", users("nginx"), note=f"{count:,} held")
    yield Figure(
        "`serve`'s connection beyond nginx's",
        [a - b for a, b in zip(users("connection"), users("nginx"))],
        aim=("<=", 0),
        note="by run",
    )
    yield Figure("rmcp: a connection", users("rmcp"), note=f"{count:,} held{why_not}")
    yield Figure(
        "kernel: a connection, both ends",
        [bytes for _, bytes in found["connection"]],
        note="slabs of sockets and TCP's pages, of the whole machine",
    )
    yield from over_tls(bench, count, runs)


def measured():
    yield from ((kind, serve, kind) for kind, *_ in KINDS)
    yield "nginx", nginx, "connection"
    yield "rmcp", rmcp, "connection"


def over_tls(bench, count, runs):
    said = subprocess.run([os.environ["ERLMCP"], "serve", "--help"], capture_output=True, text=True).stdout
    if "--tls-cert" not in said:
        raise CannotRun("a TLS connection: this build's `serve` has no TLS")
    certificate, key = bench.work / "certificate.pem", bench.work / "key.pem"
    make = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    make += [
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        str(key),
        "-out",
        str(certificate),
    ]
    subprocess.run(make, check=True, capture_output=True)
    server = lambda: serve(bench, "--tls-cert", str(certificate), "--tls-key", str(key))
    values = [hold(server(), "tls", min(count, 5_000))[0] for _ in range(runs)]
    yield Figure(
        "`serve`: a TLS connection, one request answered, then idle", values, note=f"{min(count, 5_000):,} held"
    )


def hold(server, kind, count):
    """Bytes each, of the server's processes, and of the kernel where that can be told."""
    with server:
        with Held(server, kind, min(100, count)):
            pass
        time.sleep(SETTLED_S)
        user, of_kernel = server.anonymous(), kernel()
        with Held(server, kind, count):
            time.sleep(SETTLED_S)
            return (server.anonymous() - user) / count, each(of_kernel, kernel(), count)


def each(before, after, count):
    """None where it was not told, or where others gave back more than these took: then it is no measurement."""
    return (after - before) / count if None not in (before, after) and after > before else None


class Held:
    """Things that bench/hold.py has opened, for as long as a `with` lasts."""

    def __init__(self, server, kind, count):
        command = ["python3", "-B", str(BENCH / "hold.py"), str(server.port), kind, str(count)]
        self.what = f"{count} of {kind} on {server.name}"
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def __enter__(self):
        if not self.process.stdout.readline().startswith("held"):
            said = self.process.stderr.read().strip().splitlines()
            self.__exit__()
            raise CannotRun(f"{self.what} could not be opened: {said[-1] if said else 'no reason was given'}")

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
