//! Frames to patches, waveform to mel frames: the arithmetic of the reference's processor.

use emomm_media::{FloatImage, LogMel, RgbImage, Waveform, WhisperMel, resize_bicubic, resize_bicubic_float};

use super::settings::{ProcessorConfig, smart_resize};
use crate::error::{ModelError, Result};
use crate::vision::{Grid, VitConfig};

/// Patches of a clip, ready for the vision tower.
#[derive(Debug, Clone, PartialEq)]
pub struct Patches {
    /// `[grid.patches()][patch_dim]`, merge groups in raster order.
    pub data: Vec<f32>,
    /// Number of patches in time, height and width.
    pub grid: Grid,
    /// Width and height of the frames after both stages.
    pub frame_size: [usize; 2],
}

/// `qwen_omni_utils` rounds to whole tokens of this side, in pixels, whatever the model.
const FIRST_STAGE_FACTOR: usize = 28;

/// The way of a clip's frames through both stages. The first rounds to whole 8-bit values, the second does not round; it
/// leaves the frames as they are unless its bounds ask for another size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameScale {
    /// Width and height after the first stage.
    first: (usize, usize),
    /// Width and height after the second.
    second: (usize, usize),
}

impl FrameScale {
    /// For `count` frames of `(width, height)` pixels; `factor` is the model's own side of a token in pixels.
    ///
    /// # Errors
    /// Frames too long and narrow to be shown.
    pub fn new(
        (width, height): (usize, usize),
        count: usize,
        config: &ProcessorConfig,
        factor: usize,
    ) -> Result<Self> {
        let bounds = config.video.frame_bounds(count.max(1));
        let (h1, w1) = smart_resize(height, width, FIRST_STAGE_FACTOR, bounds)?;
        let (h2, w2) = smart_resize(h1, w1, factor, config.processor_pixels)?;
        Ok(Self { first: (w1, h1), second: (w2, h2) })
    }

    /// The patches that `count` frames of this size give.
    pub fn grid(&self, count: usize, vit: &VitConfig) -> Grid {
        let (width, height) = self.second;
        Grid {
            t: count.div_ceil(vit.temporal_patch_size),
            h: height / vit.patch_size,
            w: width / vit.patch_size,
        }
    }

    /// Scales one frame.
    pub fn apply(&self, frame: &RgbImage) -> FloatImage {
        let rounded = FloatImage::from(&resize_bicubic(frame, self.first.0, self.first.1));
        resize_bicubic_float(&rounded, self.second.0, self.second.1)
    }
}

/// Scales all frames of a clip.
///
/// # Errors
/// Those of [`FrameScale::new`], and a clip without frames.
pub fn scale_frames(frames: &[RgbImage], config: &ProcessorConfig, factor: usize) -> Result<Vec<FloatImage>> {
    let first = frames.first().ok_or_else(no_frames)?;
    let scale = FrameScale::new((first.width, first.height), frames.len(), config, factor)?;
    Ok(frames.iter().map(|frame| scale.apply(frame)).collect())
}

fn no_frames() -> ModelError {
    ModelError::request(
        "a clip without frames cannot be shown",
        "evaluate this clip without the video modality",
    )
}

/// Normalises scaled frames and cuts them into patches; the last frame is repeated until whole temporal patches
/// result.
///
/// # Shapes
/// patch vectors are ordered (channel, frame, row, column); patches (time, group row, group column, row, column)
pub fn patchify(frames: &[FloatImage], config: &ProcessorConfig, vit: &VitConfig) -> Result<Patches> {
    let last = frames.last().ok_or_else(no_frames)?;
    let (side, merge, depth) = (vit.patch_size, vit.spatial_merge_size, vit.temporal_patch_size);
    let grid = Grid { t: frames.len().div_ceil(depth), h: last.height / side, w: last.width / side };
    let mean = config.image_mean.map(|m| m * 255.0);
    let std = config.image_std.map(|s| s * 255.0);
    let frame = |t: usize, dt: usize| frames.get(t * depth + dt).unwrap_or(last);
    let mut data = Vec::with_capacity(grid.patches() * vit.patch_dim());
    for t in 0..grid.t {
        for (group_y, group_x) in raster(grid.h / merge, grid.w / merge) {
            for (dy, dx) in raster(merge, merge) {
                let (top, left) = ((group_y * merge + dy) * side, (group_x * merge + dx) * side);
                for channel in 0..3 {
                    for dt in 0..depth {
                        let image = frame(t, dt);
                        for y in top..top + side {
                            let row = &image.data
                                [(y * image.width + left) * 3..(y * image.width + left + side) * 3];
                            let values = row.iter().skip(channel).step_by(3);
                            data.extend(values.map(|v| (v - mean[channel]) / std[channel]));
                        }
                    }
                }
            }
        }
    }
    Ok(Patches { data, grid, frame_size: [last.width, last.height] })
}

fn raster(rows: usize, columns: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..rows).flat_map(move |y| (0..columns).map(move |x| (y, x)))
}

/// Log-mel frames of a waveform, cut to the longest that the reference takes. The spectrogram is that of the
/// waveform padded with silence to that length, of which the frames of the clip itself are kept: those that begin
/// inside it. With the silence in front, frames count from the end of the padded clip.
pub fn log_mel(waveform: &Waveform, config: &ProcessorConfig) -> Result<LogMel> {
    let samples = &waveform.samples[..waveform.samples.len().min(config.max_samples)];
    let mel = WhisperMel::new(config.mel_bands, config.sample_rate_hz, config.n_fft, config.hop_length);
    if !config.pad_left {
        return Ok(mel.compute(samples, Some(config.max_samples))?);
    }
    // Enough silence for a whole window, and the sound's end on a frame border.
    let hop = config.hop_length;
    let silent_frames = (config.n_fft.div_ceil(hop) + 1).min((config.max_samples - samples.len()) / hop);
    let silence = silent_frames * hop + (hop - samples.len() % hop) % hop;
    let mut padded = vec![0.0; silence];
    padded.extend_from_slice(samples);
    let all = mel.compute(&padded, None)?;
    let first = silence.div_ceil(hop);
    let n_frames = all.n_frames - first.min(all.n_frames);
    let data =
        all.data.chunks(all.n_frames).flat_map(|band| band[all.n_frames - n_frames..].to_vec()).collect();
    Ok(LogMel { n_mels: all.n_mels, n_frames, data })
}
