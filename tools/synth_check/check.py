"""Do the modalities of a synthetic world carry their scores? Simple outside measures say.

    python check.py DIR [--limit N]

Reads the media files of `emomm synth DIR` with PyAV, measures brows and mouth in the frames, pitch and energy in the sound
(pyworld), counts words, and fits a logistic regression for the five classes of each modality, tested on speakers that it
was not fitted on. Prints accuracies, levels and sizes, and of the sound what stands in for an ear: loudness by ffmpeg's
ebur128, clipped samples, share of voiced time, jumps of the pitch, spectral flatness, and how pitch and level follow the
score. Uses the truth file for classes, scores and face boxes only.
"""

import argparse
import json
import re
import subprocess
from pathlib import Path

import av
import numpy as np
import pyworld
from scipy.stats import spearmanr
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, confusion_matrix
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

CLASSES = ["negative", "weakly-negative", "neutral", "weakly-positive", "positive"]


def decode(path):
    """All frames as RGB arrays, and the sound as floats at its own rate."""
    with av.open(str(path)) as container:
        frames = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
    with av.open(str(path)) as container:
        rate = container.streams.audio[0].rate
        sound = [f.to_ndarray().astype(np.float64).mean(axis=0) for f in container.decode(audio=0)]
    return frames, np.concatenate(sound), rate


def face_measures(frame, box):
    """Shape of mouth and brows in one frame: how low the dark or red pixels lie, column by column, in units of the face."""
    left, top, right, bottom = box
    face = frame[top:bottom, left:right].astype(np.float64)
    height, width = face.shape[:2]
    grey = face.mean(axis=2)
    red = face[..., 0] - face[..., 1]
    middle = (slice(int(0.45 * height), int(0.6 * height)), slice(int(0.3 * width), int(0.7 * width)))
    skin, skin_red = np.median(grey[middle]), np.median(red[middle])
    rows = np.arange(height)[:, None] / height
    mouth = np.clip((red - skin_red - 8) / 20, 0, 1) + np.clip((0.75 - grey / skin) / 0.25, 0, 1)
    brow = np.clip((0.72 - grey / skin) / 0.25, 0, 1)
    measures = []
    for weight, (first, last), columns in ((mouth, (0.60, 0.97), 9), (brow, (0.12, 0.38), 10)):
        weight = weight * (rows >= first) * (rows < last)
        edges = np.linspace(0.08, 0.92, columns + 1) * width
        for lo, hi in zip(edges[:-1].astype(int), edges[1:].astype(int)):
            part = weight[:, lo:hi]
            mass = part.sum() / (height * (hi - lo))
            # Where there is nothing, the middle of the band.
            low = ((part * rows).sum() + 0.5 * (first + last)) / (part.sum() + 1)
            measures += [low, mass]
    teeth = (grey > 1.15 * skin) & (rows > 0.6)
    return measures + [teeth[:, int(0.2 * width) : int(0.8 * width)].mean()]


def picture_measures(frames, truth):
    boxes = [f["face_box"] for f in truth["frames"]]
    picked = [i for i in np.linspace(0, len(frames) - 1, 6).round().astype(int) if boxes[i]]
    all_frames = [face_measures(frames[i], boxes[i]) for i in picked]
    return np.median(np.array(all_frames), axis=0)


