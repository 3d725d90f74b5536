"""Two clusters that are one over a database, as if on two machines: what they share, what one sees of the other, and what comes
of a database or a cluster that goes away."""

import contextlib
import http.client
import json
import secrets
import threading
import time

from clusters import META, PATIENCE_S, Cluster
from database import BlackHole

LEGACY = "2025-11-25"
INITIALIZE = {
    "protocolVersion": LEGACY,
    "capabilities": {},
    "clientInfo": {"name": "machines", "version": "1"},
}
WATCHED = "test://watched-resource"


def until(what, is_so):
    """Waits for what must come; how long it took, in seconds."""
    began = time.monotonic()
    while not is_so():
        if time.monotonic() - began > PATIENCE_S:
            raise AssertionError(f"{what}: not within {PATIENCE_S} s")
        time.sleep(0.02)
    return time.monotonic() - began


class Session:
    """Of the older era: its id is all that there is of it."""

    def __init__(self, cluster):
        status, answer, self.id = send(cluster, "POST", {"id": 1, "method": "initialize", "params": INITIALIZE})
        assert status == 200, (status, answer)

    def ping(self, cluster):
        return send(cluster, "POST", {"id": 2, "method": "ping"}, self.id)[0]

    def call(self, cluster, method, params):
        return send(cluster, "POST", {"id": 3, "method": method, "params": params}, self.id)[:2]

    def end(self, cluster):
        return send(cluster, "DELETE", None, self.id)[0]


def headers(session=None):
    named = {"Mcp-Session-Id": session, "MCP-Protocol-Version": LEGACY} if session else {}
    return {"Content-Type": "application/json", "Accept": "application/json, text/event-stream", **named}


def send(cluster, method, message, session=None):
    """Status, body and the session's id."""
    body = json.dumps({"jsonrpc": "2.0", **message}) if message else None
    connection = http.client.HTTPConnection(*cluster.address, timeout=20)
    with contextlib.closing(connection):
        connection.request(method, "/mcp", body, headers(session))
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.getheader("Mcp-Session-Id")


class Stream:
    """An open stream, whose messages are counted by their method."""

    def __init__(self, cluster, session=None):
        self.heard, self.is_over = [], False
        self.connection = http.client.HTTPConnection(*cluster.address, timeout=PATIENCE_S)
        if session:
            self.connection.request("GET", "/mcp", headers=headers(session.id))
        else:
            wanted = {"toolsListChanged": True, "promptsListChanged": True, "resourceSubscriptions": [WATCHED]}
            body = {"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen"}
            body["params"] = {"notifications": wanted, "_meta": META}
            modern = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "subscriptions/listen"}
            self.connection.request("POST", "/mcp", json.dumps(body), {**headers(), **modern})
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200, (self.answer.status, self.answer.read())
        threading.Thread(target=self.read, daemon=True).start()
        if not session:
            self.wait("notifications/subscriptions/acknowledged")

    def read(self):
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError, AttributeError):
            while line := self.answer.readline():
                if line.startswith(b"data: {"):
                    self.heard.append(json.loads(line[6:]).get("method"))
        self.is_over = True

    def count(self, method):
        return self.heard.count(method)

    def wait(self, method, more_than=0):
        return until(f"{method} on a stream", lambda: self.count(method) > more_than)


def page(cluster):
    connection = http.client.HTTPConnection(*cluster.address, timeout=20)
    with contextlib.closing(connection):
        connection.request("GET", "/status")
        return json.loads(connection.getresponse().read())


def peer(cluster, name):
    """What a cluster's control socket says of another one."""
    found = [one for one in cluster.ask({"op": "status"})["machines"]["peers"] if one["name"] == name]
    return found[-1] if found else None


def sees(cluster, name, state="running"):
    found = peer(cluster, name)
    return bool(found) and found["state"] == state and found["members"] == found["replicas"]


def is_away(cluster):
    return cluster.ask({"op": "status"})["machines"]["machine"]["database"] == "away"


def change(cluster, kind="tools"):
    assert cluster.ask({"op": "notify", "list": kind})["ok"]


def name_each_other(east, west):
    until("each sees the other", lambda: sees(east, "west") and sees(west, "east"))
    for here, there in ((east, "west"), (west, "east")):
        until("/status names it", lambda: any(one["name"] == there for one in page(here)["peers"]))
        shown = page(here)
        of = [one for one in shown["peers"] if one["name"] == there][0]
        assert shown["machine"]["name"] == here.name and shown["machine"]["database"] == "connected", shown["machine"]
        assert of["same_key"] and of["replicas"] == 2 and of["version"] == shown["version"], of
        assert of["address"] == f"{there}.example:80" and of["last_seen_ms"] < 3_000, of


def share_sessions(east, west):
    """What is opened at one is used and ended at the other; a stream at one hears what the session says at the other."""
    session, other = Session(east), Session(west)
    for one in (session, other):
        for cluster in (east, west):
            assert one.ping(cluster) == 200, cluster.name
    stream = Stream(west, session)
    status, answer = session.call(east, "resources/subscribe", {"uri": WATCHED})
    assert status == 200 and b"error" not in answer, answer
    # The word of the subscription is on its way to the other machine, and nobody waits for it.
    def is_told():
        status, answer = session.call(east, "tools/call", {"name": "test_trigger_resource_change", "arguments": {}})
        assert status == 200, answer
        return stream.count("notifications/resources/updated") > 0
    until("a subscription made at east is heard at west", is_told)
    assert session.end(east) == 204
    took = until("a session that has ended at east has ended at west", lambda: session.ping(west) == 404)
    until("its stream ends too", lambda: stream.is_over)
    assert session.ping(east) == 404 and other.ping(east) == 200
    return took


