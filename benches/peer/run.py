"""Our decoder beside PyTorch's, on the same random weights and prompt, in alternation.

    python3 benches/peer/run.py                      # makes benches/peer/.venv (about 5 GB) and runs everything
    python3 benches/peer/run.py --python PYTHON      # with an environment that has torch and transformers
    python3 benches/peer/run.py --tokens 512 --rounds 3 --threads 1 --rows prefill steps

A process for each side holds the same model; one measures while the others wait. Each quantity is taken in rounds, the first
and the second by turns, after one round that is thrown away. Where both are ours, the label says what stands over what. Printed are medians, the ratio of each round's pair with
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
        # A thread that waits for another must not count as work, least of all where other programs hold that one up.
        env["OMP_WAIT_POLICY"] = "PASSIVE"
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


class Bench:
    """Starts sides when they are first needed, and prints rows."""

    def __init__(self, options, python: str, binary: Path, folder: Path):
        self.options, self.rows, self.sides = options, [], {}
        torch_side = [python, str(HERE / "torch_side.py"), str(folder)]
        self.commands = {"torch": torch_side, "torch bf16": [*torch_side, "bf16"]}
        for kept in ["f32", "bf16", "q8_0", "q4_k"]:
            self.commands[kept] = [str(binary), str(folder), kept]

    def side(self, name: str) -> Side:
        if name not in self.sides:
            self.sides[name] = Side(name, self.commands[name], self.options.threads)
            print(f"<!-- {name}: {json.dumps(self.sides[name].ask('describe'))} -->", flush=True)
        return self.sides[name]

    def row(self, label: str, left: str, right: str, a: dict, b: dict, rounds: int | None = None) -> None:
        rounds = rounds or self.options.rounds
        self.rows.append(compare(label, self.side(left), self.side(right), a, b, rounds))

    def prefill(self, n: int) -> None:
        prefill = {"what": "prefill", "tokens": n}
        self.row(f"prefill, against sdpa, N = {n}", "f32", "torch", prefill, prefill)
        self.row(f"prefill, bf16 weights, against sdpa in f32, N = {n}", "bf16", "torch", prefill, prefill)

    def eager(self, n: int) -> None:
        prefill = {"what": "prefill", "tokens": n}
        eager = {**prefill, "what": "eager"}
        self.row(f"prefill, against eager with all attentions, N = {n}", "f32", "torch", prefill, eager, 2)

    def half(self, n: int) -> None:
        prefill = {"what": "prefill", "tokens": n}
        self.row(f"prefill, bf16 weights, against torch in bf16, N = {n}", "bf16", "torch bf16", prefill, prefill, 2)

    def steps(self, n: int) -> None:
        decide = {"what": "decide", "tokens": n, "variants": 1}
        self.row(f"decision step, N = {n}", "f32", "torch", decide, decide)
        record, eager = {**decide, "what": "record"}, {**decide, "what": "eager_step"}
        self.row(f"decision step, attention recorded, against eager, N = {n}", "f32", "torch", record, eager)
        for variants in (8, 64):
            many = {**decide, "variants": variants}
            rounds = min(self.options.rounds, 3)
            self.row(f"decision step, {variants} variants, N = {n}", "f32", "torch", many, many, rounds)

    def gradient(self, n: int) -> None:
        gradient = {"what": "gradient", "tokens": n, "keep": 1}
        self.row(f"gradient, every layer's input kept, N = {n}", "f32", "torch", gradient, gradient, 2)

    def memory_end(self, n: int) -> None:
        """The gradient's other end, and the gradient of a prefix that was read, against our own prefill."""
        prefill, gradient = {"what": "prefill", "tokens": n}, {"what": "gradient", "tokens": n}
        for label, request in [
            ("gradient, every layer's input kept", {**gradient, "keep": 1}),
            ("gradient, every fifth layer's input kept", {**gradient, "keep": 5}),
            ("gradient after a prefill that kept its inputs", {**gradient, "what": "gradient_after"}),
        ]:
            self.row(f"{label}, over a prefill, N = {n}", "f32", "f32", request, prefill, 3)

    def chase(self, n: int) -> None:
        """Our own work with and without CHASE: prefill and decision step of one clip."""
        plain = {"what": "plain", "tokens": n}
        for label, what in [
            ("CHASE in one pass over a plain prediction", "chase"),
            ("CHASE in two passes over a plain prediction", "two_pass"),
            ("clean step and five variants over a plain prediction", "ablation"),
        ]:
            self.row(f"{label}, N = {n}", "f32", "f32", {**plain, "what": what}, plain, self.options.rounds + 2)

    def coalitions(self, n: int) -> None:
        """Eight coalitions by the tree over our own prefill, and torch's eight forward passes over the same."""
        eight, prefill = {"what": "coalitions", "tokens": n}, {"what": "prefill", "tokens": n}
        count = self.side("f32").ask(**eight)
        print(
            f"<!-- eight coalitions at N = {n}: {count['read']} tokens read, floor {count['floor']} = "
            f"{count['floor'] / n:.2f} prompts, one by one {count['separate'] / n:.2f} -->",
            flush=True,
        )
        self.row(f"eight coalitions over a prefill, N = {n}", "f32", "f32", eight, prefill, 3)
        self.rows[-1]["tokens_read"] = count["read"]

    def naive(self, n: int) -> None:
        """Eight coalitions against torch, which reads them one by one."""
        eight = {"what": "coalitions", "tokens": n}
        self.row(f"eight coalitions, against one by one, N = {n}", "f32", "torch", eight, eight, 1)

    def blocks(self, n: int) -> None:
        """Weights in blocks against our f32."""
        plain = self.side("f32").ask("logits", tokens=n)["logits"]
        spread = statistics.pstdev(plain)
        for kept in ("bf16", "q8_0", "q4_k"):
            found = self.side(kept).ask("logits", tokens=n)["logits"]
            error = statistics.fmean((a - b) ** 2 for a, b in zip(found, plain, strict=True)) ** 0.5
            print(f"<!-- {kept}: root mean square error of logits {error / spread:.4f} of their spread -->")
            prefill, decide = {"what": "prefill", "tokens": n}, {"what": "decide", "tokens": n, "variants": 1}
            self.row(f"prefill, {kept} weights over f32, N = {n}", kept, "f32", prefill, prefill, 3)
            self.row(f"decision step, {kept} weights over f32, N = {n}", kept, "f32", decide, decide)


