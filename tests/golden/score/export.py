"""Writes a file of invented predictions and its figures, computed by pandas, scikit-learn and scipy.

Nothing is shared with the Rust code: subsets, class maps and the pooled rows are written down again here.

    python3 -m pip install -r tests/golden/score/requirements.txt
    python3 tests/golden/score/export.py
"""

import importlib.metadata
import itertools
import json
import math
import pathlib
import warnings

import numpy as np
import pandas as pd
from scipy import stats
from sklearn import metrics

HERE = pathlib.Path(__file__).parent
RNG = np.random.default_rng(20260202)
COALITIONS = ["none", "T", "A", "V", "TA", "TV", "AV", "TAV"]
POOLED = ["TA", "TV", "AV", "TAV"]
WORDS = ["negative", "weakly-negative", "neutral", "weakly-positive", "positive"]
# Greatest weak magnitude in tenths.
WEAK = {"ch-sims": 6, "cmu-mosi": 4}
NONE = 5

warnings.filterwarnings("ignore", category=UserWarning, module="sklearn")


def check_versions():
    for line in (HERE / "requirements.txt").read_text().split():
        name, wanted = line.split("==")
        found = importlib.metadata.version(name)
        assert found == wanted, f"{name} is {found}, expected {wanted}"


def class_of(tenths, corpus):
    weak = abs(tenths) <= WEAK[corpus]
    return 2 + int(np.sign(tenths)) * (0 if tenths == 0 else 1 if weak else 2)


def score_set(label, corpus):
    return [t for t in range(-10, 11, 2) if class_of(t, corpus) == label]


def centre(label, corpus):
    scores = score_set(label, corpus)
    return sum(scores) / len(scores) / 10


def sign(label):
    return int(np.sign(label - 2))


# --- the file --------------------------------------------------------------------------------------------------------


def clip(corpus, index):
    """Labels of a clip: unimodal ones are the true class, another of its sign, or anything."""
    tenths = int(RNG.integers(-5, 6)) * 2
    truth = class_of(tenths, corpus)
    noise = RNG.random(3)
    labels = {}
    for m, x in zip("TAV", noise):
        same_sign = [c for c in range(5) if sign(c) == sign(truth)]
        labels[m] = truth if x < 0.45 else int(RNG.choice(same_sign)) if x < 0.6 else int(RNG.integers(0, 5))
    if index % 11 == 3:
        labels["V"] = None
    if index % 37 == 5:
        labels = dict.fromkeys("TAV")
    group = f"{corpus[:2]}-speaker {int(12 * RNG.random() ** 2)}, of {corpus}"
    return {"tenths": tenths, "truth": truth, **labels, "group": group}


def answers(corpus, info, coalition):
    """An answer follows the labels of what is shown; some are missing, and some scores belong to another class."""
    shown = [info[m] for m in coalition if m in "TAV" and coalition != "none" and info[m] is not None]
    p = 0.25 + 0.12 * len(shown)
    x = RNG.random()
    label = info["truth"] if x < p else int(RNG.choice(shown)) if shown and x < p + 0.2 else int(RNG.integers(0, 5))
    if RNG.random() < 0.06:
        return None, None
    score = None
    if RNG.random() < 0.7:
        score = int(RNG.choice(score_set(label, corpus) if RNG.random() < 0.8 else range(-10, 11))) / 10
    return label, score


def samples():
    rows = []
    for corpus, n in [("ch-sims", 70), ("cmu-mosi", 50)]:
        for index in range(n):
            info = clip(corpus, index)
            # Every ninth clip was not run under all coalitions.
            shown = [s for s in COALITIONS if index % 9 != 4 or s in POOLED]
            for coalition in shown:
                label, score = answers(corpus, info, coalition)
                rows.append({"corpus": corpus, "id": f"{index:04}", "coalition": coalition, **info, "label": label, "score": score})
    return pd.DataFrame(rows, dtype=object)


def written(value, form):
    return "" if value is None else "ABCDE"[value] if form == 0 else WORDS[value] if form == 1 else str(value)


