"""Blocks of GGUF's Q8_0 and Q4_K with their numbers, by PyPI's `gguf`, and a decoder as a GGUF file.

    pip install gguf==0.19.0 numpy==2.4.6 torch==2.15.0 transformers==5.23.0 && python tests/golden/gguf/export.py

`gguf` is written by the authors of the format and has its own quantisation and dequantisation in NumPy. For Q4_K it can only
widen, so those blocks are random bits with scales of a sensible size: every bit pattern is a valid block.

The decoder is that of `qwen2_5_omni/gqa`, written with one type after another; what it answers to a row of token ids is
computed by transformers' Qwen2 on the widened numbers.
"""

import json
from importlib.metadata import version
from pathlib import Path

import gguf
import numpy as np
import torch
from gguf.quants import dequantize, quantize
from safetensors.torch import load_file
from transformers import Qwen2Config, Qwen2ForCausalLM

VERSIONS = {"gguf": "0.19.0", "numpy": "2.4.6", "torch": "2.15.0", "transformers": "5.23.0"}
for package, expected in VERSIONS.items():
    assert version(package).split("+")[0] == expected, f"{package} {version(package)}, expected {expected}"

HERE = Path(__file__).resolve().parent
Q8_0, Q4_K = gguf.GGMLQuantizationType.Q8_0, gguf.GGMLQuantizationType.Q4_K
rng = np.random.default_rng(20261129)


def q4k_blocks(outputs: int, inputs: int) -> np.ndarray:
    """Rows of random Q4_K blocks."""
    blocks = rng.integers(0, 256, (outputs * inputs // 256, 144), dtype=np.uint8)
    scales = rng.uniform(1e-4, 3e-3, (len(blocks), 2)).astype(np.float16)
    blocks[:, :4] = scales.view(np.uint8)
    return blocks.reshape(outputs, inputs // 256 * 144)


def blocks() -> None:
    """37 outputs: a whole panel of 32 and a part of one."""
    rows = quantize(rng.standard_normal((37, 96)).astype(np.float32), Q8_0)
    for name, form, stored in [("q8_0", Q8_0, rows), ("q4_k", Q4_K, q4k_blocks(37, 512))]:
        (HERE / f"{name}.blocks").write_bytes(stored.tobytes())
        (HERE / f"{name}.f32").write_bytes(dequantize(stored, form).astype("<f4").tobytes())


CHECKPOINT = HERE.parent / "qwen2_5_omni" / "gqa" / "checkpoint"
TYPE = gguf.GGMLQuantizationType
# The types of a layer's matrices, turn by turn: all that our reader keeps as they are, and one that it does not.
TURNS = [TYPE.Q8_0, TYPE.F16, TYPE.Q5_0, TYPE.BF16, TYPE.F32]
NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def renamed(name: str) -> str:
    """The name that llama.cpp's converter gives a tensor."""
    base, kind = name.rsplit(".", 1)
    prefix = ""
    if base.startswith("model.layers."):
        _, _, layer, base = base.split(".", 3)
        prefix = f"blk.{layer}."
    return f"{prefix}{NAMES[base]}.{kind}"


@torch.no_grad()
def decoder() -> None:
    tensors = {k: t.numpy() for k, t in load_file(CHECKPOINT / "model.safetensors").items()}
    tensors = {k: t for k, t in tensors.items() if k.startswith(("model.", "lm_head."))}
    writer = gguf.GGUFWriter(HERE / "decoder.gguf", "qwen2vl")
    writer.add_array("tokenizer.ggml.tokens", ["a", "b", "longer"])
    writer.add_array("qwen2vl.rope.dimension_sections", [2, 3, 3, 0])
    writer.add_float32("qwen2vl.attention.layer_norm_rms_epsilon", 1e-6)
    widened = {}
    for i, (name, numbers) in enumerate(sorted(tensors.items())):
        form = TURNS[i % len(TURNS)] if numbers.ndim == 2 else TYPE.F32
        stored = quantize(numbers, form)
        writer.add_tensor(renamed(name), stored, raw_dtype=form)
        widened[name] = torch.from_numpy(dequantize(stored, form).astype(np.float32).reshape(numbers.shape))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

    text = json.loads((CHECKPOINT / "config.json").read_text())["text_config"]
    names = ["vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"]
    names += ["num_key_value_heads", "rms_norm_eps", "rope_theta", "tie_word_embeddings"]
    config = Qwen2Config(**{n: text[n] for n in names}, attn_implementation="eager")
    model = Qwen2ForCausalLM(config).eval()
    model.load_state_dict(widened)
    ids = list(range(3, 270, 5))
    logits = model(torch.tensor([ids])).logits[0, -1]
    expected = {"ids": ids, "logits": [float(x) for x in logits]}
    (HERE / "decoder.json").write_text(json.dumps(expected) + "\n")


if __name__ == "__main__":
    blocks()
    decoder()
