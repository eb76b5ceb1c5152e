//! Parity with the public reference on tiny checkpoints: `tests/golden/qwen2_5_omni`,
//! `tests/golden/saliency` and `tests/golden/missing`.
//!
//! The expected values come from `export.py` beside the data, which runs PyPI transformers on the same weights.

mod cases;
mod embedded;
mod identities;
mod missing;
mod model;
mod person;
mod predictor;
mod preprocessing;
mod prompt_size;
mod saliency;
mod towers;
mod towers_of_vita;
mod vita;
