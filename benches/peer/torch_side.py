"""PyTorch's side of `run.py`: a random Qwen2 decoder of 0.5B shape, and what it takes to run it."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path

import torch
import transformers
from transformers import Qwen2Config, Qwen2ForCausalLM
from transformers.cache_utils import DynamicCache

VOCAB = 32_768


def config(layers: int) -> Qwen2Config:
    return Qwen2Config(
        vocab_size=VOCAB,
        hidden_size=896,
        intermediate_size=4864,
        num_hidden_layers=layers,
        num_attention_heads=14,
        num_key_value_heads=2,
        max_position_embeddings=32_768,
        rope_theta=1_000_000.0,
        tie_word_embeddings=False,
        use_sliding_window=False,
    )


def peak_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def measured(action) -> dict:
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from here
    before = resident_mb()
    cpu, wall = time.process_time(), time.perf_counter()
    action()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"wall_s": wall, "cpu_s": cpu, "peak_mb": peak_mb() - before}


class Worker:
    def __init__(self, folder: Path, dtype: torch.dtype):
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        transformers.logging.set_verbosity_error()
        self.model = Qwen2ForCausalLM.from_pretrained(folder, dtype=dtype).eval()
        self.model.requires_grad_(False)
        self.caches: dict[int, DynamicCache] = {}

    def ids(self, tokens: int) -> torch.Tensor:
        return (torch.arange(tokens) * 97 % VOCAB)[None]

    def implementation(self, name: str) -> None:
        self.model.set_attn_implementation(name)

    @torch.no_grad()
    def read(self, tokens: int) -> DynamicCache:
        return self.model.model(self.ids(tokens), use_cache=True).past_key_values

    def prefill(self, tokens: int) -> dict:
        self.implementation("sdpa")
        return measured(lambda: self.read(tokens))

    @torch.no_grad()
    def eager(self, tokens: int) -> dict:
        self.implementation("eager")
        return measured(lambda: self.model.model(self.ids(tokens), use_cache=True, output_attentions=True))

    @torch.no_grad()
    def step(self, tokens: int, variants: int, attentions: bool) -> dict:
        self.implementation("sdpa")
        if (tokens, variants) not in self.caches:
            cache = self.read(tokens)
            cache.batch_repeat_interleave(variants)
            self.caches = {(tokens, variants): cache}
        cache = self.caches[(tokens, variants)]
        self.implementation("eager" if attentions else "sdpa")
        row = torch.full((variants, 1), 7)
        out = measured(
            lambda: self.model(row, past_key_values=cache, use_cache=True, output_attentions=attentions)
        )
        cache.crop(-1)  # the row of this step
        return out

    def decide(self, tokens: int, variants: int) -> dict:
        return self.step(tokens, variants, False)

    def eager_step(self, tokens: int, variants: int) -> dict:
        return self.step(tokens, variants, True)

    @torch.no_grad()
    def coalitions(self, tokens: int) -> dict:
        """Eight prompts one after another; the parts are those of our side's `prompt.rs`."""
        self.implementation("sdpa")
        parts = (100, 20, tokens - 336)
        shown = [sum(n for i, n in enumerate(parts) if mask >> i & 1) for mask in range(8)]

        def run():
            for more in shown:
                self.model(self.ids(216 + more), use_cache=False, logits_to_keep=1)

        return measured(run)

    def gradient(self, tokens: int, keep: int) -> dict:
        self.implementation("sdpa")
        embeds = self.model.get_input_embeddings()(self.ids(tokens)).detach().requires_grad_()

        def run():
            state = self.model.model(inputs_embeds=embeds, use_cache=False).last_hidden_state[0, -1]
            self.model.lm_head(state)[7].backward()

        return measured(run)

    def describe(self) -> dict:
        return {
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "threads": torch.get_num_threads(),
            "capability": torch.backends.cpu.get_cpu_capability(),
            "resident_mb": round(resident_mb()),
        }


def main() -> None:
    folder = Path(sys.argv[1])
    if "--export" in sys.argv:
        torch.manual_seed(1)
        Qwen2ForCausalLM(config(int(sys.argv[3]))).save_pretrained(folder)
        return
    worker = Worker(folder, torch.bfloat16 if "bf16" in sys.argv else torch.float32)
    for line in sys.stdin:
        request = json.loads(line)
        what = request.pop("what")
        answer = {} if what == "ready" else getattr(worker, what)(**request)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
