#!/usr/bin/env bash
# The stack on a real swarm of one node: an engine of its own (engine.sh), the image, twelve replicas, the guide's
# commands, a task that is killed, a rolling update, stress runs in the stack's network, one of which breaks tasks, the
# autoscaler. Needs root and Debian's docker.io; nothing of it outlives the script, however that ends, but files in a folder
# that the next one removes.
#   deploy/swarm/test.sh install    only gets the engine from Debian, where it can
#   deploy/swarm/test.sh            skipped with a word where no engine can be started; ERLMCP_SWARM_REQUIRED=1: that fails
# ERLMCP         the binary of the image, with the libraries that it needs [default: the static one, which build.sh makes]
# ERLMCP_STATIC  a static binary that is there already
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/engine.sh"
build=$here/../image/build.sh
stack=erlmcp service=erlmcp_erlmcp-server network=erlmcp_mcp

if [ "${1:-}" = install ]; then
  engine_can >/dev/null || { [ "$(id -u)" = 0 ] && apt-get install -y -qq --no-install-recommends docker.io iptables >/dev/null; } || true
  exit 0
fi
if ! why=$(engine_can); then
  echo "swarm: skipped: $why"
  [ -z "${ERLMCP_SWARM_REQUIRED:-}" ] || exit 1
  exit 0
fi

# The binary first: what it takes is no part of what is measured.
binary=${ERLMCP_STATIC:-${ERLMCP:-}} libraries=()
[ -n "$binary" ] || binary=$("$build" --binary-only | sed -n 's/^binary: \(.*\), .*/\1/p')
[ -n "${ERLMCP_STATIC:-}" ] || [ -z "${ERLMCP:-}" ] || libraries=(--libraries)

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
# Those that run, not those that are to: "16/16".
running() { docker service ls --filter "name=$service" --format '{{.Replicas}}'; }
# until_running N SECONDS
until_running() {
  local begun=$SECONDS
  while [ "$(running)" != "$1/$1" ]; do
    [ $((SECONDS - begun)) -lt "$2" ] || fail "$(running) tasks run, not all of $1, after $2 s"
    sleep 0.2
  done
}
containers() { docker ps --quiet --filter label=erlmcp.chaos=true --filter "name=$service" "$@"; }
healthy() { containers --filter health=healthy | wc -l; }
# Those that went with a scaling are gone a while after their tasks.
until_settled() {
  local begun=$SECONDS
  until [ "$(containers | wc -l)" = 12 ] && [ "$(healthy)" = 12 ]; do
    [ $((SECONDS - begun)) -lt 60 ] || fail "$(containers | wc -l) containers, $(healthy) of them healthy, not 12"
    sleep 0.2
  done
}
# one_shot NAME COMMAND...: a run of the tester as a service in the stack's network; its results in $work/NAME.
# --no-healthcheck is not needed: the image's own check knows that no server runs there.
one_shot() {
  local name=$1 begun=$SECONDS state=
  shift
  docker service create --quiet --detach --name "$name" --network "$network" --restart-condition none \
    --limit-memory 1G --mount "type=volume,source=$name,target=/results" "${mounts[@]}" \
    erlmcp:latest "$@" --output /results >/dev/null 2>&1
  until [[ $state =~ ^(Complete|Failed|Rejected) ]]; do
    state=$(docker service ps --format '{{.CurrentState}}' "$name" | head -1)
    [ $((SECONDS - begun)) -lt 300 ] || fail "$name has not ended after 300 s: $state"
    sleep 0.2
  done
  docker service logs --raw "$name" >"$work/$name.said" 2>&1
  docker create --name "$name-results" --volume "$name:/results" erlmcp:latest >/dev/null
  docker cp "$name-results:/results" "$work/$name" >/dev/null && docker rm "$name-results" >/dev/null
  report=$(find "$work/$name" -name report.json | head -1)
  [ -n "$report" ] || fail "$name left no results: $state; $(tail -20 "$work/$name.said")"
  docker service rm "$name" >/dev/null
}
# report_has EXPRESSION: of the report as r, and its checks by name as c.
report_has() {
  python3 -c '
import json, sys
r = json.load(open(sys.argv[1]))
c = {check["name"]: check for check in r["checks"]}
sys.exit(0 if eval(sys.argv[2]) else 1)' "$report" "$1"
}

