#!/usr/bin/env bash
# Do verdicts repeat? So many runs of `stress` against one cluster that stays, each judged for itself: prints, by check, the
# verdicts of the runs, those that differ first. Writes bench/results/verdicts-DATE.md; exits with 99 where one differs, with 3
# where all are alike and INCONCLUSIVE.
#   bench/verdicts.sh [RUNS] [CONNECTIONS] [DURATION]
# 620 s of load are what it takes to tell 99.95 % of availability: under that no run can pass, whatever the cluster does. Five
# such runs take more than an hour.
# ERLMCP=path measures another build than target/release/erlmcp, which is built otherwise.
set -euo pipefail
cd "$(dirname "$0")/.."
. peers/shell.sh
runs=${1:-5}
connections=${2:-20000}
duration=${3:-620s}
erlmcp
work=$(mktemp -d)
trap 'end_what_was_started; rm -rf "$work"' EXIT
listening "$work/cluster.log" "$ERLMCP" cluster --tied --replicas 12 --listen 127.0.0.1:0 --control "$work/control.sock"
for run in $(seq "$runs"); do
  echo "run $run of $runs" >&2
  # A process keeps the room of an earlier run's connections, so that what the next ones take can't be told: each run has new
  # processes of the same cluster.
  [ "$run" = 1 ] || "$ERLMCP" cluster update --control "$work/control.sock" >"$work/update.log" 2>&1 || { cat "$work/update.log" >&2; exit 1; }
  code=0
  "$ERLMCP" stress "http://$address" -c "$connections" -d "$duration" -o "$work/$run" >"$work/$run.log" 2>&1 || code=$?
  [ -e "$work/$run/report.json" ] || { tail -20 "$work/$run.log" >&2; exit 1; }
  echo "  exit code $code" >&2
done
mkdir -p bench/results
result=bench/results/verdicts-$(date +%Y-%m-%d).md
python3 -B bench/verdicts.py "$work" "$runs" "$connections connections, $duration of sustained load, 12 replicas" | tee "$result"
exit "${PIPESTATUS[0]}"
