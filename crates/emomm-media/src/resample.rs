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
/// Most coefficients of exact phases. Beyond that (rates without a large common divisor) the filter is kept at
/// [`DENSITY`] and interpolated.
const MOST_EXACT: usize = 1 << 20;
/// Kept phases per cycle of the lower sample rate, where phases are interpolated. Linear interpolation is then off from
/// the exact filter by less than -120 dB of the signal, below the stop band's own ripple; a test measures it.
const DENSITY: f64 = 2048.0;
/// Output samples between two looks at the clock.
const BETWEEN_CHECKS: usize = 1024;

/// Resamples a mono signal.
///
/// The result has `ceil(n · to / from)` samples and no delay; the signal counts as zero outside its ends. Equal rates
/// give the samples back. A rate of 0 gives no samples.
#[must_use]
pub fn resample(samples: &[f32], from_hz: u32, to_hz: u32) -> Vec<f32> {
    let never = || Ok::<(), std::convert::Infallible>(());
    match resample_while(samples, from_hz, to_hz, usize::MAX, never) {
        Ok(resampled) => resampled,
    }
}

/// As [`resample`], at most `most` samples, with a look at `proceed` every [`BETWEEN_CHECKS`] of them.
///
/// # Errors
/// That of `proceed`.
pub(crate) fn resample_while<E>(
    samples: &[f32],
    from_hz: u32,
    to_hz: u32,
    most: usize,
    mut proceed: impl FnMut() -> Result<(), E>,
) -> Result<Vec<f32>, E> {
    if from_hz == to_hz {
        return Ok(samples[..samples.len().min(most)].to_vec());
    }
    if from_hz == 0 || to_hz == 0 || samples.is_empty() {
        return Ok(Vec::new());
    }
    let divisor = greatest_common_divisor(from_hz, to_hz);
    let (up, down) = (u64::from(to_hz / divisor), u64::from(from_hz / divisor));
    let length = ((samples.len() as u64 * up).div_ceil(down) as usize).min(most);
    let mut phases = Phases::new(Filter::new(from_hz, to_hz), up);

    let mut resampled = Vec::with_capacity(length);
    for m in 0..length as u64 {
        if (m as usize).is_multiple_of(BETWEEN_CHECKS) {
            proceed()?;
        }
        let (centre, phase) = ((m * down / up) as usize, m * down % up);
        resampled.push(phases.apply(samples, centre, phase) as f32);
    }
    Ok(resampled)
}

