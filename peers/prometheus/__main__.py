"""A real Prometheus on a real cluster: the page, the rules, every query of the dashboard, and an alert that fires.

peers/run has the command line. All of it is on loopback; what was started ends with it.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
MONITORING = ROOT / "deploy" / "monitoring"
MCP = "2026-07-28"
WAIT_S = 45
# As a user's, but at the pace of a test: scraped each second, an alert after 2 s in place of 15.
CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: ["rules/*.yml"]
scrape_configs:
  - job_name: erlmcp
    static_configs: [{{targets: ["{address}"]}}]
"""


def get(url, accept=None):
    request = urllib.request.Request(url, headers={"Accept": accept} if accept else {})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


def until(what, found):
    """What `found` gives as soon as it gives something; the end of the test where it does not in time."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        try:
            if value := found():
                return value
        except (OSError, urllib.error.URLError):
            pass
        time.sleep(0.2)
    sys.exit(f"FAIL {what}: not within {WAIT_S} s")


def promtool(*arguments, text=None):
    told = subprocess.run(["promtool", *map(str, arguments)], input=text, text=True, capture_output=True, check=False)
    if told.returncode or (text and (told.stdout + told.stderr).strip()):
        sys.exit(f"FAIL promtool {arguments[0]} {arguments[1]}\n{told.stdout}{told.stderr}")
    print("ok   promtool", *arguments[:2], *(pathlib.Path(path).name for path in arguments[2:]))


def shipped_configs_are_read():
    """Each as it is shipped; of Kubernetes' the rest where promtool does not know its discovery."""
    for file in (MONITORING / "prometheus.yml", MONITORING / "prometheus-swarm.yml"):
        promtool("check", "config", file)
    kubernetes = MONITORING / "prometheus-kubernetes.yml"
    told = subprocess.run(["promtool", "check", "config", kubernetes], text=True, capture_output=True, check=False)
    if told.returncode == 0:
        return print(f"ok   promtool check config {kubernetes.name}")
    if re.findall(r"line \d+: (.*) in type", told.stderr) != ["field kubernetes_sd_configs not found"]:
        sys.exit(f"FAIL promtool check config {kubernetes}\n{told.stdout}{told.stderr}")
    text, found = re.subn(r"    kubernetes_sd_configs:\n(?: {6,}.*\n)+", "    static_configs: [{targets: [a]}]\n", kubernetes.read_text())
    assert found == 1, "the discovery is where it is looked for"
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(MONITORING, folder, dirs_exist_ok=True)
        rest = pathlib.Path(folder, kubernetes.name)
        rest.write_text(text)
        promtool("check", "config", rest)
    print(f"SKIPPED: the discovery in {kubernetes.name}: this promtool knows none of Kubernetes")


def mutations_are_found():
    """The tests of the rules notice each alert that would never fire."""
    alerts = (MONITORING / "rules" / "alerts.yml").read_text()
    names = re.findall(r"- alert: (\w+)", alerts)

    def is_found(name):
        dumb = re.sub(rf"(- alert: {name}\n +expr: )(\|\n(?: {{10,}}.*\n)+|.*\n)", r"\1vector(0) > 1\n", alerts)
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(MONITORING, folder, dirs_exist_ok=True)
            pathlib.Path(folder, "rules", "alerts.yml").write_text(dumb)
            told = subprocess.run(["promtool", "test", "rules", f"{folder}/tests/alerts.yml"], capture_output=True, check=False)
        return dumb != alerts and told.returncode != 0

    with ThreadPoolExecutor(os.cpu_count()) as beside:
        for name, found in zip(names, beside.map(is_found, names)):
            if not found:
                sys.exit(f"FAIL no test of the rules notices that {name} never fires")
    print(f"ok   each of {len(names)} alerts is missed where it does not fire")


class Server:
    """A cluster of three replicas."""

    def __init__(self, folder):
        self.control = folder / "control.sock"
        self.program = os.environ["ERLMCP"]
        command = [self.program, "cluster", "--tied", "--replicas", "3", "--listen", "127.0.0.1:0", "--control", self.control]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.address = re.match(r"listening on (\S+)", self.process.stdout.readline())[1]
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def replica(self, number):
        """The process id of a replica that is ready."""
        told = subprocess.run([self.program, "cluster", "status", "--control", self.control], text=True, capture_output=True, check=False)
        for words in map(str.split, told.stdout.splitlines()):
            if words[:1] == [str(number)] and words[2] == "ready":
                return int(words[3])
        return None

    def revive(self):
        """Starts what was given up for having died too often; nothing else changes."""
        subprocess.run([self.program, "cluster", "scale", "3", "--control", self.control], capture_output=True, check=True)


def call(address, tool, arguments):
    meta = {
        "io.modelcontextprotocol/protocolVersion": MCP,
        "io.modelcontextprotocol/clientInfo": {"name": "prometheus", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"name": tool, "arguments": arguments, "_meta": meta}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": MCP,
        "Mcp-Method": "tools/call",
        "Mcp-Name": tool,
    }
    with urllib.request.urlopen(urllib.request.Request(f"http://{address}/mcp", body, headers), timeout=5) as answer:
        answer.read()


def load(address, ended):
    """A few calls a second, so that there is something to measure."""
    while not ended.wait(0.1):
        try:
            call(address, "echo", {"message": "x"})
        except OSError:
            pass  # A replica was killed under it.


