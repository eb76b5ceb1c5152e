"""Writes what CHASE does on tiny checkpoints, implemented apart from the Rust code, and 100 steps of router training.

Make an environment as tests/golden/qwen2_5_omni/export.py says and run:

    .venv/bin/python tests/golden/chase/export.py

The checkpoints and the embeddings of media are those of tests/golden/qwen2_5_omni. The decoder is transformers' own, with a
custom attention function and the matching mask function registered; steering is written here from the paper's equations. See
README.md for what each file holds.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file

HERE = Path(__file__).resolve().parent
CHECKPOINTS = HERE.parent / "qwen2_5_omni"
VERSIONS = {"torch": "2.15.0", "transformers": "5.23.0"}
COALITIONS = ("none", "T", "A", "V", "TA", "TV", "AV", "TAV")
WORDS = ("text", "audio", "video")
# Seed of the router, and what moves its conflict probabilities to where thresholds tell them apart.
CASES = {"gqa": (5, 0.6), "full_prefixed": (6, 1.9)}
INNER = 8
PAPER = {
    "conflict_threshold": 0.7,
    "max_steering": 0.6,
    "n_heads_steered": 4,
    "inter_strength": 1.4,
    "intra_strength": 0.5,
    "target_mass": 0.1,
    "target_mass_form": "absolute",
    "significant_percentile": 90.0,
    "significant_count": None,
    "importance": "gradient_input",
    "router_first_layer": None,
    "steer_first_layer": None,
    "router_read": "online",
    "threshold_scope": "layer",
    "preference": "share",
    "preference_temperature": 1.0,
    "text_scope": "transcript",
    "n_sinks": 0,
    "epsilon_a": 1e-3,
    "epsilon_b": 1e-3,
    "epsilon_divergence": 1e-8,
    "smoothing": "denominator",
    "intra_form": "as_written",
    "intra_after_inter": False,
    "intra_scale": "none",
    "intra_scope": "steered",
    "bias_clip": None,
    "preserve_mass": False,
    "head_selection": "top_k",
    "head_threshold": 0.0,
    "heads": [],
    "conflict": "router",
    "gate_sharpness": 1.0,
    "static_bias": {"text": 0.0, "audio": 0.0, "video": 0.0},
    "intervention": [],
}
# Name and what differs from the paper's settings. K = 1 or 2 of 4 or 6 heads, so that the choice of heads matters.
SETTINGS = {
    "paper": {},
    "paper_k1": {"n_heads_steered": 1},
    "low_threshold": {"conflict_threshold": 0.2, "n_heads_steered": 2},
    "exact": {"inter_strength": 1.0, "epsilon_a": 0.0, "intra_form": "exact", "conflict_threshold": 0.2},
    "two_pass": {"router_read": "clean_mean", "steer_first_layer": 1, "conflict_threshold": 0.2, "n_heads_steered": 2},
    "clean_layer": {"router_read": "clean_layer", "conflict_threshold": 0.4, "n_heads_steered": 2},
    "sample_threshold": {
        "router_read": "clean_layer",
        "threshold_scope": "sample",
        "conflict_threshold": 0.4,
        "n_heads_steered": 1,
    },
    "softmax_raw": {"preference": "softmax_raw", "conflict_threshold": 0.0, "n_heads_steered": 2},
    "softmax_scaled": {
        "preference": "softmax_scaled",
        "preference_temperature": 2.0,
        "conflict_threshold": 0.0,
        "n_heads_steered": 2,
    },
    "mass_share": {"preference": "mass_share", "conflict_threshold": 0.0, "n_heads_steered": 2},
    "all_text": {"text_scope": "all_text", "conflict_threshold": 0.0, "n_heads_steered": 2},
    "with_instruction": {"text_scope": "with_instruction", "n_sinks": 4, "conflict_threshold": 0.0, "n_heads_steered": 2},
    "all_heads_full": {
        "n_heads_steered": "all",
        "max_steering": 1.0,
        "inter_strength": 1.0,
        "epsilon_a": 1e-6,
        "conflict_threshold": 0.0,
    },
    "after_inter": {"intra_after_inter": True, "target_mass": 0.5, "conflict_threshold": 0.0, "n_heads_steered": 2},
    "gate_scale": {"intra_scale": "gate", "target_mass": 0.5, "conflict_threshold": 0.0, "n_heads_steered": 2},
    "intra_always": {"intra_scope": "always", "target_mass": 0.3, "n_heads_steered": 2},
    "relative_mass": {"target_mass_form": "relative", "target_mass": 2.0, "conflict_threshold": 0.0, "n_heads_steered": 2},
    "gate_share": {"target_mass_form": "gate_share", "conflict_threshold": 0.0, "n_heads_steered": 2},
    "percentile_80": {"significant_percentile": 80.0, "target_mass": 0.3, "conflict_threshold": 0.0},
    "layer_input": {
        "importance": "gradient_layer_input",
        "router_first_layer": 2,
        "target_mass": 0.3,
        "conflict_threshold": 0.0,
    },
    "ten_tokens": {"significant_count": 10, "target_mass": 0.3, "conflict_threshold": 0.0},
    "clip": {"bias_clip": 0.2, "conflict_threshold": 0.0},
    "preserve_mass": {"preserve_mass": True, "conflict_threshold": 0.0},
    "kv_groups": {"head_selection": "kv_groups", "n_heads_steered": 1, "conflict_threshold": 0.0},
    "head_threshold": {"head_selection": "threshold", "head_threshold": 0.02, "conflict_threshold": 0.0},
    "fixed_heads": {"head_selection": "fixed", "heads": [[2, 1], [3, 0], [3, 3]], "conflict_threshold": 0.0},
    "global_heads": {
        "head_selection": "top_k_global",
        "router_read": "clean_layer",
        "conflict_threshold": 0.0,
        "n_heads_steered": 1,
    },
    "late": {"router_first_layer": 3, "conflict_threshold": 0.0, "n_heads_steered": 2},
    "steer_late": {"steer_first_layer": 3, "conflict_threshold": 0.0, "n_heads_steered": 2},
    "symmetric": {"smoothing": "symmetric", "epsilon_divergence": 1e-2, "conflict_threshold": 0.0, "n_heads_steered": 1},
    "no_inter": {"inter_strength": 0.0, "target_mass": 0.3, "conflict_threshold": 0.0},
    "no_intra": {"intra_strength": 0.0, "conflict_threshold": 0.0, "n_heads_steered": 2},
    "always_on": {"conflict": "always", "n_heads_steered": 2},
    "sharp": {"gate_sharpness": 4.0, "conflict_threshold": 0.0, "n_heads_steered": 2},
    "sharp_two_pass": {
        "gate_sharpness": 8.0,
        "router_read": "clean_mean",
        "steer_first_layer": 1,
        "conflict_threshold": 0.2,
        "n_heads_steered": "all",
    },
    "static_bias": {
        "inter_strength": 0.0,
        "intra_strength": 0.0,
        "static_bias": {"text": -0.5, "audio": 0.25, "video": 0.75},
    },
    "interventions": {
        "inter_strength": 0.0,
        "intra_strength": 0.0,
        "intervention": [
            {"layers": [1, 2], "modality": "text", "bias": "-inf"},
            {"heads": [0], "tokens": [5, 40], "bias": 1.5},
        ],
    },
}


def first_layer(n_layers: int) -> int:
    """13 of 28, scaled; counted from 1."""
    return round(13 * n_layers / 28)


class Router:
    """Sec. 5.1 with a shared hidden layer; blocks over their root mean square."""

    def __init__(self, hidden: int, seed: int, offset: float):
        gen = torch.Generator().manual_seed(seed)
        inputs = 4 * hidden + 3
        draw = lambda *shape, scale: torch.randn(*shape, generator=gen) * scale  # noqa: E731
        self.weights = {
            "trunk.weight": draw(INNER, inputs, scale=1.0 / math.sqrt(inputs)),
            "trunk.bias": draw(INNER, scale=0.1),
            "conflict.weight": draw(1, INNER, scale=1.5),
            "conflict.bias": draw(1, scale=0.1) + offset,
            "gate.weight": draw(3, INNER, scale=1.5),
            "gate.bias": draw(3, scale=0.1),
        }

    def __call__(self, query, pooled, pi, present):
        scaled = [h / (h.square().mean() + 1e-6).sqrt() for h in (query, *pooled)]
        x = torch.cat([*scaled, pi])
        w = self.weights
        hidden = torch.nn.functional.gelu(w["trunk.weight"] @ x + w["trunk.bias"])
        p = torch.sigmoid(w["conflict.weight"] @ hidden + w["conflict.bias"])[0]
        logits = w["gate.weight"] @ hidden + w["gate.bias"]
        g = torch.softmax(logits.masked_fill(~present, -torch.inf), 0)
        return p, g


def kl(p, q, eps, smoothing):
    above = p + eps if smoothing == "symmetric" else p
    terms = p * torch.log(above / (q + eps))
    return torch.where(p > 0, terms, torch.zeros_like(p)).sum(-1)


def jsd(p, q, eps, smoothing):
    middle = (p + q) / 2
    value = (kl(p, middle, eps, smoothing) + kl(q, middle, eps, smoothing)) / 2
    return value.clamp(0, math.log(2))


class Prompt:
    """One coalition of a case: embeddings, positions and token sets."""

    def __init__(self, case, model, expected, coalition):
        ids = expected[f"{coalition}.input_ids"]
        self.coalition = coalition
        self.positions = expected[f"{coalition}.position_ids"]
        embeds = model.model.language_model.embed_tokens(ids).detach().clone()
        self.tokens = {}
        for word in WORDS:
            self.tokens[word] = expected.get(f"{coalition}.token_index_{word}", torch.empty(0, dtype=torch.long))
            if word != "text" and len(self.tokens[word]):
                embeds[self.tokens[word]] = expected[f"{word}_embeddings"]
        self.embeds = embeds
        self.present = torch.tensor([len(self.tokens[w]) > 0 for w in WORDS])

    def sets(self, scope, n_sinks):
        """K_T, K_A, K_V as lists of places."""
        sets = {word: self.tokens[word] for word in WORDS}
        total = len(self.embeds)
        if self.present[0]:
            media = set(self.tokens["audio"].tolist()) | set(self.tokens["video"].tolist())
            if scope == "all_text":
                sets["text"] = torch.tensor([t for t in range(total) if t not in media])
            elif scope == "with_instruction":
                last = max(int(t.max()) for t in self.tokens.values() if len(t))
                sets["text"] = torch.cat([sets["text"], torch.arange(last + 1, total)])
        return [s[s >= n_sinks] for s in sets.values()]


def preference(attention, sets, present, form, temperature):
    """Eq. (6) of every head; attention [heads, keys]."""
    mass = torch.stack([attention[:, s].sum(-1) for s in sets], -1).double()
    nmas = torch.stack([mass[:, m] / max(len(s), 1) for m, s in enumerate(sets)], -1)
    if not present.any():
        return torch.zeros_like(mass)
    if form in ("share", "mass_share"):
        values = nmas if form == "share" else mass
        total = values.sum(-1, keepdim=True)
        # Every modality removed: no preference, uniform over what is present.
        even = (present.double() / present.sum()).expand_as(values)
        return torch.where(total > 0, values / total, even)
    scale = 1.0 if form == "softmax_raw" else attention.shape[-1] / temperature
    return torch.softmax((nmas * scale).masked_fill(~present, -torch.inf), -1)


class Steering:
    """Algorithm 1, stage 2, inside the attention function of every layer."""

    def __init__(self, model, router, prompt, overrides, importance, clean=None):
        self.c = {**PAPER, **overrides}
        self.router, self.prompt, self.clean = router, prompt, clean
        config = model.config.get_text_config()
        self.n_layers, self.n_heads = config.num_hidden_layers, config.num_attention_heads
        self.group = self.n_heads // config.num_key_value_heads
        self.read_first = self.c["router_first_layer"] or first_layer(self.n_layers)
        self.steer_first = self.c["steer_first_layer"] or self.read_first
        self.sets = prompt.sets(self.c["text_scope"], self.c["n_sinks"])
        # The router's own input keeps its form of preference and its token sets.
        self.significant = self.significant_tokens(importance)
        self.log = {}
        self.inputs = {}
        self.chosen = None
        if self.c["head_selection"] == "top_k_global" and prompt.present.any():
            self.chosen = self.global_heads()

    def significant_tokens(self, importance):
        video = self.prompt.tokens["video"]
        if importance is None or not len(video):
            return torch.empty(0, dtype=torch.long)
        if self.c["significant_count"]:
            order = torch.argsort(importance, descending=True, stable=True)
            return video[order[: self.c["significant_count"]]].sort().values
        threshold = torch.quantile(importance.double(), self.c["significant_percentile"] / 100)
        return video[importance.double() >= threshold]

    def read(self, layer, attention):
        """p and g of the router on the layer's unsteered attention."""
        states = self.inputs[layer]
        pooled = [
            states[t].mean(0) if len(t) else torch.zeros(states.shape[-1]) for t in self.prompt.tokens.values()
        ]
        sets = self.prompt.sets(self.c["text_scope"], self.c["n_sinks"])
        pi = preference(attention, sets, self.prompt.present, "share", 1.0).mean(0).float()
        return self.router(states[-1], pooled, pi, self.prompt.present)

    def output(self, layer, attention):
        if self.c["router_read"] == "online":
            p, g = self.read(layer, attention)
            tested = p
        else:
            reads = [self.clean.log[l] for l in range(self.read_first, self.n_layers + 1)]
            mean_p = torch.stack([r["p"] for r in reads]).mean()
            if self.c["router_read"] == "clean_mean":
                p, g = mean_p, torch.stack([r["g"] for r in reads]).mean(0)
                tested = p
            else:
                p, g = self.clean.log[layer]["p"], self.clean.log[layer]["g"]
                tested = mean_p if self.c["threshold_scope"] == "sample" else p
        if self.c["conflict"] == "always":
            p = tested = torch.tensor(1.0)
        if self.c["gate_sharpness"] != 1.0:
            powers = g.double() ** self.c["gate_sharpness"]
            g = (powers / powers.sum()).to(g.dtype)
        return p, g, tested

    def global_heads(self):
        scored = []
        n = 0
        for layer in range(self.steer_first, self.n_layers + 1):
            _, g, tested = self.output(layer, None)
            if tested <= self.c["conflict_threshold"]:
                continue
            n += 1
            pi = self.clean.log[layer]["pi"]
            values = jsd(pi, g.double(), self.c["epsilon_divergence"], self.c["smoothing"])
            scored += [(-float(v), layer, h) for h, v in enumerate(values)]
        count = n * min(self.c["n_heads_steered"], self.n_heads)
        return {(layer, head) for _, layer, head in sorted(scored)[:count]}

    def heads(self, layer, divergence):
        kind, k = self.c["head_selection"], self.c["n_heads_steered"]
        k = self.n_heads if k == "all" else min(k, self.n_heads)
        ranked = lambda v: sorted(range(len(v)), key=lambda i: (-float(v[i]), i))  # noqa: E731
        if kind == "top_k":
            chosen = ranked(divergence)[:k]
        elif kind == "threshold":
            chosen = [h for h in range(self.n_heads) if divergence[h] >= self.c["head_threshold"]]
        elif kind == "fixed":
            chosen = [h for l, h in self.c["heads"] if l == layer]
        elif kind == "kv_groups":
            groups = ranked(divergence.reshape(-1, self.group).mean(-1))[: -(-k // self.group)]
            chosen = [g * self.group + i for g in groups for i in range(self.group)]
        else:
            chosen = [h for l, h in self.chosen if l == layer]
        return sorted(chosen)

    def inter(self, pi, p, g):
        c = self.c
        target = (1 - c["max_steering"] * p) * pi + c["max_steering"] * p * g
        b = torch.log((target + c["epsilon_a"]) / (pi + c["epsilon_a"]))
        return c["inter_strength"] * torch.where(self.prompt.present, b, torch.zeros_like(b))

    def intra(self, row, b, g):
        c, s = self.c, self.significant
        if not len(s) or c["intra_strength"] == 0:
            return 0.0
        masses = torch.stack([row[keys].sum() for keys in self.sets]).double()
        psi = row[s].sum().double()
        if c["intra_after_inter"]:
            scaled = (masses * b.exp()).sum()
            psi = psi * b[2].exp() / ((1 - masses.sum()) + scaled)
        target = {
            "absolute": c["target_mass"],
            "relative": min(1.0, c["target_mass"] * float(psi)),
            "gate_share": float(g[2] * masses.sum()),
        }[c["target_mass_form"]]
        if psi >= target:
            return 0.0
        if c["intra_form"] == "exact":
            odds = lambda x: math.log(x / (1 - x))  # noqa: E731
            delta = odds(target) - odds(float(psi))
        else:
            delta = math.log((target + c["epsilon_b"]) / (float(psi) + c["epsilon_b"]))
        scale = float(g[2]) if c["intra_scale"] == "gate" else 1.0
        return c["intra_strength"] * scale * delta

    def __call__(self, layer, scores):
        """Adds to `scores` [heads, keys] of the decision row what the layer's steering adds."""
        c = self.c
        attention = torch.softmax(scores.float(), -1)
        steered_scores = scores.clone()
        has_bias = c["inter_strength"] > 0 or c["intra_strength"] > 0
        any_shown = bool(self.prompt.present.any())
        pi = preference(attention, self.sets, self.prompt.present, c["preference"], c["preference_temperature"])
        entry = {"pi": pi, "steered": False, "heads": [], "jsd": None, "b": torch.zeros(self.n_heads, 3), "delta": torch.zeros(self.n_heads)}
        if any_shown and has_bias and layer >= min(self.read_first, self.steer_first):
            p, g, tested = self.output(layer, attention)
            entry |= {"p": p, "g": g}
            g64, p64 = g.double(), p.double()
            entry["jsd"] = jsd(pi, g64, c["epsilon_divergence"], c["smoothing"])
            entry["steered"] = layer >= self.steer_first and bool(tested > c["conflict_threshold"])
            if entry["steered"]:
                entry["heads"] = self.heads(layer, entry["jsd"])
            everywhere = c["intra_scope"] == "always" and layer >= self.steer_first
            for h in range(self.n_heads):
                b = torch.zeros(3, dtype=torch.double)
                if h in entry["heads"]:
                    b = self.inter(pi[h], p64, g64)
                    if c["preserve_mass"]:
                        masses = torch.stack([attention[h, keys].sum() for keys in self.sets]).double()
                        shift = torch.log(masses.sum() / (masses * b.exp()).sum())
                        b = torch.where(self.prompt.present, b + shift, b)
                    if c["bias_clip"]:
                        b = b.clamp(-c["bias_clip"], c["bias_clip"])
                elif not everywhere:
                    continue
                delta = self.intra(attention[h], b, g)
                entry["b"][h], entry["delta"][h] = b.float(), delta
                for keys, value in zip(self.sets, b):
                    steered_scores[h, keys] += value.float()
                steered_scores[h, self.significant] += delta
        if layer >= self.steer_first:
            for keys, word in zip(self.sets, WORDS):
                steered_scores[:, keys] += c["static_bias"][word]
        for entry_i in c["intervention"]:
            if "layers" in entry_i and layer not in entry_i["layers"]:
                continue
            heads = entry_i.get("heads", list(range(self.n_heads)))
            if "modality" in entry_i:
                keys = self.sets[WORDS.index(entry_i["modality"])]
            else:
                keys = torch.arange(*entry_i["tokens"])
            value = -torch.inf if entry_i["bias"] == "-inf" else entry_i["bias"]
            for h in heads:
                steered_scores[h, keys] += value
        after = torch.softmax(steered_scores.float(), -1)
        entry["after"] = preference(after, self.sets, self.prompt.present, c["preference"], c["preference_temperature"])
        self.log[layer] = entry
        return steered_scores


ACTIVE: list[Steering] = []
# Where attention of the last query row and its product with the lengths of values are collected, layer by layer.
SEEN: list[list] = []


def attention_function(module, query, key, value, attention_mask, scaling, dropout=0.0, **kwargs):
    """transformers' eager attention, with the last query row handed to the active steering."""
    groups = query.shape[1] // key.shape[1]
    key = key.repeat_interleave(groups, 1)
    value = value.repeat_interleave(groups, 1)
    scores = query @ key.transpose(2, 3) * scaling
    assert attention_mask is not None, "without a mask function the model is silently not causal"
    scores = scores + attention_mask[..., : key.shape[-2]]
    if ACTIVE:
        scores = scores.clone()
        scores[0, :, -1] = ACTIVE[-1](module.layer_idx + 1, scores[0, :, -1])
    weights = torch.softmax(scores, -1, dtype=torch.float32).to(query.dtype)
    if SEEN:
        row = weights[0, :, -1]
        SEEN[-1].append((row.mean(0), (row * value[0].norm(dim=-1)).mean(0)))
    return (weights @ value).transpose(1, 2).contiguous(), weights


def load(checkpoint: Path):
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers import Qwen2_5OmniThinkerForConditionalGeneration
    from transformers.masking_utils import eager_mask

    AttentionInterface.register("chase", attention_function)
    AttentionMaskInterface.register("chase", eager_mask)
    return Qwen2_5OmniThinkerForConditionalGeneration.from_pretrained(
        checkpoint, dtype=torch.float32, attn_implementation="chase"
    ).eval()


def run(model, prompt, steering=None, embeds=None):
    """Logits of the last position."""
    decoder = model.model.language_model
    hooks = []
    if steering is not None:
        ACTIVE.append(steering)
        for i, layer in enumerate(decoder.layers):
            def keep(_module, args, kwargs, at=i + 1):
                states = args[0] if args else kwargs["hidden_states"]
                steering.inputs[at] = states[0].detach()
            hooks.append(layer.register_forward_pre_hook(keep, with_kwargs=True))
    try:
        embeds = prompt.embeds if embeds is None else embeds
        state = decoder(
            inputs_embeds=embeds[None],
            position_ids=prompt.positions[:, None],
            attention_mask=torch.ones(1, len(embeds), dtype=torch.long),
            use_cache=False,
        ).last_hidden_state[0, -1]
        return model.lm_head(state)
    finally:
        if steering is not None:
            ACTIVE.pop()
        for hook in hooks:
            hook.remove()


def importance_of(model, prompt, letters, layer=1):
    """Eq. (22) to (25) at the video tokens; h_k is the input of `layer`, counted from 1: of the first the embedding."""
    if not prompt.present[2]:
        return None
    embeds = prompt.embeds.clone().requires_grad_()
    entering = []

    def keep(_module, args, kwargs):
        entering.append(args[0] if args else kwargs["hidden_states"])

    hook = model.model.language_model.layers[layer - 1].register_forward_pre_hook(keep, with_kwargs=True)
    logits = run(model, prompt, embeds=embeds)
    hook.remove()
    target = letters[int(torch.argmax(logits[letters]))]
    (gradient,) = torch.autograd.grad(logits[target], entering[0])
    raw = (gradient * entering[0])[0].sum(-1).abs()[prompt.tokens["video"]].detach()
    return raw / (raw.sum() + 1e-8)


def importance_without_gradient(model, prompt):
    """Mean attention of the decision row over layers and heads at the video tokens, alone and times the lengths of values."""
    SEEN.append([])
    run(model, prompt)
    seen = SEEN.pop()
    found = [torch.stack([entry[i] for entry in seen]).mean(0)[prompt.tokens["video"]] for i in (0, 1)]
    return [f / f.sum() for f in found]


def export_case(name: str, seed: int, offset: float) -> None:
    folder = CHECKPOINTS / name
    model = load(folder / "checkpoint")
    expected = load_file(folder / "expected.safetensors")
    letters = json.loads((folder / "expected.json").read_text())["letter_ids"]
    config = model.config.get_text_config()
    layers, heads = config.num_hidden_layers, config.num_attention_heads
    router = Router(config.hidden_size, seed, offset)
    n, m = len(SETTINGS), len(COALITIONS)
    out = {
        "logits": torch.zeros(n, m, 5),
        "p": torch.full((n, m, layers), -1.0),
        "g": torch.full((n, m, layers, 3), -1.0),
        "before": torch.zeros(n, m, layers, 3),
        "after": torch.zeros(n, m, layers, 3),
        "heads": torch.zeros(n, m, layers, heads, dtype=torch.uint8),
        "steered": torch.zeros(n, m, layers, dtype=torch.uint8),
    }
    parts = {
        "pi": torch.zeros(m, layers, heads, 3),
        "jsd": torch.zeros(m, layers, heads),
        "b": torch.zeros(m, layers, heads, 3),
        "delta": torch.zeros(m, layers, heads),
    }
    for j, coalition in enumerate(COALITIONS):
        prompt = Prompt(name, model, expected, coalition)
        importance = importance_of(model, prompt, letters)
        at_layer = importance_of(model, prompt, letters, SETTINGS["layer_input"]["router_first_layer"])
        if importance is not None:
            out[f"importance.{coalition}"], out[f"layer_importance.{coalition}"] = importance, at_layer
        with torch.no_grad():
            plain = run(model, prompt)
            if prompt.present[2]:
                by_attention, by_value = importance_without_gradient(model, prompt)
                out[f"attention.{coalition}"], out[f"attention_value.{coalition}"] = by_attention, by_value
            assert torch.allclose(plain, expected[f"{coalition}.logits"], atol=2e-5)
            for i, (setting, overrides) in enumerate(SETTINGS.items()):
                clean = None
                if prompt.present.any():
                    # The router read everywhere, nothing steered.
                    scope = {k: overrides[k] for k in ("text_scope", "n_sinks") if k in overrides}
                    form = {k: overrides[k] for k in ("preference", "preference_temperature") if k in overrides}
                    reading = {"router_first_layer": 1, "conflict_threshold": 1.0, **scope, **form}
                    clean = Steering(model, router, prompt, reading, None)
                    assert torch.equal(run(model, prompt, clean), plain)
                by_layer = overrides.get("importance") == "gradient_layer_input"
                used = at_layer if by_layer else importance
                steering = Steering(model, router, prompt, overrides, used, clean)
                logits = run(model, prompt, steering)
                out["logits"][i, j] = logits[letters]
                for layer, entry in steering.log.items():
                    at = (i, j, layer - 1)
                    if "p" in entry:
                        out["p"][at], out["g"][at] = entry["p"], entry["g"]
                    out["before"][at] = entry["pi"].mean(0).float()
                    out["after"][at] = entry["after"].mean(0).float()
                    out["steered"][at] = entry["steered"]
                    for head in entry["heads"]:
                        out["heads"][(*at, head)] = 1
                if setting == "low_threshold":
                    for layer, entry in steering.log.items():
                        parts["pi"][j, layer - 1] = entry["pi"].float()
                        parts["b"][j, layer - 1] = entry["b"]
                        parts["delta"][j, layer - 1] = entry["delta"]
                        if entry["jsd"] is not None:
                            parts["jsd"][j, layer - 1] = entry["jsd"].float()
    steered = out["steered"].float().mean(dim=(1, 2))
    for (setting, _), share in zip(SETTINGS.items(), steered):
        print(f"{name:14} {setting:18} steered {share:.2f}", file=sys.stderr)
    out |= {f"low_threshold.{k}": v for k, v in parts.items()}
    out |= {f"router.{k}": v for k, v in router.weights.items()}
    save_file({k: v.contiguous() for k, v in out.items()}, HERE / f"{name}.safetensors")


def export_training() -> None:
    """Losses of 100 steps of AdamW on Eq. (10) in f64, for the three forms of the router."""
    gen = torch.Generator().manual_seed(17)
    hidden, inner, samples, layers, steps, batch = 3, 6, 40, 2, 100, 8
    width = 4 * hidden + 3
    out = {
        "inputs": torch.randn(samples * layers, width, generator=gen, dtype=torch.double),
        "conflict": torch.randint(0, 2, (samples,), generator=gen).double(),
        "present": torch.ones(samples, 3, dtype=torch.uint8),
    }
    for i in range(samples):
        if i % 2:
            out["present"][i, i // 2 % 3] = 0
    weight = (torch.randint(0, 2, (samples, 3), generator=gen).double() + 0.1) * out["present"]
    out["gate"] = weight / weight.sum(-1, keepdim=True)
    out["batches"] = torch.stack([torch.randperm(samples, generator=gen)[:batch] for _ in range(steps)])
    forms = {
        "shared_trunk": {"trunk": (inner, width), "conflict": (1, inner), "gate": (3, inner)},
        "separate_trunks": {
            "conflict_trunk": (inner, width),
            "gate_trunk": (inner, width),
            "conflict": (1, inner),
            "gate": (3, inner),
        },
        "linear": {"conflict": (1, width), "gate": (3, width)},
    }
    eps = 1e-8
    for form, shapes in forms.items():
        params = {}
        for name, (rows, cols) in shapes.items():
            params[f"{name}.weight"] = torch.randn(rows, cols, generator=gen, dtype=torch.double) / math.sqrt(cols)
            params[f"{name}.bias"] = torch.randn(rows, generator=gen, dtype=torch.double) * 0.1
        out |= {f"{form}.{k}": v.clone() for k, v in params.items()}
        params = {k: v.requires_grad_() for k, v in params.items()}
        optimiser = torch.optim.AdamW(params.values(), lr=1e-2, weight_decay=0.01)
        losses = []
        for rows in out["batches"]:
            x = out["inputs"].reshape(samples, layers, width)[rows]
            linear = lambda name, v: v @ params[f"{name}.weight"].T + params[f"{name}.bias"]  # noqa: E731,B023
            gelu = torch.nn.functional.gelu
            if form == "shared_trunk":
                at_conflict = at_gate = gelu(linear("trunk", x))
            elif form == "separate_trunks":
                at_conflict, at_gate = gelu(linear("conflict_trunk", x)), gelu(linear("gate_trunk", x))
            else:
                at_conflict = at_gate = x
            p = torch.sigmoid(linear("conflict", at_conflict))[..., 0]
            missing = out["present"][rows][:, None] == 0
            g = torch.softmax(linear("gate", at_gate).masked_fill(missing, -torch.inf), -1)
            y, target = out["conflict"][rows][:, None], out["gate"][rows][:, None]
            bce = -(y * torch.log(p + eps) + (1 - y) * torch.log(1 - p + eps))
            divergence = torch.where(target > 0, target * torch.log(target.clamp_min(1e-300) / (g + eps)), 0.0).sum(-1)
            loss = (divergence + bce).sum(1).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.detach())
        out[f"{form}.losses"] = torch.stack(losses)
    save_file({k: v.contiguous() for k, v in out.items()}, HERE / "training.safetensors")


def main() -> None:
    assert torch.__version__.split("+")[0] == VERSIONS["torch"], torch.__version__
    assert transformers.__version__ == VERSIONS["transformers"], transformers.__version__
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    transformers.logging.set_verbosity_error()
    (HERE / "settings.json").write_text(json.dumps(SETTINGS, indent=1) + "\n")
    export_training()
    for name, (seed, offset) in CASES.items():
        export_case(name, seed, offset)


if __name__ == "__main__":
    main()
