"""Writes the expected values for the tests of `emomm-media`.

Make an environment and run it from the repository root:

    python3.11 -m venv .venv
    .venv/bin/pip install torch==2.15.0 torchvision==0.29.2 --index-url https://download.pytorch.org/whl/cpu
    .venv/bin/pip install transformers==5.23.0 qwen-omni-utils==0.0.9 librosa==0.11.0 soxr==1.1.0 numpy==2.4.6 av
    .venv/bin/python tests/golden/media/export.py

It rewrites every other file in this folder save README.md. Inputs are made by an integer generator that the Rust tests
repeat, so only expected values are stored. `.f32` files are little-endian float32, `.u8` files are bytes; `index.json`
says what is in them.
"""

import json
import logging
import pathlib
from importlib.metadata import version

EXPECTED_VERSIONS = {
    "qwen-omni-utils": "0.0.9",
    "torch": "2.15.0",
    "torchvision": "0.29.2",
    "transformers": "5.23.0",
    "librosa": "0.11.0",
    "soxr": "1.1.0",
    "numpy": "2.4.6",
}
for package, expected in EXPECTED_VERSIONS.items():
    found = version(package)
    assert found.startswith(expected), f"{package}: found {found}, expected {expected}"

import librosa  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from qwen_omni_utils.v2_5 import vision_process  # noqa: E402
from torchvision.transforms import InterpolationMode  # noqa: E402
from torchvision.transforms import functional  # noqa: E402
from transformers import WhisperFeatureExtractor  # noqa: E402

FOLDER = pathlib.Path(__file__).parent
logging.getLogger("qwen_omni_utils").setLevel(logging.CRITICAL)
logging.getLogger(vision_process.__name__).setLevel(logging.CRITICAL)
torch.set_num_threads(1)


def noise(n: int, seed: int) -> np.ndarray:
    """`n` values in 0..65535: the high half of a 32-bit linear congruential generator."""
    state = seed
    values = np.empty(n, dtype=np.uint32)
    for i in range(n):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        values[i] = state >> 16
    return values


