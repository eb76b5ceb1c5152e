"""Writes tiny Qwen2.5-Omni checkpoints and what the reference implementation makes of them.

Make an environment and run:

    python3.11 -m venv .venv
    .venv/bin/pip install torch==2.15.0 torchvision==0.29.2 \\
        --index-url https://download.pytorch.org/whl/cpu
    .venv/bin/pip install transformers==5.23.0 qwen-omni-utils==0.0.9 librosa==0.11.0 av
    .venv/bin/python tests/golden/qwen2_5_omni/export.py            # everything
    .venv/bin/python tests/golden/qwen2_5_omni/export.py gqa        # one case
    .venv/bin/python tests/golden/qwen2_5_omni/export.py rope_index smart_resize preprocessing

The architecture is the true one (`Qwen2_5OmniThinkerForConditionalGeneration`), only narrow and
shallow, with random weights. See README.md for what each file holds. Runs are deterministic on
one machine; on another, floats may differ in their last digits.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers
from tokenizers import pre_tokenizers, trainers

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "tools" / "reference"))

import omni_reference as ref  # noqa: E402

PRETOKENIZE = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|AUDIO|>",
    "<|audio_bos|>",
    "<|audio_eos|>",
    "<|vision_bos|>",
    "<|vision_eos|>",
    "<|vision_pad|>",
    "<|IMAGE|>",
    "<|VIDEO|>",
)
NAMED = {
    "image_token": "<|IMAGE|>",
    "audio_token": "<|AUDIO|>",
    "video_token": "<|VIDEO|>",
    "vision_bos_token": "<|vision_bos|>",
    "vision_eos_token": "<|vision_eos|>",
    "audio_bos_token": "<|audio_bos|>",
    "audio_eos_token": "<|audio_eos|>",
}
SENTENCES = (
    "我真的很喜欢这部电影。\n",
    "你怎么现在才来,我等了很久!\n",
    "今天天气不错,我们出去走走吧。\n",
    "I really liked this movie, it was fun.\n",
    "Well, that is not what I expected!\n",
    "The acting was poor and the plot made no sense.\n",
    "Is it worth your money?\n",
)
MEAN = [0.48145466, 0.4578275, 0.40821073]
STD = [0.26862954, 0.26130258, 0.27577711]
RELEASED_PREPROCESSOR = {
    "chunk_length": 300,
    "dither": 0.0,
    "feature_extractor_type": "WhisperFeatureExtractor",
    "feature_size": 128,
    "hop_length": 160,
    "image_mean": MEAN,
    "image_processor_type": "Qwen2VLImageProcessor",
    "image_std": STD,
    "max_pixels": 12845056,
    "merge_size": 2,
    "min_pixels": 3136,
    "n_fft": 400,
    "n_samples": 4800000,
    "nb_max_frames": 30000,
    "padding_side": "right",
    "padding_value": 0.0,
    "patch_size": 14,
    "processor_class": "Qwen2_5OmniProcessor",
    "return_attention_mask": True,
    "sampling_rate": 16000,
    "temporal_patch_size": 2,
}


@dataclass
class Case:
    """One tiny checkpoint with its inputs."""

    name: str
    seed: int
    note: str
    transcript: str
    corpus: str
    frames: tuple[int, int, int]  # n, height, width
    samples: int
    text: dict[str, Any]
    mrope_section: list[int]
    vision: dict[str, Any]
    audio: dict[str, Any]
    merges: int
    vocab_size: int
    dtype: torch.dtype
    settings: dict[str, Any] | None
    special_order: int = 0  # rotation of SPECIAL, so that ids differ between cases
    rope_spelling: str = "rope_scaling"
    released_preprocessor: bool = False
    full_config: bool = False
    shards: int = 1
    towers_alone: bool = False
    full_patches: bool = False  # all rows of pixel_values_videos, not a sample
    padding_side: str = "right"  # of the waveform; copies of the released file say "right"
    tied: bool = False  # the output layer is the embedding; no `lm_head.weight` on disk
    rms_norm_eps: float = 1e-6
    rope_theta: float = 1_000_000.0
    preprocessor: dict[str, Any] = field(default_factory=dict)  # unlike the released file
    patch_stride: int = 23  # of the rows in pixel_values_videos.sample
    features: list[str] = field(default_factory=list)


def settings(low: int, high: int, total: int) -> dict[str, Any]:
    """Bounds of stage 1, counted in merged tokens (28 x 28 pixels)."""
    return {
        "min_pixels": low * 784,
        "max_pixels": high * 784,
        "total_pixels": total * 784,
        "fps": 2.0,
        "min_frames": 4,
        "max_frames": 768,
    }


CASES = [
    Case(
        name="gqa",
        seed=11,
        note="thinker-only config; 90x131 frames are scaled up to 140x196, merged grid 5x7",
        transcript="我真的很喜欢 this movie,它太好看了。 Really worth your money!",
        corpus="ch-sims",
        frames=(4, 90, 131),
        samples=20_800 + 77,
        text={
            "hidden_size": 64,
            "intermediate_size": 96,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
        },
        mrope_section=[2, 3, 3],
        vision={
            "depth": 4,
            "hidden_size": 32,
            "intermediate_size": 44,
            "num_heads": 2,
            "fullatt_block_indexes": [1, 3],
        },
        audio={
            "encoder_layers": 2,
            "d_model": 32,
            "encoder_attention_heads": 2,
            "encoder_ffn_dim": 48,
        },
        merges=400,
        vocab_size=672,
        dtype=torch.float32,
        settings=settings(30, 40, 90),
        towers_alone=True,
        full_patches=True,
        features=["thinker-only config", "one safetensors file", "f32", "GQA 4:2"],
    ),
    Case(
        name="full_prefixed",
        seed=22,
        note="full config with talker and token2wav; tensors named thinker.*; junk to skip; "
        "odd frame count (the processor repeats the last frame); frames are scaled down",
        transcript="Well, that is not what I expected! 你怎么现在才来?",
        corpus="cmu-mosi",
        frames=(5, 190, 101),
        samples=9_601,
        text={
            "hidden_size": 96,
            "intermediate_size": 128,
            "num_hidden_layers": 3,
            "num_attention_heads": 6,
            "num_key_value_heads": 1,
        },
        mrope_section=[4, 1, 3],
        vision={
            "depth": 3,
            "hidden_size": 48,
            "intermediate_size": 52,
            "num_heads": 3,
            "fullatt_block_indexes": [2],
        },
        audio={
            "encoder_layers": 3,
            "d_model": 48,
            "encoder_attention_heads": 3,
            "encoder_ffn_dim": 64,
        },
        merges=350,
        vocab_size=640,
        dtype=torch.bfloat16,
        settings=settings(6, 24, 200),
        special_order=4,
        padding_side="left",
        released_preprocessor=True,
        full_config=True,
        shards=3,
        features=[
            "full Qwen2_5OmniConfig",
            "thinker.* prefix, talker.* and token2wav.* to skip",
            "three shards with an index",
            "bf16 on disk",
            "6 query heads on 1 key/value head",
            "rope_scaling with rope_theta beside it, as released",
            "preprocessor_config.json only, as released",
            "waveform padded on the LEFT (padding_side)",
        ],
    ),
    Case(
        name="no_settings",
        seed=33,
        note="no emomm_settings.json, so the bounds of qwen_omni_utils hold; merged grid 9x16, "
        "the width an exact multiple of the window; two audio chunks",
        transcript="The acting was poor, 剧情也没有意思。",
        corpus="ch-sims",
        frames=(4, 60, 107),
        samples=int(2.51 * 16_000) + 33,
        text={
            "hidden_size": 64,
            "intermediate_size": 96,
            "num_hidden_layers": 3,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
        },
        mrope_section=[4, 6, 6],
        vision={
            "depth": 4,
            "hidden_size": 32,
            "intermediate_size": 44,
            "num_heads": 2,
            "fullatt_block_indexes": [0, 3],
        },
        audio={
            "encoder_layers": 2,
            "d_model": 32,
            "encoder_attention_heads": 2,
            "encoder_ffn_dim": 48,
        },
        merges=380,
        vocab_size=656,
        dtype=torch.float16,
        settings=None,
        special_order=7,
        rope_spelling="rope_parameters",
        features=["f16 on disk", "as many key/value heads as heads", "rope_parameters"],
    ),
    Case(
        name="other_sizes",
        seed=44,
        note="sizes unlike the released ones: 98x154 frames are scaled down to 84x140, below "
        "min_pixels, so the processor scales them up to 144x192 (merge groups of 48 pixels), "
        "merged grid 3x4 in windows of 2; 6 frames make two temporal patches of 4; the sound is "
        "two whole chunks of 74 mel frames and one of 22, the last row odd",
        transcript="Is it worth your money? Well, the plot made no sense!",
        corpus="cmu-mosi",
        frames=(6, 98, 154),
        samples=27_200 - 61,
        text={
            "hidden_size": 96,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 32,
        },
        mrope_section=[7, 4, 5],
        vision={
            "depth": 3,
            "hidden_size": 12,
            "intermediate_size": 20,
            "num_heads": 1,
            "fullatt_block_indexes": [1],
            "patch_size": 16,
            "temporal_patch_size": 4,
            "spatial_merge_size": 3,
            "window_size": 104,
        },
        audio={
            "encoder_layers": 2,
            "d_model": 18,
            "encoder_attention_heads": 3,
            "encoder_ffn_dim": 28,
            "num_mel_bins": 80,
            "n_window": 37,
        },
        merges=300,
        vocab_size=568,
        dtype=torch.float16,
        settings={**settings(6, 24, 200), "min_pixels": 16_200, "max_pixels": 17_000},
        special_order=9,
        tied=True,
        rms_norm_eps=1e-5,
        rope_theta=50_000.0,
        preprocessor={
            "chunk_length": 30,
            "feature_size": 80,
            "image_mean": [0.5, 0.4, 0.45],
            "image_std": [0.5, 0.25, 0.3],
            "merge_size": 3,
            "n_samples": 480_000,
            "nb_max_frames": 3000,
            "patch_size": 16,
            "temporal_patch_size": 4,
        },
        patch_stride=109,
        features=[
            "tied embeddings, no lm_head.weight",
            "head_dim 32 beside hidden_size 96 and 4 heads",
            "other rms_norm_eps and rope_theta",
            "temporal patches of 4 frames, so 2 seconds for each grid step",
            "patches of 16 pixels, merge groups of 3 x 3, windows of 2 x 2 merged tokens",
            "80 mel bands, audio chunks of 74 mel frames, 3 audio heads",
            "sound padded to 30 s",
            "other image_mean and image_std",
        ],
    ),
]


# ---------------------------------------------------------------------------------------------
# Checkpoints


def build_tokenizer(case: Case, out: Path) -> dict[str, int]:
    """Trains a small byte-level BPE and writes it in the released layout; gives special ids."""
    tok = Tokenizer(models.BPE())
    tok.normalizer = normalizers.NFC()
    tok.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PRETOKENIZE), behavior="isolated", invert=False),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tok.decoder = decoders.ByteLevel()
    texts = [ref.SYSTEM, ref.TRANSCRIPT_HEAD, *SENTENCES, *SENTENCES]
    for corpus, sets in ref.SCORE_SETS.items():
        texts.append(ref.INSTRUCTION.format(present="video, audio, transcript text", **sets))
    trainer = trainers.BpeTrainer(
        vocab_size=256 + case.merges,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tok.train_from_iterator(sorted(texts), trainer)
    order = SPECIAL[case.special_order :] + SPECIAL[: case.special_order]
    tok.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in order])
    ids = {t: tok.token_to_id(t) for t in SPECIAL}
    assert tok.get_vocab_size() <= case.vocab_size
    out.mkdir(parents=True, exist_ok=True)
    tok.save(str(out / "tokenizer.json"))
    config = {
        "add_bos_token": False,
        "add_prefix_space": False,
        "added_tokens_decoder": {
            str(ids[t]): {
                "content": t,
                "lstrip": False,
                "normalized": False,
                "rstrip": False,
                "single_word": False,
                "special": True,
            }
            for t in sorted(SPECIAL, key=ids.__getitem__)
        },
        "additional_special_tokens": list(SPECIAL[1:]),
        "bos_token": None,
        "clean_up_tokenization_spaces": False,
        "eos_token": "<|im_end|>",
        "errors": "replace",
        "extra_special_tokens": NAMED,
        **NAMED,
        "model_max_length": 32768,
        "pad_token": "<|endoftext|>",
        "processor_class": "Qwen2_5OmniProcessor",
        "split_special_tokens": False,
        "tokenizer_class": "Qwen2Tokenizer",
        "unk_token": None,
    }
    write_json(out / "tokenizer_config.json", config)
    (out / "chat_template.jinja").write_text(ref.CHAT_TEMPLATE)
    return ids


def thinker_config(case: Case, ids: dict[str, int]):
    """The thinker's configuration object; field names as in the released config.json."""
    from transformers import Qwen2_5OmniThinkerConfig

    hidden = case.text["hidden_size"]
    return Qwen2_5OmniThinkerConfig(
        text_config={
            **case.text,
            "vocab_size": case.vocab_size,
            "rms_norm_eps": case.rms_norm_eps,
            "max_position_embeddings": 32768,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": case.rope_theta,
                "mrope_section": case.mrope_section,
            },
            "tie_word_embeddings": case.tied,
        },
        vision_config={"window_size": 112, **case.vision, "out_hidden_size": hidden},
        audio_config={**case.audio, "output_dim": hidden},
        audio_token_index=ids["<|AUDIO|>"],
        image_token_index=ids["<|IMAGE|>"],
        video_token_index=ids["<|VIDEO|>"],
        audio_start_token_id=ids["<|audio_bos|>"],
        audio_end_token_id=ids["<|audio_eos|>"],
        vision_start_token_id=ids["<|vision_bos|>"],
        vision_end_token_id=ids["<|vision_eos|>"],
        vision_token_id=ids["<|vision_pad|>"],
        pad_token_id=ids["<|endoftext|>"],
        bos_token_id=ids["<|im_start|>"],
        eos_token_id=ids["<|im_end|>"],
        user_token_id=0,
        tie_word_embeddings=case.tied,
    )


