"""Names of Services in a test's cluster, after what the API says of their endpoints: stands in for CoreDNS.

    names.py ADDRESS...

Answers over UDP, for IPv4: SERVICE.NAMESPACE.svc.cluster.local with the ready pods of a headless Service, else with the Service's own
address, and POD.SERVICE.NAMESPACE.svc.cluster.local; everything else is no name.
"""

import json
import select
import socket
import struct
import sys
import urllib.error
import urllib.request

API = "http://127.0.0.1:8001"
DOMAIN = ["svc", "cluster", "local"]
A, TTL_S, PACKET_BYTES = 1, 1, 1232
NO_SUCH_NAME, FAILED = 3, 2


def ask(path):
    with urllib.request.urlopen(API + path, timeout=2) as answer:
        return json.load(answer)


def addresses(labels):
    """None: there is no such name."""
    if labels[-3:] != DOMAIN or len(labels) not in (5, 6):
        return None
    *pod, service, namespace = labels[:-3]
    try:
        found = ask(f"/api/v1/namespaces/{namespace}/services/{service}")
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise
    if found["spec"]["clusterIP"] != "None":
        return None if pod else [found["spec"]["clusterIP"]]
    slices = ask(f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices?labelSelector=kubernetes.io/service-name={service}")
    endpoints = [one for of in slices["items"] if of["addressType"] == "IPv4" for one in of["endpoints"] or []]
    ready = [one for one in endpoints if one["conditions"].get("ready") and (not pod or one.get("hostname") == pod[0])]
    return [address for one in ready for address in one["addresses"]] or (None if pod else [])


def answer(question):
    """RFC 1035, section 4: one question in, its answer out."""
    number, flags = struct.unpack("!HH", question[:4])
    at, labels = 12, []
    while question[at]:
        labels.append(question[at + 1 : at + 1 + question[at]].decode("ascii").lower())
        at += 1 + question[at]
    (kind,) = struct.unpack("!H", question[at + 1 : at + 3])
    try:
        found = addresses(labels)
        code = NO_SUCH_NAME if found is None else 0
    except OSError as error:
        print(f"{'.'.join(labels)}: {error}", file=sys.stderr, flush=True)
        found, code = None, FAILED
    records = [socket.inet_aton(one) for one in found or [] if kind == A]
    head = struct.pack("!6H", number, 0x8480 | (flags & 0x0100) | code, 1, len(records), 0, 0)
    body = b"".join(struct.pack("!3HIH", 0xC00C, A, 1, TTL_S, 4) + one for one in records)
    return head + question[12 : at + 5] + body


def main():
    listening = []
    for address in sys.argv[1:]:
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.bind((address, 53))
        listening.append(one)
    while True:
        for one in select.select(listening, [], [])[0]:
            question, who = one.recvfrom(PACKET_BYTES)
            try:
                one.sendto(answer(question), who)
            except (IndexError, struct.error, UnicodeDecodeError) as error:
                print(f"no question: {error}", file=sys.stderr, flush=True)


main()
