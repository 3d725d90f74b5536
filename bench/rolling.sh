#!/usr/bin/env bash
# What a rolling restart of all replicas under load costs: interleaved pairs of runs with it and without, of the same length.
# Prints, by pair, the requests refused and cut while replicas were restarted, the connections lost, and the P99 of the same
# seconds with over without. Writes bench/results/rolling-DATE.md and exits with 99 where a request was refused, cut or else not
# ok, or the median P99 rose by a fifth or more.
#   bench/rolling.sh [PAIRS] [CONNECTIONS] [REQUESTS/S] [REPLICAS] [SECONDS]
set -euo pipefail
cd "$(dirname "$0")/.."
pairs=${1:-5}
connections=${2:-100000}
rate=${3:-10000}
replicas=${4:-12}
seconds=${5:-30}
. peers/shell.sh
erlmcp
mkdir -p bench/results
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The restarts are over before the time is: what is compared is all of it from their beginning.
cat >"$work/with.toml" <<'LIST'
[[fault]]
kind = "rolling_restart"
at = "5s"
LIST
# A fault that does nothing, so that both runs have the same shape.
cat >"$work/without.toml" <<'LIST'
[[fault]]
kind = "command"
name = "nothing"
at = "5s"
inject = ["true"]
effect = ["true"]
LIST
one() { # WITH-OR-WITHOUT PAIR
  local code=0
  "$ERLMCP" chaos --faults "$work/$1.toml" --for "${seconds}s" -c "$connections" -r "$rate" --ramp-rate 5000 \
    --replicas "$replicas" --operations 0 --seed "$2" -o "$work/$1-$2" >"$work/$1-$2.log" 2>&1 || code=$?
  [ "$code" = 0 ] || [ "$code" = 3 ] || [ "$code" = 99 ] || { tail -20 "$work/$1-$2.log" >&2; exit 1; }
}
for pair in $(seq "$pairs"); do
  echo "pair $pair of $pairs" >&2
  if [ $((pair % 2)) = 1 ]; then one with "$pair"; one without "$pair"; else one without "$pair"; one with "$pair"; fi
done
result=bench/results/rolling-$(date +%Y-%m-%d).md
code=0
{
  echo "# Rolling restart under load, $(date +%Y-%m-%d)"
  echo
  echo "$(machine "cluster and generator")" \
    "$pairs interleaved pairs: $connections connections, $rate requests/s, $replicas replicas, $seconds s."
  echo
  python3 -B bench/rolling.py "$work" "$pairs" || code=$?
} >"$result"
cat "$result"
echo "written to $result" >&2
exit "$code"
