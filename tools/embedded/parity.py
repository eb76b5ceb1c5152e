"""Compares emomm with transformers on the clips of a world, from media file to letter.

    python tools/embedded/parity.py --emomm target/release/emomm --model CHECKPOINT \\
        --world WORLD [--limit 500] [--coalition TAV] [--json FILE]

Both sides decode with the same ffmpeg program, so that they see identical input; everything after
it is transformers' and qwen-omni-utils' own on one side and emomm's on the other. All eight
coalitions of every clip, or one. Printed: the share of equal letters and the greatest difference of letter
logits, by coalition.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from checkpoint import ref
from prepare import read_truth


def decoded(
    path: str,
    size: tuple[int, int],
    settings: dict[str, Any],
    picture: bool = True,
    sound: bool = True,
):
    """Chosen frames after stage 1, and the waveform at 16 kHz, of a mono clip at that rate."""
    from qwen_omni_utils.v2_5 import vision_process as vp

    ffmpeg = ["ffmpeg", "-nostdin", "-loglevel", "error", "-i", f"file:{path}"]
    stage1 = waveform = None
    if picture:
        raw = ["-map", "0:v:0", "-f", "rawvideo", "-pix_fmt", "rgb24", "-fps_mode", "passthrough"]
        found = subprocess.run([*ffmpeg, *raw, "-"], check=True, capture_output=True).stdout
        frames = np.frombuffer(found, np.uint8).reshape(-1, size[1], size[0], 3)
        count = vp.smart_nframes(settings, total_frames=len(frames), video_fps=12.5)
        index = torch.linspace(0, len(frames) - 1, count).round().long()
        stage1 = ref.resize_frames(frames[index], settings)
    if sound:
        raw = ["-map", "0:a:0", "-f", "f32le", "-acodec", "pcm_f32le"]
        found = subprocess.run([*ffmpeg, *raw, "-"], check=True, capture_output=True).stdout
        waveform = np.frombuffer(found, np.float32)
    return stage1, waveform


def ours(
    emomm: Path, model: Path, row: dict[str, Any], coalition: str | None
) -> dict[str, dict[str, Any]]:
    shown = ["--coalition", coalition] if coalition else ["--all-coalitions"]
    command = [emomm, "predict", "--model", model, "--video", row["path"], "--audio", row["path"]]
    command += ["--text", row["text"], "--corpus", row["corpus"], *shown, "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return {r["coalition"]: r for r in map(json.loads, done.stdout.splitlines())}


@torch.no_grad()
def theirs(
    model, processor, letters, settings, row: dict[str, Any], coalitions: tuple[str, ...]
) -> dict[str, list[float]]:
    stage1, waveform = decoded(row["path"], tuple(row["frame_size"]), settings)
    result = {}
    for coalition in coalitions:
        has = "" if coalition == "none" else coalition
        prompt = ref.render(processor, coalition, row["text"] if "T" in has else None, row["corpus"])
        inputs = ref.process(
            processor,
            prompt,
            stage1 if "V" in has else None,
            waveform if "A" in has else None,
            settings,
        )
        result[coalition] = ref.prefill(model, inputs, detail=False)["logits"][letters].tolist()
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--emomm", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--world", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=500)
    parser.add_argument("--coalition", choices=ref.COALITIONS, help="only this one")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the figures there")
    args = parser.parse_args()
    logging.getLogger("qwen_omni_utils").setLevel(logging.ERROR)
    torch.set_num_threads(args.threads)
    coalitions = (args.coalition,) if args.coalition else ref.COALITIONS
    rows = read_truth(args.world)
    places = np.linspace(0, len(rows) - 1, min(args.limit, len(rows))).round().astype(int)
    model, processor = ref.load(args.model)
    letters, settings = ref.letter_ids(processor), ref.load_settings(args.model)
    equal = dict.fromkeys(coalitions, 0)
    worst = dict.fromkeys(coalitions, 0.0)
    begin = time.time()
    for k, place in enumerate(places):
        row = rows[place]
        found = ours(args.emomm, args.model, row, args.coalition)
        wanted = theirs(model, processor, letters, settings, row, coalitions)
        for coalition, want in wanted.items():
            logits = [found[coalition]["letter_logits"][c] for c in ref.LETTERS]
            equal[coalition] += int(np.argmax(logits) == np.argmax(want))
            worst[coalition] = max(worst[coalition], float(np.abs(np.subtract(logits, want)).max()))
        if (k + 1) % 50 == 0:
            print(f"{k + 1} of {len(places)}, {time.time() - begin:.0f} s", file=sys.stderr, flush=True)
    n = len(places)
    for coalition in coalitions:
        share, difference = equal[coalition] / n, worst[coalition]
        print(f"{coalition:5} same letter {share:.4f}  greatest difference {difference:.1e}")
    if args.json:
        figures = {"clips": n, "same_letter": {c: e / n for c, e in equal.items()}, "worst": worst}
        args.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
