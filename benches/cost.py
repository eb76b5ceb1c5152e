"""Time and memory of the decision-row engine as functions of the prompt's length, layers, variants and coalitions.

    python3 benches/cost.py FIGURES.jsonl     # written by `benches/peer/run.py --threads 1 --json FIGURES.jsonl`
    python3 benches/cost.py                   # only what a large model would need on a GPU, on paper

Two constants describe a machine: the rate of products of matrices and the rate at which weights are read. They are taken from
two measured rows, the prefill and the plain decision step at the greatest length; every other row is predicted from them and
printed beside what was measured. Standard library only.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Decoder:
    layers: int
    hidden: int
    heads: int
    key_heads: int
    head_dim: int
    inner: int
    bytes_per_weight: int
    bytes_per_value: int

    @property
    def weights(self) -> int:
        """Numbers in the matrices of all layers, without embeddings and the output matrix."""
        q, kv = self.heads * self.head_dim, self.key_heads * self.head_dim
        return self.layers * (2 * self.hidden * q + 2 * self.hidden * kv + 3 * self.hidden * self.inner)

    def products(self, tokens: float) -> float:
        return 2.0 * self.weights * tokens

    def attention(self, tokens: float) -> float:
        """Scores and sums of values of causal attention: half of all pairs."""
        return 2.0 * self.layers * self.heads * self.head_dim * tokens * tokens

    def prefill(self, tokens: float) -> float:
        return self.products(tokens) + self.attention(tokens)

    def row(self, tokens: float) -> float:
        """One decision row over a cache of `tokens`."""
        return self.products(1) + 4.0 * self.layers * self.heads * self.head_dim * tokens

    def gradient(self, tokens: float, again: float) -> float:
        """Forward, `again` times over for what was not kept, and backward: as many products for the inputs of every matrix as
        forward, and two and a half times the attention, whose scores are computed again."""
        return (1 + again) * self.prefill(tokens) + self.products(tokens) + 2.5 * self.attention(tokens)

    def cache(self, tokens: float) -> float:
        return 2.0 * self.layers * tokens * self.key_heads * self.head_dim * self.bytes_per_value

    def working(self, tokens: float) -> float:
        """Residual stream, its normalised copy, attention's result, and the inner row of the gated unit."""
        return tokens * self.bytes_per_value * (3 * self.hidden + self.inner)

    def inputs(self, tokens: float, every: int) -> float:
        """Kept inputs of every n-th layer."""
        return -(-self.layers // every) * tokens * self.hidden * self.bytes_per_value


SMALL = Decoder(24, 896, 14, 2, 64, 4864, 4, 4)
SEVEN = Decoder(28, 3584, 28, 4, 128, 18944, 2, 2)


def against_measurement(rows: list[dict]) -> None:
    length = re.compile(r"N = (\d+)")
    found = {row["quantity"]: (row, int(length.search(row["quantity"]).group(1))) for row in rows}
    longest = max(n for _, n in found.values())
    d = SMALL

    def measured(start: str) -> float:
        return next(r["ours_cpu_s"] for q, (r, n) in found.items() if q.startswith(start) and n == longest)

    rate = d.prefill(longest) / measured("prefill, against sdpa")
    reading = d.weights * d.bytes_per_weight / measured("decision step, N")
    print(f"Rates taken at N = {longest}: {rate / 1e9:.0f} GFLOP/s, weights read at {reading / 1e9:.1f} GB/s\n")
    step = d.weights * d.bytes_per_weight / reading
    print("| quantity | predicted, s | measured, s | predicted, MB | measured, MB |")
    print("|---|---|---|---|---|")
    for quantity, (row, n) in found.items():
        prefill, memory = d.prefill(n) / rate, d.cache(n) + d.working(n)
        variants = re.search(r"(\d+) variants, N", quantity)
        if quantity.startswith("prefill, against sdpa"):
            seconds = prefill
        elif quantity.startswith("decision step, N"):
            seconds, memory = step, 0
        elif variants and quantity.startswith("decision step"):
            seconds, memory = step + int(variants.group(1)) * d.row(n) / rate, 0
        elif quantity.startswith("gradient, every layer's input kept"):
            seconds = d.gradient(n, 1) / rate
            memory = d.cache(n) + d.inputs(n, 1) + d.working(n)
        elif quantity.startswith("gradient, every fifth"):
            seconds = d.gradient(n, 1.8) / rate
            memory = d.cache(n) + d.inputs(n, 5) + d.inputs(n, 1) / 5 + d.working(n)
        elif quantity.startswith("CHASE in one pass"):
            seconds = prefill + step
        elif quantity.startswith("CHASE in two passes"):
            seconds = prefill + 2 * step
        elif quantity.startswith("clean step and five"):
            seconds = prefill + step + step + 5 * d.row(n) / rate
        elif quantity.startswith("eight coalitions over a prefill") and row.get("tokens_read"):
            seconds = d.prefill(n) / rate * row["tokens_read"] / n
        else:
            continue
        shown = f"{memory / 1e6:.0f}" if memory else ""
        print(f"| {quantity} | {seconds:.3f} | {row['ours_cpu_s']:.3f} | {shown} | {row['ours_peak_mb']:.0f} |")


# Data sheets of the vendor, dense bf16 and memory: A100 80 GB SXM, H100 80 GB SXM.
GPUS = [("A100 80 GB", 312e12, 2.04e12), ("H100 80 GB", 989e12, 3.35e12)]
PRODUCT_SHARE, READING_SHARE = 0.5, 0.8


def on_paper(tokens: int = 2000, clips: int = 5000, floor: float = 2.15) -> None:
    d = SEVEN
    print(
        f"\nOn paper: 7B shape, bf16, {tokens} tokens a clip, {PRODUCT_SHARE:.0%} of the peak in products, "
        f"{READING_SHARE:.0%} of the memory's rate; eight coalitions read {floor} prompts; towers and decoding of media left out"
    )
    print("\n| | prefill, ms | decision step, ms | 64 variants more, ms | gradient, ms | eight coalitions of "
          f"{clips} clips, min | weights, GB | a clip in work, GB |")
    print("|---|---|---|---|---|---|---|---|")
    for name, peak, memory in GPUS:
        rate, reading = peak * PRODUCT_SHARE, memory * READING_SHARE
        prefill, step = d.prefill(tokens) / rate, d.weights * d.bytes_per_weight / reading
        many = 64 * d.row(tokens) / rate
        held = d.cache(tokens) + d.working(tokens) + d.inputs(tokens, 1)
        minutes = clips * (floor * prefill + 8 * step) / 60
        print(
            f"| {name} | {prefill * 1e3:.0f} | {step * 1e3:.1f} | {many * 1e3:.1f} | {d.gradient(tokens, 1) / rate * 1e3:.0f} "
            f"| {minutes:.0f} | {d.weights * d.bytes_per_weight / 1e9:.1f} | {held / 1e9:.2f} |"
        )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        with open(sys.argv[1]) as file:
            against_measurement([json.loads(line) for line in file])
    on_paper()
