"""Clusters of erlmcp on one database, and what is asked of them."""

import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
PATIENCE_S = 120


class Cluster:
    """As if on a machine of its own: its supervisor, store and replicas are its alone."""

    def __init__(self, name, folder, store, replicas=2, key=None, fixtures=False):
        self.name, self.folder, self.store, self.replicas = name, folder, store, replicas
        self.more = ["--machine", name, "--advertise", f"{name}.example:80"]
        self.more += ["--session-key-file", str(key)] if key else []
        self.has_fixtures = fixtures
        self.more += ["--fixtures", "conformance"] if fixtures else []
        self.log = folder / f"{name}.log"
        self.lives = 0
        self.start()

    def start(self):
        self.lives += 1
        self.control = self.folder / f"{self.name}-{self.lives}.sock"
        command = [os.environ["ERLMCP"], "cluster", "--tied", "--replicas", str(self.replicas), "--listen", "127.0.0.1:0"]
        command += ["--control", str(self.control), "--store", self.store, *self.more]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        said = self.process.stdout.readline()
        if not said.startswith("listening on "):
            raise SystemExit(f"cluster {self.name} did not start: {self.log.read_text()}")
        host, port = said.removeprefix("listening on ").strip().rsplit(":", 1)
        self.address = (host, int(port))

    def end(self):
        """In order."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def kill(self):
        """As a machine that is gone: all of its processes die with the supervisor."""
        self.process.kill()
        self.process.wait()

    def ask(self, request):
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(PATIENCE_S)
            control.connect(str(self.control))
            control.sendall(json.dumps(request).encode() + b"\n")
            return json.loads(control.makefile().readline())

    def pids(self):
        """Of its replicas that are ready, and of its store."""
        status = self.ask({"op": "status"})
        replicas = [one["pid"] for one in status["replicas"] if one["state"] == "ready" and one["pid"]]
        return replicas, status["store"].get("pid")

    def post(self, method, params, name=None):
        """Status and body of the answer. Raises OSError or HTTPException where there is none."""
        params = {**params, "_meta": {**META, **params.get("_meta", {})}}
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": "2026-07-28",
            "Mcp-Method": method,
            **({"Mcp-Name": name} if name else {}),
        }
        connection = http.client.HTTPConnection(*self.address, timeout=20)
        try:
            connection.request("POST", "/mcp", body, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def append(self, operation):
        if self.has_fixtures:
            params = {"name": "test_simple_text", "arguments": {}, "_meta": {"io.erlmcp/operation": operation}}
            return self.post("tools/call", params, "test_simple_text")
        params = {"name": "append", "arguments": {"value": f"v-{operation}", "nonce": f"n-{operation}"}}
        return self.post("tools/call", {**params, "_meta": {"io.erlmcp/operation": operation}}, "append")

    def status(self, operation, settle=True):
        return self.post("operation/status", {"operation": operation, "settle": settle})

    def insist(self, operation):
        """Tries until there is a result, as a client does; the number of attempts, and the body."""
        until, attempts = time.monotonic() + PATIENCE_S, 0
        while time.monotonic() < until:
            attempts += 1
            try:
                status, body = self.append(operation)
            except (OSError, http.client.HTTPException, ValueError):
                time.sleep(0.05)
                continue
            if status == 200:
                return attempts, body
            if status not in (409, 500, 503):
                raise AssertionError(f"{operation} at {self.name}: {status} {body}")
            if status == 503 and body["error"]["data"]["executed"] is not False:
                raise AssertionError(f"{operation} was refused, and not said to be not executed: {body}")
            time.sleep(min(body["error"].get("data", {}).get("retryAfterMs", 100), 300) / 1000)
        raise AssertionError(f"{operation} at {self.name} has had no result for {PATIENCE_S} s")

    def effects(self):
        """The store's own account: a list of (event, operation, epoch)."""
        to = pathlib.Path(self.folder) / "effects.tsv"
        answer = self.ask({"op": "effects", "to": str(to)})
        assert answer.get("ok"), answer
        lines = [line.split("\t") for line in to.read_text().splitlines()]
        assert len(lines) == answer["rows"]
        return [(fields[1], fields[3], int(fields[4])) for fields in lines]