def write_files(data):
    """CSV with a byte order mark, CRLF and quoted commas, shuffled; JSONL with null and numbers, in order."""
    table = pd.DataFrame(
        {
            "id": data["id"],
            "coalition": ["" if c == "TAV" else c for c in data["coalition"]],
            "label": [written(x, i % 3) for i, x in enumerate(data["label"])],
            "score": ["" if x is None else str(x) for x in data["score"]],
            # A number with a decimal point is a score; the other corpus is written in words.
            "ground_truth": [
                str(t / 10) if c == "ch-sims" else WORDS[y]
                for t, y, c in zip(data["tenths"], data["truth"], data["corpus"])
            ],
            **{f"label_{m}": [written(x, 0) for x in data[m]] for m in "TAV"},
            "group": data["group"],
            "corpus": data["corpus"],
        }
    )
    shuffled = table.sample(frac=1, random_state=1)
    shuffled.to_csv(HERE / "predictions.csv", index=False, encoding="utf-8-sig", lineterminator="\r\n")
    with (HERE / "predictions.jsonl").open("w") as file:
        for row, raw in zip(table.to_dict("records"), data.to_dict("records")):
            row = {k: (None if v == "" else v) for k, v in row.items()}
            row["score"] = raw["score"]
            if raw["label"] is not None and row["label"].isdigit():
                row["label"] = int(row["label"])
            if raw["corpus"] == "ch-sims":
                row["ground_truth"] = raw["tenths"] / 10
            file.write(json.dumps(row) + "\n")


# --- its figures -----------------------------------------------------------------------------------------------------


def subsets(row):
    observed = [row[m] for m in row["coalition"] if m in "TAV"] if row["coalition"] in POOLED else []
    full = row["coalition"] == "TAV"
    if not observed:
        return ["all"]
    if any(x is not None and sign(x) != sign(row["truth"]) for x in observed):
        return ["all", "conflict" if full else "missing-conflict"]
    if any(x is None for x in observed):
        return ["all"]
    if not full:
        return ["all", "missing-align"]
    return ["all", "align", "equal" if all(x == row["truth"] for x in observed) else "same-polarity"]


def places(row, coalition):
    """Subsets of what is shown; under a coalition of its own, not pooled, also the subsets of the whole clip."""
    shown = subsets(row)
    return shown if coalition == "overall" else shown + subsets({**row, "coalition": "TAV"})


def true_score(row):
    return row["tenths"] / 10 if row["corpus"] == "ch-sims" else centre(row["truth"], row["corpus"])


def reply_score(row):
    stated = row["score"]
    tenths = None if stated is None else round(stated * 10)
    agrees = tenths is not None and tenths in score_set(row["label"], row["corpus"])
    return tenths / 10 if agrees else centre(row["label"], row["corpus"])


def figures(part):
    truth = [int(x) for x in part["truth"]]
    answer = [NONE if x is None else int(x) for x in part["label"]]
    labels = sorted(set(truth) | set(answer) - {NONE})
    nonzero = [(sign(t), NONE if a == NONE else sign(a)) for t, a in zip(truth, answer) if t != 2]
    parsed = part[[x is not None for x in part["label"]]].to_dict("records")
    x = [true_score(row) for row in parsed]
    centres = [centre(row["label"], row["corpus"]) for row in parsed]
    replies = [reply_score(row) for row in parsed]
    pearson = lambda y: float(stats.pearsonr(x, y).statistic) if len(set(x)) > 1 and len(set(y)) > 1 else None
    f1 = lambda average: metrics.f1_score(truth, answer, labels=labels, average=average, zero_division=0)
    return {
        "n": len(truth),
        "n_parsed": len(parsed),
        "acc": metrics.accuracy_score(truth, answer),
        "macro_f1": f1("macro"),
        "weighted_f1": f1("weighted"),
        "uar": metrics.balanced_accuracy_score(truth, answer),
        "acc2": metrics.accuracy_score(*zip(*nonzero)) if nonzero else None,
        "acc3": metrics.accuracy_score([sign(t) for t in truth], [NONE if a == NONE else sign(a) for a in answer]),
        "mae": metrics.mean_absolute_error(x, centres) if x else None,
        "mae_reply": metrics.mean_absolute_error(x, replies) if x else None,
        "pearson": pearson(centres),
        "pearson_reply": pearson(replies),
    }


