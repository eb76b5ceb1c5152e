"""Shape of the embedded checkpoint: one place for every size.

The architecture is that of the Qwen2.5-Omni thinker, narrow and shallow: 14 query heads on 2
key/value heads keep the ratio of the released models (28 on 4).
"""

from __future__ import annotations

HIDDEN = 128
HEAD_DIM = 16
HEADS = 14
KV_HEADS = 2
LAYERS = 8
FFN = 384
ROPE_THETA = 10_000.0
MROPE_SECTION = [2, 3, 3]
RMS_EPS = 1e-6

VISION = {
    "depth": 4,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_heads": 4,
    "patch_size": 14,
    "temporal_patch_size": 2,
    "spatial_merge_size": 2,
    "window_size": 112,
    "fullatt_block_indexes": [1, 3],
}
AUDIO = {
    "encoder_layers": 2,
    "d_model": 64,
    "encoder_attention_heads": 4,
    "encoder_ffn_dim": 128,
    "num_mel_bins": 128,
    "n_window": 100,
}
# Position ids for each second of media, and seconds between two temporal patches: what the
# processor of transformers always computes from 2 frames a second.
IDS_PER_SECOND = 25
SECONDS_PER_GRID = 1.0

# Sound is padded to 30 s, not to 300 s as in the released checkpoints: a tenth of the work.
CHUNK_SECONDS = 30

# Merges of the tokenizer are learnt until the vocabulary has this many entries, the 11 special
# tokens included.
VOCABULARY = 1536

# First stage of the video preprocessing (`emomm_settings.json`): six frames of any clip, and a
# 4:3 picture becomes 196 x 140 pixels, 7 x 5 tokens in each of three temporal grids.
SETTINGS = {
    "min_pixels": 20 * 784,
    "max_pixels": 37 * 784,
    "total_pixels": 500 * 784,
    "fps": 2.0,
    "min_frames": 6,
    "max_frames": 6,
}
