#!/usr/bin/env python3
"""Compare `emomm predict` with the reference on media files, decoding included.

    python tools/reference/compare.py --emomm target/release/emomm \
        --model tests/golden/qwen2_5_omni/gqa/checkpoint --video clip.mp4 [--audio clip.mp4] --text "..."

Runs both on the same files under all coalitions and prints, for each, the largest difference of the letter
logits and of the attention tables, and whether letters, token counts and grids agree. Needs the packages that
`tests/golden/qwen2_5_omni/export.py` names. Exit code 1 where letters, counts or grids differ.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path


def run(command: list[str]) -> list[dict]:
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    return [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]


def attention_difference(ours: dict, theirs: dict) -> float:
    worst = 0.0
    for table in ("nmas", "mass"):
        for modality in ("text", "audio", "video"):
            a, b = ours[table][modality], theirs[table][modality]
            if (a is None) != (b is None):
                return float("inf")
            for row_a, row_b in zip(a or [], b or []):
                worst = max([worst, *(abs(x - y) for x, y in zip(row_a, row_b))])
    return worst


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--emomm", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--video")
    parser.add_argument("--audio")
    parser.add_argument("--text")
    parser.add_argument("--corpus", default="ch-sims")
    args = parser.parse_args()

    shared = ["--model", args.model, "--corpus", args.corpus]
    for name in ("video", "audio", "text"):
        if getattr(args, name) is not None:
            shared += [f"--{name}", getattr(args, name)]
    reference = Path(__file__).with_name("predict.py")
    ours = run([args.emomm, "predict", *shared, "--all-coalitions", "--attention", "--json"])
    theirs = {p["coalition"]: p for p in run([sys.executable, str(reference), *shared])}

    agree = len(ours) == len(theirs)
    print(f"{'coalition':<10} {'tokens':>7} {'grid':>14} {'logits':>10} {'attention':>10}  letter")
    for a in ours:
        b = theirs[a["coalition"]]
        logits = max(abs(a["letter_logits"][k] - b["letter_logits"][k]) for k in "ABCDE")
        same = all(a[k] == b[k] for k in ("letter", "tokens", "grid_thw"))
        agree &= same
        grid = str(a["grid_thw"] or "-")
        print(
            f"{a['coalition']:<10} {a['tokens']['total']:>7} {grid:>14} {logits:>10.1e} "
            f"{attention_difference(a, b):>10.1e}  {'same' if same else 'DIFFERENT'}"
        )
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
