//! Which frames of a clip a model sees.
//!
//! The rule is the one of `qwen_omni_utils` 0.0.9 (`smart_nframes`, then `torch.linspace(...).round()`), because the
//! model was trained and published with it. Its indices are frame numbers, not times, so on a clip with a variable frame
//! rate they are not evenly spaced in time; [`SamplingMode::Time`] is for those who want that instead.

use serde::{Deserialize, Serialize};

use crate::error::MediaError;

/// What is evenly spaced: frame numbers or times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SamplingMode {
    /// Evenly spaced frame numbers, as the reference does.
    #[default]
    Qwen,
    /// The frames whose presentation times are nearest to evenly spaced times.
    Time,
}

impl SamplingMode {
    /// The word used on the command line and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Qwen => "qwen",
            Self::Time => "time",
        }
    }
}

/// How many frames to take and how to space them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrameSampling {
    /// What is evenly spaced.
    pub mode: SamplingMode,
    /// Frames wanted per second of video.
    pub fps: f64,
    /// Fewest frames, unless the clip has fewer.
    pub min_frames: usize,
    /// Most frames.
    pub max_frames: usize,
    /// The number of frames is a multiple of this, because the model merges this many into one temporal patch.
    pub frame_factor: usize,
}

impl Default for FrameSampling {
    /// The defaults of `qwen_omni_utils` 0.0.9.
    fn default() -> Self {
        Self { mode: SamplingMode::Qwen, fps: 2.0, min_frames: 4, max_frames: 768, frame_factor: 2 }
    }
}

impl FrameSampling {
    fn check(&self) -> Result<(), MediaError> {
        let invalid = |what, found: String, expected: &str| {
            Err(MediaError::InvalidArgument { what, found, expected: expected.to_owned() })
        };
        if !(self.fps.is_finite() && self.fps > 0.0) {
            return invalid("sampling fps", self.fps.to_string(), "a finite number above 0");
        }
        if self.frame_factor == 0 {
            return invalid("frame_factor", "0".to_owned(), "at least 1");
        }
        if self.max_frames < self.frame_factor {
            let expected = format!("at least frame_factor, which is {}", self.frame_factor);
            return invalid("max_frames", self.max_frames.to_string(), &expected);
        }
        if self.min_frames > self.max_frames {
            let expected = format!("at most max_frames, which is {}", self.max_frames);
            return invalid("min_frames", self.min_frames.to_string(), &expected);
        }
        Ok(())
    }

    /// How many frames a clip of `total` frames at `avg_fps` is sampled to.
    ///
    /// `total / avg_fps * fps`, kept between `min_frames` and `max_frames` and at most `total`, then rounded down to a
    /// multiple of `frame_factor`.
    ///
    /// # Errors
    /// [`MediaError::TooFewFrames`] when not one multiple of `frame_factor` fits: a one-frame clip cannot be sampled,
    /// as in the reference (which raises `nframes should in interval [2, 1]`).
    pub fn frame_count(&self, total: usize, avg_fps: f64) -> Result<usize, MediaError> {
        self.check()?;
        if !(avg_fps.is_finite() && avg_fps > 0.0) {
            return Err(MediaError::InvalidArgument {
                what: "average frame rate",
                found: avg_fps.to_string(),
                expected: "a finite number of frames per second above 0".to_owned(),
            });
        }
        let factor = self.frame_factor as f64;
        let fewest = (self.min_frames as f64 / factor).ceil() * factor;
        let most = (self.max_frames as f64 / factor).floor() * factor;
        let wanted = (total as f64 / avg_fps * self.fps).max(fewest).min(most).min(total as f64);
        let count = ((wanted / factor).floor() * factor) as usize;
        if count < self.frame_factor {
            return Err(MediaError::TooFewFrames {
                path: None,
                found: format!("{total} frame{} in the video", if total == 1 { "" } else { "s" }),
                expected: self.frame_factor,
            });
        }
        Ok(count)
    }
}

/// The frames to take from a clip of `total` frames, in ascending order.
///
/// `pts` are the presentation times of all frames in seconds; [`SamplingMode::Qwen`] does not look at them. In
/// [`SamplingMode::Time`] the wanted times divide the span from the first to the last frame evenly, a tie goes to the
/// earlier frame, and one frame may be chosen more than once across a long gap, as it would stay on the screen.
///
/// # Errors
/// [`MediaError::TooFewFrames`] for clips the rule cannot take, [`MediaError::InvalidArgument`] for a rate that is not
/// positive or, in `Time` mode, for times that are missing or not finite.
pub fn sample_frames(
    total: usize,
    avg_fps: f64,
    pts: &[f64],
    sampling: &FrameSampling,
) -> Result<Vec<usize>, MediaError> {
    let count = sampling.frame_count(total, avg_fps)?;
    match sampling.mode {
        SamplingMode::Qwen => Ok(evenly_spaced(total, count)),
        SamplingMode::Time => nearest_in_time(total, count, pts),
    }
}

