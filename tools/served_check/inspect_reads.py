"""inspect reads a log that `emomm log export --inspect` wrote."""

import json
import subprocess
import sys
from pathlib import Path

from inspect_ai.log import read_eval_log, read_eval_log_sample, read_eval_log_sample_summaries

path = sys.argv[1]
header = read_eval_log(path, header_only=True)
log = read_eval_log(path)
summaries = read_eval_log_sample_summaries(path)
n = header.results.total_samples
assert n == len(log.samples) == len(summaries), (n, len(log.samples), len(summaries))
right = 0
for sample in log.samples:
    one = read_eval_log_sample(path, id=sample.id, epoch=sample.epoch)
    assert one.output.completion == sample.output.completion
    assert sample.metadata["sample"] in sample.id and sample.metadata["coalition"] == sample.id.rsplit("@")[1]
    score = sample.scores["letter"]
    assert score.value == ("C" if score.answer == sample.target else "I"), sample
    right += score.value == "C"
accuracy = header.results.scores[0].metrics["accuracy"].value
assert abs(accuracy - right / n) < 1e-12, (accuracy, right, n)

inspect = Path(sys.executable).with_name("inspect")
dumped = json.loads(subprocess.run([inspect, "log", "dump", path], check=True, capture_output=True).stdout)
assert len(dumped["samples"]) == n and dumped["status"] == header.status
print(f"inspect reads {n} samples, status {header.status}, accuracy {accuracy:.4f}")
