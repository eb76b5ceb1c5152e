"""Our decoder beside PyTorch's, on the same random weights and prompt, in alternation.

    python3 benches/peer/run.py                      # makes benches/peer/.venv (about 5 GB) and runs everything
    python3 benches/peer/run.py --python PYTHON      # with an environment that has torch and transformers
    python3 benches/peer/run.py --tokens 512 --rounds 3 --threads 1

Two processes, one for each side, hold the same model; one measures while the other waits. Each quantity is taken in
rounds, ours and theirs by turns, after one round that is thrown away. Printed are medians, the ratio of each round's pair with
its least and greatest value, and the peak of resident memory above what the process held before. The ratio is taken of
processor time (`user + system`), which does not count what other programs take away, and of wall time beside it.

Never part of the tests: PyPI's torch brings CUDA libraries along even where there is no GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PACKAGES = ["torch==2.15.0", "transformers==5.23.0", "safetensors", "numpy"]


class Side:
    """A process that answers one line of JSON with another."""

    def __init__(self, name: str, command: list[str], threads: int):
        env = {**os.environ, "RAYON_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
        self.name = name
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
        )
        self.ask("ready")

    def ask(self, what: str, **arguments) -> dict:
        self.process.stdin.write(json.dumps({"what": what, **arguments}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.name} ended with {self.process.wait()}")
        return json.loads(line)

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def environment() -> str:
    folder = HERE / ".venv"
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    return str(python)


def compare(label: str, ours: Side, theirs: Side, mine: dict, other: dict, rounds: int) -> dict:
    """One quantity on both sides by turns."""
    pairs = []
    for i in range(rounds + 1):
        pair = (ours.ask(**mine), theirs.ask(**other))
        if i > 0:
            pairs.append(pair)
    cpu = sorted(a["cpu_s"] / b["cpu_s"] for a, b in pairs)
    wall = sorted(a["wall_s"] / b["wall_s"] for a, b in pairs)

    def middle(side: int, key: str) -> float:
        return statistics.median(p[side][key] for p in pairs)

    row = {
        "quantity": label,
        "ours_cpu_s": middle(0, "cpu_s"),
        "theirs_cpu_s": middle(1, "cpu_s"),
        "ratio_cpu": [statistics.median(cpu), cpu[0], cpu[-1]],
        "ratio_wall": [statistics.median(wall), wall[0], wall[-1]],
        "ours_peak_mb": max(p[0]["peak_mb"] for p in pairs),
        "theirs_peak_mb": max(p[1]["peak_mb"] for p in pairs),
    }
    c, w = row["ratio_cpu"], row["ratio_wall"]
    print(
        f"| {label} | {row['ours_cpu_s']:.3f} | {row['theirs_cpu_s']:.3f} "
        f"| {c[0]:.2f} ({c[1]:.2f} to {c[2]:.2f}) | {w[0]:.2f} ({w[1]:.2f} to {w[2]:.2f}) "
        f"| {row['ours_peak_mb']:.0f} | {row['theirs_peak_mb']:.0f} |",
        flush=True,
    )
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--python", help="interpreter with torch and transformers")
    parser.add_argument("--tokens", type=int, nargs="+", default=[512, 1536])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--layers", type=int, default=24)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/emomm-peer"))
    parser.add_argument("--ours", type=Path, help="the example `peer`, built; else cargo builds it")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--skip-gradient", action="store_true")
    options = parser.parse_args()
    python = options.python or environment()
    folder = options.folder / f"{options.layers}-layers"
    torch_side = [python, str(HERE / "torch_side.py"), str(folder)]
    if not (folder / "model.safetensors").exists():
        subprocess.run([*torch_side, "--export", str(options.layers)], check=True)
    binary = options.ours
    if binary is None:
        build = ["cargo", "build", "--release", "-p", "emomm-models", "--example", "peer"]
        subprocess.run(build, cwd=ROOT, check=True)
        binary = ROOT / "target" / "release" / "examples" / "peer"
    ours = Side("ours", [str(binary), str(folder), "f32"], options.threads)
    half = Side("ours, bf16-stored", [str(binary), str(folder), "bf16"], options.threads)
    theirs = Side("torch", torch_side, options.threads)
    print("threads", options.threads, "layers", options.layers, json.dumps(theirs.ask("describe")))
    print("ours", json.dumps(ours.ask("describe")), json.dumps(half.ask("describe")))
    print("| quantity | ours, CPU s | torch, CPU s | ratio of CPU time | of wall time | ours, MB | torch, MB |")
    print("|---|---|---|---|---|---|---|")
    rows = []
    for n in options.tokens:
        prefill = {"what": "prefill", "tokens": n}
        decide = {"what": "decide", "tokens": n, "variants": 1}

        def row(label, a, b, left=ours, rounds=options.rounds):
            rows.append(compare(f"{label}, N = {n}", left, theirs, a, b, rounds))

        row("prefill against sdpa", prefill, prefill)
        row("prefill with bf16 weights against sdpa f32", prefill, prefill, half)
        row("prefill against eager with all attentions", prefill, {**prefill, "what": "eager"}, ours, 2)
        row("decision step, attention recorded, against eager", {**decide, "what": "record"}, {**decide, "what": "eager_step"})
        row("decision step, 1 variant", decide, decide)
        row("decision step, 8 variants", {**decide, "variants": 8}, {**decide, "variants": 8})
        row("decision step, 64 variants", {**decide, "variants": 64}, {**decide, "variants": 64})
        if not options.skip_gradient:
            gradient = {"what": "gradient", "tokens": n, "keep": 1}
            row("gradient, every layer's input kept", gradient, gradient, ours, 2)
            row("gradient, every fifth layer's input kept", {**gradient, "keep": 5}, gradient, ours, 2)
            after = {"what": "gradient_after", "tokens": n}
            row("gradient after a prefill that kept its inputs", after, gradient, ours, 2)
    for side in (ours, half, theirs):
        side.close()
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
