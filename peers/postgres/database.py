"""A PostgreSQL of its own, from Debian's package, that ends with this process."""

import ctypes
import glob
import os
import pathlib
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

PR_SET_PDEATHSIG = 1


def programs():
    """The folder of PostgreSQL's programs; none where there are none."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: float(path.split("/")[4]))
    return pathlib.Path(found[-1]) if found and os.access(f"{found[-1]}/initdb", os.X_OK) else None


def install():
    """Tries Debian's package. Says why there is no PostgreSQL; nothing where there is one."""
    if programs():
        return None
    if os.getuid() != 0 or not shutil.which("apt-get"):
        return "PostgreSQL (Debian's package postgresql) is not installed, and cannot be installed by this user"
    for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "postgresql"]):
        subprocess.run(["apt-get", *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return None if programs() else "Debian's package postgresql could not be installed"


def end_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)


class BlackHole:
    """Stands in front of the database. While it is silent it takes connections and passes nothing on, either way."""

    def __init__(self, port):
        self.port, self.is_silent, self.links = port, threading.Event(), []
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.accept, daemon=True).start()

    def url(self, url):
        return url.replace(f":{self.port}/", f":{self.listener.getsockname()[1]}/")

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                database = socket.create_connection(("127.0.0.1", self.port))
            except OSError:
                # The database is away, and so is this.
                client.close()
                continue
            self.links += [client, database]
            for ends in ((client, database), (database, client)):
                threading.Thread(target=self.carry, args=ends, daemon=True).start()

    def carry(self, source, target):
        try:
            while said := source.recv(65_536):
                while self.is_silent.is_set():
                    time.sleep(0.02)
                target.sendall(said)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        for end in (self.listener, *self.links):
            end.close()


class Database:
    """Runs until the with block ends. It wants a password, which is in PGPASSWORD alone."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="erlmcp-postgres-"))
        self.password = secrets.token_hex(12)
        # PostgreSQL refuses to be run by root.
        self.as_user = {}
        if os.getuid() == 0:
            user = pwd.getpwnam("nobody")
            self.as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            os.chown(self.folder, user.pw_uid, user.pw_gid)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.process = None
        self.kills = 0
        os.environ["PGPASSWORD"] = self.password

    def __enter__(self):
        secret = self.folder / "password"
        secret.write_text(self.password)
        if self.as_user:
            os.chown(secret, self.as_user["user"], self.as_user["group"])
        made = ["-D", self.folder / "data", "-U", "erlmcp", "-A", "scram-sha-256", "--pwfile", secret]
        self.run("initdb", *made)
        self.start()
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, program, *arguments):
        done = subprocess.run(
            [programs() / program, *map(str, arguments)], cwd="/", capture_output=True, text=True, check=False, **self.as_user
        )
        if done.returncode != 0:
            raise SystemExit(f"{program} failed: {done.stderr}")
        return done.stdout

    def url(self, name="postgres"):
        return f"postgres://erlmcp@127.0.0.1:{self.port}/{name}"

    def start(self):
        """Starts it; after a kill it has first to read its log again."""
        settings = ("listen_addresses=127.0.0.1", f"port={self.port}", f"unix_socket_directories={self.folder}")
        command = [programs() / "postgres", "-D", self.folder / "data"]
        for setting in settings:
            command += ["-c", setting]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                command, cwd="/", stdout=log, stderr=log, preexec_fn=end_with_parent, start_new_session=True, **self.as_user
            )
        for _ in range(600):
            ready = ["-h", "127.0.0.1", "-p", str(self.port), "-q"]
            if subprocess.run([programs() / "pg_isready", *ready], check=False).returncode == 0:
                return
            if self.process.poll() is not None:
                # Children of one that was killed may still have its memory.
                time.sleep(0.2)
                return self.start()
            time.sleep(0.1)
        raise SystemExit(f"PostgreSQL did not start: {(self.folder / 'log').read_text()[-2000:]}")

    def kill(self):
        """SIGKILL. Its children end when they see it."""
        self.process.kill()
        self.process.wait()
        self.kills += 1

    def create(self, name):
        self.run("createdb", "-h", "127.0.0.1", "-p", self.port, "-U", "erlmcp", name)
