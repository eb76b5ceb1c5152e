//! Media files to plain arrays.
//!
//! `ffmpeg` decodes, as a child process under limits; everything that decides what a model sees is done here, the same on
//! every machine: which frames are taken, how they are resized, how channels are mixed, resampling and the mel spectrum.
//! This crate knows no model and no data set.
//!
//! ```no_run
//! use emomm_media::{DecodeLimits, Ffmpeg, FrameSampling, WhisperMel, decode_audio, decode_video, resize_bicubic};
//!
//! # fn main() -> Result<(), emomm_media::MediaError> {
//! let ffmpeg = Ffmpeg::locate()?;
//! let (clip, limits) = (std::path::Path::new("clip.mp4"), DecodeLimits::default());
//!
//! let video = decode_video(&ffmpeg, clip, &FrameSampling::default(), &limits)?;
//! let small = resize_bicubic(&video.frames[0], 644, 364);
//!
//! let sound = decode_audio(&ffmpeg, clip, 16_000, &limits)?;
//! let mel = WhisperMel::new(128, 16_000, 400, 160).compute(&sound.samples, Some(300 * 16_000))?;
//! # let _ = (small, mel);
//! # Ok(())
//! # }
//! ```

mod audio;
mod band;
mod child;
mod derive;
mod error;
mod fbank;
mod ffmpeg;
mod image;
mod input;
mod limits;
mod mel;
mod mel_filters;
mod person;
mod probe;
mod report;
mod resample;
mod resize;
mod sampling;
mod scan;
mod subtitles;
mod thumbnails;
mod video;
mod wav;

pub use audio::{Waveform, decode_audio};
pub use band::{SubtitleBand, SubtitleTreatment};
pub use derive::{AudioDerivative, VideoDerivative, derive_audio, derive_both, derive_video, mute_video};
pub use error::{MediaError, StreamKind};
pub use fbank::{KaldiFbank, LogFbank};
pub use ffmpeg::{Capabilities, FFMPEG_VARIABLE, Ffmpeg};
pub use image::{FloatImage, RgbImage};
pub use input::check_file;
pub use limits::DecodeLimits;
pub use mel::{LogMel, WhisperMel};
pub use person::{PersonMask, Window};
pub use probe::{Probe, ProbedKind, ProbedStream, probe};
pub use resample::resample;
pub use resize::{resize_bicubic, resize_bicubic_float};
pub use sampling::{FrameSampling, SamplingMode, sample_frames};
pub use scan::{VideoScan, scan_video};
pub use subtitles::{SubtitleRows, find_subtitles};
pub use thumbnails::jpeg_frames;
pub use video::{VideoFrames, decode_video, read_frames};
