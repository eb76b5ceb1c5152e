"""Reference pipeline for the Qwen2.5-Omni thinker, built only on PyPI packages.

Shared by `predict.py` (end-to-end reference predictions) and by
`tests/golden/qwen2_5_omni/export.py` (golden data). It holds the benchmark's prompt, the two
stages of video preprocessing, the expansion of placeholders, and one prefill with everything
that a re-implementation may want to compare.

Needed packages: torch, torchvision, transformers, qwen-omni-utils, librosa, av.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from safetensors.torch import load_file

# Golden data are made with these versions, and say so.
VERSIONS = {"torch": "2.15.0", "transformers": "5.23.0"}
COALITIONS = ("none", "T", "A", "V", "TA", "TV", "AV", "TAV")
MODALITIES = ("text", "audio", "video")
LETTERS = "ABCDE"
LABELS = ("negative", "weakly-negative", "neutral", "weakly-positive", "positive")

SYSTEM = (
    "You are a multimodal sentiment analysis assistant.\n"
    "You may receive any subset of modalities (video, audio, transcript text).\n"
    "Do not assume missing modalities or fabricate details not supported by the evidence.\n"
    "Follow the required output format exactly and output nothing else."
)
TRANSCRIPT_HEAD = "Transcript (may contain ASR errors):\n"
INSTRUCTION = (
    "Task: Based on the provided modalities ({present}), assign a sentiment label and score.\n"
    "Requirements:\n"
    "Decision process:\n"
    "1) First decide the Sentiment LETTER (A-E) based on all available modalities.\n"
    "2) Then choose ONE Score from the allowed set of that LETTER that best reflects the "
    "sentiment intensity.\n"
    "A (Negative) = {A}, B (Weakly Negative) = {B},\n"
    "C (Neutral) = {C}, D (Weakly Positive) = {D}, E (Positive) = {E}\n"
    "Output format (exactly):\n"
    "<ONE LETTER: A or B or C or D or E>\n"
    "Score: <one value from the allowed set matching the letter>"
)
SCORE_SETS = {
    "ch-sims": {
        "A": "{-1.0, -0.8}",
        "B": "{-0.6, -0.4, -0.2}",
        "C": "{ 0.0}",
        "D": "{ 0.2, 0.4, 0.6}",
        "E": "{ 0.8, 1.0}",
    },
    "cmu-mosi": {
        "A": "{-1.0, -0.8, -0.6}",
        "B": "{-0.4, -0.2}",
        "C": "{ 0.0}",
        "D": "{ 0.2, 0.4}",
        "E": "{ 0.6, 0.8, 1.0}",
    },
}

# ChatML with Qwen2.5-Omni's media markers. Parts of one message follow each other with nothing
# between them; a conversation that does not begin with a system message gets the usual one.
CHAT_TEMPLATE = """\
{%- for message in messages -%}
{%- if loop.first and message['role'] != 'system' -%}
{{- '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' -}}
{%- endif -%}
{{- '<|im_start|>' + message['role'] + '\\n' -}}
{%- if message['content'] is string -%}
{{- message['content'] -}}
{%- else -%}
{%- for part in message['content'] -%}
{%- if part['type'] == 'image' -%}
{{- '<|vision_bos|><|IMAGE|><|vision_eos|>' -}}
{%- elif part['type'] == 'audio' -%}
{{- '<|audio_bos|><|AUDIO|><|audio_eos|>' -}}
{%- elif part['type'] == 'video' -%}
{{- '<|vision_bos|><|VIDEO|><|vision_eos|>' -}}
{%- else -%}
{{- part['text'] -}}
{%- endif -%}
{%- endfor -%}
{%- endif -%}
{{- '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|im_start|>assistant\\n' -}}
{%- endif -%}
"""


def conversation(coalition: str, transcript: str | None, corpus: str) -> list[dict[str, Any]]:
    """The benchmark's two messages for one coalition; media parts carry no payload."""
    has = set() if coalition == "none" else set(coalition)
    parts: list[dict[str, Any]] = []
    present: list[str] = []
    if "V" in has:
        parts.append({"type": "video", "video": ""})
        present.append("video")
    if "A" in has:
        parts.append({"type": "audio", "audio": ""})
        present.append("audio")
    if "T" in has:
        parts.append({"type": "text", "text": f"{TRANSCRIPT_HEAD}{transcript}\n"})
        present.append("transcript text")
    instruction = INSTRUCTION.format(present=", ".join(present) or "none", **SCORE_SETS[corpus])
    parts.append({"type": "text", "text": instruction})
    return [
        {"role": "system", "content": [{"type": "text", "text": SYSTEM}]},
        {"role": "user", "content": parts},
    ]


