"""Writes records drawn at random and the figures that pandas, scikit-learn and scipy compute from them.

Nothing is shared with the Rust code. The records are what a log would hold; the expected figures are those of the report's
tables, by the keys of those tables.

    python3 -m pip install -r tests/golden/report/requirements.txt
    python3 tests/golden/report/export.py
"""

import importlib.metadata
import itertools
import json
import pathlib
import warnings

import numpy as np
import pandas as pd
from scipy import stats
from sklearn import metrics

HERE = pathlib.Path(__file__).parent
RNG = np.random.default_rng(20260312)
COALITIONS = ["none", "T", "A", "V", "TA", "TV", "AV", "TAV"]
POOLED = ["TA", "TV", "AV", "TAV"]
N_CLIPS, N_LAYERS = 72, 3
NONE = 5
warnings.filterwarnings("ignore", category=UserWarning, module="sklearn")


def check_versions():
    for line in (HERE / "requirements.txt").read_text().split():
        name, wanted = line.split("==")
        found = importlib.metadata.version(name)
        assert found == wanted, f"{name} is {found}, expected {wanted}"


def class_of(corpus, steps):
    """App. A.1, in steps of 0.2."""
    border = 4 if corpus == "ch-sims" else 3
    if steps == 0:
        return 2
    strong = abs(steps) >= border
    return (4 if strong else 3) if steps > 0 else (0 if strong else 1)


def centre(corpus, label):
    steps = [s for s in range(-5, 6) if class_of(corpus, s) == label]
    return sum(steps) / len(steps) / 5


def sign(label):
    return np.sign(label - 2)


def draw():
    clips, records = [], []
    for index in range(N_CLIPS):
        corpus = ["ch-sims", "cmu-mosi"][index % 2]
        truth = int(RNG.integers(-5, 6))
        steps = [truth] + [truth if RNG.random() < 0.55 else int(RNG.integers(-5, 6)) for _ in range(3)]
        clips.append({"corpus": corpus, "name": f"{index:03d}", "group": f"g{index % 14:02d}", "steps": steps})
        for run in ["first", "second"]:
            for coalition in COALITIONS:
                if RNG.random() < 0.02:
                    answer = None
                elif RNG.random() < 0.3 + 0.1 * len(coalition.replace("none", "")) + 0.1 * (run == "second"):
                    answer = class_of(corpus, truth)
                else:
                    answer = int(RNG.integers(0, 5))
                nmas = RNG.random((N_LAYERS, 3)).round(6) / np.array([20, 60, 400])
                nmas = [[round(float(x), 6) for x in layer] for layer in nmas]
                share_noise = RNG.random((N_LAYERS, 3)) + 0.05
                shown = [m in coalition and coalition != "none" for m in "TAV"]
                share_noise = share_noise * shown
                total = share_noise.sum(axis=1, keepdims=True)
                share = (share_noise / np.where(total > 0, total, 1)).round(4)
                records.append(
                    {
                        "run": run,
                        "clip": index,
                        "coalition": coalition,
                        "answer": answer,
                        "nmas": nmas,
                        "share": share.tolist(),
                    }
                )
    return clips, records


def frame(clips, records):
    rows = []
    for r in records:
        clip = clips[r["clip"]]
        corpus = clip["corpus"]
        gt, *alone = [class_of(corpus, s) for s in clip["steps"]]
        shown = [] if r["coalition"] == "none" else list(r["coalition"])
        differs = {m: bool(sign(alone["TAV".index(m)]) != sign(gt)) for m in "TAV"}
        conflict = any(differs[m] for m in shown)
        if len(shown) == 3:
            subset = "conflict" if conflict else "align"
        elif len(shown) == 2:
            subset = "missing-conflict" if conflict else "missing-align"
        else:
            subset = "none"
        rows.append(
            {
                **{k: r[k] for k in ["run", "clip", "coalition", "nmas", "share"]},
                "corpus": corpus,
                "group": f"{corpus}/{clip['group']}",
                "truth": gt,
                "score": clip["steps"][0] / 5,
                "answer": NONE if r["answer"] is None else r["answer"],
                "subset": subset,
                "clip_conflict": any(differs.values()),
                "n_wrong": sum(differs[m] for m in shown),
                "differs": differs,
                "right": r["answer"] == gt,
                "right_polarity": r["answer"] is not None and bool(sign(r["answer"]) == sign(gt)),
            }
        )
    return pd.DataFrame(rows)


def scores(part):
    """A row of the table of scores; a missing answer is wrong."""
    gt, answer = part.truth.to_numpy(), part.answer.to_numpy()
    labels = sorted(set(gt) | (set(answer) - {NONE}))
    parsed = part[part.answer != NONE]
    said = np.array([centre(c, a) for c, a in zip(parsed.corpus, parsed.answer)])
    polar = part[part.truth != 2]
    return {
        "n": len(part),
        "n_parsed": len(parsed),
        "acc": metrics.accuracy_score(gt, answer),
        "macro_f1": metrics.f1_score(gt, answer, labels=labels, average="macro", zero_division=0),
        "weighted_f1": metrics.f1_score(gt, answer, labels=labels, average="weighted", zero_division=0),
        "uar": float(np.mean([np.mean(answer[gt == c] == c) for c in sorted(set(gt))])),
        "acc2": float(np.mean([a != NONE and a != 2 and sign(a) == sign(g) for g, a in zip(polar.truth, polar.answer)])),
        "acc3": float(part.right_polarity.mean()),
        "mae": metrics.mean_absolute_error(parsed.score, said),
        "pearson": stats.pearsonr(parsed.score, said)[0],
    }