def randomise(model: torch.nn.Module, seed: int, tied: bool) -> None:
    """Random weights with enough spread that attention is far from uniform."""
    gen = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in sorted(model.named_parameters()):
            noise = torch.randn(p.shape, generator=gen)
            if p.ndim == 1:
                is_norm = name.endswith("weight")
                p.copy_(1.0 + 0.2 * noise if is_norm else 0.2 * noise)
                continue
            gain = 1.0
            if any(k in name for k in ("q_proj", "k_proj", "attn.q.", "attn.k.")):
                gain = 1.4
            if "lm_head" in name:
                gain = 2.0
            fan_in = p[0].numel()
            if "embed" in name and "patch_embed" not in name:
                # Tied, this is also the output layer, which must not merely repeat the last token.
                fan_in, gain = 1, 0.1 if tied else 0.7
            p.copy_(noise * gain / fan_in**0.5)


def released_text_config(text: dict[str, Any], case: Case) -> dict[str, Any]:
    """Respells rope fields in the way of the released checkpoints."""
    text = dict(text)
    text.pop("rope_parameters", None)
    text["rope_theta"] = case.rope_theta
    text["rope_scaling"] = {
        "mrope_section": case.mrope_section,
        "rope_type": "default",
        "type": "default",
    }
    return text


