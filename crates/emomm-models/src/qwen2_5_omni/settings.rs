//! `preprocessor_config.json` and `emomm_settings.json`: how clips become patches and mel frames.
//!
//! Pixels go through two stages, as in the reference. First the frame bounds of `qwen_omni_utils`; a checkpoint may
//! carry other bounds in `emomm_settings.json` beside its config. Then the processor's own rounding to whole merge
//! groups, which leaves frames of the first stage as they are unless they lie outside of the bounds.

use std::ops::RangeInclusive;
use std::path::Path;

use emomm_media::FrameSampling;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{ModelError, Result};

/// Name of the optional settings file beside `config.json`.
pub const SETTINGS_FILE: &str = "emomm_settings.json";

/// Pixels of one video token at patch size 14 and merge size 2.
const TOKEN_PIXELS: f64 = 28.0 * 28.0;

/// Bounds on the pixels of a frame, and the sampling of frames. Missing fields keep the published defaults.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VideoSettings {
    /// Fewest pixels of a frame; `None` is the published 128 tokens.
    pub min_pixels: Option<f64>,
    /// Most pixels of a frame; `None` leaves the bound to `total_pixels`.
    pub max_pixels: Option<f64>,
    /// Most pixels of a clip, shared by its frames.
    pub total_pixels: f64,
    /// Frames for each second.
    pub fps: f64,
    /// Fewest frames.
    pub min_frames: usize,
    /// Most frames.
    pub max_frames: usize,
}

impl Default for VideoSettings {
    fn default() -> Self {
        let sampling = FrameSampling::default();
        Self {
            min_pixels: None,
            max_pixels: None,
            total_pixels: 128_000.0 * TOKEN_PIXELS * 0.9,
            fps: sampling.fps,
            min_frames: sampling.min_frames,
            max_frames: sampling.max_frames,
        }
    }
}

impl VideoSettings {
    /// Fewest pixels of a frame unless the settings say otherwise.
    const FRAME_MINIMUM: f64 = 128.0 * TOKEN_PIXELS;
    /// No frame gets more pixels than this, whatever the settings say.
    const FRAME_LIMIT: f64 = 768.0 * TOKEN_PIXELS;
    /// Frames in a temporal patch: the budget of a clip is shared by patches.
    const FRAME_FACTOR: f64 = 2.0;

    /// Bounds on the pixels of a frame when `frames` are shown.
    pub fn frame_bounds(&self, frames: usize) -> (f64, f64) {
        let minimum = self.min_pixels.unwrap_or(Self::FRAME_MINIMUM);
        let share = self.total_pixels / frames as f64 * Self::FRAME_FACTOR;
        let limit = Self::FRAME_LIMIT.min(share).max((minimum * 1.05).trunc());
        (minimum, self.max_pixels.map_or(limit, |m| m.min(limit)))
    }

    /// Bounds of the processor's own rounding. The reference's processor class fixes them, whatever its own file
    /// says; they follow the settings where those give both.
    pub fn processor_bounds(&self) -> (f64, f64) {
        self.min_pixels.zip(self.max_pixels).unwrap_or((Self::FRAME_MINIMUM, Self::FRAME_LIMIT))
    }

    /// How frames are chosen, in the mode that the caller wants.
    pub fn sampling(&self, mode: emomm_media::SamplingMode) -> FrameSampling {
        FrameSampling {
            mode,
            fps: self.fps,
            min_frames: self.min_frames,
            max_frames: self.max_frames,
            ..FrameSampling::default()
        }
    }
}

/// The settings file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct SettingsFile {
    video: VideoSettings,
}

/// Everything that a clip's preprocessing depends on.
#[derive(Debug, Clone, PartialEq)]
pub struct ProcessorConfig {
    /// First stage and sampling.
    pub video: VideoSettings,
    /// Bounds of the second stage.
    pub processor_pixels: (f64, f64),
    /// Mean of each colour channel in [0, 1].
    pub image_mean: [f32; 3],
    /// Standard deviation of each colour channel.
    pub image_std: [f32; 3],
    /// Mel bands.
    pub mel_bands: usize,
    /// Sample rate of the waveform.
    pub sample_rate_hz: u32,
    /// Window of the spectrogram in samples.
    pub n_fft: usize,
    /// Step of the spectrogram in samples.
    pub hop_length: usize,
    /// Longest waveform in samples; the rest is cut off.
    pub max_samples: usize,
    /// Whether silence is padded before the sound instead of after it.
    pub pad_left: bool,
}