GROUPS = ["prefill", "eager", "half", "steps", "gradient", "memory_end", "chase", "coalitions", "naive", "blocks"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--python", help="interpreter with torch and transformers")
    parser.add_argument("--tokens", type=int, nargs="+", default=[512, 1536])
    parser.add_argument("--rows", nargs="+", choices=GROUPS, default=GROUPS, help="groups of rows, all without it")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--layers", type=int, default=24)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/emomm-peer"))
    parser.add_argument("--ours", type=Path, help="the example `peer`, built; else cargo builds it")
    parser.add_argument("--json", type=Path, help="also append the figures here, a line each")
    options = parser.parse_args()
    python = options.python or environment()
    folder = options.folder / f"{options.layers}-layers"
    if not (folder / "model.safetensors").exists():
        export = [python, str(HERE / "torch_side.py"), str(folder), "--export", str(options.layers)]
        subprocess.run(export, check=True)
    binary = options.ours
    if binary is None:
        build = ["cargo", "build", "--release", "-p", "emomm-chase", "--example", "peer"]
        subprocess.run(build, cwd=ROOT, check=True)
        binary = ROOT / "target" / "release" / "examples" / "peer"
    bench = Bench(options, python, binary, folder)
    print(f"<!-- {options.threads} threads, {options.layers} layers -->")
    print("| quantity | first, CPU s | second, CPU s | ratio of CPU time | of wall time | first, MB | second, MB |")
    print("|---|---|---|---|---|---|---|")
    for n in options.tokens:
        for group in options.rows:
            getattr(bench, group)(n)
    for side in bench.sides.values():
        side.close()
    if options.json:
        with options.json.open("a") as file:
            for row in bench.rows:
                file.write(json.dumps({**row, "threads": options.threads}) + "\n")


if __name__ == "__main__":
    main()
