#!/usr/bin/env bash
# The processes of a cluster of one node, in the foreground of namespaces that cluster.sh has made; it ends where one of them does.
#   node.sh PROGRAMS FOLDER ADDRESS RANGE-OF-SERVICES ADDRESS-OF-NAMES
set -euo pipefail
programs=$1 folder=$2 node=$3 services=$4 names=$5
here=$(cd "$(dirname "$0")" && pwd)
export PATH=$programs:$PATH
mount -t tmpfs tmpfs /run
# What a container mounts its node sees, and nobody outside.
mount --make-rshared /
ip link set lo up
ip link add node type bridge
ip address add "$node/32" dev node
ip address add "$names/32" dev node
ip link set node up
# What goes to Services is translated on its way, and needs one.
ip route add default dev node src "$node"
sysctl -q -w net.ipv4.ip_forward=1
mount --bind "$folder/resolv.conf" "$(readlink -f /etc/resolv.conf)"

begin() { # NAME PROGRAM ARGUMENTS...
  local name=$1
  shift
  "$@" >"$folder/$name.log" 2>&1 &
}
until_answers() { local _; for _ in $(seq 300); do "$@" >/dev/null 2>&1 && return; sleep 0.2; done; echo "no answer: $*"; exit 1; }

begin etcd etcd --data-dir "$folder/etcd"
begin containerd containerd --config "$folder/containerd.toml"
begin api kube-apiserver --etcd-servers http://127.0.0.1:2379 --bind-address 0.0.0.0 --secure-port 6443 --advertise-address "$node" \
  --client-ca-file "$folder/ca.crt" --tls-cert-file "$folder/api.crt" --tls-private-key-file "$folder/api.key" \
  --kubelet-preferred-address-types InternalIP --kubelet-client-certificate "$folder/admin.crt" --kubelet-client-key "$folder/admin.key" --kubelet-certificate-authority "$folder/ca.crt" \
  --service-account-issuer https://kubernetes.default.svc --service-account-key-file "$folder/accounts.key" \
  --service-account-signing-key-file "$folder/accounts.key" --service-cluster-ip-range "$services" --authorization-mode Node,RBAC
export KUBECONFIG=$folder/admin.conf
until_answers kubectl get --raw /readyz
begin controllers kube-controller-manager --kubeconfig "$folder/controllers.conf" --root-ca-file "$folder/ca.crt" \
  --service-account-private-key-file "$folder/accounts.key" --leader-elect=false
begin scheduler kube-scheduler --kubeconfig "$folder/scheduler.conf" --leader-elect=false
begin proxy kube-proxy --config "$folder/proxy.yaml" --hostname-override node
until_answers ctr --address "$folder/run/containerd.sock" version
for image in "$folder"/images/*.tar; do ctr --address "$folder/run/containerd.sock" --namespace k8s.io images import "$image"; done
begin kubelet kubelet --config "$folder/kubelet.yaml" --kubeconfig "$folder/node.conf" --root-dir "$folder/kubelet" \
  --hostname-override node --node-ip "$node" --cert-dir "$folder/kubelet-certificates" --tls-cert-file "$folder/api.crt" --tls-private-key-file "$folder/api.key"
begin watching kubectl proxy --port 8001
begin names python3 -B "$here/names.py" "$names" "$node"
wait -n
echo "something ended: $(jobs -r | wc -l) go on"
exit 1
