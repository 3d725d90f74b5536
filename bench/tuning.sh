#!/usr/bin/env bash
# What each setting of docs/tuning.md does here: its default against another value, in interleaved pairs of a few seconds. Writes
# bench/results/tuning-DATE.md and prints it. About ten minutes; no measurement takes longer than 30 s.
#   bench/tuning.sh [PAIRS] [SECONDS A MEASUREMENT] [SETTING...]
# SETTING: replicas, shards, agents, workers, queue, drain; without one all of them.
# ERLMCP=path measures another build than target/release/erlmcp, which is built otherwise. Needs python3.
set -euo pipefail
cd "$(dirname "$0")/.."
. peers/shell.sh
pairs=${1:-3}
seconds=${2:-8}
shift $(($# < 2 ? $# : 2))
[ $# -gt 0 ] || set -- replicas shards agents workers queue drain
erlmcp
ulimit -Sn "$(ulimit -Hn)"
work=$(mktemp -d)
trap 'end_what_was_started; rm -rf "$work"' EXIT

# Flag, default and the other value of each.
cores=$(nproc)
declare -A flag=([replicas]=--replicas [shards]=--shards [agents]=--agents [workers]=--workers [queue]=--queue [drain]=--drain-timeout)
declare -A default=([replicas]=12 [shards]=$cores [agents]=$((cores < 2 ? cores : 2)) [workers]=50 [queue]=500 [drain]=10s)
declare -A other=([replicas]=2 [shards]=1 [agents]=1 [workers]=100 [queue]=5 [drain]=200ms)

# Its verdict is not what is asked for; what its figures lack is said by them.
stress() { # RATE ARGUMENTS...
  local rate=$1 folder
  shift
  folder=$(mktemp -d -p "$work")
  "$ERLMCP" stress "$@" -c 2000 -r "$rate" -d "${seconds}s" --phases 1,2,3,6 --operations 0 --output "$folder/run" >"$folder/log" 2>&1 ||
    [ -e "$folder/run/report.json" ] || { tail -20 "$folder/log" >&2; exit 1; }
  python3 -B bench/tuning.py run "$folder/run"
}
serve() { listening "$work/serve.log" "$ERLMCP" serve --listen 127.0.0.1:0 "$@"; }
overload() { # CALLS A SECOND, of 100 ms
  python3 -B bench/overload.py "$address" 100 "$1" "$seconds" | python3 -B bench/tuning.py overload
}
measure() { # SETTING VALUE: its figures, one a line
  case $1 in
    replicas) stress 6000 --replicas "$2" ;;
    agents) stress 12000 --agents "$2" ;;
    shards) serve --shards "$2"; stress 6000 "http://$address" --agents 1 ;;
    # More than 50 of them can do, and less than 100; and twice what 10 of them can.
    workers) serve --workers "$2"; overload 800 ;;
    queue) serve --workers 10 --queue "$2"; overload 200 ;;
    drain) serve --drain-timeout "$2"; python3 -B bench/tuning.py drain "$address" "$started" ;;
    *) echo "there is no setting $1" >&2; exit 2 ;;
  esac
  end_what_was_started
}

rows=()
for setting; do
  [ -n "${flag[$setting]:-}" ] || { echo "there is no setting $setting" >&2; exit 2; }
  for pair in $(seq "$pairs"); do
    echo "$setting, pair $pair of $pairs" >&2
    values=("${default[$setting]}" "${other[$setting]}")
    [ $((pair % 2)) = 1 ] || values=("${values[1]}" "${values[0]}")
    for value in "${values[@]}"; do measure "$setting" "$value" >>"$work/$setting.$value"; done
  done
  rows+=("$setting" "${flag[$setting]}" "${default[$setting]}" "${other[$setting]}")
done
mkdir -p bench/results
result=bench/results/tuning-$(date +%Y-%m-%d).md
{
  echo "# Settings, $(date +%Y-%m-%d)"
  echo
  echo "$(machine "server and generator")" \
    "$pairs interleaved pairs, $seconds s each: the median, and the least and the most." \
    "Replicas, shards: 2,000 connections, 6,000 requests/s; agents: 12,000 requests/s. Workers: 800 calls/s of 100 ms. Queue: 200 calls/s" \
    "of 100 ms on 10 workers. Drain: 40 calls of 1 s under way when the server is told to stop."
  echo
  python3 -B bench/tuning.py table "$work" "${rows[@]}"
} >"$result"
cat "$result"
echo "written to $result" >&2
