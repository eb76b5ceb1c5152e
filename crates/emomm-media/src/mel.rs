//! Whisper's log-mel features.
//!
//! Step for step `transformers.WhisperFeatureExtractor`: reflect padding by half a window, Hann window, power spectrum,
//! Slaney filter bank, log10 of at least 1e-10, floor at 8 below the clip's highest value, then `(x + 4) / 4`. The
//! reference pads a clip with zeros to 300 s first. Frames that see nothing but padding come out at the floor, so only
//! the frames that touch the signal are computed here, as if the padding were there.

use std::sync::Arc;

use realfft::{RealFftPlanner, RealToComplex};

use crate::error::MediaError;
use crate::mel_filters::{MelFilter, slaney_filters};

/// Least power that is told from silence.
const SILENCE: f64 = 1e-10;

/// Log-mel features.
///
/// # Shapes
/// `data` is `n_mels × n_frames`, all frames of the lowest filter first.
#[derive(Debug, Clone, PartialEq)]
pub struct LogMel {
    /// Number of mel filters.
    pub n_mels: usize,
    /// Number of frames.
    pub n_frames: usize,
    /// The values.
    pub data: Vec<f32>,
}

/// Computes log-mel features of clips with one setting.
#[derive(Clone)]
pub struct WhisperMel {
    n_fft: usize,
    hop_length: usize,
    window: Vec<f64>,
    filters: Vec<MelFilter>,
    transform: Arc<dyn RealToComplex<f64>>,
}

impl WhisperMel {
    /// Prepares window, filters and transform. Qwen2.5-Omni's setting is 128, 16 kHz, 400 and 160.
    ///
    /// The filters reach to 8 kHz at every sample rate, as in Whisper.
    pub fn new(n_mels: usize, sample_rate_hz: u32, n_fft: usize, hop_length: usize) -> Self {
        let angle = |i: usize| std::f64::consts::TAU * i as f64 / n_fft as f64;
        Self {
            n_fft,
            hop_length,
            window: (0..n_fft).map(|i| 0.5 - 0.5 * angle(i).cos()).collect(),
            filters: slaney_filters(n_mels, sample_rate_hz, n_fft),
            transform: RealFftPlanner::new().plan_fft_forward(n_fft.max(1)),
        }
    }

    /// The features of one clip.
    ///
    /// `padded_length` is the length in samples to which the reference would pad the clip with zeros; `None` is no
    /// padding. A clip longer than that is cut, as in the reference. Only the frames that the reference's attention mask
    /// marks as valid are given: `ceil(n / hop)`, but never more than `padded_length / hop`.
    ///
    /// # Errors
    /// [`MediaError::InvalidArgument`] for a clip without samples, for one that (with its padding) is too short to
    /// reflect by half a window, or when the settings given to [`WhisperMel::new`] hold a 0.
    pub fn compute(&self, samples: &[f32], padded_length: Option<usize>) -> Result<LogMel, MediaError> {
        let padded = padded_length.unwrap_or(samples.len());
        let samples = &samples[..samples.len().min(padded)];
        self.check(samples, padded)?;
        let half = self.n_fft / 2;
        let all_frames = padded / self.hop_length;
        let n_frames = samples.len().div_ceil(self.hop_length).min(all_frames);
        // The frames after those still see the end of the signal and count for the highest value.
        let touched = (samples.len() + half).div_ceil(self.hop_length).min(all_frames);

        let n_mels = self.filters.len();
        let mut data = vec![0.0f32; n_mels * n_frames];
        let mut highest = SILENCE.log10() as f32;
        let mut input = self.transform.make_input_vec();
        let mut spectrum = self.transform.make_output_vec();
        let mut scratch = self.transform.make_scratch_vec();
        let mut power = vec![0.0f64; spectrum.len()];
        for frame in 0..touched {
            self.window_at(samples, padded, frame, &mut input);
            self.transform.process_with_scratch(&mut input, &mut spectrum, &mut scratch).map_err(
                |error| MediaError::InvalidArgument {
                    what: "n_fft",
                    found: error.to_string(),
                    expected: "a length above 1".into(),
                },
            )?;
            for (power, bin) in power.iter_mut().zip(&spectrum) {
                *power = bin.norm_sqr();
            }
            for (mel, filter) in self.filters.iter().enumerate() {
                let bins = &power[filter.first_bin..];
                let sum: f64 =
                    bins.iter().zip(&filter.weights).map(|(power, &weight)| power * f64::from(weight)).sum();
                let level = sum.max(SILENCE).log10() as f32;
                highest = highest.max(level);
                if frame < n_frames {
                    data[mel * n_frames + frame] = level;
                }
            }
        }
        for level in &mut data {
            *level = (level.max(highest - 8.0) + 4.0) / 4.0;
        }
        Ok(LogMel { n_mels, n_frames, data })
    }