def build_checkpoint(case: Case, out: Path) -> dict[str, torch.Tensor]:
    """Writes `checkpoint/` of a case; gives the weights, to check what loading makes of them."""
    from transformers import Qwen2_5OmniThinkerForConditionalGeneration

    shutil.rmtree(out, ignore_errors=True)
    ids = build_tokenizer(case, out)
    config = thinker_config(case, ids)
    torch.manual_seed(case.seed)
    model = Qwen2_5OmniThinkerForConditionalGeneration(config)
    randomise(model, case.seed, case.tied)
    model = model.to(case.dtype)

    write_preprocessing(case, out)
    if not case.full_config:
        model.save_pretrained(out)
        (out / "generation_config.json").unlink(missing_ok=True)
        if case.rope_spelling == "rope_scaling":
            data = json.loads((out / "config.json").read_text())
            data["text_config"] = released_text_config(data["text_config"], case)
            write_json(out / "config.json", data)
    else:
        write_full(case, out, model)
    if case.settings is not None:
        write_json(out / "emomm_settings.json", {"video": case.settings})
    return model.state_dict()


def write_preprocessing(case: Case, out: Path) -> None:
    """Preprocessing files: the released single file, or what transformers writes today."""
    written = {**RELEASED_PREPROCESSOR, "padding_side": case.padding_side, **case.preprocessor}
    write_json(out / "preprocessor_config.json", written)
    if case.released_preprocessor:
        return
    from transformers import Qwen2_5OmniProcessor

    processor = Qwen2_5OmniProcessor.from_pretrained(out)
    if case.settings is not None:
        processor.video_processor.size = {
            "shortest_edge": case.settings["min_pixels"],
            "longest_edge": case.settings["max_pixels"],
        }
    own = {name: (out / name).read_text() for name in ("tokenizer.json", "tokenizer_config.json")}
    (out / "preprocessor_config.json").unlink()
    processor.save_pretrained(out)
    if case.name == "gqa":  # keep one tokenizer in the released spelling, one in today's
        for name, content in own.items():
            (out / name).write_text(content)
        write_json(out / "preprocessor_config.json", written)


