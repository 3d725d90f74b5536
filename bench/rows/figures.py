"""What was measured, what it has to be, and how it is shown."""

import datetime
import statistics


class CannotRun(Exception):
    """Why a row was not measured, as a sentence."""


class Figure:
    """Values of one thing, in the order in which they were measured; must and aim are a comparison and a limit. A value that is None was
    wanted and not measured: it keeps no limit."""

    def __init__(self, name, values, form="{:,.0f}", must=None, aim=None, note=""):
        values = list(values)
        self.name, self.wanted, self.form = name, len(values), form
        self.values = [value for value in values if value is not None]
        self.must, self.aim, self.note = must, aim, note

    @property
    def median(self):
        return statistics.median(self.values)

    def shown(self, value):
        return self.form.format(value)

    def is_reached(self, limit):
        """By every value, by none, or by some: then the median alone would claim too much."""
        if limit is None or not self.values:
            return ""
        comparison, bound = limit
        keeps = [
            value >= bound if comparison == ">=" else value <= bound if comparison == "<=" else value < bound
            for value in self.values
        ]
        return "no" if not any(keeps) else "yes" if sum(keeps) == self.wanted else f"{sum(keeps)} of {self.wanted}"

    def asked(self, limit):
        return (
            "-" if limit is None else f"{limit[0]} {self.shown(limit[1])}: {self.is_reached(limit) or 'not measured'}"
        )

    def line(self):
        if self.values:
            measured = [
                self.shown(self.median),
                f"{self.shown(min(self.values))} to {self.shown(max(self.values))}",
                str(self.wanted) if len(self.values) == self.wanted else f"{len(self.values)} of {self.wanted}",
            ]
        else:
            measured = ["not measured", "-", f"0 of {self.wanted}"]
        return (
            "| "
            + " | ".join([self.name, *measured, self.asked(self.must), self.asked(self.aim), self.note or "-"])
            + " |"
        )

    def __str__(self):
        middle = self.shown(self.median) if self.values else "not measured"
        return f"{self.name}: {middle}" + (f" (must {self.asked(self.must)})" if self.must else "")


# Pairs from which a comparison is one.
PAIRS_MIN = 5


def ratios(name, ours, theirs, note="", **more):
    """By pair, since what disturbs the machine disturbs both of a pair; says where they are too few, or too far apart."""
    pairs = [one / other if one is not None and other else None for one, other in zip(ours, theirs)]
    values = [value for value in pairs if value is not None]
    doubts = [note] if note else []
    if len(values) < PAIRS_MIN:
        doubts.append(f"fewer than {PAIRS_MIN} pairs")
    if values and max(values) - min(values) > abs(statistics.median(values) - 1) / 2:
        doubts.append("which of the two is more can't be told")
    return Figure(name, pairs, **{"form": "{:.2f}", "note": "; ".join(doubts), **more})


def page(described, rows, pairs, seconds):
    lines = [f"# Table of the benchmark, {datetime.datetime.now():%Y-%m-%d %H:%M}", "", described, ""]
    lines += [
        f"Made by `bench/run {' '.join(rows)}`: {pairs} pairs or runs, interleaved, of {seconds} s each. Ratios are formed pair by pair. "
        "A limit is `yes` where every value keeps it, `no` where none does, else how many do; n is how many were measured of those wanted.",
        "",
    ]
    for row, found in rows.items():
        figures = [one for one in found if isinstance(one, Figure)]
        lines += [f"## {row}", ""]
        if figures:
            lines += ["| figure | median | min to max | n | must | aim | how |", "|---|---|---|---|---|---|---|"]
            lines += [figure.line() for figure in figures]
            lines.append("")
        lines += [f"Not measured: {why}.\n" for why in found if isinstance(why, CannotRun)]
    return "\n".join(lines)
