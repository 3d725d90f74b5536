"""Looks in the report of a run for what it claims without having measured it."""

OF_THE_LOAD = "sustained_load"
# Without a cluster behind it a server has no replica to kill and no queue that may be filled.
MAY_BE_SKIPPED = {"failure_recovery"}


def told(verdict):
    """"pass", "fail", "inconclusive", "skipped"; and why, where it is one of the last two."""
    if isinstance(verdict, str):
        return verdict, None
    ((word, more),) = verdict.items()
    return word, more["reason"]


def complaints(report, connections, is_foreign):
    return [
        *of_the_run(report),
        *of_the_ledger(report, connections),
        *of_the_phases(report),
        *of_the_checks(report, is_foreign),
    ]


def of_the_run(report):
    if report["finish"] != "completed":
        yield f"the run was not completed: {report['finish']}"
    if report["invalid"]:
        yield f"the run is invalid: {report['invalid']}"


def of_the_ledger(report, connections):
    lines = report["ledger"]
    for line in lines:
        if line["planned"] != sum(line["fates"].values()) or not line["planned"]:
            yield f"a line of the ledger does not balance: {line}"
    phases = {phase["name"]: phase["phase"] for phase in report["phases"]}

    def fates(phase, kind):
        found = [line["fates"] for line in lines if (line["phase"], line["kind"]) == (phases[phase], kind)]
        return found[0] if found else {}

    opened = fates("ramp_up", "probe").get("ok", 0)
    if opened != connections:
        yield f"{opened} of {connections} connections had their first answer"
    load = fates(OF_THE_LOAD, "load")
    if not load.get("ok"):
        yield f"no request of the sustained load was answered: {load}"
    # Slowness shows as a timeout or a refusal; these would be misunderstandings of the protocol.
    for fate in ("tool_error", "rpc_error", "http_error"):
        if load.get(fate):
            yield f"{load[fate]} requests of the sustained load ended as {fate}"


def of_the_phases(report):
    if len(report["phases"]) != 6:
        yield f"there are {len(report['phases'])} phases"
    for phase in report["phases"]:
        name, state = phase["name"], phase["state"]
        if state != "complete":
            reason = state.get("skipped", {}).get("reason") if isinstance(state, dict) else None
            if name not in MAY_BE_SKIPPED or not reason:
                yield f"the phase {name} was not run: {state}"
        elif not phase["figures"] or (name == "performance_scenarios" and not phase["scenarios"]):
            yield f"the phase {name} is complete and shows nothing"
        for scenario in phase["scenarios"]:
            value = scenario["figure"]["value"]
            has_data = not (isinstance(value, dict) and "not_measured" in value)
            if scenario["outcome"] in ("recovered", "success", "failed") and not has_data:
                yield f"the scenario {scenario['name']} is a {scenario['outcome']} without data: {value}"
            if scenario["outcome"] in ("inconclusive", "skipped") and not scenario["reason"]:
                yield f"the scenario {scenario['name']} is {scenario['outcome']} without a reason"


def of_the_checks(report, is_foreign):
    verdicts = {}
    for check in report["checks"]:
        word, reason = told(check["verdict"])
        verdicts[check["id"]] = word
        has_data = check["samples"] > 0 and check["estimate"] is not None and check["source"]
        if word in ("pass", "fail") and not has_data:
            yield f"{check['id']} is a {word} without data: {check}"
        if word in ("inconclusive", "skipped") and not reason:
            yield f"{check['id']} is {word} without a reason"
    for id in ("run.ledger_difference_count", "run.wrong_id_answers_count", "run.surplus_answers_count"):
        if verdicts.get(id) != "pass":
            yield f"{id} is {verdicts.get(id)}"
    if is_foreign:
        # None of these servers says how many connections and requests it had, nor how long its loop stood still.
        for id in ("sla.memory_per_connection_bytes", "sustained.longest_stall_ms", "cooldown.server_open_count"):
            if verdicts.get(id) == "pass":
                yield f"{id} passed on a server that says nothing of it"
        if told(report["readiness"]["verdict"])[0] == "pass":
            yield "a server whose phases were not all run is called production ready"