def write_full(case: Case, out: Path, model) -> None:
    """A full model's layout: nested config, prefixed names, shards, parts to skip."""
    thinker = model.config.to_dict()
    unused = ("id2label", "label2id", "_name_or_path", "transformers_version", "dtype")
    for table in (thinker, *(thinker[f"{k}_config"] for k in ("text", "vision", "audio"))):
        for name in [k for k, v in table.items() if v is None or k in unused]:
            del table[name]
    thinker["vision_config"].pop("rope_parameters")
    thinker["text_config"].pop("layer_types")
    thinker["text_config"]["sliding_window"] = 32768  # not used: use_sliding_window is false
    thinker["ignore_index"] = -100
    thinker["architectures"] = ["Qwen2OmniNaViTThinkerForConditionalGeneration"]
    thinker["model_type"] = "qwen2_5_omni_thinker"
    thinker["text_config"] = released_text_config(thinker["text_config"], case)
    config = {
        "architectures": ["Qwen2_5OmniModel"],
        "enable_audio_output": True,
        "enable_talker": True,
        "model_type": "qwen2_5_omni",
        "talker_config": {
            "model_type": "qwen2_5_omni_talker",
            "hidden_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": 8,
            "vocab_size": 32,
        },
        "thinker_config": thinker,
        "token2wav_config": {
            "model_type": "qwen2_5_omni_token2wav",
            "dit_config": {"model_type": "qwen2_5_omni_dit", "hidden_size": 16},
            "bigvgan_config": {"model_type": "qwen2_5_omni_bigvgan", "mel_dim": 8},
        },
        "torch_dtype": "bfloat16",
        "transformers_version": "4.50.0.dev0",
    }
    write_json(out / "config.json", config)

    # `save_pretrained` knows the public names; read them back and prefix them.
    scratch = out / "scratch"
    model.save_pretrained(scratch)
    from safetensors.torch import load_file

    tensors = load_file(scratch / "model.safetensors")
    shutil.rmtree(scratch)
    tensors = {f"thinker.{k}": v for k, v in tensors.items()}
    gen = torch.Generator().manual_seed(1)
    for name, shape in {
        "talker.model.embed_tokens.weight": (32, 16),
        "talker.model.layers.0.self_attn.q_proj.weight": (16, 16),
        "talker.codec_head.weight": (32, 16),
        "token2wav.code2wav_dit_model.proj_out.weight": (8, 16),
        "token2wav.code2wav_bigvgan_model.conv_pre.weight": (4, 8, 3),
    }.items():
        tensors[name] = torch.randn(shape, generator=gen).to(case.dtype)
    names = sorted(tensors)
    weight_map: dict[str, str] = {}
    for i in range(case.shards):
        file = f"model-{i + 1:05}-of-{case.shards:05}.safetensors"
        part = names[i :: case.shards]  # neighbours of one layer end up in different shards
        save_file({n: tensors[n] for n in part}, out / file, metadata={"format": "pt"})
        weight_map.update({n: file for n in part})
    total = sum(t.numel() * t.element_size() for t in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))}
    write_json(out / "model.safetensors.index.json", index)


# ---------------------------------------------------------------------------------------------
# Inputs


def make_frames(n: int, height: int, width: int, seed: int) -> np.ndarray:
    """Smooth moving gradients with a little noise, u8 [n, height, width, 3]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    frames = np.empty((n, height, width, 3))
    for t in range(n):
        for c in range(3):
            phase, fy, fx = rng.uniform(0, 6.28), rng.uniform(0.02, 0.12), rng.uniform(0.02, 0.12)
            wave = np.sin(fy * y + phase + 0.7 * t) * np.cos(fx * x - 0.4 * t)
            frames[t, :, :, c] = 128 + 100 * wave
        cy, cx = height * (0.3 + 0.1 * t), width * (0.2 + 0.12 * t)
        disc = (y - cy) ** 2 + (x - cx) ** 2 < (0.18 * height) ** 2
        frames[t][disc] = (250, 20 * t, 5)
    frames += rng.normal(0, 6, frames.shape)
    return np.clip(np.round(frames), 0, 255).astype(np.uint8)


def make_waveform(samples: int, seed: int) -> np.ndarray:
    """Chirps, noise, and a stretch of exact silence, f32 at 16 kHz."""
    rng = np.random.default_rng(seed)
    t = np.arange(samples) / 16_000
    wave = 0.35 * np.sin(2 * np.pi * (180 * t + 240 * t**2)) * (0.6 + 0.4 * np.sin(9 * t))
    wave += 0.12 * np.sin(2 * np.pi * 2300 * t) + 0.02 * rng.normal(size=samples)
    wave[int(0.55 * samples) : int(0.62 * samples)] = 0.0
    return wave.astype(np.float32)


# ---------------------------------------------------------------------------------------------
# Expected values


def greedy(model, inputs, steps: int) -> tuple[list[int], float]:
    """Greedy ids by recomputing the whole prompt each step, and the least top-2 margin."""
    inputs = dict(inputs)
    ids: list[int] = []
    margin = float("inf")
    for _ in range(steps):
        logits = ref.prefill(model, inputs, detail=False)["logits"]
        top = logits.topk(2)
        margin = min(margin, float(top.values[0] - top.values[1]))
        ids.append(int(top.indices[0]))
        new = torch.tensor([[ids[-1]]])
        inputs["input_ids"] = torch.cat([inputs["input_ids"], new], dim=1)
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    return ids, margin


def export_case(case: Case) -> None:
    """Writes one case's folder."""
    root = HERE / case.name
    root.mkdir(exist_ok=True)
    checkpoint = root / "checkpoint"
    weights = build_checkpoint(case, checkpoint)
    model, processor = ref.load(checkpoint)
    loaded = model.state_dict()
    assert loaded.keys() == weights.keys()
    assert all(torch.equal(loaded[k], w.float()) for k, w in weights.items())
    check_sizes(case, model, processor, checkpoint)
    check_tokenizer(processor, checkpoint)

    frames = make_frames(*case.frames, seed=case.seed)
    waveform = make_waveform(case.samples, case.seed)
    save_file(
        {"frames": torch.from_numpy(frames), "waveform": torch.from_numpy(waveform)},
        root / "inputs.safetensors",
    )
    write_json(
        root / "case.json",
        {
            "name": case.name,
            "transcript": case.transcript,
            "corpus": case.corpus,
            "frames": dict(zip(("count", "height", "width"), frames.shape[:3])),
            "waveform": {"samples": case.samples, "sample_rate": 16000},
            "dtype_on_disk": str(case.dtype).removeprefix("torch."),
            "settings": case.settings,
            "checkpoint_features": case.features,
            "note": case.note,
        },
    )

    bounds = ref.load_settings(checkpoint)
    assert bounds == (case.settings or {})
    stage1 = ref.resize_frames(frames, bounds)
    assert torch.equal(stage1, stage1.round())
    pixels = stage1.to(torch.uint8).permute(0, 2, 3, 1).contiguous()
    tensors: dict[str, torch.Tensor] = {}
    tensors["pixels_stage1"] = pixels
    summary: dict[str, Any] = {
        "versions": ref.VERSIONS,
        "letter_ids": ref.letter_ids(processor),
        "ids": {
            "audio": processor.audio_token_id,
            "video": processor.video_token_id,
            "image": processor.image_token_id,
            "im_end": processor.tokenizer.convert_tokens_to_ids("<|im_end|>"),
            "endoftext": processor.tokenizer.convert_tokens_to_ids("<|endoftext|>"),
        },
        "stage1_size": {"height": stage1.shape[2], "width": stage1.shape[3]},
        "coalitions": {},
    }

    for coalition in ref.COALITIONS:
        has = set() if coalition == "none" else set(coalition)
        transcript = case.transcript if "T" in has else None
        prompt = ref.render(processor, coalition, transcript, case.corpus)
        inputs = ref.process(
            processor,
            prompt,
            stage1 if "V" in has else None,
            waveform if "A" in has else None,
            bounds,
        )
        if coalition == "AV":
            media(case, model, inputs, tensors, summary)
        ids = inputs["input_ids"][0]
        positions, delta = ref.rope_positions(model, inputs)
        index = ref.token_indices(processor, prompt, transcript, ids)
        out = ref.prefill(model, inputs)
        hidden = out["hidden_all"]
        again = torch.nn.functional.linear(hidden[-1, -1], model.lm_head.weight)
        assert torch.allclose(again, out["logits"], atol=1e-4), "last hidden state is not normed"
        generated, margin = greedy(model, inputs, 8)
        official = model.generate(
            **inputs, use_audio_in_video=False, max_new_tokens=8, do_sample=False, eos_token_id=-1
        )[0, len(ids) :].tolist()
        assert generated == official, (generated, official)

        put = {
            "input_ids": ids,
            "position_ids": positions,
            "logits": out["logits"],
            "attention": out["attention"],
            "hidden": hidden[:, -1],
            "generated": torch.tensor(generated),
        }
        for name in ref.MODALITIES:
            if index[name]:
                put[f"token_index_{name}"] = torch.tensor(index[name])
                put[f"pooled_{name}"] = hidden[:-1, index[name]].mean(1)
        nmas, mass = ref.attention_sums(out["attention"], index)
        for name in ref.MODALITIES:
            if nmas[name] is not None:
                put[f"nmas_{name}"], put[f"mass_{name}"] = nmas[name], mass[name]
        tensors.update({f"{coalition}.{k}": v.contiguous() for k, v in put.items()})

        letters = out["logits"][summary["letter_ids"]].tolist()
        best = int(np.argmax(letters))
        if case.towers_alone and coalition == "TAV":
            decoder_extras(case, model, inputs, positions, summary["letter_ids"][best])
        grid = inputs.get("video_grid_thw")
        summary["coalitions"][coalition] = {
            "prompt": prompt,
            "tokens": ref.token_counts(index, len(ids)),
            "grid_thw": None if grid is None else grid[0].tolist(),
            "rope_delta": delta,
            "letter_logits": dict(zip(ref.LETTERS, letters)),
            "letter": ref.LETTERS[best],
            "label": ref.LABELS[best],
            "generated": generated,
            "generated_text": processor.tokenizer.decode(generated),
            "generated_margin": margin,
        }

    if case.towers_alone:
        towers_alone(case, model)
    summary["waveform_padding_side"] = processor.feature_extractor.padding_side
    save_file(tensors, root / "expected.safetensors")
    write_json(root / "expected.json", summary)
    for path in root.rglob("*.safetensors"):
        path.chmod(0o644)


