"""Accuracy of a checkpoint on packed clips, by subset and coalition, under the full prompt.

    python tools/embedded/evaluate.py --model CHECKPOINT --data PACKED [--json FILE]

`network.py` computes in float32 with the stored bfloat16 weights. Two tables in Markdown: against
the ground truth, and what the answer to a clip agrees with: each modality's own label.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

import data
import network
import train
from checkpoint import ref, vocabulary

NAMES = {"T": "text", "A": "audio", "V": "video"}


def load(model: Path) -> tuple[network.Thinker, Any]:
    from safetensors.torch import load_file

    tok = data.Tokenizer.from_file(str(model / "tokenizer.json"))
    net = network.Thinker(vocabulary(tok))
    net.load_state_dict({k: v.float() for k, v in load_file(model / "model.safetensors").items()})
    return net, tok


def answers(model: Path, packed: Path) -> tuple[data.Clips, dict[str, list[int]]]:
    """Letters of every clip under every coalition."""
    network.set_fast(False)
    net, _ = load(model)
    clips = data.Clips(packed)
    batches = train.Batches(net, clips, data.embed(net, clips), data.Prompts(model, clips.grid), 0)
    batches.eval_drop = 0.0
    ids = list(range(len(clips)))
    return clips, {c: train.letters_of(batches, ids, c) for c in ref.COALITIONS}


def groups(rows: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """Which clips belong to a subset."""
    kinds = np.array([data.subset(r) for r in rows])
    found = {
        "align": kinds != "conflict",
        "equal": kinds == "equal",
        "same-polarity": kinds == "same-polarity",
        "conflict": kinds == "conflict",
    }
    return {name: mask for name, mask in found.items() if mask.any()}


def shares(rows: list[dict[str, Any]], letters: dict[str, list[int]], source: str) -> dict[str, Any]:
    """How often the letter is the class of `source`, by subset and coalition."""
    label = np.array([r["class"][source] for r in rows])
    return {
        name: {c: float((np.array(f)[mask] == label[mask]).mean()) for c, f in letters.items()}
        for name, mask in groups(rows).items()
    }


def markdown(rows: list[dict[str, Any]], letters: dict[str, list[int]]) -> str:
    head = " | ".join(ref.COALITIONS)
    lines = [f"| subset | n | {head} |", "|---" * (2 + len(ref.COALITIONS)) + "|"]
    of_truth = shares(rows, letters, "ground_truth")
    for name, mask in groups(rows).items():
        cells = " | ".join(f"{of_truth[name][c]:.3f}" for c in ref.COALITIONS)
        lines.append(f"| {name} | {mask.sum()} | {cells} |")
    lines += ["", f"| subset | agrees with | {head} |", "|---" * (2 + len(ref.COALITIONS)) + "|"]
    for name in groups(rows):
        for source in NAMES.values():
            of_source = shares(rows, letters, source)
            cells = " | ".join(f"{of_source[name][c]:.3f}" for c in ref.COALITIONS)
            lines.append(f"| {name} | {source} | {cells} |")
    return "\n".join(lines)


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    clips, letters = answers(args.model, args.data)
    print(markdown(clips.rows, letters))
    if args.json:
        result = {s: shares(clips.rows, letters, s) for s in data.SOURCES}
        args.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
