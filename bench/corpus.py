#!/usr/bin/env python3
"""The corpus of bad input (crates/server/tests/corpus) against several servers, judged alike.

    corpus.py NAME=HOST:PORT...        each answers POST /mcp with 200

Only what every HTTP server decides is tried: the cases of classes 1 to 65 (request line, Host, fields, framing) that either must be
refused in a way that ends the connection (limits aside, which are each server's own), or must be taken; each whole, on a connection of its own. A refusal is any status from
400, or the end of the connection without an answer. Prints a table and what each has taken that must be refused. No code is shared
with what is measured.
"""

import glob
import socket
import sys
import threading
import time
import tomllib

FIRST_S, MORE_S = 4.0, 0.7
META = (
    '"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"corpus","version":"1"},'
    '"io.modelcontextprotocol/clientCapabilities":{}'
)
BODY = (
    '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo","arguments":{"text":"corpus"},"_meta":{%s}}}' % META
)
FIELDS = (
    "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
    "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: echo\r\n"
)


def expand(text, host):
    values = {"$fields": FIELDS, "$length": str(len(BODY)), "$size": f"{len(BODY):x}", "$session": "none", "$nonce": "corpus",
              "$host": host, "$path": "/mcp", "$meta": META, "$body": BODY}
    for name, value in values.items():
        text = text.replace(name, value)
    return text


def post(form, host):
    body = b"".join(piece(part, host) for part in form["body"]) if "body" in form else BODY.encode()
    line = expand(form.get("line", "POST $path HTTP/1.1"), host)
    without = [name.lower() for name in form.get("without", [])]
    kept = "".join(field for field in f"Host: {host}\r\n{FIELDS}".splitlines(True) if field.split(":")[0].lower() not in without)
    framing = expand(form["framing"], host) if "framing" in form else f"Content-Length: {len(body)}\r\n"
    return f"{line}\r\n{kept}{expand(form.get('fields', ''), host)}{framing}\r\n".encode() + body


def piece(part, host):
    if isinstance(part, str):
        return expand(part, host).encode()
    if "hex" in part:
        return bytes.fromhex(part["hex"])
    if "repeat" in part:
        return expand(part["repeat"], host).encode() * part["times"]
    return post(part["post"], host) if "post" in part else b""


def statuses(read):
    """Of the answers so far, without 1xx; their bodies are looked over only as far as their length goes."""
    found = []
    while b"\r\n\r\n" in read:
        head, _, read = read.partition(b"\r\n\r\n")
        status = int(head[9:12]) if head.startswith(b"HTTP/1.") and head[9:12].isdigit() else 0
        lower = head.lower()
        if b"content-length:" in lower:
            read = read[int(lower.split(b"content-length:")[1].split(b"\r\n")[0]):]
        elif b"transfer-encoding: chunked" in lower:
            _, end, read = read.partition(b"0\r\n\r\n")
        if status >= 200 or status == 0:
            found.append(status)
    return found


def try_case(address, host, sends):
    """Statuses that came, and whether the connection has ended."""
    sock = socket.create_connection(address, timeout=10)
    read, ended = b"", False

    def listen(seconds, is_enough):
        nonlocal read, ended
        until = time.monotonic() + seconds
        while not ended and not is_enough() and time.monotonic() < until:
            sock.settimeout(max(0.01, until - time.monotonic()))
            try:
                more = sock.recv(65536)
                ended = not more
                read += more
            except TimeoutError:
                return
            except OSError:
                ended = True

    try:
        for part in sends:
            if isinstance(part, dict) and "sleep_ms" in part:
                time.sleep(part["sleep_ms"] / 1000)
            elif isinstance(part, dict) and "answers" in part:
                listen(FIRST_S, lambda: len(statuses(read)) >= part["answers"])
            elif isinstance(part, dict) and "end" in part:
                sock.shutdown(socket.SHUT_WR)
            else:
                sock.sendall(piece(part, host))
    except OSError:
        pass
    listen(FIRST_S, lambda: bool(statuses(read)))
    listen(MORE_S, lambda: False)
    sock.close()
    return statuses(read), ended


def cases():
    for path in sorted(glob.glob("crates/server/tests/corpus/*.toml")):
        form = tomllib.load(open(path, "rb"))
        if not 1 <= form["class"] <= 65:
            continue
        for case in form.get("case", []):
            if "limits" in case or "modern" not in case.get("eras", ["modern"]) or {"end": "rst"} in case["send"]:
                continue
            # Limits are each server's own, and so is what it does with Expect.
            ends = [all(choice in ("close", "400!", "501!", "505!") for choice in answer.split("|")) for answer in case["answers"]]
            if case["answers"] == ["200"] or (len(ends) == 1 and ends[0]):
                yield case["id"], case["send"], ends[0]


def judge(name, place, all_cases):
    host, port = place.rsplit(":", 1)
    results, lock, todo = {}, threading.Lock(), list(all_cases)

    def work():
        while True:
            with lock:
                if not todo:
                    return
                number, sends, must_refuse = todo.pop()
            found, ended = try_case((host, int(port)), place, sends)
            taken = bool(found) and found[0] < 400
            fate = "taken" if taken else "refused" if found or ended else "waits"
            with lock:
                results[number] = (must_refuse, fate, len(found))

    found, _ = try_case((host, int(port)), place, [{"post": {}}])
    if found != [200]:
        raise SystemExit(f"{name} does not take the good request: {found}")
    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def main():
    all_cases = list(cases())
    refuse = sum(must for _, _, must in all_cases)
    print(f"| | refused, of {refuse} that must be | taken all the same | no answer within {FIRST_S:g} s | "
          f"taken, of {len(all_cases) - refuse} that must be | answered twice or more |")
    print("|---|---|---|---|---|---|")
    wrong = []
    for argument in sys.argv[1:]:
        name, place = argument.split("=", 1)
        results = judge(name, place, all_cases)
        count = lambda must, fate: sum(result[:2] == (must, fate) for result in results.values())
        twice = sorted(number for number, result in results.items() if result[2] > 1)
        print(f"| {name} | {count(True, 'refused')} | {count(True, 'taken')} | {count(True, 'waits')} | {count(False, 'taken')} | {len(twice)} |", flush=True)
        for label, picked in (
            ("takes", sorted(number for number, result in results.items() if result[:2] == (True, "taken"))),
            ("does not answer", sorted(number for number, result in results.items() if result[:2] == (True, "waits"))),
            ("does not take", sorted(number for number, result in results.items() if result[0] is False and result[1] != "taken")),
            ("answers more than once", twice),
        ):
            if picked:
                wrong.append(f"- {name} {label}: " + ", ".join(f"`{number}`" for number in picked))
    print("\n" + "\n".join(wrong))


main()