@torch.no_grad()
def media(
    case: Case, model, inputs, tensors: dict[str, torch.Tensor], summary: dict[str, Any]
) -> None:
    """Stages of the media front ends, from one coalition that has both."""
    patches, grid = inputs["pixel_values_videos"], inputs["video_grid_thw"]
    if case.full_patches:
        tensors["pixel_values_videos"] = patches
    else:  # a sample of the rows, for size
        rows = torch.arange(0, patches.shape[0], case.patch_stride)
        tensors["pixel_values_videos.rows"] = rows
        tensors["pixel_values_videos.sample"] = patches[rows].contiguous()
    tensors["video_grid_thw"] = grid
    mask = inputs["feature_attention_mask"]
    valid = mask[0].bool()  # the first frames, or the last where the extractor pads on the left
    tensors["input_features"] = inputs["input_features"][0][:, valid].contiguous()
    video = model.get_video_features(patches, grid).pooler_output
    tensors["video_embeddings"] = torch.cat(list(video)).contiguous()
    audio = model.get_audio_features(inputs["input_features"], mask)
    tensors["audio_embeddings"] = audio.last_hidden_state.contiguous()
    summary["feature_length"] = int(valid.sum())
    summary["feature_start"] = int(valid.nonzero()[0])
    summary["patch_count"] = patches.shape[0]
    summary["second_per_grid"] = [float(s) for s in inputs["video_second_per_grid"]]
    side = model.config.vision_config.patch_size
    summary["processor_size"] = {"height": int(grid[0, 1]) * side, "width": int(grid[0, 2]) * side}


@torch.no_grad()
def towers_alone(case: Case, model) -> None:
    """Awkward sizes for the two towers, `towers.safetensors` of the case."""
    gen = torch.Generator().manual_seed(case.seed + 1000)
    tensors: dict[str, torch.Tensor] = {}
    thinker = model.model
    for n in (1, 2, 3, 4, 199, 200, 201, 202, 500):
        features = torch.randn((128, n), generator=gen)
        out = thinker.audio_tower(features, feature_lens=torch.tensor([n]))
        tensors[f"audio_len_{n}.features"] = features
        tensors[f"audio_len_{n}.embeddings"] = out.last_hidden_state.contiguous()
    for t, h, w in ((1, 26, 34), (2, 8, 8), (1, 2, 2), (3, 10, 6)):
        patches = torch.randint(0, 256, (t * h * w, 1176), generator=gen, dtype=torch.uint8)
        values = patches.float() / 127.5 - 1.0
        out = thinker.visual(values, grid_thw=torch.tensor([[t, h, w]]))
        tensors[f"vision_grid_{t}x{h}x{w}.patches_u8"] = patches
        tensors[f"vision_grid_{t}x{h}x{w}.embeddings"] = out.pooler_output.contiguous()
    save_file(tensors, HERE / case.name / "towers.safetensors")


