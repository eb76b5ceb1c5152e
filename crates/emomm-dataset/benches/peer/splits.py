"""Compares our splits with scikit-learn's StratifiedGroupKFold on twenty generated corpora.

    pip install scikit-learn==1.9.1
    cargo build --release -p emomm-dataset --example assign_splits
    python splits.py target/release/examples/assign_splits

Corpora: two languages with 145 and 93 groups, sizes about as uneven as the real ones (largest near 188 of 4403 and 60 of 2199);
ten at full size, ten curated to 2000 clips a language. Every group has a mixture of strata (class x subset) of its own, so
that groups cannot be exchanged freely. No real row is used.

Peers: (a) ten folds, shuffled; fold 0 is valid, 1 and 2 are test. (b) five folds for test, then eight of the rest for
valid. (c) the better of (a) and (b) over twenty seeds, judged by each measure on its own, which no one splitting could
be: a bound on what the method gives.

Measures: ratio error, the sum over splits of |share - tenths|; label divergence, the mean over splits of the
Jensen-Shannon divergence (bits) between strata of the split and of the whole; worst total variation over splits.
"""

import subprocess
import sys
import time
import warnings

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

TENTHS = {"train": 0.7, "valid": 0.1, "test": 0.2}
CLASSES = ["negative", "weakly-negative", "neutral", "weakly-positive", "positive"]
SUBSETS = ["conflict", "equal", "same-polarity"]


def sizes(rng, n_groups, n_items, largest):
    """Group sizes of a heavy tail, scaled to a sum, with a given largest."""
    raw = rng.lognormal(0, 0.9, n_groups)
    raw = np.minimum(raw * n_items / raw.sum(), largest)
    out = np.maximum(np.round(raw * n_items / raw.sum()), 1).astype(int)
    out[np.argmax(out)] += n_items - out.sum()
    return out


def corpus(seed):
    """Groups and strata of one generated corpus."""
    rng = np.random.default_rng(seed)
    curated = seed % 2 == 1
    groups, strata = [], []
    for language, n_groups, n_items, largest in [("zh", 145, 4403, 188), ("en", 93, 2199, 60)]:
        if curated:
            largest = largest * 2000 // n_items
            n_items = 2000
        whole = rng.dirichlet(np.full(len(CLASSES) * len(SUBSETS), 2.0))
        for group, size in enumerate(sizes(rng, n_groups, n_items, largest)):
            own = rng.dirichlet(whole * 12 + 1e-3)
            for stratum in rng.choice(len(own), size=size, p=own):
                groups.append(f"{language}/{group:03}")
                strata.append(f"{CLASSES[stratum // 3]}/{SUBSETS[stratum % 3]}/{language}")
    order = rng.permutation(len(groups))
    return np.array(groups)[order], np.array(strata)[order]


def measures(splits, strata):
    """Ratio error, mean divergence, worst total variation."""
    names, codes = np.unique(strata, return_inverse=True)
    whole = np.bincount(codes, minlength=len(names)) / len(codes)
    ratio, divergence, variation = 0.0, [], []
    for name, share in TENTHS.items():
        here = splits == name
        ratio += abs(here.mean() - share)
        part = np.bincount(codes[here], minlength=len(names)) / max(here.sum(), 1)
        mid = (part + whole) / 2

        def kl(p):
            return float(np.sum(np.where(p > 0, p * np.log2(np.where(p > 0, p, 1) / mid), 0)))

        divergence.append((kl(part) + kl(whole)) / 2)
        variation.append(float(np.abs(part - whole).sum() / 2))
    return np.array([ratio, np.mean(divergence), max(variation)])


def ours(binary, groups, strata):
    items = "\n".join(f"{g}\t{s}" for g, s in zip(groups, strata))
    out = subprocess.run([binary, "0"], input=items, capture_output=True, text=True, check=True).stdout
    splits = np.array(out.split())
    assert all(len(set(splits[groups == g])) == 1 for g in np.unique(groups))
    return splits


def ten_folds(groups, strata, seed):
    splits = np.full(len(groups), "train", dtype=object)
    folds = StratifiedGroupKFold(10, shuffle=True, random_state=seed).split(groups, strata, groups)
    for fold, (_, held) in enumerate(folds):
        if fold < 3:
            splits[held] = "valid" if fold == 0 else "test"
    return splits


def two_stages(groups, strata, seed):
    splits = np.full(len(groups), "train", dtype=object)
    rest, test = next(StratifiedGroupKFold(5, shuffle=True, random_state=seed).split(groups, strata, groups))
    splits[test] = "test"
    inner = StratifiedGroupKFold(8, shuffle=True, random_state=seed)
    _, valid = next(inner.split(groups[rest], strata[rest], groups[rest]))
    splits[rest[valid]] = "valid"
    return splits


def main():
    # Rare strata with fewer clips than folds are part of the task.
    warnings.filterwarnings("ignore", message="The least populated class in y")
    binary = sys.argv[1]
    rows, seconds = [], 0.0
    for seed in range(20):
        groups, strata = corpus(seed)
        start = time.perf_counter()
        mine = measures(ours(binary, groups, strata), strata)
        seconds += time.perf_counter() - start
        peers = [[measures(f(groups, strata, s), strata) for s in range(20)] for f in (ten_folds, two_stages)]
        best = np.min(np.concatenate(peers), axis=0)
        rows.append([mine, peers[0][0], peers[1][0], best])
        print(f"corpus {seed:2}: n {len(groups)}, largest {np.unique(groups, return_counts=True)[1].max()}", file=sys.stderr)
    rows = np.array(rows)
    print("| | ratio error | label divergence (bits) | worst total variation |\n|---|---|---|---|")
    for index, name in enumerate(["ours", "(a) ten folds", "(b) two stages", "(c) best of 40, each measure"]):
        mean = rows[:, index].mean(axis=0)
        print(f"| {name} | {mean[0]:.5f} | {mean[1]:.5f} | {mean[2]:.4f} |")
    for index, name in enumerate(["(a)", "(b)", "(c)"], start=1):
        wins = (rows[:, 0] < rows[:, index]).sum(axis=0)
        print(f"better than {name} on {wins[0]}, {wins[1]} and {wins[2]} of {len(rows)} corpora")
    print(f"{seconds / len(rows):.2f} s a corpus, start of the process included")


main()
