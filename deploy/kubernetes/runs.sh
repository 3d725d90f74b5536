# Sourced by test.sh: runs of the tester against the pods of the chart.

# faults_of RUN: a line for each fault that was made, KIND and how it ended.
faults_of() {
  python3 - "$1/journal.jsonl" <<'PYTHON'
import json, sys
last = {}
for line in open(sys.argv[1]):
    row = json.loads(line)
    if row["row"] == "fault" and row.get("kind"):
        last[row["id"]] = row
for row in last.values():
    ready = row.get("ready_us") and row.get("effect_us") and f"ready {(row['ready_us'] - row['effect_us']) / 1e6:.1f} s after its effect"
    print(row["kind"], row.get("inconclusive") or ready or "without an effect", sep=": ")
PYTHON
}
# told: the faults of the last run, and what it judged as failed.
told() {
  local failed
  failed=$(python3 -c '
import json, sys
print("; ".join(check["name"] for check in json.load(open(sys.argv[1]))["checks"] if check["verdict"] == "fail"))' "$report")
  echo "$(paste -sd ';' "$work/faults" | sed 's/;/; /g'); failed: ${failed:-nothing}"
}
# of_cronjob NAME: a run of the chart's CronJob, in a pod and with its account; its results in $report.
of_cronjob() {
  local name=$1 pod state=
  kubectl create job "$name" --from=cronjob/erlmcp-stress >/dev/null
  ended() { state=$(kubectl get job "$name" --output 'jsonpath={.status.conditions[?(@.status=="True")].type}'); [[ $state =~ Complete|Failed ]]; }
  until_is "the run $name" 400 ended
  pod=$(kubectl get pods --selector "job-name=$name" --output 'jsonpath={.items[0].metadata.name}')
  kubectl logs "$pod" >"$work/$name.said" 2>&1 || fail "kubectl logs: $(cat "$work/$name.said")"
  report=$work/results/$pod/report.json
  [ -e "$report" ] || fail "$name left no results: $state; $(tail -20 "$work/$name.said")"
  report_has 'r["finish"] == "completed" and not r["invalid"]' || fail "$name: $(tail -40 "$work/$name.said")"
}

# No network plugin of Debian enforces policies: a partition then has to be INCONCLUSIVE.
of_cronjob unenforced
faults_of "$(dirname "$report")" >"$work/faults"
grep -q '^kill: ready' "$work/faults" || fail "no pod was killed: $(cat "$work/faults"); $(tail -40 "$work/unenforced.said")"
grep -q '^partition: without an effect' "$work/faults" && grep -q 'enforces none' "$report" ||
  fail "the partition: $(cat "$work/faults"); $(tail -40 "$work/unenforced.said")"
say "the CronJob's run where no policy is enforced" "$(told)"

in_cluster python3 -B "$here/policies.py" >"$work/policies.log" 2>&1 &
policies=$!
until_is "policies in force" 10 grep -qs '^[0-9]* rules' "$work/policies.log"
until_is "3 pods ready" 60 all_ready 3
of_cronjob enforced
faults_of "$(dirname "$report")" >"$work/faults"
kill -0 "$policies" 2>/dev/null || fail "policies.py: $(tail -3 "$work/policies.log")"
[ "$(grep -c ': ready' "$work/faults")" = 2 ] || fail "the faults were not as they should be: $(cat "$work/faults"); $(grep -i -B 3 -A 3 'effect' "$work/enforced.said")"
[ -z "$(kubectl get networkpolicies --output name | grep -v /erlmcp$)" ] || fail "policies are left: $(kubectl get networkpolicies --output name)"
say "the CronJob's run where policies are enforced" "$(told)"

# A pod of another namespace is kept out by the chart's policy, one of the same is not.
kubectl create namespace elsewhere >/dev/null
asks() { # NAMESPACE: a pod of it asks a server whether it is well
  kubectl run asking --namespace "$1" --image erlmcp:latest --image-pull-policy IfNotPresent --restart Never \
    --command -- /erlmcp health http://erlmcp.default.svc.cluster.local:8080 >/dev/null
  answered() { phase=$(kubectl get pod asking --namespace "$1" --output 'jsonpath={.status.phase}'); [[ $phase =~ Succeeded|Failed ]]; }
  until_is "a pod in $1" 60 answered "$1"
}
until_is "3 pods ready" 60 all_ready 3
asks default
[ "$phase" = Succeeded ] || fail "a pod of the same namespace is not served: $(kubectl logs asking)"
asks elsewhere
[ "$phase" = Failed ] || fail "a pod of another namespace is served"
say "the chart's NetworkPolicy" "pods of its namespace are served, others are not"

# From outside the pods, with an administrator's rights: the number of pods changes under load.
in_cluster "$binary" comprehensive http://erlmcp.default.svc.cluster.local:8080 60 --allow-host erlmcp.default.svc.cluster.local \
  --duration 10s --warmup 1s --rate 100 --ramp-rate 100 --agents 1 --phases 7 --driver kubernetes --kube-api http://127.0.0.1:8001 \
  --kube-namespace default --seed 7 --output "$work/scaling" >"$work/scaling.said" 2>&1 || true
scaled=$(scaled "$work/scaling" "back == 3 < more") || fail "the scaling was not as it should be: $(tail -40 "$work/scaling.said")"
say "comprehensive --driver kubernetes: scaling under load" "$scaled"
until_is "3 pods ready" 60 all_ready 3

# The drivers' contract in this cluster, and what its API answered on the way.
if [ -n "$contract" ]; then
  kubectl create namespace load >/dev/null
  "$helm" template mcp "$here/chart" --namespace load --set chaos.enabled=true --set autoscaling.enabled=false --set replicas=3 \
    --set resources.requests.cpu=50m >"$work/contract.yaml"
  kubectl apply --namespace load --filename "$work/contract.yaml" >/dev/null
  kubectl rollout status --namespace load statefulset/mcp --timeout 60s >/dev/null || fail "the release mcp in the namespace load"
  # The driver asks from the node here, which most networks let through.
  in_cluster pkill -f policies.py
  in_cluster python3 -B "$here/policies.py" --node >"$work/policies.log" 2>&1 &
  in_cluster python3 -B "$here/record.py" 8002 8001 "$work/recorded.jsonl" >"$work/record.log" 2>&1 &
  (
    cd "$here/../.."
    target=$(rustc -vV | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_')
    export ERLMCP_TEST_KUBE_API=http://127.0.0.1:8002 "CARGO_TARGET_${target}_RUNNER=nsenter --target $(first_of_cluster) --mount --net --pid --"
    cargo test --locked --package erlmcp-orchestrator --lib -- --ignored --exact driver::fault::contract::kubernetes_keeps_the_contract_in_a_cluster
  ) >"$work/contract.log" 2>&1 || fail "the contract: $(grep -A 3 panicked "$work/contract.log" || tail -20 "$work/contract.log")"
  grep -q '1 passed' "$work/contract.log" || fail "the contract was not tried: $(tail -5 "$work/contract.log")"
  [ -z "$keep" ] || cp "$work/recorded.jsonl" "$here/../../crates/orchestrator/src/driver/kubernetes/recorded.jsonl"
  say "the drivers' contract suite, in this cluster" "kept; $(wc -l <"$work/recorded.jsonl") exchanges with its API"
fi
