#!/usr/bin/env bash
# What streams and sessions cost the server: one `serve`, its own anonymous memory (smaps_rollup) before and after N are
# opened and held, each on a connection of its own. What a plain connection costs is measured the same way and is shown
# beside it, so that the difference is the stream's or the session's alone. Each measurement has a server of its own, which
# has opened and closed a few of the same before. Writes bench/results/streams-DATE.md and prints it. Needs python3 and
# a limit of descriptors above N.
#   bench/streams.sh [N] [RUNS]
# BINARY=path measures another build than target/release/erlmcp, which is built otherwise.
set -euo pipefail
cd "$(dirname "$0")/.."
count=${1:-10000}
runs=${2:-5}
port=18090
ulimit -Sn "$(ulimit -Hn)"
[ "$(ulimit -n)" = unlimited ] || [ "$(ulimit -n)" -gt $((count + 100)) ] || { echo "the limit of descriptors, $(ulimit -n), is too low for $count" >&2; exit 2; }
if [ -z "${BINARY:-}" ]; then
  cargo build --release --locked
  BINARY=$PWD/target/release/erlmcp
fi
work=$(mktemp -d)
server= holder=
clean_up() {
  [ -z "$holder" ] || kill "$holder" 2>/dev/null || true
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap clean_up EXIT

anonymous() { awk '/^Anonymous:/ { print $2 * 1024 }' "/proc/$server/smaps_rollup"; }
proportional() { awk '/^Pss_Anon:/ { print $2 * 1024 }' "/proc/$server/smaps_rollup"; }
# One number of the memory that the server itself accounts for.
part() { curl -s "http://127.0.0.1:$port/status" | python3 -c "import json, sys; print(json.load(sys.stdin)['memory']['$1'])"; }

hold() { # WHAT COUNT: returns when all are there
  rm -f "$work/go"
  mkfifo "$work/go"
  python3 bench/hold.py "$port" "$1" "$2" <"$work/go" >"$work/held" & holder=$!
  exec 4>"$work/go"
  until grep -q held "$work/held"; do
    kill -0 "$holder" 2>/dev/null || { echo "$1: they could not be opened" >&2; exit 1; }
    sleep 0.1
  done
}
let_go() {
  exec 4>&-
  wait "$holder"
  holder=
}

measure() { # WHAT: bytes each, by anonymous memory, by proportional anonymous memory, and by both parts of /status
  "$BINARY" serve --listen "127.0.0.1:$port" >"$work/serve.log" 2>&1 & server=$!
  until curl -s -o "$work/status" "http://127.0.0.1:$port/status"; do
    kill -0 "$server" 2>/dev/null || { cat "$work/serve.log" >&2; exit 1; }
    sleep 0.1
  done
  hold "$1" 100
  let_go
  sleep 1.5
  local anon pss tables buffers
  anon=$(anonymous) pss=$(proportional) tables=$(part connections) buffers=$(part buffers)
  hold "$1" "$count"
  sleep 1.5
  echo "$(anonymous) $anon $(proportional) $pss $(part connections) $tables $(part buffers) $buffers" |
    awk -v n="$count" '{ printf "%.1f %.1f %.1f %.1f\n", ($1 - $2) / n, ($3 - $4) / n, ($5 - $6) / n, ($7 - $8) / n }' >>"$work/$1"
  let_go
  kill "$server"
  wait "$server" 2>/dev/null || true
  server=
}

kinds="connection session listen get"
for run in $(seq "$runs"); do
  for kind in $kinds; do
    echo "run $run of $runs: $kind" >&2
    measure "$kind"
  done
done

column() { cut -d' ' -f"$2" "$work/$1" | sort -n; }
median() { column "$1" "$2" | awk '{ v[NR] = $1 } END { printf "%.0f", (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
range() { column "$1" "$2" | awk 'NR == 1 { low = $1 } { high = $1 } END { printf "%.0f to %.0f", low, high }'; }
name() {
  case $1 in
    connection) echo "a connection, one request answered, then idle" ;;
    session) echo "the same with a legacy session at rest" ;;
    listen) echo "a \`subscriptions/listen\` stream, acknowledged" ;;
    get) echo "a session's GET stream" ;;
  esac
}
result=bench/results/streams-$(date +%Y-%m-%d).md
mkdir -p bench/results
{
  echo "# Memory of streams and sessions, $(date +%Y-%m-%d)"
  echo
  echo "$(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo), $(nproc) cores, Linux $(uname -r). One \`erlmcp serve\`;" \
    "$count of each, held by \`bench/hold.py\`; $runs runs, each with a server of its own. Bytes each: what the server's" \
    "memory grew by, divided by $count; its user memory, so without the kernel's sockets."
  echo
  echo "| held, each on a connection of its own | anonymous memory, median | min to max | beyond a plain connection | Pss_Anon | /status: tables | /status: buffers |"
  echo "|---|---|---|---|---|---|---|"
  for kind in $kinds; do
    beyond=$(($(median "$kind" 1) - $(median connection 1)))
    [ "$kind" != connection ] || beyond=-
    echo "| $(name "$kind") | $(median "$kind" 1) | $(range "$kind" 1) | $beyond | $(median "$kind" 2) | $(median "$kind" 3) | $(median "$kind" 4) |"
  done
  echo
  echo "Wanted: a stream at most 2,048 bytes, its connection included; a session at rest nothing beyond its connection."
} >"$result"
cat "$result"
echo "written to $result" >&2