    fn check(&self, samples: &[f32], padded: usize) -> Result<(), MediaError> {
        let invalid = |what, found: String, expected: String| {
            Err(MediaError::InvalidArgument { what, found, expected })
        };
        if self.n_fft < 2 || self.hop_length == 0 || self.filters.is_empty() {
            let found =
                format!("n_fft {}, hop {}, {} filters", self.n_fft, self.hop_length, self.filters.len());
            return invalid("mel settings", found, "n_fft of at least 2, the others at least 1".to_owned());
        }
        if samples.is_empty() {
            return invalid("clip for mel features", "0 samples".to_owned(), "at least 1".to_owned());
        }
        if padded <= self.n_fft / 2 {
            let expected = format!("at least {}, with padding", self.n_fft / 2 + 1);
            return invalid("clip for mel features", format!("{padded} samples"), expected);
        }
        Ok(())
    }

    /// The windowed samples around `frame · hop`, reflected at both ends of the padded clip.
    fn window_at(&self, samples: &[f32], padded: usize, frame: usize, windowed: &mut [f64]) {
        let start = (frame * self.hop_length) as i64 - (self.n_fft / 2) as i64;
        let last = padded as i64 - 1;
        for (i, (value, weight)) in windowed.iter_mut().zip(&self.window).enumerate() {
            let mut at = (start + i as i64).abs();
            if at > last {
                at = 2 * last - at;
            }
            let sample = usize::try_from(at).ok().and_then(|at| samples.get(at)).copied().unwrap_or(0.0);
            *value = f64::from(sample) * weight;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_changes_only_what_it_touches() {
        let samples: Vec<f32> = (0..5001).map(|i| ((i * i % 977) as f32 / 977.0 - 0.5) * 0.3).collect();
        let mel = WhisperMel::new(80, 16_000, 400, 160);
        let short = mel.compute(&samples, Some(8000)).expect("a clip");
        let long = mel.compute(&samples, Some(4_800_000)).expect("a clip");
        assert_eq!(short, long);
        assert_eq!((short.n_mels, short.n_frames), (80, 32));
        let bare = mel.compute(&samples, None).expect("a clip");
        assert_eq!(bare.n_frames, 31);
        assert_eq!(bare.data[..29], long.data[..29]);
    }

    #[test]
    fn silence_is_flat_and_bad_input_is_refused() {
        let mel = WhisperMel::new(80, 16_000, 400, 160);
        let silence = mel.compute(&[0.0; 1600], Some(16_000)).expect("silence");
        assert!(silence.data.iter().all(|&value| (value + 1.5).abs() < 1e-6));
        assert!(mel.compute(&[], Some(16_000)).is_err());
        assert!(mel.compute(&[0.1; 200], None).is_err());
        assert!(mel.compute(&[0.1; 201], None).is_ok());
        assert!(WhisperMel::new(80, 16_000, 0, 160).compute(&[0.1; 800], None).is_err());
        assert!(WhisperMel::new(80, 16_000, 400, 0).compute(&[0.1; 800], None).is_err());
        assert!(WhisperMel::new(0, 16_000, 400, 160).compute(&[0.1; 800], None).is_err());
    }
}
