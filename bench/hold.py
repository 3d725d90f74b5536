#!/usr/bin/env python3
"""Opens things on an MCP server and holds them until its standard input ends.

    hold.py PORT WHAT COUNT

WHAT: connection (answered one tools/call, then idle), tls (the same over TLS), listen (a subscriptions/listen stream, acknowledged),
session (a legacy session that was opened on its connection, then idle), get (a session's GET stream, its head read).
Prints "held COUNT" when all are there. The requests are written here by hand: no code is shared with what is measured.
"""

import json
import socket
import ssl
import sys

META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "hold", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
LEGACY = "2025-11-25"


def request(verb, version, body=None, more=()):
    text = json.dumps(body).encode() if body is not None else b""
    head = [
        f"{verb} /mcp HTTP/1.1",
        f"Host: 127.0.0.1:{sys.argv[1]}",
        "Accept: application/json, text/event-stream" if verb == "POST" else "Accept: text/event-stream",
        f"MCP-Protocol-Version: {version}",
        *more,
    ]
    if body is not None:
        head += ["Content-Type: application/json", f"Content-Length: {len(text)}"]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + text


def rpc(number, method, params):
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


def read_until(sock, is_enough):
    """What came until it was enough: a function of all bytes so far."""
    read = b""
    while not is_enough(read):
        more = sock.recv(65536)
        if not more:
            raise SystemExit(f"the server closed the connection after {read[:300]!r}")
        read += more
    return read


def is_answer(read):
    """A whole answer, with Content-Length or in chunks, or one without a body."""
    head, end, body = read.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return bool(end) and len(body) >= int(line.split(b":")[1])
        if line.startswith(b"transfer-encoding:"):
            return body.endswith(b"0\r\n\r\n")
    return bool(end) and head.split(b" ")[1] in (b"202", b"204")


def ok(read, statuses=(b"200",)):
    if read.split(b" ")[1] not in statuses:
        raise SystemExit(f"the server answered {read[:300]!r}")
    return read


def connection(sock, number):
    params = {"name": "echo", "arguments": {"text": "hi"}, "_meta": META}
    more = ("Mcp-Method: tools/call", "Mcp-Name: echo")
    sock.sendall(request("POST", "2026-07-28", rpc(number, "tools/call", params), more))
    ok(read_until(sock, is_answer))


def listen(sock, number):
    params = {"notifications": {"toolsListChanged": True}, "_meta": META}
    more = ("Mcp-Method: subscriptions/listen",)
    sock.sendall(request("POST", "2026-07-28", rpc(number, "subscriptions/listen", params), more))
    ok(read_until(sock, lambda read: b"notifications/subscriptions/acknowledged" in read and read.endswith(b"\r\n")))


def session(sock, number):
    hello = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "hold", "version": "1"}}
    sock.sendall(request("POST", LEGACY, rpc(number, "initialize", hello)))
    answer = ok(read_until(sock, is_answer)).partition(b"\r\n\r\n")[0].decode()
    line = next(line for line in answer.split("\r\n") if line.lower().startswith("mcp-session-id:"))
    of_session = (f"Mcp-Session-Id: {line.partition(':')[2].strip()}",)
    done = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    sock.sendall(request("POST", LEGACY, done, of_session))
    ok(read_until(sock, is_answer), (b"202",))
    return of_session


def get(sock, number):
    of_session = session(sock, number)
    sock.sendall(request("GET", LEGACY, None, of_session))
    ok(read_until(sock, lambda read: b"\r\n\r\n" in read))


def main():
    port, what, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    begin = {"connection": connection, "listen": listen, "session": session, "get": get, "tls": connection}[what]
    # Whoever measures has made the certificate.
    context = ssl._create_unverified_context() if what == "tls" else None
    held = []
    for number in range(count):
        sock = socket.socket()
        # More than one source address, so that none runs out of ports.
        sock.bind((f"127.0.1.{1 + number % 200}", 0))
        sock.connect(("127.0.0.1", port))
        sock.settimeout(30)
        if context:
            sock = context.wrap_socket(sock)
        begin(sock, number + 1)
        held.append(sock)
    print(f"held {count}", flush=True)
    sys.stdin.read()


main()
