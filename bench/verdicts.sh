#!/usr/bin/env bash
# Do verdicts repeat? So many runs of `stress` against one cluster that stays, each judged for itself: prints, by check, the
# verdicts of the runs, those that differ first. Writes bench/results/verdicts-DATE.md; exits with 99 where one differs.
#   bench/verdicts.sh [RUNS] [CONNECTIONS] [DURATION]
# ERLMCP=path measures another build than target/release/erlmcp, which is built otherwise.
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${1:-5}
connections=${2:-20000}
duration=${3:-75s}
if [ -z "${ERLMCP:-}" ]; then cargo build --release --locked; ERLMCP=$PWD/target/release/erlmcp; fi
work=$(mktemp -d)
cluster=
clean_up() {
  [ -z "$cluster" ] || kill "$cluster" 2>/dev/null || true
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap clean_up EXIT
"$ERLMCP" cluster --replicas 12 --listen 127.0.0.1:0 --control "$work/control.sock" >"$work/cluster.log" 2>&1 & cluster=$!
until grep -q 'listening on ' "$work/cluster.log"; do
  kill -0 "$cluster" 2>/dev/null || { cat "$work/cluster.log" >&2; exit 1; }
  sleep 0.1
done
url=http://$(sed -n 's/.*listening on //p' "$work/cluster.log" | head -1)
for run in $(seq "$runs"); do
  echo "run $run of $runs" >&2
  code=0
  "$ERLMCP" stress "$url" -c "$connections" -d "$duration" -o "$work/$run" >"$work/$run.log" 2>&1 || code=$?
  [ -e "$work/$run/report.json" ] || { tail -20 "$work/$run.log" >&2; exit 1; }
  echo "  exit code $code" >&2
done
mkdir -p bench/results
result=bench/results/verdicts-$(date +%Y-%m-%d).md
python3 -B bench/verdicts.py "$work" "$runs" "$connections connections, $duration of sustained load, 12 replicas" | tee "$result"
exit "${PIPESTATUS[0]}"