fn greatest_common_divisor(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// The filter's coefficients between two input samples, each row computed when it is first needed.
struct Phases {
    filter: Filter,
    up: u64,
    /// Exact: one row for each phase `k / up`. Otherwise rows at `k / (rows - 1)`, to be interpolated.
    rows: Vec<Vec<f64>>,
    exact: bool,
}

impl Phases {
    fn new(filter: Filter, up: u64) -> Self {
        let exact = filter.taps().saturating_mul(up as usize) <= MOST_EXACT;
        // The filter bends as fast as the lower rate lets it, so the number of coefficients depends on no rate.
        let rows = if exact { up as usize } else { (DENSITY * filter.nyquist).ceil().max(1.0) as usize + 1 };
        Self { filter, up, rows: vec![Vec::new(); rows], exact }
    }

    /// The output that stands `phase / up` behind the input sample `centre`.
    fn apply(&mut self, samples: &[f32], centre: usize, phase: u64) -> f64 {
        if self.exact {
            return self.apply_row(samples, centre, phase as usize, self.up);
        }
        let intervals = self.rows.len() as u64 - 1;
        let (row, rest) = (phase * intervals / self.up, phase * intervals % self.up);
        let after = rest as f64 / self.up as f64;
        let low = self.apply_row(samples, centre, row as usize, intervals);
        let high = self.apply_row(samples, centre, row as usize + 1, intervals);
        low * (1.0 - after) + high * after
    }

    fn apply_row(&mut self, samples: &[f32], centre: usize, row: usize, intervals: u64) -> f64 {
        if self.rows[row].is_empty() {
            self.rows[row] = self.filter.coefficients(row as f64 / intervals as f64);
        }
        self.filter.apply(samples, centre, &self.rows[row])
    }
}

/// A continuous low-pass filter.
struct Filter {
    /// The lower of the two Nyquist frequencies, as a fraction of the input's.
    nyquist: f64,
    /// Twice the cut-off in cycles per input sample.
    bandwidth: f64,
    /// Half the width of the window in input samples.
    half_width: f64,
    beta: f64,
    beta_bessel: f64,
}

impl Filter {
    fn new(from_hz: u32, to_hz: u32) -> Self {
        let nyquist = f64::from(from_hz.min(to_hz)) / f64::from(from_hz);
        let transition = (1.0 - PASS_BAND) * nyquist * std::f64::consts::PI;
        let beta = 0.1102 * (ATTENUATION_DB - 8.7);
        Self {
            nyquist,
            bandwidth: f64::midpoint(1.0, PASS_BAND) * nyquist,
            half_width: (ATTENUATION_DB - 7.95) / (2.285 * transition) / 2.0,
            beta,
            beta_bessel: bessel_i0(beta),
        }
    }

    /// Taps on each side of the output's position.
    fn side(&self) -> usize {
        self.half_width.ceil() as usize
    }

    fn taps(&self) -> usize {
        2 * self.side()
    }

    /// The coefficients for an output `offset` (0 to 1) behind an input sample, from the earliest input on.
    fn coefficients(&self, offset: f64) -> Vec<f64> {
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

    fn noise(length: usize) -> Vec<f32> {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (f64::from(state) / f64::from(u32::MAX) - 0.5) as f32
        };
        (0..length).map(|_| next()).collect()
    }

    /// White noise has energy in the whole pass band; the exact filter is computed anew for every output.
    #[test]
    fn interpolated_phases_are_within_120_db_of_the_exact_filter() {
        for (from, to) in [(47_999, 16_000), (767_999, 16_000), (15_999, 16_000), (44_101, 48_000)] {
            let samples = noise(from as usize / 20);
            let filter = Filter::new(from, to);
            let phases = Phases::new(Filter::new(from, to), u64::from(to));
            assert!(!phases.exact, "{from} to {to}");
            assert!(phases.rows.len() * filter.taps() < MOST_EXACT, "{from} to {to}");
            let (mut signal, mut error) = (0.0, 0.0);
            for (m, &sample) in resample(&samples, from, to).iter().enumerate() {
                let position = m as u64 * u64::from(from);
                let offset = (position % u64::from(to)) as f64 / f64::from(to);
                let centre = (position / u64::from(to)) as usize;
                let exact = filter.apply(&samples, centre, &filter.coefficients(offset));
                signal += exact * exact;
                error += (exact - f64::from(sample)).powi(2);
            }
            let ratio = 10.0 * (signal / error).log10();
            assert!(ratio > 120.0, "{from} to {to}: {ratio:.1} dB");
        }
    }

    /// The rates that files have, computed with a row for each phase and never interpolated.
    #[test]
    fn usual_rates_have_exact_phases() {
        for from in [8_000, 11_025, 12_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000, 192_000] {
            let up = 16_000 / greatest_common_divisor(from, 16_000);
            assert!(Phases::new(Filter::new(from, 16_000), u64::from(up)).exact, "{from}");
        }
    }

    #[test]
    fn a_refusal_to_proceed_ends_the_work() {
        let mut looks = 0;
        let outcome = resample_while(&noise(100_000), 47_999, 16_000, usize::MAX, || {
            looks += 1;
            if looks < 3 { Ok(()) } else { Err("late") }
        });
        assert_eq!((outcome, looks), (Err("late"), 3));
    }

    #[test]
    fn a_shorter_result_is_the_start_of_the_longer() {
        let samples = noise(10_000);
        for from in [16_000, 44_100, 47_999] {
            let proceed = || Ok::<(), ()>(());
            let short = resample_while(&samples, from, 16_000, 500, proceed).expect("nothing refuses");
            assert_eq!(short, resample(&samples, from, 16_000)[..500]);
        }
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
