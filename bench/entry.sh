#!/usr/bin/env bash
# What it costs to ask who comes, and to ask at all: requests a second of `erlmcp serve` on one shard, for a tools/call on kept
# connections, plain against a file of tokens, against signed tokens (JWT, ES256), against TLS, and against a build without the checks
# that only refuse (Host, Origin, Accept, Content-Type, line ends, header fields against the body), in interleaved pairs on one
# machine; then its CPU a request under `erlmcp stress` with a token for each of many principals against one token for all.
# Writes bench/results/entry-DATE.md and prints it. Wanted: the checks cost less than 5 % of the requests a second, signed tokens less
# than 10 %, in the median of the pairs. Exits with 99 where one costs more, with 3 where this tells nothing: the generator was the
# bottleneck (the server's shard was busy for less than 90 % of the time), or plain against itself differed by half a limit.
# Needs wrk and openssl.
#   bench/entry.sh [PAIRS] [SECONDS A MEASUREMENT]
# ERLMCP=PATH, UNVALIDATED=PATH: these binaries in place of new ones, both of the same profile. PRINCIPALS (1000), RATE (5000
# requests/s of stress).
set -euo pipefail
cd "$(dirname "$0")/.."
pairs=${1:-5}
seconds=${2:-4}
principals=${PRINCIPALS:-1000}
rate=${RATE:-5000}
. peers/shell.sh
erlmcp
work=$(mktemp -d)
trap 'end_what_was_started; rm -rf "$work"' EXIT

# Tokens: a line of a file, and one that is signed by a key whose JWKS is in a file.
base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }
made=$("$ERLMCP" token bench --scope mcp --scope metrics)
opaque=$(sed -n 's/^the token.*:  *//p' <<<"$made")
sed -n 's/^its line.*:  *//p' <<<"$made" >"$work/tokens"
openssl ecparam -name prime256v1 -genkey -noout -out "$work/key.pem" 2>/dev/null
point=$(openssl ec -in "$work/key.pem" -pubout -outform DER 2>/dev/null | tail -c 64 | od -An -v -tx1 | tr -d ' \n')
x=$(printf '%b' "$(sed 's/../\\x&/g' <<<"${point:0:64}")" | base64url)
y=$(printf '%b' "$(sed 's/../\\x&/g' <<<"${point:64:64}")" | base64url)
echo "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ES256\",\"use\":\"sig\",\"kid\":\"b\",\"x\":\"$x\",\"y\":\"$y\"}]}" >"$work/jwks"
header=$(printf '{"alg":"ES256","typ":"JWT","kid":"b"}' | base64url)
claims=$(printf '{"iss":"https://bench.example","aud":"bench","sub":"bench","exp":%d}' $(($(date +%s) + 7200)) | base64url)
# A signature of JWS is the two numbers, 32 bytes each, that openssl wraps in DER.
signature=$(printf '%s.%s' "$header" "$claims" | openssl dgst -sha256 -sign "$work/key.pem" | openssl asn1parse -inform DER |
  sed -n 's/.*INTEGER *://p' | while read -r number; do printf '%64s' "$number" | tr ' ' '0'; done)
signed=$header.$claims.$(printf '%b' "$(sed 's/../\\x&/g' <<<"$signature")" | base64url)

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost \
  -keyout "$work/tls.pem" -out "$work/cert.pem" 2>/dev/null

declare -A pid url token
serve() { # NAME SCHEME TOKEN FLAGS...
  local name=$1 scheme=$2
  token[$name]=$3
  shift 3
  listening "$work/$name.log" "$ERLMCP" serve --listen 127.0.0.1:0 --shards 1 "$@"
  pid[$name]=$started; url[$name]=$scheme://$address/mcp
}
serve plain http ''
serve tokens http "$opaque" --tokens "$work/tokens"
serve jwt http "$signed" --jwks "$work/jwks" --jwt-issuer https://bench.example --jwt-audience bench
others=(tokens jwt)
if "$ERLMCP" serve --help | grep -q -- --tls-cert; then
  serve tls https '' --tls-cert "$work/cert.pem" --tls-key "$work/tls.pem"
  others+=(tls)
