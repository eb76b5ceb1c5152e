"""Turns the label file of the CMU Multimodal SDK into `label.csv`, which `emomm build --mosi` reads.

    python3 -m pip install h5py numpy
    python3 tools/mosi/csd_to_label_csv.py CMU_MOSI_Opinion_Labels.csd CMU_MOSI_TimestampedWords.csd MOSI/label.csv

Segments of the SDK are numbered from 0, the clips from 1: `<video>[k]` becomes clip k + 1 of the video. A transcript is the
words whose middle lies in the segment. Segments without a length or a word are named on stderr and written all the same:
`emomm build` decides about them.
"""

import csv
import pathlib
import sys

import h5py
import numpy as np

COLUMNS = ["video_id", "clip_id", "text", "label", "label_T", "label_A", "label_V", "annotation", "mode"]
SILENCE = "sp"


def sequence(path):
    """The one computational sequence of a file: video to (features, intervals)."""
    with h5py.File(path, "r") as file:
        roots = list(file.keys())
        if len(roots) != 1 or "data" not in file[roots[0]]:
            sys.exit(f"{path}: found {roots}, expected one sequence with `data`")
        data = file[roots[0]]["data"]
        return {video: (data[video]["features"][()], data[video]["intervals"][()]) for video in data}


def words_between(words, start, end):
    features, intervals = words
    middles = intervals.mean(axis=1)
    chosen = features[(middles >= start) & (middles < end)].reshape(-1)
    texts = [w.decode("utf-8") if isinstance(w, bytes) else str(w) for w in chosen]
    return " ".join(w for w in texts if w != SILENCE)


def main(labels_path, words_path, out):
    labels, words = sequence(labels_path), sequence(words_path)
    # Some copies have a key for each segment, `<video>[k]`; others one for each video.
    rows = []
    for key in sorted(labels):
        features, intervals = labels[key]
        video, _, number = key.rstrip("]").partition("[")
        first = int(number) if number else 0
        for k, (score, (start, end)) in enumerate(zip(np.asarray(features).reshape(-1), intervals)):
            text = words_between(words[video], start, end) if video in words else ""
            clip = first + k + 1
            if end <= start or not text:
                what = "no length" if end <= start else "no word"
                print(f"{video}[{first + k}], clip {clip}: {what}", file=sys.stderr)
            # The shortest text of the number in its own precision: 2.4, not 2.4000000953674316.
            rows.append((video, clip, text, np.format_float_positional(score, trim="0")))
    rows.sort(key=lambda row: (row[0], row[1]))
    out = pathlib.Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        table.writerows([video, clip, text, score, "", "", "", "", ""] for video, clip, text, score in rows)
    print(f"{out}: {len(rows)} clips of {len({row[0] for row in rows})} videos", file=sys.stderr)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
