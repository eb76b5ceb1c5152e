"""Writes tiny VITA-1.5 checkpoints and what independent implementations of their parts make of them.

No package holds this model whole. The decoder and the vision tower are transformers', pixels come from its CLIP image
processor, features from `kaldi-native-fbank`, the speech encoder from `tests/golden/whale/export.py`; the rest (frames to
placeholders, pixel shuffle, projector, splice, sign) is written out here.

    python3.11 -m venv .venv
    .venv/bin/pip install torch==2.15.0 torchvision==0.29.2 --index-url https://download.pytorch.org/whl/cpu
    .venv/bin/pip install transformers==5.23.0 kaldi-native-fbank==1.23.0 pillow
    .venv/bin/python tests/golden/vita_1_5/export.py

Runs are deterministic on one machine; on another, floats may differ in their last digits.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import transformers
from PIL import Image
from safetensors.torch import save_file
from transformers import AutoTokenizer, InternVLVisionConfig, InternVLVisionModel, Qwen2Config, Qwen2ForCausalLM

HERE = Path(__file__).resolve().parent
GOLDEN = HERE.parent
sys.path.insert(0, str(HERE.parents[2] / "tools" / "reference"))

import omni_reference as ref  # noqa: E402


def script(case: str):
    spec = importlib.util.spec_from_file_location(f"{case}_export", GOLDEN / case / "export.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


whale, fbank, intern = script("whale"), script("fbank"), script("intern_vit")
COALITIONS = ("none", "T", "A", "V", "TA", "TV", "AV", "TAV")
TRANSCRIPT = "我真的很喜欢 this movie,它太好看了。 Really worth your money!"
CORPUS = "ch-sims"
HIDDEN, LAYERS, SIDE, PATCH = 32, 3, 56, 14
TOKENIZER = GOLDEN / "qwen2_5_omni" / "gqa" / "checkpoint"
CASES = {
    # Vision tower inside, f32, every row of a sound sees every row, our default order and sign.
    "inside": dict(
        seed=5, dtype=torch.float32, apart=False, norm="layer", act="gelu", chunk=None,
        sign="☜", audio_last=False, frames=(5, 40, 61), samples=16_000 + 123, settings=None,
    ),
    # Vision tower in its own folder, f16, chunks, the demonstration's order and the sign for voice.
    "apart": dict(
        seed=6, dtype=torch.float16, apart=True, norm="batch", act="relu", chunk=(3, 1),
        sign="☞", audio_last=True, frames=(4, 70, 33), samples=9_000,
        settings={"vita": {"audio_place": "last", "state_token": "voice"}},
    ),
}


def draw(shape, gen, scale=None):
    fan = shape[-1] if len(shape) > 1 else 16
    return torch.randn(shape, generator=gen) * (scale or fan**-0.5)


def vision_model(gen) -> InternVLVisionModel:
    config = InternVLVisionConfig(
        hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=2,
        image_size=[SIDE, SIDE], patch_size=[PATCH, PATCH], attention_bias=True, layer_norm_eps=1e-6,
        norm_type="layer_norm", use_qk_norm=False, hidden_act="gelu",
    )
    config._attn_implementation = "eager"
    model = InternVLVisionModel(config).eval()
    for name, tensor in model.named_parameters():
        one = 1.0 if "norm" in name and "weight" in name else 0.0
        tensor.copy_(torch.randn(tensor.shape, generator=gen) * 0.15 + one)
    return model


def decoder_model(gen, vocab: int) -> Qwen2ForCausalLM:
    config = Qwen2Config(
        vocab_size=vocab, hidden_size=HIDDEN, intermediate_size=48, num_hidden_layers=LAYERS,
        num_attention_heads=4, num_key_value_heads=2, rms_norm_eps=1e-6, rope_theta=1e6,
        tie_word_embeddings=False, max_position_embeddings=4096,
    )
    config._attn_implementation = "eager"
    model = Qwen2ForCausalLM(config).eval()
    for name, tensor in model.named_parameters():
        one = 1.0 if "norm" in name else 0.0
        scale = 0.1 if "norm" in name else (0.5 if "embed" in name else tensor.shape[-1] ** -0.5)
        tensor.copy_(torch.randn(tensor.shape, generator=gen) * scale + one)
    return model


def write_checkpoint(case: str, c: dict, folder: Path, tensors: dict[str, torch.Tensor], vocab: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    vision_folder, audio_folder = folder / "InternViT-tiny-56px", folder / "audio-encoder-tiny"
    vision_folder.mkdir(parents=True)
    audio_folder.mkdir()
    shutil.copy(TOKENIZER / "tokenizer.json", folder / "tokenizer.json")
    config = {
        "architectures": ["VITAQwen2ForCausalLM"],
        "model_type": "vita-Qwen2",
        "hidden_act": "silu",
        "hidden_size": HIDDEN,
        "intermediate_size": 48,
        "max_position_embeddings": 4096,
        "mm_audio_encoder": "/somewhere/audio-encoder-tiny",
        "mm_hidden_size": 96,
        "mm_projector_type": "mlp2x_gelu",
        "mm_vision_tower": "/somewhere/InternViT-tiny-56px",
        "num_attention_heads": 4,
        "num_hidden_layers": LAYERS,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-6,
        "rope_theta": 1_000_000.0,
        "sliding_window": 131072,
        "tie_word_embeddings": False,
        "use_sliding_window": False,
        "vocab_size": vocab,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    vision = {
        "hidden_act": "gelu", "hidden_size": 24, "image_size": SIDE, "intermediate_size": 40,
        "layer_norm_eps": 1e-6, "model_type": "intern_vit_6b", "norm_type": "layer_norm",
        "num_attention_heads": 2, "num_channels": 3, "num_hidden_layers": 2, "patch_size": PATCH,
        "qk_normalization": False, "qkv_bias": True,
    }
    (vision_folder / "config.json").write_text(json.dumps(vision, indent=2) + "\n")
    chunk = c["chunk"] or (-1, -1)
    (audio_folder / "train.yaml").write_text(
        f"""# settings of the speech encoder