def loudness(path):
    """Integrated loudness in LUFS and true peak in dB below full scale, by ffmpeg's filter."""
    command = ["ffmpeg", "-nostdin", "-hide_banner", "-i", f"file:{path}", "-af", "ebur128=peak=true", "-f", "null", "-"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr.rsplit("Summary:", 1)[1]
    return [float(re.search(rf"{name}:\s+(-?[\d.]+|-inf)", said).group(1)) for name in ("I", "Peak")]


def ear(path, sound, f0, rate):
    """What a listener would notice, as numbers: LUFS, true peak, clipped samples, voiced share, octave jumps, flatness."""
    window = np.hanning(512)
    starts = range(0, len(sound) - 512, 256)
    power = np.array([np.abs(np.fft.rfft(window * sound[i : i + 512])) ** 2 for i in starts]) + 1e-12
    flatness = np.exp(np.log(power).mean(axis=1)) / power.mean(axis=1)
    # The voice itself, not the pauses: the louder half.
    loud = power.sum(axis=1) >= np.median(power.sum(axis=1))
    both = (f0[1:] > 0) & (f0[:-1] > 0)
    jumps = np.abs(12 * np.log2(f0[1:][both] / f0[:-1][both])) > 6
    clipped = int((np.abs(sound) >= 0.999).sum())
    return [*loudness(path), clipped, (f0 > 0).mean(), jumps.mean() if both.any() else 0.0, np.median(flatness[loud])]


def sound_measures(sound, f0, times, rate):
    voiced = f0 > 0
    if voiced.sum() < 10:
        return np.zeros(8)
    pitch = 12 * np.log2(f0[voiced] / 100)
    slope = np.polyfit(times[voiced], pitch, 1)[0]
    frame = rate // 100
    energy = np.array([np.sqrt((sound[i : i + frame] ** 2).mean()) for i in range(0, len(sound) - frame, frame)])
    level = 20 * np.log10(energy + 1e-5)
    spectrum = np.abs(np.fft.rfft(sound)) ** 2
    hz = np.fft.rfftfreq(len(sound), 1 / rate)
    tilt = np.log10(spectrum[(hz > 1500) & (hz < 5000)].sum() / spectrum[(hz > 80) & (hz < 1500)].sum())
    steps = np.diff(pitch)
    steps = steps[np.abs(steps) < 2]
    envelope = np.convolve(energy, np.ones(5) / 5, mode="same")
    beats = np.abs(np.fft.rfft(envelope - envelope.mean()))
    beat_hz = np.fft.rfftfreq(len(envelope), 0.01)
    window = (beat_hz > 2) & (beat_hz < 9)
    tempo = (beats[window] * beat_hz[window]).sum() / beats[window].sum()
    return np.array([pitch.mean(), pitch.std(), slope, steps.mean(), np.percentile(level, 80), tilt, tempo, voiced.mean()])


def report(name, model, features, labels, groups):
    folds = GroupKFold(n_splits=min(5, len(set(groups))))
    found = cross_val_predict(model, features, labels, groups=groups, cv=folds)
    print(f"{name:24} accuracy {accuracy_score(labels, found):.3f}  n {len(labels)}")
    for row in confusion_matrix(labels, found, labels=range(5)):
        print(" " * 26 + " ".join(f"{n:5}" for n in row))


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--limit", type=int, default=10**9, help="clips of each corpus, spread over it")
    options = arguments.parse_args()
    truths = [json.loads(line) for line in (options.folder / "truth.jsonl").read_text(encoding="utf-8").splitlines()]
    peaks, levels, sizes, person, heard = [], [], [], [], []
    for corpus in ("ch-sims", "cmu-mosi"):
        clips = [t for t in truths if t["corpus"] == corpus]
        clips = clips[:: max(1, len(clips) // options.limit)][: options.limit]
        pictures, sounds = [], []
        for truth in clips:
            path = options.folder / truth["file"]
            frames, sound, rate = decode(path)
            pictures.append(picture_measures(frames, truth))
            f0, times = pyworld.harvest(sound, rate, f0_floor=60, f0_ceil=600, frame_period=10)
            sounds.append(sound_measures(sound, f0, times, rate))
            heard.append(ear(path, sound, f0, rate))
            peaks.append(np.abs(sound).max())
            levels.append(20 * np.log10(np.sqrt((sound**2).mean()) + 1e-9))
            sizes.append(path.stat().st_size)
            person.append(np.mean([sum(f["person_mask"][1::2]) / sum(f["person_mask"]) for f in truth["frames"]]))
        scores = [t["scores"]["audio"] for t in clips]
        for name, column in (("pitch", 0), ("range of pitch", 1), ("level", 4), ("tempo", 6)):
            rho = spearmanr(scores, np.array(sounds)[:, column]).statistic
            print(f"{corpus} {name:18} rank correlation with the score of the voice {rho:+.2f}")
        groups = [t["speaker"] for t in clips]
        classes = {m: [CLASSES.index(t["classes"][m]) for t in clips] for m in ("text", "audio", "video")}
        linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000, C=10))
        ngrams = {"analyzer": "char", "ngram_range": (1, 3)} if corpus == "ch-sims" else {"ngram_range": (1, 2)}
        words = make_pipeline(CountVectorizer(**ngrams), LogisticRegression(max_iter=2000, C=10))
        report(f"{corpus} text", words, [t["text"] for t in clips], classes["text"], groups)
        report(f"{corpus} audio", linear, np.array(sounds), classes["audio"], groups)
        report(f"{corpus} video", linear, np.array(pictures), classes["video"], groups)
    print(f"peak of the sound, greatest {max(peaks):.3f}; level {np.min(levels):.1f} to {np.max(levels):.1f} dB, mean {np.mean(levels):.1f}")
    names = ("loudness in LUFS", "true peak in dB", "clipped samples", "voiced share", "octave jumps", "spectral flatness")
    for name, values in zip(names, np.array(heard).T):
        print(f"{name:18} {np.min(values):.3f} to {np.max(values):.3f}, median {np.median(values):.3f}")
    print(f"file size {min(sizes) / 1000:.0f} to {max(sizes) / 1000:.0f} kB, mean {np.mean(sizes) / 1000:.1f}")
    print(f"person's share of the picture {np.min(person):.2f} to {np.max(person):.2f}, mean {np.mean(person):.3f}")


if __name__ == "__main__":
    main()
