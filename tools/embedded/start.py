"""Writes the checkpoint's base: tokenizer, configuration, preprocessing; no weights.

    python tools/embedded/start.py PACKED --out BASE

The tokenizer is trained on the prompt and on the transcripts of the packed training clips.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import checkpoint
import data


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("packed", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    about = json.loads((args.packed / "clips.json").read_text())
    checkpoint.write_base(args.out, [c["text"] for c in about["clips"]])
    prompts = data.Prompts(args.out, tuple(about["grid"]))
    print(prompts.tok.get_vocab_size(), "tokens in the vocabulary")
    for corpus in checkpoint.ref.SCORE_SETS:
        print(corpus, len(prompts.tokens("none", None, corpus)[0]), "tokens without evidence")


if __name__ == "__main__":
    main()