def render(processor, coalition: str, transcript: str | None, corpus: str) -> str:
    """The prompt as the checkpoint's chat template gives it, placeholders not yet expanded."""
    messages = conversation(coalition, transcript, corpus)
    prompt = processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    return prompt[0] if isinstance(prompt, list) else prompt


def load_settings(checkpoint: Path) -> dict[str, Any]:
    """The `video` table of the checkpoint's `emomm_settings.json`; empty if there is none."""
    path = checkpoint / "emomm_settings.json"
    return json.loads(path.read_text())["video"] if path.exists() else {}


def fetch_video(read, settings: dict[str, Any]) -> torch.Tensor:
    """Runs qwen_omni_utils' own `fetch_video` with `read(ele)` in the place of its decoder.

    `read` returns `(frames [n, 3, H, W] u8, metadata, sampled fps)`. The result is what stage 1
    of the preprocessing gives: float frames with whole values 0..255, resized.
    """
    from qwen_omni_utils.v2_5 import vision_process as vp

    vp.VIDEO_READER_BACKENDS["reference"] = read
    vp.get_video_reader_backend = lambda: "reference"
    return vp.fetch_video({"type": "video", "video": "reference", **settings})


def resize_frames(frames: np.ndarray, settings: dict[str, Any]) -> torch.Tensor:
    """Stage 1 on frames that are already sampled, `[n, H, W, 3]` u8."""
    video = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2)
    return fetch_video(lambda _: (video, {}, 2.0), settings)


def video_kwargs(settings: dict[str, Any]) -> dict[str, Any]:
    """Arguments of the processor's video part (stage 2).

    The processor class overrides the checkpoint's own `size` by 128*28*28 .. 768*28*28 at every
    call. With named settings we hand it their bounds, so that stage 2 changes nothing.
    """
    kwargs: dict[str, Any] = {"cap_pixels_per_frame": False}
    if "min_pixels" in settings:
        kwargs["size"] = {
            "shortest_edge": settings["min_pixels"],
            "longest_edge": settings["max_pixels"],
        }
    return kwargs


def process(
    processor,
    prompt: str,
    stage1: torch.Tensor | None,
    waveform: np.ndarray | None,
    settings: dict[str, Any],
):
    """Calls the processor. `stage1` is [n, 3, h, w] float, `waveform` f32 at 16 kHz."""
    media: dict[str, Any] = {}
    if stage1 is not None:
        media["videos"] = [stage1]
        media["videos_kwargs"] = video_kwargs(settings)
    if waveform is not None:
        media["audio"] = [waveform]
    inputs = processor(text=[prompt], return_tensors="pt", padding=True, **media)
    for name in ("num_audio_tokens", "mm_token_type_ids"):
        inputs.pop(name, None)
    return inputs


def token_indices(processor, prompt: str, transcript: str | None, input_ids: torch.Tensor):
    """Token positions of each modality in the expanded prompt.

    Text: tokens that lie wholly inside the transcript by the tokenizer's offsets; a token that
    straddles its border belongs to no modality, and neither do the markers around media.
    """
    ids = input_ids.tolist()
    tok = processor.tokenizer
    n_video, n_audio = ids.count(processor.video_token_id), ids.count(processor.audio_token_id)
    expanded = prompt
    if n_video:
        expanded = expanded.replace(processor.video_token, processor.video_token * n_video)
    if n_audio:
        expanded = expanded.replace(processor.audio_token, processor.audio_token * n_audio)
    encoded = tok(expanded, return_offsets_mapping=True)
    assert encoded["input_ids"] == ids, "expanded prompt does not tokenize to the processor's ids"
    text: list[int] = []
    head = expanded.find(TRANSCRIPT_HEAD)
    if head >= 0:
        assert transcript is not None
        start = head + len(TRANSCRIPT_HEAD)
        end = start + len(transcript)
        assert expanded[start:end] == transcript
        offsets = encoded["offset_mapping"]
        text = [i for i, (a, b) in enumerate(offsets) if a >= start and b <= end and b > a]
    return {
        "text": text,
        "audio": [i for i, t in enumerate(ids) if t == processor.audio_token_id],
        "video": [i for i, t in enumerate(ids) if t == processor.video_token_id],
    }


def rope_positions(model, inputs) -> tuple[torch.Tensor, int]:
    """`[3, S]` position ids and the delta, from the model's own `get_rope_index`."""
    lengths = inputs.get("feature_attention_mask")
    seconds = inputs.get("video_second_per_grid")
    positions, delta = model.get_rope_index(
        inputs["input_ids"],
        None,
        inputs.get("video_grid_thw"),
        inputs["attention_mask"],
        False,
        None if lengths is None else lengths.sum(-1),
        None if seconds is None else torch.as_tensor(seconds),
    )
    return positions[:, 0], int(delta.reshape(-1)[0])