fi
if [ -z "${UNVALIDATED:-}" ]; then
  cargo build --release --locked -p erlmcp --features unvalidated --target-dir target/unvalidated
  UNVALIDATED=$PWD/target/unvalidated/release/erlmcp
fi
ERLMCP=$UNVALIDATED serve unvalidated http ''
others+=(unvalidated)

# Of them each principal has one.
echo "$opaque" >"$work/one"
cp "$work/tokens" "$work/lines"
for number in $(seq "$principals"); do
  made=$("$ERLMCP" token "client-$number" --scope mcp)
  sed -n 's/^the token.*:  *//p' <<<"$made" >>"$work/many"
  sed -n 's/^its line.*:  *//p' <<<"$made" >>"$work/lines"
done
serve principals http "$opaque" --tokens "$work/lines"

hz=$(getconf CLK_TCK)
ticks() { awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$1/stat"; }
load() { # NAME: requests a second, CPU a request in microseconds, and the share of the time that the server was busy
  local before after
  before=$(ticks "${pid[$1]}")
  BEARER=${token[$1]} wrk -t1 -c32 -d"${seconds}s" -s bench/wrk.lua "${url[$1]}" >"$work/wrk.out"
  after=$(ticks "${pid[$1]}")
  if grep -q 'Non-2xx' "$work/wrk.out"; then cat "$work/wrk.out" >&2; exit 1; fi
  awk -v used=$((after - before)) -v hz="$hz" -v seconds="$seconds" '
    /requests in/ { done = $1 } /^Requests\/sec/ { rate = $2 }
    END { printf "%.1f %.2f %.2f\n", rate, used * 1e6 / hz / done, used / hz / seconds }' "$work/wrk.out"
}
answered() { # How many calls the server of many principals has answered
  local host=${url[principals]#http://}
  host=${host%/mcp}
  exec 3<>"/dev/tcp/127.0.0.1/${host##*:}"
  printf 'GET /metrics HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nConnection: close\r\n\r\n' "$host" "$opaque" >&3
  awk '/^erlmcp_requests_total.*method="tools\/call"/ { all += $2 } END { printf "%d\n", all }' <&3
  exec 3>&-
}
stress() { # FILE OF TOKENS: CPU a request of the server, microseconds
  local before first used
  before=$(ticks "${pid[principals]}") first=$(answered)
  "$ERLMCP" stress "${url[principals]%/mcp}" --token-file "$1" -c "$principals" -r "$rate" -d "${seconds}s" --warmup 1s --phases 2,3,6 \
    --agents 1 -o "$work/run" >"$work/stress.log" 2>&1 || true
  used=$(($(ticks "${pid[principals]}") - before))
  [ -e "$work/run/report.json" ] || { tail -20 "$work/stress.log" >&2; exit 1; }
  rm -r "$work/run"
  awk "BEGIN { print $used * 1e6 / $hz / ($(answered) - $first) }"
}
median() { sort -n | awk '{ v[NR] = $1 } END { print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
range() { sort -n | awk 'NR == 1 { low = $1 } { high = $1 } END { printf "%.3f to %.3f", low, high }'; }
over() { awk "BEGIN { exit !($1 > $2) }"; }

for name in plain "${others[@]}"; do load "$name" >/dev/null; done
for pair in $(seq "$pairs"); do
  echo "pair $pair of $pairs" >&2
  for name in "${others[@]}"; do
    line=$(load plain)
    read -r plain plain_us plain_busy <<<"$line"
    line=$(load "$name")
    read -r other other_us busy <<<"$line"
    line=$(load plain)
    read -r again again_us again_busy <<<"$line"
    echo "$plain" >>"$work/plain.rate"
    echo "$plain_us" >>"$work/plain.us"
    echo "$other" >>"$work/$name.rate"
    echo "$other_us" >>"$work/$name.us"
    printf '%s\n' "$plain_busy" "$busy" "$again_busy" >>"$work/busy"
    awk "BEGIN { print 2 * $other / ($plain + $again) }" >>"$work/$name.ratio"
    awk "BEGIN { print 2 * $other_us / ($plain_us + $again_us) }" >>"$work/$name.cpu"
    awk "BEGIN { print $again / $plain }" >>"$work/plain.ratio"
    awk "BEGIN { print $again_us / $plain_us }" >>"$work/plain.cpu"
  done
done
for pair in $(seq "$pairs"); do
  echo "many principals, pair $pair of $pairs" >&2
  one=$(stress "$work/one")
  many=$(stress "$work/many")
  again=$(stress "$work/one")
  echo "$one" >>"$work/one.us"
  echo "$many" >>"$work/many.us"
  awk "BEGIN { print 2 * $many / ($one + $again) }" >>"$work/many.cpu"
  awk "BEGIN { print $again / $one }" >>"$work/one.cpu"
done

row() { # TITLE NAME
  printf '| %s | %.0f | %.3f | %s | %.1f | %.3f |\n' "$1" "$(median <"$work/$2.rate")" "$(median <"$work/$2.ratio")" "$(range <"$work/$2.ratio")" \
    "$(median <"$work/$2.us")" "$(median <"$work/$2.cpu")"
}
code=0
judge() { # WHAT COST LIMIT: a line of the table of limits; sets code
  local stray found=ok
  stray=$(awk -v control="$(median <"$work/plain.ratio")" 'BEGIN { print control < 1 ? 1 - control : control - 1 }')
  over "$3" "$2" || found=FAIL
  if over 0.9 "$(median <"$work/busy")" || over "$stray" "$(awk "BEGIN { print $3 / 2 }")"; then found=INCONCLUSIVE; fi
  case $found in FAIL) code=99 ;; INCONCLUSIVE) [ $code = 99 ] || code=3 ;; esac
  awk -v what="$1" -v cost="$2" -v limit="$3" -v found="$found" \
    'BEGIN { printf "| %s | %.1f %% | less than %g %% | %s |\n", what, cost * 100, limit * 100, found }' >>"$work/limits"
}
# The build without the checks is the quicker one, so they cost a share of what it does.
judge "the checks, of requests/s" "$(awk -v r="$(median <"$work/unvalidated.ratio")" 'BEGIN { print 1 - 1 / r }')" 0.05
judge "signed tokens (JWT), of requests/s" "$(awk -v r="$(median <"$work/jwt.ratio")" 'BEGIN { print 1 - r }')" 0.10
{
  echo "# What it costs to ask who comes, $(date +%Y-%m-%d)"
  echo
  echo "$(machine "server and generator") One \`erlmcp serve --shards 1\` of each kind; wrk, 1 thread, 32 connections, $seconds s a measurement," \
    "$pairs interleaved pairs, each plain, the other, plain again. The shard was busy for $(median <"$work/busy") of the time (median)."
  echo
  echo "| Server | requests/s (median) | against plain (median of pairs) | range | CPU a request, us | against plain |"
  echo "|---|---|---|---|---|---|"
  row "plain, again" plain
  for name in "${others[@]}"; do row "$name" "$name"; done
  echo
  echo "| | found | wanted | |"
  echo "|---|---|---|---|"
  cat "$work/limits"
  echo
  echo "\`erlmcp stress\` at $rate requests/s over $principals connections, $seconds s, CPU of the server alone, its connections included:"
  echo
  echo "| Tokens | CPU a request, us (median) | against one (median of pairs) | range |"
  echo "|---|---|---|---|"
  printf '| one, again | %.1f | %.3f | %s |\n' "$(median <"$work/one.us")" "$(median <"$work/one.cpu")" "$(range <"$work/one.cpu")"
  printf '| one for each of %s principals | %.1f | %.3f | %s |\n' "$principals" "$(median <"$work/many.us")" "$(median <"$work/many.cpu")" \
    "$(range <"$work/many.cpu")"
} >"$work/result"
result=bench/results/entry-$(date +%Y-%m-%d).md
mkdir -p bench/results
cp "$work/result" "$result"
cat "$result"
echo "written to $result" >&2
exit "$code"
