#!/usr/bin/env python3
"""Slow clients, so many at once, for so long; who is cut comes again.

    slow.py ADDRESS:PORT KIND COUNT SECONDS

KIND: header (a byte of a head every few seconds), body (the same of a body), reader (asks for much and reads nothing).
They come spread over the deadline of their kind, so that later as many are cut and come again in each second: clients who are slow have
not agreed on a moment. Prints "open COUNT" when all have come, and after SECONDS or SIGTERM one line of JSON: how many connections there
were, how many of them the server has cut, after how many seconds (least, median, most), how many it refused at once, and how many had an
answer 408. The requests are written here by hand: no code is shared with what is measured.
"""

import collections
import errno
import json
import select
import signal
import socket
import sys
import time

PAUSE_S = 4.0
# After which a server with its default limits cuts one.
DEADLINE_S = {"header": 10.0, "body": 30.0, "reader": 30.0}
META = (
    '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",'
    '"io.modelcontextprotocol/clientInfo":{"name":"slow","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}'
)


def call(host, text):
    body = (
        '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"%s"},%s}}' % (text, META)
    )
    return (
        f"POST /mcp HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        "Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\n"
        f"Mcp-Method: tools/call\r\nMcp-Name: echo\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


class Client:
    __slots__ = ("sock", "since", "left")

    def __init__(self, sock, first):
        self.sock, self.since, self.left = sock, time.monotonic(), memoryview(first)


class Slow:
    def __init__(self, address, kind, count):
        self.address, self.kind, self.count = address, kind, count
        whole = call("%s:%d" % address, "x" * 1000)
        if kind == "header":
            self.first = whole[:60]
        elif kind == "body":
            self.first = whole[: whole.index(b"\r\n\r\n") + 20]
        else:
            self.first = call("%s:%d" % address, "x" * 16000) * 12
        self.poll = select.epoll()
        self.open = {}
        # When the next byte of whom is due, in order, since all pause alike.
        self.due = collections.deque()
        self.opened = self.cut = self.refused = self.timed_out = 0
        self.lives = []
        self.is_over = False

    def begin(self):
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        if self.kind == "reader":
            # With small segments the server's kernel takes little for it, so that the server itself has to wait.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        # Spread over source addresses: one has ports for no more than some thousands at once.
        sock.bind(("127.0.%d.%d" % (1 + self.opened % 8, 1 + self.opened // 8 % 200), 0))
        try:
            sock.connect(self.address)
        except BlockingIOError:
            pass
        self.opened += 1
        self.open[sock.fileno()] = Client(sock, self.first)
        self.poll.register(sock.fileno(), select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP)

    def end(self, client, heard):
        life = time.monotonic() - client.since
        if life < 1.0 and self.kind != "reader":
            self.refused += 1
        else:
            self.cut += 1
            self.lives.append(life)
        self.timed_out += heard.startswith(b"HTTP/1.1 408")
        del self.open[client.sock.fileno()]
        client.sock.close()

    def event(self, client, event):
        is_reader = self.kind == "reader"
        try:
            if event & select.EPOLLOUT and client.left:
                client.left = client.left[client.sock.send(client.left) :]
            if event & select.EPOLLOUT and not client.left:
                self.poll.modify(client.sock.fileno(), select.EPOLLRDHUP | (0 if is_reader else select.EPOLLIN))
                if not is_reader:
                    self.due.append((time.monotonic() + PAUSE_S, client))
            if event & (select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR):
                self.end(client, b"" if is_reader else client.sock.recv(512))
            elif event & select.EPOLLIN and not is_reader:
                self.end(client, client.sock.recv(512))
        except OSError as error:
            if error.errno != errno.EAGAIN:
                self.end(client, b"")

    def drip(self, now):
        while self.due and self.due[0][0] <= now:
            due, client = self.due.popleft()
            if client.sock.fileno() < 0:
                continue
            self.due.append((due + PAUSE_S, client))
            try:
                client.sock.send(b"a")
            except OSError:
                self.end(client, b"")

    def run(self, seconds):
        began = time.monotonic()
        said = False
        while (now := time.monotonic()) < began + seconds and not self.is_over:
            come = min(self.count, int((now - began) / DEADLINE_S[self.kind] * self.count))
            missing = come - len(self.open) if said else come - self.opened
            # Not all in one moment even where the server has just cut many: an accept queue is no measure of a server.
            for _ in range(min(200, missing)):
                self.begin()
            for number, event in self.poll.poll(0.01, 1000):
                if number in self.open:
                    self.event(self.open[number], event)
            self.drip(time.monotonic())
            if not said and self.opened >= self.count:
                said = True
                print(f"open {self.count}", flush=True)
        held = len(self.open)
        for client in self.open.values():
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.sock.close()
        lives = sorted(self.lives)
        spread = [round(lives[at], 1) for at in (0, len(lives) // 2, len(lives) - 1)] if lives else None
        print(json.dumps({"kind": self.kind, "deadline_s": DEADLINE_S[self.kind], "opened": self.opened, "held": held, "cut": self.cut, "refused": self.refused,
                          "answered_408": self.timed_out, "cut_after_s": spread}), flush=True)

    def stop(self, *_):
        self.is_over = True


def main():
    host, port = sys.argv[1].rsplit(":", 1)
    slow = Slow((host, int(port)), sys.argv[2], int(sys.argv[3]))
    signal.signal(signal.SIGTERM, slow.stop)
    slow.run(float(sys.argv[4]))


main()
