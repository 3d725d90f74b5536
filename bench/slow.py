#!/usr/bin/env python3
"""Slow clients, so many at once, for so long; who is cut comes again.

    slow.py ADDRESS:PORT KIND COUNT SECONDS

KIND: header (a byte of a head every few seconds), body (the same of a body), reader (asks for much and reads nothing).
Prints "open COUNT" when all are there, and at the end one line of JSON: how many connections there were, how many of them
the server has cut, after how many seconds (least, median, most), how many it refused at once, and how many had an answer 408.
The requests are written here by hand: no code is shared with what is measured.
"""

import errno
import json
import select
import socket
import sys
import time

PAUSE_S = 4.0
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


class Slow:
    def __init__(self, address, kind, count):
        self.address, self.kind, self.count = address, kind, count
        self.host = "%s:%d" % address
        whole = call(self.host, "x" * 1000)
        if kind == "header":
            self.first = whole[:60]
        elif kind == "body":
            self.first = whole[: whole.index(b"\r\n\r\n") + 20]
        else:
            self.first = call(self.host, "x" * 16000) * 12
        self.poll = select.epoll()
        self.open = {}
        self.opened = self.cut = self.refused = self.timed_out = 0
        self.lives = []

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
        # [socket, since when, bytes left of what is sent first, when the next byte is due]
        self.open[sock.fileno()] = [sock, time.monotonic(), memoryview(self.first), 0.0]
        self.poll.register(sock.fileno(), select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP)

    def end(self, number, heard):
        sock, since, _, _ = self.open.pop(number)
        life = time.monotonic() - since
        if life < 1.0 and self.kind != "reader":
            self.refused += 1
        else:
            self.cut += 1
            self.lives.append(life)
        self.timed_out += heard.startswith(b"HTTP/1.1 408")
        self.poll.unregister(number)
        sock.close()

    def event(self, number, event):
        entry = self.open[number]
        sock, _, left, _ = entry
        try:
            if event & select.EPOLLOUT and left:
                sent = sock.send(left)
                entry[2] = left = left[sent:]
                entry[3] = time.monotonic() + PAUSE_S
            if event & select.EPOLLOUT and not left:
                wants = 0 if self.kind == "reader" else select.EPOLLIN
                self.poll.modify(number, wants | select.EPOLLRDHUP)
            if event & (select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR):
                return self.end(number, sock.recv(512, socket.MSG_DONTWAIT) if self.kind != "reader" else b"")
            if event & select.EPOLLIN and self.kind != "reader":
                return self.end(number, sock.recv(512))
        except OSError as error:
            if error.errno != errno.EAGAIN:
                self.end(number, b"")

    def drip(self, now):
        if self.kind == "reader":
            return
        for number, entry in list(self.open.items()):
            if not entry[2] and entry[3] <= now:
                entry[3] = now + PAUSE_S
                try:
                    entry[0].send(b"a")
                except OSError:
                    self.end(number, b"")

    def run(self, seconds):
        began = time.monotonic()
        said = False
        dripped = began
        while time.monotonic() < began + seconds:
            # Not all in one moment: an accept queue is no measure of a server.
            for _ in range(min(200, self.count - len(self.open))):
                self.begin()
            for number, event in self.poll.poll(0.01, 1000):
                if number in self.open:
                    self.event(number, event)
            now = time.monotonic()
            if now > dripped + 0.5:
                self.drip(now)
                dripped = now
            if not said and len(self.open) >= self.count:
                said = True
                print(f"open {self.count}", flush=True)
        held = len(self.open)
        for entry in self.open.values():
            entry[0].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            entry[0].close()
        lives = sorted(self.lives)
        spread = [round(lives[at], 1) for at in (0, len(lives) // 2, len(lives) - 1)] if lives else None
        print(json.dumps({"kind": self.kind, "opened": self.opened, "held": held, "cut": self.cut, "refused": self.refused,
                          "answered_408": self.timed_out, "cut_after_s": spread}), flush=True)


def main():
    host, port = sys.argv[1].rsplit(":", 1)
    Slow((host, int(port)), sys.argv[2], int(sys.argv[3])).run(float(sys.argv[4]))


main()
