"""Reference predictions of a Qwen2.5-Omni checkpoint by transformers and qwen-omni-utils.

One JSON object per coalition on stdout, in the shape of `emomm predict --json`, for every subset
of what was given:

    python tools/reference/predict.py --model DIR --video clip.mp4 --audio clip.mp4 --text "..."

Media are decoded here (PyAV for video, librosa for sound) and sampled and resized by
qwen-omni-utils' own code. To tell differences of decoding from the rest, pass decoded input:
`--frames-npy` takes u8 [n, H, W, 3] frames that are already sampled, `--waveform-npy` f32 samples
at 16 kHz; `--dump DIR` writes both, with the resized frames, in that form.

Packages: see the header of tests/golden/qwen2_5_omni/export.py.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

import omni_reference as ref

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True, help="checkpoint folder")
    parser.add_argument("--video", type=Path, help="video file; its sound is not used")
    parser.add_argument("--audio", type=Path, help="sound file, or a video file for its sound")
    parser.add_argument("--text", help="transcript")
    parser.add_argument("--frames-npy", type=Path, help="sampled frames, in place of --video")
    parser.add_argument("--waveform-npy", type=Path, help="16 kHz samples, in place of --audio")
    parser.add_argument("--corpus", choices=list(ref.SCORE_SETS), default="ch-sims")
    parser.add_argument("--coalition", choices=ref.COALITIONS, help="only this one")
    parser.add_argument("--no-attention", action="store_true", help="leave out nmas and mass")
    parser.add_argument("--generate", action="store_true", help="add the greedy reply")
    parser.add_argument("--max-new-tokens", type=int, default=32)
    parser.add_argument("--time", action="store_true", help="add milliseconds of each stage")
    parser.add_argument("--repeat", type=int, default=3, help="timed prefills; the median counts")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--dtype", choices=list(DTYPES), default="f32")
    parser.add_argument("--dump", type=Path, help="write decoded and resized input here")
    return parser.parse_args()


def read_sound(path: Path) -> np.ndarray:
    """Mono f32 at 16 kHz by `librosa.load`, as qwen-omni-utils does.

    For containers that librosa cannot open without an ffmpeg program, PyAV decodes and librosa
    mixes down and resamples, which are the same steps.
    """
    import librosa

    try:
        return librosa.load(path, sr=16_000)[0]
    except Exception as error:  # librosa raises whatever its backends raise
        print(f"librosa cannot open {path} ({error!r}); decoding with PyAV", file=sys.stderr)
    import av

    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        rate = stream.rate
        blocks = []
        resampler = av.AudioResampler(format="fltp", layout=stream.layout, rate=rate)
        for frame in container.decode(stream):
            blocks += [f.to_ndarray() for f in resampler.resample(frame)]
        blocks += [f.to_ndarray() for f in resampler.resample(None)]
    samples = librosa.to_mono(np.concatenate(blocks, axis=1))
    return librosa.resample(samples, orig_sr=rate, target_sr=16_000).astype(np.float32)


def median_ms(run, repeat: int) -> float:
    times = []
    for _ in range(max(repeat, 1)):
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1e3)
    return float(np.median(times))


def nested(tensors: dict[str, torch.Tensor | None]) -> dict[str, Any]:
    return {k: None if t is None else t.tolist() for k, t in tensors.items()}


def main() -> None:
    args = parse_args()
    torch.set_num_threads(args.threads)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    logging.getLogger("qwen_omni_utils").setLevel(logging.ERROR)
    settings = ref.load_settings(args.model)
    timing: dict[str, float] = {}

    start = time.perf_counter()
    model, processor = ref.load(args.model, DTYPES[args.dtype])
    timing["load"] = (time.perf_counter() - start) * 1e3

    start = time.perf_counter()
    frames = stage1 = waveform = metadata = None
    if args.frames_npy:
        frames = np.load(args.frames_npy)
        stage1 = ref.resize_frames(frames, settings)
    elif args.video:
        reader = ref.read_video_pyav(str(args.video))
        stage1 = ref.fetch_video(reader, settings)
        frames, metadata = reader.sampled, reader.metadata
    if args.waveform_npy:
        waveform = np.load(args.waveform_npy).astype(np.float32)
    elif args.audio:
        waveform = read_sound(args.audio)
    timing["media"] = (time.perf_counter() - start) * 1e3
    if args.dump:
        dump(args.dump, frames, stage1, waveform, metadata)

    given = "".join(
        m for m, x in zip("TAV", (args.text, waveform, stage1), strict=True) if x is not None
    )
    letters = ref.letter_ids(processor)
    for coalition in ref.COALITIONS:
        if args.coalition not in (None, coalition):
            continue
        has = set() if coalition == "none" else set(coalition)
        if not has <= set(given):
            continue
        start = time.perf_counter()
        transcript = args.text if "T" in has else None
        prompt = ref.render(processor, coalition, transcript, args.corpus)
        inputs = ref.process(
            processor,
            prompt,
            stage1 if "V" in has else None,
            waveform if "A" in has else None,
            settings,
        )
        prepare = (time.perf_counter() - start) * 1e3
        for name in ("pixel_values_videos", "input_features"):
            if name in inputs:
                inputs[name] = inputs[name].to(model.dtype)
        index = ref.token_indices(processor, prompt, transcript, inputs["input_ids"][0])
        out = ref.prefill(model, inputs, detail=not args.no_attention)
        logits = out["logits"][letters].tolist()
        best = int(np.argmax(logits))
        grid = inputs.get("video_grid_thw")
        allowed = ref.SCORE_SETS[args.corpus][ref.LETTERS[best]].strip("{}").split(",")
        record: dict[str, Any] = {
            "coalition": coalition,
            "tokens": ref.token_counts(index, inputs["input_ids"].shape[1]),
            "grid_thw": None if grid is None else grid[0].tolist(),
            "letter_logits": dict(zip(ref.LETTERS, logits, strict=True)),
            "letter": ref.LETTERS[best],
            "label": ref.LABELS[best],
            "centre_score": round(sum(map(float, allowed)) / len(allowed), 6),
        }
        if args.generate:
            record["reply"] = reply(model, processor, inputs, args.max_new_tokens)
        if not args.no_attention:
            nmas, mass = ref.attention_sums(out["attention"], index)
            record["nmas"], record["mass"] = nested(nmas), nested(mass)
        if args.time:
            prefill = median_ms(lambda: ref.prefill(model, inputs, detail=False), args.repeat)
            record["ms"] = {**timing, "prepare": prepare, "prefill": prefill}
        print(json.dumps(record, ensure_ascii=False), flush=True)


def reply(model, processor, inputs, limit: int) -> str:
    """Greedy continuation up to <|im_end|> or <|endoftext|>."""
    stop = processor.tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"])
    ids = model.generate(
        **inputs,
        use_audio_in_video=False,
        max_new_tokens=limit,
        do_sample=False,
        eos_token_id=stop,
        pad_token_id=stop[1],
    )[0, inputs["input_ids"].shape[1] :]
    return processor.tokenizer.decode(ids, skip_special_tokens=True)


def dump(folder: Path, frames, stage1, waveform, metadata) -> None:
    """Decoded input as `--frames-npy` and `--waveform-npy` take it, and the resized frames."""
    folder.mkdir(parents=True, exist_ok=True)
    if frames is not None:
        np.save(folder / "frames.npy", frames)
        np.save(folder / "stage1.npy", stage1.permute(0, 2, 3, 1).to(torch.uint8).numpy())
    if waveform is not None:
        np.save(folder / "waveform.npy", waveform)
    if metadata is not None:
        (folder / "video.json").write_text(json.dumps(metadata) + "\n")


if __name__ == "__main__":
    main()
