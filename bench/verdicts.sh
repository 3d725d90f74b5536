#!/usr/bin/env bash
# Do verdicts repeat? So many runs of `stress` against one cluster that stays, each judged for itself: prints, by check, the
# verdicts of the runs, those that differ first. Writes bench/results/verdicts-DATE.md; exits with 99 where one differs.
#   bench/verdicts.sh [RUNS] [CONNECTIONS] [DURATION]
# ERLMCP=path measures another build than target/release/erlmcp, which is built otherwise.
set -euo pipefail
cd "$(dirname "$0")/.."
. peers/shell.sh
runs=${1:-5}
connections=${2:-20000}
duration=${3:-75s}
erlmcp
work=$(mktemp -d)
trap 'end_what_was_started; rm -rf "$work"' EXIT
listening "$work/cluster.log" "$ERLMCP" cluster --tied --replicas 12 --listen 127.0.0.1:0 --control "$work/control.sock"
# What a server keeps of the connections of an earlier run is not to be told from what the next ones take: a first run, not
# judged, makes all the others alike.
echo "first" >&2
"$ERLMCP" stress "http://$address" -c "$connections" -d 5s --phases 1,2,6 -o "$work/first" >"$work/first.log" 2>&1 || true
for run in $(seq "$runs"); do
  echo "run $run of $runs" >&2
  code=0
  "$ERLMCP" stress "http://$address" -c "$connections" -d "$duration" -o "$work/$run" >"$work/$run.log" 2>&1 || code=$?
  [ -e "$work/$run/report.json" ] || { tail -20 "$work/$run.log" >&2; exit 1; }
  echo "  exit code $code" >&2
done
mkdir -p bench/results
result=bench/results/verdicts-$(date +%Y-%m-%d).md
python3 -B bench/verdicts.py "$work" "$runs" "$connections connections, $duration of sustained load, 12 replicas" | tee "$result"
exit "${PIPESTATUS[0]}"
