#!/usr/bin/env bash
# Deploys the stack erlmcp, 12 servers for 100,000 connections, on this swarm; returns when all are ready.
#   deploy-100k.sh
# ERLMCP_IMAGE      the image [default: erlmcp:latest]; on a swarm of several nodes, one that each of them can pull
# ERLMCP_WITHIN     seconds until all are to be ready [default: 120; 600 where another version is replaced, one by one]
# Exits 0 when all are ready, 1 where they are not, and then shows why.
set -euo pipefail
cd "$(dirname "$0")"
stack=erlmcp service=erlmcp_erlmcp-server secret=erlmcp-session-key token=erlmcp-agents-token
export ERLMCP_IMAGE=${ERLMCP_IMAGE:-erlmcp:latest}

fail() { echo "deploy-100k: $*" >&2; exit 1; }
docker info >/dev/null 2>&1 || fail "no docker engine answers; start it, or set DOCKER_HOST"
[ "$(docker info --format '{{.Swarm.ControlAvailable}}')" = true ] ||
  fail "this engine is no manager of a swarm; make it one with: docker swarm init"
nodes=$(docker node ls --quiet | wc -l)
docker image inspect "$ERLMCP_IMAGE" >/dev/null 2>&1 || [ "$nodes" -gt 1 ] ||
  fail "there is no image $ERLMCP_IMAGE here; build it with: ../image/build.sh"

# Made once, and kept: another one would end all sessions.
docker secret inspect "$secret" >/dev/null 2>&1 || head -c 64 /dev/urandom | docker secret create "$secret" - >/dev/null
docker secret inspect "$token" >/dev/null 2>&1 || head -c 32 /dev/urandom | base64 | docker secret create "$token" - >/dev/null

within=120
! docker service inspect "$service" >/dev/null 2>&1 || within=600
within=${ERLMCP_WITHIN:-$within}

# --resolve-image never: what is named is used, without a registry's word.
docker stack deploy --resolve-image never --compose-file stack.yml "$stack" >/dev/null
wanted=$(docker service inspect --format '{{.Spec.Mode.Replicated.Replicas}}' "$service")

# A task runs only once its health check was good.
ready() { docker service ps --filter desired-state=running --format '{{.CurrentState}}' "$service" | grep -c '^Running' || true; }
# Empty where nothing had to be replaced.
update() { docker service inspect --format '{{if .UpdateStatus}}{{.UpdateStatus.State}}{{end}}' "$service"; }
fail_with_tasks() {
  docker service ps --no-trunc --format '{{.Name}}: {{.CurrentState}} {{.Error}}' "$service" >&2
  docker service logs --tail 20 "$service" >&2 2>&1 || true
  fail "$*; what the tasks say stands above"
}
until_ready() {
  local now last='' state
  # A moment after a deploy Swarm knows whether there is something to replace.
  sleep 2
  while :; do
    now=$(ready) state=$(update)
    [ "$now" = "$last" ] || echo "$now of $wanted replicas are ready (${SECONDS} s)"
    last=$now
    case $state in
      paused | rollback_*) fail_with_tasks "the new version was not taken: the update is $state" ;;
      '' | completed) [ "$now" -lt "$wanted" ] || return 0 ;;
    esac
    [ "$SECONDS" -lt "$within" ] ||
      fail_with_tasks "$now of $wanted replicas were ready within $within s${state:+, and the update is $state}"
    sleep 0.5
  done
}
# Tasks whose container is of another image than the name stands for here: a name that Swarm knows already says nothing to it.
former() {
  local image
  image=$(docker image inspect --format '{{.Id}}' "$ERLMCP_IMAGE")
  docker service ps --quiet --filter desired-state=running "$service" |
    xargs --no-run-if-empty docker inspect --format '{{with .Status.ContainerStatus}}{{.ContainerID}}{{end}}' |
    xargs --no-run-if-empty docker inspect --format '{{.Image}}' | grep -cvxF "$image" || true
}
until_ready
if [ "$nodes" -eq 1 ] && [ "$(former)" -gt 0 ]; then
  echo "$(former) replicas are of a former image: they are replaced"
  docker service update --quiet --detach --force "$service" >/dev/null
  until_ready
fi

network=${stack}_mcp
cat <<DONE
All $wanted replicas are ready, after $SECONDS s.

They are reached in the network $network only, by the name erlmcp-server. The stress test, inside of it:

  docker service create --name erlmcp-stress --network $network --restart-condition none --detach \\
    --limit-memory 4G --ulimit nofile=65536:65536 --mount type=volume,source=erlmcp-results,target=/results \\
    $ERLMCP_IMAGE stress http://tasks.erlmcp-server:8080 100000 15 --allow-host tasks.erlmcp-server --output /results

  docker service logs --follow erlmcp-stress

README.md says how the results come out of it, and how agents on all nodes send the load.
DONE
