# Sourced by test.sh: a docker engine of its own, in namespaces of its own, which are gone with whoever started them,
# however that ends: the engine, its containers, networks and mounts end with the first process of the namespace.

# engine_can: false where no engine can be had, and says why.
engine_can() {
  [ "$(id -u)" = 0 ] || { echo "it needs root"; return 1; }
  command -v dockerd >/dev/null || { echo "there is no dockerd (Debian: apt-get install docker.io iptables)"; return 1; }
  command -v docker >/dev/null || { echo "there is no docker command (Debian: apt-get install docker.io)"; return 1; }
  command -v iptables >/dev/null || { echo "there is no iptables (Debian: apt-get install iptables)"; return 1; }
  unshare --net ip link add probe type vxlan id 1 dstport 4789 2>/dev/null || { echo "the kernel has no vxlan, or no namespaces are to be had"; return 1; }
}

# The control group that this shell is in: what the engine starts counts as the test's own.
group_of_shell() { sed -n 's/^[0-9]*:cpu[^:]*:\(\/.*\)/\1/p' /proc/self/cgroup | head -1; }

# groups_remove NAME: the control groups that were left by an engine of this name; its last processes end meanwhile.
groups_remove() {
  local _
  for _ in $(seq 50); do
    find /sys/fs/cgroup -depth -type d -path "*/$1*" -exec rmdir {} + 2>/dev/null || true
    [ -n "$(find /sys/fs/cgroup -type d -name "$1*" 2>/dev/null | head -1)" ] || return 0
    sleep 0.1
  done
}

# engine_start FOLDER NAME: sets DOCKER_HOST and engine; NAME is that of its control groups.
engine_start() {
  local folder=$1 group _
  group=$(group_of_shell)
  export DOCKER_HOST=unix://$folder/docker.sock
  setpriv --pdeathsig KILL unshare --mount --net --pid --fork --kill-child=KILL --mount-proc \
    bash -c '
      mount -t tmpfs tmpfs /run && ip link set lo up
      # The engine wants an address that others could reach it by, and there are no others.
      ip link add engine type bridge && ip address add 10.213.7.1/24 dev engine && ip link set engine up
      exec dockerd --data-root "$1/data" --exec-root "$1/exec" --pidfile "$1/pid" --host "$2" --bridge none \
        --cgroup-parent "$3"
    ' _ "$folder" "$DOCKER_HOST" "${group%/}/$2" </dev/null >"$folder/dockerd.log" 2>&1 &
  engine=$!
  for _ in $(seq 600); do
    docker version >/dev/null 2>&1 && return
    kill -0 "$engine" 2>/dev/null || { echo "dockerd does not start: $(grep -v level=info "$folder/dockerd.log" | tail -1)"; return 1; }
    sleep 0.1
  done
  echo "dockerd does not answer within 60 s"
  return 1
}

engine_stop() {
  kill -KILL "$engine" 2>/dev/null || true
  wait "$engine" 2>/dev/null || true
}

# A swarm of this one node; it listens on the engine's own address.
swarm_start() {
  docker swarm init --advertise-addr 10.213.7.1 --listen-addr 10.213.7.1 --default-addr-pool 10.214.0.0/16 >/dev/null
}
