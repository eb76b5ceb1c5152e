"""Computes the figures of a report again from exported records, and compares them with the report's tables."""

import argparse
import collections
import itertools
import json
import math
import pathlib
import sys

import numpy as np
import pandas as pd
from sklearn import metrics

COALITIONS = ["none", "T", "A", "V", "TA", "TV", "AV", "TAV"]
POOLED = ["TA", "TV", "AV", "TAV"]
CLASSES = ["negative", "weakly-negative", "neutral", "weakly-positive", "positive"]
NAMES = {"T": "text", "A": "audio", "V": "video"}
BORDER = {"ch-sims": 4, "cmu-mosi": 3}
NONE = 5
EXACT, SINGLE = 1e-9, 1e-6


class Check:
    """Counts and reports comparisons."""

    def __init__(self):
        self.counts, self.wrong = collections.Counter(), []

    def same(self, table, where, found, expected, tolerance=EXACT):
        self.counts[table] += 1
        missing = lambda v: v is None or (isinstance(v, float) and math.isnan(v))
        if missing(found) and missing(expected):
            return
        if missing(found) or missing(expected) or abs(found - expected) > tolerance:
            self.wrong.append(f"{table}, {where}: the report says {found}, recomputed {expected}")


def sign(label):
    return (label > 2) * 1 - (label < 2) * 1


def centre(corpus, label):
    """Mean of the scores of a class, App. A.1."""
    border = BORDER.get(corpus, 4)
    of = lambda s: 2 if s == 0 else ((4 if s >= border else 3) if s > 0 else (0 if -s >= border else 1))
    steps = [s for s in range(-5, 6) if of(s) == label]
    return sum(steps) / len(steps) / 5


def read(path):
    frame = pd.read_parquet(path)
    index = {name: i for i, name in enumerate(CLASSES)}
    frame["answer"] = frame.label.map(index).fillna(NONE).astype(int)
    frame["truth"] = frame.ground_truth.map(index)
    for m in "TAV":
        frame[f"of_{m}"] = frame[f"label_{m}"].map(index)
    frame = frame[frame.truth.notna()].copy()
    frame["truth"] = frame.truth.astype(int)
    labelled = frame[[f"of_{m}" for m in "TAV"]].notna().all(axis=1)
    differs = {m: frame[f"of_{m}"].map(sign) != frame.truth.map(sign) for m in "TAV"}
    frame["clip_conflict"] = np.where(labelled, sum(differs.values()) > 0, np.nan)
    shown = {m: frame.coalition.map(lambda c, m=m: c != "none" and m in c) for m in "TAV"}
    frame["n_wrong"] = sum((differs[m] & shown[m]).astype(int) for m in "TAV")
    for m in "TAV":
        frame[f"right_{m}"] = shown[m] & ~differs[m]
        frame[f"unknown_{m}"] = shown[m] & frame[f"of_{m}"].isna()
    frame["right"] = frame.answer == frame.truth
    frame["right_polarity"] = (frame.answer != NONE) & (frame.answer.map(sign) == frame.truth.map(sign))
    return frame


def scores(part):
    truth, answer = part.truth.to_numpy(), part.answer.to_numpy()
    labels = sorted(set(truth) | (set(answer) - {NONE}))
    parsed, polar = part[part.answer != NONE], part[part.truth != 2]
    out = {
        "acc": metrics.accuracy_score(truth, answer),
        "macro_f1": metrics.f1_score(truth, answer, labels=labels, average="macro", zero_division=0),
        "weighted_f1": metrics.f1_score(truth, answer, labels=labels, average="weighted", zero_division=0),
        "uar": float(np.mean([np.mean(answer[truth == c] == c) for c in sorted(set(truth))])),
        "acc3": float(part.right_polarity.mean()),
        "acc2": None,
        "mae": None,
        "pearson": None,
    }
    if len(polar):
        hit = [a not in (NONE, 2) and sign(a) == sign(t) for t, a in zip(polar.truth, polar.answer)]
        out["acc2"] = float(np.mean(hit))
    if len(parsed):
        said = np.array([centre(c, a) for c, a in zip(parsed.corpus, parsed.answer)])
        score = parsed.ground_truth_score.to_numpy()
        out["mae"] = float(np.abs(score - said).mean())
        if len(parsed) > 1 and np.ptp(said) > 0 and np.ptp(score) > 0:
            out["pearson"] = float(np.corrcoef(score, said)[0, 1])
    return out


