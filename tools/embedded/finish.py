"""Writes a trained run as a checkpoint in the Hugging Face layout.

    python tools/embedded/finish.py --base BASE --weights RUN/full.pt --out CHECKPOINT
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import torch

import checkpoint


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for path in sorted(args.base.iterdir()):
        shutil.copy(path, args.out / path.name)
    checkpoint.export(torch.load(args.weights)["weights"], args.out)
    print((args.out / "model.safetensors").stat().st_size, "bytes")


if __name__ == "__main__":
    main()
