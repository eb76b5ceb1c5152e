"""Writes what the tiny Qwen2.5-Omni checkpoints answer where modalities are withheld without being left out of the prompt.

`mask`: the whole prompt with a 4D attention mask in which no later row sees a withheld modality's tokens. `blank`: the whole prompt
with black frames, silence, and the tokenizer's space in the place of each token of the transcript.

The checkpoints, prompts and media are those of `tests/golden/qwen2_5_omni`; the decoder is that of transformers. Make the
environment of that folder's `export.py` and run:

    .venv/bin/python tests/golden/missing/export.py

Runs are deterministic on one machine; on another, floats may differ in their last digits.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

HERE = Path(__file__).resolve().parent
CASES = HERE.parent / "qwen2_5_omni"
sys.path.insert(0, str(HERE.parents[2] / "tools" / "reference"))

import omni_reference as ref  # noqa: E402

LETTER = {"text": "T", "audio": "A", "video": "V"}


def evidence_tokens(processor, case, known):
    """Places of all tokens that hold any part of a modality in the prompt TAV. Of the transcript these are also tokens that
    reach beyond it, which belong to no modality and yet tell something of it."""
    ids = known["TAV.input_ids"].tolist()
    prompt = json.loads((CASES / case / "expected.json").read_text())["coalitions"]["TAV"]["prompt"]
    for token, token_id in (
        (processor.video_token, processor.video_token_id),
        (processor.audio_token, processor.audio_token_id),
    ):
        prompt = prompt.replace(token, token * ids.count(token_id))
    encoded = processor.tokenizer(prompt, return_offsets_mapping=True)
    assert encoded["input_ids"] == ids
    transcript = json.loads((CASES / case / "case.json").read_text())["transcript"]
    start = prompt.index(transcript)
    end = start + len(transcript)
    text = [i for i, (a, b) in enumerate(encoded["offset_mapping"]) if a < end and b > start]
    inside = known["TAV.token_index_text"].tolist()
    assert set(inside) < set(text), "no token straddles the transcript's border"
    return {
        "text": text,
        "audio": known["TAV.token_index_audio"].tolist(),
        "video": known["TAV.token_index_video"].tolist(),
    }


def blank_media(model, processor, case, known):
    """Embeddings of black frames and of silence in the sizes of the case's media."""
    settings = ref.load_settings(CASES / case / "checkpoint")
    inputs = load_file(CASES / case / "inputs.safetensors")
    black = torch.zeros_like(known["pixels_stage1"]).permute(0, 3, 1, 2).float()
    silence = torch.zeros_like(inputs["waveform"]).numpy()
    prompt = json.loads((CASES / case / "expected.json").read_text())["coalitions"]["AV"]["prompt"]
    made = ref.process(processor, prompt, black, silence, settings)
    assert torch.equal(made["video_grid_thw"], known["video_grid_thw"])
    assert torch.equal(made["input_ids"][0], known["AV.input_ids"])
    video = model.get_video_features(made["pixel_values_videos"], made["video_grid_thw"])
    audio = model.get_audio_features(made["input_features"], made["feature_attention_mask"])
    plain = lambda x: getattr(x, "pooler_output", x)  # noqa: E731
    first = lambda x: torch.cat(list(x)) if isinstance(x, (list, tuple)) else x  # noqa: E731
    return first(plain(video)), first(plain(audio))


def last_logits(model, embeds, positions, hidden_keys):
    """Logits of the last position; no later row sees `hidden_keys`."""
    n = embeds.shape[0]
    mask = torch.full((n, n), torch.finfo(torch.float32).min).triu(1)
    for key in hidden_keys:
        mask[key + 1 :, key] = torch.finfo(torch.float32).min
    state = model.model.language_model(
        inputs_embeds=embeds[None],
        position_ids=positions[:, None],
        attention_mask=mask[None, None],
        use_cache=False,
    ).last_hidden_state[0, -1]
    return model.lm_head(state)


@torch.no_grad()
def main() -> None:
    ref.pin()
    for case, known in ref.golden_cases(CASES):
        model, processor = ref.load(CASES / case / "checkpoint")
        places = evidence_tokens(processor, case, known)
        video, audio = blank_media(model, processor, case, known)
        (space,) = processor.tokenizer.encode(" ", add_special_tokens=False)
        ids, positions = known["TAV.input_ids"], known["TAV.position_ids"]
        embed = model.get_input_embeddings()
        whole = embed(ids).clone()
        whole[places["audio"]], whole[places["video"]] = known["audio_embeddings"], known["video_embeddings"]
        tensors = {
            "blank_video_embeddings": video,
            "blank_audio_embeddings": audio,
            "blank_token": torch.tensor([space]),
            "text_tokens": torch.tensor(places["text"]),
        }
        for coalition in ref.COALITIONS:
            withheld = [m for m, letter in LETTER.items() if letter not in coalition]
            hidden = [key for m in withheld for key in places[m]]
            masked = last_logits(model, whole, positions, hidden)
            blanked = whole.clone()
            for modality in withheld:
                blanked[places[modality]] = {
                    "text": embed(torch.full((len(places["text"]),), space)),
                    "audio": audio,
                    "video": video,
                }[modality]
            tensors[f"mask.{coalition}.logits"] = masked
            tensors[f"blank.{coalition}.logits"] = last_logits(model, blanked, positions, [])
        assert torch.allclose(tensors["mask.TAV.logits"], known["TAV.logits"], atol=5e-5)
        for kind in ("mask", "blank"):
            moved = (tensors[f"{kind}.none.logits"] - known["none.logits"]).abs().max()
            print(f"{case} {kind}: logits without evidence are up to {moved:.2f} off those of the shorter prompt")
        save_file({k: v.contiguous().clone() for k, v in tensors.items()}, HERE / f"{case}.safetensors")


if __name__ == "__main__":
    main()