accum_grad: 1
dataset_conf:
  batch_type: dynamic
  fbank_conf:
    dither: 1.0
    frame_length: 25
    frame_shift: 10
    num_mel_bins: {whale.MELS}
  resample_conf:
    resample_rate: 16000
encoder_conf:
  overview_conf:
    encoder-input-dim: {whale.MELS}
    encoder-layer-config: subsampling-transformer
    encoder-output-dim: {whale.D}
  para_conf:
    subsampling:
      subsampling-dropout-rate: 0.1
      subsampling-input-dim: {whale.MELS}
      subsampling-output-dim: {whale.CHANNELS}
      subsampling-rate: 4
    transformer:
      transformer-attention-dim: {whale.D}
      transformer-attention-heads: {whale.HEADS}
      transformer-chunk_size: {chunk[0]}
      transformer-concat-after: false
      transformer-dynamic-chunks: false
      transformer-input-dim: {whale.CHANNELS}
      transformer-input-layer: linear
      transformer-left_chunks: {chunk[1]}
      transformer-linear-units: {whale.FFN}
      transformer-normalize-before: true
      transformer-num-blocks: {whale.LAYERS}
      transformer-output-dim: {whale.D}
      transformer-pos-enc-class: rel-enc
      transformer-positionwise-layer-type: linear
input_dim: {whale.MELS}
is_json_cmvn: true
model_conf:
  activation_func: {c["act"]}
  adpter_type: subsampling
  enc_out_dim: {whale.D}
  kernel_size: {whale.KERNEL}
  llm_embed_dim: {HIDDEN}
  norm: {c["norm"]}
"""
    )
    if c["settings"]:
        (folder / "emomm_settings.json").write_text(json.dumps(c["settings"], indent=2) + "\n")
    stored = {k: v.to(c["dtype"]).contiguous() for k, v in tensors.items()}
    inside = "model.vision_tower.vision_tower."
    apart = {k[len(inside) :]: v for k, v in stored.items() if k.startswith(inside)}
    if c["apart"]:
        apart["head.weight"] = torch.zeros(2, 24)  # of a classifier, not part of the tower
        save_file(apart, vision_folder / "model.safetensors")
        stored = {k: v for k, v in stored.items() if not k.startswith(inside)}
    save_file(stored, folder / "model.safetensors")


def pixels(frames: np.ndarray) -> torch.Tensor:
    """The published preprocessor: CLIP's, short side to the tower's side, centre crop, ImageNet's mean and deviation."""
    try:
        from transformers import CLIPImageProcessorPil as Processor  # the slow one, by Pillow
    except ImportError:
        from transformers import CLIPImageProcessor as Processor
    processor = Processor(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}, resample=3,
        image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225],
    )
    out = processor([Image.fromarray(f) for f in frames], return_tensors="pt")["pixel_values"]
    return out.float()


def video_embeddings(vision, projector, pixel_values: torch.Tensor) -> torch.Tensor:
    seen = []
    hook = vision.encoder.layer[-1].register_forward_hook(
        lambda _m, _a, out: seen.append(out[0] if isinstance(out, tuple) else out)
    )
    vision(pixel_values)
    hook.remove()
    side = SIDE // PATCH
    states = seen[0][:, 1:].reshape(-1, side, side, 24) * 0.5
    rows = []
    for frame in states:
        for r in range(0, side, 2):
            for c in range(0, side, 2):
                rows.append(torch.cat([frame[r, c], frame[r, c + 1], frame[r + 1, c], frame[r + 1, c + 1]]))
    x = torch.stack(rows)
    w1, b1, w2, b2 = projector
    return F.linear(F.gelu(F.linear(x, w1, b1)), w2, b2)


