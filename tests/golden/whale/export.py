"""Writes a tiny Whale speech encoder with random weights and what an independent implementation makes of it.

There is no package with this encoder, so it is written out here from its description, with loops over heads and rows where
the Rust code has one product. Make an environment and run:

    python3.11 -m venv .venv
    .venv/bin/pip install torch==2.15.0 --index-url https://download.pytorch.org/whl/cpu
    .venv/bin/pip install safetensors
    .venv/bin/python tests/golden/whale/export.py

Runs are deterministic on one machine; on another, floats may differ in their last digits.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

HERE = Path(__file__).resolve().parent
MELS, CHANNELS, D, HEADS, FFN, LAYERS, OUT, KERNEL = 20, 10, 16, 2, 24, 2, 12, 5


def shapes(norm: str) -> dict[str, tuple[int, ...]]:
    bands = ((MELS - 1) // 2 - 1) // 2
    out: dict[str, tuple[int, ...]] = {
        "encoder.global_cmvn.mean": (MELS,),
        "encoder.global_cmvn.istd": (MELS,),
        "encoder.enc.0.core.conv.0.weight": (CHANNELS, 1, 3, 3),
        "encoder.enc.0.core.conv.0.bias": (CHANNELS,),
        "encoder.enc.0.core.conv.2.weight": (CHANNELS, CHANNELS, 3, 3),
        "encoder.enc.0.core.conv.2.bias": (CHANNELS,),
        "encoder.enc.0.core.out.0.weight": (CHANNELS, CHANNELS * bands),
        "encoder.enc.0.core.out.0.bias": (CHANNELS,),
        "encoder.enc.1.embed.0.weight": (D, CHANNELS),
        "encoder.enc.1.embed.0.bias": (D,),
        "encoder.enc.1.embed.1.weight": (D,),
        "encoder.enc.1.embed.1.bias": (D,),
        "encoder.enc.1.after_norm.weight": (D,),
        "encoder.enc.1.after_norm.bias": (D,),
        "adpter.conv1d2.weight": (2 * D, D, KERNEL),
        "adpter.conv1d2.bias": (2 * D,),
        "adpter.bn2.weight": (2 * D,),
        "adpter.bn2.bias": (2 * D,),
        "adpter.project.weight": (OUT, 2 * D),
        "adpter.project.bias": (OUT,),
    }
    if norm == "batch":
        out |= {"adpter.bn2.running_mean": (2 * D,), "adpter.bn2.running_var": (2 * D,)}
    for i in range(LAYERS):
        name = f"encoder.enc.1.encoders.{i}"
        for x in ("q", "k", "v", "out"):
            out |= {
                f"{name}.self_attn.linear_{x}.weight": (D, D),
                f"{name}.self_attn.linear_{x}.bias": (D,),
            }
        out |= {
            f"{name}.self_attn.linear_pos.weight": (D, D),
            f"{name}.self_attn.pos_bias_u": (HEADS, D // HEADS),
            f"{name}.self_attn.pos_bias_v": (HEADS, D // HEADS),
            f"{name}.feed_forward.w_1.weight": (FFN, D),
            f"{name}.feed_forward.w_1.bias": (FFN,),
            f"{name}.feed_forward.w_2.weight": (D, FFN),
            f"{name}.feed_forward.w_2.bias": (D,),
        }
        for x in ("norm1", "norm2"):
            out |= {f"{name}.{x}.weight": (D,), f"{name}.{x}.bias": (D,)}
    return out


def draw(norm: str, seed: int) -> dict[str, torch.Tensor]:
    gen = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in shapes(norm).items():
        fan = math.prod(shape[1:]) if len(shape) > 1 else 16
        tensors[name] = torch.randn(shape, generator=gen) / math.sqrt(fan)
        if name.endswith(("istd", "running_var")) or ("norm" in name and name.endswith("weight")):
            tensors[name] = 0.5 + tensors[name].abs()
    return tensors


def visible(row: int, rows: int, chunk: tuple[int, int] | None) -> range:
    """The rows that a row sees; chunk is (size, chunks before its own, -1 for all)."""
    if chunk is None:
        return range(rows)
    size, left = chunk
    own = row // size
    first = 0 if left < 0 else max(0, own - left) * size
    return range(first, min(rows, (own + 1) * size))


def forward(w: dict[str, torch.Tensor], features: torch.Tensor, norm: str, act: str, chunk) -> torch.Tensor:
    def linear(x, name):
        return F.linear(x, w[f"{name}.weight"], w.get(f"{name}.bias"))

    def layer_norm(x, name, eps=1e-5):
        return F.layer_norm(x, (x.shape[-1],), w[f"{name}.weight"], w[f"{name}.bias"], eps)

    x = (features - w["encoder.global_cmvn.mean"]) * w["encoder.global_cmvn.istd"]
    x = x[None, None]
    for i in (0, 2):
        name = f"encoder.enc.0.core.conv.{i}"
        x = F.relu(F.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], stride=2))
    rows = x.shape[2]
    x = torch.stack([x[0, :, t].flatten() for t in range(rows)])  # channel by channel
    x = linear(x, "encoder.enc.0.core.out.0")
    x = F.relu(layer_norm(linear(x, "encoder.enc.1.embed.0"), "encoder.enc.1.embed.1")) * math.sqrt(D)
    positions = torch.zeros(rows, D)
    for t in range(rows):
        for j in range(0, D, 2):
            angle = t / 10_000 ** (j / D)
            positions[t, j], positions[t, j + 1] = math.sin(angle), math.cos(angle)
    width = D // HEADS
    for i in range(LAYERS):
        name = f"encoder.enc.1.encoders.{i}"
        y = layer_norm(x, f"{name}.norm1")
        q, k, v = (linear(y, f"{name}.self_attn.linear_{s}") for s in ("q", "k", "v"))
        p = linear(positions, f"{name}.self_attn.linear_pos")
        z = torch.zeros(rows, D)
        for head in range(HEADS):
            cut = slice(head * width, (head + 1) * width)
            u, b = w[f"{name}.self_attn.pos_bias_u"][head], w[f"{name}.self_attn.pos_bias_v"][head]
            for row in range(rows):
                seen = list(visible(row, rows, chunk))
                scores = (k[seen, cut] @ (q[row, cut] + u) + p[seen, cut] @ (q[row, cut] + b)) / math.sqrt(width)
                z[row, cut] = scores.softmax(0) @ v[seen, cut]
        x = x + linear(z, f"{name}.self_attn.linear_out")
        y = F.relu(linear(layer_norm(x, f"{name}.norm2"), f"{name}.feed_forward.w_1"))
        x = x + linear(y, f"{name}.feed_forward.w_2")
    x = layer_norm(x, "encoder.enc.1.after_norm")
    x = torch.cat([x, torch.zeros(KERNEL - 1, D)])
    x = F.conv1d(x.T[None], w["adpter.conv1d2.weight"], w["adpter.conv1d2.bias"], stride=2)[0].T
    if norm == "layer":
        x = layer_norm(x, "adpter.bn2", 1e-3)
    else:
        scale = (w["adpter.bn2.running_var"] + 1e-3).sqrt()
        x = (x - w["adpter.bn2.running_mean"]) / scale * w["adpter.bn2.weight"] + w["adpter.bn2.bias"]
    x = F.gelu(x) if act == "gelu" else F.relu(x)
    return linear(x, "adpter.project")


VARIANTS = {"layer_gelu": ("layer", "gelu", 3), "batch_relu": ("batch", "relu", 4)}
CHUNKS = {"full": None, "left_all": (3, -1), "left_1": (3, 1)}


@torch.no_grad()
def main() -> None:
    assert torch.__version__.split("+")[0] == "2.15.0", torch.__version__
    torch.set_num_threads(1)
    for variant, (norm, act, seed) in VARIANTS.items():
        w = draw(norm, seed)
        folder = HERE / variant
        folder.mkdir(exist_ok=True)
        save_file({f"audio.{k}": v.contiguous() for k, v in w.items()}, folder / "model.safetensors")
        out = {}
        gen = torch.Generator().manual_seed(seed + 100)
        for frames in (7, 8, 50, 131):
            features = torch.randn((frames, MELS), generator=gen)
            out[f"{frames}.features"] = features
            for name, chunk in CHUNKS.items():
                out[f"{frames}.{name}"] = forward(w, features, norm, act, chunk).contiguous()
        save_file(out, HERE / f"{variant}.safetensors")


if __name__ == "__main__":
    main()
