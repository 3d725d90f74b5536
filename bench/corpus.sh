#!/usr/bin/env bash
# The corpus of bad input against erlmcp, nginx (as a proxy, so that it reads bodies before they are answered), hyper alone, and rmcp's
# server, whose HTTP is axum's on hyper: what each of them refuses and takes, of what every HTTP server decides. Writes
# bench/results/corpus-DATE.md and prints it. Needs python3 (3.11), nginx (installed from Debian where missing) and the servers of
# peers/rmcp-server, which are built.
#   bench/corpus.sh
# ERLMCP=path takes another build than target/release/erlmcp, which is built otherwise; PEERS=folder one with rmcp-server and
# hyper-server.
set -euo pipefail
cd "$(dirname "$0")/.."
. peers/shell.sh
need nginx-light command -v nginx
erlmcp
if [ -z "${PEERS:-}" ]; then
  build_peers
  PEERS=$peers_built
fi
work=$(mktemp -d)
trap 'end_what_was_started; rm -rf "$work"' EXIT
listening "$work/serve.log" "$ERLMCP" serve --listen 127.0.0.1:0
ours=$address
listening "$work/rmcp.log" "$PEERS/rmcp-server" --port 0 --json --stateless
rmcp=$address
listening "$work/hyper.log" "$PEERS/hyper-server" --port 0
hyper=$address
# nginx can't say on which port it listens.
nginx=127.0.0.1:$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$work/nginx.conf" <<CONF
daemon off;
pid nginx.pid;
error_log stderr crit;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server {
    listen $nginx;
    location /mcp { proxy_pass http://$nginx/inner; }
    location /inner { default_type application/json; return 200 '{"jsonrpc":"2.0","id":7,"result":{}}'; }
  }
}
CONF
nginx -p "$work" -c "$work/nginx.conf" 2>"$work/nginx.log" & running="$running $!"
for _ in $(seq 100); do
  (exec 3<>"/dev/tcp/${nginx/://}") 2>/dev/null && break
  kill -0 $! 2>/dev/null || { cat "$work/nginx.log" >&2; exit 1; }
  sleep 0.1
done
result=bench/results/corpus-$(date +%Y-%m-%d).md
mkdir -p bench/results
{
  echo "# Bad input, and what servers make of it, $(date +%Y-%m-%d)"
  echo
  echo "erlmcp $("$ERLMCP" --version | cut -d' ' -f2), nginx $(nginx -v 2>&1 | cut -d/ -f2) as a proxy with its defaults," \
    "hyper $(sed -n '/^name = "hyper"$/{n;s/version = "\(.*\)"/\1/p}' peers/rmcp-server/Cargo.lock) alone, which answers what it has read to its end," \
    "rmcp $(sed -n 's/^rmcp = .*"=\([0-9.]*\)".*/\1/p' peers/rmcp-server/Cargo.toml) on axum and hyper. The cases are those of the corpus (docs/wire.md)" \
    "in which an HTTP server has to refuse a request and end the connection (limits aside), or to take it. Some of what must be refused here an HTTP" \
    "server may take by RFC 9112 (a line that ends with LF alone, leading zeros of a length): docs/wire.md tells which."
  echo
  python3 -B bench/corpus.py "erlmcp=$ours" "nginx=$nginx" "hyper=$hyper" "rmcp on hyper=$rmcp"
} >"$result"
cat "$result"
echo "written to $result" >&2
