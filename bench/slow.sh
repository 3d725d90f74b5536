#!/usr/bin/env bash
# Slow clients beside good ones: so many at once that send a head byte by byte, or a body, or that ask for much and read nothing.
# Each kind in pairs: good traffic (erlmcp stress, open loop) without them and with them, on a fresh cluster each time. Writes
# bench/results/slow-DATE.md (of some kinds alone slow-KINDS-DATE.md) after each pair, so that what was measured stays where it is
# interrupted, and prints it. Wanted: the P99 of good traffic rises by less than 10 % (in the median of the pairs), memory stays
# under its cap (what a connection may hold, for each of them), and the slow ones are cut at their deadline. Exits with 99 where one
# is missed, with 3 where pairs are missing.
#   bench/slow.sh [header|body|reader]... [SLOW CLIENTS] [PAIRS] [SECONDS of good traffic]
# ERLMCP=path measures another build than target/release/erlmcp, which is built otherwise. REPLICAS (4), RATE (2000 good
# requests/s). Needs python3 and chrt. Each generator of slow clients is a process for 5,000 of them.
set -euo pipefail
cd "$(dirname "$0")/.."
kinds=()
while [[ ${1:-} =~ ^(header|body|reader)$ ]]; do
  kinds+=("$1")
  shift
done
result=$PWD/bench/results/slow-$(IFS=-; echo "${kinds[*]}${kinds:+-}")$(date +%Y-%m-%d).md
[ ${#kinds[@]} -gt 0 ] || kinds=(header body reader)
slow=${1:-20000}
pairs=${2:-5}
seconds=${3:-40}
replicas=${REPLICAS:-4}
rate=${RATE:-2000}
ulimit -Sn "$(ulimit -Hn)"
. peers/shell.sh
erlmcp
work=$(mktemp -d)
slows=
clean_up() {
  for pid in $slows; do kill "$pid" 2>/dev/null || true; done
  end_what_was_started
  rm -rf "$work"
}
trap clean_up EXIT

# The anonymous memory of all replicas, bytes.
anonymous() { for pid in $(pgrep -P "$started"); do awk '/^Anonymous:/ { print $2 * 1024 }' "/proc/$pid/smaps_rollup" 2>/dev/null || true; done | awk '{ all += $1 } END { printf "%d", all }'; }

measure() { # KIND COUNT NAME: one run of good traffic beside so many slow clients
  listening "$work/cluster.log" "$ERLMCP" cluster --tied --listen 127.0.0.1:0 --replicas "$replicas" --control "$work/control.sock"
  local before peak now left=$2 part=0 port=${address##*:}
  before=$(anonymous)
  slows=
  while [ "$left" -gt 0 ]; do
    local these=$((left < 5000 ? left : 5000))
    # Their own work is not what good clients should wait for: it gets what others leave of the cores.
    chrt --idle 0 python3 -B bench/slow.py "127.0.0.$((11 + part % replicas)):$port" "$1" "$these" $((seconds + 90)) >"$work/slow.$part" &
    slows="$slows $!"
    left=$((left - these)) part=$((part + 1))
  done
  for number in $(seq 0 $((part - 1))); do
    until grep -q open "$work/slow.$number"; do sleep 0.2; done
  done
  "$ERLMCP" stress "http://127.0.0.1:$port" -c 200 -r "$rate" -d "${seconds}s" --warmup 5s --phases 2,3,6 --agents 1 \
    -o "$work/$3" >"$work/$3.log" 2>&1 & local good=$!
  peak=$before
  while kill -0 "$good" 2>/dev/null; do
    now=$(anonymous)
    peak=$((now > peak ? now : peak))
    sleep 0.5
  done
  wait "$good" 2>/dev/null || true
  [ -e "$work/$3/report.json" ] || { tail -20 "$work/$3.log" >&2; exit 1; }
  for pid in $slows; do kill "$pid" && wait "$pid"; done
  slows=
  for number in $(seq 0 $((part - 1))); do tail -n 1 "$work/slow.$number"; done >"$work/$3.slow"
  echo "$((peak - before))" >"$work/$3.memory"
  end_what_was_started
}

# Of the pairs that are whole by now.
write_result() {
  local code=0
  {
    echo "# Slow clients beside good ones, $(date +%Y-%m-%d)"
    echo
    echo "$(machine all) A cluster of $replicas;" \
      "$slow slow clients at once, who come again when they are cut; good traffic: $rate calls of \`echo\` a second on 200 connections for" \
      "$seconds s; $pairs pairs each."
    echo
    judge || code=$?
  } >"$work/result"
  mkdir -p bench/results
  cp "$work/result" "$result"
  return "$code"
}

judge() {
  python3 -B - "$work" "$slow" "$pairs" "${kinds[@]}" <<'PYTHON'
import json, os, statistics, sys
work, slow, pairs, kinds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
# What a slow client may hold until it is cut (see erlmcp serve --print-limits).
cap_bytes = {"header": 16384, "body": 16384 + 65536, "reader": 3 * 65536}

def p99(name):
    report = json.load(open(f"{work}/{name}/report.json"))
    errors = next(one["estimate"] for one in report["checks"] if one["id"] == "sustained.error_rate_percent")
    if errors != 0:
        missed.append(f"{name}: {errors} % of the good traffic was not answered ok, and the P99 is that of the rest")
    for section in report["numbers"]:
        for figure in section["figures"]:
            if figure["name"] == "P99 Latency":
                return float(next(iter(figure["value"].values())))
    raise SystemExit(f"{name} has no P99")

print("| slow in | P99 without | with | change, median of the pairs | cut after (least, median, most) | 408 | refused | memory beside, each |")
print("|---|---|---|---|---|---|---|---|")
missed, lacking = [], []
for kind in kinds:
    # Its memory is what is written last of a measurement.
    is_whole = lambda pair: all(os.path.exists(f"{work}/{kind}.{pair}.{side}.memory") for side in ("with", "without"))
    whole = [pair for pair in range(1, pairs + 1) if is_whole(pair)]
    if len(whole) < pairs:
        lacking.append(f"{kind}: {len(whole)} of {pairs} pairs")
    if not whole:
        continue
    without = [p99(f"{kind}.{pair}.without") for pair in whole]
    with_them = [p99(f"{kind}.{pair}.with") for pair in whole]
    change = statistics.median((b - a) / a for a, b in zip(without, with_them))
    found = [json.loads(line) for pair in whole for line in open(f"{work}/{kind}.{pair}.with.slow")]
    lives = [one["cut_after_s"] for one in found if one["cut_after_s"]]
    spread = [min(life[0] for life in lives), statistics.median(life[1] for life in lives), max(life[2] for life in lives)] if lives else None
    memory = max(int(open(f"{work}/{kind}.{pair}.with.memory").read()) for pair in whole) / slow
    print(f"| {kind} | {statistics.median(without):.2f} ms | {statistics.median(with_them):.2f} ms | {change:+.1%} | {spread} s | "
          f"{sum(one['answered_408'] for one in found)} | {sum(one['refused'] for one in found)} | {memory:,.0f} bytes |")
    if change >= 0.10:
        missed.append(f"{kind}: the P99 rose by {change:.1%}")
    deadline_s = found[0]["deadline_s"]
    if not spread or abs(spread[1] - deadline_s) > 3.0:
        missed.append(f"{kind}: cut after {spread} s, not {deadline_s:g} s")
    if memory > cap_bytes[kind]:
        missed.append(f"{kind}: {memory:,.0f} bytes each, and {cap_bytes[kind]:,} is the cap")
print()
if lacking:
    print("Not measured to its end: " + "; ".join(lacking) + ".")
print("Missed: " + "; ".join(missed) + "." if missed else "All limits were kept." if not lacking else "No limit was missed so far.")
sys.exit(99 if missed else 3 if lacking else 0)
PYTHON
}

code=0
for kind in "${kinds[@]}"; do
  for pair in $(seq "$pairs"); do
    echo "$kind, pair $pair of $pairs" >&2
    # Each side goes first in every other pair.
    if [ $((pair % 2)) = 1 ]; then measure "$kind" 0 "$kind.$pair.without"; fi
    measure "$kind" "$slow" "$kind.$pair.with"
    if [ $((pair % 2)) = 0 ]; then measure "$kind" 0 "$kind.$pair.without"; fi
    code=0
    write_result || code=$?
  done
done
cat "$result"
echo "written to $result" >&2
exit "$code"
