#!/usr/bin/env bash
# Builds erlmcp, runs `erlmcp stress` (with --comprehensive the suite as well), and gathers everything in one folder:
#
#   scripts/orchestrate-stress-test.sh [--comprehensive] [URL [CONNECTIONS [MINUTES]]]
#
# Without a URL, or with "local" in its place, erlmcp starts a cluster of its own. ERLMCP=path/to/erlmcp saves the build.
# It exits as the tool does: 0 pass, 1 error, 2 usage, 3 inconclusive, 99 an SLA failed, 105 interrupted; of two runs the
# first code that is not 0.
set -uo pipefail
suite=no
if [ "${1:-}" = "--comprehensive" ]; then suite=yes; shift; fi
url=${1:-local} connections=${2:-} minutes=${3:-}
root=$(cd "$(dirname "$0")/.." && pwd)
results=test-results/stress-test-$(date +%Y%m%d-%H%M%S)
compile=$(mktemp)
trap 'rm -f "$compile"' EXIT

erlmcp=${ERLMCP:-}
if [ -n "$erlmcp" ]; then
    echo "not compiled: ERLMCP=$erlmcp" >"$compile"
elif (cd "$root" && cargo build --release -p erlmcp) >"$compile" 2>&1; then
    erlmcp=${CARGO_TARGET_DIR:-$root/target}/release/erlmcp
else
    mkdir -p "$results" && cp "$compile" "$results/compile.log"
    echo "erlmcp was not built: see $results/compile.log" >&2
    exit 1
fi

arguments=()
[ "$url" = local ] || arguments+=("$url")
[ -z "$connections" ] || arguments+=(--connections "$connections")
[ -z "$minutes" ] || arguments+=(--duration "${minutes}m")

# One run, its lines phase by phase beside it.
run() {
    "$erlmcp" "$1" "${arguments[@]}" --output "$2"
    local code=$?
    [ ! -f "$2/run.log" ] || awk -v at="$2" '/=== PHASE/ { n++ } n { print > (at "/phase-" n ".log") }' "$2/run.log"
    return "$code"
}

run stress "$results"
code=$?
mkdir -p "$results" && cp "$compile" "$results/compile.log"
if [ "$suite" = yes ] && [ "$code" != 105 ]; then
    run comprehensive "$results/comprehensive"
    second=$?
    [ "$code" != 0 ] || code=$second
fi
echo "Everything is in $results"
exit "$code"
