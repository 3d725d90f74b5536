#!/usr/bin/env bash
# The chart in a real cluster of one node (cluster.sh, which says what of it is real): pods, probes, the disruption budget, a rolling
# restart under clients, runs of the CronJob that break pods, the network policies, scaling. Needs root, Debian's docker.io (for the
# image, and for its containerd and runc), containernetworking-plugins, conntrack, nftables, and in the folder KUBERNETES the programs of a
# Kubernetes release (kube-apiserver, kube-controller-manager, kube-scheduler, kubelet, kube-proxy, kubectl) and etcd. Nothing of it
# outlives the script, however that ends, but files in a folder that the next one removes. Skipped with a word, and code 77, where no
# cluster can be had.
#   deploy/kubernetes/test.sh              all of it
#   deploy/kubernetes/test.sh --keep       also writes its figures to bench/results/kubernetes-DATE.md
#   deploy/kubernetes/test.sh --contract   also runs the drivers' contract suite there, and keeps what the API answered
# ERLMCP         the binary of the image, with the libraries that it needs [default: the static one, which deploy/image/build.sh makes]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../swarm/engine.sh"
. "$here/cluster.sh"
. "$here/helm.sh"
. "$here/../tried.sh"
build=$here/../image/build.sh

keep='' contract='' given="deploy/kubernetes/test.sh $*"
for word; do
  case $word in
    --keep) keep=1 ;;
    --contract) contract=1 ;;
    *) echo "kubernetes: what is $word?" >&2; exit 2 ;;
  esac
done
skip() { keep=; echo "SKIPPED: no cluster can be had: $*"; exit 77; }
why=$(cluster_can "${KUBERNETES:-}") || skip "$why"
why=$(engine_can) || skip "$why"
KUBERNETES=$(cd "$KUBERNETES" && pwd)

binary=${ERLMCP:-} libraries=()
[ -n "$binary" ] || binary=$("$build" --binary-only | sed -n 's/^binary: \(.*\), .*/\1/p')
[ -z "${ERLMCP:-}" ] || libraries=(--libraries)

# What a killed one left: its folder's lock is free.
for old in "${TMPDIR:-/tmp}"/erlmcp-kubernetes.*; do
  [ -e "$old/alive" ] && flock --nonblock "$old/alive" true && { groups_remove "$(basename "$old")"; rm -rf "$old"; }
done
work=$(mktemp -d "${TMPDIR:-/tmp}/erlmcp-kubernetes.XXXXXX")
exec 8>"$work/alive"
flock 8
engine='' cluster=''
finish() {
  [ -z "$engine" ] || engine_stop
  [ -z "$cluster" ] || cluster_stop
  groups_remove "$(basename "$work")"
  [ -z "$keep" ] || [ ! -s "$work/figures" ] ||
    "$here/../keep.sh" kubernetes "A Kubernetes cluster of one node" "the cluster, its pods and the clients" "$binary" "$given" <"$work/figures" || true
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM
trap 'echo "kubernetes: ended by line $LINENO: $BASH_COMMAND" >&2' ERR
set -E

fail() {
  echo "| FAIL | ${*//$'\n'/ } |" >>"$work/figures"
  echo "kubernetes: FAIL: $*" >&2
  kubectl get pods --output wide >&2 || true
  kubectl get events --sort-by=.lastTimestamp 2>/dev/null | tail -20 >&2 || true
  exit 1
}
seconds() { echo "$(($1 / 1000)).$(($1 % 1000 / 100)) s"; }
kubectl() { in_cluster kubectl "$@"; }
# until_is WHAT SECONDS COMMAND...
until_is() {
  local what=$1 within=$2 begun=$SECONDS
  shift 2
  until "$@"; do [ $((SECONDS - begun)) -lt "$within" ] || fail "$what: not after $within s"; sleep 0.1; done
}
pods() { kubectl get pods --selector app.kubernetes.io/component=server --field-selector status.phase=Running --output "$@"; }
all_ready() {
  [ "$(pods 'jsonpath={range .items[*]}{.metadata.deletionTimestamp}{.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}' | grep -c '^True$')" = "$1" ]
}

say "load of the machine before" "$(cut -d' ' -f1 /proc/loadavg)"
mkdir "$work/images" "$work/engine"
engine_start "$work/engine" "$(basename "$work")" >"$work/why" || skip "$(cat "$work/why")"
"$build" --binary "$binary" "${libraries[@]}" | sed -n 's/^image: //p' | { read -r line; say "image" "$line"; }
docker save --output "$work/images/erlmcp.tar" erlmcp:latest
# What holds a pod's namespaces. No image can be pulled.
mkdir "$work/pausing"
echo 'int pause(void); int main(void) { for (;;) pause(); }' | cc -static -O -x c -o "$work/pausing/pause" -
printf 'FROM scratch\nCOPY pause /pause\nENTRYPOINT ["/pause"]\n' >"$work/pausing/Dockerfile"
DOCKER_BUILDKIT=0 docker build --quiet --network none --tag pause:1 "$work/pausing" >/dev/null
docker save --output "$work/images/pause.tar" pause:1
engine_stop
engine=

begun=$(now_ms)
cluster_start "$KUBERNETES" "$work" "$(basename "$work")" || fail "no cluster"
say "Kubernetes $(kubectl version | sed -n 's/^Server Version: v//p') on one node, ready" "$(seconds $(($(now_ms) - begun)))"

python3 -m venv "$work/venv"
helm_find "$work"
chart() { "$helm" template erlmcp "$here/chart" --namespace default "$@"; }
# Everything that it can be told, as the API takes it, or doesn't.
for name in tokens key db bearer erlmcp-agents; do kubectl create secret generic $name --from-literal=any=thing >/dev/null; done
chart --set stress.enabled=true --set chaos.enabled=true --set 'allowedHosts={mcp.example.org}' \
  --set 'networkPolicy.fromNamespaces[0].matchLabels.team=a' --set auth.tokensSecret=tokens --set sessionKey.secret=key \
  --set store.url=postgres://u@db/operations --set store.passwordSecret=db --set stress.resultsClaim=results \
  --set stress.bearerSecret=bearer --set stress.agents=3 >"$work/everything.yaml"
kubectl apply --dry-run=server --filename "$work/everything.yaml" >"$work/dry" 2>&1 || fail "the API does not take the chart: $(tail -3 "$work/dry")"
say "the chart with everything on, taken by the API (dry run)" "$(grep -c 'server dry run' "$work/dry") objects"

# Sessions go on where another pod has their key, too.
kubectl create secret generic erlmcp-session-key --from-literal="session-key=$(openssl rand -hex 32)" >/dev/null
chart --set chaos.enabled=true --set stress.enabled=true --set stress.suspend=true --set stress.resultsClaim=results \
  --set sessionKey.secret=erlmcp-session-key --set stress.connections=60 --set stress.duration=10s --set stress.rate=100 --set 'stress.thresholds={sla.throughput_rps=50}' --set resources.requests.cpu=50m --set stress.resources.requests.cpu=50m >"$work/chart.yaml"
# What runs leave is kept: a pod's own folder ends with it.
mkdir --mode 777 "$work/results"
kubectl apply --filename - >/dev/null <<VOLUME
{"apiVersion": "v1", "kind": "List", "items": [
  {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "results"},
    "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteMany"], "hostPath": {"path": "$work/results"}, "storageClassName": ""}},
  {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "results"},
    "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": ""}}]}
