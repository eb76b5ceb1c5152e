"""Packs worlds of `emomm synth` for training: decoded, scaled and cut into patches once.

    python tools/embedded/prepare.py WORLD [WORLD ...] --out PACKED

Everything is done by the reference's code: PyAV decodes, qwen-omni-utils chooses and scales frames,
the feature extractor of transformers computes spectrograms. Labels, transcripts and face boxes
come from `truth.jsonl`. Damaged clips end the run.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

import network
import shape
from checkpoint import PREPROCESSOR, ref

SOURCES = ("ground_truth", "text", "audio", "video")


def read_truth(world: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (world / "truth.jsonl").read_text().splitlines()]
    for row in rows:
        row["path"] = str(world / row["file"])
    return rows


def classes(row: dict[str, Any]) -> dict[str, int]:
    """Numbers of the classes of ground truth and modalities."""
    index = {c: i for i, c in enumerate(ref.LABELS)}
    modalities = {m: index[c] for m, c in row["classes"].items()}
    return {"ground_truth": index[row["ground_truth_class"]], **modalities}


def sound(path: str) -> np.ndarray:
    """Mono f32 at 16 kHz."""
    import av
    import librosa

    with av.open(path) as container:
        stream = container.streams.audio[0]
        resampler = av.AudioResampler(format="fltp", layout=stream.layout, rate=stream.rate)
        blocks = [f.to_ndarray() for frame in container.decode(stream) for f in resampler.resample(frame)]
        blocks += [f.to_ndarray() for f in resampler.resample(None)]
        rate = stream.rate
    samples = librosa.to_mono(np.concatenate(blocks, axis=1))
    if rate != 16_000:
        samples = librosa.resample(samples, orig_sr=rate, target_sr=16_000)
    return samples.astype(np.float32)


_extractor = None


def start_worker() -> None:
    global _extractor
    from transformers import WhisperFeatureExtractor

    torch.set_num_threads(1)
    logging.getLogger("qwen_omni_utils").setLevel(logging.ERROR)
    names = ("feature_size", "sampling_rate", "hop_length", "chunk_length", "n_fft", "padding_value")
    _extractor = WhisperFeatureExtractor(**{n: PREPROCESSOR[n] for n in names})


def pack(row: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Patches u8 [grid, patch, 1176], spectrogram [frame, band], and what is known of the clip."""
    reader = ref.read_video_pyav(row["path"])
    stage1 = ref.fetch_video(reader, shape.SETTINGS)
    frames = stage1.permute(0, 2, 3, 1).round().clamp(0, 255).to(torch.uint8)
    n, height, width, _ = frames.shape
    patches = network.patch_order(frames.reshape(n // 2, 2, height, width, 3)).numpy()
    waveform = sound(row["path"])
    features = _extractor(waveform, sampling_rate=16_000, return_attention_mask=True, padding="max_length")
    valid = int(np.sum(features["attention_mask"][0]))
    mel = features["input_features"][0][:, :valid].T.astype(np.float16)
    wide, high = row["frame_size"]
    scale = np.array([width / wide, height / high] * 2)
    faces = [row["frames"][i]["face_box"] or [0, 0, 0, 0] for i in reader.metadata["indices"]]
    about = {
        "id": f"{row['corpus']}/{row['video_id']}/{row['clip_id']}",
        "path": row["path"],
        "corpus": row["corpus"],
        "text": row["text"],
        "stratum": row["stratum"],
        "mel_frames": valid,
        "score": {"ground_truth": row["ground_truth"], **row["scores"]},
        "class": classes(row),
        "face": (np.array(faces) * scale).round(1).tolist(),
        "grid": [n // 2, height // 14, width // 14],
    }
    return patches, mel, about


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("worlds", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--limit", type=int, help="only so many clips of each world, evenly spread")
    args = parser.parse_args()
    rows = []
    for world in args.worlds:
        found = read_truth(world)
        if args.limit and args.limit < len(found):
            places = np.linspace(0, len(found) - 1, args.limit).round().astype(int)
            found = [found[i] for i in places]
        rows += found
    args.out.mkdir(parents=True, exist_ok=True)
    begin = time.time()
    clips: list[dict[str, Any]] = []
    context = multiprocessing.get_context("spawn")
    with (
        context.Pool(args.jobs, start_worker) as pool,
        open(args.out / "patches.u8", "wb") as patches_file,
        open(args.out / "mel.f16", "wb") as mel_file,
    ):
        for patches, mel, about in pool.imap(pack, rows, chunksize=8):
            if clips and about["grid"] != clips[0]["grid"]:
                sys.exit(f"{about['path']}: grid {about['grid']}, expected {clips[0]['grid']}")
            patches.tofile(patches_file)
            mel.tofile(mel_file)
            clips.append(about)
            if len(clips) % 200 == 0:
                print(f"{len(clips)} of {len(rows)}, {time.time() - begin:.0f} s", flush=True)
    grid = clips[0]["grid"]
    (args.out / "clips.json").write_text(json.dumps({"grid": grid, "clips": clips}))
    print(f"{len(clips)} clips, grid {grid}, {time.time() - begin:.0f} s")


if __name__ == "__main__":
    main()