def ask(prometheus, query):
    try:
        text = get(f"{prometheus}/api/v1/query?query={urllib.parse.quote(query)}")[1]
    except urllib.error.HTTPError as error:
        if error.code == 503:
            raise  # It is still starting.
        sys.exit(f"FAIL {query}: {error.read().decode()}")
    return json.loads(text)["data"]["result"]


def queries():
    """Every query of the dashboard, with its variables as Grafana would fill them."""
    dashboard = json.loads((MONITORING / "grafana-dashboard.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"].replace("$__rate_interval", "10s").replace("$job", "erlmcp")


def check_variables(prometheus):
    """What each variable of the dashboard may be, asked as Grafana does."""
    variables = json.loads((MONITORING / "grafana-dashboard.json").read_text())["templating"]["list"]
    asked = [variable for variable in variables if variable["type"] == "query"]
    assert asked, "the dashboard has a variable with a query"
    for variable in asked:
        query = variable["query"]["query"]
        assert variable["definition"] == query, variable
        metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", query).groups()
        text = get(f"{prometheus}/api/v1/label/{label}/values?match[]={metric}")[1]
        values = json.loads(text)["data"]
        if values != ["erlmcp"]:
            sys.exit(f"FAIL ${variable['name']}: {query} gives {values}")
    print(f"ok   {len(asked)} variable of the dashboard has its values")


def check_page(server):
    page = f"http://{server.address}/metrics"
    kind, text = get(page)
    assert kind.startswith("text/plain; version=0.0.4"), kind
    promtool("check", "metrics", text=text)
    described = {words[0] for words in re.findall(r"^# (?:HELP) (\S+) (.+)$", text, re.M)}
    typed = set(re.findall(r"^# TYPE (\S+) ", text, re.M))
    sampled = {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"^([a-z_]+)[{ ]", text, re.M)}
    assert sampled <= described and described == typed, sampled - described | described ^ typed
    print(f"ok   {len(typed)} metrics, each with HELP and TYPE")
    kind, text = get(page, "application/openmetrics-text; version=1.0.0")
    assert kind.startswith("application/openmetrics-text; version=1.0.0") and text.endswith("# EOF\n"), kind


def check_rules(prometheus):
    groups = json.loads(get(f"{prometheus}/api/v1/rules")[1])["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert rules, "no rule was loaded"

    def healthy():
        groups = json.loads(get(f"{prometheus}/api/v1/rules")[1])["data"]["groups"]
        return all(rule["health"] == "ok" for group in groups for rule in group["rules"])

    until("every rule evaluated", healthy)
    print(f"ok   {len(rules)} rules evaluated")


def check_dashboard(prometheus):
    asked = list(queries())
    for title, query in asked:
        until(f"{title}: {query}", lambda query=query: ask(prometheus, query))
    print(f"ok   {len(asked)} queries of the dashboard have an answer")


def check_alert(prometheus, server):
    def firing():
        return ask(prometheus, 'ALERTS{alertname="ErlmcpReplicaDown",alertstate="firing",replica="2"}')

    assert not firing(), "it fires before anything was killed"
    # A supervisor starts a replica again at once, with a growing delay where it dies again: killed until the alert fires.
    kills, deadline, fired = 0, time.monotonic() + WAIT_S, None
    while not (fired := firing()):
        if time.monotonic() > deadline:
            sys.exit(f"FAIL ErlmcpReplicaDown: not within {WAIT_S} s and {kills} kills")
        if (pid := server.replica(2)) is not None:
            os.kill(pid, signal.SIGKILL)
            kills += 1
        time.sleep(0.05)
    print(f"ok   {fired[0]['metric']['alertname']} fires after {kills} kills of replica 2")
    server.revive()
    until("the alert ends", lambda: not firing())
    print("ok   it ends when the replica is back")


def start_prometheus(folder, address):
    rules = folder / "rules"
    rules.mkdir()
    for file in (MONITORING / "rules").glob("*.yml"):
        (rules / file.name).write_text(file.read_text().replace("for: 15s", "for: 2s"))
    config = folder / "prometheus.yml"
    config.write_text(CONFIG.format(address=address))
    promtool("check", "config", config)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        own = "127.0.0.1:%d" % free.getsockname()[1]
    command = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder}/data", f"--web.listen-address={own}"]
    with open(folder / "log", "w", encoding="utf-8") as log:
        return subprocess.Popen(command, stdout=log, stderr=log), f"http://{own}"


def main():
    promtool("check", "rules", *sorted((MONITORING / "rules").glob("*.yml")))
    promtool("test", "rules", MONITORING / "tests" / "alerts.yml")
    shipped_configs_are_read()
    mutations_are_found()
    ended = threading.Event()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        server = Server(folder)
        prometheus = None
        try:
            threading.Thread(target=load, args=(server.address, ended), daemon=True).start()
            call(server.address, "echo", {"message": "x"})
            prometheus, url = start_prometheus(folder, server.address)
            check_page(server)
            until("a scrape", lambda: ask(url, "up == 1"))
            check_rules(url)
            check_dashboard(url)
            check_variables(url)
            check_alert(url, server)
        finally:
            ended.set()
            for process in filter(None, (prometheus, server.process)):
                process.terminate()
                process.wait()


main()
