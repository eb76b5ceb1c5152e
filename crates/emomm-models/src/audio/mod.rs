//! Audio encoders, one file each.

mod qwen2_5_audio;
mod whale;

pub use qwen2_5_audio::{AudioConfig, Qwen2_5Audio};
pub use whale::{AdapterActivation, AdapterNorm, Whale, WhaleChunks, WhaleConfig};
