"""Frames and spectrograms of some clips of a synthetic world, as pictures to look at.

    python look.py WORLD OUT [--clips N] [--seed S]

Writes `OUT/CORPUS.png`: a row for each clip, five frames, then the spectrogram of its sound with the pitch that pyworld
finds drawn over it. Above each row the scores of the three modalities.
"""

import argparse
import json
import random
from pathlib import Path

import matplotlib
import numpy as np
import pyworld

from check import decode

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

N_FRAMES = 5


def row(axes, world, truth):
    frames, sound, rate = decode(world / truth["file"])
    for axis, index in zip(axes, np.linspace(0, len(frames) - 1, N_FRAMES).round().astype(int)):
        axis.imshow(frames[index])
        axis.axis("off")
    axes[-1].specgram(sound, NFFT=512, noverlap=384, Fs=rate, cmap="magma", vmin=-130)
    f0, times = pyworld.harvest(sound, rate, f0_floor=60, f0_ceil=600, frame_period=10)
    axes[-1].plot(times, np.where(f0 > 0, f0, np.nan), color="cyan", linewidth=1)
    axes[-1].set_ylim(0, 5000)
    scores = truth["scores"]
    title = f"{truth['file']}  T {scores['text']} A {scores['audio']} V {scores['video']}"
    axes[0].set_title(title, loc="left", fontsize=7)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("world", type=Path)
    arguments.add_argument("out", type=Path)
    arguments.add_argument("--clips", type=int, default=8, help="clips of each corpus")
    arguments.add_argument("--seed", type=int, default=0)
    options = arguments.parse_args()
    lines = (options.world / "truth.jsonl").read_text(encoding="utf-8").splitlines()
    truths = [json.loads(line) for line in lines]
    options.out.mkdir(parents=True, exist_ok=True)
    for corpus in ("ch-sims", "cmu-mosi"):
        clips = random.Random(options.seed).sample([t for t in truths if t["corpus"] == corpus], options.clips)
        clips.sort(key=lambda truth: truth["scores"]["video"])
        size = (3 * (N_FRAMES + 1), 2.4 * len(clips))
        figure, axes = pyplot.subplots(len(clips), N_FRAMES + 1, figsize=size, squeeze=False)
        for line, truth in zip(axes, clips):
            row(line, options.world, truth)
        figure.tight_layout()
        figure.savefig(options.out / f"{corpus}.png", dpi=80)


if __name__ == "__main__":
    main()
