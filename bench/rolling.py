"""Reads the runs of bench/rolling.sh: what was refused and cut by a rolling restart, and what it did to P99.

Exits with 99 where a request was not answered ok, or the median P99 rose by a fifth.
"""
import base64
import json
import statistics
import sys
import zlib

work, pairs = sys.argv[1], int(sys.argv[2])
LOST = {"refused": ("refused",), "cut": ("reset", "timed_out", "unsent_connection")}
OK = "ok"


def rows(folder):
    with open(f"{folder}/journal.jsonl") as journal:
        for line in journal:
            try:
                yield json.loads(line)
            except ValueError:
                pass  # a torn last line


def counts(histogram):
    """Pairs of value and count of a histogram of the record: HDR, V2, compressed or not."""
    data = base64.b64decode(histogram)
    if data[3] & 0x0F == 0x04:
        data = zlib.decompress(data[8:])
    length, digits = int.from_bytes(data[4:8], "big"), int.from_bytes(data[12:16], "big")
    half = 1 << max((2 * 10**digits - 1).bit_length() - 1, 0)
    at, index, payload = 0, 0, data[40 : 40 + length]
    while at < len(payload):
        value, shift = 0, 0
        while True:
            byte = payload[at]
            at += 1
            if shift == 56:
                value |= byte << shift
                break
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                break
        value = (value >> 1) ^ -(value & 1)
        if value < 0:
            index -= value
            continue
        bucket, sub = (index // half) - 1, index % half + half
        if bucket < 0:
            bucket, sub = 0, index
        if value:
            yield (sub << bucket) + (1 << bucket) - 1, value
        index += 1


def quantile(histograms, share):
    merged = {}
    for histogram in histograms:
        for value, count in counts(histogram):
            merged[value] = merged.get(value, 0) + count
    total, seen = sum(merged.values()), 0
    for value in sorted(merged):
        seen += merged[value]
        if seen >= share * total:
            return value / 1000
    return float("nan")


def run(folder):
    fault, load, lost = None, [], 0
    for row in rows(folder):
        if row["row"] == "fault":
            fault = row
        elif row["row"] == "interval" and row["kind"] == "load" and row["phase"] == 3:
            load.append(row)
        elif row["row"] == "connections" and row["phase"] == 3:
            lost += sum(row.get("lost", {}).values())
    if fault is None or fault.get("effect_us") is None:
        sys.exit(f"{folder}: the fault had no effect that was seen")
    ends_us = fault.get("ready_us") or fault["effect_us"]
    fates = {}
    for row in load:
        for fate, count in row["fates"].items():
            fates[fate] = fates.get(fate, 0) + count
    figures = {name: sum(fates.get(fate, 0) for fate in of) for name, of in LOST.items()}
    others = {fate: count for fate, count in fates.items() if count and fate != OK and not any(fate in of for of in LOST.values())}
    figures["others"] = ", ".join(f"{count} {fate}" for fate, count in others.items()) or "0"
    first = fault["injected_us"] // 1_000_000
    whole = [row["latency"] for row in load if row.get("latency") and row["second"] >= first]
    return {**figures, "lost": lost, "took": (ends_us - fault["injected_us"]) / 1e6, "p99": quantile(whole, 0.99)}


print("| pair | restarts took | refused | cut | else not ok, with / without | connections lost | P99 with | P99 without | ratio |")
print("|---|---|---|---|---|---|---|---|---|")
ratios, is_whole = [], True
for pair in range(1, pairs + 1):
    with_, without = run(f"{work}/with-{pair}"), run(f"{work}/without-{pair}")
    ratios.append(with_["p99"] / without["p99"])
    is_whole &= (with_["refused"], with_["cut"], with_["others"]) == (0, 0, "0")
    print(
        f"| {pair} | {with_['took']:.1f} s | {with_['refused']} | {with_['cut']} | {with_['others']} / {without['others']} | {with_['lost']} "
        f"| {with_['p99']:.2f} ms | {without['p99']:.2f} ms | {ratios[-1]:.3f} |"
    )
print(f"\nP99 with over without: median {statistics.median(ratios):.3f}, {min(ratios):.3f} to {max(ratios):.3f}.")
is_kept = is_whole and statistics.median(ratios) < 1.2
print("\nPASS." if is_kept else "\nFAIL: none may be refused or cut, and the median P99 may rise by less than a fifth.")
sys.exit(0 if is_kept else 99)
