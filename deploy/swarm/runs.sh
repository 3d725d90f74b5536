# Sourced by test.sh: what takes minutes, on the stack that it has deployed.

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
mounts=()

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
    if row["row"] == "fault" and row.get("kind"):
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
scaled=$(scaled "$(dirname "$report")" "(more, back) == (16, 12)") || fail "the scaling was not as it should be: $(tail -40 "$work/erlmcp-scaling.said")"
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
