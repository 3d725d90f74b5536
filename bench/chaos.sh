#!/usr/bin/env bash
# Faults of every kind under load: a cluster of its own, bench/faults-hundred.toml, operations that must each happen once and
# are audited at the end. Writes bench/results/chaos-DATE.md with a table by kind and prints it. Exits with the run's own
# code where the run had at least 100 faults of 20 kinds and audited a million operations without a violation, else with 3.
# Needs python3; nftables and cgroups (root, most often), or their kinds are SKIPPED.
#   bench/chaos.sh [MINUTES] [SEED] [more arguments for erlmcp chaos]
# ERLMCP=path measures another build than target/release/erlmcp, which is built otherwise. RATE: operations a second. FAULTS,
# KINDS and OPERATIONS are other least numbers, for a shorter run.
set -euo pipefail
cd "$(dirname "$0")/.."
minutes=${1:-15}
seed=${2:-1}
rate=${RATE:-1500}
shift $(($# < 2 ? $# : 2))
. peers/shell.sh
erlmcp
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p bench/results
result=$root/bench/results/chaos-$(date +%Y-%m-%d).md

echo "$minutes minutes of faults, seed $seed" >&2
code=0
(cd "$work" && "$ERLMCP" chaos --for "${minutes}m" --seed "$seed" --faults "$root/bench/faults-hundred.toml" --operations $rate \
  -o "$work/run" "$@") >"$work/chaos.log" 2>&1 || code=$?
[ -e "$work/run/report.json" ] || { tail -20 "$work/chaos.log" >&2; exit 1; }

judged=0
python3 -B bench/chaos.py "$work/run/report.json" "$code" >"$work/table.md" || judged=$?
{
  echo "# Faults of every kind under load, $(date +%Y-%m-%d)"
  echo
  echo "$(machine "cluster and generator")" \
    "\`erlmcp chaos --for ${minutes}m --seed $seed --faults bench/faults-hundred.toml --operations $rate $*\`"
  echo
  cat "$work/table.md"
} >"$result"
cat "$result"
echo "written to $result" >&2
conclude "$judged" "$work/run"
