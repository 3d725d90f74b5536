"""Keeps what the API of a cluster answers the driver: a proxy before `kubectl proxy`.

    record.py PORT PORT-OF-KUBECTL-PROXY FILE

FILE gets a line of JSON for each exchange (method, path, body, status, answer), but not for one that answers what the same question was
answered last. What the API writes for itself (managedFields, resourceVersion) and what is in a pod (its spec, its containers' states) is left out.
"""

import http.client
import http.server
import json
import sys

PORT, BEHIND, FILE = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]


def bare(value):
    if isinstance(value, dict):
        left_out = {"managedFields", "resourceVersion", "containerStatuses"} | ({"spec"} if "podIPs" in value.get("status", {}) else set())
        return {key: bare(one) for key, one in value.items() if key not in left_out}
    return [bare(one) for one in value] if isinstance(value, list) else value


class Recorder(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    last = {}

    def exchange(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        behind = http.client.HTTPConnection("127.0.0.1", BEHIND, timeout=10)
        fields = {name: self.headers[name] for name in ("Content-Type", "Accept") if name in self.headers}
        behind.request(self.command, self.path, body, fields)
        answer = behind.getresponse()
        said = answer.read()
        self.keep(body, answer.status, said)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.getheader("Content-Type") or "application/json")
        self.send_header("Content-Length", str(len(said)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(said)
        self.close_connection = True

    def keep(self, body, status, said):
        asked = {"method": self.command, "path": self.path, "body": json.loads(body) if body else None}
        line = json.dumps(asked | {"status": status, "answer": bare(json.loads(said))})
        question = json.dumps(asked)
        if self.command == "GET" and self.last.get(question) == line:
            return
        self.last[question] = line
        with open(FILE, "a") as file:
            file.write(line + "\n")

    do_GET = do_POST = do_PATCH = do_DELETE = exchange

    def log_message(self, *_):
        pass


# One at a time: the order is that of the exchanges.
http.server.HTTPServer(("127.0.0.1", PORT), Recorder).serve_forever()