impl ProcessorConfig {
    /// Reads the settings of a checkpoint folder: `processor_config.json` of newer writers, where it has the parts,
    /// else the flat `preprocessor_config.json` of the released checkpoints; and `emomm_settings.json`, if there.
    pub fn read(folder: &Path) -> Result<Self> {
        let video = video_settings(&folder.join(SETTINGS_FILE))?;
        let nested = folder.join("processor_config.json");
        if nested.is_file() {
            let json = read_json(&nested)?;
            if let (Some(audio), Some(frames)) = (json.get("feature_extractor"), json.get("video_processor"))
            {
                return Self::from_json(&nested, audio, frames, video);
            }
        }
        let flat = folder.join("preprocessor_config.json");
        let json = read_json(&flat)?;
        Self::from_json(&flat, &json, &json, video)
    }

    fn from_json(path: &Path, audio: &Value, frames: &Value, video: VideoSettings) -> Result<Self> {
        let size = |field: &str, default: usize, range: RangeInclusive<usize>| match audio.get(field) {
            None | Some(Value::Null) => Ok(default),
            Some(value) => {
                let found = value.as_u64().map(|n| n as usize).filter(|n| range.contains(n));
                found.ok_or_else(|| {
                    let (least, most) = (range.start(), range.end());
                    let message =
                        format!("`{field}` is {value}, expected a whole number from {least} to {most}");
                    ModelError::config(path, message)
                })
            }
        };
        let triple = |field: &str, default: [f32; 3]| match frames.get(field) {
            None | Some(Value::Null) => Ok(default),
            Some(value) => serde_json::from_value::<[f32; 3]>(value.clone()).map_err(|_| {
                ModelError::config(path, format!("`{field}` is {value}, expected three numbers"))
            }),
        };
        let image_std = triple("image_std", CLIP_STD)?;
        if image_std.iter().any(|s| *s <= 0.0) {
            let message = format!("`image_std` is {image_std:?}, expected numbers above 0");
            return Err(ModelError::config(path, message));
        }
        let sample_rate = size("sampling_rate", 16_000, RATES_HZ)?;
        let mel_bands = size("feature_size", 128, 1..=MOST_BANDS)?;
        let hop_length = size("hop_length", 160, 1..=MOST_WINDOW)?;
        let max_samples = size("chunk_length", 300, 1..=MOST_SECONDS)? * sample_rate;
        let values = max_samples / hop_length * mel_bands;
        if values > MOST_MEL_VALUES {
            let message = format!(
                "`feature_size`, `hop_length`, `chunk_length` and `sampling_rate` make a spectrogram of {values} \
                 values, expected at most {MOST_MEL_VALUES}"
            );
            return Err(ModelError::config(path, message));
        }
        let processor_pixels = video.processor_bounds();
        let pad_left = match audio.get("padding_side").and_then(Value::as_str) {
            None | Some("right") => false,
            Some("left") => true,
            Some(other) => {
                let message = format!("`padding_side` is `{other}`, expected left or right");
                return Err(ModelError::config(path, message));
            }
        };
        Ok(Self {
            video,
            processor_pixels,
            image_mean: triple("image_mean", CLIP_MEAN)?,
            image_std,
            mel_bands,
            sample_rate_hz: sample_rate as u32,
            n_fft: size("n_fft", 400, 1..=MOST_WINDOW)?,
            hop_length,
            max_samples,
            pad_left,
        })
    }
}

fn read_json(path: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(path).map_err(|e| ModelError::io(path, e))?;
    serde_json::from_str(&text).map_err(|e| ModelError::config(path, e.to_string()))
}

// Bounds on what a damaged file may ask for, far above every released model.

