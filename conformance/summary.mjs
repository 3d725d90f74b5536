// Reads what the suite wrote about each scenario and prints one line a revision, then every check that did not pass.
// Exits 1 unless each scored scenario is there, checked something, and has no failed check. A warning is a failure too:
// the suite gives one for a SHOULD, and for what it could not check.
//   node summary.mjs RESULTS server|client REVISION...
//   node summary.mjs --list server|client REVISION     the scenarios that are to run, one a line
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

// The suite's own lists of what a revision asks for. Two old revisions have none: there, all that applies is scored.
const frozen = new Set(["2026-07-28", "2025-11-25"]);
const oldest = { "2025-03-26": ["server-session-lifecycle"] };

// Scenarios of the client that nobody runs here: a load has its tokens from elsewhere.
const leftOut = /^auth\//;

// The list has a section a leg, and one of what is run but never scored, whose lines end in their leg.
function listed(leg, ...options) {
  const title = `${leg[0].toUpperCase()}${leg.slice(1)} scenarios`;
  const scenarios = [];
  let section = "";
  for (const line of execFileSync("conformance", ["list", `--${leg}`, ...options], { encoding: "utf8" }).split("\n")) {
    const name = /^\s+- (\S+)/.exec(line)?.[1];
    if (!name) section = /^\S.*:$/.test(line) ? line : section;
    else if (section.startsWith(title)) scenarios.push({ name, scored: true });
    else if (section.includes("never scored") && line.endsWith(`[${leg}]`)) scenarios.push({ name, scored: false });
  }
  return scenarios;
}

function expected(leg, revision) {
  if (frozen.has(revision)) return listed(leg, "--requirements", revision);
  return oldest[revision]?.map((name) => ({ name, scored: true })) ?? listed(leg, "--spec-version", revision);
}

// Folders are named server-SCENARIO-TIME, those of clients SCENARIO-TIME.
function read(folder, leg) {
  const found = new Map();
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const at = /^(.+)-\d{4}-\d{2}-\d{2}T[\d-]+Z$/.exec(entry.name)?.[1];
    const name = leg === "server" ? /^server-(.+)$/.exec(at)?.[1] : at;
    const file = join(folder, entry.name, "checks.json");
    if (name && existsSync(file)) found.set(name, JSON.parse(readFileSync(file, "utf8")));
  }
  return found;
}

// Scenarios that the suite itself counts as failed, for the client's exit code and its time as well.
function notPassed(folder) {
  const file = join(folder, "not-passed.txt");
  return new Set(existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : []);
}

const count = (checks, status) => checks.filter((check) => check.status === status).length;

const [results, leg, ...revisions] = process.argv.slice(2);
if (results === "--list") {
  for (const { name } of expected(leg, revisions[0])) if (!leftOut.test(name)) console.log(name);
  process.exit(0);
}
const rows = [["revision", "scored", "not scored", "checks passed", "failed", "warnings"]];
const remarks = [];
let good = revisions.length > 0;
for (const revision of revisions) {
  const found = read(join(results, revision), leg);
  const bad = notPassed(join(results, revision));
  const all = expected(leg, revision);
  const scenarios = all.filter((scenario) => !leftOut.test(scenario.name));
  const tally = { scored: [0, 0], rest: [0, 0] };
  const totals = { SUCCESS: 0, FAILURE: 0, WARNING: 0 };
  if (!scenarios.some((scenario) => scenario.scored)) good = false;
  for (const { name, scored } of scenarios) {
    const checks = found.get(name) ?? [];
    const passed = count(checks, "FAILURE") + count(checks, "WARNING") === 0 && count(checks, "SUCCESS") > 0 && !bad.has(name);
    const kind = tally[scored ? "scored" : "rest"];
    kind[0] += passed ? 1 : 0;
    kind[1] += 1;
    if (scored && !passed) good = false;
    for (const status of Object.keys(totals)) totals[status] += count(checks, status);
    const mark = scored ? "" : " (not scored)";
    if (checks.length === 0) remarks.push(`${revision} ${name}${mark}: did not run`);
    if (bad.has(name)) remarks.push(`${revision} ${name}${mark}: did not end well, see output.txt`);
    for (const check of checks.filter((one) => one.status === "FAILURE" || one.status === "WARNING")) {
      const said = (check.errorMessage ?? check.description ?? "").split("\n")[0].slice(0, 400);
      remarks.push(`${revision} ${name}${mark}: ${check.status} ${check.id}: ${said}`);
    }
  }
  const rest = all.length - scenarios.length;
  if (rest > 0) remarks.push(`${revision}: ${rest} more scenarios are about OAuth and left out`);
  const of = ([passed, all]) => (all === 0 ? "-" : `${passed} of ${all}`);
  rows.push([revision, of(tally.scored), of(tally.rest), totals.SUCCESS, totals.FAILURE, totals.WARNING].map(String));
}
const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
for (const row of rows) console.log(row.map((cell, column) => cell.padEnd(widths[column])).join("  ").trimEnd());
for (const remark of remarks) console.log(`  ${remark}`);
console.log(good ? "all scored scenarios passed" : "NOT all scored scenarios passed");
process.exit(good ? 0 : 1);
