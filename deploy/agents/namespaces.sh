#!/usr/bin/env bash
# Three agents in network namespaces of their own, a run and a server in a fourth. In the middle of the load one agent is cut off:
# how long was it until the run noticed? 2 s, and what its threads waited for a core meanwhile, may that take. Skipped with a word,
# and code 77, where namespaces cannot be made. --keep: the figures also go to bench/results/agents-DATE.md.
# Usage: namespaces.sh [--keep] [BINARY]        (needs root, iproute2 and python3)
set -euo pipefail

keep=
[ "${1:-}" != --keep ] || { keep=$(cd "$(dirname "$0")/.." && pwd)/keep.sh; shift; }
load=$(cut -d' ' -f1 /proc/loadavg)
erlmcp=$(realpath "${1:-target/debug/erlmcp}")
folder=$(mktemp -d)
name="erlmcp$$"
started=()

cleanup() {
    for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    for at in run 1 2 3; do ip netns del "$name-$at" 2>/dev/null || true; done
    rm -rf "$folder"
}
trap cleanup EXIT

# What a machine may lack.
make() {
    "${@:2}" 2>"$folder/why" || { echo "SKIPPED: no $1 can be made: $(cat "$folder/why")"; exit 77; }
}
in_run() { ip netns exec "$name-run" "$@"; }
make "network namespace" ip netns add "$name-run"
in_run ip link set lo up
make bridge in_run ip link add bridge type bridge
in_run ip addr add 10.77.0.1/24 dev bridge
in_run ip link set bridge up
for at in 1 2 3; do
    ip netns add "$name-$at"
    make "pair of interfaces" in_run ip link add "to$at" type veth peer name eth0 netns "$name-$at"
    in_run ip link set "to$at" master bridge up
    ip -n "$name-$at" addr add "10.77.0.1$at/24" dev eth0
    ip -n "$name-$at" link set lo up
    ip -n "$name-$at" link set eth0 up
done

head -c 32 /dev/urandom | base64 >"$folder/token"
cd "$folder"
# Not by the function: its process would be a shell, and the server would outlive that.
ip netns exec "$name-run" "$erlmcp" serve --listen 10.77.0.1:8080 --insecure-open >server.log 2>&1 &
server=$!
started+=("$server")
for ((look = 0; ; look++)); do
    ! in_run "$erlmcp" health http://10.77.0.1:8080 >/dev/null 2>&1 || break
    kill -0 "$server" 2>/dev/null && [ "$look" -lt 600 ] || { cat server.log; echo "FAILED: the server did not come up"; exit 1; }
    sleep 0.1
done
for at in 1 2 3; do
    ip netns exec "$name-$at" "$erlmcp" agent --join 10.77.0.1:7400 --token-file token >"agent-$at.log" 2>&1 &
    started+=($!)
done
ip netns exec "$name-run" "$erlmcp" stress http://10.77.0.1:8080 -c 90 -r 300 -d 60s --allow-host 10.77.0.1 --phases 1,2,3,6 \
    --agents 3 --agents-listen 10.77.0.1:7400 --agents-token-file token --output run >run.log 2>&1 &
run=$!
started+=("$run")
until grep -q '^\[10s\] Latency' run.log; do
    kill -0 "$run" 2>/dev/null || { tail -20 run.log; echo "FAILED: the run ended early"; exit 1; }
    sleep 0.1
done
cut=$(python3 -c 'import time; print(time.clock_gettime_ns(time.CLOCK_MONOTONIC))')
cat "/proc/$run/task/"*/schedstat | tee waited >waited-before
in_run ip link set to2 down
for ((look = 0; look < 1000; look++)); do
    ! grep -q '^Ending early' run.log || break
    # A thread may end meanwhile.
    ! cat "/proc/$run/task/"*/schedstat >waiting 2>/dev/null || mv waiting waited
    sleep 0.02
done
code=0
wait "$run" || code=$?
grep -E 'joined|Ending early' run.log || true
judged=0
CUT=$cut CODE=$code LOAD=$load python3 - <<'PYTHON' || judged=$?
import json, os, sys


def waited_s(name):
    """For a core, all threads."""
    return sum(int(line.split()[1]) for line in open(name)) / 1e9


rows = [json.loads(line) for line in open("run/journal.jsonl")]
base = rows[0]["monotonic_base_ns"]
lost = [row for row in rows if row["row"] == "finding" and row["name"] == "agent_lost_count"]
joined = [row for row in rows if row["row"] == "joined"]
report = json.load(open("run/report.json"))
unknown = sum(line["fates"].get("unknown", 0) for line in report["ledger"])
if not lost or len(joined) != 3:
    sys.exit("FAILED: three agents had to join, and one to be found lost")
seconds = (base + lost[0]["at_us"] * 1000 - int(os.environ["CUT"])) / 1e9
hosts = ", ".join(f'{row["address"]} (clock within {row["uncertainty_us"]} us)' for row in joined)
print(f"joined: {hosts}")
late = max(0.0, waited_s("waited") - waited_s("waited-before"))
limit = f"2 s and the {late:.3f} s that the run's threads waited for a core"
print(f"noticed {seconds:.2f} s after it was cut off, of {limit}; {unknown} requests unknown; exit code {os.environ['CODE']}")
with open("figures", "w") as figures:
    print(f"| load of the machine before | {os.environ['LOAD']} |", file=figures)
    print(f"| joined | {hosts} |", file=figures)
    print(f"| a silent agent noticed after | {seconds:.3f} s, at most {limit} |", file=figures)
    print(f"| its requests that are unknown; the run's exit code | {unknown}; {os.environ['CODE']} |", file=figures)
if seconds > 2 + late or unknown == 0 or os.environ["CODE"] != "3":
    sys.exit(f"FAILED: expected {limit} at most, unknown requests, and code 3 (inconclusive)")
print("PASSED")
PYTHON
[ -z "$keep" ] || [ ! -e figures ] ||
    "$keep" agents "Agents in network namespaces" "server, agents and run" "$erlmcp" "deploy/agents/namespaces.sh --keep" <figures
exit "$judged"
