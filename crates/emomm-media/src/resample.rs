//! Change of sample rate by a windowed-sinc filter.
//!
//! The reference resamples with soxr at its high quality setting. Not every ffmpeg has soxr, and those that do differ, so
//! the filter is here: a Kaiser window of 125 dB, pass band up to 0.913 of the lower Nyquist frequency, stop band from
//! there to 1. Only additions, multiplications, divisions and square roots in a fixed order are used (the sine is a
//! polynomial, nothing is fused), so every machine gives the same samples.

/// Where the pass band ends, as a fraction of the lower of the two Nyquist frequencies.
const PASS_BAND: f64 = 0.913;
/// Attenuation in the stop band.
const ATTENUATION_DB: f64 = 125.0;
/// Most coefficients kept; beyond that (rates without a common divisor) each is computed again when needed.
const MOST_KEPT: usize = 8 << 20;

/// Resamples a mono signal.
///
/// The result has `ceil(n · to / from)` samples and no delay; the signal counts as zero outside its ends. Equal rates
/// give the samples back. A rate of 0 gives no samples.
#[must_use]
pub fn resample(samples: &[f32], from_hz: u32, to_hz: u32) -> Vec<f32> {
    if from_hz == to_hz {
        return samples.to_vec();
    }
    if from_hz == 0 || to_hz == 0 || samples.is_empty() {
        return Vec::new();
    }
    let divisor = greatest_common_divisor(from_hz, to_hz);
    let (up, down) = (u64::from(to_hz / divisor), u64::from(from_hz / divisor));
    let length = (samples.len() as u64 * up).div_ceil(down) as usize;
    let filter = Filter::new(from_hz, to_hz, up);
    let keep = filter.taps().saturating_mul(up as usize) <= MOST_KEPT;
    let mut kept: Vec<Vec<f64>> = if keep { vec![Vec::new(); up as usize] } else { Vec::new() };

    let mut resampled = Vec::with_capacity(length);
    for m in 0..length as u64 {
        let (centre, phase) = ((m * down / up) as usize, m * down % up);
        let sum = if let Some(coefficients) = kept.get_mut(phase as usize) {
            if coefficients.is_empty() {
                *coefficients = filter.phase(phase);
            }
            filter.apply(samples, centre, coefficients)
        } else {
            filter.apply(samples, centre, &filter.phase(phase))
        };
        resampled.push(sum as f32);
    }
    resampled
}

