"""Packed clips and the sequences that the decoder is trained on.

`prepare.py` writes a packed folder: `patches.u8` [clip, temporal grid, patch, 1176], the frames
after the first stage of the preprocessing in the order of the patches; `mel.f16` [frame, band] of
all clips one after the other; and `clips.json`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

import network
import shape
from checkpoint import SPECIAL, Tokenizer, ref

CLASSES = ref.LABELS
SOURCES = ("ground_truth", "text", "audio", "video")
COALITIONS = ref.COALITIONS


class Clips:
    """A packed folder."""

    def __init__(self, folder: Path):
        about = json.loads((folder / "clips.json").read_text())
        self.rows: list[dict[str, Any]] = about["clips"]
        self.grid: tuple[int, int, int] = tuple(about["grid"])
        t, h, w = self.grid
        whole = (len(self.rows), t, h * w, 1176)
        self.patches = np.memmap(folder / "patches.u8", np.uint8, "r", shape=whole)
        self.mel = np.memmap(folder / "mel.f16", np.float16, "r").reshape(-1, 128)
        ends = np.cumsum([r["mel_frames"] for r in self.rows])
        self.mel_range = [(int(e) - r["mel_frames"], int(e)) for e, r in zip(ends, self.rows)]

    def __len__(self) -> int:
        return len(self.rows)

    def spectrogram(self, i: int) -> torch.Tensor:
        a, b = self.mel_range[i]
        return torch.from_numpy(self.mel[a:b].T.astype(np.float32))


def subset(row: dict[str, Any]) -> str:
    """`equal`, `same-polarity` or `conflict`, by the five classes of truth and modalities."""
    classes = [row["class"][s] for s in SOURCES]
    if len(set(classes)) == 1:
        return "equal"
    signs = {np.sign(c - 2) for c in classes}
    return "same-polarity" if len(signs) == 1 else "conflict"


def target(row: dict[str, Any], coalition: str) -> str | None:
    """Which source's label is the answer when `coalition` is shown; None where the clip is not used.

    A single modality is asked for what it says itself. More than one: the ground truth, if one of
    those shown has its class; else nobody could know it.
    """
    names = {"T": "text", "A": "audio", "V": "video"}
    if coalition == "none":
        return None
    if len(coalition) == 1:
        return names[coalition]
    shown = {row["class"][names[m]] for m in coalition}
    return "ground_truth" if row["class"]["ground_truth"] in shown else None


@dataclass
class Sequence:
    """Token ids and positions [3, S]; `drop[i]` is the number of the unit that token i belongs to
    and that the short prompt leaves out, or -1."""

    ids: np.ndarray
    positions: np.ndarray
    unit: np.ndarray


class Prompts:
    """The prompt of App. E as token rows."""

    def __init__(self, folder: Path, grid: tuple[int, int, int]):
        self.tok = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.id = {t: self.tok.token_to_id(t) for t in SPECIAL}
        self.grid = grid
        self.cache: dict[tuple, tuple[np.ndarray, np.ndarray]] = {}
        t, h, w = grid
        self.n_video = t * h * w // 4

    def text(self, coalition: str, transcript: str | None, corpus: str) -> str:
        """The chat as the template renders it, placeholders single."""
        system, user = ref.conversation(coalition, transcript, corpus)
        marks = {
            "video": "<|vision_bos|><|VIDEO|><|vision_eos|>",
            "audio": "<|audio_bos|><|AUDIO|><|audio_eos|>",
        }
        parts = "".join(marks.get(p["type"]) or p["text"] for p in user["content"])
        return (
            f"<|im_start|>system\n{system['content'][0]['text']}<|im_end|>\n"
            f"<|im_start|>user\n{parts}<|im_end|>\n<|im_start|>assistant\n"
        )

    def tokens(self, coalition: str, transcript: str | None, corpus: str):
        """Ids with single placeholders, and the droppable unit of each."""
        key = (coalition, transcript, corpus)
        if key not in self.cache:
            text = self.text(*key)
            encoded = self.tok.encode(text, add_special_tokens=False)
            units = droppable(text)
            unit = np.full(len(encoded.ids), -1)
            for i, (a, b) in enumerate(encoded.offsets):
                for u, (start, end) in enumerate(units):
                    if start <= a and b <= end:
                        unit[i] = u
            self.cache[key] = (np.array(encoded.ids), unit)
        return self.cache[key]

    def sequence(
        self, coalition: str, transcript: str | None, corpus: str, n_audio: int, reply: str | None
    ) -> tuple[Sequence, int]:
        """The row, and the place of the decision token in it."""
        ids, unit = self.tokens(coalition, transcript if "T" in coalition else None, corpus)
        video, audio = self.id["<|VIDEO|>"], self.id["<|AUDIO|>"]
        out_ids, out_unit, out_positions = [], [], []
        at = 0
        start = 0
        cuts = [i for i, x in enumerate(ids) if x in (video, audio)] + [len(ids)]
        for cut in cuts:
            n = cut - start
            out_ids.append(ids[start:cut])
            out_unit.append(unit[start:cut])
            out_positions.append(np.tile(np.arange(at, at + n), (3, 1)))
            at += n
            if cut < len(ids):
                if ids[cut] == video:
                    places = video_places(self.grid)
                    n = places.shape[1]
                    out_positions.append(at + places)
                else:
                    n = n_audio
                    out_positions.append(np.tile(np.arange(at, at + n), (3, 1)))
                out_ids.append(np.full(n, ids[cut]))
                out_unit.append(np.full(n, -1))
                at = int(out_positions[-1].max()) + 1
            start = cut + 1
        decision = sum(len(x) for x in out_ids) - 1
        if reply is not None:
            answer = np.array(self.tok.encode(reply, add_special_tokens=False).ids)
            out_ids.append(answer)
            out_unit.append(np.full(len(answer), -1))
            out_positions.append(np.tile(np.arange(at, at + len(answer)), (3, 1)))
        row = Sequence(
            np.concatenate(out_ids), np.concatenate(out_positions, axis=1), np.concatenate(out_unit)
        )
        return row, decision

    def letters(self) -> list[int]:
        return [self.tok.encode(c, add_special_tokens=False).ids[0] for c in ref.LETTERS]


@lru_cache
def video_places(grid: tuple[int, int, int]) -> np.ndarray:
    t, h, w = grid
    step = int(shape.SECONDS_PER_GRID * shape.IDS_PER_SECOND)
    places = np.stack(np.meshgrid(np.arange(t), np.arange(h // 2), np.arange(w // 2), indexing="ij"))
    places = places.reshape(3, -1)
    places[0] *= step
    return places


def droppable(text: str) -> list[tuple[int, int]]:
    """What the short prompt leaves out, in characters: the system turn, and the lines of the
    instruction but for the beginning of the table of classes, by which the corpora differ."""
    spans = []
    end = text.index("<|im_end|>\n") + len("<|im_end|>\n")
    start = 0
    for line in text[:end].splitlines(keepends=True):
        spans.append((start, start + len(line)))
        start += len(line)
    at = text.index("Task: Based on")
    kept = re.search(r"A \(Negative\) = \{[^}]*\},", text).span()
    stop = text.index("<|im_end|>", at)
    for line in text[at:stop].splitlines(keepends=True):
        a, b = at, at + len(line)
        at = b
        if a <= kept[0] < b:
            spans.append((kept[1], b))
        else:
            spans.append((a, b))
    return spans


def shorten(row: Sequence, decision: int, drop: np.ndarray) -> tuple[Sequence, int]:
    """Leaves out the units for which `drop` is true; positions stay those of the full prompt."""
    keep = (row.unit < 0) | ~drop[row.unit]
    out = Sequence(row.ids[keep], row.positions[:, keep], row.unit[keep])
    return out, int(keep[: decision + 1].sum()) - 1


def reply_of(corpus: str, row: dict[str, Any], source: str) -> str:
    """The answer: the letter, and the score as the set of that letter spells it."""
    letter = ref.LETTERS[row["class"][source]]
    score = row["score"][source]
    spelled = f"{score:.1f}" if abs(score) > 1e-9 else "0.0"
    allowed = [s.strip() for s in ref.SCORE_SETS[corpus][letter].strip("{}").split(",")]
    assert spelled in allowed, (corpus, letter, score)
    return f"{letter}\nScore: {spelled}<|im_end|>"


@dataclass
class Embedded:
    """Cached outputs of the towers: `video` [clip, token, hidden], `audio` a list."""

    video: torch.Tensor
    audio: list[torch.Tensor]


@torch.no_grad()
def embed(net: network.Thinker, clips: Clips, step: int = 32) -> Embedded:
    """Runs both towers over all clips."""
    t, h, w = clips.grid
    video, audio = [], []
    for at in range(0, len(clips), step):
        some = list(range(at, min(at + step, len(clips))))
        patches = torch.from_numpy(clips.patches[some]).flatten(0, 1)
        out = net.visual(network.normalise(patches), h, w)
        video.append(out.view(len(some), t * h * w // 4, shape.HIDDEN).half())
        audio += [a.half() for a in net.audio_tower([clips.spectrogram(i) for i in some])]
    return Embedded(torch.cat(video), audio)
