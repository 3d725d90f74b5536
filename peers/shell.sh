# Sourced by the scripts of peers/, conformance/, browser/ and bench/: what they install, start and end, and what they measure on.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# What is tested is on loopback, and a proxy is for what is installed.
no_proxy=${no_proxy:-${NO_PROXY:-}}
[ "$no_proxy" = '*' ] || no_proxy=127.0.0.1,localhost${no_proxy:+,$no_proxy}
export no_proxy NO_PROXY=$no_proxy

# need "PACKAGES OF DEBIAN" TEST...: where the test fails, the packages are tried; what still fails is said.
need() {
  local packages=$1
  shift
  "$@" >/dev/null 2>&1 && return
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing $packages from Debian" >&2
    # The test says whether it worked. Several words, one a package.
    # shellcheck disable=SC2086
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends $packages; } >/dev/null || true
    hash -r
  fi
  "$@" >/dev/null 2>&1 && return
  echo "This needs $packages (Debian's names), which could not be installed here: install it and run this again." >&2
  exit 1
}

# True where all of these can be run; `command -v` is content with one of them.
are_there() {
  local each
  for each; do command -v "$each" >/dev/null || return; done
}

# Installs the packages of a folder's lock, and puts its programs first in PATH. The lock is copied last, so that an
# interrupted installation is done again.
npm_packages() {
  if ! cmp -s "$1/package-lock.json" "$1/node_modules/.erlmcp-lock"; then
    need npm command -v npm
    npm ci --prefix "$1" --no-audit --no-fund --loglevel=error >&2 || exit 1
    cp "$1/package-lock.json" "$1/node_modules/.erlmcp-lock"
  fi
  PATH=$1/node_modules/.bin:$PATH
}

# Sets ERLMCP to the binary; without it the release binary is built first.
erlmcp() {
  if [ -n "${ERLMCP:-}" ]; then
    # Some go to another folder.
    ERLMCP=$(realpath "$ERLMCP")
    export ERLMCP
    return
  fi
  cargo build --release --locked --manifest-path "$root/Cargo.toml" -p erlmcp >&2 || exit 1
  export ERLMCP=${CARGO_TARGET_DIR:-$root/target}/release/erlmcp
}

# Builds the servers of peers/ that are in Rust, and sets peers_built to their folder.
build_peers() {
  cargo build --quiet --release --locked --manifest-path "$root/peers/rmcp-server/Cargo.toml" >&2 || exit 1
  peers_built=${CARGO_TARGET_DIR:-$root/peers/rmcp-server/target}/release
}

# machine WHO: what was measured on, which WHO shared ("server and generator"), as a sentence for a result.
machine() {
  echo "$(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo), $(nproc) cores shared by $1, Linux $(uname -r)."
}

# conclude CODE FOLDER: ends a script with that code; the folder of a run that has not passed is kept.
conclude() {
  if [ "$1" -ne 0 ]; then
    trap - EXIT
    echo "its folder is kept: $2" >&2
  fi
  exit "$1"
}

# What has been started last, and all that was: it ends with the script.
started=
running=
end_what_was_started() {
  local each
  for each in $running; do kill "$each" 2>/dev/null || true; done
  for each in $running; do wait "$each" 2>/dev/null || true; done
  started=
  running=
}
trap end_what_was_started EXIT
trap 'exit 130' INT TERM

# listening LOG PROGRAM...: starts a server and sets address to where it says that it listens.
listening() {
  local log=$1
  shift
  # At once: what an earlier server said must not be read.
  : >"$log"
  "$@" >>"$log" 2>&1 &
  started=$!
  running="$running $started"
  for _ in $(seq 600); do
    address=$(sed -n '/^listening on 127\.0\.0\.1:/ { s/^listening on \([0-9.:]*\).*/\1/p; q }' "$log")
    [ -n "$address" ] && return
    kill -0 "$started" 2>/dev/null || break
    sleep 0.1
  done
  echo "it did not start: $*" >&2
  cat "$log" >&2
  return 1
}

# A cluster of three replicas; ends with the script even where that is killed.
cluster_listening() {
  control=$(mktemp -u -t erlmcp-XXXXXX.sock)
  listening "$1" "$ERLMCP" cluster --tied --fixtures conformance --replicas 3 --listen 127.0.0.1:0 --control "$control"
}
