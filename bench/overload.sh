#!/usr/bin/env bash
# A server that is asked for more than it can do: the queued tool `work`, WORKERS at once and SERVICE_MS each, so that its capacity is
# known; open loop at 70 % of it, at 100 %, at 2 and at 10 times as much, and at 70 % again. Writes bench/results/overload-DATE.md and
# prints it. Wanted: goodput at least 95 % of the peak; the P99 of what is done at most twice the one at 70 %; the P99 of a
# refusal at most 5 ms; steady again within 2 s. Exits with 99 where one is missed, with 3 where the generator was the
# bottleneck (it was busy for more than 30 % of a step's time, or a call was written more than 5 ms late at P99).
#   bench/overload.sh [SECONDS a step] [WORKERS] [SERVICE_MS]
# ERLMCP=path measures another build than target/release/erlmcp, which is built otherwise. QUEUE: calls that may wait (--queue) in
# place of the server's own choice. Needs python3.
set -euo pipefail
cd "$(dirname "$0")/.."
. peers/shell.sh
seconds=${1:-10}
workers=${2:-10}
service_ms=${3:-100}
flags=(--workers "$workers" ${QUEUE:+--queue "$QUEUE"})
erlmcp
work=$(mktemp -d)
trap 'end_what_was_started; rm -rf "$work"' EXIT
listening "$work/serve.log" "$ERLMCP" serve --listen 127.0.0.1:0 "${flags[@]}"
capacity=$((workers * 1000 / service_ms))
low=$((capacity * 7 / 10))
python3 -B bench/overload.py "$address" "$service_ms" \
  $low "$seconds" $capacity "$seconds" $((2 * capacity)) "$seconds" $((10 * capacity)) "$seconds" $low "$seconds" >"$work/steps"
result=bench/results/overload-$(date +%Y-%m-%d).md
mkdir -p bench/results
code=0
{
  echo "# More asked than can be done, $(date +%Y-%m-%d)"
  echo
  echo "$(machine "server and generator")" \
    "One \`erlmcp serve ${flags[*]}\`; calls of \`work\` of $service_ms ms, so a capacity of $capacity a second;" \
    "$seconds s a step, open loop, latency from the intended time, the first second of a step left out."
  echo
  python3 -B - "$work/steps" "$capacity" <<'PYTHON' || code=$?
import json, sys
steps, capacity = [json.loads(line) for line in open(sys.argv[1])], float(sys.argv[2])
names = ["70 %", "100 %", "2 times", "10 times", "70 % again"]
print("| offered | calls/s | done/s | done P50 | done P99 | refused | refusal P99 | lost | generator busy | written late P99 |")
print("|---|---|---|---|---|---|---|---|---|---|")
for name, step in zip(names, steps):
    ms = lambda key: "-" if step[key] is None else f"{step[key]} ms"
    print(f"| {name} | {step['rate']:.0f} | {step['goodput']} | {ms('done_p50_ms')} | {ms('done_p99_ms')} | {step['refused']} | "
          f"{ms('refused_p99_ms')} | {step['lost']} | {step['busy']:.0%} | {ms('lag_p99_ms')} |")
peak = max(step["goodput"] for step in steps)
checks = [("steady again", steps[4]["steady_after_s"], 2.0, "s")]
for name, step in (("2 times", steps[2]), ("10 times", steps[3])):
    checks.append((f"done P99 at {name}, over the one at 70 %", round(step["done_p99_ms"] / steps[0]["done_p99_ms"], 2), 2.0, ""))
    checks.append((f"refusal P99 at {name}", step["refused_p99_ms"], 5.0, "ms"))
print("\n| | found | at most | |\n|---|---|---|---|")
missed = False
for name, found, limit, unit in checks:
    bad = found is None or found > limit
    missed |= bad
    print(f"| {name} | {found} {unit} | {limit:g} {unit} | {'FAIL' if bad else 'ok'} |")
for name, step in (("2 times", steps[2]), ("10 times", steps[3])):
    share = step["goodput"] / peak
    missed |= share < 0.95
    print(f"| goodput at {name}, of the peak | {share:.1%} | at least 95 % | {'FAIL' if share < 0.95 else 'ok'} |")
lost = sum(step["lost"] for step in steps)
missed |= lost > 0
print(f"| lost | {lost} | 0 | {'FAIL' if lost else 'ok'} |")
blame = [step for step in steps if step["busy"] > 0.3 or step["lag_p99_ms"] > 5.0]
if blame:
    print("\nThe generator was too busy, or wrote calls too late, in", len(blame), "of the steps: INCONCLUSIVE where a limit was missed.")
sys.exit(0 if not missed else 3 if blame else 99)
PYTHON
} >"$result"
cat "$result"
echo "written to $result" >&2
exit "$code"