WITHIN = {
    "align": ["align", "equal", "same-polarity"],
    "conflict": ["conflict"],
    "equal": ["equal"],
    "same-polarity": ["same-polarity"],
    "missing-align": ["missing-align"],
    "missing-conflict": ["missing-conflict"],
}


def part_of(frame, corpus, coalition, subset):
    part = frame if corpus == "all" else frame[frame.corpus == corpus]
    part = part[part.coalition.isin(POOLED if coalition == "overall" else [coalition])]
    if subset == "all":
        return part
    if coalition in ("overall", "TAV") or subset.startswith("missing"):
        return part[part.subset.isin(WITHIN[subset])]
    # Under one coalition the subset is that of the whole clip.
    whole = frame[frame.coalition == "TAV"].set_index("id").subset
    return part[part.id.map(whole).isin(WITHIN[subset])]


def check_scores(check, frame, rows):
    keys = ["acc", "macro_f1", "weighted_f1", "uar", "acc2", "acc3", "mae", "pearson"]
    for row in rows:
        part = part_of(frame, row["corpus"], row["coalition"], row["subset"])
        where = "/".join(str(row[k]) for k in ["corpus", "coalition", "subset"])
        check.same("scores", f"{where} n", row["n"], len(part))
        if len(part) == row["n"] and len(part):
            for key, value in scores(part).items():
                if key in keys:
                    check.same("scores", f"{where} {key}", row[key], value)


def check_coalitions(check, frame, rows):
    for row in rows:
        part = frame[frame.coalition == row["coalition"]]
        means = {w: part[part.clip_conflict == c].right.mean() for w, c in [("align", 0), ("conflict", 1)]}
        for word, mean in means.items():
            check.same("coalitions", f"{row['coalition']} {word}", row[word], float(mean))
        drop = float(means["align"] - means["conflict"])
        check.same("coalitions", f"{row['coalition']} drop", row["drop"], drop)


def check_psmv(check, frame, rows):
    complete = frame.groupby("id").coalition.nunique()
    whole = frame[frame.id.isin(complete[complete == 8].index)]
    name = lambda s: "".join(m for m in "TAV" if m in s) or "none"
    for row in rows:
        part = whole
        if row["subset"] != "all":
            part = whole[whole.clip_conflict == (row["subset"] == "conflict")]
        value = {c: part[part.coalition == c].right.mean() for c in COALITIONS}
        letter = next(k for k, v in NAMES.items() if v == row["modality"])
        gains = []
        for order in itertools.permutations("TAV"):
            at = order.index(letter)
            gains.append(value[name(order[: at + 1])] - value[name(order[:at])])
        check.same("psmv", f"{row['subset']} {letter}", row["psmv"], float(np.mean(gains)))


def check_gtar(check, frame, rows):
    known = ~(frame.unknown_T | frame.unknown_A | frame.unknown_V)
    for row in rows:
        coalitions = ["TAV"] if row["subset"] == "conflict" else ["TA", "TV", "AV"]
        letter = next(k for k, v in NAMES.items() if v == row["modality"])
        kept = frame[known & frame.coalition.isin(coalitions) & (frame.n_wrong == 1) & frame[f"right_{letter}"]]
        where = f"{row['subset']} {letter}"
        check.same("gtar", f"{where} n", row["denominator"], len(kept))
        check.same("gtar", where, row["gtar"], float(kept.right_polarity.mean()) if len(kept) else None)