engine_start "$work" "$(basename "$work")" || fail "the engine does not start"
swarm_start
mounts=()
"$build" --binary "$binary" "${libraries[@]}" | sed -n 's/^image: //p' | { read -r line; say "image" "$line"; }

begun=$(now_ms)
"$here/deploy-100k.sh" >"$work/deployed" 2>&1 || fail "deploy-100k.sh: $(tail -20 "$work/deployed")"
took=$(($(now_ms) - begun))
say "docker stack deploy to 12 ready" "$((took / 1000)).$((took % 1000 / 100)) s (limit 60 s)"
[ "$took" -le 60000 ] || fail "it took longer than 60 s"
grep -q 'erlmcp-stress' "$work/deployed" || fail "deploy-100k.sh does not say how to go on"

# As the guide has them.
docker service ls | grep -q 'erlmcp_erlmcp-server.* 12/12 ' || fail "docker service ls: not 12/12"
[ "$(docker service ps erlmcp_erlmcp-server | grep Running | wc -l)" = 12 ] || fail "docker service ps: not 12 Running"
timeout 3 docker service logs erlmcp_erlmcp-server -f --tail 100 >"$work/logs" 2>&1 || [ $? = 124 ] || fail "docker service logs: $(cat "$work/logs")"
[ "$(grep -c 'listening on' "$work/logs")" = 12 ] || fail "docker service logs: not all 12 say where they listen"
[ "$(docker stats --no-stream $(docker ps --quiet --filter name=erlmcp_erlmcp-server) | grep -c erlmcp_erlmcp-server)" = 12 ] ||
  fail "docker stats: not 12 lines"
docker service scale --detach erlmcp_erlmcp-server=16 >/dev/null && until_running 16 60
docker service scale --detach erlmcp_erlmcp-server=12 >/dev/null && until_running 12 60
say "docker service ls, ps, logs -f, scale to 16 and back, stats" "as typed"

# The host's Python, read-only, in the stack's network: clients NAME COUNT SECONDS, in the background.
clients() {
  docker run --rm --name "$1" --network "$network" --user 0 --entrypoint /usr/bin/python3 \
    --volume /usr:/usr:ro --volume /lib:/lib:ro --volume /lib64:/lib64:ro --volume "$here/clients.py:/clients.py:ro" \
    erlmcp:latest /clients.py erlmcp-server 8080 "$2" "$3" >"$work/$1" 2>&1 &
  asking=$!
  local _
  for _ in $(seq 300); do grep -q '^ready' "$work/$1" && return; sleep 0.1; done
  fail "the clients do not come up: $(cat "$work/$1")"
}
# served NAME: what its clients say at their end.
served() {
  wait "$asking" || fail "the clients: $(tail -3 "$work/$1")"
  read -r answered otherwise losses worst <<<"$(python3 -c '
import json, sys
said = json.loads(open(sys.argv[1]).read().splitlines()[-1])
print(said["answered"], len(said["otherwise"]), len(said["unserved_s"]), int(1000 * max(said["unserved_s"] or [0])))' "$work/$1")"
  [ "$otherwise" = 0 ] && [ "$answered" -gt 0 ] || fail "answers were not as they should be: $(tail -1 "$work/$1")"
}

