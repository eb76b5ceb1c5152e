//! Words burned into the picture: whether there are any, and in which rows.
//!
//! Letters of subtitles are bright strokes with dark borders, side by side in a narrow band of the lower half, bounded by
//! quieter rows, at the same height in most frames that have any. That is what is looked for; nothing is read. A scoreboard
//! or a shop sign low in the picture looks the same, and thin grey letters are missed, so the answer is "likely", for a
//! warning, never for a decision.

use std::path::Path;

use crate::error::MediaError;
use crate::ffmpeg::Ffmpeg;
use crate::image::RgbImage;
use crate::limits::DecodeLimits;
use crate::scan::scan_video;
use crate::video::read_frames;

/// Frames that are looked at.
const N_FRAMES: usize = 8;
/// Share of the frames that must have the band: subtitles pause while nobody speaks.
const MIN_SHARE: f64 = 0.375;
/// Step of luminance, of 255, between a stroke and its border.
const STEP: i32 = 110;
/// Share of a row's pixels that stand beside such a step.
const MIN_DENSITY: f64 = 0.05;
/// Where the search begins, as a share of the height.
const FROM: f64 = 0.55;
/// Least and greatest height of the band, as shares of the picture's: small letters to two lines.
const HEIGHTS: (f64, f64) = (0.025, 0.2);
/// How much quieter the rows above and below must be.
const CONTRAST: f64 = 2.5;

/// A band of rows, as shares of the height from the top.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SubtitleRows {
    /// Its first row.
    pub from: f64,
    /// Its end.
    pub to: f64,
}

impl SubtitleRows {
    fn overlaps(self, other: Self) -> bool {
        let common = self.to.min(other.to) - self.from.max(other.from);
        common > 0.5 * (self.to - self.from).min(other.to - other.from)
    }
}

/// Where subtitles are likely in a video, from eight frames at even distances; `None` where they are not.
///
/// # Errors
/// Those of [`scan_video`] and [`read_frames`].
pub fn find_subtitles(
    ffmpeg: &Ffmpeg,
    path: &Path,
    limits: &DecodeLimits,
) -> Result<Option<SubtitleRows>, MediaError> {
    let scan = scan_video(ffmpeg, path, limits)?;
    let (total, n) = (scan.total_frames(), N_FRAMES.min(scan.total_frames()));
    let mut indices: Vec<usize> = (0..n).map(|i| (2 * i + 1) * total / (2 * n)).collect();
    indices.dedup();
    let mut bands = Vec::with_capacity(indices.len());
    read_frames(ffmpeg, path, &scan, &indices, limits, |frame| bands.push(band_of(&frame)))?;
    Ok(shared_band(&bands))
}

/// The band that enough frames have in common, at the median of their borders.
fn shared_band(bands: &[Option<SubtitleRows>]) -> Option<SubtitleRows> {
    let found: Vec<SubtitleRows> = bands.iter().copied().flatten().collect();
    let needed = ((bands.len() as f64 * MIN_SHARE).ceil() as usize).max(1);
    let mut best: Vec<SubtitleRows> = Vec::new();
    for &band in &found {
        let alike: Vec<SubtitleRows> = found.iter().copied().filter(|other| other.overlaps(band)).collect();
        if alike.len() > best.len() {
            best = alike;
        }
    }
    if best.len() < needed {
        return None;
    }
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    };
    Some(SubtitleRows {
        from: median(best.iter().map(|band| band.from).collect())?,
        to: median(best.iter().map(|band| band.to).collect())?,
    })
}