/// `torch.linspace(0, total - 1, count).round()` in f32, as torch computes it on a CPU: from both ends towards the
/// middle, with a fused multiply and add. Up to 13,600 frames this is the same as rounding the exact values half to even.
fn evenly_spaced(total: usize, count: usize) -> Vec<usize> {
    if count == 1 {
        return vec![0];
    }
    let last = (total - 1) as f32;
    let step = last / (count - 1) as f32;
    let position = |i: usize| {
        if i < count / 2 { step * i as f32 } else { (-step).mul_add((count - 1 - i) as f32, last) }
    };
    (0..count).map(|i| (position(i).round_ties_even() as usize).min(total - 1)).collect()
}

fn nearest_in_time(total: usize, count: usize, pts: &[f64]) -> Result<Vec<usize>, MediaError> {
    if pts.len() != total || pts.iter().any(|time| !time.is_finite()) {
        return Err(MediaError::InvalidArgument {
            what: "presentation times",
            found: format!("{} finite times", pts.iter().filter(|time| time.is_finite()).count()),
            expected: format!("one for each of {total} frames"),
        });
    }
    let first = pts.iter().copied().fold(f64::INFINITY, f64::min);
    let last = pts.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let step = if count > 1 { (last - first) / (count - 1) as f64 } else { 0.0 };
    let mut chosen: Vec<usize> = (0..count).map(|i| nearest(pts, first + step * i as f64)).collect();
    // Times run backwards only in damaged files; the order of the frames is kept even then.
    chosen.sort_unstable();
    Ok(chosen)
}

fn nearest(pts: &[f64], wanted: f64) -> usize {
    let mut best = 0;
    for (index, time) in pts.iter().enumerate() {
        if (time - wanted).abs() < (pts[best] - wanted).abs() {
            best = index;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_seconds_at_thirty_take_twenty_frames() {
        let chosen = sample_frames(300, 30.0, &[], &FrameSampling::default()).expect("300 frames suffice");
        assert_eq!(chosen.len(), 20);
        assert_eq!((chosen[0], chosen[1], chosen[19]), (0, 16, 299));
    }

    #[test]
    fn time_mode_repeats_a_frame_across_a_gap() {
        let sampling = FrameSampling { mode: SamplingMode::Time, ..FrameSampling::default() };
        let pts = [0.0, 0.1, 0.2, 0.3, 9.0, 9.1];
        let chosen = sample_frames(6, 1.0, &pts, &sampling).expect("6 frames suffice");
        assert_eq!(chosen, [0, 3, 3, 4, 4, 5]);
        assert!(sample_frames(6, 1.0, &pts[..5], &sampling).is_err());
    }

    #[test]
    fn one_frame_is_too_few() {
        let error = sample_frames(1, 30.0, &[], &FrameSampling::default()).expect_err("one frame");
        assert!(matches!(error, MediaError::TooFewFrames { expected: 2, .. }));
    }

    #[test]
    fn settings_that_make_no_sense_are_refused() {
        let default = FrameSampling::default();
        for sampling in [
            FrameSampling { fps: 0.0, ..default },
            FrameSampling { fps: f64::NAN, ..default },
            FrameSampling { frame_factor: 0, ..default },
            FrameSampling { max_frames: 1, min_frames: 1, ..default },
            FrameSampling { max_frames: 8, min_frames: 10, ..default },
        ] {
            let outcome = sample_frames(300, 30.0, &[], &sampling);
            assert!(matches!(outcome, Err(MediaError::InvalidArgument { .. })), "{sampling:?}");
        }
        assert!(sample_frames(300, 0.0, &[], &default).is_err());
    }

    #[test]
    fn settings_read_as_documented() {
        let text = r#"{"mode":"time","fps":1.0,"min_frames":4,"max_frames":8,"frame_factor":2}"#;
        let sampling: FrameSampling = serde_json::from_str(text).expect("valid settings");
        assert_eq!(sampling.mode, SamplingMode::Time);
        assert!(serde_json::from_str::<SamplingMode>("\"index\"").is_err());
    }
}
