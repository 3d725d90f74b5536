# Sourced by test.sh: a Kubernetes cluster of one node, in namespaces of its own, which are gone with whoever started them, however
# that ends. Everything of it is real (etcd, API server, scheduler, controllers, kubelet, kube-proxy, containerd) but two things that
# Debian has no package of: the names of Services come from names.py, and what a NetworkPolicy says is enforced by policies.py.

# Its addresses, which are nobody else's: the namespace has no way out.
node=10.213.8.1 pods_range=10.215.0.0/24 services_range=10.216.0.0/16 names=10.216.0.10

# cluster_can FOLDER: false where no cluster can be had of the programs in it, and says why.
cluster_can() {
  local program
  [ "$(id -u)" = 0 ] || { echo "it needs root"; return 1; }
  for program in kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl etcd; do
    [ -x "${1:-/nowhere}/$program" ] || { echo "KUBERNETES=FOLDER has to have the programs of a Kubernetes release, and $program is not there"; return 1; }
  done
  for program in containerd ctr runc nft openssl conntrack; do
    command -v $program >/dev/null || { echo "there is no $program (Debian: apt-get install containerd runc nftables openssl conntrack)"; return 1; }
  done
  [ -x /usr/lib/cni/ptp ] || { echo "there are no network plugins (Debian: apt-get install containernetworking-plugins)"; return 1; }
  unshare --net ip link add probe type bridge 2>/dev/null || { echo "no namespaces are to be had"; return 1; }
}

# What the programs are told: certificates, accounts, and who listens where.
cluster_configure() { # FOLDER GROUP
  local folder=$1 group=$2 who
  (
    cd "$folder"
    key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }
    key ca && openssl req -x509 -new -key ca.key -subj /CN=ca -days 1 -out ca.crt
    signed() { # NAME SUBJECT EXTENSIONS
      key "$1"
      openssl req -new -key "$1.key" -subj "$2" -out "$1.csr"
      openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 1 -extfile <(echo "$3") -out "$1.crt"
    }
    signed api /CN=kube-apiserver "subjectAltName=DNS:kubernetes,DNS:kubernetes.default.svc,IP:127.0.0.1,IP:$node,IP:${services_range%.*.*}.0.1"
    for who in admin:system:masters controllers:system:masters scheduler:system:masters proxy:system:masters node:system:nodes; do
      signed "${who%%:*}" "/O=${who#*:}/CN=system:node:node" "extendedKeyUsage=clientAuth"
      cat >"${who%%:*}.conf" <<CONFIG
apiVersion: v1
kind: Config
clusters: [{name: here, cluster: {server: "https://$node:6443", certificate-authority: $folder/ca.crt}}]
users: [{name: who, user: {client-certificate: $folder/${who%%:*}.crt, client-key: $folder/${who%%:*}.key}}]
contexts: [{name: here, context: {cluster: here, user: who, namespace: default}}]
current-context: here
CONFIG
    done
    key accounts
  ) >"$folder/certificates.log" 2>&1 || { echo "openssl: $(tail -1 "$folder/certificates.log")"; return 1; }
  mkdir -p "$folder/cni" "$folder/run"
  cat >"$folder/cni/pods.conflist" <<CONFIG
{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "ptp", "ipam": {"type": "host-local", "dataDir": "$folder/addresses", "ranges": [[{"subnet": "$pods_range"}]],
    "routes": [{"dst": "0.0.0.0/0"}]}}]}
CONFIG
  cat >"$folder/containerd.toml" <<CONFIG
version = 2
root = "$folder/containers"
state = "$folder/run/containerd"
[grpc]
address = "$folder/run/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "pause:1"
# Not below what this process has: without CAP_SYS_RESOURCE it cannot be.
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "$folder/cni"
CONFIG
  echo "nameserver $node" >"$folder/resolv.conf"
  cat >"$folder/kubelet.yaml" <<CONFIG
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $node
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $folder/ca.crt}}
authorization: {mode: Webhook}
clusterDNS: [$names]
clusterDomain: cluster.local
resolvConf: $folder/resolv.conf
containerRuntimeEndpoint: unix://$folder/run/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: $group
failCgroupV1: false
failSwapOn: false
localStorageCapacityIsolation: false
evictionHard: {memory.available: 100Mi}
CONFIG
  cat >"$folder/proxy.yaml" <<CONFIG
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
clusterCIDR: $pods_range
clientConnection: {kubeconfig: $folder/proxy.conf}
conntrack: {maxPerCore: 0}
healthzBindAddress: 127.0.0.1:10256
CONFIG
}

# cluster_start PROGRAMS FOLDER NAME: sets cluster, its first process; NAME is that of its control groups.
cluster_start() {
  local programs=$1 folder=$2 here begun=$SECONDS group
  here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
  group=/$3
  for controller in /sys/fs/cgroup/*/; do mkdir -p "$controller$group" 2>/dev/null || true; done
  for file in cpus mems; do cat "/sys/fs/cgroup/cpuset/cpuset.$file" >"/sys/fs/cgroup/cpuset$group/cpuset.$file" 2>/dev/null || true; done
  cluster_configure "$folder" "$group" || return 1
  setpriv --pdeathsig KILL unshare --mount --net --pid --fork --kill-child=KILL --mount-proc \
    "$here/node.sh" "$programs" "$folder" "$node" "$services_range" "$names" </dev/null >"$folder/node.log" 2>&1 &
  cluster=$!
  until in_cluster kubectl get node node >/dev/null 2>&1 && in_cluster kubectl wait --for=condition=Ready node/node --timeout=1s >/dev/null 2>&1 &&
    in_cluster kubectl get serviceaccount default >/dev/null 2>&1; do
    kill -0 "$cluster" 2>/dev/null || { echo "the node ended: $(tail -3 "$folder/node.log")"; return 1; }
    [ $((SECONDS - begun)) -lt 120 ] || { echo "the node is not ready after 120 s: $folder"; return 1; }
    sleep 0.5
  done
}

# The first process in the cluster's namespaces: `cluster` is the one that made them.
first_of_cluster() { pgrep -P "$cluster" | head -1; }

# In the cluster's namespaces, as its administrator; `work` is the cluster's folder.
in_cluster() {
  KUBECONFIG=$work/admin.conf PATH=$KUBERNETES:$PATH nsenter --target "$(first_of_cluster)" --mount --net --pid -- "$@"
}

cluster_stop() {
  kill -KILL "$cluster" 2>/dev/null || true
  wait "$cluster" 2>/dev/null || true
}
