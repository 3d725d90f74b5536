"""Clients of the stack's network: each has one session and asks again and again; who loses its server goes to another.

    clients.py NAME PORT CLIENTS SECONDS

Prints the replica's address of each client, then "ready"; at the end one line of JSON: requests answered, requests
answered otherwise (a session that a server did not take among them), and of each loss how long its client was unserved.
"""

import http.client
import json
import socket
import sys
import threading
import time

NAME, PORT, CLIENTS, SECONDS = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
PATIENCE = 0.4
FIELDS = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
INITIALIZE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "clients", "version": "1"},
}


class Client(threading.Thread):
    def __init__(self, number, end):
        super().__init__(daemon=True)
        self.number, self.end = number, end
        self.connection = self.session = self.address = None
        self.answered, self.odd, self.gaps = 0, [], []

    def connect(self):
        addresses = sorted({found[4][0] for found in socket.getaddrinfo(NAME, PORT, socket.AF_INET, socket.SOCK_STREAM)})
        self.number += 1
        self.address = addresses[self.number % len(addresses)]
        self.connection = http.client.HTTPConnection(self.address, PORT, timeout=PATIENCE)
        self.connection.connect()

    def ask(self, message):
        session = {"Mcp-Session-Id": self.session} if self.session else {}
        fields = FIELDS | session | {"Host": f"{NAME}:{PORT}"}
        self.connection.request("POST", "/mcp", json.dumps({"jsonrpc": "2.0"} | message), fields)
        answer = self.connection.getresponse()
        return answer, answer.read()

    def begin(self):
        self.connect()
        answer, body = self.ask({"id": 0, "method": "initialize", "params": INITIALIZE})
        self.session = answer.getheader("Mcp-Session-Id")
        assert answer.status == 200 and self.session, (answer.status, body[:200])
        self.ask({"method": "notifications/initialized"})

    def run(self):
        served = time.monotonic()
        while time.monotonic() < self.end:
            lost = False
            while True:
                try:
                    if self.connection is None:
                        self.connect()
                    answer, body = self.ask({"id": self.answered + 1, "method": "ping"})
                    break
                except (OSError, http.client.HTTPException):
                    lost, self.connection = True, None
                    time.sleep(0.01)
                    if time.monotonic() > self.end + 10:
                        self.odd.append("not served any more")
                        return
            now = time.monotonic()
            if lost:
                self.gaps.append(round(now - served, 3))
            if answer.status == 200 and b'"result"' in body:
                self.answered += 1
            else:
                self.odd.append(f"{answer.status} {body[:80]!r}")
            served = now
            time.sleep(0.02)


def main():
    end = time.monotonic() + SECONDS
    clients = [Client(number, end) for number in range(CLIENTS)]
    for client in clients:
        client.begin()
    print("at", *(client.address for client in clients))
    print("ready", flush=True)
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    said = {
        "answered": sum(client.answered for client in clients),
        "otherwise": [odd for client in clients for odd in client.odd][:5],
        "unserved_s": sorted((gap for client in clients for gap in client.gaps), reverse=True),
    }
    print(json.dumps(said), flush=True)


main()
