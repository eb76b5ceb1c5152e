"""Twelve layers of our decoder beside a plain decoder in PyTorch, in alternation: less than `run.py` needs, torch alone.

    python3 benches/peer/plain.py --ours target/release/examples/peer

The PyTorch side is what transformers' Qwen2 does, without its wrappers: `scaled_dot_product_attention` where no attention is asked for,
explicit scores where it is, autograd for the gradient. One thread on each side, processor time, one round thrown away. Our prefill
leaves out the output of the last layer, which nobody reads: a twelfth here, less in a whole model.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from run import Side

LAYERS, HIDDEN, INNER, HEADS, KV_HEADS, DIM, VOCAB = 12, 896, 4864, 14, 2, 64, 4096


def weights() -> list[dict[str, torch.Tensor]]:
    def draw(outputs: int, inputs: int) -> torch.Tensor:
        return torch.randn(outputs, inputs) * inputs**-0.5

    layers = []
    for _ in range(LAYERS):
        layer = {"q": draw(HEADS * DIM, HIDDEN), "o": draw(HIDDEN, HEADS * DIM)}
        layer |= {x: draw(KV_HEADS * DIM, HIDDEN) for x in "kv"}
        layer |= {f"{x}_bias": torch.zeros(layer[x].shape[0]) for x in "qkv"}
        layer |= {"gate": draw(INNER, HIDDEN), "up": draw(INNER, HIDDEN), "down": draw(HIDDEN, INNER)}
        layer |= {"norm1": torch.ones(HIDDEN), "norm2": torch.ones(HIDDEN)}
        layers.append(layer)
    return layers


class Decoder:
    def __init__(self):
        torch.manual_seed(0)
        self.layers = weights()
        self.embed = torch.randn(VOCAB, HIDDEN)
        self.lm_head = torch.randn(VOCAB, HIDDEN) * HIDDEN**-0.5
        self.frequencies = 1 / 1e6 ** (torch.arange(0, DIM, 2) / DIM)
        self.prefills: dict[int, list] = {}

    @staticmethod
    def norm(x, weight):
        return weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6))

    def heads(self, x, layer, name, count):
        y = F.linear(x, layer[name], layer[f"{name}_bias"])
        return y.view(*x.shape[:2], count, DIM).transpose(1, 2)

    def run(self, x, past=None, start=0, eager=False):
        batch, n, _ = x.shape
        angles = torch.arange(start, start + n)[:, None] * self.frequencies
        angles = torch.cat((angles, angles), -1)
        cos, sin = angles.cos(), angles.sin()

        def turn(x):
            a, b = x.chunk(2, -1)
            return x * cos + torch.cat((-b, a), -1) * sin

        cache, attentions = [], []
        for i, layer in enumerate(self.layers):
            y = self.norm(x, layer["norm1"])
            q, k = turn(self.heads(y, layer, "q", HEADS)), turn(self.heads(y, layer, "k", KV_HEADS))
            v = self.heads(y, layer, "v", KV_HEADS)
            if past:
                k = torch.cat((past[i][0].expand(batch, -1, -1, -1), k), 2)
                v = torch.cat((past[i][1].expand(batch, -1, -1, -1), v), 2)
            cache.append((k, v))
            k, v = (t.repeat_interleave(HEADS // KV_HEADS, 1) for t in (k, v))
            if eager:
                scores = q @ k.transpose(2, 3) * DIM**-0.5
                if n > 1:
                    scores = scores + torch.full((n, n), float("-inf")).triu(1)
                attentions.append(scores.softmax(-1))
                z = attentions[-1] @ v
            else:
                z = F.scaled_dot_product_attention(q, k, v, is_causal=n > 1)
            x = x + F.linear(z.transpose(1, 2).reshape(batch, n, -1), layer["o"])
            y = self.norm(x, layer["norm2"])
            x = x + F.linear(F.silu(F.linear(y, layer["gate"])) * F.linear(y, layer["up"]), layer["down"])
        return x, cache, attentions

    def prompt(self, n):
        return self.embed[torch.arange(n) * 97 % VOCAB][None]

    def logits(self, x):
        return F.linear(self.norm(x[:, -1], torch.ones(HIDDEN)), self.lm_head)

    @torch.no_grad()
    def prefill(self, n, eager=False):
        return self.run(self.prompt(n), eager=eager)[1]

    @torch.no_grad()
    def decide(self, n, variants, eager=False):
        if n not in self.prefills:
            self.prefills = {n: self.prefill(n)}
        return self.logits(self.run(self.embed[7].expand(variants, 1, HIDDEN), self.prefills[n], n, eager)[0])

    def gradient(self, n):
        embeds = self.prompt(n).clone().requires_grad_()
        self.logits(self.run(embeds)[0])[0, 7].backward()


def spent(action) -> float:
    start = time.process_time()
    action()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ours", type=Path, required=True, help="the example `peer`, built")
    parser.add_argument("--tokens", type=int, nargs="+", default=[512, 1536])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    ours, theirs = Side("ours", [str(options.ours), "random", "f32"], 1), Decoder()
    print("torch", torch.__version__, torch.backends.cpu.get_cpu_capability(), ours.ask("describe"))
    print("| quantity | ours, s | torch, s | ratio |\n|---|---|---|---|")
    for n in options.tokens:
        decide = {"what": "decide", "tokens": n}
        rows = [
            ("prefill against sdpa", {"what": "prefill"}, lambda: theirs.prefill(n)),
            ("prefill against explicit attention", {"what": "prefill"}, lambda: theirs.prefill(n, True)),
            ("decision step", {**decide, "variants": 1}, lambda: theirs.decide(n, 1)),
            ("decision step, attention recorded", {"what": "record"}, lambda: theirs.decide(n, 1, True)),
            ("decision step, 8 variants", {**decide, "variants": 8}, lambda: theirs.decide(n, 8)),
            ("decision step, 64 variants", {**decide, "variants": 64}, lambda: theirs.decide(n, 64)),
            ("gradient, every layer's input kept", {"what": "gradient", "keep": 1}, lambda: theirs.gradient(n)),
            ("gradient, every second kept", {"what": "gradient", "keep": 2}, lambda: theirs.gradient(n)),
            ("gradient after a kept prefill", {"what": "gradient_after"}, lambda: theirs.gradient(n)),
        ]
        for label, request, action in rows:
            pairs = []
            for i in range(options.rounds + 1):
                mine = ours.ask(**{**request, "tokens": n})["cpu_s"]
                pair = (mine, spent(action))
                if i > 0:
                    pairs.append(pair)
            ratios = sorted(a / b for a, b in pairs)
            a, b = (statistics.median(p[side] for p in pairs) for side in (0, 1))
            spread = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
            print(f"| {label}, N = {n} | {a:.4f} | {b:.4f} | {spread} |", flush=True)
    ours.close()


if __name__ == "__main__":
    main()
