#!/usr/bin/env bash
# The benchmark of the main job: `serve` against nginx in interleaved pairs, then 100,000 connections through all six
# phases. Writes bench/results/spine-DATE.md and prints it. Needs nginx and wrk (installed from Debian where missing).
#   bench/spine.sh [PAIRS] [SECONDS A MEASUREMENT]
set -euo pipefail
cd "$(dirname "$0")/.."
pairs=${1:-5}
seconds=${2:-4}

for tool in nginx wrk; do
  command -v "$tool" >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends nginx-light wrk >/dev/null; break; }
done
cargo build --release --locked
binary=$PWD/target/release/erlmcp
mkdir -p bench/results
work=$(mktemp -d)
started=()
clean_up() {
  for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap clean_up EXIT

sed 's/PORT/18081/' bench/nginx.conf >"$work/nginx.conf"
nginx -p "$work" -c "$work/nginx.conf" & started+=($!)
"$binary" serve --listen 127.0.0.1:18080 >"$work/serve.log" 2>&1 & started+=($!)
for port in 18080 18081; do
  for _ in $(seq 100); do (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break; sleep 0.1; done
done

requests_a_second() { # PORT
  wrk -t2 -c64 -d"${seconds}s" -s bench/wrk.lua "http://127.0.0.1:$1/mcp" >"$work/wrk.out"
  if grep -q 'Non-2xx' "$work/wrk.out"; then cat "$work/wrk.out" >&2; exit 1; fi
  awk '/Requests\/sec/ { print $2 }' "$work/wrk.out"
}
median() { sort -n | awk '{ v[NR] = $1 } END { print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
range() { sort -n | awk 'NR == 1 { low = $1 } { high = $1 } END { printf "%.0f to %.0f", low, high }'; }

requests_a_second 18080 >/dev/null
requests_a_second 18081 >/dev/null
: >"$work/serve"; : >"$work/nginx"; : >"$work/ratio"; : >"$work/control"
for pair in $(seq "$pairs"); do
  echo "pair $pair of $pairs" >&2
  ours=$(requests_a_second 18080)
  theirs=$(requests_a_second 18081)
  again=$(requests_a_second 18080)
  echo "$ours" >>"$work/serve"
  echo "$theirs" >>"$work/nginx"
  awk "BEGIN { print $ours / $theirs }" >>"$work/ratio"
  awk "BEGIN { print $again / $ours }" >>"$work/control"
done
clean_up_servers() { for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done; wait 2>/dev/null || true; started=(); }
clean_up_servers

echo "the main job: 100,000 connections, six phases" >&2
code=0
"$binary" stress -o "$work/run" >"$work/stress.log" 2>&1 || code=$?

result=bench/results/spine-$(date +%Y-%m-%d).md
{
  echo "# Benchmark of the main job, $(date +%Y-%m-%d)"
  echo
  echo "$(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo), $(nproc) cores shared by servers and generators," \
    "$(awk '/MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo), Linux $(uname -r), $(rustc --version | cut -d' ' -f1,2)," \
    "nginx $(nginx -v 2>&1 | cut -d/ -f2), wrk with 2 threads."
  echo
  echo "| 64 connections, wrk, $pairs interleaved pairs of ${seconds} s | requests/s, median | min to max |"
  echo "|---|---|---|"
  echo "| \`erlmcp serve\`, tools/call echo, every check on | $(median <"$work/serve") | $(range <"$work/serve") |"
  echo "| nginx, fixed JSON | $(median <"$work/nginx") | $(range <"$work/nginx") |"
  echo "| ratio serve / nginx, by pair | $(median <"$work/ratio") | $(sort -n "$work/ratio" | sed -n '1p;$p' | paste -sd' ' | sed 's/ / to /') |"
  echo "| A/A control: serve / serve, by pair | $(median <"$work/control") | $(sort -n "$work/control" | sed -n '1p;$p' | paste -sd' ' | sed 's/ / to /') |"
  echo
  echo "The main job, \`erlmcp stress\` without arguments, ended with exit code $code:"
  echo
  sed "s,$PWD/target/release/,,; s,$work/run,results," "$work/run/FINAL_REPORT.md"
} >"$result"
cat "$result"
echo "written to $result" >&2