@torch.no_grad()
def prefill(model, inputs, detail: bool = True):
    """One forward pass over the prompt; of the attention weights only the last row is kept.

    With `detail` the result has `attention` [layer, head, token] and `hidden_all` [layer + 1,
    token, hidden]: the input of each layer, then the normed state that `lm_head` reads.
    """
    rows: list[torch.Tensor] = []
    hooks = []
    if detail:
        for layer in model.model.language_model.layers:
            # An eager attention module returns (output, weights [1, head, query, key]).
            keep = layer.self_attn.register_forward_hook(
                lambda _module, _args, out: rows.append(out[1][0, :, -1, :].clone())
            )
            hooks.append(keep)
    try:
        out = model(
            **inputs,
            use_audio_in_video=False,
            output_hidden_states=detail,
            use_cache=False,
            return_dict=True,
        )
    finally:
        for hook in hooks:
            hook.remove()
    result = {"logits": out.logits[0, -1].float()}
    if detail:
        result["attention"] = torch.stack(rows).float()
        result["hidden_all"] = torch.stack([h[0] for h in out.hidden_states]).float()
    return result


def attention_sums(attention: torch.Tensor, indices: dict[str, list[int]]):
    """nMAS (mean per token) and mass (sum), each modality -> [layer, head] or None."""
    nmas: dict[str, torch.Tensor | None] = {}
    mass: dict[str, torch.Tensor | None] = {}
    for name in MODALITIES:
        rows = indices[name]
        nmas[name] = attention[..., rows].mean(-1) if rows else None
        mass[name] = attention[..., rows].sum(-1) if rows else None
    return nmas, mass


def pin() -> None:
    """What every script that writes golden data begins with: the stated versions, one thread, the same numbers again."""
    assert torch.__version__.split("+")[0] == VERSIONS["torch"], torch.__version__
    assert transformers.__version__ == VERSIONS["transformers"], transformers.__version__
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    transformers.logging.set_verbosity_error()


def golden_cases(folder: Path) -> Iterator[tuple[str, dict[str, torch.Tensor]]]:
    """The checkpoints of `tests/golden/qwen2_5_omni` by name, with what the reference made of them."""
    for case in sorted(p.parent.name for p in folder.glob("*/case.json")):
        yield case, load_file(folder / case / "expected.safetensors")


def letter_ids(processor) -> list[int]:
    """Token ids of the bare letters A to E."""
    ids = [processor.tokenizer.encode(c, add_special_tokens=False) for c in LETTERS]
    assert all(len(i) == 1 for i in ids), "a letter is not a single token"
    return [i[0] for i in ids]


def token_counts(indices: dict[str, list[int]], total: int) -> dict[str, int]:
    """The contract's `tokens` object."""
    counts = {name: len(indices[name]) for name in MODALITIES}
    counts["other"] = total - sum(counts.values())
    counts["total"] = total
    return counts


def read_video_pyav(path: str):
    """A reader for `fetch_video` in the manner of its torchvision one, which used PyAV inside.

    Recent torchvision has no `io.read_video`; decord and torchcodec need not be installed.
    """
    import av
    from qwen_omni_utils.v2_5 import vision_process as vp

    def read(ele: dict[str, Any]):
        with av.open(path) as container:
            stream = container.streams.video[0]
            fps = float(stream.average_rate)
            frames = [f.to_rgb().to_ndarray() for f in container.decode(stream)]
        video = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)
        total = video.shape[0]
        count = vp.smart_nframes(ele, total_frames=total, video_fps=fps)
        index = torch.linspace(0, total - 1, count).round().long()
        metadata = {"fps": fps, "frames_indices": index, "total_num_frames": total}
        read.sampled = video[index].permute(0, 2, 3, 1).contiguous().numpy()
        read.metadata = {"fps": fps, "total": total, "indices": index.tolist()}
        return video[index], metadata, count / max(total, 1e-6) * fps

    return read


def load(checkpoint: Path, dtype: torch.dtype = torch.float32):
    """Model (thinker, eager attention) and processor of a checkpoint folder."""
    from transformers import Qwen2_5OmniProcessor, Qwen2_5OmniThinkerForConditionalGeneration

    model = Qwen2_5OmniThinkerForConditionalGeneration.from_pretrained(
        checkpoint, dtype=dtype, attn_implementation="eager"
    ).eval()
    return model, Qwen2_5OmniProcessor.from_pretrained(checkpoint)
