#!/usr/bin/env bash
# Is the audit to be trusted? Eight clusters, each with one bug on purpose (see CONTRIBUTING.md), and one without: a run of
# `erlmcp stress` on each has to end with the invariant that is violated, and with none. About ten minutes. Writes
# bench/results/bugs-DATE.md; exits with 1 where one was missed.
set -euo pipefail
cd "$(dirname "$0")/.."
. peers/shell.sh

cargo build --release --locked -p erlmcp --features seeded-bugs --target-dir target/seeded-bugs
erlmcp=$PWD/target/seeded-bugs/release/erlmcp
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failed=0

# bug, and the invariant that has to be violated; "none": nothing may be
try() {
    local run said violated found=yes
    mkdir "$folder/$1"
    (cd "$folder/$1" && ERLMCP_SEEDED_BUG=$1 "$erlmcp" stress -c 300 -d 6s -r 400 --replicas 3 --agents 2 --phases 3,4,6) \
        >"$folder/$1.txt" 2>&1 || true
    run=$(echo "$folder/$1"/test-results/*)
    "$erlmcp" audit "$run" >"$folder/$1.audit" 2>&1 || true
    said=$(grep -E '^AUDIT: ' "$folder/$1.audit" || echo "no audit")
    violated=$(awk '/ VIOLATED / { print $1 }' "$folder/$1.audit" | paste -sd' ')
    case $2 in
    none) [ "$said" = "AUDIT: VALID" ] || found=NO ;;
    *) [[ " $violated " == *" $2 "* ]] || found=NO ;;
    esac
    [ "$found" = yes ] || failed=1
    echo "| $1 | $2 | $found | $said | $violated |" | tee -a "$folder/table.md"
}

try none none
try a I3
try b I3
try c I4
try d I2
try e I6
try f I2
try g I7
# Records that are missing where they were exported: the results are.
try h I3
result=bench/results/bugs-$(date +%Y-%m-%d).md
{
    echo "# Bugs on purpose, and what the audit says of a run with each, $(date +%Y-%m-%d)"
    echo
    echo "$(machine "cluster and generator") Made by \`bench/bugs.sh\`; CONTRIBUTING.md says what the bugs are."
    echo
    echo "| bug | has to be violated | found | what the audit says | violated |"
    echo "|---|---|---|---|---|"
    cat "$folder/table.md"
} >"$result"
echo "written to $result" >&2
exit "$failed"
