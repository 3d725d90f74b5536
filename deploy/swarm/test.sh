#!/usr/bin/env bash
# The stack on a real swarm of one node: an engine of its own (engine.sh), the image, twelve replicas, the guide's
# commands, a small stress run in the stack's network, a task that is killed, a rolling update. Needs root and Debian's
# docker.io; nothing of it outlives the script, however that ends, but files in a folder that the next one removes.
#   deploy/swarm/test.sh install    only the static binary and, where it can, the engine from Debian
#   deploy/swarm/test.sh            skipped with a word where no engine can be started; ERLMCP_SWARM_REQUIRED=1: that fails
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/engine.sh"
root=$here/../..
stack=erlmcp service=erlmcp_erlmcp-server network=erlmcp_mcp

# The binary first: what it takes is no part of what is measured.
binary=${ERLMCP_STATIC:-}
[ -n "$binary" ] || binary=$("$root/deploy/image/build.sh" --binary-only | sed -n 's/^binary: \(.*\), .*/\1/p')
if [ "${1:-}" = install ]; then
  engine_can >/dev/null || { [ "$(id -u)" = 0 ] && apt-get install -y -qq --no-install-recommends docker.io iptables >/dev/null; } || true
  exit 0
fi

# What a killed one left: its folder's lock is free.
for old in "${TMPDIR:-/tmp}"/erlmcp-swarm.*; do
  [ -e "$old/alive" ] && flock --nonblock "$old/alive" true && { groups_remove "$(basename "$old")"; rm -rf "$old"; }
