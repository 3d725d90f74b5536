"""Clusters on one PostgreSQL: the stores' contract, operations of two clusters under kills, a database that says nothing, and two
clusters that are one.

peers/run has the command line.
"""

import collections
import itertools
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

from clusters import Cluster
from database import BlackHole, Database, install
from machines import machines

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
THREADS = 6
# Operations that a thread has under way at both clusters, in an order of its own.
AT_ONCE = 20
FAULTS = ["replica", "replica", "database", "store", "replica", "database", "cluster"] * 2


def contract(database):
    """The tests of the crate that need a database. True where they pass."""
    database.create("contract")
    command = ["cargo", "test", "--locked", "-p", "erlmcp-server", "--lib", "postgres", "--"]
    environment = {**os.environ, "ERLMCP_TEST_POSTGRES": database.url("contract")}
    command += ["--ignored", "--nocapture", "--test-threads=1"]
    tested = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    print(tested.stdout, end="", flush=True)
    # A filter that fits no test passes, too.
    return tested.returncode == 0 and bool(re.search(r"^test result: ok\. [1-9]", tested.stdout, re.MULTILINE))


class Faults:
    """Kills, one after another: replicas, stores, the database, and whole clusters."""

    def __init__(self, clusters, database, seed):
        self.clusters, self.database = clusters, database
        self.random = random.Random(seed)
        self.done = collections.Counter()
        self.is_over = threading.Event()
        self.failed = None

    def run(self):
        """On the main thread: what a thread has started ends with it."""
        try:
            for kind in FAULTS:
                time.sleep(1)
                self.one(kind)
            time.sleep(1)
        except Exception as error:  # told by who waits for it
            self.failed = error
        self.is_over.set()

    def one(self, kind):
        cluster = self.random.choice(self.clusters)
        if kind == "database":
            self.database.kill()
            time.sleep(0.3)
            self.database.start()
        elif kind == "cluster":
            cluster.kill()
            time.sleep(0.5)
            cluster.start()
        else:
            os.kill(self.process(cluster, kind), signal.SIGKILL)
        self.done[kind] += 1


    def process(self, cluster, kind):
        """Waits until there is one."""
        while True:
            replicas, store = cluster.pids()
            pids = [store] if kind == "store" else replicas
            if any(pids):
                return self.random.choice(pids)
            time.sleep(0.1)


def repeat_everywhere(clusters, operations, seed, answers):
    """Each operation at each cluster, shuffled, until it has a result."""
    order = [(cluster, operation) for operation in operations for cluster in clusters]
    random.Random(seed).shuffle(order)
    for cluster, operation in order:
        answers.append((operation, *cluster.insist(operation)))


def judge(answers, rows, operations):
    """What is wrong: a list of sentences."""
    wrong = []
    events = collections.defaultdict(list)
    for event, operation, _ in rows:
        if operation != "-":
            events[operation].append(event)
    for operation in set(events) - set(operations):
        wrong.append(f"{operation} is in the store, and nobody has asked for it")
    results, fresh = collections.defaultdict(set), collections.Counter()
    for operation, _, body in answers:
        meta = body["result"]["_meta"]["io.erlmcp/operation"]
        results[operation].add((str(body["result"]["content"]), meta["epoch"]))
        fresh[operation] += not meta["replayed"]
    for operation in operations:
        of = events[operation]
        if of.count("effect") != 1 or of.count("done") != 1 or of[-2:] != ["effect", "done"] or "started" not in of:
            wrong.append(f"{operation}: its history is {of}")
        if len(results[operation]) != 1 or fresh[operation] > 1:
            wrong.append(f"{operation}: {fresh[operation]} fresh answers, results {results[operation]}")
    return wrong


def shows_no_secret(clusters, secret):
    """Neither in the logs nor where `ps` finds it."""
    texts = [cluster.log.read_bytes() for cluster in clusters]
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            texts.append(path.read_bytes())
        except OSError:
            continue
    return not any(secret.encode() in text for text in texts)


def settled_elsewhere(clusters):
    """What one cluster has settled, the other refuses."""
    status, body = clusters[0].status("settled")
    assert (status, body["result"]["state"]) == (200, "never"), body
    status, body = clusters[1].append("settled")
    assert (status, body["error"]["data"]["state"]) == (410, "never"), body


