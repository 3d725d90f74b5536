#!/usr/bin/env bash
# Writes what a test of deploy/ has measured, lines of a table on standard input, to bench/results/NAME-DATE.md: below what was
# measured earlier on the same day.
#   keep.sh NAME TITLE WHO-SHARED-THE-CORES BINARY COMMAND
set -euo pipefail
cd "$(dirname "$0")/.."
name=$1 title=$2 who=$3 binary=$4 command=$5
path=bench/results/$name-$(date +%F).md
[ ! -e "$path" ] || echo >>"$path"
{
  cat <<HEAD
# $title, $(date '+%F %H:%M')

$(. peers/shell.sh && machine "$who") $("$binary" --version). Made by \`$command\`.

| what | measured |
|---|---|
HEAD
  cat
} >>"$path"
echo "written to $path"
