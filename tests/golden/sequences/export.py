"""Writes invented sequences in the form of the CMU Multimodal SDK, and what h5py makes of them.

    python3 -m venv .venv
    .venv/bin/pip install h5py==3.16.0 numpy==2.4.6
    .venv/bin/python tests/golden/sequences/export.py

Each folder holds `CMU_MOSI_Opinion_Labels.csd`, `CMU_MOSI_TimestampedWords.csd` and `label.csv`, which
`tools/mosi/csd_to_label_csv.py` makes of them.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np

HERE = Path(__file__).resolve().parent
CONVERTER = HERE.parents[2] / "tools" / "mosi" / "csd_to_label_csv.py"
WORDS = "this movie was not as bad as i thought but the ending is so so sp beautiful sp and umm i loved it".split()
# As the SDK writes: the library's oldest format.
CASES = {
    # A group for each video, nothing packed, single precision, words of 32 bytes.
    "plain": dict(videos=5, by_segment=False, features="f4", intervals="f8", words="S32", packed={}, libver=("earliest", "v108")),
    # A group for each segment, deflated and shuffled in chunks that do not divide the array, text in heaps, and so many names
    # that their tree has two levels; most of them are names of the same groups.
    "packed": dict(
        videos=9, by_segment=True, features="f8", intervals="f4", words="str", linked=300,
        packed=dict(compression="gzip", compression_opts=9, shuffle=True, fletcher32=True), libver=("earliest", "v108"),
    ),
    # The newest format, which the reader refuses.
    "newest": dict(videos=2, by_segment=False, features="f4", intervals="f8", words="S32", packed={}, libver="latest"),
}


def name(i: int) -> str:
    return f"_v-{i:03}_B{'x' * (i % 4)}"


def video(rng, n: int):
    """Scores, their intervals, words, their intervals."""
    scores = rng.integers(-15, 16, n) / 5
    starts = np.cumsum(rng.uniform(1.5, 4.0, n + 1))
    segments = np.stack([starts[:-1], starts[1:]], 1)
    if n > 3:
        segments[3, 1] = segments[3, 0]  # without a length
    words, times = [], []
    at = starts[0]
    while at < starts[-1]:
        end = at + rng.uniform(0.1, 0.7)
        words.append(WORDS[rng.integers(len(WORDS))])
        times.append([at, end])
        at = end
    return scores, segments, words, np.array(times)


def put(group, key: str, features, intervals, case: dict, dtype) -> None:
    entry = group.create_group(key)
    packed = dict(case["packed"])
    if packed:
        packed["chunks"] = (min(3, len(features)), 1)
    # Text in a heap can be cut into chunks, but not packed.
    of_features = {"chunks": packed["chunks"]} if packed and not isinstance(dtype, str) else packed
    entry.create_dataset("features", data=np.asarray(features).reshape(-1, 1), dtype=dtype, **of_features)
    if packed:
        packed["chunks"] = (min(4, len(intervals)), 2)
    entry.create_dataset("intervals", data=intervals, dtype=case["intervals"], **packed)


def export(folder: Path, case: dict, seed: int) -> None:
    rng = np.random.default_rng(seed)
    folder.mkdir(exist_ok=True)
    paths = [folder / "CMU_MOSI_Opinion_Labels.csd", folder / "CMU_MOSI_TimestampedWords.csd"]
    text = h5py.string_dtype() if case["words"] == "str" else case["words"]
    with h5py.File(paths[0], "w", libver=case["libver"]) as labels, h5py.File(
        paths[1], "w", libver=case["libver"]
    ) as words:
        roots = [labels.create_group("Opinion Segment Labels"), words.create_group("words")]
        for root in roots:
            root.create_group("metadata").create_dataset("root name", data=np.array("invented", dtype="S20"))
        of_labels, of_words = (root.create_group("data") for root in roots)
        for i in range(case["videos"]):
            scores, segments, spoken, times = video(rng, int(rng.integers(1, 7)))
            put(of_words, name(i), np.array(spoken, dtype=object if text != "S32" else "S32"), times, case, text)
            if not case["by_segment"]:
                put(of_labels, name(i), scores, segments, case, case["features"])
                continue
            for k in range(len(scores)):
                put(of_labels, f"{name(i)}[{k}]", scores[k : k + 1], segments[k : k + 1], case, case["features"])
        for i in range(case.get("linked", 0)):
            of_labels[f"linked-{i}[0]"] = of_labels[f"{name(i % 9)}[0]"]
            of_words[f"linked-{i}"] = of_words[name(i % 9)]
    subprocess.run([sys.executable, CONVERTER, *paths, folder / "label.csv"], check=True, stderr=subprocess.DEVNULL)


def main() -> None:
    assert h5py.__version__ == "3.16.0" and np.__version__ == "2.4.6"
    for seed, (folder, case) in enumerate(CASES.items()):
        export(HERE / folder, case, seed)


if __name__ == "__main__":
    main()
