"""Trains the embedded model on packed clips, stage by stage; every stage can be resumed.

    python tools/embedded/train.py --data TRAIN --dev DEV --base BASE --out RUN [--stages ...]

`TRAIN` and `DEV` are packed folders of `prepare.py`, `BASE` is a folder of `start.py` with the
tokenizer and the configuration. Only aligned clips (equal and same-polarity) are trained on.

1. `video`: the vision tower on single temporal grids, with an attention-pooled head for the class
   and a dense head for every merged token (is the face here, and its class). An untrained tower
   behind a decoder learns nothing.
2. `audio`: the audio tower with an attention-pooled head for the class.
3. `short`: the decoder on the towers' outputs, which are computed once. Most of the prompt is left
   out, at the positions of the full one. Single modalities first, then all coalitions.
4. `full`: the same, while the lines that were left out come back one by one, and then the whole
   prompt of App. E.

The loss stands on the reply alone: the letter, and with less weight the score line.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import data
import network
import shape

SCORE_WEIGHT = 0.15
ALL = ("T", "A", "V", "TA", "TV", "AV", "TAV")


def log(out: Path, **what) -> None:
    line = json.dumps({k: round(v, 4) if isinstance(v, float) else v for k, v in what.items()})
    print(line, flush=True)
    with open(out / "train.jsonl", "a") as f:
        f.write(line + "\n")


class Schedule:
    """Warm-up, then a cosine down to a twentieth; the optimiser and its clipping."""

    def __init__(self, parameters, peak: float, steps: int, warm: int = 50, decay: float = 0.05):
        self.parameters = [p for p in parameters if p.requires_grad]
        flat = [p for p in self.parameters if p.ndim == 1]
        deep = [p for p in self.parameters if p.ndim > 1]
        groups = [{"params": deep, "weight_decay": decay}, {"params": flat, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=peak, betas=(0.9, 0.98), fused=True)
        self.peak, self.steps, self.warm = peak, steps, warm

    def step(self, i: int) -> None:
        warm = min(1.0, (i + 1) / self.warm)
        cosine = 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(1.0, i / self.steps)))
        for group in self.optimiser.param_groups:
            group["lr"] = self.peak * warm * cosine
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)


class PooledHead(nn.Module):
    """One learnt query attends over the tokens; a linear map gives the class."""

    def __init__(self):
        super().__init__()
        self.query = nn.Linear(shape.HIDDEN, 1)
        self.out = nn.Linear(shape.HIDDEN, 5)

    def forward(self, tokens: Tensor, valid: Tensor | None = None) -> Tensor:
        score = self.query(tokens).squeeze(-1)
        if valid is not None:
            score = score.masked_fill(~valid, -1e9)
        return self.out(torch.einsum("bs,bsd->bd", score.softmax(-1), tokens))


def face_cover(box: Tensor, rows: int, cols: int) -> Tensor:
    """Share of every merged token that `box` [n, 4] (left, top, right, bottom; pixels) covers."""
    def overlap(low: Tensor, high: Tensor, n: int) -> Tensor:
        edge = torch.arange(n) * 28.0
        return (torch.minimum(high[:, None], edge + 28) - torch.maximum(low[:, None], edge)).clamp(min=0)

    across, down = overlap(box[:, 0], box[:, 2], cols), overlap(box[:, 1], box[:, 3], rows)
    return (down[:, :, None] * across[:, None]).flatten(1) / 784


def vary(patches: Tensor, box: Tensor, h: int, w: int, rng) -> tuple[Tensor, Tensor]:
    """Mirrors half of the clips, turns half back in time, and moves whole columns of tokens round
    where that does not cut the face; then light, contrast and colour. `box` moves with the face."""
    n = len(patches)
    p, dt = shape.VISION["patch_size"], shape.VISION["temporal_patch_size"]
    x = patches.view(n, h // 2, w // 2, 2, 2, 3, dt, p, p)
    box = box.clone()
    mirrored = torch.from_numpy(rng.random(n) < 0.5)
    x = x.clone()
    x[mirrored] = x[mirrored].flip(2, 4, 8)
    box[mirrored] = torch.stack((w * p - box[:, 2], box[:, 1], w * p - box[:, 0], box[:, 3]), 1)[mirrored]
    back = torch.from_numpy(rng.random(n) < 0.5)
    x[back] = x[back].flip(6)
    step = int(rng.integers(-2, 3))
    move = 2 * p * step
    fits = (box[:, 0] + move >= 0) & (box[:, 2] + move <= w * p)
    x[fits] = x[fits].roll(step, 2)
    box[fits] += torch.tensor([move, 0.0, move, 0.0])
    x = network.normalise(x.reshape(n, h * w, -1)).view(n, h * w, 3, -1)
    gain = torch.empty(n, 1, 1, 1).uniform_(0.85, 1.15) * torch.empty(n, 1, 3, 1).uniform_(0.9, 1.1)
    shift = torch.empty(n, 1, 1, 1).uniform_(-0.25, 0.25) + torch.empty(n, 1, 3, 1).uniform_(-0.1, 0.1)
    return x.mul_(gain).add_(shift).flatten(2), box


def train_video(net, clips, dev, out: Path, steps: int, batch: int = 64) -> None:
    t, h, w = clips.grid
    pooled, dense = PooledHead(), nn.Linear(shape.HIDDEN, 6)
    parts = nn.ModuleList([net.visual, pooled, dense])
    plan = Schedule(parts.parameters(), 1.5e-3, steps)
    rng = np.random.default_rng(11)

    def draw(source, ids, grids):
        patches = torch.from_numpy(
            np.stack([source.patches[i, g] for i, g in zip(ids, grids, strict=True)])
        )
        label = torch.tensor([source.rows[i]["class"]["video"] for i in ids])
        boxes = [source.rows[i]["face"][2 * g] for i, g in zip(ids, grids, strict=True)]
        return patches, label, torch.tensor(boxes, dtype=torch.float32)

    def accuracy() -> float:
        right = []
        with torch.no_grad():
            for at in range(0, min(len(dev), 512), 64):
                ids = list(range(at, min(at + 64, len(dev))))
                patches, label, _ = draw(dev, ids, [i % t for i in ids])
                tokens = net.visual(network.normalise(patches), h, w)
                right.append((pooled(tokens).argmax(-1) == label).float())
        return torch.cat(right).mean().item()

    begin = time.time()
    for i in range(steps):
        ids = rng.integers(len(clips), size=batch)
        patches, label, box = draw(clips, ids, rng.integers(t, size=batch))
        varied, box = vary(patches, box, h, w, rng)
        tokens = net.visual(varied, h, w)
        cover = face_cover(box, h // 2, w // 2)
        each = dense(tokens)
        on_face = cover > 0.4
        loss_face = F.binary_cross_entropy_with_logits(each[..., 0], cover)
        of_token = label[:, None].expand_as(cover)
        loss_dense = F.cross_entropy(each[..., 1:][on_face], of_token[on_face])
        loss_pool = F.cross_entropy(pooled(tokens), label)
        (loss_pool + loss_dense + loss_face).backward()
        plan.step(i)
        if (i + 1) % 100 == 0:
            log(out, stage="video", step=i + 1, pool=loss_pool.item(), dense=loss_dense.item(),
                face=loss_face.item(), dev=accuracy(), s=time.time() - begin)


def train_audio(net, clips, dev, out: Path, steps: int, batch: int = 64) -> None:
    pooled = PooledHead()
    plan = Schedule(nn.ModuleList([net.audio_tower, pooled]).parameters(), 1.5e-3, steps)
    rng = np.random.default_rng(12)

    def answer(source, ids, jitter: bool):
        mels = [source.spectrogram(int(i)) for i in ids]
        if jitter:  # louder or softer by at most 0.1 of the scaled logarithm (4 dB)
            mels = [m + (rng.random() - 0.5) * 0.05 for m in mels]
        tokens = net.audio_tower(mels)
        lengths = torch.tensor([len(x) for x in tokens])
        padded = nn.utils.rnn.pad_sequence(tokens, batch_first=True)
        label = torch.tensor([source.rows[i]["class"]["audio"] for i in ids])
        return pooled(padded, torch.arange(padded.shape[1]) < lengths[:, None]), label

    def accuracy() -> float:
        right = []
        with torch.no_grad():
            for at in range(0, min(len(dev), 512), 64):
                logits, label = answer(dev, range(at, min(at + 64, len(dev))), False)
                right.append((logits.argmax(-1) == label).float())
        return torch.cat(right).mean().item()

    begin = time.time()
    for i in range(steps):
        logits, label = answer(clips, rng.integers(len(clips), size=batch), True)
        loss = F.cross_entropy(logits, label)
        loss.backward()
        plan.step(i)
        if (i + 1) % 100 == 0:
            log(out, stage="audio", step=i + 1, loss=loss.item(), dev=accuracy(),
                s=time.time() - begin)


class Batches:
    """Draws clips and coalitions and lays them out as padded rows."""

    def __init__(
        self, net, clips, cached: data.Embedded, prompts: data.Prompts, seed: int, sentences=()
    ):
        self.sentences = sentences
        self.net, self.clips, self.cached, self.prompts = net, clips, cached, prompts
        self.rng = np.random.default_rng(seed)
        self.usable = {
            c: [i for i, r in enumerate(clips.rows) if data.target(r, c) is not None] for c in ALL
        }

    def draw(self, n: int, weights: dict[str, float], drop_rate: float):
        """Rows of n samples, with places and ids of what the loss stands on."""
        names = list(weights)
        share = np.array([weights[c] for c in names])
        picks = self.rng.choice(len(names), size=n, p=share / share.sum())
        rows = []
        for k in picks:
            if names[k] == "T" and self.sentences:
                rows.append(self.sentence(int(self.rng.integers(len(self.sentences))), drop_rate))
            else:
                i = int(self.rng.choice(self.usable[names[k]]))
                rows.append(self.row(i, names[k], drop_rate))
        return rows

    def sentence(self, i: int, drop_rate: float):
        """A transcript without a clip."""
        found = self.sentences[i]
        reply = data.reply_of(found["corpus"], found, "text")
        row, decision = self.prompts.sequence("T", found["text"], found["corpus"], 0, reply)
        return -1, "T", *self.shortened(row, decision, drop_rate)

    def shortened(self, row: data.Sequence, decision: int, drop_rate: float):
        if drop_rate > 0:
            drop = self.rng.random(row.unit.max() + 1) < drop_rate
            row, decision = data.shorten(row, decision, drop)
        return row, decision

    def row(self, i: int, coalition: str, drop_rate: float):
        clip = self.clips.rows[i]
        source = data.target(clip, coalition) or "ground_truth"
        reply = data.reply_of(clip["corpus"], clip, source)
        row, decision = self.prompts.sequence(
            coalition, clip["text"], clip["corpus"], len(self.cached.audio[i]), reply
        )
        return i, coalition, *self.shortened(row, decision, drop_rate)

    def layout(self, rows):
        """Embeddings [n, S, hidden] and positions [n, 3, S], padded on the right."""
        length = max(len(r.ids) for _, _, r, _ in rows)
        ids = np.zeros((len(rows), length), np.int64)
        positions = np.zeros((len(rows), 3, length), np.int64)
        for k, (_, _, row, _) in enumerate(rows):
            ids[k, : len(row.ids)] = row.ids
            positions[k, :, : len(row.ids)] = row.positions
        ids, positions = torch.from_numpy(ids), torch.from_numpy(positions)
        x = self.net.model.embed_tokens(ids)
        media = []
        for letter, token in (("V", "<|VIDEO|>"), ("A", "<|AUDIO|>")):
            shown = [i for i, c, _, _ in rows if letter in c]
            if not shown:
                continue
            if letter == "V":
                media = self.cached.video[shown].flatten(0, 1)
            else:
                media = torch.cat([self.cached.audio[i] for i in shown])
            x = x.masked_scatter((ids == self.prompts.id[token])[..., None], media.float())
        return x, positions, ids

    def loss(self, rows) -> tuple[Tensor, Tensor, int]:
        """Summed losses of letters and of score lines, and letters that are right."""
        x, positions, ids = self.layout(rows)
        # All replies have nearly one length; a row that has ended repeats its last place.
        answers = [range(d, len(r.ids) - 1) for _, _, r, d in rows]
        most = max(map(len, answers))
        places = torch.tensor([[*a, *[a[-1]] * (most - len(a))] for a in answers])
        counts = torch.tensor([[i < len(a) for i in range(most)] for a in answers])
        logits = self.net.lm_head(self.net.hidden(x, positions, places))
        want = ids.gather(1, places + 1)
        loss = F.cross_entropy(logits.transpose(1, 2), want, reduction="none") * counts
        right = (logits[:, 0].argmax(-1) == want[:, 0]).sum().item()
        return loss[:, 0].sum(), loss[:, 1:].sum(), right


@torch.no_grad()
def letters_of(batches: Batches, ids: list[int], coalition: str, step: int = 64) -> list[int]:
    """Index of the greatest letter for each clip, full prompt."""
    letters = batches.prompts.letters()
    found = []
    for at in range(0, len(ids), step):
        rows = [batches.row(i, coalition, batches.eval_drop) for i in ids[at : at + step]]
        rows = [(i, c, cut(r, d), d) for i, c, r, d in rows]
        x, positions, _ = batches.layout(rows)
        last = batches.net.hidden(x, positions, torch.tensor([[d] for *_, d in rows]))
        found += batches.net.lm_head(last)[:, 0, letters].argmax(-1).tolist()
    return found


def cut(row: data.Sequence, decision: int) -> data.Sequence:
    n = decision + 1
    return data.Sequence(row.ids[:n], row.positions[:, :n], row.unit[:n])


def report(batches: Batches, n: int, coalitions=ALL) -> dict[str, float]:
    """Accuracy on the first n aligned and n conflict clips, by coalition."""
    kinds = {"align": [], "conflict": []}
    for i, row in enumerate(batches.clips.rows):
        kinds["conflict" if data.subset(row) == "conflict" else "align"].append(i)
    names = {"T": "text", "A": "audio", "V": "video"}
    result = {}
    for kind, ids in kinds.items():
        for c in coalitions if kind == "align" else ("TAV",):
            some = ids[:n]
            if not some:
                continue
            got = letters_of(batches, some, c)
            source = names[c] if len(c) == 1 else "ground_truth"
            want = [batches.clips.rows[i]["class"][source] for i in some]
            result[f"{kind} {c}"] = float(np.mean([g == w for g, w in zip(got, want, strict=True)]))
    return result


def train_decoder(
    net, train: Batches, dev: Batches, out: Path, stage: str, steps: int, start: int, args
) -> None:
    """Stages `short` and `full`."""
    decoder = nn.ModuleList([net.model, net.lm_head])
    short = stage == "short"
    plan = Schedule(decoder.parameters(), 1e-3 if short else 5e-4, steps, warm=30)
    state = out / f"{stage}.state.pt"
    if start and state.exists():
        plan.optimiser.load_state_dict(torch.load(state))
    singles = {"T": 2.0, "A": 1.0, "V": 1.3}
    everything = {"T": 2.5, "A": 1, "V": 1.5, "TA": 1, "TV": 1, "AV": 1, "TAV": 3}
    begin = time.time()
    right = seen = 0
    for i in range(start, steps):
        done = i / steps
        if short:
            # Transcripts alone are short, and their grammar takes the most steps.
            weights = singles if done < 0.45 else {**everything, "T": 5.0}
            drop = 1.0
        else:
            weights = everything
            drop = max(0.0, 1.0 - done / 0.5)  # the whole prompt from half of the stage on
        rows = sorted(train.draw(args.batch, weights, drop), key=lambda r: len(r[2].ids))
        total = 0.0
        for at in range(0, len(rows), args.micro):
            letter, score, good = train.loss(rows[at : at + args.micro])
            ((letter + SCORE_WEIGHT * score) / len(rows)).backward()
            total += letter.item()
            right += good
        seen += len(rows)
        plan.step(i)
        if (i + 1) % 25 == 0:
            log(out, stage=stage, step=i + 1, loss=total / len(rows), acc=right / seen,
                drop=drop, s=time.time() - begin)
            right = seen = 0
        if (i + 1) % args.every == 0 or i + 1 == steps:
            dev.eval_drop = 1.0 if short else 0.0
            log(out, stage=stage, step=i + 1, dev=json.dumps(report(dev, args.dev_clips)))
            save(net, out, stage, i + 1)
            torch.save(plan.optimiser.state_dict(), state)


def save(net, out: Path, stage: str, step: int) -> None:
    torch.save({"weights": net.state_dict(), "stage": stage, "step": step}, out / f"{stage}.pt")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--dev", type=Path, required=True)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--stages", default="video,audio,short,full")
    parser.add_argument("--steps", default="video=1500,audio=800,short=1200,full=400")
    parser.add_argument("--sentences", type=Path, help="more transcripts, of `sentences.py`")
    parser.add_argument("--start-from", type=Path, help="a .pt file to take weights from")
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--micro", type=int, default=16)
    parser.add_argument("--every", type=int, default=200)
    parser.add_argument("--dev-clips", type=int, default=200)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    steps = {k: int(v) for k, v in (p.split("=") for p in args.steps.split(","))}

    clips, dev = data.Clips(args.data), data.Clips(args.dev)
    clips_conflict = [i for i, r in enumerate(clips.rows) if data.subset(r) == "conflict"]
    assert not clips_conflict, "training clips must not hold conflicts"
    prompts = data.Prompts(args.base, clips.grid)
    tok = prompts.tok
    from checkpoint import vocabulary

    net = network.Thinker(vocabulary(tok))
    print(sum(p.numel() for p in net.parameters()), "parameters")
    if args.start_from:
        net.load_state_dict(torch.load(args.start_from)["weights"])
    cached = None
    for stage in args.stages.split(","):
        kept = args.out / f"{stage}.pt"
        start = 0
        if kept.exists():
            found = torch.load(kept)
            net.load_state_dict(found["weights"])
            start = found["step"]
            if start >= steps[stage]:
                continue
        if stage == "video":
            train_video(net, clips, dev, args.out, steps[stage])
            save(net, args.out, stage, steps[stage])
        elif stage == "audio":
            train_audio(net, clips, dev, args.out, steps[stage])
            save(net, args.out, stage, steps[stage])
        else:
            if cached is None:
                began = time.time()
                cached = data.embed(net, clips), data.embed(net, dev)
                print(f"towers: {time.time() - began:.0f} s", flush=True)
            more = json.loads(args.sentences.read_text()) if args.sentences else ()
            train = Batches(net, clips, cached[0], prompts, args.seed + len(stage), more)
            train.eval_drop = 0.0
            held_out = Batches(net, dev, cached[1], prompts, 5)
            train_decoder(net, train, held_out, args.out, stage, steps[stage], start, args)


if __name__ == "__main__":
    main()
