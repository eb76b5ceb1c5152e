"""Compares emomm with transformers on the clips of a world, from media file to letter.

    python tools/embedded/parity.py --emomm target/release/emomm --model CHECKPOINT \\
        --world WORLD --out parity.jsonl [--limit 500] [--seconds 90]

Both sides decode with the same ffmpeg program, so that they see identical input; everything after
it is transformers' and qwen-omni-utils' own on one side and emomm's on the other. All eight
coalitions of every clip. `parity.jsonl` gets a line with both sides' letter logits for each clip; run again,
the script goes on where it stopped. Printed once all clips are there: by coalition, the share of
equal letters and the greatest difference of letter logits.
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


def ours(emomm: Path, model: Path, row: dict[str, Any]) -> dict[str, list[float]]:
    command = [emomm, "predict", "--model", model, "--video", row["path"], "--audio", row["path"]]
    command += ["--text", row["text"], "--corpus", row["corpus"], "--all-coalitions", "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found = map(json.loads, done.stdout.splitlines())
    return {r["coalition"]: [r["letter_logits"][c] for c in ref.LETTERS] for r in found}


@torch.no_grad()
def theirs(model, processor, letters, settings, row: dict[str, Any]) -> dict[str, list[float]]:
    stage1, waveform = decoded(row["path"], tuple(row["frame_size"]), settings)
    result = {}
    for coalition in ref.COALITIONS:
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


def table(lines: list[dict[str, Any]]) -> str:
    """By coalition: equal letters, and the greatest and the median difference of letter logits."""
    rows = ["| coalition | clips | same letter | greatest difference | median of the greatest of a clip |"]
    rows.append("|---" * 5 + "|")
    for coalition in ref.COALITIONS:
        pairs = [(np.array(x["emomm"][coalition]), np.array(x["transformers"][coalition])) for x in lines]
        same = sum(int(a.argmax() == b.argmax()) for a, b in pairs)
        worst = [float(np.abs(a - b).max()) for a, b in pairs]
        rows.append(
            f"| {coalition} | {len(pairs)} | {same} | {max(worst):.1e} | {float(np.median(worst)):.1e} |"
        )
    return "\n".join(rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--emomm", type=lambda text: Path(text).resolve(), required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--world", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="JSON lines, gone on with if they are there")
    parser.add_argument("--limit", type=int, default=500)
    parser.add_argument("--seconds", type=float, help="stop after so long; exit code 3 if clips are left")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    logging.getLogger("qwen_omni_utils").setLevel(logging.ERROR)
    torch.set_num_threads(args.threads)
    begin = time.time()
    rows = read_truth(args.world)
    places = np.linspace(0, len(rows) - 1, min(args.limit, len(rows))).round().astype(int)
    # By the golden ratio: what is there when it is stopped lies evenly over the world.
    places = sorted(places, key=lambda place: (place * 0.6180339887) % 1)
    lines = [json.loads(line) for line in args.out.read_text().splitlines()] if args.out.exists() else []
    there = {line["file"] for line in lines}
    model, processor = ref.load(args.model)
    letters, settings = ref.letter_ids(processor), ref.load_settings(args.model)
    with args.out.open("a") as out:
        for row in (rows[place] for place in places):
            if row["file"] in there:
                continue
            if args.seconds and time.time() - begin > args.seconds:
                print(f"{len(lines)} of {len(places)} clips", file=sys.stderr)
                return 3
            line = {
                "file": row["file"],
                "emomm": ours(args.emomm, args.model, row),
                "transformers": theirs(model, processor, letters, settings, row),
            }
            out.write(json.dumps(line) + "\n")
            out.flush()
            lines.append(line)
    print(table(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
