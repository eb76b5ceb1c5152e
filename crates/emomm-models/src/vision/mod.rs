//! Vision encoders, one file each.

mod intern_vit;
mod qwen2_5_vit;
mod windows;

pub use intern_vit::{InternVit, InternVitConfig};
pub use qwen2_5_vit::{Grid, Qwen2_5Vit, VitConfig};