def psmv(part):
    """The mean gain over the six orders in which three players can come."""
    value = {c: part[part.coalition == c].right.mean() for c in COALITIONS}
    name = lambda s: "".join(m for m in "TAV" if m in s) or "none"
    gains = {m: [] for m in "TAV"}
    for order in itertools.permutations("TAV"):
        for at, m in enumerate(order):
            gains[m].append(value[name(order[: at + 1])] - value[name(order[:at])])
    return {m: float(np.mean(g)) for m, g in gains.items()}


def gtar(part):
    found = {}
    for m in "TAV":
        kept = part[[c != "none" and m in c for c in part.coalition]]
        kept = kept[(kept.n_wrong == 1) & np.array([not d[m] for d in kept.differs])]
        found[m] = {"numerator": int(kept.right_polarity.sum()), "denominator": len(kept), "gtar": float(kept.right_polarity.mean())}
    return found


def attention(part, coalition):
    """By layer: mean share, nMAS over samples, of the shown modalities."""
    share = np.array(part.share.tolist()).mean(axis=0)
    nmas = np.array(part.nmas.tolist()).mean(axis=0)
    return [
        {"layer": layer + 1, "modality": m, "share": share[layer, i], "nmas": nmas[layer, i]}
        for layer in range(N_LAYERS)
        for i, m in enumerate("TAV")
        if m in coalition
    ]


def coupling(part, layers):
    points = []
    for corpus in ["ch-sims", "cmu-mosi"]:
        for coalition in POOLED:
            kept = part[(part.corpus == corpus) & (part.coalition == coalition) & (part.n_wrong == 1)]
            for i, m in enumerate("TAV"):
                right = kept[[not d[m] for d in kept.differs]]
                if m not in coalition or len(right) == 0:
                    continue
                nmas = np.array(kept.nmas.tolist())[:, layers, i].mean(axis=1).mean()
                points.append((nmas, right.right_polarity.mean()))
    x, y = zip(*points)
    return {"points": len(points), "spearman": stats.spearmanr(x, y)[0], "pearson": stats.pearsonr(x, y)[0]}


def delta_v(part):
    kept = part[part.clip_conflict]
    with_v, without = (scores(kept[kept.coalition == c]) for c in ["TAV", "TA"])
    return {key: with_v[key] - without[key] for key in ["acc", "acc2", "macro_f1"]}


def main():
    check_versions()
    clips, records = draw()
    table = frame(clips, records)
    first = table[table.run == "first"]
    expected = {"scores": [], "coalitions": [], "attention": [], "coupling": {}}
    for corpus in ["ch-sims", "cmu-mosi", "all"]:
        of_corpus = first if corpus == "all" else first[first.corpus == corpus]
        for coalition in ["overall", *COALITIONS]:
            shown = of_corpus[of_corpus.coalition.isin(POOLED if coalition == "overall" else [coalition])]
            for subset in ["all", "align", "conflict", "missing-align", "missing-conflict"]:
                part = shown if subset == "all" else shown[shown.subset == subset]
                if len(part):
                    key = {"corpus": corpus, "coalition": coalition, "subset": subset}
                    expected["scores"].append({**key, **scores(part)})
    expected["missing"] = scores(first[first.coalition.isin(["TA", "TV", "AV"])])
    for coalition in COALITIONS:
        part = first[first.coalition == coalition]
        align, conflict = (part[part.clip_conflict == c].right.mean() for c in [False, True])
        expected["coalitions"].append(
            {"coalition": coalition, "align": align, "conflict": conflict, "drop": align - conflict}
        )
    expected["psmv"] = {
        "all": psmv(first),
        "align": psmv(first[~first.clip_conflict]),
        "conflict": psmv(first[first.clip_conflict]),
    }
    expected["gtar"] = {
        "conflict": gtar(first[first.coalition == "TAV"]),
        "missing-conflict": gtar(first[first.coalition.isin(["TA", "TV", "AV"])]),
    }
    for coalition in POOLED:
        subset = "conflict" if coalition == "TAV" else "missing-conflict"
        part = first[(first.coalition == coalition) & (first.subset == subset)]
        for line in attention(part, coalition):
            expected["attention"].append({"coalition": coalition, "subset": subset, "n": len(part), **line})
    bands = {"all": range(0, 3), "early": range(0, 1), "middle": range(1, 2), "late": range(2, 3)}
    expected["coupling"] = {band: coupling(first, list(layers)) for band, layers in bands.items()}
    expected["delta_v"] = delta_v(first)
    part = first[first.coalition.isin(POOLED)]
    expected["confusion"] = metrics.confusion_matrix(part.truth, part.answer, labels=range(6))[:5].tolist()
    both = table[table.coalition.isin(POOLED)].pivot(index=["clip", "coalition"], columns="run", values="right")
    expected["runs"] = {
        "n": len(both),
        "first_acc": both["first"].mean(),
        "second_acc": both["second"].mean(),
        "wrong_to_right": int((~both["first"] & both["second"]).sum()),
        "right_to_wrong": int((both["first"] & ~both["second"]).sum()),
    }
    records = [{**r, "nmas": r["nmas"], "share": r["share"]} for r in records if r["run"] == "first"] + [
        {"run": r["run"], "clip": r["clip"], "coalition": r["coalition"], "answer": r["answer"]}
        for r in records
        if r["run"] == "second"
    ]
    # The eight coalitions of a clip share one draw of attention in the file's size, not in content: only those that the
    # tables read are kept.
    for r in records:
        if r["coalition"] not in POOLED:
            r.pop("nmas", None)
            r.pop("share", None)
    text = json.dumps({"clips": clips, "records": records, "expected": expected}, default=float, separators=(",", ":"))
    (HERE / "report.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