# A task that is killed.
until_settled
clients killing 48 15
sleep 1
victim=$(containers | head -1)
[ -n "$victim" ] || fail "no container of the stack has the label erlmcp.chaos=true"
killed=$(now_ms)
docker kill --signal KILL "$victim" >/dev/null
while [ "$(healthy)" -ge 12 ]; do [ $(($(now_ms) - killed)) -lt 10000 ] || fail "the killed task is not seen to be gone"; sleep 0.05; done
while [ "$(healthy)" -lt 12 ]; do [ $(($(now_ms) - killed)) -lt 60000 ] || fail "the killed task was not replaced"; sleep 0.05; done
replaced=$(($(now_ms) - killed))
served killing
say "a task killed under 48 clients: unserved at most" "$worst ms, $losses clients (limit 1000 ms); replaced and healthy after $replaced ms"
[ "$losses" -gt 0 ] || fail "no client was on the killed task, so nothing was tried"
[ "$worst" -le 1000 ] || fail "clients were not served by others within 1 s"

# A rolling update, four at a time so that it takes no minutes.
until_settled
clients updating 48 30
begun=$(now_ms)
docker service update --quiet --detach --force --update-parallelism 4 --update-delay 0s --update-monitor 1s "$service" >/dev/null
state=
until [ "$state" = completed ]; do
  [ $(($(now_ms) - begun)) -lt 90000 ] || fail "the rolling update has not ended after 90 s: $state"
  sleep 0.2
  state=$(docker service inspect --format '{{if .UpdateStatus}}{{.UpdateStatus.State}}{{end}}' "$service")
done
updated=$(($(now_ms) - begun))
served updating
say "all 12 replaced under 48 clients: unserved at most" "$worst ms; all sessions went on; after $updated ms"
[ "$worst" -le 1000 ] || fail "clients were not served by others within 1 s"

# The tester as a one-shot service in the stack's network, and its results. 3: phases were left out.
one_shot erlmcp-stress stress http://tasks.erlmcp-server:8080 600 --duration 5s --warmup 1s --rate 300 --ramp-rate 300 \
  --agents 1 --phases 1,2,3,6 --allow-host tasks.erlmcp-server
report_has 'r["finish"] == "completed" and not r["invalid"]' || fail "the stress run: $(tail -20 "$work/erlmcp-stress.said")"
say "stress as a one-shot service, its results copied out" "$(ls "$(dirname "$report")" | wc -l) files"

# The same with agents of the stack's own service: the run starts none.
docker service scale --detach erlmcp_erlmcp-agent=2 >/dev/null
mounts=(--secret erlmcp-agents-token)
one_shot erlmcp-run stress http://tasks.erlmcp-server:8080 600 --duration 5s --warmup 1s --rate 300 --ramp-rate 300 \
  --phases 1,2,3,6 --allow-host tasks.erlmcp-server \
  --agents 2 --agents-listen 0.0.0.0:7400 --agents-token-file /run/secrets/erlmcp-agents-token --agents-wait 60s
mounts=()
report_has 'r["finish"] == "completed" and not r["invalid"]' || fail "the run with agents: $(tail -20 "$work/erlmcp-run.said")"
joined=$(python3 -c '
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1] + "/journal.jsonl")]
hosts = {row["host"] for row in rows if row["row"] == "joined"}
assert len(hosts) == 2, hosts
print(len(hosts))' "$(dirname "$report")") || fail "not two agents of the service: $(tail -20 "$work/erlmcp-run.said")"
docker service scale --detach erlmcp_erlmcp-agent=0 >/dev/null
say "stress by agents that are a service of their own" "$joined containers joined"

# The driver: the tester kills a task of the stack, pauses another one, and sees both come back.
until_settled
mounts=(--user 0 --mount "type=bind,source=${DOCKER_HOST#unix://},target=/var/run/docker.sock")
one_shot erlmcp-breaking stress http://tasks.erlmcp-server:8080 240 --duration 6s --warmup 1s --rate 200 --ramp-rate 300 \
  --agents 1 --phases 1,2,3,4,6 --allow-host tasks.erlmcp-server --driver swarm --seed 7