def picture(width: int, height: int, seed: int) -> np.ndarray:
    """HWC bytes: gradients, hard edges every 16 pixels, and noise in the blue channel."""
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    red = (x * 255) // max(width - 1, 1)
    green = np.where(((x // 16) + (y // 16)) % 2 == 0, 255, (y * 7 + x * 3) % 256)
    blue = noise(width * height, seed).reshape(height, width) >> 8
    return np.stack([red, green, blue], axis=2).astype(np.uint8)


def signal(n: int, seed: int) -> np.ndarray:
    """float32 samples in about ±0.8: a sum of noise held for 1, 8 and 64 samples, so that low frequencies prevail."""
    parts = [np.repeat(noise(-(-n // hold), seed + hold), hold)[:n].astype(np.int64) - 32768 for hold in (1, 8, 64)]
    mixed = parts[0] + 4 * parts[1] + 8 * parts[2]
    return (mixed.astype(np.float64) / (32768.0 * 16.0)).astype(np.float32)


def frame_indices() -> list[dict]:
    """The real `smart_nframes` and the expression of the three readers, `torch.linspace(...).round().long()`."""
    pairs = [
        (2, 30.0), (3, 30.0), (4, 25.0), (5, 25.0), (7, 1.0), (10, 2.0), (29, 24000 / 1001), (30, 30.0), (31, 30.0),
        (60, 60.0), (99, 12.5), (120, 24.0), (149, 30000 / 1001), (150, 30.0), (168, 560 / 33), (225, 30.0),
        (240, 24000 / 1001), (299, 30.0), (300, 30.0), (300, 30000 / 1001), (301, 30.0), (450, 29.97), (1000, 25.0),
        (1799, 60000 / 1001), (2997, 30000 / 1001), (2997, 29.97), (4321, 50.0), (11520, 30.0), (13601, 30.0),
        (20000, 24.0), (100000, 25.0), (6, 0.5), (9, 1000.0), (1, 30.0),
    ]  # fmt: skip
    cases = []
    for total, fps in pairs:
        for options in ({}, {"fps": 1.0}, {"fps": 5.0, "min_frames": 8, "max_frames": 64}):
            case = {"total": total, "avg_fps": fps, "options": options}
            try:
                count = vision_process.smart_nframes(options, total_frames=total, video_fps=fps)
                case["indices"] = torch.linspace(0, total - 1, count).round().long().tolist()
            except ValueError as error:
                case["error"] = str(error)
            cases.append(case)
    return cases


def keep(name: str, array: np.ndarray) -> str:
    (FOLDER / name).write_bytes(array.tobytes())
    return name


def resized() -> list[dict]:
    """The call of `fetch_video` on a uint8 TCHW tensor."""
    cases = []
    for width, height, to_width, to_height in [
        (64, 48, 28, 28), (160, 90, 112, 56), (97, 61, 56, 84), (40, 30, 84, 56), (33, 57, 140, 28), (320, 240, 140, 112),
        (5, 3, 28, 28), (256, 16, 28, 28), (300, 200, 28, 28),
    ]:  # fmt: skip
        image = torch.from_numpy(picture(width, height, seed=width * 1000 + height)).permute(2, 0, 1)[None]
        result = functional.resize(
            image, [to_height, to_width], interpolation=InterpolationMode.BICUBIC, antialias=True
        )
        result = result[0].permute(1, 2, 0).contiguous().numpy()
        assert result.dtype == np.uint8
        name = keep(f"resize_{width}x{height}_{to_width}x{to_height}.u8", result)
        cases.append({"from": [width, height], "to": [to_width, to_height], "seed": width * 1000 + height, "file": name})
    return cases


def resampled() -> list[dict]:
    """`librosa.load` ends in `librosa.resample(..., res_type="soxr_hq")`."""
    cases = []
    for rate, n in [(44100, 13231), (48000, 14401), (22050, 7000), (8000, 3333), (11025, 3001), (32000, 9000)]:
        samples = signal(n, seed=rate)
        result = librosa.resample(samples, orig_sr=rate, target_sr=16000, res_type="soxr_hq")
        assert result.dtype == np.float32
        name = keep(f"resample_{rate}.f32", result)
        cases.append({"from_hz": rate, "n": n, "seed": rate, "length": len(result), "file": name})
    return cases


def mels() -> list[dict]:
    """As `Qwen2_5OmniProcessor` calls the extractor: padded to 300 s, valid frames by the attention mask."""
    cases = []
    for n_mels, chunk_seconds, lengths in [
        (128, 300, [1, 399, 400, 16000, 19999]),
        (80, 30, [1, 160, 399, 400, 16000, 480000 + 77]),
        (128, 1, [15801, 15999, 16000, 16500]),
    ]:
        extractor = WhisperFeatureExtractor(
            feature_size=n_mels, sampling_rate=16000, hop_length=160, n_fft=400, chunk_length=chunk_seconds
        )
        for n in lengths:
            samples = signal(n, seed=n_mels + n)
            got = extractor(
                samples, sampling_rate=16000, padding="max_length", return_attention_mask=True, return_tensors="np"
            )
            valid = int(got["attention_mask"][0].sum())
            features = got["input_features"][0][:, :valid].astype(np.float32)
            # Of long clips only the first and the last frames are kept.
            kept = list(range(valid)) if valid <= 60 else list(range(30)) + list(range(valid - 30, valid))
            name = keep(f"mel_{n_mels}_{chunk_seconds}s_{n}.f32", np.ascontiguousarray(features[:, kept]))
            cases.append({
                "n_mels": n_mels, "padded": chunk_seconds * 16000, "n": n, "seed": n_mels + n,
                "frames": valid, "kept": kept, "file": name,
            })  # fmt: skip
    # Five seconds and a bit, without padding.
    extractor = WhisperFeatureExtractor(feature_size=128, sampling_rate=16000, chunk_length=300)
    for n in (80077, 201):
        samples = signal(n, seed=n)
        features = extractor(samples, sampling_rate=16000, padding="longest", return_tensors="np")["input_features"][0]
        valid = features.shape[1]
        kept = list(range(valid)) if valid <= 60 else list(range(20)) + list(range(valid - 20, valid))
        name = keep(f"mel_128_bare_{n}.f32", np.ascontiguousarray(features[:, kept].astype(np.float32)))
        cases.append({
            "n_mels": 128, "padded": None, "n": n, "seed": n, "frames": valid, "kept": kept, "file": name,
        })  # fmt: skip
    return cases


def main() -> None:
    for old in FOLDER.glob("*"):
        if old.suffix in {".f32", ".u8", ".json"}:
            old.unlink()
    index = {
        "versions": {package: version(package) for package in EXPECTED_VERSIONS},
        "resize": resized(),
        "resample": resampled(),
        "mel": mels(),
    }
    (FOLDER / "index.json").write_text(json.dumps(index, separators=(",", ":")) + "\n")
    (FOLDER / "frames.json").write_text(json.dumps(frame_indices(), separators=(",", ":")) + "\n")
    total = sum(path.stat().st_size for path in FOLDER.iterdir())
    print(f"{total} bytes in {FOLDER}")


if __name__ == "__main__":
    main()