VOLUME
begun=$(now_ms)
kubectl apply --filename "$work/chart.yaml" >"$work/applied" 2>&1 || fail "kubectl apply: $(tail -3 "$work/applied")"
until_is "3 pods ready" 60 all_ready 3
say "kubectl apply to 3 pods ready, of which the autoscaler makes 2 when it looks (each 15 s)" "$(seconds $(($(now_ms) - begun)))"

# Clients on the node: clients NAME COUNT SECONDS, in the background.
clients() {
  in_cluster python3 -B "$here/../swarm/clients.py" erlmcp.default.svc.cluster.local 8080 "$2" "$3" >"$work/$1" 2>&1 &
  asking=$!
  until_is "clients" 30 grep -qs '^ready' "$work/$1"
}
clients killing 24 12
killed=$(now_ms)
kubectl delete pod erlmcp-0 --grace-period=0 --force >/dev/null 2>&1
while all_ready 3; do [ $(($(now_ms) - killed)) -lt 10000 ] || fail "the deleted pod is not missed"; done
until_is "3 pods ready again" 60 all_ready 3
replaced=$(($(now_ms) - killed))
served killing
[ "$losses" -gt 0 ] || fail "no client was on the deleted pod, so nothing was tried"
say "a pod deleted under 24 clients: unserved at most" "$worst ms, $losses clients (limit 1000 ms); replaced and ready after $(seconds $replaced)"
[ "$worst" -le 1000 ] || fail "clients were not served by others within 1 s"

clients updating 24 60
begun=$(now_ms)
kubectl rollout restart statefulset/erlmcp >/dev/null
kubectl rollout status statefulset/erlmcp --timeout 120s >/dev/null || fail "the rolling restart has not ended after 120 s"
updated=$(($(now_ms) - begun))
served updating
say "all 3 replaced one by one under 24 clients: unserved at most" "$worst ms, $losses clients; after $(seconds $updated)"
[ "$worst" -le 1000 ] || fail "clients were not served by others within 1 s"

# A process that does not answer is replaced by its node.
until_is "3 pods ready" 60 all_ready 3
restarts() { kubectl get pod erlmcp-1 --output 'jsonpath={.status.containerStatuses[0].restartCount}'; }
before=$(restarts)
id=$(kubectl get pod erlmcp-1 --output 'jsonpath={.status.containerStatuses[0].containerID}')
victim=$(in_cluster ctr --address "$work/run/containerd.sock" --namespace k8s.io tasks ls | awk -v id="${id#*//}" '$1 == id { print $2 }')
begun=$(now_ms)
in_cluster kill -STOP "$victim"
until_is "not ready while it is stopped" 30 all_ready 2
unready=$(($(now_ms) - begun))
has_restarted() { [ "$(restarts)" -gt "$before" ]; }
until_is "restarted by the liveness probe" 90 has_restarted
until_is "3 pods ready" 60 all_ready 3
say "a stopped process: not ready, and well again (probes)" "$(seconds $unready), $(seconds $(($(now_ms) - begun)))"

# One at a time.
evict() { kubectl create --raw "/api/v1/namespaces/default/pods/$1/eviction" --filename - <<<"{\"apiVersion\":\"policy/v1\",\"kind\":\"Eviction\",\"metadata\":{\"name\":\"$1\"}}" 2>&1; }
evict erlmcp-0 >"$work/evicted" || fail "the first eviction: $(cat "$work/evicted")"
if evict erlmcp-1 >"$work/evicted"; then fail "a second pod was evicted while the first was away"; fi
grep -q 'disruption budget' "$work/evicted" || fail "the second eviction: $(cat "$work/evicted")"
say "evictions at once" "one granted, the second refused by the PodDisruptionBudget"
until_is "3 pods ready" 60 all_ready 3

. "$here/runs.sh"
