#!/usr/bin/env bash
# How many durable operations a second a cluster carries out, and how long each takes: 12 replicas, one store, the tool
# `append`, each operation with an id of its own that is on the disk before it is answered. All of them are audited at the end.
# Writes bench/results/durable-DATE.md and prints it. Exits with 99 where it were fewer than 10,000 a second, one was not ok, or the
# P99 was 50 ms or more, with 3 where that cannot be said, else with the run's own code.
#   bench/durable.sh [OPERATIONS/S] [SECONDS] [more arguments for erlmcp chaos]
# The store is a file (SQLite), and then PostgreSQL where it is installed (STORES="sqlite" or "postgres" for one alone). The
# generator's part of the CPU is in the figure: it shares the machine. REPLICAS, AGENTS and CONNECTIONS (beside the operations).
# AUDIT=10000000 also makes a history of so many operations and audits it, five times: how many operations a second an audit reads.
# ERLMCP=path measures another build than target/release/erlmcp, which is built otherwise.
set -euo pipefail
cd "$(dirname "$0")/.."
rate=${1:-11000}
seconds=${2:-60}
shift $(($# < 2 ? $# : 2))
replicas=${REPLICAS:-12}
. peers/shell.sh
erlmcp
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p bench/results
result=bench/results/durable-$(date +%Y-%m-%d).md
# A fault that does nothing: the audit asks what was in flight when one began.
cat >"$work/list.toml" <<'LIST'
[[fault]]
kind = "command"
name = "nothing"
at = "5s"
inject = ["true"]
effect = ["true"]
heal = ["true"]
hold = "1s"
LIST

judged=0
one() { # STORE TARGET...
  local store=$1 code=0
  shift
  echo "$store: $rate operations a second for $seconds s" >&2
  "$ERLMCP" chaos "$@" --faults "$work/list.toml" --for "${seconds}s" -c "${CONNECTIONS:-120}" -r "${CONNECTIONS:-120}" \
    --agents "${AGENTS:-2}" --operations "$rate" --seed 1 -o "$work/$store" "${more[@]}" >"$work/$store.log" 2>&1 || code=$?
  [ -e "$work/$store/report.json" ] || { tail -20 "$work/$store.log" >&2; exit 1; }
  code=$(python3 -B bench/durable.py "$work/$store" "$store" "$rate" "$code" 3>&1 >>"$work/table.md")
  [ "$judged" = 99 ] || [ "$code" = 0 ] || judged=$code
}

more=("$@")
: >"$work/table.md"
for store in ${STORES:-sqlite postgres}; do
  case $store in
  sqlite) one sqlite --replicas "$replicas" ;;
  postgres)
    # A cluster of its own on a database of its own: peers/postgres starts both and says where the cluster listens.
    coproc held { exec python3 -B peers/postgres hold "$replicas" 2>"$work/held.log"; }
    of_held=$held_PID
    exec 9<&"${held[0]}"
    read -r url <&9 || { cat "$work/held.log" >&2; exit 1; }
    case $url in
    http*) one postgres "$url" ;;
    *) echo "| postgres | $url | | | | | | | |" >>"$work/table.md" ;;
    esac
    # It ends with its standard input.
    [ -z "${held[1]:-}" ] || exec {held[1]}>&-
    wait "$of_held" || true
    ;;
  *) echo "a store is sqlite or postgres" >&2; exit 2 ;;
  esac
done
audited=
if [ -n "${AUDIT:-}" ]; then
  for _ in 1 2 3 4 5; do
    audited+=$(cargo run --release --locked --quiet -p erlmcp-report --example audit_rate -- "$AUDIT" | grep -E '^(made|audited|peak)')$'\n'
  done
fi
{
  echo "# Durable operations a second, $(date +%Y-%m-%d)"
  echo
  echo "$(machine "cluster and generator")" \
    "$replicas replicas; $rate operations/s asked for, for $seconds s; judged without the first 5 s. From an operation's first" \
    "attempt, journaled before its first byte, until it was answered ok; one that never was counts with 10 s."
  echo
  echo "| store | ok a second | least in a second | begun a second | not ok | P50 | P99 | max | |"
  echo "|---|---|---|---|---|---|---|---|---|"
  cat "$work/table.md"
  [ -z "$audited" ] || printf '\nThe audit of a history of %s operations, five times:\n\n```\n%s```\n' "$AUDIT" "$audited"
} >"$result"
cat "$result"
echo "written to $result" >&2
exit "$judged"