def decoder_extras(case: Case, model, inputs, positions: torch.Tensor, target: int) -> None:
    """Gradients and a biased last row for the prompt TAV, `decoder.safetensors` of the case."""
    from transformers.models.qwen2_5_omni import modeling_qwen2_5_omni as m

    decoder = model.model.language_model
    seen: dict[str, torch.Tensor] = {}
    hook = decoder.register_forward_pre_hook(
        lambda _module, _args, kwargs: seen.update(embeds=kwargs["inputs_embeds"].detach()),
        with_kwargs=True,
    )
    plain = ref.prefill(model, inputs)
    hook.remove()

    embeds = seen["embeds"].clone().requires_grad_()
    state = decoder(
        inputs_embeds=embeds,
        position_ids=positions[:, None],
        attention_mask=torch.ones_like(inputs["input_ids"]),
    ).last_hidden_state[0, -1]
    logits = model.lm_head(state)
    assert torch.allclose(logits, plain["logits"], atol=1e-5)
    logits[target].backward()

    # A bias on the scaled scores of the last row, another for each layer and head.
    shape = plain["attention"].shape
    gen = torch.Generator().manual_seed(case.seed + 2000)
    bias = torch.randn(shape, generator=gen)
    eager = m.eager_attention_forward

    def biased(module, query, key, value, attention_mask, **kwargs):
        if isinstance(module, m.Qwen2_5OmniAttention):
            attention_mask = attention_mask.expand(-1, shape[1], -1, -1).clone()
            attention_mask[0, :, -1] += bias[module.layer_idx]
        return eager(module, query, key, value, attention_mask, **kwargs)

    m.eager_attention_forward = biased
    try:
        steered = ref.prefill(model, inputs)
    finally:
        m.eager_attention_forward = eager
    save_file(
        {
            "embeds": seen["embeds"][0].contiguous(),
            "gradient.token_id": torch.tensor([target]),
            "gradient.embeds": embeds.grad[0].contiguous(),
            "steered.bias": bias,
            "steered.logits": steered["logits"],
            "steered.attention": steered["attention"].contiguous(),
        },
        HERE / case.name / "decoder.safetensors",
    )


def export_preprocessing() -> None:
    """`preprocessing.safetensors`: sound of awkward lengths, and resizing on its own."""
    from transformers import WhisperFeatureExtractor

    tensors: dict[str, torch.Tensor] = {}
    for samples in (1, 159, 160, 161, 320, 400, 1000, 3217):
        wave = make_waveform(samples, samples)
        tensors[f"mel_{samples}.waveform"] = torch.from_numpy(wave)
        for side in ("right", "left"):
            keep = ("chunk_length", "feature_size", "hop_length", "n_fft", "sampling_rate")
            extractor = WhisperFeatureExtractor(
                **{k: RELEASED_PREPROCESSOR[k] for k in keep}, padding_side=side
            )
            out = extractor(
                [wave], sampling_rate=16_000, return_attention_mask=True, return_tensors="pt"
            )
            valid = out["attention_mask"][0].bool()
            features = out["input_features"][0][:, valid].contiguous()
            tensors[f"mel_{samples}.{side}"] = features

    # One strong reduction, and a budget so tight that the processor has to resize again; the
    # second time it works on floats, so nothing is rounded to whole pixel values.
    processor = load_video_processor()
    for name, (n, h, w), bounds in (
        ("reduced", (1, 243, 317), settings(4, 9, 200)),
        ("twice", (2, 150, 190), settings(30, 40, 30)),
    ):
        frames = make_frames(n, h, w, seed=h)
        stage1 = ref.resize_frames(frames, bounds)
        size = {"shortest_edge": bounds["min_pixels"], "longest_edge": bounds["max_pixels"]}
        out = processor([stage1], size=size, cap_pixels_per_frame=False, return_tensors="pt")
        patches = out["pixel_values_videos"]
        rows = torch.arange(0, patches.shape[0], 7)
        tensors[f"{name}.frames"] = torch.from_numpy(frames)
        tensors[f"{name}.stage1"] = stage1.to(torch.uint8).permute(0, 2, 3, 1).contiguous()
        tensors[f"{name}.grid_thw"] = out["video_grid_thw"][0]
        tensors[f"{name}.rows"] = rows
        tensors[f"{name}.patches"] = patches[rows].contiguous()
        tensors[f"{name}.bounds"] = torch.tensor(
            [bounds[k] for k in ("min_pixels", "max_pixels", "total_pixels")]
        )
    path = HERE / "preprocessing.safetensors"
    save_file(tensors, path)
    path.chmod(0o644)


def load_video_processor():
    from transformers import Qwen2VLVideoProcessor

    return Qwen2VLVideoProcessor(image_mean=MEAN, image_std=STD)


