//! The multimodal LLMs: checkpoint folders in, answers to the paper's prompt out.
//!
//! One steerable decoder ([`decoder`]), encoders shared by families ([`vision`], [`audio`]), one folder for each
//! model. [`open`] reads `config.json` and picks the model.

pub mod attention_summary;
pub mod audio;
pub mod chat_tokenizer;
mod clip_media;
mod config_section;
pub mod content_store;
mod cpu;
pub mod decoder;
mod device;
pub mod embedded;
mod embedding;
pub mod encoder_cache;
mod error;
pub mod front_end;
pub mod importance;
pub mod layout;
pub mod linear;
pub mod media_cache;
pub mod norm;
pub mod picture;
pub mod predictor;
pub mod prompt_size;
pub mod prompt_tree;
pub mod qwen2_5_omni;
mod registry;
pub mod token_maps;
pub mod vision;
pub mod vita_1_5;
pub mod weights;
pub mod white_box;
pub mod withheld;

pub use cpu::instructions;
pub use device::{ComputeType, DeviceKind};
pub use error::{ModelError, Result};
pub use registry::{
    LoadOptions, ModelSummary, SUPPORTED, SupportedModel, inspect, open, open_white_box, open_with_picture,
};