/// The lowest band of one frame that looks like a line or two of letters.
fn band_of(frame: &RgbImage) -> Option<SubtitleRows> {
    let height = frame.height;
    let reach = (height / 100).max(2);
    let densities: Vec<f64> = (0..height).map(|y| step_density(frame, y, reach)).collect();
    let first = (FROM * height as f64) as usize;
    let gap = (height / 60).max(1);
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (y, _) in densities.iter().enumerate().skip(first).filter(|(_, density)| **density >= MIN_DENSITY) {
        match runs.last_mut() {
            Some((_, end)) if y <= *end + gap => *end = y + 1,
            _ => runs.push((y, y + 1)),
        }
    }
    runs.iter().rev().find_map(|&(from, to)| {
        let share = (to - from) as f64 / height as f64;
        if !(HEIGHTS.0..=HEIGHTS.1).contains(&share) || to - from < 4 {
            return None;
        }
        let inside = mean(densities.get(from..to)?);
        // A rim of blurred rows belongs to neither side.
        let rim = gap + 1;
        let above = densities.get(from.saturating_sub(rim + (to - from))..from.saturating_sub(rim))?;
        let below = densities.get((to + rim).min(height)..(to + rim + (to - from)).min(height))?;
        let is_bounded = mean(above).max(mean(below)) * CONTRAST <= inside;
        is_bounded.then(|| SubtitleRows { from: from as f64 / height as f64, to: to as f64 / height as f64 })
    })
}

/// Share of the pixels of a row that differ by a step from the one `reach` further on.
fn step_density(frame: &RgbImage, y: usize, reach: usize) -> f64 {
    let bytes = 3 * frame.width;
    let Some(row) = frame.data.get(y * bytes..(y + 1) * bytes) else { return 0.0 };
    // Rec. 601 in 1/256.
    let luminance: Vec<i32> = row
        .chunks_exact(3)
        .map(|p| match p {
            &[r, g, b] => (77 * i32::from(r) + 150 * i32::from(g) + 29 * i32::from(b)) >> 8,
            _ => 0,
        })
        .collect();
    let steps =
        luminance.iter().zip(luminance.iter().skip(reach)).filter(|(a, b)| (**a - **b).abs() >= STEP).count();
    steps as f64 / frame.width as f64
}

fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture with a soft gradient, and `letters` boxes of white strokes with black borders from `top` on.
    fn picture(top: Option<usize>, letters: usize) -> RgbImage {
        let (width, height) = (320, 240);
        let mut data: Vec<u8> = (0..height * width).flat_map(|i| [((i % width) / 2 + 40) as u8; 3]).collect();
        let mut put = |x: usize, y: usize, value: u8| {
            for channel in 0..3 {
                data[(y * width + x) * 3 + channel] = value;
            }
        };
        if let Some(top) = top {
            for letter in 0..letters {
                let left = 30 + letter * 14;
                for y in 0..14 {
                    for x in 0..10 {
                        // Two uprights and a bar, each three pixels wide, with a border of one.
                        let is_stroke = x % 7 < 3 && (1..13).contains(&y) || (6..9).contains(&y);
                        put(left + x, top + y, if is_stroke { 250 } else { 5 });
                    }
                }
            }
        }
        RgbImage { width, height, data }
    }

    #[test]
    fn a_line_of_letters_is_found_where_it_is() {
        let band = band_of(&picture(Some(205), 16)).unwrap();
        assert!(
            (band.from * 240.0 - 205.0).abs() <= 2.0 && (band.to * 240.0 - 219.0).abs() <= 2.0,
            "{band:?}"
        );
    }

    #[test]
    fn quiet_pictures_single_marks_and_high_letters_have_none() {
        assert_eq!(band_of(&picture(None, 0)), None);
        assert_eq!(band_of(&picture(Some(205), 1)), None, "one mark is no line");
        assert_eq!(band_of(&picture(Some(40), 16)), None, "a title at the top is no subtitle");
    }

    #[test]
    fn a_texture_over_the_whole_picture_is_no_band() {
        let data = (0..320 * 240).flat_map(|i| [if (i % 320 / 4) % 2 == 0 { 250 } else { 5 }; 3]).collect();
        assert_eq!(band_of(&RgbImage { width: 320, height: 240, data }), None);
    }

    #[test]
    fn frames_must_agree_on_the_band() {
        let at = |from: f64| Some(SubtitleRows { from, to: from + 0.06 });
        assert_eq!(shared_band(&[None, at(0.85), None, None, at(0.85), None, None, None]), None);
        let band = shared_band(&[None, at(0.85), at(0.86), at(0.6), at(0.85), None, None, None]).unwrap();
        assert!((band.from - 0.85).abs() < 1e-9);
        assert_eq!(shared_band(&[at(0.6), at(0.7), at(0.8), at(0.9)]), None, "no two of these overlap");
    }
}
