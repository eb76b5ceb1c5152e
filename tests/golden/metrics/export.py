"""Writes golden values of metrics and tests, computed by scikit-learn, statsmodels, krippendorff and scipy.

Inputs are random and stored beside the expected values; nothing is shared with the Rust code. Takes about three minutes,
nearly all of it for the bootstrap.

    python3 -m pip install -r tests/golden/metrics/requirements.txt
    python3 tests/golden/metrics/export.py
"""

import importlib.metadata
import itertools
import json
import pathlib
import warnings

import krippendorff
import numpy as np
import statsmodels.api as sm
from scipy import stats
from sklearn import metrics
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.inter_rater import aggregate_raters, fleiss_kappa
from statsmodels.stats.multitest import multipletests

HERE = pathlib.Path(__file__).parent
RNG = np.random.default_rng(20260101)
# Stands for "no answer" among the classes 0 to 4.
NONE = 5

# Classes without true samples are meant to occur; scikit-learn warns of them.
warnings.filterwarnings("ignore", category=UserWarning, module="sklearn")


def check_versions():
    for line in (HERE / "requirements.txt").read_text().split():
        name, wanted = line.split("==")
        found = importlib.metadata.version(name)
        assert found == wanted, f"{name} is {found}, expected {wanted}"


def write(name, value):
    """One line for each case, so that a change can be read."""
    lines = [f'"{key}": [\n' + ",\n".join(json.dumps(case) for case in cases) + "\n]" for key, cases in value.items()]
    (HERE / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


def or_none(labels):
    return [None if x == NONE else int(x) for x in labels]


# --- classes ---------------------------------------------------------------------------------------------------------


def figures(truth, predicted):
    """Accuracy and the averages over the classes that occur in truth or in answers."""
    labels = sorted(set(truth) | set(predicted) - {NONE, -1})
    return {
        "n": len(truth),
        "acc": metrics.accuracy_score(truth, predicted),
        "macro_f1": metrics.f1_score(truth, predicted, labels=labels, average="macro", zero_division=0),
        "weighted_f1": metrics.f1_score(truth, predicted, labels=labels, average="weighted", zero_division=0),
        "uar": metrics.balanced_accuracy_score(truth, predicted),
    }


def polarity(x):
    return NONE if x == NONE else int(np.sign(x - 2)) + 1


def readings_of_acc2(truth, predicted):
    """Classes 0 and 1; -1 is an answer that is neither."""
    nonzero = [(t, p) for t, p in zip(truth, predicted) if t != 2]
    strict = {NONE: NONE, 0: 0, 1: 0, 2: -1, 3: 1, 4: 1}
    above = {**strict, 2: 0}
    at_least = {**strict, 2: 1}
    return {
        "negative-positive": ([strict[t] for t, _ in nonzero], [strict[p] for _, p in nonzero]),
        "non-zero": ([above[t] for t, _ in nonzero], [above[p] for _, p in nonzero]),
        "has-zero": ([at_least[t] for t in truth], [at_least[p] for p in predicted]),
    }


def answered(truth, predicted):
    kept = [(t, p) for t, p in zip(truth, predicted) if p != NONE]
    return [t for t, _ in kept], [p for _, p in kept]


def classification_case(truth, predicted):
    truth, predicted = [int(x) for x in truth], [int(x) for x in predicted]
    classes = range(5)
    case = {"truth": truth, "predicted": or_none(predicted)}
    for policy, (t, p) in {"wrong": (truth, predicted), "excluded": answered(truth, predicted)}.items():
        precision, recall, f1, support = metrics.precision_recall_fscore_support(
            t, p, labels=list(classes), zero_division=np.nan
        )
        case[policy] = {
            "five": figures(t, p),
            "three": figures([polarity(x) for x in t], [polarity(x) for x in p]),
            "two": {name: figures(a, b) for name, (a, b) in readings_of_acc2(t, p).items()},
            "precision": [None if np.isnan(x) else x for x in precision],
            "recall": [None if np.isnan(x) else x for x in recall],
            "support": [int(x) for x in support],
        }
    case["confusion"] = metrics.confusion_matrix(truth, predicted, labels=range(6))[:5, :5].tolist()
    return case


def classification():
    def draw(n, p_truth, p_hit, p_none):
        truth = RNG.choice(5, n, p=p_truth)
        noise = RNG.choice(5, n)
        predicted = np.where(RNG.random(n) < p_hit, truth, noise)
        return truth, np.where(RNG.random(n) < p_none, NONE, predicted)

    even = [0.2] * 5
    return {
        "cases": [
            classification_case(*draw(200, even, 0.5, 0.0)),
            classification_case(*draw(200, [0.5, 0.2, 0.1, 0.15, 0.05], 0.3, 0.1)),
            classification_case(*draw(60, [0.4, 0.3, 0.0, 0.3, 0.0], 0.6, 0.05)),
            classification_case([0, 0, 1, 3, 4, 4], [0, 1, 1, 3, 3, NONE]),
        ]
    }


# --- scores and modalities ------------------------------------------------------------------------------------------


def scores():
    cases = []
    for n, offset in [(2, 0.0), (50, 0.0), (300, 1e6)]:
        x = RNG.normal(size=n)
        y = 0.4 * x + RNG.normal(size=n) + offset
        mae = metrics.mean_absolute_error(x, y)
        cases.append({"x": x.tolist(), "y": y.tolist(), "pearson": stats.pearsonr(x, y).statistic, "mae": mae})
    return {"cases": cases}


def shapley_by_orders(values):
    """The mean gain of a player over all orders in which the three can come."""
    gains = dict.fromkeys("TAV", 0.0)
    for order in itertools.permutations("TAV"):
        for position, player in enumerate(order):
            before = "".join(m for m in "TAV" if m in order[:position]) or "none"
            after = "".join(m for m in "TAV" if m in order[: position + 1])
            gains[player] += (values[after] - values[before]) / 6
    return gains


def gtar_by_filter(rows, loose):
    """Eq. (4) as sums over a filtered list."""
    sign = lambda x: np.sign(x - 2)
    conflict = []
    for row in rows:
        wrong = sum(sign(row[m]) != sign(row["gt"]) for m in row["available"])
        if wrong >= 1 if loose else wrong == 1:
            conflict.append(row)
    result = {}
    for m in "TAV":
        aligned = [r for r in conflict if m in r["available"] and sign(r[m]) == sign(r["gt"])]
        result[m] = [sum(bool(sign(r["predicted"]) == sign(r["gt"])) for r in aligned), len(aligned)]
    return result


def modalities():
    coalitions = ["none", "T", "A", "V", "TA", "TV", "AV", "TAV"]
    psmv = []
    for _ in range(5):
        values = dict(zip(coalitions, RNG.random(8).tolist()))
        psmv.append({"values": values, "psmv": shapley_by_orders(values)})
    rows = []
    for _ in range(300):
        gt = int(RNG.integers(5))
        near = lambda: int(np.clip(gt + RNG.integers(-2, 3), 0, 4))
        available = coalitions[1 + int(RNG.integers(7))]
        rows.append({"gt": gt, "T": near(), "A": near(), "V": near(), "predicted": near(), "available": available})
    consistency = {
        f"{i}-{j}": 1 - metrics.mean_absolute_error([r[i] for r in rows], [r[j] for r in rows]) / 4
        for i, j in itertools.combinations(["gt", "T", "A", "V"], 2)
    }
    labels = {"rows": rows, "exactly_one": gtar_by_filter(rows, False), "at_least_one": gtar_by_filter(rows, True)}
    return {"psmv": psmv, "labels": [{**labels, "consistency": consistency}]}


# --- annotators -----------------------------------------------------------------------------------------------------


def agreement_case(n_items, n_raters, values, p_same, p_gap):
    base = RNG.choice(values, n_items)
    table = np.where(RNG.random((n_items, n_raters)) < p_same, base[:, None], RNG.choice(values, (n_items, n_raters)))
    gap = RNG.random((n_items, n_raters)) < p_gap
    with_gaps = np.where(gap, np.nan, table)
    complete = table[~gap.any(axis=1)]
    pairs = []
    for a, b in itertools.combinations(range(n_raters), 2):
        shared = ~(gap[:, a] | gap[:, b])
        x, y = table[shared, a], table[shared, b]
        kappa = lambda weights: metrics.cohen_kappa_score(x, y, labels=values, weights=weights)
        pairs.append(
            {
                "raters": [a, b],
                "n": int(shared.sum()),
                "agreement": float((x == y).mean()),
                "unweighted": kappa(None),
                "linear": kappa("linear"),
                "quadratic": kappa("quadratic"),
            }
        )
    return {
        "ratings": [[None if g else int(v) for v, g in zip(row, gaps)] for row, gaps in zip(table, gap)],
        "fleiss": fleiss_kappa(aggregate_raters(complete)[0], method="fleiss"),
        "alpha": {
            level: krippendorff.alpha(reliability_data=with_gaps.T, level_of_measurement=level)
            for level in ("nominal", "ordinal", "interval")
        },
        "pairs": pairs,
    }


def agreement():
    return {
        "cases": [
            agreement_case(80, 5, [-1, 0, 1], 0.6, 0.0),
            agreement_case(80, 5, [-1, 0, 1], 0.7, 0.08),
            agreement_case(60, 3, [0, 1, 2, 3, 4], 0.5, 0.2),
            agreement_case(40, 2, [-1, 0, 1], 0.0, 0.0),
        ]
    }


# --- tests ----------------------------------------------------------------------------------------------------------


def flips():
    counts = [(0, 0), (1, 5), (5, 1), (10, 10), (3, 30), (400, 460), (1500, 1400), (0, 60)]
    return [{"b": b, "c": c, "p": float(mcnemar([[7, b], [c, 9]], exact=True).pvalue)} for b, c in counts]


def families():
    lists = [[0.01, 0.04, 0.03, 0.02], [0.5], [0.0, 1.0, 0.3], RNG.random(20).tolist(), [0.01, 0.01, 0.2, 0.2]]
    return [{"p": p, "adjusted": multipletests(p, method="holm")[1].tolist()} for p in lists]


def detectable():
    cases = []
    for alpha, power, error in [(0.05, 0.8, 0.02), (0.01, 0.9, 0.013), (0.05, 0.3, 0.1)]:
        z = stats.norm.isf(alpha / 2) + stats.norm.ppf(power)
        cases.append({"alpha": alpha, "power": power, "standard_error": error, "difference": z * error})
    return cases


def clustered_errors():
    cases = []
    for k, n in [(5, 30), (40, 200)]:
        clusters = np.concatenate([np.arange(k), RNG.integers(0, k, n - k)])
        d = RNG.integers(-1, 2, n).astype(float)
        fit = sm.OLS(d, np.ones(n)).fit(cov_type="cluster", cov_kwds={"groups": clusters, "use_correction": True})
        cases.append({"clusters": clusters.tolist(), "differences": d.tolist(), "standard_error": float(fit.bse[0])})
    return cases


def tests():
    return {"mcnemar": flips(), "holm": families(), "detectable": detectable(), "clustered": clustered_errors()}


# --- resampling -----------------------------------------------------------------------------------------------------


def clustered_models(k, n):
    """Two models on n samples in k clusters of uneven sizes."""
    clusters = np.sort(np.concatenate([np.arange(k), (k * RNG.random(n - k) ** 2).astype(int)]))
    truth = RNG.integers(0, 5, n)
    answer = lambda hit: np.where(RNG.random(n) < hit, truth, RNG.integers(0, 5, n))
    return clusters, truth, answer(0.6), answer(0.4)


def permutation_case(k, n, n_resamples):
    clusters, truth, a, b = clustered_models(k, n)
    members = [np.flatnonzero(clusters == c) for c in range(k)]
    run = lambda data, statistic: stats.permutation_test(
        data, statistic, permutation_type="samples", n_resamples=n_resamples, vectorized=False, rng=1
    )
    # A pair of numbers for each cluster: its right answers under each model.
    right = [np.array([(model[m] == truth[m]).sum() for m in members]) for model in (a, b)]
    acc = run(right, lambda x, y: (x.sum() - y.sum()) / n)

    # Number c stands for the answers of the first model in cluster c, number k + c for those of the second.
    def f1_difference(x, y):
        pick = lambda ids: np.concatenate([(a, b)[int(i) // k][members[int(i) % k]] for i in ids])
        order = np.concatenate(members)
        score = lambda ids: metrics.f1_score(truth[order], pick(ids), average="macro", labels=range(5))
        return score(x) - score(y)

    case = {
        "clusters": clusters.tolist(),
        "truth": truth.tolist(),
        "a": a.tolist(),
        "b": b.tolist(),
        "acc": {"observed": float(acc.statistic), "p": float(acc.pvalue)},
    }
    if n_resamples == np.inf:
        f1 = run([np.arange(k), k + np.arange(k)], f1_difference)
        case["macro_f1"] = {"observed": float(f1.statistic), "p": float(f1.pvalue)}
    return case


def bootstrap_case(k, n):
    clusters, truth, a, _ = clustered_models(k, n)
    members = [np.flatnonzero(clusters == c) for c in range(k)]
    pick = lambda ids: np.concatenate([members[int(i)] for i in ids])
    statistics = {
        "acc": lambda ids: float((truth[pick(ids)] == a[pick(ids)]).mean()),
        "macro_f1": lambda ids: metrics.f1_score(truth[pick(ids)], a[pick(ids)], average="macro", zero_division=0),
    }
    case = {"clusters": clusters.tolist(), "truth": truth.tolist(), "predicted": a.tolist(), "n_resamples": 2000}
    for name, statistic in statistics.items():
        ends = []
        for seed in range(10):
            result = stats.bootstrap(
                (np.arange(k),), statistic, vectorized=False, method="percentile", n_resamples=2000, rng=seed
            )
            ends.append([result.confidence_interval.low, result.confidence_interval.high])
        mean, deviation = np.mean(ends, axis=0), np.std(ends, axis=0, ddof=1)
        case[name] = {"value": statistic(range(k)), "ends": mean.tolist(), "deviation": deviation.tolist()}
    return case


def resampling():
    return {
        "permutation": [
            permutation_case(6, 30, np.inf),
            permutation_case(9, 80, np.inf),
            permutation_case(40, 200, 99_999),
        ],
        "bootstrap": [bootstrap_case(12, 90), bootstrap_case(60, 200)],
    }


if __name__ == "__main__":
    check_versions()
    for part in (classification, scores, modalities, agreement, tests, resampling):
        write(part.__name__, part())
