#!/usr/bin/env bash
# Builds the container image: one static binary, this machine's root certificates, and the notices of both (/licenses). Offline
# once cargo has its crates (cargo fetch --locked); no image is pulled.
#   deploy/image/build.sh [--tag NAME] [--output FILE]
#     --tag NAME      the image's name [default: erlmcp:VERSION, and erlmcp:latest beside it]
#     --output FILE   also write the image as a file for `docker load`
#     --binary FILE   take this static binary; do not build one
#     --libraries     for tests: take a binary that is not static, without its symbols, and the libraries that it names
#     --binary-only   build the static binary, weigh it with what would be beside it, and stop
# 20 MB or more are an error. Without a docker engine only the binary is built, and the script says so with exit code 3.
set -euo pipefail
cd "$(dirname "$0")/../.."

usage() { sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2; }
tag='' output='' binary='' only_binary='' libraries=''
while [ $# -gt 0 ]; do
  case $1 in
    --tag) tag=${2:?}; shift 2 ;;
    --output) output=${2:?}; shift 2 ;;
    --binary) binary=${2:?}; shift 2 ;;
    --binary-only) only_binary=1; shift ;;
    --libraries) libraries=1; shift ;;
    *) usage ;;
  esac
done

target=$(rustc -vV | sed -n 's/^host: //p')
if [ -z "$binary" ]; then
  case $target in *-linux-gnu | *-linux-musl) ;; *) echo "image: a Linux toolchain is needed, not $target" >&2; exit 1 ;; esac
  # With --target named, build scripts and macros are not linked statically, which they can't be.
  # Incremental code is larger by a half, and cannot be optimised as a whole.
  # Relocations in the packed form take half a megabyte less; a C library older than this one would not apply them.
  packed=()
  if printf '%s\n' "glibc 2.36" "$(getconf GNU_LIBC_VERSION 2>/dev/null)" | sort -V -C; then
    packed=(-- -C link-arg=-Wl,-z,pack-relative-relocs)
  fi
  CARGO_INCREMENTAL=0 RUSTFLAGS="${RUSTFLAGS:-} -C target-feature=+crt-static" \
    cargo rustc --profile image --locked --target "$target" -p erlmcp --bin erlmcp "${packed[@]}"
  binary=${CARGO_TARGET_DIR:-target}/$target/image/erlmcp
fi
# A loader's name in it would be looked for in vain in an image that has no files.
if [ -z "$libraries" ] && LC_ALL=C grep -q -a -o -E '/lib[0-9]*/ld-[a-z0-9.-]+' <(head -c 4096 "$binary"); then
  echo "image: $binary is not static" >&2
  exit 1
fi
echo "binary: $binary, $(($(stat -c %s "$binary") / 1000)) kB"

# weigh BYTES WHAT: an error where an image of people is too large.
weigh() {
  [ -n "$libraries" ] || [ "$1" -lt 20000000 ] || { echo "image: $2 has $1 bytes; it must be below 20,000,000" >&2; exit 1; }
}
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
cp "$binary" "$context/erlmcp"
licences=$(deploy/image/notices.sh "$context/folders/licenses" "$target")
roots=/etc/ssl/certs/ca-certificates.crt
mkdir "$context/certificates"
install -m 644 "$roots" "$context/certificates" || echo "image: without $roots nothing in it can reach https://" >&2
weigh "$(find "$context" -type f -printf '%s\n' | awk '{ bytes += $1 } END { print bytes }')" "what the image is made of"
[ -z "$only_binary" ] || exit 0

docker version >/dev/null 2>&1 || { echo "image: no docker engine answers, so there is only the binary" >&2; exit 3; }
version=$("$binary" --version | awk '{ print $2 }')
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
mkdir -m 1777 "$context/folders/tmp" && mkdir "$context/folders/results"
if [ -n "$libraries" ]; then
  strip "$context/erlmcp"
  ldd "$binary" | grep -o '/[^ ]*' | while read -r library; do
    mkdir -p "$context/folders$(dirname "$library")" && cp -L "$library" "$context/folders$library"
  done
fi
cp deploy/image/Dockerfile "$context/Dockerfile"
names=(--tag "${tag:-erlmcp:$version}")
[ -n "$tag" ] || names+=(--tag erlmcp:latest)
# The old builder: it needs nothing but the engine.
DOCKER_BUILDKIT=0 docker build --quiet --network none "${names[@]}" \
  --build-arg "VERSION=$version" --build-arg "REVISION=$revision" --build-arg "LICENCES=$licences" "$context" >/dev/null 2>"$context/said" || { cat "$context/said" >&2; exit 1; }
image=${names[1]}
size=$(docker image inspect --format '{{.Size}}' "$image")
echo "image: $image, $((size / 1000)) kB"
weigh "$size" "the image"
[ -z "$output" ] || docker save --output "$output" "${tag:-erlmcp:$version}"
