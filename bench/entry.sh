#!/usr/bin/env bash
# What it costs to ask who comes, and to ask at all: CPU of `erlmcp serve` for a tools/call on kept connections, plain against a
# file of tokens, against signed tokens (JWT, ES256), against TLS, and against a build without the checks that only refuse (Host,
# Origin, Accept, Content-Type, line ends, header fields against the body), in interleaved pairs on one machine. CPU time a
# request is compared, not requests a second, since the generator shares the cores. Needs wrk and openssl.
#   bench/entry.sh [PAIRS] [SECONDS A MEASUREMENT]
# ERLMCP=PATH, UNVALIDATED=PATH: these binaries in place of new ones, both of the same profile.
set -euo pipefail
cd "$(dirname "$0")/.."
pairs=${1:-5}
seconds=${2:-4}
. peers/shell.sh
erlmcp
work=$(mktemp -d)
trap 'end_what_was_started; rm -rf "$work"' EXIT

# Tokens: a line of a file, and one that is signed by a key whose JWKS is in a file.
base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }
made=$("$ERLMCP" token bench --scope mcp)
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
  listening "$work/$name.log" "$ERLMCP" serve --listen 127.0.0.1:0 "$@"
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

ticks() { awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$1/stat"; }
cpu_us() { # NAME: CPU a request, microseconds
  local before after
  before=$(ticks "${pid[$1]}")
  BEARER=${token[$1]} wrk -t1 -c32 -d"${seconds}s" -s bench/wrk.lua "${url[$1]}" >"$work/wrk.out"
  after=$(ticks "${pid[$1]}")
  if grep -q 'Non-2xx' "$work/wrk.out"; then cat "$work/wrk.out" >&2; exit 1; fi
  awk -v ticks=$((after - before)) -v hz="$(getconf CLK_TCK)" '/requests in/ { print ticks * 1e6 / hz / $1 }' "$work/wrk.out"
}
median() { sort -n | awk '{ v[NR] = $1 } END { print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
range() { sort -n | awk 'NR == 1 { low = $1 } { high = $1 } END { printf "%.3f to %.3f", low, high }'; }

for name in plain "${others[@]}"; do cpu_us "$name" >/dev/null; done
for pair in $(seq "$pairs"); do
  echo "pair $pair of $pairs" >&2
  for name in "${others[@]}"; do
    plain=$(cpu_us plain)
    other=$(cpu_us "$name")
    again=$(cpu_us plain)
    echo "$other" >>"$work/$name.us"
    echo "$plain" >>"$work/plain.us"
    awk "BEGIN { print 2 * $other / ($plain + $again) }" >>"$work/$name.ratio"
    awk "BEGIN { print $again / $plain }" >>"$work/control.ratio"
  done
done
echo "| Server | CPU a request, us (median) | against plain (median of pairs) | range |"
echo "|---|---|---|---|"
printf '| plain, again | %.1f | %.3f | %s |\n' "$(median <"$work/plain.us")" "$(median <"$work/control.ratio")" "$(range <"$work/control.ratio")"
for name in "${others[@]}"; do
  printf '| %s | %.1f | %.3f | %s |\n' "$name" "$(median <"$work/$name.us")" "$(median <"$work/$name.ratio")" "$(range <"$work/$name.ratio")"
done
