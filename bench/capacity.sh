#!/usr/bin/env bash
# Does `erlmcp capacity` find limits that are known? One `serve` whose workers can do 5,000 calls a second (50 workers, 10 ms
# each) and that takes 3,000 connections. Writes bench/results/capacity-DATE.md and prints it; exits with 99 where an estimate
# is more than 5 % off, with 3 where there was none.
#   bench/capacity.sh [RUNS]
# ERLMCP=path measures another build than target/release/erlmcp, which is built otherwise.
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${1:-3}
workers=50 ms=10 rate=5000 connections=3000
if [ -z "${ERLMCP:-}" ]; then cargo build --release --locked; ERLMCP=$PWD/target/release/erlmcp; fi
ulimit -Sn "$(ulimit -Hn)"
work=$(mktemp -d)
server=
clean_up() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap clean_up EXIT

serve() { # MORE...: starts one on a free port; its address is in $url
  "$ERLMCP" serve --listen 127.0.0.1:0 "$@" >"$work/serve.log" 2>&1 & server=$!
  until grep -q 'listening on ' "$work/serve.log"; do
    kill -0 "$server" 2>/dev/null || { cat "$work/serve.log" >&2; exit 1; }
    sleep 0.1
  done
  url=http://$(sed -n 's/.*listening on //p' "$work/serve.log" | head -1)
}
stop() {
  kill "$server"
  wait "$server" 2>/dev/null || true
  server=
}
seek() { # NAME ARGUMENTS...
  local name=$1 code=0
  shift
  echo "$name" >&2
  "$ERLMCP" capacity "$url" -o "$work/$name" "$@" >"$work/$name.log" 2>&1 || code=$?
  [ -e "$work/$name/report.json" ] || { tail -20 "$work/$name.log" >&2; exit 1; }
}

for run in $(seq "$runs"); do
  serve --workers "$workers" --queue "$workers"
  seek "rate-$run" --axis rate -c 200 --tool work --args "{\"ms\":$ms}" --slo 'errors<1%'
  stop
  # Two of its places are the tester's own: for its questions, and for the one that looks after the target between trials.
  serve --max-connections "$connections"
  seek "connections-$run" --axis connections -c 1000 -r 500 --tool echo --max-connections 10k --slo 'errors<1%'
  stop
done
mkdir -p bench/results
result=bench/results/capacity-$(date +%Y-%m-%d).md
python3 -B bench/capacity.py "$work" "$runs" "$rate" "$connections" | tee "$result"
exit "${PIPESTATUS[0]}"
