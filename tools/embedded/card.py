"""Prints the figures of the model card again, or checks that the card has them.

    python tools/embedded/card.py --world WORLD --answers parity.jsonl [--card README.md]

`parity.jsonl` is what `parity.py` wrote of the world: the letter logits of emomm and of transformers on media files. Three
tables in Markdown: accuracy of emomm's letters by subset and coalition, what they agree with, and emomm against
transformers. With `--card` every line of them must stand in that file, and the exit code is 1 if one does not.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from checkpoint import ref
from evaluate import markdown
from parity import table
from prepare import classes, read_truth


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--world", type=Path, required=True)
    parser.add_argument("--answers", type=Path, required=True)
    parser.add_argument("--card", type=Path)
    args = parser.parse_args()
    lines = [json.loads(line) for line in args.answers.read_text().splitlines()]
    truth = {row["file"]: row for row in read_truth(args.world)}
    rows = [{"class": classes(truth[line["file"]])} for line in lines]
    letters = {c: [int(np.argmax(line["emomm"][c])) for line in lines] for c in ref.COALITIONS}
    text = f"{markdown(rows, letters)}\n\n{table(lines)}"
    if not args.card:
        print(text)
        return 0
    there = set(args.card.read_text(encoding="utf-8").splitlines())
    missing = [line for line in text.splitlines() if line and line not in there]
    for line in missing:
        print(f"{args.card} lacks: {line}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
