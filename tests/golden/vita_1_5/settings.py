"""Writes settings of a speech encoder as a training run leaves them: one `yaml.dump` of everything.

    .venv/bin/pip install pyyaml==6.0.4
    .venv/bin/python tests/golden/vita_1_5/settings.py

`train.yaml` in the style of PyYAML today, `train_flow.yaml` in that of PyYAML before 5.1, with the innermost maps in braces,
and `train.json`, what PyYAML reads from either, an empty map in the place of each list. Keys are those of the authors' code;
sizes are those known of the released encoder (80 bands, 24 layers of width 1024, 16 heads, output 3584, 16 kHz); all else
is invented.
"""

import json
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
CHAT = (
    "<|im_start|>system\nYou are a helpful assistant: answer # briefly.<|im_end|>\n"
    "<|im_start|>user\n<audio><|im_end|>\n<|im_start|>assistant\n"
)
SETTINGS = {
    "accum_grad": 1,
    "cmvn_file": "/data/exp/whale base/global_cmvn of many hours/with a name that is long enough to be broken",
    "dataset_conf": {
        "batch_conf": {"batch_type": "dynamic", "max_frames_in_batch": 120000},
        "fbank_conf": {"dither": 1.0, "frame_length": 25, "frame_shift": 10, "num_mel_bins": 80},
        "filter_conf": {"max_length": 4000, "min_length": 10, "token_max_length": 200},
        "resample_conf": {"resample_rate": 16000},
        "shuffle": True,
        "shuffle_conf": {"shuffle_size": 1500},
        "speed_perturb": False,
    },
    "encoder_conf": {
        "overview_conf": {
            "encoder-input-dim": 80,
            "encoder-layer-config": "subsampling-transformer",
            "encoder-output-dim": 1024,
        },
        "para_conf": {
            "subsampling": {
                "subsampling-dropout-rate": 0.1,
                "subsampling-input-dim": 80,
                "subsampling-output-dim": 1024,
                "subsampling-rate": 4,
            },
            "transformer": {
                "transformer-attention-dim": 1024,
                "transformer-attention-dropout-rate": 0.0,
                "transformer-attention-heads": 16,
                "transformer-chunk_size": 4,
                "transformer-concat-after": False,
                "transformer-dropout-rate": 0.1,
                "transformer-dynamic-chunks": False,
                "transformer-input-dim": 1024,
                "transformer-input-layer": "linear",
                "transformer-left_chunks": 16,
                "transformer-linear-units": 4096,
                "transformer-normalize-before": True,
                "transformer-num-blocks": 24,
                "transformer-output-dim": 1024,
                "transformer-pos-enc-class": "rel-enc",
                "transformer-positional-dropout-rate": 0.1,
                "transformer-positionwise-conv-kernel_size": 1,
                "transformer-positionwise-layer-type": "linear",
            },
        },
    },
    "grad_clip": 5,
    "input_dim": 80,
    "is_json_cmvn": True,
    "lfmmi_dir": "",
    "model_conf": {
        "IGNORE_ID": -100,
        "activation_func": "gelu",
        "add_audio_bos_eos": False,
        "adpter_type": "subsampling",
        "chat_template": CHAT,
        "enc_out_dim": 1024,
        "freeze_encoder": False,
        "kernel_size": 5,
        "llm_embed_dim": 3584,
        "llm_path": "/data/models/Qwen2.5-7B-Instruct",
        "norm": "layer",
        "task_type": "prompt",
    },
    "optim_conf": {"betas": [0.9, 0.99], "lr": 0.0002},
    "special": {},
    "tasks": [{"name": "asr", "weight": 1.0}, {"name": "chat", "weight": 0.5}],
}


def without_lists(value):
    if isinstance(value, dict):
        return {k: without_lists(v) for k, v in value.items()}
    return {} if isinstance(value, list) else value


def main() -> None:
    assert yaml.__version__ == "6.0.4", yaml.__version__
    block = yaml.dump(SETTINGS, default_flow_style=False)
    flow = yaml.dump(SETTINGS, default_flow_style=None)
    read = yaml.safe_load(block)
    assert read == yaml.safe_load(flow) == SETTINGS
    (HERE / "train.yaml").write_text(block)
    (HERE / "train_flow.yaml").write_text(flow)
    (HERE / "train.json").write_text(json.dumps(without_lists(read), indent=2) + "\n")


if __name__ == "__main__":
    main()