done
work=$(mktemp -d "${TMPDIR:-/tmp}/erlmcp-swarm.XXXXXX")
exec 8>"$work/alive"
flock 8
engine=
finish() {
  [ -z "$engine" ] || engine_stop
  groups_remove "$(basename "$work")"
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

fail() {
  echo "swarm: FAIL: $*" >&2
  docker service ps --no-trunc "$service" 2>/dev/null | head -30 >&2 || true
  exit 1
}
say() { printf '%-58s %s\n' "$1" "$2"; }
now_ms() { date +%s%3N; }
running() { docker service ps "$service" | grep Running | wc -l; }
# until_running N SECONDS
until_running() {
  local begun=$SECONDS
  while [ "$(running)" != "$1" ]; do
    [ $((SECONDS - begun)) -lt "$2" ] || fail "$(running) tasks run, not $1, after $2 s"
    sleep 0.2
  done
}

if ! why=$(engine_can); then
  echo "swarm: skipped: $why"
  [ -z "${ERLMCP_SWARM_REQUIRED:-}" ] || exit 1
  exit 0
fi
engine_start "$work" "$(basename "$work")" || fail "the engine does not start"
swarm_start
"$root/deploy/image/build.sh" --binary "$binary" | sed -n 's/^image: //p' | { read -r line; say "image" "$line"; }

begun=$(now_ms)
"$here/deploy-100k.sh" >"$work/deployed" || fail "deploy-100k.sh"
took=$(($(now_ms) - begun))
say "docker stack deploy to 12 ready" "$((took / 1000)).$((took % 1000 / 100)) s (limit 60 s)"
[ "$took" -le 60000 ] || fail "it took longer than 60 s"
grep -q 'erlmcp-stress' "$work/deployed" || fail "deploy-100k.sh does not say how to go on"

# As the guide has them.
[ "$(docker service ps erlmcp_erlmcp-server | grep Running | wc -l)" = 12 ] || fail "docker service ps: not 12 Running"
[ "$(docker service logs erlmcp_erlmcp-server --tail 100 2>&1 | grep -c 'listening on')" = 12 ] ||
  fail "docker service logs: not all 12 say where they listen"
docker service scale --detach erlmcp_erlmcp-server=16 >/dev/null && until_running 16 60
docker service scale --detach erlmcp_erlmcp-server=12 >/dev/null && until_running 12 60
say "docker service ps, logs, scale to 16 and back" "as typed"

# The host's Python, read-only, in the stack's network.
clients() {
  docker run --rm --name clients --network "$network" --user 0 --entrypoint /usr/bin/python3 \
    --volume /usr:/usr:ro --volume /lib:/lib:ro --volume /lib64:/lib64:ro --volume "$here/clients.py:/clients.py:ro" \
    erlmcp:latest /clients.py erlmcp-server 8080 "$@"
}
unserved() { python3 -c 'import json,sys; said=json.loads(open(sys.argv[1]).read().splitlines()[-1]); print(said["answered"], len(said["otherwise"]), len(said["unserved_s"]), int(1000 * max(said["unserved_s"] or [0])))' "$1"; }

# A task that is killed.
clients 48 30 >"$work/kill" 2>&1 &
asking=$!
for _ in $(seq 300); do grep -q '^ready' "$work/kill" && break; sleep 0.1; done
grep -q '^ready' "$work/kill" || fail "the clients do not come up: $(cat "$work/kill")"
sleep 2
# Those that went with the scaling are gone first.
for _ in $(seq 300); do [ "$(docker ps --quiet --filter "name=$service" | wc -l)" = 12 ] && break; sleep 0.1; done
victim=$(docker ps --quiet --filter label=erlmcp.chaos=true --filter "name=$service" | head -1)
[ -n "$victim" ] || fail "no container of the stack has the label erlmcp.chaos=true"
killed=$(now_ms)
docker kill --signal KILL "$victim" >/dev/null
gone() { docker ps --quiet --filter label=erlmcp.chaos=true --filter health=healthy --filter "name=$service" | wc -l; }
while [ "$(gone)" -ge 12 ]; do [ $(($(now_ms) - killed)) -lt 10000 ] || fail "the killed task is not seen to be gone"; sleep 0.05; done
while [ "$(gone)" -lt 12 ]; do [ $(($(now_ms) - killed)) -lt 60000 ] || fail "the killed task was not replaced"; sleep 0.05; done
replaced=$(($(now_ms) - killed))
wait "$asking" || fail "the clients: $(tail -3 "$work/kill")"
read -r answered otherwise losses worst <<<"$(unserved "$work/kill")"
say "a task killed under 48 clients: unserved at most" "$worst ms, $losses clients (limit 1000 ms); replaced and healthy after $replaced ms"
[ "$otherwise" = 0 ] && [ "$answered" -gt 0 ] || fail "answers were not as they should be: $(tail -1 "$work/kill")"
[ "$losses" -gt 0 ] || fail "no client was on the killed task, so nothing was tried"
[ "$worst" -le 1000 ] || fail "clients were not served by others within 1 s"

# The tester as a one-shot service in the stack's network, and its results.
docker service create --quiet --detach --name erlmcp-stress --network "$network" --restart-condition none \
  --limit-memory 1G --mount type=volume,source=erlmcp-results,target=/results \
  erlmcp:latest stress http://tasks.erlmcp-server:8080 600 --duration 8s --rate 300 --ramp-rate 300 --agents 1 \
  --phases 1,2,3,6 --allow-host tasks.erlmcp-server --output /results >/dev/null
state=
for _ in $(seq 600); do
  state=$(docker service ps --format '{{.CurrentState}}' erlmcp-stress | head -1)
  case $state in Complete* | Failed* | Rejected*) break ;; esac
  sleep 0.2
done
docker create --name results --volume erlmcp-results:/results erlmcp:latest >/dev/null
docker cp results:/results "$work/results" >/dev/null && docker rm results >/dev/null
summary=$(find "$work/results" -name summary.json | head -1)
[ -n "$summary" ] || fail "the stress run left no results: $state $(docker service logs --raw --tail 20 erlmcp-stress 2>&1)"
say "stress as a one-shot service, results copied out" "$(ls "$(dirname "$summary")" | wc -l) files"
docker service logs --raw erlmcp-stress 2>&1 | tail -30 >"$work/said"
case $state in Complete*) ;; *) cat "$work/said" >&2; fail "the stress run: $state" ;; esac

docker service rm erlmcp-stress >/dev/null
docker stack rm "$stack" >/dev/null
echo "swarm: everything holds"
