"""Writes Kaldi's filter-bank features of generated sounds, by the package `kaldi-native-fbank`.

    python3.11 -m venv .venv
    .venv/bin/pip install kaldi-native-fbank==1.23.0 numpy
    .venv/bin/python tests/golden/fbank/export.py
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import kaldi_native_fbank as knf
import numpy as np

HERE = Path(__file__).resolve().parent


def features(samples: np.ndarray) -> np.ndarray:
    options = knf.FbankOptions()
    options.frame_opts.dither = 0.0
    options.frame_opts.samp_freq = 16_000
    options.frame_opts.frame_length_ms = 25.0
    options.frame_opts.frame_shift_ms = 10.0
    options.frame_opts.snip_edges = True
    options.frame_opts.window_type = "povey"
    options.mel_opts.num_bins = 80
    options.energy_floor = 0.0
    bank = knf.OnlineFbank(options)
    bank.accept_waveform(16_000, samples.tolist())
    bank.input_finished()
    frames = [bank.get_frame(i) for i in range(bank.num_frames_ready)]
    return np.stack(frames) if frames else np.zeros((0, 80), np.float32)


def main() -> None:
    assert version("kaldi-native-fbank") == "1.23.0"
    for count in (400, 559, 560, 3217):
        rng = np.random.default_rng(count)
        t = np.arange(count) / 16_000
        wave = 0.4 * np.sin(2 * np.pi * (200 * t + 900 * t**2)) + 0.05 * rng.normal(size=count)
        wave[1600:2200] = 0.0  # two frames of exact silence
        wave = (wave * 32768).astype(np.float32)
        wave.astype("<f4").tofile(HERE / f"{count}_samples.f32")
        features(wave).astype("<f4").tofile(HERE / f"{count}_features.f32")


if __name__ == "__main__":
    main()
