#!/bin/sh
# In place of the binary in tests of the script: notes how it is called, leaves a log of two phases, and ends as it is told to.
echo "$@" >> calls
command=$1
while [ $# -gt 1 ]; do [ "$1" = --output ] && out=$2; shift; done
mkdir -p "$out"
printf 'setup\n=== PHASE 1: A ===\none\n=== PHASE 2: B ===\ntwo\n' > "$out/run.log"
: > "$out/metrics.log"; : > "$out/FINAL_REPORT.md"
case $STRESS in
    # Until it is told to end, which takes it a moment.
    waits) trap 'sleep 0.3; exit 105' TERM; : > waits; while :; do sleep 0.1; done ;;
esac
case $command in stress) exit "$STRESS" ;; *) exit "$SUITE" ;; esac
