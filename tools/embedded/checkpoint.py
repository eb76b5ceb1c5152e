"""Tokenizer, configuration and files of the checkpoint, in the Hugging Face layout.

`write_base` makes everything but the weights; `export` adds them in bfloat16.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers
from tokenizers import pre_tokenizers, trainers

import shape

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "reference"))

import omni_reference as ref  # noqa: E402

# Where the released tokenizer splits words.
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
PREPROCESSOR = {
    "chunk_length": shape.CHUNK_SECONDS,
    "dither": 0.0,
    "feature_extractor_type": "WhisperFeatureExtractor",
    "feature_size": 128,
    "hop_length": 160,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_processor_type": "Qwen2VLImageProcessor",
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "max_pixels": 12845056,
    "merge_size": 2,
    "min_pixels": 3136,
    "n_fft": 400,
    "n_samples": shape.CHUNK_SECONDS * 16_000,
    "nb_max_frames": shape.CHUNK_SECONDS * 100,
    "padding_side": "right",
    "padding_value": 0.0,
    "patch_size": 14,
    "processor_class": "Qwen2_5OmniProcessor",
    "return_attention_mask": True,
    "sampling_rate": 16000,
    "temporal_patch_size": 2,
}
# How often the prompt counts among the sentences: its words must become single tokens.
PROMPT_WEIGHT = 400


def write_json(path: Path, data: dict[str, Any]) -> None:
    path.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n")


def prompt_texts() -> list[str]:
    """Every text that the prompt of any coalition and corpus holds, and every reply."""
    texts = [f"system\n{ref.SYSTEM}", "\n", "user\n", "assistant\n"]
    for sets in ref.SCORE_SETS.values():
        for coalition in ref.COALITIONS:
            present = [
                name
                for letter, name in (("V", "video"), ("A", "audio"), ("T", "transcript text"))
                if coalition != "none" and letter in coalition
            ]
            texts.append(ref.INSTRUCTION.format(present=", ".join(present) or "none", **sets))
            texts.append(ref.TRANSCRIPT_HEAD)
        for letter, scores in sets.items():
            texts += [f"{letter}\nScore: {s.strip()}" for s in scores.strip("{}").split(",")]
    return texts


def write_tokenizer(out: Path, sentences: list[str]) -> Tokenizer:
    """Trains the byte-level BPE and writes it in the released layout."""
    tok = Tokenizer(models.BPE())
    tok.normalizer = normalizers.NFC()
    tok.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PRETOKENIZE), behavior="isolated", invert=False),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tok.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=shape.VOCABULARY - len(SPECIAL),
        min_frequency=3,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tok.train_from_iterator(sorted(prompt_texts() * PROMPT_WEIGHT + sentences), trainer)
    tok.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIAL])
    out.mkdir(parents=True, exist_ok=True)
    tok.save(str(out / "tokenizer.json"))
    ids = {t: tok.token_to_id(t) for t in SPECIAL}
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
            for t in SPECIAL
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
    return tok


def thinker_config(tok: Tokenizer):
    """The thinker's configuration object."""
    from transformers import Qwen2_5OmniThinkerConfig

    ids = {t: tok.token_to_id(t) for t in SPECIAL}
    vision = {k: v for k, v in shape.VISION.items()}
    audio = {k: v for k, v in shape.AUDIO.items()}
    return Qwen2_5OmniThinkerConfig(
        text_config={
            "hidden_size": shape.HIDDEN,
            "intermediate_size": shape.FFN,
            "num_hidden_layers": shape.LAYERS,
            "num_attention_heads": shape.HEADS,
            "num_key_value_heads": shape.KV_HEADS,
            "head_dim": shape.HEAD_DIM,
            "vocab_size": vocabulary(tok),
            "rms_norm_eps": shape.RMS_EPS,
            "max_position_embeddings": 32768,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": shape.ROPE_THETA,
                "mrope_section": shape.MROPE_SECTION,
            },
            "tie_word_embeddings": False,
        },
        vision_config={**vision, "out_hidden_size": shape.HIDDEN},
        audio_config={**audio, "output_dim": shape.HIDDEN},
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
        tie_word_embeddings=False,
    )


def vocabulary(tok: Tokenizer) -> int:
    """Rows of the embedding: a multiple of 64."""
    return -(-tok.get_vocab_size() // 64) * 64


def write_base(out: Path, sentences: list[str]) -> None:
    """Everything but the weights."""
    tok = write_tokenizer(out, sentences)
    write_json(out / "preprocessor_config.json", PREPROCESSOR)
    write_json(out / "emomm_settings.json", {"video": shape.SETTINGS})
    config = thinker_config(tok)
    config.architectures = ["Qwen2_5OmniThinkerForConditionalGeneration"]
    config.save_pretrained(out)
    data = json.loads((out / "config.json").read_text())
    text = data["text_config"]
    text.pop("rope_parameters", None)
    text["rope_theta"] = shape.ROPE_THETA
    text["rope_scaling"] = {
        "mrope_section": shape.MROPE_SECTION,
        "rope_type": "default",
        "type": "default",
    }
    data["dtype"] = "bfloat16"
    write_json(out / "config.json", data)


def export(weights: dict[str, torch.Tensor], out: Path) -> None:
    """Writes `model.safetensors` in bfloat16 beside the base files."""
    from safetensors.torch import save_file

    tensors = {k: v.detach().to(torch.bfloat16).contiguous() for k, v in sorted(weights.items())}
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