def check_delta_v(check, frame, rows):
    conflict = frame[frame.clip_conflict == 1]
    both = [set(conflict[conflict.coalition == c].id) for c in ("TAV", "TA")]
    conflict = conflict[conflict.id.isin(both[0] & both[1])]
    found = [scores(conflict[conflict.coalition == c]) for c in ("TAV", "TA")]
    for row in rows:
        for ours, theirs in [("acc5", "acc"), ("acc2", "acc2"), ("macro_f1", "macro_f1")]:
            check.same("delta-v", ours, row[ours], found[0][theirs] - found[1][theirs])


def check_spatial(check, run, frame, rows):
    from safetensors.numpy import load_file

    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    # Of several records of a clip and coalition the last one counts.
    records = {(r["sample"], r["coalition"]): r for r in log if "sample" in r}
    shards = {}
    figures = []
    for record in records.values():
        attention = record.get("attention") or {}
        if "spatial" not in attention:
            continue
        file = attention["tensors"]
        if file not in shards:
            shards[file] = load_file(run / "attention" / file)
        tensors, key = shards[file], record["key"]
        video = tensors[f"{key}.tokens.video"].astype(np.float64)
        n = video.shape[1]

        def spread(values):
            total = values.sum()
            if n < 2 or total <= 0:
                return np.nan
            p = values[values > 0] / total
            return float(-(p * np.log(p)).sum() / np.log(n))

        out = {
            "id": record["sample"],
            "coalition": record["coalition"],
            "tokens": n,
            "entropy": np.nanmean([spread(layer) for layer in video]),
        }
        importance = tensors.get(f"{key}.importance")
        if importance is not None:
            out["importance_entropy"] = spread(importance.astype(np.float64))
        for region in ("person", "face"):
            marks = tensors.get(f"{key}.{region}")
            if marks is None:
                continue
            inside = marks.astype(bool)
            out[f"{region}_tokens"] = inside.mean()
            out[f"{region}_attention"] = np.nanmean([layer[inside].sum() / layer.sum() for layer in video])
            if importance is not None:
                out[f"{region}_importance"] = float(importance[inside].sum() / importance.sum())
        figures.append(out)
    figures = pd.DataFrame(figures)
    conflicts = frame.set_index(["id", "coalition"])
    shown_conflict = (conflicts.n_wrong > 0).rename("shown_conflict")
    figures = figures.join(shown_conflict, on=["id", "coalition"])
    for row in rows:
        part = figures[figures.coalition == row["coalition"]]
        if row["subset"] != "all":
            part = part[part.shown_conflict == row["subset"].endswith("conflict")]
        where = f"{row['coalition']} {row['subset']}"
        check.same("spatial", f"{where} n", row["n"], len(part))
        for key in ["tokens", "entropy", "importance_entropy"] + [
            f"{r}_{k}" for r in ("person", "face") for k in ("tokens", "attention", "importance")
        ]:
            expected = float(part[key].mean()) if key in part else None
            check.same("spatial", f"{where} {key}", row[key], expected, SINGLE)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("records", type=pathlib.Path, help="what `emomm log export --parquet` wrote")
    parser.add_argument("report", type=pathlib.Path, help="folder of `emomm report` of the same run")
    parser.add_argument("--run", type=pathlib.Path, help="the run, for attention by token")
    args = parser.parse_args()
    frame, check = read(args.records), Check()

    def rows(name):
        path = args.report / "tables" / f"{name}.json"
        return json.loads(path.read_text())["rows"] if path.is_file() else []

    check_scores(check, frame, rows("scores"))
    check_coalitions(check, frame, rows("coalitions"))
    check_psmv(check, frame, rows("psmv"))
    check_gtar(check, frame, rows("gtar"))
    check_delta_v(check, frame, rows("delta-v"))
    if args.run and rows("spatial"):
        check_spatial(check, args.run, frame, rows("spatial"))
    for line in check.wrong[:40]:
        print(line)
    for table, n in sorted(check.counts.items()):
        print(f"{table}: {n} figures")
    print(f"{sum(check.counts.values())} figures compared, {len(check.wrong)} differ")
    return 1 if check.wrong or not check.counts else 0


if __name__ == "__main__":
    sys.exit(main())
