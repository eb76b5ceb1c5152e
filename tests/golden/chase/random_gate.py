"""Random gates of `random_gate`, drawn once more with Python's integers.

    python tests/golden/chase/random_gate.py

writes random_gate.json: for seeds, samples and shown modalities the Dirichlet(1, ..., 1) point and the uniform number that
follows it in the same stream. SplitMix64 (Steele, Lea, Flood 2014) is seeded with a mix of seed and FNV-1a of the stream's
name. Tolerance of the test: 1e-15, the last digit of a double; logarithms may differ there between libraries.
"""

import json
import math
import pathlib

MASK = (1 << 64) - 1


def mix(z):
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


class Stream:
    def __init__(self, seed, name):
        fnv = 0xCBF29CE484222325
        for byte in name.encode():
            fnv = ((fnv ^ byte) * 0x100000001B3) & MASK
        self.state = mix(mix(seed) ^ fnv ^ 0x63686173655F7631)

    def unit(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        return (mix(self.state) >> 11) / (1 << 53)


def main():
    rows = []
    for seed in (0, 1, 12345678901234567890):
        for sample, present in (
            ("clip/TAV", (True, True, True)),
            ("ch-sims/video_0001/0003/TV", (True, False, True)),
            ("片段/AV", (False, True, True)),
        ):
            stream = Stream(seed, f"gate/{sample}")
            drawn = [-math.log(1.0 - stream.unit()) if here else 0.0 for here in present]
            gate = [x / sum(drawn) for x in drawn]
            rows.append(
                {"seed": str(seed), "sample": sample, "present": present, "gate": gate, "p": stream.unit()}
            )
    out = pathlib.Path(__file__).with_name("random_gate.json")
    out.write_text(json.dumps(rows, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    main()
