"""Writes `tests/golden/embedded`: two held-out clips and what transformers makes of them.

    python tools/embedded/golden.py --model CHECKPOINT --world WORLD

A clip is its picture (H.264, the sound left out) and its sound as 16-bit wav, so that every ffmpeg
decodes the same values. `expected.json` has the letter logits of all eight coalitions.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
from pathlib import Path

import numpy as np
import torch
import transformers

from checkpoint import ref
from parity import decoded
from prepare import read_truth

OUT = Path(__file__).resolve().parents[2] / "tests" / "golden" / "embedded"
VERSIONS = {"torch": "2.15.0", "transformers": "5.23.0"}


def files(row: dict, name: str) -> tuple[Path, Path]:
    """Copies the picture as it is, and the sound as 16-bit samples."""
    video, sound = OUT / f"{name}.mp4", OUT / f"{name}.wav"
    ffmpeg = ["ffmpeg", "-y", "-nostdin", "-loglevel", "error", "-i", f"file:{row['path']}"]
    plain = ["-map_metadata", "-1", "-fflags", "+bitexact"]
    subprocess.run([*ffmpeg, "-map", "0:v", "-c", "copy", *plain, video], check=True)
    subprocess.run([*ffmpeg, "-map", "0:a", "-acodec", "pcm_s16le", *plain, sound], check=True)
    return video, sound


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--world", type=Path, required=True)
    args = parser.parse_args()
    for name, wanted in VERSIONS.items():
        found = {"torch": torch, "transformers": transformers}[name].__version__.split("+")[0]
        assert found == wanted, f"{name} {found}, expected {wanted}"
    logging.getLogger("qwen_omni_utils").setLevel(logging.ERROR)
    OUT.mkdir(parents=True, exist_ok=True)
    model, processor = ref.load(args.model)
    letters, settings = ref.letter_ids(processor), ref.load_settings(args.model)
    rows = read_truth(args.world)
    clips = []
    for corpus in ref.SCORE_SETS:
        # The shortest conflict clip: small files, and modalities that say different things.
        of = [r for r in rows if r["corpus"] == corpus and r["stratum"] == "conflict"]
        row = min(of, key=lambda r: (r["duration_s"], r["index"]))
        video, sound = files(row, corpus)
        size = tuple(row["frame_size"])
        frames, _ = decoded(str(video), size, settings, sound=False)
        _, waveform = decoded(str(sound), size, settings, picture=False)
        logits = {}
        for coalition in ref.COALITIONS:
            has = "" if coalition == "none" else coalition
            prompt = ref.render(processor, coalition, row["text"] if "T" in has else None, corpus)
            inputs = ref.process(
                processor,
                prompt,
                frames if "V" in has else None,
                waveform if "A" in has else None,
                settings,
            )
            found = ref.prefill(model, inputs, detail=False)["logits"][letters]
            logits[coalition] = np.round(found.double().numpy(), 6).tolist()
        clips.append({"corpus": corpus, "text": row["text"], "letter_logits": logits})
    about = {"versions": VERSIONS, "clips": clips}
    (OUT / "expected.json").write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