def prompt_text(coalition: str, frames: int, c: dict) -> str:
    system, user = ref.conversation(coalition, TRANSCRIPT, CORPUS)
    body, last = "", ""
    for part in user["content"]:
        if part["type"] == "video":
            body += "<image>" * frames + "\n"
        elif part["type"] == "audio":
            if c["audio_last"]:
                last = "<audio>"
            else:
                body += "<audio>"
        else:
            body += part["text"]
    text = system["content"][0]["text"]
    return (
        f"<|im_start|>system\n{text}<|im_end|>\n<|im_start|>user\n{body}{last}<|im_end|>\n"
        f"<|im_start|>assistant\n{c['sign']}"
    )


def token_rows(tokenizer, prompt: str, coalition: str):
    """Ids with -200 for a frame and -500 for a sound, the places of transcript tokens, and those of tokens that hold a part of
    the transcript and more."""
    ids, text, partly = [], [], []
    for chunk in re.split(r"(<audio>|<image>)", prompt):
        if chunk in ("<audio>", "<image>"):
            ids.append(-500 if chunk == "<audio>" else -200)
            continue
        out = tokenizer(chunk, return_offsets_mapping=True, add_special_tokens=False)
        at = chunk.find(TRANSCRIPT) if "T" in coalition and coalition != "none" else -1
        for token, (start, end) in zip(out["input_ids"], out["offset_mapping"]):
            if at >= 0 and at <= start and end <= at + len(TRANSCRIPT):
                text.append(len(ids))
            elif at >= 0 and start < at + len(TRANSCRIPT) and end > at:
                partly.append(len(ids))
            ids.append(token)
    return ids, text, partly


def withheld(decoder, embeds, kinds, partly, blank):
    """Logits of the last token of the whole prompt with modalities withheld, for every coalition: hidden from all later
    tokens by a 4D mask, or blank. `kinds` has 1 for transcript, 2 for sound, 3 for frames."""
    places = {"T": [i for i, k in enumerate(kinds) if k == 1 or i in partly]}
    places |= {letter: [i for i, k in enumerate(kinds) if k == kind] for letter, kind in (("A", 2), ("V", 3))}
    n = len(kinds)
    least = torch.finfo(torch.float32).min
    out = {}
    for coalition in COALITIONS:
        shown = "" if coalition == "none" else coalition
        lacking = [letter for letter in "TAV" if letter not in shown]
        mask = torch.full((n, n), least).triu(1)
        blanked = embeds.clone()
        for letter in lacking:
            for key in places[letter]:
                mask[key + 1 :, key] = least
            blanked[places[letter]] = blank[letter].expand(len(places[letter]), -1)
        masked = decoder(inputs_embeds=embeds[None], attention_mask=mask[None, None], use_cache=False)
        out[f"mask.{coalition}.logits"] = masked.logits[0, -1]
        out[f"blank.{coalition}.logits"] = decoder(inputs_embeds=blanked[None], use_cache=False).logits[0, -1]
    assert torch.allclose(out["mask.TAV.logits"], out["blank.TAV.logits"], atol=5e-5)
    assert not torch.allclose(out["mask.A.logits"], out["blank.A.logits"], atol=1e-2)
    return out


