# Sourced by peers/run: every client in each era against three replicas. When a client has gone through its steps, each
# replica is killed (SIGKILL), one after another, so that the one that has served it is among them; then it goes on.

# replica NUMBER: its process id where it is ready, else nothing.
replica() {
  "$ERLMCP" cluster status --control "$control" | awk -v number="$1" '$1 == number && $3 == "ready" { print $4 }'
}

# Returns when another process serves in its place.
kill_replica() {
  local old now
  old=$(replica "$1")
  [ -n "$old" ] || { echo "replica $1 is not ready, so it cannot be killed" >&2; return 1; }
  kill -KILL "$old"
  for _ in $(seq 300); do
    now=$(replica "$1" || true)
    [ -n "$now" ] && [ "$now" != "$old" ] && return
    sleep 0.1
  done
  echo "replica $1 did not come back" >&2
  return 1
}

# Waits until the client has done its steps; false where it has ended before.
pauses() {
  for _ in $(seq 1200); do
    grep -q '^PAUSE' "$work/said" && return
    kill -0 "$1" 2>/dev/null || return 1
    sleep 0.1
  done
  return 1
}

# One client in one era against a cluster of its own; its lines are in $work/said.
through_kills_of_one() {
  local name=$1 era=$2 pid code=0 one
  killed=0
  client "$name"
  cluster_listening "$work/cluster.log" || { end_what_was_started; return 1; }
  rm -f "$work/go" && mkfifo "$work/go"
  timeout 300 "${program[@]}" "http://$address/mcp" --era "$era" --pause <"$work/go" >"$work/said" 2>&1 &
  pid=$!
  # For reading too, so that it does not wait for a client that has not come so far.
  exec {go}<>"$work/go"
  if pauses "$pid"; then
    for one in 1 2 3; do
      if kill_replica "$one"; then killed=$((killed + 1)); else code=1; fi
    done
    echo >&"$go"
  else
    echo "it did not come to the kills"
    code=1
  fi
  exec {go}>&-
  wait "$pid" || code=1
  end_what_was_started
  return $code
}

through_kills() {
  local bad=0 name era word rows=()
  erlmcp
  work=$(mktemp -d)
  for name in "${clients[@]}"; do
    for era in modern legacy; do
      speaks "$name" "$era" || continue
      : >"$work/said"
      word=passed
      printf '\n%s, %s\n' "$name" "$era"
      through_kills_of_one "$name" "$era" || { word=FAILED; bad=1; }
      cat "$work/said"
      [ "$word" = passed ] || { echo "the cluster said:"; cat "$work/cluster.log"; }
      rows+=("$(printf '%-14s %-7s %3d %6d %7d %7d %13d  %s' "$name" "$era" "$(lines ok)" "$(lines FAIL)" \
        "$(lines ABSENT)" "$killed" "$(lines 'ok *again')" "$word")")
    done
  done
  printf '\n%-14s %-7s %3s %6s %7s %7s %13s  %s\n' client era ok failed absent killed "ok after them" result
  printf '%s\n' "${rows[@]}"
  rm -r "$work"
  return $bad
}

lines() { grep -c "^$1 " "$work/said" || true; }
