#!/usr/bin/env bash
# Does `erlmcp capacity` find limits that are known? One `serve` whose workers can do 5,000 calls a second (1,000 of them, 200 ms a
# call: a sleep is up to 2 ms longer than asked for, so it must be long) and that takes 3,000 connections. Writes
# bench/results/capacity-DATE.md and prints it; exits with 99 where an estimate is more than 5 % off, with 3 where there was none.
#   bench/capacity.sh [RUNS]
# ERLMCP=path measures another build than target/release/erlmcp, which is built otherwise.
set -euo pipefail
cd "$(dirname "$0")/.."
. peers/shell.sh
runs=${1:-3}
workers=1000 ms=200 queue=50 rate=5000 connections=3000
erlmcp
ulimit -Sn "$(ulimit -Hn)"
work=$(mktemp -d)
trap 'end_what_was_started; rm -rf "$work"' EXIT

seek() { # NAME ARGUMENTS...
  local name=$1 code=0
  shift
  echo "$name" >&2
  "$ERLMCP" capacity "http://$address" -o "$work/$name" "$@" >"$work/$name.log" 2>&1 || code=$?
  [ -e "$work/$name/report.json" ] || { tail -20 "$work/$name.log" >&2; exit 1; }
}

for run in $(seq "$runs"); do
  listening "$work/serve.log" "$ERLMCP" serve --listen 127.0.0.1:0 --workers "$workers" --queue "$queue"
  seek "rate-$run" --axis rate -c 2000 --tool work --args "{\"ms\":$ms}" --slo 'errors<1%'
  end_what_was_started
  # Two of its places are the tester's own: for its questions, and for the one that looks after the target between trials.
  listening "$work/serve.log" "$ERLMCP" serve --listen 127.0.0.1:0 --max-connections "$connections"
  seek "connections-$run" --axis connections -c 1000 -r 500 --tool echo --args '{"text":"hello"}' --max-connections 10k --slo 'errors<1%'
  end_what_was_started
done
mkdir -p bench/results
result=bench/results/capacity-$(date +%Y-%m-%d).md
python3 -B bench/capacity.py "$work" "$runs" "$rate" "$connections" | tee "$result"
exit "${PIPESTATUS[0]}"
