"""NetworkPolicies of a test's cluster put into force on its one node, as a network plugin would: by nftables, at the node's forwarding.

    policies.py [--node]

As far as the test needs it: pods that a policy selects for a direction take and send only what one of these policies lets through; peers
are pods of the same namespace (podSelector), ports are numbers or names. What it does not understand ends it, so that no test passes by
what was left out. What the node itself sends to its pods is let through, as networks do that leave the kubelet its probes; with --node
not to those that nobody may reach.
"""

import json
import subprocess
import sys
import time
import urllib.request

API = "http://127.0.0.1:8001"
LOOK_EVERY_S = 0.2


def items(path):
    with urllib.request.urlopen(API + path, timeout=5) as answer:
        return json.load(answer)["items"]


def selects(selector, labels):
    def holds(one):
        key, operator, values = one["key"], one["operator"], one.get("values", [])
        return {
            "In": labels.get(key) in values,
            "NotIn": labels.get(key) not in values,
            "Exists": key in labels,
            "DoesNotExist": key not in labels,
        }[operator]

    same = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    return same and all(holds(one) for one in selector.get("matchExpressions", []))


def number(port, pod):
    """A port's number; a name is one of the pod's own."""
    if isinstance(port, int):
        return port
    ports = [one for container in pod["spec"]["containers"] for one in container.get("ports", [])]
    return next((one["containerPort"] for one in ports if one.get("name") == port), None)


def let_through(rule, peers_key, pod, pods, side):
    """What a rule lets through, as matches of nftables; `side` is where the other one is: saddr or daddr."""
    assert set(rule) <= {peers_key, "ports"}, rule
    peers = rule.get(peers_key)
    assert all(set(one) == {"podSelector"} for one in peers or []), peers
    near = [one for one in pods if one["metadata"]["namespace"] == pod["metadata"]["namespace"]]
    found = [one["status"]["podIP"] for one in near for peer in peers or [] if selects(peer["podSelector"], labels_of(one))]
    whom = [""] if peers is None else [f"ip {side} {address}" for address in sorted(set(found))]
    ports = [f"{one.get('protocol', 'TCP').lower()} dport {number(one['port'], pod)}" for one in rule.get("ports", [])] or [""]
    return [f"{who} {port}" for who in whom for port in ports]


def labels_of(pod):
    return pod["metadata"].get("labels", {})


def rules(pods, policies):
    """The rules for what nobody may reach, and those for all else, as text."""
    # Answers go where questions were let through, but not once either end is cut off from everybody.
    cut, chains = [], []
    for pod in pods:
        ours = [one for one in policies if one["metadata"]["namespace"] == pod["metadata"]["namespace"]]
        ours = [one["spec"] for one in ours if selects(one["spec"].get("podSelector", {}), labels_of(pod))]
        for direction, key, peers, side, own in (
            ("Ingress", "ingress", "from", "saddr", "daddr"),
            ("Egress", "egress", "to", "daddr", "saddr"),
        ):
            bound = [one for one in ours if direction in one.get("policyTypes", ["Ingress"])]
            if not bound:
                continue
            address = pod["status"]["podIP"]
            matches = [match for one in bound for rule in one.get(key) or [] for match in let_through(rule, peers, pod, pods, side)]
            if not matches:
                cut.append(f"ip {own} {address} drop")
            chains += [f"ip {own} {address} {match} accept" for match in matches] + [f"ip {own} {address} drop"]
    return cut, ["ct state established,related accept"] + chains


def main():
    hooks = ["forward", "output"] if "--node" in sys.argv else ["forward"]
    before = None
    while True:
        pods = [one for one in items("/api/v1/pods") if one["status"].get("podIP") and not one["spec"].get("hostNetwork")]
        cut, others = now = rules(pods, items("/apis/networking.k8s.io/v1/networkpolicies"))
        if now != before:
            table = "table inet policies"
            ruleset = f"{table} {{}}\ndelete {table}\n{table} {{\n"
            for hook in hooks:
                lines = [f"type filter hook {hook} priority 0; policy accept;", *cut, *(others if hook == "forward" else [])]
                ruleset += "\n".join([f"chain {hook} {{", *lines, "}\n"])
            ruleset += "}\n"
            subprocess.run(["nft", "-f", "-"], input=ruleset, text=True, check=True)
            print(f"{len(cut) + len(others)} rules", flush=True)
            before = now
        time.sleep(LOOK_EVERY_S)


main()
