//! Kaldi's log filter-bank features, which speech encoders trained outside Whisper's family take.
//!
//! Step for step Kaldi's `compute-fbank-feats` without dither: frames that lie wholly inside the clip, mean removed, pre-emphasis,
//! Povey's window, power spectrum of the next power of two, triangles on the mel scale, natural logarithm.

use std::sync::Arc;

use realfft::{RealFftPlanner, RealToComplex};

use crate::error::MediaError;

/// Share of the last sample that pre-emphasis takes away.
const PREEMPHASIS: f64 = 0.97;
/// Exponent of Povey's window on Hann's.
const POVEY: f64 = 0.85;
/// Where the lowest triangle begins.
const LOW_HZ: f64 = 20.0;
/// Floor of an energy before its logarithm: the least step of f32 at 1.
const FLOOR: f64 = f32::EPSILON as f64;

/// Log filter-bank features.
///
/// # Shapes
/// `data` is `n_frames × n_mels`, all filters of the first frame first.
#[derive(Debug, Clone, PartialEq)]
pub struct LogFbank {
    /// Number of filters.
    pub n_mels: usize,
    /// Number of frames.
    pub n_frames: usize,
    /// The values.
    pub data: Vec<f32>,
}

/// Computes features of clips with one setting.
#[derive(Clone)]
pub struct KaldiFbank {
    frame_length: usize,
    frame_shift: usize,
    window: Vec<f64>,
    filters: Vec<Triangle>,
    transform: Arc<dyn RealToComplex<f64>>,
}

/// A filter: weights of the bins from one on.
#[derive(Debug, Clone)]
struct Triangle {
    first_bin: usize,
    weights: Vec<f64>,
}

impl KaldiFbank {
    /// Prepares window, filters and transform; lengths are in samples. The usual setting is 80, 16 kHz, 400 and 160.
    ///
    /// # Errors
    /// [`MediaError::InvalidArgument`] if a number is 0, or a frame has fewer than two samples.
    pub fn new(
        n_mels: usize,
        sample_rate_hz: u32,
        frame_length: usize,
        frame_shift: usize,
    ) -> Result<Self, MediaError> {
        if n_mels == 0 || f64::from(sample_rate_hz) <= 2.0 * LOW_HZ || frame_length < 2 || frame_shift == 0 {
            return Err(MediaError::InvalidArgument {
                what: "filter bank",
                found: format!(
                    "{n_mels} filters, {sample_rate_hz} Hz, frames of {frame_length} by {frame_shift}"
                ),
                expected: "at least 1 filter, 41 Hz, frames of 2 by 1".to_owned(),
            });
        }
        let n_fft = frame_length.next_power_of_two();
        let step = std::f64::consts::TAU / (frame_length - 1) as f64;
        Ok(Self {
            frame_length,
            frame_shift,
            window: (0..frame_length).map(|i| (0.5 - 0.5 * (step * i as f64).cos()).powf(POVEY)).collect(),
            filters: triangles(n_mels, f64::from(sample_rate_hz), n_fft),
            transform: RealFftPlanner::new().plan_fft_forward(n_fft),
        })
    }

    /// Frames of a clip: those that lie wholly inside it.
    pub fn frames(&self, samples: usize) -> usize {
        samples.checked_sub(self.frame_length).map_or(0, |rest| 1 + rest / self.frame_shift)
    }

    /// The features of one clip. Samples are on the scale that the model was trained with, often that of 16-bit numbers.
    ///
    /// # Errors
    /// [`MediaError::InvalidArgument`] for a clip shorter than a frame.
    pub fn compute(&self, samples: &[f32]) -> Result<LogFbank, MediaError> {
        let n_frames = self.frames(samples.len());
        if n_frames == 0 {
            return Err(MediaError::InvalidArgument {
                what: "clip for filter-bank features",
                found: format!("{} samples", samples.len()),
                expected: format!("at least {}", self.frame_length),
            });
        }
        let mut data = Vec::with_capacity(n_frames * self.filters.len());
        let mut input = self.transform.make_input_vec();
        let mut spectrum = self.transform.make_output_vec();
        let mut scratch = self.transform.make_scratch_vec();
        for frame in 0..n_frames {
            self.windowed(&samples[frame * self.frame_shift..][..self.frame_length], &mut input);
            self.transform.process_with_scratch(&mut input, &mut spectrum, &mut scratch).map_err(
                |error| MediaError::InvalidArgument {
                    what: "filter bank",
                    found: error.to_string(),
                    expected: "frames of at least 2 samples".to_owned(),
                },
            )?;
            for filter in &self.filters {
                let bins = spectrum[filter.first_bin..].iter().zip(&filter.weights);
                let energy: f64 = bins.map(|(bin, weight)| bin.norm_sqr() * weight).sum();
                data.push(energy.max(FLOOR).ln() as f32);
            }
        }
        Ok(LogFbank { n_mels: self.filters.len(), n_frames, data })
    }

    /// Mean removed, emphasised, windowed, filled up with zeros.
    fn windowed(&self, frame: &[f32], out: &mut [f64]) {
        let mean = frame.iter().map(|x| f64::from(*x)).sum::<f64>() / frame.len() as f64;
        let centred = |i: usize| f64::from(frame[i]) - mean;
        for (i, (out, weight)) in out.iter_mut().zip(&self.window).enumerate() {
            *out = (centred(i) - PREEMPHASIS * centred(i.saturating_sub(1))) * weight;
        }
        out[frame.len()..].fill(0.0);
    }
}

/// Triangles of equal width on the mel scale, from [`LOW_HZ`] to half the sample rate; the bin at half the rate belongs to none.
fn triangles(n_mels: usize, sample_rate_hz: f64, n_fft: usize) -> Vec<Triangle> {
    let mel = |hz: f64| 1127.0 * (1.0 + hz / 700.0).ln();
    let (low, high) = (mel(LOW_HZ), mel(sample_rate_hz / 2.0));
    let width = (high - low) / (n_mels + 1) as f64;
    let bins: Vec<f64> = (0..n_fft / 2).map(|bin| mel(sample_rate_hz * bin as f64 / n_fft as f64)).collect();
    let triangle = |i: usize| {
        let (left, centre, right) =
            (low + i as f64 * width, low + (i + 1) as f64 * width, low + (i + 2) as f64 * width);
        let weight = |at: f64| if at <= centre { (at - left) / width } else { (right - at) / width };
        let first_bin = bins.iter().take_while(|at| **at <= left).count();
        let weights = bins[first_bin..].iter().take_while(|at| **at < right).map(|at| weight(*at)).collect();
        Triangle { first_bin, weights }
    };
    (0..n_mels).map(triangle).collect()
}
