#!/usr/bin/env bash
# Gathers the notices of what is in the image and is not ours. Offline once cargo has its crates (cargo fetch --locked).
#   deploy/image/notices.sh FOLDER TARGET
#     FOLDER   gets our LICENSE, and THIRD-PARTY: every crate with the licence that it names, then each text once;
#              and the notices of the libraries of Rust and C, and of the root certificates
#     TARGET   what the binary is made for, such as x86_64-unknown-linux-gnu
# Says the licences of all of it on standard output, as one SPDX expression.
set -euo pipefail
mkdir -p "${1:?}"
folder=$(realpath "$1") target=${2:?}
cd "$(dirname "$0")/../.."

# Of ours the path is told.
crates=$(cargo tree --offline --locked --package erlmcp --edges normal --target "$target" --prefix none --format '{p}|{l}' |
  sed '/ (\//d; s/ (\*)$//; s/ (proc-macro)//; s| */ *| OR |g' | sort -u)
declare -A file=() users=()
# text WHAT FILE: what is used under the text of the file
text() {
  local sum
  sum=$(sha256sum "$2" | cut -d' ' -f1)
  file[$sum]=$2
  users[$sum]+="${users[$sum]:+, }$1"
}
while IFS='|' read -r package _; do
  sources=("${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/"${package/ v/-}")
  [ -d "${sources[0]}" ] || { echo "notices: the source of $package is not here: cargo fetch --locked" >&2; exit 1; }
  while read -r one; do
    text "$package" "$one"
  done < <(find "${sources[0]}" -maxdepth 1 -type f -iregex '.*/\(un\)?\(licen[sc]e\|copying\|copyright\|notice\)[^/]*' | sort)
done <<<"$crates"
text uPlot crates/report/assets/uplot/LICENSE

cp LICENSE "$folder/LICENSE"
{
  tr '|' '\t' <<<"$crates"
  for sum in $(printf '%s\n' "${!file[@]}" | sort); do
    printf '\n==== %s ====\n\n' "${users[$sum]}"
    cat "${file[$sum]}"
  done
} >"$folder/THIRD-PARTY"
licences=$(cut -d'|' -f2 <<<"$crates")$'\nMPL-2.0'
# copy NAME FILE: where this machine has it
copy() { [ -e "$2" ] && cp "$2" "$folder/$1" || echo "notices: there is no $2" >&2; }
copy rust-library.html "$(rustc --print sysroot)/share/doc/rust/COPYRIGHT-library.html"
copy ca-certificates /usr/share/doc/ca-certificates/copyright
case $target in *-gnu)
  licences+=$'\nLGPL-2.1-or-later'
  copy glibc /usr/share/doc/libc6-dev/copyright
esac
{ echo Apache-2.0 && echo "$licences"; } | sort -u | sed '/ /s/.*/(&)/' | paste -sd'&' | sed 's/&/ AND /g'
