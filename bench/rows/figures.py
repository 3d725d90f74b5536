"""What was measured, what it has to be, and how it is shown."""

import datetime
import math
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


def median_bounds(values):
    """Between which the true median is with 95 % confidence, however the values are spread; None where they are too few.

    Of n values each is below it with probability 1/2, so the k-th smallest and the k-th largest do for the largest k that leaves 5 %.
    """
    ordered, count = sorted(values), len(values)
    cut, left_out = 0, 1
    while 2 * left_out <= 0.05 * 2**count:
        cut += 1
        left_out += math.comb(count, cut)
    return (ordered[cut - 1], ordered[-cut]) if cut else None


class Compared(Figure):
    """Ratios by pair whose limit is judged by what is known of their median, beside ratios of what is the same on both sides."""

    def __init__(self, name, values, control, must, note=""):
        self.bounds, self.swing = median_bounds(values), median_bounds(control)
        known = "" if self.bounds is None else "the median is {:.3f} to {:.3f} with 95 % confidence".format(*self.bounds)
        super().__init__(name, values, form="{:.3f}", must=must, note="; ".join(filter(None, [note, known])))

    def is_reached(self, limit):
        if limit is None or not self.values:
            return ""
        comparison, bound = limit
        if self.bounds is None or self.swing is None:
            return f"can't tell: {len(self.values)} pairs are too few"
        low, high = self.swing
        if max(high - 1, 1 - low) > abs(bound - 1):
            return "can't tell: the control swings more than that"
        # So that less is better on both ways.
        sign = 1 if comparison == "<=" else -1
        if sign * self.median > sign * bound:
            return "no"
        worst = self.bounds[1] if sign == 1 else self.bounds[0]
        return "yes" if sign * worst <= sign * bound else "can't tell: the median may be past it"


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
        "A limit is `yes` where every value keeps it, `no` where none does, else how many do; n is how many were measured of those wanted. "
        "Where a control decides, the median's confidence says `yes` or `no`, or that it can't be told.",
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


def test():
    """Of the arithmetic: `python3 bench/rows/figures.py`."""
    assert median_bounds([1, 2, 3, 4, 5]) is None, "6.25 % are outside of all five"
    assert median_bounds(range(1, 7)) == (1, 6)
    assert median_bounds(range(1, 9)) == (1, 8) and median_bounds(range(1, 13)) == (3, 10)
    quiet, loud = [0.99, 1.01] * 6, [0.9, 1.1] * 6

    def judged(values, control=quiet, must=("<=", 1.02)):
        return Compared("x", values, control, must).is_reached(must).partition(":")[0]

    assert judged([1.01] * 12) == judged([1.02] * 12) == "yes" and judged([1.021] * 12) == "no"
    assert judged([1.0] * 10 + [1.05] * 2) == "yes", "two of twelve are outside of the bounds"
    assert judged([1.0] * 9 + [1.05] * 3) == "can't tell", "the median may be past it"
    assert judged([1.0] * 12, loud) == judged([1.5] * 12, loud) == judged([1.0] * 5, quiet) == "can't tell"
    assert judged([0.98] * 12, must=(">=", 0.98)) == "yes" and judged([0.97] * 12, must=(">=", 0.98)) == "no"
    assert judged([1.0] * 8 + [0.9] * 4, must=(">=", 0.98)) == "can't tell"


if __name__ == "__main__":
    test()