def clusters_under_kills(database, folder):
    database.create("clusters")
    url = database.url("clusters")
    clusters = [Cluster(name, folder, url) for name in ("east", "west")]
    settled_elsewhere(clusters)
    operations, answers, failed = [], [], []
    faults = Faults(clusters, database, seed=7)

    def work(thread):
        try:
            for part in itertools.count():
                some = [f"operation-{thread}-{part}-{number}" for number in range(AT_ONCE)]
                operations.extend(some)
                repeat_everywhere(clusters, some, thread + part * THREADS, answers)
                if faults.is_over.is_set():
                    return
        except Exception as error:  # told below
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    faults.run()
    for thread in threads:
        thread.join()
    wrong = [str(error) for error in (*failed, faults.failed) if error]
    # All is healed: everything is answered at once, with the same results.
    repeat_everywhere(clusters, operations[:50], 99, answers)
    rows = [row for row in clusters[0].effects() if row[1] != "settled"]
    wrong += judge(answers, rows, operations)
    if not shows_no_secret(clusters, database.password):
        wrong.append("the password of the database is shown in a log or in a command line")
    ends = [cluster.end() for cluster in clusters]
    if any(ends):
        wrong.append(f"the clusters ended with {ends}")
    attempts = sum(attempts for _, attempts, _ in answers)
    killed = ", ".join(f"{count} x {kind}" for kind, count in sorted(faults.done.items()))
    print(f"\n{len(operations)} operations, {attempts} attempts at two clusters on one database; killed: {killed}")
    return wrong


SILENCE_S = 6
# A claim waits 2 s for the store; a machine that is busy may take as long again.
REFUSED_WITHIN_S = 5
BACK_WITHIN_S = 30


def silence(database, folder):
    """A database that takes connections and says nothing: what is new is refused soon, and said to be not executed; what was
    under way is done once; and it all goes on when the database speaks again."""
    database.create("silence")
    hole = BlackHole(database.port)
    cluster = Cluster("silence", folder, hole.url(database.url("silence")))
    before = [f"before-{number}" for number in range(20)]
    answers, wrong, refused, longest = [], [], 0, 0.0
    repeat_everywhere([cluster], before, 1, answers)
    hole.is_silent.set()
    until, number, asked = time.monotonic() + SILENCE_S, 0, []
    while time.monotonic() < until:
        operation, began = f"during-{number}", time.monotonic()
        asked.append(operation)
        status, body = cluster.append(operation)
        longest, number = max(longest, time.monotonic() - began), number + 1
        if status == 503 and body["error"]["data"]["executed"] is False:
            refused += 1
        else:
            wrong.append(f"{operation} was answered {status} by a cluster whose store is silent: {body}")
        time.sleep(0.05)
    if longest > REFUSED_WITHIN_S or not refused:
        wrong.append(f"{refused} operations were refused, the last to be after {longest:.1f} s")
    hole.is_silent.clear()
    healed = time.monotonic()
    repeat_everywhere([cluster], ["after"], 2, answers)
    back = time.monotonic() - healed
    if back > BACK_WITHIN_S:
        wrong.append(f"the first operation after the silence was done only after {back:.1f} s")
    repeat_everywhere([cluster], [*before, *asked], 3, answers)
    wrong += judge(answers, cluster.effects(), [*before, *asked, "after"])
    if cluster.end():
        wrong.append("the cluster did not end in order")
    hole.close()
    print(f"\n{SILENCE_S} s of silence: {refused} operations refused, each within {longest:.1f} s; done again after {back:.1f} s")
    return wrong


def hold(replicas):
    """For a measurement: a cluster on a database of its own, until standard input ends. Says where it listens, or why not."""
    lacking = install()
    if lacking:
        print(f"skipped: {lacking}", flush=True)
        return
    folder = pathlib.Path(tempfile.mkdtemp(prefix="erlmcp-"))
    with Database() as database:
        database.create("held")
        cluster = Cluster("held", folder, database.url("held"), replicas)
        print(f"http://{cluster.address[0]}:{cluster.address[1]}", flush=True)
        sys.stdin.read()
        cluster.end()
    shutil.rmtree(folder, ignore_errors=True)


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if sys.argv[1:2] == ["hold"]:
        return hold(int(sys.argv[2]))
    parts = sys.argv[1:] or ["contract", "clusters", "silence", "machines"]
    lacking = install()
    if lacking:
        print(f"skipped: {lacking}")
        return
    folder, wrong = pathlib.Path(tempfile.mkdtemp(prefix="erlmcp-")), []
    with Database() as database:
        if "contract" in parts and not contract(database):
            wrong.append("the tests of the store in PostgreSQL failed")
        if "clusters" in parts:
            wrong += clusters_under_kills(database, folder)
        if "silence" in parts:
            wrong += silence(database, folder)
        if "machines" in parts:
            wrong += machines(database, folder)
    for sentence in wrong[:20]:
        print(f"WRONG: {sentence}")
    if wrong:
        sys.exit(f"{len(wrong)} things are wrong; the clusters' logs are in {folder}")
    shutil.rmtree(folder, ignore_errors=True)
    print(f"passed: {', '.join(parts)}")


main()
