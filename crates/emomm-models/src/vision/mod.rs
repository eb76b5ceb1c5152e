//! Vision encoders, one file each.

mod qwen2_5_vit;
mod windows;

pub use qwen2_5_vit::{Grid, Qwen2_5Vit, VitConfig};
