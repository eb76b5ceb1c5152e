//! Audio encoders, one file each.

mod qwen2_5_audio;

pub use qwen2_5_audio::{AudioConfig, Qwen2_5Audio};