mounts=()
report_has 'r["finish"] == "completed" and not r["invalid"]' || fail "the breaking run: $(tail -40 "$work/erlmcp-breaking.said")"
faults=$(python3 -c '
import json, sys
rows = {}
for line in open(sys.argv[1] + "/journal.jsonl"):
    row = json.loads(line)
    if row["row"] == "fault":
        rows[row["id"]] = row
assert {row["kind"] for row in rows.values()} == {"kill", "partition"}, rows
for row in rows.values():
    assert row.get("effect_us") and row.get("ready_us"), row
    assert row["kind"] == "kill" or row.get("heal_verified_us"), row
    print(row["kind"], round((row["ready_us"] - row["effect_us"]) / 1e6, 1), "s", end="; ")
' "$(dirname "$report")") || fail "the faults were not as they should be: $(tail -40 "$work/erlmcp-breaking.said")"
say "stress --driver swarm: effect to ready again" "$faults"

# The driver changes the number of tasks, too.
until_settled
mounts=(--user 0 --mount "type=bind,source=${DOCKER_HOST#unix://},target=/var/run/docker.sock")
one_shot erlmcp-scaling comprehensive http://tasks.erlmcp-server:8080 240 --duration 10s --warmup 1s --rate 200 --ramp-rate 300 \
  --agents 1 --phases 7 --allow-host tasks.erlmcp-server --driver swarm --seed 7
mounts=()
report_has 'r["finish"] == "completed" and not r["invalid"]' || fail "the scaling run: $(tail -40 "$work/erlmcp-scaling.said")"
scaled=$(python3 -c '
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1] + "/journal.jsonl")]
[row] = [row for row in rows if row["row"] == "scenario" and row["name"] == "scaling"]
detail = row["detail"]
assert not row.get("inconclusive") and not row.get("skipped"), row
assert (detail["change_1_replicas_count"], detail["change_2_replicas_count"]) == (16, 12), detail
print("12 to 16 in", round(detail["change_1_scaled_ms"] / 1e3, 1), "s, and back in", round(detail["change_2_scaled_ms"] / 1e3, 1), "s")
' "$(dirname "$report")") || fail "the scaling was not as it should be: $(tail -40 "$work/erlmcp-scaling.said")"
say "comprehensive --driver swarm: scaling under load" "$scaled"
[ "$(running)" = 12/12 ] || fail "$(running) tasks after it, not 12"

# Another image by the same name: every replica is of that one when the script says that it is there.
until_settled
docker commit --change 'LABEL again=yes' "$(docker create erlmcp:latest health)" erlmcp:latest >/dev/null
begun=$SECONDS
"$here/deploy-100k.sh" >"$work/again" 2>&1 || fail "deploy-100k.sh, again: $(tail -20 "$work/again")"
grep -q 'of a former image' "$work/again" || fail "deploy-100k.sh does not see another image by the same name: $(cat "$work/again")"
until_settled
again=$(containers | xargs docker inspect --format '{{index .Config.Labels "again"}}' | grep -c yes || true)
[ "$again" = 12 ] || fail "$again replicas are of the new image, not 12"
say "deploy-100k.sh with another image by the same name" "all 12 replaced after $((SECONDS - begun)) s"

# The autoscaler: nobody is connected, so as few as it may have.
docker service create --quiet --detach --name erlmcp-autoscale --network "$network" --constraint node.role==manager --user 0 \
  --mount "type=bind,source=${DOCKER_HOST#unix://},target=/var/run/docker.sock" \
  erlmcp:latest autoscale --swarm "$service" --tasks tasks.erlmcp-server --min 8 --max 12 --cool-down 3s >/dev/null 2>&1
until_running 8 60
say "erlmcp autoscale as a service" "12 to 8 replicas"

docker service rm erlmcp-autoscale >/dev/null
docker stack rm "$stack" >/dev/null
echo "swarm: everything holds, after $SECONDS s"
