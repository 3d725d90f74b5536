"""Servers that are measured, and what processes use."""

import os
import pathlib
import re
import socket
import subprocess
import time
import urllib.request

from figures import CannotRun

BENCH = pathlib.Path(__file__).resolve().parent.parent
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
STARTED_WITHIN_S = 30
# Slab caches that grow with sockets and their files: those of crates/orchestrator/src/collector/kernel.rs.
SOCKET_SLABS = {
    "TCP",
    "TCPv6",
    "sock_inode_cache",
    "filp",
    "eventpoll_epi",
    "eventpoll_pwq",
    "request_sock_TCP",
    "request_sock_TCPv6",
    "tw_sock_TCP",
    "tw_sock_TCPv6",
    "skbuff_head_cache",
}
# Before a command: it runs under SCHED_BATCH, under which agents and replicas put themselves.
BATCH = ["chrt", "-b", "0"]


def family(pid):
    """A process and all that it started."""
    found, new = [pid], [pid]
    while new:
        new = [int(child) for one in new for child in children(one)]
        found += new
    return found


def children(pid):
    found = []
    for path in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += path.read_text().split()
        except OSError:
            pass  # It has ended meanwhile.
    return found


def cpu_s(pids):
    """CPU that these have used, all threads."""
    total = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total * TICK_S


def anonymous(pids):
    """Bytes of memory of their own."""
    text = "".join(pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in pids)
    return sum(int(kib) * 1024 for kib in re.findall(r"(?m)^Anonymous:\s+(\d+)", text))


def kernel():
    """Bytes that the kernel holds for sockets and their files and for the contents of TCP, of the whole machine, as a run's collector
    counts them; None where it does not say (slabs, to others than root)."""
    try:
        slabs = socket_slab_pages(pathlib.Path("/proc/slabinfo").read_text())
    except OSError:
        return None
    contents = int(re.search(r"(?m)^TCP:.* mem (\d+)", pathlib.Path("/proc/net/sockstat").read_text()).group(1))
    return (slabs + contents) * os.sysconf("SC_PAGE_SIZE")


def socket_slab_pages(slabinfo):
    """Pages of the socket caches, with used and unused objects alike."""
    pages = 0
    for line in slabinfo.splitlines():
        cache, _, others = line.partition(" : ")
        name, *numbers = cache.split()
        if name in SOCKET_SLABS:
            # active_objs num_objs objsize objperslab pagesperslab : tunables ... : slabdata active_slabs num_slabs sharedavail
            pages += int(numbers[4]) * int(others.rpartition(":")[2].split()[2])
    return pages


# What wrk.lua sends.
WRK = (BENCH / "wrk.lua").read_text()
REQUEST = "".join(re.findall(r"'(.*?)'", WRK.partition("wrk.headers")[0]))
HEADERS = dict(re.findall(r'wrk\.headers\["([\w-]+)"\] = "([^"]+)"\n', WRK))


class Server:
    """A server for as long as a `with` lasts."""

    def __init__(self, name, command, folder, port=None):
        self.name, self.command, self.folder, self.port = name, command, folder, port

    def __enter__(self):
        self.folder.mkdir(parents=True)
        self.log = self.folder / "log"
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=self.folder
            )
        try:
            self.await_listening()
        except BaseException:
            self.__exit__()
            raise
        return self

    def await_listening(self):
        deadline = time.monotonic() + STARTED_WITHIN_S
        while time.monotonic() < deadline and self.process.poll() is None:
            if self.port is None:
                found = re.search(r"(?m)^listening on 127\.0\.0\.1:(\d+)", self.log.read_text())
                self.port = int(found.group(1)) if found else None
            elif is_listening(self.port):
                return
            time.sleep(0.05)
        raise CannotRun(f"{self.name} did not start: {self.log.read_text()[-300:].strip() or 'it said nothing'}")

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/mcp"

    def answer(self):
        """The body of its answer to the request that wrk sends."""
        request = urllib.request.Request(self.url, REQUEST.encode(), HEADERS)
        with urllib.request.urlopen(request, timeout=10) as answered:
            return answered.read()

    def cpu_s(self):
        return cpu_s(family(self.process.pid))

    def anonymous(self):
        return anonymous(family(self.process.pid))


def is_listening(port):
    state, address = "0A", f"0100007F:{port:04X}"
    lines = pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(fields[1] == address and fields[3] == state for fields in map(str.split, lines))


def serve(bench, *more, program=None):
    program = program or os.environ["ERLMCP"]
    return Server("erlmcp serve", [program, "serve", "--listen", "127.0.0.1:0", *more], bench.folder("serve"))


def rmcp(bench, *options):
    """As it comes it answers in streams; `--json` costs it less."""
    return Server("rmcp", [os.environ["RMCP_SERVER"], *options], bench.folder("rmcp"))


def nginx(bench):
    folder = bench.folder("nginx")
    port = free_port()
    configuration = bench.work / f"nginx-{port}.conf"
    configuration.write_text((BENCH / "nginx.conf").read_text().replace("PORT", str(port)))
    return Server("nginx", ["nginx", "-p", str(folder), "-c", str(configuration)], folder, port)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
