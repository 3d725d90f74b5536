"""What the tables of bench/*.sh need of a run's report.json."""

import json


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def verdict(value):
    """ "pass", "fail", "inconclusive" or "skipped"."""
    return value if isinstance(value, str) else next(iter(value))


def reason(value):
    return value if isinstance(value, str) else json.dumps(value)


def checks(report):
    return {check["id"]: check for check in report["checks"]}


def made(report):
    """The faults of a list whose effect was seen."""
    return [fault for fault in report.get("faults", []) if verdict(fault["verdict"]) in ("pass", "fail")]


def ms(fault, name):
    """A moment of a fault in milliseconds; None where it was not seen."""
    return fault[name].get("ms") if isinstance(fault[name], dict) else None


def figure(report, phase, name):
    """The value of a phase's figure, whatever its unit; None where it was not measured."""
    for one in report["phases"]:
        for found in one["figures"] if one["name"] == phase else []:
            if found["name"] == name and "not_measured" not in found["value"]:
                return next(iter(found["value"].values()))
    return None


def quantile(values, share):
    """The smallest value that so large a share of all does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * round(share * 1000) // 1000) - 1)]
