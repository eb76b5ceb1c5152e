"""The Qwen2.5-Omni thinker for training on two CPU cores.

The same function as `Qwen2_5OmniThinkerForConditionalGeneration` of transformers with the same
tensor names, written for batches of clips whose frames have one size: windows are a mask instead
of a permutation, temporal grids and audio chunks are batch rows, logits are computed where a loss
needs them, and matrix products run in bfloat16 (`fast`) while sums, norms, rotary positions and
attention stay in float32. `check.py` compares it with transformers.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import shape

_fast = True


def set_fast(on: bool) -> None:
    """Whether matrix products run in bfloat16."""
    global _fast
    _fast = on


class Linear(nn.Linear):
    """A linear map, in bfloat16 where that is on; input and output are float32."""

    def forward(self, x: Tensor) -> Tensor:
        if not _fast:
            return super().forward(x)
        bias = None if self.bias is None else self.bias.bfloat16()
        return F.linear(x.bfloat16(), self.weight.bfloat16(), bias).float()


class RMSNorm(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, (x.shape[-1],), self.weight, shape.RMS_EPS)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Half-split rotation; `cos`, `sin` [..., head_dim / 2]."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)


class GatedMlp(nn.Module):
    def __init__(self, width: int, inner: int, bias: bool):
        super().__init__()
        self.gate_proj = Linear(width, inner, bias=bias)
        self.up_proj = Linear(width, inner, bias=bias)
        self.down_proj = Linear(inner, width, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


# --------------------------------------------------------------------------- vision


class VisionAttention(nn.Module):
    def __init__(self):
        super().__init__()
        width = shape.VISION["hidden_size"]
        self.heads = shape.VISION["num_heads"]
        self.q, self.k, self.v, self.proj = (Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor, rope: tuple[Tensor, Tensor], mask: Tensor | None) -> Tensor:
        n, patches, width = x.shape
        q, k, v = (
            f(x).view(n, patches, self.heads, -1).transpose(1, 2) for f in (self.q, self.k, self.v)
        )
        q, k = rotate(q, *rope), rotate(k, *rope)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.proj(out.transpose(1, 2).reshape(n, patches, width))


class VisionBlock(nn.Module):
    def __init__(self):
        super().__init__()
        width = shape.VISION["hidden_size"]
        self.norm1, self.norm2 = RMSNorm(width), RMSNorm(width)
        self.attn = VisionAttention()
        self.mlp = GatedMlp(width, shape.VISION["intermediate_size"], bias=True)

    def forward(self, x: Tensor, rope: tuple[Tensor, Tensor], mask: Tensor | None) -> Tensor:
        x = x + self.attn(self.norm1(x), rope, mask)
        return x + self.mlp(self.norm2(x))


class PatchEmbed(nn.Module):
    def __init__(self):
        super().__init__()
        v = shape.VISION
        kernel = (v["temporal_patch_size"], v["patch_size"], v["patch_size"])
        self.proj = nn.Conv3d(3, v["hidden_size"], kernel, kernel, bias=False)

    def forward(self, patches: Tensor) -> Tensor:
        weight = self.proj.weight.flatten(1)
        if _fast:
            return F.linear(patches.bfloat16(), weight.bfloat16()).float()
        return F.linear(patches, weight)


class Merger(nn.Module):
    def __init__(self):
        super().__init__()
        width = shape.VISION["hidden_size"]
        self.ln_q = RMSNorm(width)
        self.mlp = nn.Sequential(
            Linear(4 * width, 4 * width), nn.GELU(), Linear(4 * width, shape.HIDDEN)
        )

    def forward(self, x: Tensor) -> Tensor:
        n, patches, width = x.shape
        return self.mlp(self.ln_q(x).view(n, patches // 4, 4 * width))


@lru_cache
def patch_places(h: int, w: int) -> tuple[Tensor, Tensor]:
    """Row and column of every patch of an h x w grid, merge groups in raster order."""
    row, col = np.mgrid[0:h, 0:w]
    order = (h // 2, 2, w // 2, 2)
    flat = [a.reshape(order).transpose(0, 2, 1, 3).reshape(-1) for a in (row, col)]
    return torch.from_numpy(flat[0].copy()), torch.from_numpy(flat[1].copy())


@lru_cache
def vision_tables(h: int, w: int) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """Cosine and sine of the 2-D rotary positions, and the mask of the windows."""
    row, col = patch_places(h, w)
    half = shape.VISION["hidden_size"] // shape.VISION["num_heads"] // 2
    freq = 1.0 / 10_000 ** (torch.arange(0, half, 2, dtype=torch.float32) / half)
    angle = torch.cat((row[:, None] * freq, col[:, None] * freq), dim=-1)
    side = shape.VISION["window_size"] // shape.VISION["patch_size"]
    window = (row // side) * (w // side + 1) + col // side
    return (angle.cos(), angle.sin()), window[:, None] == window[None, :]


class Vision(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch_embed = PatchEmbed()
        self.blocks = nn.ModuleList(VisionBlock() for _ in range(shape.VISION["depth"]))
        self.merger = Merger()

    def forward(self, patches: Tensor, h: int, w: int) -> Tensor:
        """`[n, h * w, 1176]` patches of single temporal grids -> `[n, h * w / 4, hidden]`."""
        rope, windows = vision_tables(h, w)
        x = self.patch_embed(patches)
        for i, block in enumerate(self.blocks):
            x = block(x, rope, None if i in shape.VISION["fullatt_block_indexes"] else windows)
        return self.merger(x)


MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073]) * 255
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711]) * 255


def patch_order(frames: Tensor) -> Tensor:
    """u8 `[n, 2, H, W, 3]` pairs of frames -> `[n, patches, 1176]`, ordered as the processor does."""
    n, dt, height, width, _ = frames.shape
    p = shape.VISION["patch_size"]
    x = frames.view(n, dt, height // p // 2, 2, p, width // p // 2, 2, p, 3)
    x = x.permute(0, 2, 5, 3, 6, 8, 1, 4, 7)
    return x.reshape(n, (height // p) * (width // p), 3 * dt * p * p)


_SIDE = shape.VISION["temporal_patch_size"] * shape.VISION["patch_size"] ** 2
_SCALE, _SHIFT = (1 / STD).repeat_interleave(_SIDE), (-MEAN / STD).repeat_interleave(_SIDE)


def normalise(patches: Tensor) -> Tensor:
    """Grey levels 0 to 255 -> what the processor gives."""
    return patches.float().mul_(_SCALE).add_(_SHIFT)


# --------------------------------------------------------------------------- audio


class AudioAttention(nn.Module):
    def __init__(self):
        super().__init__()
        width = shape.AUDIO["d_model"]
        self.heads = shape.AUDIO["encoder_attention_heads"]
        self.k_proj = Linear(width, width, bias=False)
        self.v_proj, self.q_proj, self.out_proj = (Linear(width, width) for _ in range(3))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        n, length, width = x.shape
        q, k, v = (
            f(x).view(n, length, self.heads, -1).transpose(1, 2)
            for f in (self.q_proj, self.k_proj, self.v_proj)
        )
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.out_proj(out.transpose(1, 2).reshape(n, length, width))


class AudioLayer(nn.Module):
    def __init__(self):
        super().__init__()
        width, inner = shape.AUDIO["d_model"], shape.AUDIO["encoder_ffn_dim"]
        self.self_attn = AudioAttention()
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.fc1, self.fc2 = Linear(width, inner), Linear(inner, width)
        self.final_layer_norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = x + self.self_attn(self.self_attn_layer_norm(x), mask)
        return x + self.fc2(F.gelu(self.fc1(self.final_layer_norm(x))))


def audio_tokens(frames: int) -> int:
    """Tokens of a spectrogram with so many frames."""
    return ((frames - 1) // 2 + 1) // 2


class Audio(nn.Module):
    def __init__(self):
        super().__init__()
        width, bands = shape.AUDIO["d_model"], shape.AUDIO["num_mel_bins"]
        self.conv1 = nn.Conv1d(bands, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.audio_bos_eos_token = nn.Embedding(2, shape.HIDDEN)
        self.layers = nn.ModuleList(AudioLayer() for _ in range(shape.AUDIO["encoder_layers"]))
        self.ln_post = nn.LayerNorm(width)
        self.proj = Linear(width, shape.HIDDEN)
        self.chunk = 2 * shape.AUDIO["n_window"]
        scale = np.log(10_000) / (width // 2 - 1)
        angle = torch.arange(self.chunk // 2)[:, None] * torch.exp(
            -scale * torch.arange(width // 2).float()
        )
        self.places = torch.cat((angle.sin(), angle.cos()), dim=1)

    def forward(self, mels: list[Tensor]) -> list[Tensor]:
        """Spectrograms `[bands, frames]` -> embeddings `[tokens, hidden]`."""
        chunks = [c for mel in mels for c in mel.float().split(self.chunk, dim=1)]
        lengths = torch.tensor([c.shape[1] for c in chunks])
        x = torch.stack([F.pad(c, (0, self.chunk - c.shape[1])) for c in chunks])
        valid = torch.arange(self.chunk) < lengths[:, None]
        x = F.gelu(self.conv1(x)) * valid[:, None]
        x = F.gelu(self.conv2(x)).transpose(1, 2) + self.places
        rows = (lengths - 1) // 2 + 1
        mask = (torch.arange(self.chunk // 2) < rows[:, None])[:, None, None]
        for layer in self.layers:
            x = layer(x, mask)
        # A chunk but the last of a clip has an even number of rows, so pairs never straddle two.
        x = self.proj(self.ln_post((x[:, 0::2] + x[:, 1::2]) / 2))
        out, at = [], 0
        for mel in mels:
            n = -(-mel.shape[1] // self.chunk)
            out.append(x[at : at + n].flatten(0, 1)[: audio_tokens(mel.shape[1])])
            at += n
        return out


# --------------------------------------------------------------------------- decoder


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.q_proj = Linear(shape.HIDDEN, shape.HEADS * shape.HEAD_DIM)
        self.k_proj = Linear(shape.HIDDEN, shape.KV_HEADS * shape.HEAD_DIM)
        self.v_proj = Linear(shape.HIDDEN, shape.KV_HEADS * shape.HEAD_DIM)
        self.o_proj = Linear(shape.HEADS * shape.HEAD_DIM, shape.HIDDEN, bias=False)

    def forward(self, x: Tensor, rope: tuple[Tensor, Tensor]) -> Tensor:
        n, length, _ = x.shape
        q, k, v = (
            f(x).view(n, length, -1, shape.HEAD_DIM).transpose(1, 2)
            for f in (self.q_proj, self.k_proj, self.v_proj)
        )
        q, k = rotate(q, *rope), rotate(k, *rope)
        group = shape.HEADS // shape.KV_HEADS
        k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        out = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.o_proj(out.transpose(1, 2).reshape(n, length, -1))

    def some(self, x: Tensor, rope: tuple[Tensor, Tensor], rows: Tensor) -> Tensor:
        """The same, for the query rows `[n, r]` alone."""
        n, length, _ = x.shape
        queries = pick(x, rows)
        q = self.q_proj(queries).view(n, rows.shape[1], -1, shape.HEAD_DIM).transpose(1, 2)
        k, v = (
            f(x).view(n, length, -1, shape.HEAD_DIM).transpose(1, 2)
            for f in (self.k_proj, self.v_proj)
        )
        q = rotate(q, *(pick(r[:, 0], rows)[:, None] for r in rope))
        k = rotate(k, *rope)
        group = shape.HEADS // shape.KV_HEADS
        k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        mask = (torch.arange(length) <= rows[..., None])[:, None]
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.o_proj(out.transpose(1, 2).reshape(n, rows.shape[1], -1))


def pick(x: Tensor, rows: Tensor) -> Tensor:
    """`[n, S, d]`, `[n, r]` -> `[n, r, d]`."""
    return x.gather(1, rows[..., None].expand(-1, -1, x.shape[-1]))


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.self_attn = Attention()
        self.mlp = GatedMlp(shape.HIDDEN, shape.FFN, bias=False)
        self.input_layernorm = RMSNorm(shape.HIDDEN)
        self.post_attention_layernorm = RMSNorm(shape.HIDDEN)

    def forward(self, x: Tensor, rope: tuple[Tensor, Tensor]) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), rope)
        return x + self.mlp(self.post_attention_layernorm(x))

    def some(self, x: Tensor, rope: tuple[Tensor, Tensor], rows: Tensor) -> Tensor:
        x = pick(x, rows) + self.self_attn.some(self.input_layernorm(x), rope, rows)
        return x + self.mlp(self.post_attention_layernorm(x))


class Decoder(nn.Module):
    def __init__(self, vocabulary: int):
        super().__init__()
        self.embed_tokens = nn.Embedding(vocabulary, shape.HIDDEN)
        self.layers = nn.ModuleList(Layer() for _ in range(shape.LAYERS))
        self.norm = RMSNorm(shape.HIDDEN)


_FREQ = 1.0 / shape.ROPE_THETA ** (
    torch.arange(0, shape.HEAD_DIM, 2, dtype=torch.float32) / shape.HEAD_DIM
)
_AXIS = torch.tensor([i for i, n in enumerate(shape.MROPE_SECTION) for _ in range(n)])


class Thinker(nn.Module):
    """All three parts; `state_dict()` has the names of a saved thinker."""

    def __init__(self, vocabulary: int):
        super().__init__()
        self.audio_tower = Audio()
        self.visual = Vision()
        self.model = Decoder(vocabulary)
        self.lm_head = Linear(shape.HIDDEN, vocabulary, bias=False)
        self.apply(_initialise)

    def hidden(self, embeddings: Tensor, positions: Tensor, rows: Tensor) -> Tensor:
        """`[n, S, hidden]`, `[n, 3, S]` -> states after the last norm, of the rows `[n, r]`."""
        angle = positions.float()[:, _AXIS].transpose(1, 2) * _FREQ
        rope = (angle.cos()[:, None], angle.sin()[:, None])
        x = embeddings
        for layer in self.model.layers[:-1]:
            x = layer(x, rope)
        return self.model.norm(self.model.layers[-1].some(x, rope, rows))


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=module.in_features**-0.5 * 0.7)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=0.5)