def table_rows(data):
    records = data.to_dict("records")
    of = {pooled: [places(row, pooled) for row in records] for pooled in ("overall", "own")}
    rows = []
    for corpus in ["ch-sims", "cmu-mosi", "all"]:
        for coalition in [*COALITIONS, "overall"]:
            for subset in ["all", "align", "conflict", "equal", "same-polarity", "missing-align", "missing-conflict"]:
                keep = [
                    corpus in ("all", c) and (s == coalition or (coalition == "overall" and s in POOLED)) and subset in o
                    for c, s, o in zip(data["corpus"], data["coalition"], of.get(coalition, of["own"]))
                ]
                if any(keep):
                    key = {"corpus": corpus, "coalition": coalition, "subset": subset}
                    rows.append({**key, **figures(data[keep])})
    return rows


def psmv(data):
    """The mean gain over the six orders in which the modalities may come."""
    clips = [g for _, g in data.groupby(["corpus", "id"], sort=True) if len(g) == 8]
    parts = {"all": clips}
    for name in ("align", "conflict"):
        full = [g[g["coalition"] == "TAV"].to_dict("records")[0] for g in clips]
        parts[name] = [g for g, row in zip(clips, full) if name in subsets(row)]
    for corpus in WEAK:
        parts[corpus] = [g for g in clips if g["corpus"].iloc[0] == corpus]
    cases = []
    for name, part in parts.items():
        right = lambda s: sum((g[g["coalition"] == s]["label"] == g[g["coalition"] == s]["truth"]).iloc[0] for g in part)
        value = {s: right(s) / len(part) for s in COALITIONS}
        word = lambda members: "".join(m for m in "TAV" if m in members) or "none"
        gains = dict.fromkeys("TAV", 0.0)
        for order in itertools.permutations("TAV"):
            for i, m in enumerate(order):
                gains[m] += (value[word(order[: i + 1])] - value[word(order[:i])]) / 6
        cases.append({"name": name, "n": len(part), "text": gains["T"], "audio": gains["A"], "video": gains["V"]})
    return cases


def gtar(data):
    cases = []
    parts = {"conflict": ["TAV"], "missing-conflict": ["TA", "TV", "AV"]}
    for name in ["all", "ch-sims", "cmu-mosi", *POOLED, *parts]:
        sums = {m: [0, 0] for m in "TAV"}
        conflicts = 0
        for row in data.to_dict("records"):
            if row["coalition"] not in POOLED or name not in ("all", row["corpus"], row["coalition"]):
                if row["coalition"] not in parts.get(name, []):
                    continue
            observed = [m for m in row["coalition"]]
            if any(row[m] is None for m in observed):
                continue
            aligned = [m for m in observed if sign(row[m]) == sign(row["truth"])]
            if len(observed) - len(aligned) != 1:
                continue
            conflicts += 1
            for m in aligned:
                sums[m][1] += 1
                sums[m][0] += row["label"] is not None and sign(row["label"]) == sign(row["truth"])
        cases.append({"name": name, "n_conflict": conflicts, "sums": {m: [int(a), b] for m, (a, b) in sums.items()}})
    return cases


def clean(value):
    return None if isinstance(value, float) and math.isnan(value) else float(value) if isinstance(value, np.floating) else value


if __name__ == "__main__":
    check_versions()
    data = samples()
    write_files(data)
    parts = {"rows": table_rows(data), "psmv": psmv(data), "gtar": gtar(data)}
    lines = []
    for key, cases in parts.items():
        cases = [json.dumps({k: clean(v) for k, v in case.items()}) for case in cases]
        lines.append(f'"{key}": [\n' + ",\n".join(cases) + "\n]")
    (HERE / "expected.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
