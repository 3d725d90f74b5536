"""wrk, as the load of a server that is measured."""

import os
import re
import resource
import subprocess

from figures import CannotRun
from processes import BATCH, BENCH


class Loaded:
    """What came of one load: requests, requests/s, and the CPU in microseconds that one took of wrk and of the server."""

    def __init__(self, count, rate, wrk_us, server_us):
        self.count, self.rate, self.wrk_us, self.server_us = count, rate, wrk_us, server_us


def load(server, connections, seconds, threads=2, think_ms=None, is_batch=False):
    """`think_ms`: what each connection waits between an answer and its next request; `is_batch`: under SCHED_BATCH."""
    command = BATCH if is_batch else []
    command = [*command, "wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "-s", str(BENCH / "wrk.lua"), server.url]
    think = {} if think_ms is None else {"WRK_THINK_MS": str(think_ms)}
    own_before, server_before = used_s(), server.cpu_s()
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, env={**os.environ, **think}, timeout=seconds + 30
        )
    except subprocess.TimeoutExpired:
        raise CannotRun(f"wrk did not end within {seconds + 30} s on {server.name}") from None
    own, servers = used_s() - own_before, server.cpu_s() - server_before
    requests = re.search(r"(\d+) requests in", done.stdout)
    rate = re.search(r"Requests/sec:\s*([\d.]+)", done.stdout)
    if done.returncode != 0 or not requests or not int(requests.group(1)):
        raise CannotRun(f"wrk had no answer from {server.name} in {seconds} s: {one_line(done.stderr or done.stdout)}")
    if "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise CannotRun(f"{server.name} did not answer wrk well: {one_line(done.stdout)}")
    count = int(requests.group(1))
    return Loaded(count, float(rate.group(1)), own / count * 1e6, servers / count * 1e6)


def one_line(text):
    """The end of what was printed."""
    return " ".join(text.split())[-200:]


def used_s():
    """CPU of the children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
