"""Intra-class correlations by pingouin, for crates/emomm-metrics/tests/golden/intra_class.rs."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pingouin

EXPECTED = {"numpy": (np, "2."), "pandas": (pd, ""), "pingouin": (pingouin, "0.7.0")}
for name, (module, version) in EXPECTED.items():
    assert module.__version__.startswith(version), f"{name} {module.__version__}, expected {version}"

RNG = np.random.default_rng(20260301)


def case(n_items, n_raters, values, p_same, p_gap):
    base = RNG.choice(values, n_items)
    table = np.where(RNG.random((n_items, n_raters)) < p_same, base[:, None], RNG.choice(values, (n_items, n_raters)))
    gap = RNG.random((n_items, n_raters)) < p_gap
    rows = [
        {"item": i, "rater": r, "rating": float(table[i, r])}
        for i in range(n_items)
        for r in range(n_raters)
        if not gap[i].any()
    ]
    icc = pingouin.intraclass_corr(data=pd.DataFrame(rows), targets="item", raters="rater", ratings="rating")
    value = lambda kind: float(icc.loc[icc["Type"] == kind, "ICC"].iloc[0])
    types = list(icc["Type"])
    single, average = ("ICC2", "ICC2k") if "ICC2" in types else ("ICC(A,1)", "ICC(A,k)")
    return {
        "ratings": [[None if g else int(v) for v, g in zip(row, gaps)] for row, gaps in zip(table, gap)],
        "single": value(single),
        "average": value(average),
        "n_items": int((~gap.any(axis=1)).sum()),
    }


cases = [
    case(60, 5, [-1, 0, 1], 0.6, 0.0),
    case(60, 5, [-1, 0, 1], 0.7, 0.05),
    case(40, 3, [-5, -3, -1, 0, 1, 3, 5], 0.5, 0.1),
    case(30, 2, [-1, 0, 1], 0.0, 0.0),
]
text = "{\n\"cases\": [\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n}\n"
Path(__file__).with_name("expected.json").write_text(text)
