//! Frames to patches, waveform to filter-bank features, as the authors' demonstration does.

use emomm_media::{KaldiFbank, LogFbank, RgbImage, Window, resize_bicubic};

use super::config::VitaConfig;
use crate::error::Result;
use crate::vision::InternVitConfig;

/// Most frames of a clip; longer ones are thinned out evenly. A constant of the authors' code.
const MOST_FRAMES: usize = 16;
/// Fewest frames of a clip; in shorter ones frames repeat. A constant of the authors' code.
const FEWEST_FRAMES: usize = 4;
/// Mean and deviation of the pixels, those of ImageNet; the vision tower's preprocessor stores the same.
const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];
/// Samples are counted on the scale of 16-bit numbers.
const SAMPLE_SCALE: f32 = 32_768.0;

/// Numbers of the frames that are shown: one for each second from the first on, by a whole stride, then evenly thinned
/// or repeated to between 4 and 16.
pub fn frame_indices(total: usize, frames_per_second: f64) -> Vec<usize> {
    // Python rounds halves to even.
    let stride = (frames_per_second.round_ties_even() as usize).max(1);
    let all: Vec<usize> = (0..total).step_by(stride).collect();
    let evenly = |count: usize| -> Vec<usize> {
        let last = all.len() - 1;
        let step = last as f64 / (count - 1) as f64;
        (0..count).map(|i| if i + 1 == count { all[last] } else { all[(i as f64 * step) as usize] }).collect()
    };
    match all.len() {
        0 => all,
        n if n > MOST_FRAMES => evenly(MOST_FRAMES),
        n if n < FEWEST_FRAMES => evenly(FEWEST_FRAMES),
        _ => all,
    }
}

/// One frame as patches: the short side scaled to the tower's side, the middle cut out, pixels normalised.
///
/// # Shapes
/// `[patches][channel, row, column]`, patches in raster order
pub fn patchify(frame: &RgbImage, vit: &InternVitConfig) -> Vec<f32> {
    let side = vit.image_size;
    let (width, height) = scaled(frame.width, frame.height, side);
    let scaled = resize_bicubic(frame, width, height);
    let (left, top) = ((width - side) / 2, (height - side) / 2);
    let patch = vit.patch_size;
    let mut data = Vec::with_capacity(vit.patches() * vit.patch_dim());
    for (row, column) in (0..vit.side()).flat_map(|r| (0..vit.side()).map(move |c| (r, c))) {
        for channel in 0..3 {
            for y in 0..patch {
                let start = ((top + row * patch + y) * width + left + column * patch) * 3;
                let values = scaled.data[start..start + patch * 3].iter().skip(channel).step_by(3);
                data.extend(values.map(|v| (f32::from(*v) / 255.0 - MEAN[channel]) / DEVIATION[channel]));
            }
        }
    }
    data
}

/// The part of a frame that [`patchify`] cuts out.
pub(super) fn visible(width: usize, height: usize, vit: &InternVitConfig) -> Window {
    let side = vit.image_size;
    let (width, height) = scaled(width, height, side);
    let middle = |long: usize| {
        let first = (long - side) / 2;
        [first as f64 / long as f64, (first + side) as f64 / long as f64]
    };
    Window { columns: middle(width), rows: middle(height) }
}

/// Width and height once the shorter of them is `side`; the longer is rounded down.
fn scaled(width: usize, height: usize, side: usize) -> (usize, usize) {
    let long = |long: usize, short: usize| (side as f64 * long as f64 / short.max(1) as f64) as usize;
    if width <= height { (side, long(height, width)) } else { (long(width, height), side) }
}

/// The filter bank that a checkpoint asks for.
pub fn filter_bank(config: &VitaConfig) -> Result<KaldiFbank> {
    let samples = |ms: usize| config.sample_rate_hz as usize * ms / 1000;
    let (length, shift) = (samples(config.frame_length_ms), samples(config.frame_shift_ms));
    Ok(KaldiFbank::new(config.audio.n_mels, config.sample_rate_hz, length, shift)?)
}

/// Features of a sound, without dither: the reference adds noise, which would make the answer a matter of chance.
pub fn features(samples: &[f32], bank: &KaldiFbank) -> Result<LogFbank> {
    let scaled: Vec<f32> = samples.iter().map(|x| x * SAMPLE_SCALE).collect();
    Ok(bank.compute(&scaled)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By numpy: `[list(range(0, n, round(fps)))[i] for i in linspace(0, len - 1, num, dtype=int)]`.
    #[test]
    fn a_frame_a_second_between_four_and_sixteen() {
        assert_eq!(frame_indices(125, 25.0), [0, 25, 50, 75, 100]);
        assert_eq!(frame_indices(60, 29.97), [0, 0, 0, 30]);
        assert_eq!(frame_indices(75, 25.0), [0, 0, 25, 50]);
        assert_eq!(frame_indices(10, 24.5), [0, 0, 0, 0]);
        let long = frame_indices(500, 25.0);
        assert_eq!(long, [0, 25, 50, 75, 125, 150, 175, 200, 250, 275, 300, 325, 375, 400, 425, 475]);
        assert_eq!(frame_indices(3, 0.2), [0, 0, 1, 2]);
        assert!(frame_indices(0, 25.0).is_empty());
    }

    #[test]
    fn the_middle_of_a_frame_is_visible() {
        let vit = InternVitConfig {
            depth: 1,
            hidden_size: 8,
            intermediate_size: 8,
            n_heads: 1,
            in_channels: 3,
            image_size: 448,
            patch_size: 14,
            layer_norm_eps: 1e-6,
            qkv_bias: true,
        };
        assert_eq!(visible(100, 100, &vit), Window::WHOLE);
        let wide = visible(480, 360, &vit);
        assert_eq!(wide, Window { columns: [74.0 / 597.0, 522.0 / 597.0], rows: [0.0, 1.0] });
        let high = visible(360, 640, &vit);
        assert_eq!(high, Window { columns: [0.0, 1.0], rows: [174.0 / 796.0, 622.0 / 796.0] });
    }

    #[test]
    fn the_short_side_is_scaled() {
        assert_eq!(scaled(480, 360, 448), (597, 448));
        assert_eq!(scaled(360, 640, 448), (448, 796));
        assert_eq!(scaled(100, 100, 448), (448, 448));
    }
}
