"""Compares `network.py` with transformers on random weights: both towers, decoder, one batch.

    python tools/embedded/check.py

Largest absolute differences are printed; the run fails above 1e-4.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import torch

import checkpoint
import network


@torch.no_grad()
def main() -> None:
    torch.manual_seed(1)
    network.set_fast(False)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        checkpoint.write_base(folder, ["What a day.", "今天很好。"])
        tok = checkpoint.Tokenizer.from_file(str(folder / "tokenizer.json"))
        ours = network.Thinker(checkpoint.vocabulary(tok))
        for parameter in ours.parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn_like(parameter) * 0.2)
        checkpoint.export(ours.state_dict(), folder)
        rounded = {k: v.bfloat16().float() for k, v in ours.state_dict().items()}
        ours.load_state_dict(rounded)
        theirs, _ = checkpoint.ref.load(folder)
        worst = {}

        frames = torch.randint(0, 256, (3, 2, 140, 196, 3), dtype=torch.uint8)
        patches = network.normalise(network.patch_order(frames))
        grid = torch.tensor([[3, 10, 14]])
        want = theirs.get_video_features(patches.flatten(0, 1), grid).pooler_output
        want = torch.cat(list(want)) if isinstance(want, (tuple, list)) else want
        video = ours.visual(patches, 10, 14)
        worst["video"] = (video.flatten(0, 1) - want).abs().max().item()

        lengths = (251, 200, 77)
        mels = [torch.randn(128, n) for n in lengths]
        audio = ours.audio_tower(mels)
        for mel, got in zip(mels, audio, strict=True):
            mask = torch.ones(1, mel.shape[1], dtype=torch.long)
            want = theirs.get_audio_features(mel[None], feature_attention_mask=mask).pooler_output
            worst[f"audio {mel.shape[1]}"] = (got - want.reshape(got.shape)).abs().max().item()

        embeddings = torch.randn(2, 90, checkpoint.shape.HIDDEN)
        positions = torch.randint(0, 300, (2, 3, 90)).sort(-1).values
        rows = torch.arange(90).expand(2, 90)
        got = ours.lm_head(ours.hidden(embeddings, positions, rows))
        mask = torch.ones(2, 90, dtype=torch.long)
        want = theirs.model.language_model(
            inputs_embeds=embeddings,
            attention_mask=mask,
            position_ids=positions.transpose(0, 1),
            use_cache=False,
        )
        want = theirs.lm_head(want.last_hidden_state)
        worst["logits"] = (got - want).abs().max().item()
    for name, value in worst.items():
        print(f"{name:10} {value:.2e}")
    if max(worst.values()) > 1e-4:
        sys.exit("the two implementations differ")


if __name__ == "__main__":
    main()
