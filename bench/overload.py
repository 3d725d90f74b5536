#!/usr/bin/env python3
"""Calls of the queued tool `work` at a constant rate, open loop: what is refused is not sent again.

    overload.py ADDRESS:PORT SERVICE_MS RATE SECONDS [RATE SECONDS]...

One line of JSON a step: calls planned, done, refused and lost, goodput a second, latencies from the intended time in ms (of what
was done, and of refusals), how late calls were written, and the share of its time that this process was busy. The last step's line
also says how long after its beginning the latency was steady. The requests are written here by hand: no code is shared with
what is measured.
"""

import json
import select
import socket
import sys
import time

# A call that has no answer by then is lost, and its connection with it.
PATIENCE_S = 10.0
META = (
    '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",'
    '"io.modelcontextprotocol/clientInfo":{"name":"overload","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}'
)


def percentile(values, share):
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000, 2) if ordered else None


class Load:
    def __init__(self, address, service_ms):
        self.address = address
        body = (
            '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"work","arguments":{"ms":%d},%s}}' % (service_ms, META)
        )
        self.request = (
            f"POST /mcp HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\nContent-Type: application/json\r\n"
            "Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\n"
            f"Mcp-Method: tools/call\r\nMcp-Name: work\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        ).encode()
        self.poll = select.epoll()
        self.sockets = {}
        self.idle = []
        # socket number -> [intended time, bytes of the answer so far, list of this step's results]
        self.waiting = {}

    def connect(self):
        sock = socket.create_connection(self.address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        self.sockets[sock.fileno()] = sock
        self.poll.register(sock.fileno(), select.EPOLLIN)
        return sock.fileno()

    def drop(self, number):
        self.poll.unregister(number)
        self.sockets.pop(number).close()
        self.waiting.pop(number, None)
        if number in self.idle:
            self.idle.remove(number)

    def call(self, intended, results):
        number = self.idle.pop() if self.idle else self.connect()
        try:
            self.sockets[number].send(self.request)
        except OSError:
            self.drop(number)
            results.append((intended, "lost", 0.0))
            return
        self.waiting[number] = [intended, b"", results]

    def read(self, number):
        entry = self.waiting.get(number)
        try:
            more = self.sockets[number].recv(65536)
        except BlockingIOError:
            return
        except OSError:
            more = b""
        if not more or entry is None:
            if entry:
                entry[2].append((entry[0], "lost", 0.0))
            return self.drop(number)
        entry[1] += more
        head, end, body = entry[1].partition(b"\r\n\r\n")
        if not end:
            return
        length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        if len(body) < length:
            return
        status = entry[1][9:12]
        fate = "done" if status == b"200" and b'"result"' in body else "refused" if status in (b"503", b"429") else "lost"
        entry[2].append((entry[0], fate, time.monotonic() - entry[0]))
        del self.waiting[number]
        if b"connection: close" in head.lower():
            self.drop(number)
        else:
            self.idle.append(number)

    def step(self, rate, seconds):
        results, lags = [], []
        began, busy = time.monotonic(), time.process_time()
        planned, total = 0, int(rate * seconds)
        while planned < total:
            now = time.monotonic()
            while planned < total and began + planned / rate <= now:
                intended = began + planned / rate
                lags.append(now - intended)
                self.call(intended, results)
                planned += 1
            # A millisecond is as fine as epoll waits.
            wait = max(0.0, min(began + planned / rate - time.monotonic(), 0.05))
            for number, _ in self.poll.poll(wait):
                if number in self.sockets:
                    self.read(number)
        return began, seconds, rate, total, results, lags, (time.process_time() - busy) / seconds

    def settle(self):
        """Waits for what is under way."""
        until = time.monotonic() + PATIENCE_S
        while self.waiting and time.monotonic() < until:
            for number, _ in self.poll.poll(0.05):
                if number in self.sockets:
                    self.read(number)
        for number, entry in list(self.waiting.items()):
            entry[2].append((entry[0], "lost", 0.0))
            self.drop(number)


def line(step, baseline):
    began, seconds, rate, total, results, lags, busy = step
    # The first second is the server's to see that something has changed.
    judged = [result for result in results if result[0] >= began + 1.0]
    done = [latency for _, fate, latency in judged if fate == "done"]
    refused = [latency for _, fate, latency in judged if fate == "refused"]
    found = {
        "rate": rate, "planned": total, "done": sum(fate == "done" for _, fate, _ in results),
        "refused": sum(fate == "refused" for _, fate, _ in results), "lost": sum(fate == "lost" for _, fate, _ in results),
        "goodput": round(len(done) / (seconds - 1.0), 1), "done_p50_ms": percentile(done, 0.5), "done_p99_ms": percentile(done, 0.99),
        "refused_p99_ms": percentile(refused, 0.99), "lag_p99_ms": percentile(lags, 0.99), "busy": round(busy, 2),
    }
    if baseline is not None:
        # From here on no tenth of a second had a refusal, or a median above twice the one at 70 % before.
        tenths = {}
        for intended, fate, latency in results:
            tenths.setdefault(int((intended - began) * 10), []).append((fate, latency))
        bad = [
            tenth for tenth, all_of_it in tenths.items()
            if any(fate != "done" for fate, _ in all_of_it)
            or sorted(latency for _, latency in all_of_it)[len(all_of_it) // 2] * 1000 > 2 * baseline
        ]
        found["steady_after_s"] = (max(bad) + 1) / 10 if bad else 0.0
    return found


def main():
    host, port = sys.argv[1].rsplit(":", 1)
    load = Load((host, int(port)), int(sys.argv[2]))
    numbers = [float(text) for text in sys.argv[3:]]
    steps = [load.step(rate, seconds) for rate, seconds in zip(numbers[::2], numbers[1::2])]
    load.settle()
    first = line(steps[0], None)
    print(json.dumps(first))
    for index, step in enumerate(steps[1:], 1):
        print(json.dumps(line(step, first["done_p50_ms"] if index == len(steps) - 1 else None)))


main()
