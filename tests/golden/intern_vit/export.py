"""Writes a tiny InternViT under its published names and what the vision tower of transformers' `internvl` makes of it.

    python3.11 -m venv .venv
    .venv/bin/pip install torch==2.15.0 --index-url https://download.pytorch.org/whl/cpu
    .venv/bin/pip install transformers==5.23.0
    .venv/bin/python tests/golden/intern_vit/export.py

Runs are deterministic on one machine; on another, floats may differ in their last digits.
"""

from __future__ import annotations

from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file
from transformers import InternVLVisionConfig, InternVLVisionModel

HERE = Path(__file__).resolve().parent
VERSIONS = {"torch": "2.15.0", "transformers": "5.23.0"}


def published(state: dict[str, torch.Tensor], layers: int) -> dict[str, torch.Tensor]:
    """The tensors under the names of the InternViT checkpoints: q, k and v in one matrix."""
    out = {
        "embeddings.class_embedding": state["embeddings.cls_token"],
        "embeddings.position_embedding": state["embeddings.position_embeddings"],
        "embeddings.patch_embedding.weight": state["embeddings.patch_embeddings.projection.weight"],
        "embeddings.patch_embedding.bias": state["embeddings.patch_embeddings.projection.bias"],
    }
    for i in range(layers):
        theirs, ours = f"encoder.layer.{i}", f"encoder.layers.{i}"
        for kind in ("weight", "bias"):
            parts = [state[f"{theirs}.attention.{x}_proj.{kind}"] for x in "qkv"]
            out[f"{ours}.attn.qkv.{kind}"] = torch.cat(parts)
            for to, source in (
                ("attn.proj", "attention.projection_layer"),
                ("mlp.fc1", "mlp.fc1"),
                ("mlp.fc2", "mlp.fc2"),
                ("norm1", "layernorm_before"),
                ("norm2", "layernorm_after"),
            ):
                out[f"{ours}.{to}.{kind}"] = state[f"{theirs}.{source}.{kind}"]
        out[f"{ours}.ls1"] = state[f"{theirs}.lambda_1"]
        out[f"{ours}.ls2"] = state[f"{theirs}.lambda_2"]
    return {f"vision.{name}": tensor.clone().contiguous() for name, tensor in out.items()}


@torch.no_grad()
def main() -> None:
    assert torch.__version__.split("+")[0] == VERSIONS["torch"], torch.__version__
    assert transformers.__version__ == VERSIONS["transformers"], transformers.__version__
    torch.set_num_threads(1)
    torch.manual_seed(7)
    config = InternVLVisionConfig(
        hidden_size=24,
        intermediate_size=40,
        num_hidden_layers=3,
        num_attention_heads=2,
        image_size=[40, 40],
        patch_size=[8, 8],
        attention_bias=True,
        layer_norm_eps=1e-6,
        norm_type="layer_norm",
        use_qk_norm=False,
        hidden_act="gelu",
    )
    config._attn_implementation = "eager"
    model = InternVLVisionModel(config).eval()
    for name, tensor in model.named_parameters():
        scale = 0.3 if "lambda" in name or "norm" in name else 0.15
        tensor.copy_(torch.randn(tensor.shape) * scale + (1.0 if "norm" in name and "weight" in name else 0.0))
    (HERE / "checkpoint").mkdir(exist_ok=True)
    save_file(published(model.state_dict(), config.num_hidden_layers), HERE / "checkpoint" / "model.safetensors")
    pixels = torch.randn((3, 3, 40, 40))
    seen = []
    hook = model.encoder.layer[-1].register_forward_hook(
        lambda _module, _args, out: seen.append(out[0] if isinstance(out, tuple) else out)
    )
    model(pixels)
    hook.remove()
    assert seen[0].shape == (3, 26, 24), seen[0].shape
    # A patch as one row: channel, row, column.
    patches = pixels.unfold(2, 8, 8).unfold(3, 8, 8).permute(0, 2, 3, 1, 4, 5).reshape(3 * 25, -1)
    save_file(
        {"patches": patches.contiguous(), "states": seen[0][:, 1:].contiguous()},
        HERE / "expected.safetensors",
    )


if __name__ == "__main__":
    main()
