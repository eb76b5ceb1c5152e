//! Media files to plain arrays.
//!
//! `ffmpeg` decodes, as a child process under limits; everything that decides what a model sees is done here, the same on
//! every machine: which frames are taken, how they are resized, how channels are mixed, resampling and the mel spectrum.
//! This crate knows no model and no data set.

mod audio;
mod child;
mod error;
mod ffmpeg;
mod image;
mod input;
mod limits;
mod mel;
mod mel_filters;
mod report;
mod resample;
mod resize;
mod sampling;
mod scan;
mod video;
mod wav;

pub use audio::{Waveform, decode_audio};
pub use error::{MediaError, StreamKind};
pub use ffmpeg::{Capabilities, FFMPEG_VARIABLE, Ffmpeg};
pub use image::RgbImage;
pub use limits::DecodeLimits;
pub use mel::{LogMel, WhisperMel};
pub use resample::resample;
pub use resize::resize_bicubic;
pub use sampling::{FrameSampling, SamplingMode, sample_frames};
pub use scan::{VideoScan, scan_video};
pub use video::{VideoFrames, decode_video, read_frames};