fn greatest_common_divisor(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// A continuous low-pass filter, sampled at `up` phases between two input samples.
struct Filter {
    /// Twice the cut-off in cycles per input sample.
    bandwidth: f64,
    /// Half the width of the window in input samples.
    half_width: f64,
    beta: f64,
    beta_bessel: f64,
    up: u64,
}

impl Filter {
    fn new(from_hz: u32, to_hz: u32, up: u64) -> Self {
        let nyquist = f64::from(from_hz.min(to_hz)) / f64::from(from_hz);
        let transition = (1.0 - PASS_BAND) * nyquist * std::f64::consts::PI;
        let beta = 0.1102 * (ATTENUATION_DB - 8.7);
        Self {
            bandwidth: f64::midpoint(1.0, PASS_BAND) * nyquist,
            half_width: (ATTENUATION_DB - 7.95) / (2.285 * transition) / 2.0,
            beta,
            beta_bessel: bessel_i0(beta),
            up,
        }
    }

    /// Taps on each side of the output's position.
    fn side(&self) -> usize {
        self.half_width.ceil() as usize
    }

    fn taps(&self) -> usize {
        2 * self.side()
    }

    /// The coefficients for an output `phase / up` after an input sample, from the earliest input on.
    fn phase(&self, phase: u64) -> Vec<f64> {
        let offset = phase as f64 / self.up as f64;
        let first = 1.0 - self.side() as f64;
        (0..self.taps()).map(|tap| self.at(first + tap as f64 - offset)).collect()
    }

    /// The filter at a distance in input samples.
    fn at(&self, t: f64) -> f64 {
        let across = t / self.half_width;
        if across.abs() >= 1.0 {
            return 0.0;
        }
        let window = bessel_i0(self.beta * (1.0 - across * across).sqrt()) / self.beta_bessel;
        let x = self.bandwidth * t;
        let sinc = if x.abs() < 1e-9 { 1.0 } else { sin_pi(x) / (std::f64::consts::PI * x) };
        self.bandwidth * sinc * window
    }

    fn apply(&self, samples: &[f32], centre: usize, coefficients: &[f64]) -> f64 {
        let skipped = (self.side() - 1).saturating_sub(centre);
        let first = (centre + 1 + skipped).saturating_sub(self.side());
        let coefficients = coefficients.get(skipped..).unwrap_or_default();
        dot(samples.get(first..).unwrap_or_default(), coefficients)
    }
}

/// The sum of products over the shorter of the two, in eight interleaved partial sums.
fn dot(samples: &[f32], coefficients: &[f64]) -> f64 {
    let length = samples.len().min(coefficients.len());
    let (samples, coefficients) = (&samples[..length], &coefficients[..length]);
    let mut sums = [0.0f64; 8];
    for (samples, coefficients) in samples.chunks(8).zip(coefficients.chunks(8)) {
        for ((sum, &sample), &coefficient) in sums.iter_mut().zip(samples).zip(coefficients) {
            *sum += f64::from(sample) * coefficient;
        }
    }
    let [a, b, c, d, e, f, g, h] = sums;
    ((a + e) + (b + f)) + ((c + g) + (d + h))
}

/// The modified Bessel function of order 0, by its power series.
fn bessel_i0(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let (mut sum, mut term) = (1.0, 1.0);
    for k in 1..=200 {
        let k = f64::from(k);
        term *= quarter / (k * k);
        sum += term;
        if term < sum * 1e-18 {
            break;
        }
    }
    sum
}

/// sin(πx), from the Taylor series about the nearest whole number.
fn sin_pi(x: f64) -> f64 {
    let whole = x.round();
    let y = (x - whole) * std::f64::consts::PI;
    let squared = y * y;
    let mut series = 1.0;
    for k in (1..=11).rev() {
        let k = f64::from(2 * k);
        series = 1.0 - squared / (k * (k + 1.0)) * series;
    }
    let sign = if whole % 2.0 == 0.0 { 1.0 } else { -1.0 };
    sign * y * series
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_polynomial_is_the_sine() {
        for i in -4000..4000 {
            let x = f64::from(i) * 0.013;
            assert!((sin_pi(x) - (x * std::f64::consts::PI).sin()).abs() < 1e-13, "at {x}");
        }
        // Abramowitz and Stegun, table 9.8.
        assert!((bessel_i0(1.0) - 1.266_065_877_752_008_4).abs() < 1e-15);
    }

    #[test]
    fn a_constant_keeps_its_level() {
        for (from, to) in [(44_100, 16_000), (8_000, 16_000), (22_050, 16_000), (12_345, 16_000)] {
            let resampled = resample(&vec![0.5; 4000], from, to);
            let middle = &resampled[resampled.len() / 2 - 50..resampled.len() / 2 + 50];
            assert!(middle.iter().all(|sample| (sample - 0.5).abs() < 1e-6), "{from} to {to}");
        }
    }

    #[test]
    fn a_tone_above_the_new_nyquist_vanishes() {
        let tone: Vec<f32> = (0..48_000)
            .map(|i| (f64::from(i) * 9000.0 / 48_000.0 * std::f64::consts::TAU).sin() as f32)
            .collect();
        let resampled = resample(&tone, 48_000, 16_000);
        let peak = resampled[1000..15_000].iter().fold(0.0f32, |peak, sample| peak.max(sample.abs()));
        assert!(peak < 2e-6, "peak {peak}");
    }

    #[test]
    fn edges_of_the_domain() {
        assert!(resample(&[], 8000, 16_000).is_empty());
        assert!(resample(&[1.0], 0, 16_000).is_empty());
        assert_eq!(resample(&[0.25, 0.5], 16_000, 16_000), [0.25, 0.5]);
        assert_eq!(resample(&[1.0], 48_000, 16_000).len(), 1);
        assert_eq!(resample(&[1.0], 8_000, 16_000).len(), 2);
    }
}