/// Sample rates in Hz.
const RATES_HZ: RangeInclusive<usize> = 1_000..=768_000;
/// Most mel bands.
const MOST_BANDS: usize = 1 << 10;
/// Longest window or step of the spectrogram in samples.
const MOST_WINDOW: usize = 1 << 14;
/// Longest clip in seconds.
const MOST_SECONDS: usize = 86_400;
/// Most values of a spectrogram, 17 times those of the released models' longest clip.
const MOST_MEL_VALUES: usize = 1 << 26;
/// Most pixels of a frame, those of a picture of 8192x8192.
const MOST_PIXELS: f64 = 67_108_864.0;

/// Channel means of the CLIP family, the published default.
const CLIP_MEAN: [f32; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
/// Channel deviations of the CLIP family, the published default.
const CLIP_STD: [f32; 3] = [0.268_629_54, 0.261_302_6, 0.275_777_1];

fn video_settings(path: &Path) -> Result<VideoSettings> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(VideoSettings::default()),
        Err(e) => return Err(ModelError::io(path, e)),
    };
    let file: SettingsFile =
        serde_json::from_str(&text).map_err(|e| ModelError::config(path, e.to_string()))?;
    let v = file.video;
    let (minimum, _) = v.frame_bounds(1);
    let sane = (1.0..=MOST_PIXELS).contains(&minimum)
        && v.total_pixels >= 1.0
        && v.max_pixels.is_none_or(|m| m >= minimum)
        && v.fps > 0.0
        && v.fps.is_finite()
        && v.max_frames >= VideoSettings::FRAME_FACTOR as usize
        && (1..=v.max_frames).contains(&v.min_frames);
    if !sane {
        let message = "`video`: expected 1 <= min_pixels <= max_pixels, min_pixels of at most 8192 · 8192, total_pixels of at \
             least 1, fps > 0, 1 <= min_frames <= max_frames and max_frames of at least 2";
        return Err(ModelError::config(path, message));
    }
    Ok(v)
}

/// Whole merge groups nearest to a frame's size, within pixel bounds and with the aspect ratio kept as far as
/// possible: the reference's `smart_resize`. Returns (height, width).
pub fn smart_resize(
    height: usize,
    width: usize,
    factor: usize,
    bounds: (f64, f64),
) -> Result<(usize, usize)> {
    const MAX_RATIO: usize = 200;
    if height == 0 || width == 0 || height.max(width) > MAX_RATIO * height.min(width) {
        return Err(ModelError::request(
            format!(
                "frames of {width}x{height} pixels cannot be shown, expected sides within a ratio of {MAX_RATIO}"
            ),
            "crop the clip, or evaluate it without the video modality",
        ));
    }
    let (h, w, f) = (height as f64, width as f64, factor as f64);
    let (mut h_bar, mut w_bar) =
        (((h / f).round_ties_even() * f).max(f), ((w / f).round_ties_even() * f).max(f));
    let (min_pixels, max_pixels) = bounds;
    if h_bar * w_bar > max_pixels {
        let beta = (h * w / max_pixels).sqrt();
        h_bar = ((h / beta / f).floor() * f).max(f);
        w_bar = ((w / beta / f).floor() * f).max(f);
    } else if h_bar * w_bar < min_pixels {
        let beta = (min_pixels / (h * w)).sqrt();
        h_bar = (h * beta / f).ceil() * f;
        w_bar = (w * beta / f).ceil() * f;
    }
    Ok((h_bar as usize, w_bar as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes computed with the reference for ten frames.
    #[test]
    fn published_sizes() {
        let bounds = VideoSettings::default().frame_bounds(10);
        let cases = [
            ((360, 480), (364, 476)),
            ((360, 640), (364, 644)),
            ((720, 1280), (560, 1008)),
            ((1080, 1920), (560, 1008)),
        ];
        for ((h, w), want) in cases {
            assert_eq!(smart_resize(h, w, 28, bounds).unwrap(), want);
        }
    }

    #[test]
    fn extreme_ratios_are_refused() {
        assert!(smart_resize(1, 201, 28, (1.0, 1e6)).is_err());
        assert!(smart_resize(0, 10, 28, (1.0, 1e6)).is_err());
    }
}
