# Sourced by the tests of swarm/ and kubernetes/: what they say, and what they ask of clients and of runs. `work` is their folder,
# `fail` ends them.

say() {
  printf '%-70s %s\n' "$1" "$2"
  echo "| $1 | $2 |" >>"$work/figures"
}
now_ms() { date +%s%3N; }
# served NAME: what the clients that go on as `asking` say at their end.
served() {
  wait "$asking" || fail "the clients: $(tail -3 "$work/$1")"
  read -r answered otherwise losses worst <<<"$(python3 -c '
import json, sys
said = json.loads(open(sys.argv[1]).read().splitlines()[-1])
print(said["answered"], len(said["otherwise"]), len(said["unserved_s"]), int(1000 * max(said["unserved_s"] or [0])))' "$work/$1")"
  [ "$otherwise" = 0 ] && [ "$answered" -gt 0 ] || fail "answers were not as they should be: $(tail -1 "$work/$1")"
}
# report_has EXPRESSION: of the report of a run as r.
report_has() {
  python3 -c '
import json, sys
r = json.load(open(sys.argv[1]))
sys.exit(0 if eval(sys.argv[2]) else 1)' "$report" "$1"
}
# scaled RUN EXPRESSION: how its number of replicas was changed and given back; the expression is of both numbers, more and back.
scaled() {
  python3 -c '
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1] + "/journal.jsonl")]
[row] = [row for row in rows if row["row"] == "scenario" and row["name"] == "scaling"]
detail = row["detail"]
assert not row.get("inconclusive") and not row.get("skipped"), row
more, back = (int(detail[f"change_{change}_replicas_count"]) for change in (1, 2))
assert eval(sys.argv[2]), detail
print(back, "to", more, "in", round(detail["change_1_scaled_ms"] / 1e3, 1), "s, and back in", round(detail["change_2_scaled_ms"] / 1e3, 1), "s")
' "$1" "$2"
}