def check_sizes(case: Case, model, processor, checkpoint: Path) -> None:
    """The reference must have taken the case's sizes, not its own defaults."""
    from safetensors import safe_open

    names: set[str] = set()
    for path in checkpoint.glob("*.safetensors"):
        with safe_open(path, "pt") as file:
            names.update(file.keys())
    assert any(n.endswith("embed_tokens.weight") for n in names)
    assert any(n.endswith("lm_head.weight") for n in names) != case.tied
    embedding = model.model.language_model.embed_tokens.weight
    assert (model.lm_head.weight.data_ptr() == embedding.data_ptr()) == case.tied
    heads = case.text["num_attention_heads"]
    head_dim = case.text.get("head_dim", case.text["hidden_size"] // heads)
    assert 2 * sum(case.mrope_section) == head_dim
    for layer in model.model.language_model.layers:
        assert layer.self_attn.head_dim == head_dim
        assert layer.self_attn.q_proj.weight.shape[0] == heads * head_dim
        assert layer.input_layernorm.variance_epsilon == case.rms_norm_eps
    frequencies = model.model.language_model.rotary_emb.inv_freq
    assert len(frequencies) == head_dim // 2
    assert abs(float(frequencies[1]) - case.rope_theta ** (-2 / head_dim)) < 1e-6
    extractor, video = processor.feature_extractor, processor.video_processor
    written = {**RELEASED_PREPROCESSOR, "padding_side": case.padding_side, **case.preprocessor}
    for name in ("feature_size", "chunk_length", "n_samples", "nb_max_frames", "padding_side"):
        assert getattr(extractor, name) == written[name], name
    for name in ("patch_size", "temporal_patch_size", "merge_size"):
        assert getattr(video, name) == written[name], name
    for name in ("image_mean", "image_std"):
        assert list(getattr(video, name)) == written[name], name
    tower, vision = model.model.visual, model.config.vision_config
    assert tower.patch_size == vision.patch_size == video.patch_size
    assert vision.temporal_patch_size == video.temporal_patch_size
    assert tower.spatial_merge_size == video.merge_size
    assert model.model.audio_tower.num_mel_bins == extractor.feature_size


def check_tokenizer(processor, checkpoint: Path) -> None:
    """tokenizer.json read by the tokenizers library alone must give the same ids."""
    alone = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
    for text in (ref.SYSTEM, *SENTENCES, "<|im_start|>user\nA B C<|VIDEO|><|AUDIO|> 好!!\n\nA"):
        assert alone.encode(text).ids == processor.tokenizer(text)["input_ids"], text
    assert len(alone.encode(" A").ids) == 1
    ref.letter_ids(processor)


# ---------------------------------------------------------------------------------------------
# Whole-number fixtures

# Ids of these fixtures: text tokens are 0..99.
ROPE_IDS = {
    "audio": 100,
    "audio_bos": 101,
    "audio_eos": 102,
    "vision_bos": 103,
    "vision_eos": 104,
    "image": 105,
    "video": 106,
}


def rope_segments(parts: list[tuple]) -> dict[str, Any]:
    """Token row and side inputs for a list of parts such as ("text", 3), ("video", 5, 4, 6)."""
    i = ROPE_IDS
    ids: list[int] = []
    grids: list[list[int]] = []
    mel: list[int] = []
    images: list[list[int]] = []
    for part in parts:
        match part:
            case ("text", n):
                ids += [k % 100 for k in range(n)]
            case ("audio", frames):
                mel.append(frames)
                ids += [i["audio_bos"], *[i["audio"]] * audio_tokens(frames), i["audio_eos"]]
            case ("video", t, h, w):
                grids.append([t, h, w])
                ids += [i["vision_bos"], *[i["video"]] * (t * h * w // 4), i["vision_eos"]]
            case ("image", h, w):
                images.append([1, h, w])
                ids += [i["vision_bos"], *[i["image"]] * (h * w // 4), i["vision_eos"]]
            case ("both", t, h, w, frames, seconds):
                grids.append([t, h, w])
                mel.append(frames)
                ids += interleave(t, h, w, frames, seconds)
            case _:
                raise ValueError(part)
    return {"input_ids": ids, "grid_thw": grids, "mel_lengths": mel, "image_grid_thw": images}


def audio_tokens(frames: int) -> int:
    return ((frames - 1) // 2 + 1 - 2) // 2 + 1


def interleave(t: int, h: int, w: int, frames: int, seconds: float) -> list[int]:
    """Audio-in-video, in the processor's way: cut both rows every 50 temporal ids."""
    i = ROPE_IDS
    video = [int(k * seconds * 25) // 50 for k in range(t) for _ in range(h * w // 4)]
    audio = [k // 50 for k in range(audio_tokens(frames))]
    row: list[int] = []
    for chunk in range(max(video[-1], audio[-1]) + 1):
        row += [i["video"]] * video.count(chunk) + [i["audio"]] * audio.count(chunk)
    return [i["vision_bos"], i["audio_bos"], *row, i["audio_eos"], i["vision_eos"]]


def export_rope_index() -> None:
    """`rope_index.json`: prompts and their positions by `get_rope_index`."""
    from transformers import Qwen2_5OmniThinkerConfig
    from transformers.models.qwen2_5_omni import modeling_qwen2_5_omni as m

    i = ROPE_IDS
    shell = m.Qwen2_5OmniThinkerModel.__new__(m.Qwen2_5OmniThinkerModel)
    torch.nn.Module.__init__(shell)
    shell.spatial_merge_size = 2
    shell.config = Qwen2_5OmniThinkerConfig(
        audio_token_index=i["audio"],
        image_token_index=i["image"],
        video_token_index=i["video"],
        audio_start_token_id=i["audio_bos"],
        audio_end_token_id=i["audio_eos"],
        vision_start_token_id=i["vision_bos"],
        vision_end_token_id=i["vision_eos"],
    )
    prompts: list[tuple[str, list[tuple], bool, float]] = [
        ("text", [("text", 7)], False, 1.0),
        ("one_token", [("text", 1)], False, 1.0),
        ("audio", [("text", 3), ("audio", 500), ("text", 4)], False, 1.0),
        ("audio_first", [("audio", 131), ("text", 4)], False, 1.0),
        ("two_audios", [("text", 2), ("audio", 37), ("text", 5), ("audio", 201)], False, 1.0),
        ("video", [("text", 3), ("video", 5, 4, 6), ("text", 4)], False, 1.0),
        ("video_first", [("video", 1, 2, 2), ("text", 2)], False, 1.0),
        ("wide_video", [("text", 3), ("video", 1, 4, 120), ("text", 4)], False, 1.0),
        ("tall_video", [("text", 3), ("video", 2, 90, 4), ("text", 4)], False, 1.0),
        (
            "separate",
            [("text", 3), ("video", 5, 4, 6), ("audio", 500), ("text", 6)],
            False,
            1.0,
        ),
        ("audio_then_video", [("text", 3), ("audio", 130), ("video", 2, 4, 6)], False, 1.0),
        (
            "several",
            [
                ("text", 2),
                ("video", 2, 4, 4),
                ("audio", 90),
                ("text", 3),
                ("video", 3, 6, 4),
                ("text", 1),
                ("audio", 41),
                ("text", 5),
            ],
            False,
            1.0,
        ),
        ("half_second_grids", [("text", 3), ("video", 4, 4, 4), ("text", 4)], False, 0.5),
        ("odd_second_grids", [("text", 3), ("video", 5, 4, 4), ("text", 4)], False, 0.7),
        ("image", [("text", 3), ("image", 6, 4), ("text", 4)], False, 1.0),
        (
            "image_video",
            [("image", 4, 4), ("text", 2), ("video", 2, 4, 6), ("text", 4)],
            False,
            1.0,
        ),
        ("interleaved", [("text", 3), ("both", 5, 4, 6, 500, 1.0), ("text", 6)], True, 1.0),
        (
            "interleaved_short_audio",
            [("text", 3), ("both", 5, 4, 6, 130, 1.0), ("text", 6)],
            True,
            1.0,
        ),
        (
            "interleaved_long_audio",
            [("text", 3), ("both", 2, 4, 6, 930, 1.0), ("text", 6)],
            True,
            1.0,
        ),
        (
            "interleaved_twice",
            [("text", 3), ("both", 3, 4, 6, 300, 1.0), ("text", 2), ("both", 2, 2, 4, 210, 1.0)],
            True,
            1.0,
        ),
    ]
    out = []
    for name, parts, interleaved, seconds in prompts:
        side = rope_segments(parts)
        ids = torch.tensor([side["input_ids"]])
        grids = side["grid_thw"]
        images = side["image_grid_thw"]
        positions, delta = shell.get_rope_index(
            ids,
            torch.tensor(images) if images else None,
            torch.tensor(grids) if grids else None,
            torch.ones_like(ids),
            interleaved,
            torch.tensor(side["mel_lengths"]) if side["mel_lengths"] else None,
            torch.tensor([seconds] * len(grids)) if grids else None,
        )
        out.append(
            {
                "name": name,
                "parts": [list(p) for p in parts],
                "use_audio_in_video": interleaved,
                "second_per_grid": seconds,
                **side,
                "positions": positions[:, 0].tolist(),
                "rope_delta": int(delta.reshape(-1)[0]),
            }
        )
    body = {"versions": ref.VERSIONS, "ids": ROPE_IDS, "merge_size": 2, "position_id_per_seconds": 25}
    write_compact(HERE / "rope_index.json", {**body, "seconds_per_chunk": 2}, "prompts", out)


def export_smart_resize() -> None:
    """`smart_resize.json`: frame sizes after stage 1 and after the processor."""
    from qwen_omni_utils.v2_5 import vision_process as vp
    from torchvision import transforms
    from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize

    bounds: list[dict[str, Any]] = [
        {},
        settings(4, 12, 200),
        settings(30, 40, 90),
        {"min_pixels": 3136, "max_pixels": 50_176},
        {"max_pixels": 150_000},
        {"total_pixels": 3_000_000},
    ]
    sizes = [
        (360, 480),
        (480, 360),
        (360, 640),
        (720, 1280),
        (1080, 1920),
        (1920, 1080),
        (60, 100),
        (60, 107),
        (90, 131),
        (144, 176),
        (28, 28),
        (1, 1),
        (14, 14),
        (42, 42),
        (70, 98),
        (13, 999),
        (30, 3000),
        (501, 333),
        (2160, 3840),
        (283, 283),
        (77, 78),
        (375, 500),
    ]
    seen: dict[str, list[int]] = {}
    resize = transforms.functional.resize

    def record(video, size, **_):
        seen["size"] = list(size)
        return video

    out = []
    transforms.functional.resize = record
    try:
        for table in bounds:
            for h, w in sizes:
                for n in (2, 4, 10, 60, 768):
                    if n > 10 and table not in ({}, bounds[5]):
                        continue
                    video = torch.zeros((1, 1, 1), dtype=torch.uint8).expand(3, h, w)
                    video = video.expand(n, 3, h, w)
                    row: dict[str, Any] = {"height": h, "width": w, "frames": n, "settings": table}
                    try:
                        ele = {k: v for k, v in table.items() if k.endswith("pixels")}
                        light(vp, video, ele)
                    except (ValueError, AssertionError) as error:
                        out.append({**row, "error": str(error)})
                        continue
                    row["stage1"] = seen["size"]
                    low = table.get("min_pixels", 128 * 784)
                    high = table["max_pixels"] if "min_pixels" in table else 768 * 784
                    try:
                        row["processor"] = list(
                            smart_resize(*seen["size"], factor=28, min_pixels=low, max_pixels=high)
                        )
                    except (ValueError, ZeroDivisionError) as error:  # a side of zero, or too long
                        row["processor_error"] = str(error)
                    out.append(row)
    finally:
        transforms.functional.resize = resize
    write_compact(HERE / "smart_resize.json", {"versions": ref.VERSIONS, "factor": 28}, "sizes", out)


class Sized:
    """Stands for a video: `fetch_video` needs only its shape once `resize` is replaced."""

    def __init__(self, shape):
        self.shape = shape

    def float(self):
        return self


def light(vp, video: torch.Tensor, ele: dict[str, Any]) -> None:
    """Stage 1 of `fetch_video` on a video without memory of its own."""
    ref.fetch_video(lambda _: (Sized(video.shape), {}, 2.0), ele)


# ---------------------------------------------------------------------------------------------


def write_json(path: Path, data: Any) -> None:
    path.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n")


def write_compact(path: Path, head: dict[str, Any], name: str, rows: list[Any]) -> None:
    """JSON with one row per line."""
    lines = ",\n".join(json.dumps(r, separators=(",", ":")) for r in rows)
    start = json.dumps(head, indent=1)[:-2]
    path.write_text(f'{start},\n "{name}": [\n{lines}\n]}}\n')
    json.loads(path.read_text())


def main() -> None:
    names = [c.name for c in CASES] + ["rope_index", "smart_resize", "preprocessing"]
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", nargs="*", choices=[[], *names], default=[])
    wanted = parser.parse_args().what or names
    ref.pin()
    for case in CASES:
        if case.name in wanted:
            print("case", case.name, file=sys.stderr)
            export_case(case)
    if "rope_index" in wanted:
        export_rope_index()
    if "smart_resize" in wanted:
        export_smart_resize()
    if "preprocessing" in wanted:
        export_preprocessing()


if __name__ == "__main__":
    main()
