"""Expected values of `emomm compare`: paired differences, tests by cluster, flips, Holm.

Written with numpy, scikit-learn, scipy and statsmodels, independently of the Rust code. The p-values of clusters are those
of all 2^k swaps. Run: python3 export.py
"""

import csv
import itertools
import json
import pathlib

import numpy as np
import scipy
import sklearn
import statsmodels
from sklearn.metrics import accuracy_score, f1_score
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

VERSIONS = {"scikit-learn": "1.9.1", "scipy": "1.17.1", "statsmodels": "0.15.0"}
HERE = pathlib.Path(__file__).parent
LETTERS = "ABCDE"
SUBSETS = {"align": "aaa", "conflict": "aab"}


def made_up(seed):
    """Rows of eight groups: the true class, the class of each modality, and two answers of which the second is better."""
    rng = np.random.default_rng(seed)
    rows = []
    for clip in range(60):
        group = f"g{rng.integers(8)}"
        truth = int(rng.integers(5))
        conflict = clip % 3 == 0
        labels = [truth, truth, 4 - truth if conflict and truth != 2 else truth]
        for coalition in ["TAV", "TA", "TV", "AV", "none"]:
            a = truth if rng.random() < 0.35 else int(rng.integers(5))
            b = truth if rng.random() < 0.55 else int(rng.integers(5))
            a = None if rng.random() < 0.05 else a
            rows.append(dict(id=f"c{clip:02}", coalition=coalition, ground_truth=truth, labels=labels, group=group, a=a, b=b))
    return rows


def write(name, rows, side):
    with open(HERE / name, "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["id", "coalition", "label", "ground_truth", "label_T", "label_A", "label_V", "group"])
        for row in rows:
            answer = "" if row[side] is None else LETTERS[row[side]]
            letters = [LETTERS[label] for label in row["labels"]]
            out.writerow([row["id"], row["coalition"], answer, LETTERS[row["ground_truth"]], *letters, row["group"]])


def figures(rows, side):
    truth = [row["ground_truth"] for row in rows]
    answers = [-1 if row[side] is None else row[side] for row in rows]
    acc = accuracy_score(truth, answers)
    # All five classes count, also one that no row truly has.
    f1 = f1_score(truth, answers, labels=range(5), average="macro", zero_division=0)
    return acc, f1


def swapped_p(rows, which):
    """Share of all swaps of whole groups whose difference is at least as large."""
    groups = sorted({row["group"] for row in rows})
    observed = figures(rows, "b")[which] - figures(rows, "a")[which]
    hits = 0
    for swap in itertools.product([False, True], repeat=len(groups)):
        is_swapped = dict(zip(groups, swap))
        mixed = [{**row, "a": row["b"], "b": row["a"]} if is_swapped[row["group"]] else row for row in rows]
        value = figures(mixed, "b")[which] - figures(mixed, "a")[which]
        hits += abs(value) >= abs(observed) - 1e-12
    return hits / 2 ** len(groups)


def part(rows):
    out = {"n": len(rows), "n_clusters": len({row["group"] for row in rows})}
    (acc_a, f1_a), (acc_b, f1_b) = figures(rows, "a"), figures(rows, "b")
    out["acc"] = dict(a=acc_a, b=acc_b, delta=acc_b - acc_a, p=swapped_p(rows, 0))
    out["macro_f1"] = dict(a=f1_a, b=f1_b, delta=f1_b - f1_a)
    right = [(row["a"] == row["ground_truth"], row["b"] == row["ground_truth"]) for row in rows]
    table = [[sum(r == (x, y) for r in right) for y in (True, False)] for x in (True, False)]
    out["flips"] = dict(right_to_wrong=table[0][1], wrong_to_right=table[1][0])
    out["mcnemar"] = float(mcnemar(table, exact=True).pvalue)
    return out


def main():
    found = {"scikit-learn": sklearn.__version__, "scipy": scipy.__version__, "statsmodels": statsmodels.__version__}
    assert found == VERSIONS, f"expected {VERSIONS}, found {found}"
    rows = made_up(20_260_101)
    write("a.csv", rows, "a")
    write("b.csv", rows, "b")
    pooled = [row for row in rows if len(row["coalition"]) >= 2 and row["coalition"] != "none"]

    def polarity(label):
        return (label > 2) - (label < 2)

    def shown(row):
        return [label for letter, label in zip("TAV", row["labels"]) if letter in row["coalition"]]

    def in_conflict(row):
        return any(polarity(label) != polarity(row["ground_truth"]) for label in shown(row))

    subsets = {
        "align": [r for r in pooled if r["coalition"] == "TAV" and not in_conflict(r)],
        "conflict": [r for r in pooled if r["coalition"] == "TAV" and in_conflict(r)],
        "missing-align": [r for r in pooled if r["coalition"] != "TAV" and not in_conflict(r)],
        "missing-conflict": [r for r in pooled if r["coalition"] != "TAV" and in_conflict(r)],
    }
    subsets["equal"] = [r for r in subsets["align"] if all(label == r["ground_truth"] for label in r["labels"])]
    expected = part(pooled)
    expected["subsets"] = {name: part(rows) for name, rows in subsets.items()}
    expected["coalitions"] = {"none": part([row for row in rows if row["coalition"] == "none"])}
    names = sorted(expected["subsets"])
    adjusted = multipletests([expected["subsets"][name]["acc"]["p"] for name in names], method="holm")[1]
    expected["holm"] = dict(zip(names, map(float, adjusted)))
    (HERE / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