@torch.no_grad()
def export(case: str, c: dict) -> None:
    gen = torch.Generator().manual_seed(c["seed"])
    whale.MELS, whale.CHANNELS, whale.OUT = 80, 6, HIDDEN
    tokenizer = AutoTokenizer.from_pretrained(TOKENIZER)
    vocab = json.loads((TOKENIZER / "config.json").read_text())["text_config"]["vocab_size"]
    decoder, vision = decoder_model(gen, vocab), vision_model(gen)
    speech = whale.draw(c["norm"], c["seed"])
    # Features of 16-bit samples lie around 10, with a deviation of a few.
    speech["encoder.global_cmvn.mean"] = 10 + draw((80,), gen, 1.0)
    speech["encoder.global_cmvn.istd"] = 0.3 + draw((80,), gen, 0.02)
    projector = [draw((HIDDEN, 96), gen), draw((HIDDEN,), gen, 0.1), draw((HIDDEN, HIDDEN), gen), draw((HIDDEN,), gen, 0.1)]
    # What is computed with is what is stored.
    def narrow(x):
        return x.to(c["dtype"]).float()

    for model in (decoder, vision):
        for tensor in model.parameters():
            tensor.copy_(narrow(tensor))
    speech = {k: narrow(v) for k, v in speech.items()}
    projector = [narrow(x) for x in projector]
    tensors = dict(decoder.state_dict())
    tensors |= {
        f"model.vision_tower.vision_tower.{k[len('vision.') :]}": v
        for k, v in intern.published(vision.state_dict(), 2).items()
    }
    names = ("0.weight", "0.bias", "2.weight", "2.bias")
    tensors |= {f"model.mm_projector.{n}": x for n, x in zip(names, projector)}
    tensors |= {f"model.audio_encoder.{k}": v for k, v in speech.items()}
    if c["norm"] == "batch":
        tensors["model.audio_encoder.adpter.bn2.num_batches_tracked"] = torch.tensor(3.0)
    folder = HERE / case
    write_checkpoint(case, c, folder / "checkpoint", tensors, vocab)

    n, height, width = c["frames"]
    rng = np.random.default_rng(c["seed"])
    y, x = np.mgrid[0:height, 0:width]
    frames = np.stack(
        [np.stack([128 + 90 * np.sin(0.1 * (k + 1) * x + 0.07 * y + t) for k in range(3)], -1) for t in range(n)]
    )
    frames = np.clip(frames + rng.normal(0, 8, frames.shape), 0, 255).astype(np.uint8)
    t = np.arange(c["samples"]) / 16_000
    wave = (0.4 * np.sin(2 * np.pi * (220 * t + 300 * t**2)) + 0.03 * rng.normal(size=t.shape)).astype(np.float32)
    pixel_values = pixels(frames)
    features = torch.from_numpy(fbank.features(wave * np.float32(32768)))
    video = video_embeddings(vision, projector, pixel_values)
    audio = whale.forward(speech, features, c["norm"], c["act"], c["chunk"])
    per_frame = (SIDE // PATCH // 2) ** 2
    out = {
        "frames": torch.from_numpy(frames), "waveform": torch.from_numpy(wave), "pixels": pixel_values,
        "features": features, "video_embeddings": video, "audio_embeddings": audio,
    }
    letters = [tokenizer.encode(x, add_special_tokens=False) for x in "ABCDE"]
    assert all(len(x) == 1 for x in letters)
    summary = {"letter_ids": [x[0] for x in letters], "transcript": TRANSCRIPT, "corpus": CORPUS, "prompts": {}}
    for coalition in COALITIONS:
        prompt = prompt_text(coalition, n, c)
        ids, text, partly = token_rows(tokenizer, prompt, coalition)
        embeds, kinds, frame, straddling = [], [], 0, []
        for i, token in enumerate(ids):
            if token == -200:
                embeds.append(video[frame * per_frame : (frame + 1) * per_frame])
                kinds += [3] * per_frame
                frame += 1
            elif token == -500:
                embeds.append(audio)
                kinds += [2] * len(audio)
            else:
                embeds.append(decoder.model.embed_tokens.weight[token : token + 1])
                straddling += [len(kinds)] if i in partly else []
                kinds.append(1 if i in text else 0)
        result = decoder(inputs_embeds=torch.cat(embeds)[None], output_attentions=True)
        out[f"{coalition}.kinds"] = torch.tensor(kinds)
        out[f"{coalition}.logits"] = result.logits[0, -1].contiguous()
        out[f"{coalition}.attention"] = torch.stack([a[0, :, -1] for a in result.attentions]).contiguous()
        if coalition == "TAV":
            (space,) = tokenizer.encode(" ", add_special_tokens=False)
            silence = torch.from_numpy(fbank.features(np.zeros_like(wave)))
            blank = {
                "T": decoder.model.embed_tokens.weight[space : space + 1],
                "A": whale.forward(speech, silence, c["norm"], c["act"], c["chunk"]),
                "V": video_embeddings(vision, projector, pixels(np.zeros_like(frames))),
            }
            assert straddling, "no token straddles the transcript's border"
            out |= withheld(decoder, torch.cat(embeds), kinds, straddling, blank)
            out |= {"blank_video_embeddings": blank["V"], "blank_audio_embeddings": blank["A"]}
        # One placeholder for all frames, as the tool renders it.
        summary["prompts"][coalition] = prompt.replace("<image>" * n, "<image>")
    save_file({k: v.contiguous() for k, v in out.items()}, folder / "expected.safetensors")
    (folder / "expected.json").write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n")
    shutil.rmtree(folder / "checkpoint" / "__pycache__", ignore_errors=True)


if __name__ == "__main__":
    assert torch.__version__.split("+")[0] == "2.15.0", torch.__version__
    assert transformers.__version__ == "5.23.0", transformers.__version__
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    for name, settings in CASES.items():
        export(name, settings)
