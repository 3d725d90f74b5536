#!/usr/bin/env bash
# How fast a lost replica is noticed and made good, under load: a cluster of its own, one replica after another killed, and the
# longest time of each thing that follows. Writes bench/results/kills-DATE.md and prints it. Exits with 99 where a limit is
# passed (detected by the cluster 200 ms and ready again 2 s after the SIGKILL, all clients served again 1 s after the process
# was gone, from when docs/method.md counts), with 3 where fewer were killed or not all of it was seen, with the run's own code where that is neither 0 nor 3, else with 0.
#   bench/kills.sh [KILLS] [CONNECTIONS] [REQUESTS/S] [more arguments for erlmcp chaos]
# 30 kills are the usual run (5 minutes), 300 the long one (50 minutes).
#   KIND=partition bench/kills.sh [PARTITIONS] ...
# cuts a replica off instead, for 3 s each (needs nftables), and goes on with the load until it has lasted 10 minutes
# (MINUTES): limits are 1 s for the cluster and for the last client, and that no other replica is taken for lost. Writes
# bench/results/partition-DATE.md.
# ERLMCP=path measures another build than target/release/erlmcp, which is built otherwise. EVERY: seconds from one to the next
# at least; each waits besides until the load is steady. OPERATIONS: a second, beside the load, audited at the end. REPLICAS,
# SEED, RAMP (connections a second).
set -euo pipefail
cd "$(dirname "$0")/.."
kills=${1:-30}
connections=${2:-100000}
rate=${3:-10000}
shift $(($# < 3 ? $# : 3))
kind=${KIND:-kill}
every=${EVERY:-10}
replicas=${REPLICAS:-12}
case $kind in
kill) minutes=${MINUTES:-0} name=kills ;;
partition) minutes=${MINUTES:-10} name=partition ;;
*) echo "KIND is kill or partition" >&2; exit 2 ;;
esac
. peers/shell.sh
erlmcp
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p bench/results
result=bench/results/$name-$(date +%Y-%m-%d).md

# In turn: a lost replica gets its clients back as others are lost, so the next is always one that has had the longest time.
for number in $(seq "$kills"); do
  printf '[[fault]]\nkind = "%s"\nat = "%ss"\nreplicas = [%s]\n' "$kind" $((number * every)) $(((number - 1) % replicas + 1))
  [ "$kind" = kill ] || printf 'hold = "3s"\n'
done >"$work/list.toml"
seconds=$((kills * every + every))
[ "$seconds" -ge $((minutes * 60)) ] || seconds=$((minutes * 60))

echo "$kills of kind $kind in $seconds s" >&2
code=0
"$ERLMCP" chaos --faults "$work/list.toml" --for "${seconds}s" -c "$connections" -r "$rate" --ramp-rate "${RAMP:-5000}" \
  --replicas "$replicas" --operations "${OPERATIONS:-500}" --seed "${SEED:-1}" -o "$work/run" "$@" >"$work/chaos.log" 2>&1 || code=$?
[ -e "$work/run/report.json" ] || { tail -20 "$work/chaos.log" >&2; exit 1; }

judged=0
python3 -B bench/kills.py "$work/run/report.json" "$code" "$kind" "$kills" >"$work/table.md" || judged=$?
{
  echo "# $([ "$kind" = kill ] && echo "A replica killed" || echo "A replica cut off"), again and again, under load, $(date +%Y-%m-%d)"
  echo
  echo "$(machine "cluster and generator")" \
    "$replicas replicas, $connections connections, $rate requests/s, ${OPERATIONS:-500} operations/s, seed ${SEED:-1}${*:+, $*}."
  echo
  cat "$work/table.md"
} >"$result"
cat "$result"
echo "written to $result" >&2
conclude "$judged" "$work/run"
