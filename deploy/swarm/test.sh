#!/usr/bin/env bash
# The stack on a real swarm of one node: an engine of its own (engine.sh), the image, twelve replicas, the guide's
# commands, a task that is killed, a rolling update, stress runs in the stack's network, one of which breaks tasks, the
# autoscaler. Needs root and Debian's docker.io; nothing of it outlives the script, however that ends, but files in a folder
# that the next one removes. Skipped with a word, and code 77, where no engine can be started.
#   deploy/swarm/test.sh            all of it: 5 to 7 minutes
#   deploy/swarm/test.sh --short    without the rolling update and the runs (runs.sh): about a minute
#   deploy/swarm/test.sh --keep     also writes its figures to bench/results/swarm-DATE.md, those up to a failure and its word too
#   deploy/swarm/test.sh install    only gets the engine from Debian, where it can
# ERLMCP         the binary of the image, with the libraries that it needs [default: the static one, which build.sh makes]
# ERLMCP_STATIC  a static binary that is there already
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/engine.sh"
. "$here/../tried.sh"
build=$here/../image/build.sh
stack=erlmcp service=erlmcp_erlmcp-server network=erlmcp_mcp

short='' keep='' given="deploy/swarm/test.sh $*"
for word; do
  case $word in
    install)
      engine_can >/dev/null || { [ "$(id -u)" = 0 ] && apt-get install -y -qq --no-install-recommends docker.io iptables >/dev/null; } || true
      exit 0
      ;;
    --short) short=1 ;;
    --keep) keep=1 ;;
    *) echo "swarm: what is $word?" >&2; exit 2 ;;
  esac
done
skip() { keep=; echo "SKIPPED: no swarm can be made: $*"; exit 77; }
why=$(engine_can) || skip "$why"

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
  [ -z "$keep" ] || [ ! -s "$work/figures" ] ||
    "$here/../keep.sh" swarm "A swarm of one node" "the engine, its containers and the clients" "$binary" "$given" <"$work/figures" || true
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

fail() {
  echo "| FAIL | ${*//$'\n'/ } |" >>"$work/figures"
  echo "swarm: FAIL: $*" >&2
  docker service ps --no-trunc "$service" 2>/dev/null | head -30 >&2 || true
  exit 1
}
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

say "load of the machine before" "$(cut -d' ' -f1 /proc/loadavg)"
engine_start "$work" "$(basename "$work")" >"$work/why" || skip "$(cat "$work/why")"
swarm_start
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

[ -n "$short" ] || . "$here/runs.sh"

# The autoscaler: nobody is connected, so as few as it may have.
docker service create --quiet --detach --name erlmcp-autoscale --network "$network" --constraint node.role==manager --user 0 \
  --mount "type=bind,source=${DOCKER_HOST#unix://},target=/var/run/docker.sock" \
  erlmcp:latest autoscale --swarm "$service" --tasks tasks.erlmcp-server --min 8 --max 12 --cool-down 3s >/dev/null 2>&1
until_running 8 60
say "erlmcp autoscale as a service" "12 to 8 replicas"

docker service rm erlmcp-autoscale >/dev/null
# The network is in use until the last task of the service before has ended.
for _ in $(seq 30); do docker stack rm "$stack" >/dev/null 2>&1 && removed=1 && break || sleep 1; done
[ -n "${removed:-}" ] || fail "the stack is not removed: $(docker stack rm "$stack" 2>&1)"
echo "swarm: everything holds, after $SECONDS s"