def share_changes(east, west):
    streams, longest = [Stream(east), Stream(west)], 0.0
    for cluster in (east, west):
        before = [stream.count("notifications/tools/list_changed") for stream in streams]
        change(cluster)
        for stream, count in zip(streams, before):
            longest = max(longest, stream.wait("notifications/tools/list_changed", count))
    return streams, longest


def share_operations(east, west):
    assert east.insist("shared")[1]["result"]["_meta"]["io.erlmcp/operation"]["replayed"] is False
    assert west.insist("shared")[1]["result"]["_meta"]["io.erlmcp/operation"]["replayed"] is True


def database_dies(database, east, west, streams):
    """What changes meanwhile is told when it is back, and what has ended meanwhile ends everywhere."""
    session = Session(east)
    assert session.ping(west) == 200
    database.kill()
    for cluster in (east, west):
        until("it is known to be away", lambda: is_away(cluster))
        until("/status says so", lambda: page(cluster)["machine"]["database"] == "away")
        assert all(one["state"] in ("unknown", "silent") for one in page(cluster)["peers"]), page(cluster)["peers"]
    before = [stream.count("notifications/prompts/list_changed") for stream in streams]
    change(east, "prompts")
    assert session.end(east) == 204, "the end of a session waits for no database that is away"
    assert session.ping(east) == 404 and session.ping(west) == 200
    database.start()
    took = until("each sees the other again", lambda: sees(east, "west") and sees(west, "east"))
    streams[1].wait("notifications/prompts/list_changed", before[1])
    until("the session has ended everywhere", lambda: session.ping(west) == 404)
    return took


def falls_silent(hole, east, west, streams):
    """A way to the database that says nothing: it is noticed, and afterwards everything may have changed."""
    hole.is_silent.set()
    noticed = until("it is noticed", lambda: is_away(west))
    until("the other one sees it silent", lambda: sees(east, "west", "silent"))
    before = streams[1].count("notifications/tools/list_changed")
    change(east)
    hole.is_silent.clear()
    streams[1].wait("notifications/tools/list_changed", before)
    until("each sees the other again", lambda: sees(east, "west") and sees(west, "east"))
    return noticed


def one_dies(east, west, streams):
    """It is shown as silent; whoever listens elsewhere is told that anything may have changed; it comes back with its sessions."""
    session, gone = Session(west), Session(west)
    until("the other one takes it", lambda: session.ping(east) == 200)
    before = streams[0].count("notifications/tools/list_changed")
    west.kill()
    took = until("it is shown as silent", lambda: sees(east, "west", "silent"))
    streams[0].wait("notifications/tools/list_changed", before)
    assert gone.end(east) == 204 and session.ping(east) == 200
    west.start()
    until("it is there again, once", lambda: sees(east, "west") and [one["name"] for one in page(east)["peers"]] == ["west"])
    until("it takes its sessions", lambda: session.ping(west) == 200)
    assert gone.ping(west) == 404, "it has learnt of what ended while it was away before it took requests"
    return took


def another_key(database_url, folder, east):
    """One with another key is named, and shares operations alone."""
    stranger = Cluster("stranger", folder, database_url, fixtures=True)
    until("it is named", lambda: peer(east, "stranger") is not None)
    assert peer(east, "stranger")["same_key"] is False
    assert Session(east).ping(stranger) == 404
    assert stranger.insist("shared")[1]["result"]["_meta"]["io.erlmcp/operation"]["replayed"] is True
    assert stranger.end() == 0
    until("one that ends in order is named no more", lambda: peer(east, "stranger") is None)


def machines(database, folder):
    database.create("machines")
    key = folder / "session-key"
    key.write_bytes(secrets.token_bytes(32))
    key.chmod(0o600)
    hole = BlackHole(database.port)
    url = database.url("machines")
    east = Cluster("east", folder, url, key=key, fixtures=True)
    west = Cluster("west", folder, hole.url(url), key=key, fixtures=True)
    name_each_other(east, west)
    share_operations(east, west)
    ended = share_sessions(east, west)
    streams, told = share_changes(east, west)
    back = database_dies(database, east, west, streams)
    noticed = falls_silent(hole, east, west, streams)
    silent = one_dies(east, west, streams)
    another_key(url, folder, east)
    wrong = []
    if west.end():
        wrong.append("west did not end in order")
    until("east names nobody any more", lambda: page(east)["peers"] == [])
    if east.end():
        wrong.append("east did not end in order")
    hole.close()
    print(
        f"\ntwo machines, one cluster: a change told elsewhere within {told * 1000:.0f} ms, a session ended elsewhere after "
        f"{ended * 1000:.0f} ms; a machine that died shown as silent after {silent:.1f} s; a silent database noticed after "
        f"{noticed:.1f} s; each seen again {back:.1f} s after the database was back"
    )
    return wrong
