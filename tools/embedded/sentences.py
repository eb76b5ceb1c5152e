"""Collects the transcripts and text labels of a world, without its media.

    python tools/embedded/sentences.py WORLD --out sentences.json

`emomm synth` writes label files before any clip, so that a run may be ended once they are there.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

from checkpoint import ref


def letter(corpus: str, score: float) -> int:
    """Index of the class whose set of App. E holds the score."""
    for index, scores in enumerate(ref.SCORE_SETS[corpus].values()):
        if any(abs(float(s) - score) < 1e-6 for s in scores.strip("{}").split(",")):
            return index
    raise ValueError(f"{corpus}: score {score} is in no set")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("world", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    found = []
    for row in rows(args.world / "ch-sims" / "meta.csv"):
        found.append(("ch-sims", row["text"], float(row["label_T"])))
    texts = {
        f"{r['video_id']}_{r['clip_id']}": r["text"]
        for r in rows(args.world / "cmu-mosi" / "label.csv")
    }
    for row in rows(args.world / "cmu-mosi-labels.csv"):
        found.append(("cmu-mosi", texts[row["clip"]], float(row["label_T"])))
    sentences = [
        {
            "corpus": corpus,
            "text": text,
            "score": {"text": score},
            "class": {"text": letter(corpus, score)},
        }
        for corpus, text, score in found
    ]
    args.out.write_text(json.dumps(sentences, ensure_ascii=False))
    print(len(sentences), "sentences,", len({s["text"] for s in sentences}), "of them different")


if __name__ == "__main__":
    main()
