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

# bug, and what the audit has to say of it
try() {
    local said
    mkdir "$folder/$1"
    (cd "$folder/$1" && ERLMCP_SEEDED_BUG=$1 "$erlmcp" stress -c 300 -d 6s -r 400 --replicas 3 --agents 2 --phases 3,4,6) \
        >"$folder/$1.txt" 2>&1 || true
    said=$(grep -m1 'Audit:' "$folder/$1.txt" || echo "no audit")
    if [[ $said == *"$2"* ]]; then
        printf 'found   %-5s %s\n' "$1" "${said#*Audit: }"
        echo "| $1 | $2 | yes | ${said#*Audit: } |" >>"$folder/table.md"
    else
        printf 'MISSED  %-5s %s\n' "$1" "$said"
        echo "| $1 | $2 | NO | $said |" >>"$folder/table.md"
        failed=1
    fi
}

try none "none was lost"
try a "INVALID: I3"
try b "INVALID: I3"
try c "INVALID: I4"
try d "INVALID: I2"
try e "INVALID: I6"
try f "INVALID: I2"
try g "INVALID: I7"
try h "INVALID: J"
result=bench/results/bugs-$(date +%Y-%m-%d).md
{
    echo "# Bugs on purpose, and what the audit says of a run with each, $(date +%Y-%m-%d)"
    echo
    echo "$(machine "cluster and generator") Made by \`bench/bugs.sh\`; CONTRIBUTING.md says what the bugs are."
    echo
    echo "| bug | has to be said | found | what was said |"
    echo "|---|---|---|---|"
    cat "$folder/table.md"
} >"$result"
echo "written to $result" >&2
exit "$failed"
