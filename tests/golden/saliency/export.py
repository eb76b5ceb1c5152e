"""Writes gradients of the chosen letter's logit and the importance of video tokens (Eq. 22 to 25), with the input
embedding as h_k and with the input of every layer.

The checkpoints, prompts and media embeddings are those of `tests/golden/qwen2_5_omni`; PyTorch's autograd runs through
the decoder of transformers. Make the environment of that folder's `export.py` and run:

    .venv/bin/python tests/golden/saliency/export.py

Runs are deterministic on one machine; on another, floats may differ in their last digits.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

HERE = Path(__file__).resolve().parent
CASES = HERE.parent / "qwen2_5_omni"
sys.path.insert(0, str(HERE.parents[2] / "tools" / "reference"))

import omni_reference as ref  # noqa: E402

COALITIONS = ("V", "TV", "AV", "TAV")
EPS = 1e-8  # of Eq. (25)
STRIDE = 8  # every eighth video token's gradient is written


def gradients(model, embeds, positions, letters):
    """The chosen letter's id, all logits, the gradient at every input embedding, and for every layer the states that
    enter it with the gradient at them."""
    embeds = embeds.clone().requires_grad_()
    decoder = model.model.language_model
    entering = []

    def keep(_module, args, kwargs):
        states = args[0] if args else kwargs["hidden_states"]
        states.retain_grad()
        entering.append(states)

    hooks = [layer.register_forward_pre_hook(keep, with_kwargs=True) for layer in decoder.layers]
    state = decoder(
        inputs_embeds=embeds[None],
        position_ids=positions[:, None],
        attention_mask=torch.ones((1, embeds.shape[0]), dtype=torch.int64),
    ).last_hidden_state[0, -1]
    for hook in hooks:
        hook.remove()
    logits = model.lm_head(state)
    token = max(letters, key=lambda i: logits[i].item())  # the first of equals
    logits[token].backward()
    return token, logits.detach(), embeds.grad, [(s.detach()[0], s.grad[0]) for s in entering]


def main() -> None:
    ref.pin()
    for case, known in ref.golden_cases(CASES):
        tensors: dict[str, torch.Tensor] = {}
        for dtype in (torch.float32, torch.float64):
            model, processor = ref.load(CASES / case / "checkpoint", dtype)
            letters = ref.letter_ids(processor)
            media = {
                model.config.video_token_id: known["video_embeddings"],
                model.config.audio_token_id: known["audio_embeddings"],
            }
            for coalition in COALITIONS:
                ids = known[f"{coalition}.input_ids"]
                with torch.no_grad():
                    embeds = model.get_input_embeddings()(ids).clone()
                    for token_id, rows in media.items():
                        if bool((ids == token_id).any()):
                            embeds[ids == token_id] = rows.to(dtype)
                positions = known[f"{coalition}.position_ids"]
                token, logits, grad, layers = gradients(model, embeds, positions, letters)
                assert torch.allclose(logits.float(), known[f"{coalition}.logits"], atol=5e-5)
                video = known[f"{coalition}.token_index_video"]
                raw = (grad[video] * embeds[video]).sum(-1).abs()
                at_layers = torch.stack([(g[video] * s[video]).sum(-1).abs() for s, g in layers])
                if dtype == torch.float64:
                    for name, wide in ("importance", raw), ("layer_importance", at_layers):
                        worst = (tensors[f"{coalition}.{name}"] - wide).abs().max() / wide.max()
                        print(f"{case} {coalition} {name}: f32 is up to {worst:.1e} of the greatest off f64")
                    continue
                tensors[f"{coalition}.token"] = torch.tensor([token])
                tensors[f"{coalition}.gradient"] = grad[video][::STRIDE].contiguous()
                tensors[f"{coalition}.importance"] = raw
                tensors[f"{coalition}.layer_gradient"] = layers[1][1][video][::STRIDE].contiguous()
                tensors[f"{coalition}.layer_importance"] = at_layers
                tensors[f"{coalition}.importance_normalised"] = raw / (raw.sum() + EPS)
        save_file(tensors, HERE / f"{case}.safetensors")


if __name__ == "__main__":
    main()
