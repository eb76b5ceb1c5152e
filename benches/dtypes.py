"""What weights in blocks change of a model's answers: runs of one plan that differ in `--dtype` alone, against the first.

    for t in f32 q8_0 q4_k; do emomm eval --model embedded --bench BENCH --dtype $t --out run-$t; done
    python3 benches/dtypes.py --emomm emomm run-f32 run-q8_0 run-q4_k

Letters and logits are those of the logs, record by record. Accuracy, and its difference with the interval that draws whole
groups, is what `emomm compare` says of the two runs. Prints a table of Markdown and what it is of. Standard library only.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from pathlib import Path

LETTERS = "ABCDE"


def read(run: Path) -> tuple[dict, dict[tuple[str, str], dict]]:
    """The last header of a log, and of each clip and coalition the last record of its settings."""
    header: dict = {}
    lines: list[dict] = []
    with open(run / "log.jsonl", encoding="utf-8") as file:
        for line in file:
            if not line.endswith("\n"):
                sys.exit(f"{run}: the log has a torn end; let the run go on first")
            found = json.loads(line)
            if "format_version" in found:
                header = found
            else:
                lines.append(found)
    own = header["settings_id"] + "-"
    records = {(r["sample"], r["coalition"]): r for r in lines if r["key"].startswith(own)}
    expected = header["plan"]["n_records"]
    if len(records) != expected:
        sys.exit(f"{run}: found {len(records)} records, expected {expected}; let the run end first")
    return header, records


def plan_without_type(header: dict) -> dict:
    plan = json.loads(json.dumps(header["plan"]))
    plan["settings"]["model"].pop("dtype")
    return plan


def difference(first: dict, second: dict) -> tuple[int, int, float, float]:
    """Records with logits on both sides, those with the same letter, the greatest and the root mean square difference."""
    same, greatest, squares, n = 0, 0.0, 0.0, 0
    for key, a in first.items():
        b = second[key]
        if a["letter_logits"] is None or b["letter_logits"] is None:
            continue
        n += 1
        same += a["letter"] == b["letter"]
        for letter in LETTERS:
            off = abs(a["letter_logits"][letter] - b["letter_logits"][letter])
            greatest, squares = max(greatest, off), squares + off * off
    return n, same, greatest, math.sqrt(squares / (len(LETTERS) * n)) if n else math.nan


def accuracy(emomm: str, first: Path, second: Path) -> dict:
    done = subprocess.run(
        [emomm, "compare", str(first), str(second), "--json"], check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--emomm", default="emomm", help="the binary")
    parser.add_argument("runs", nargs="+", type=Path, help="folders of runs; the others are held against the first")
    args = parser.parse_args()
    first, *others = args.runs
    if not others:
        parser.error("expected at least two runs")
    header, records = read(first)
    found = [(run, *read(run)) for run in others]
    for run, other, _ in found:
        if plan_without_type(other) != plan_without_type(header):
            sys.exit(f"{run} differs from {first} in more than --dtype")

    def name(header: dict) -> str:
        return header["plan"]["settings"]["model"]["dtype"]

    rows = []
    compared: dict = {}
    for run, other, answers in found:
        n, same, greatest, spread = difference(records, answers)
        compared = accuracy(args.emomm, first, run)
        acc = compared["acc"]
        # One group has no interval.
        points = ["?" if acc[key] is None else f"{100 * acc[key]:+.1f}" for key in ("delta", "low", "high")]
        rows.append(
            f"| {name(other)} | {same} of {n} | {greatest:.2g} | {spread:.2g} "
            f"| {100 * acc['b']:.1f} % | {points[0]} ({points[1]} to {points[2]}) |"
        )
    plan, acc = header["plan"], compared["acc"]
    model = plan["settings"]["model"]
    failed = sum(r["status"] != "ok" for r in records.values())
    print(
        f"{model['name']} on {model['device']}, {plan['n_clips']} clips, {len(records)} records of which {failed} failed with "
        f"{name(header)}; Acc ({compared['rows']}, {acc['n']} rows) with {name(header)}: {100 * acc['a']:.1f} %. "
        f"emomm {header['versions']['emomm']}, {header['versions']['platform']}.\n"
    )
    print("| type | same letter | greatest difference of a logit | root mean square | Acc | difference in points |")
    print("|---|---|---|---|---|---|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
