"""The servers that are stressed, each a process that ends with this one."""

import os
import pathlib
import re
import signal
import subprocess
import time

PEERS = pathlib.Path(__file__).resolve().parent.parent
ERLMCP = os.environ["ERLMCP"]

# Installing and building are in it.
STARTED_WITHIN_S = 1_200


class Row:
    """A server in one era: what is started, and how it is stressed."""

    def __init__(self, server, era, *options, legacy="per-connection"):
        self.server, self.era, self.options = server, era, options
        # Whose sessions there are in the older era.
        self.sessions = legacy

    @property
    def name(self):
        return "-".join([self.server, self.era] + [option.strip("-") for option in self.options])

    def command(self):
        if self.server == "erlmcp":
            return [ERLMCP, "serve", "--listen", "127.0.0.1:0"]
        return [str(PEERS / "run"), "serve", self.server, *self.options]

    def version(self):
        if self.server == "erlmcp":
            return subprocess.run([ERLMCP, "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
        path, pattern = {
            "rmcp": ("rmcp-server/Cargo.toml", r'rmcp = \{ version = "=([\d.]+)"'),
            "python-mcp": ("python/requirements.txt", r"(?m)^mcp==(\S+)"),
            "typescript-v1": ("typescript/package.json", r'modelcontextprotocol/sdk": "([\d.]+)"'),
            "typescript-v2": ("typescript/package.json", r'modelcontextprotocol/server": "([\d.]+)"'),
        }[self.server]
        return re.search(pattern, (PEERS / path).read_text()).group(1)


# Answers as they come by default; what JSON alone is worth, rmcp shows. TypeScript v1 speaks the older era alone, and v2
# has no sessions in it.
ROWS = [
    Row("erlmcp", "modern"),
    Row("erlmcp", "legacy"),
    Row("rmcp", "modern"),
    Row("rmcp", "modern", "--json"),
    Row("rmcp", "legacy"),
    Row("python-mcp", "modern"),
    Row("python-mcp", "legacy"),
    Row("typescript-v1", "legacy"),
    Row("typescript-v2", "modern"),
    Row("typescript-v2", "legacy", legacy="shared"),
]


class Running:
    """A started server: its process and its URL."""

    def __init__(self, row, folder):
        self.row, self.folder = row, folder

    def __enter__(self):
        self.log = self.folder / "server.log"
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                self.row.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + STARTED_WITHIN_S
        while time.monotonic() < deadline:
            found = re.search(r"(?m)^listening on (127\.0\.0\.1:\d+)", self.log.read_text())
            if found:
                self.url = f"http://{found.group(1)}/mcp"
                return self
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        self.__exit__()
        raise SystemExit(f"{self.row.name} did not start:\n{self.log.read_text()}")

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def stress(self, name, *arguments):
        """One run; its folder. A run that could not begin, or broke off, is an error."""
        results = self.folder / name
        command = [ERLMCP, "stress", self.url, "--era", self.row.era, "--target-pid", str(self.process.pid)]
        if self.row.era == "legacy":
            command += ["--sessions", self.row.sessions]
        command += ["--output", str(results), *arguments]
        run = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if run.returncode not in (0, 3, 99):
            raise SystemExit(f"{self.row.name}: {' '.join(command)} ended with {run.returncode}:\n{run.stdout}{run.stderr}")
        return results
