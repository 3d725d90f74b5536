#!/usr/bin/env bash
# Builds erlmcp, runs `erlmcp stress` (with --comprehensive the suite as well), and gathers everything in one folder:
#
#   scripts/orchestrate-stress-test.sh [--comprehensive] [URL [CONNECTIONS [MINUTES]]]
#
# Without a URL, or with "local" in its place, erlmcp starts a cluster of its own. ERLMCP=path/to/erlmcp saves the build.
# It exits as the tool does: 0 pass, 1 error, 2 usage, 3 inconclusive, 99 an SLA failed, 105 interrupted; of two runs by the
# first of 105, 2, 1, 99, 3 that one of them ended with.
set -uo pipefail
suite=no words=()
for word in "$@"; do
    case $word in
        --comprehensive) suite=yes ;;
        -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit 0 ;;
        -*) echo "unknown option $word: see $0 --help" >&2; exit 2 ;;
        *) words+=("$word") ;;
    esac
done
[ "${#words[@]}" -le 3 ] || { echo "too many arguments: see $0 --help" >&2; exit 2; }
url=${words[0]:-local} connections=${words[1]:-} minutes=${words[2]:-}
root=$(cd "$(dirname "$0")/.." && pwd)
results=test-results/stress-test-$(date +%Y%m%d-%H%M%S)
compile=$(mktemp)
trap 'rm -f "$compile"' EXIT

erlmcp=${ERLMCP:-}
if [ -n "$erlmcp" ]; then
    echo "not compiled: ERLMCP=$erlmcp" >"$compile"
elif (cd "$root" && cargo build --release -p erlmcp) >"$compile" 2>&1; then
    target=${CARGO_TARGET_DIR:-target}
    case $target in /*) ;; *) target=$root/$target ;; esac
    erlmcp=$target/release/erlmcp
else
    mkdir -p "$results" && cp "$compile" "$results/compile.log"
    echo "erlmcp was not built: see $results/compile.log" >&2
    exit 1
fi

arguments=()
[ "$url" = local ] || arguments+=("$url")
[ -z "$connections" ] || arguments+=(--connections "$connections")
[ -z "$minutes" ] || arguments+=(--duration "${minutes}m")

# bash hears a signal only between two commands, or while it waits for one. Ctrl-C is for the whole group: the run has heard it.
child='' is_ended=''
trap 'is_ended=yes; [ -z "$child" ] || kill -TERM "$child" 2>/dev/null' TERM
trap : INT

# One run, its lines phase by phase beside it.
run() {
    "$erlmcp" "$1" "${arguments[@]}" --output "$2" <&0 &
    child=$!
    [ -z "$is_ended" ] || kill -TERM "$child" 2>/dev/null
    # A signal ends the waiting, and not the run.
    while wait "$child"; kill -0 "$child" 2>/dev/null; do :; done
    wait "$child"
    local code=$?
    child=''
    [ ! -f "$2/run.log" ] || awk -v at="$2" '/=== PHASE/ { n++ } n { print > (at "/phase-" n ".log") }' "$2/run.log"
    return "$code"
}

run stress "$results"
codes=$?
mkdir -p "$results" && cp "$compile" "$results/compile.log"
# What was asked for wrongly is wrong for the suite as well.
if [ "$suite" = yes ] && [ -z "$is_ended" ] && [ "$codes" != 105 ] && [ "$codes" != 2 ]; then
    run comprehensive "$results/comprehensive"
    codes="$codes $?"
fi
echo "Everything is in $results"
for code in 105 2 1 99 3; do
    case " $codes " in *" $code "*) exit "$code" ;; esac
done
# Anything else is the system's own: a signal, or no such file.
for code in $codes; do [ "$code" = 0 ] || exit "$code"; done
