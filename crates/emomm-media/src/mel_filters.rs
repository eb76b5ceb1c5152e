//! The Slaney filter bank of Whisper's features.
//!
//! Triangles that are evenly spaced on the Slaney mel scale (linear to 1 kHz, logarithmic above) from 0 to 8 kHz, each
//! divided by half its width in Hz. Step for step the computation of `transformers.audio_utils.mel_filter_bank`.

/// Top of the highest filter, whatever the sample rate.
const TOP_HZ: f64 = 8000.0;

/// One triangle: its first spectrum bin and its weights from there on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MelFilter {
    pub(crate) first_bin: usize,
    pub(crate) weights: Vec<f32>,
}

/// The filters in ascending order for a spectrum of `n_fft / 2 + 1` bins.
pub(crate) fn slaney_filters(n_mels: usize, sample_rate_hz: u32, n_fft: usize) -> Vec<MelFilter> {
    let bins = n_fft / 2 + 1;
    let (bottom, top) = (mel_of_hertz(0.0), mel_of_hertz(TOP_HZ));
    let step = (top - bottom) / (n_mels + 1) as f64;
    let corners: Vec<f64> = (0..n_mels + 2)
        .map(|i| hertz_of_mel(if i == n_mels + 1 { top } else { bottom + step * i as f64 }))
        .collect();
    let bin_hz = f64::from(sample_rate_hz / 2) / (bins - 1).max(1) as f64;
    corners
        .windows(3)
        .map(|corner| {
            let area = 2.0 / (corner[2] - corner[0]);
            let weight = |bin: usize| {
                let hertz = bin as f64 * bin_hz;
                let rise = (hertz - corner[0]) / (corner[1] - corner[0]);
                let fall = (corner[2] - hertz) / (corner[2] - corner[1]);
                (rise.min(fall).max(0.0) * area) as f32
            };
            let inside = |bin: &usize| weight(*bin) > 0.0;
            let first_bin = (0..bins).find(inside).unwrap_or(0);
            let weights = (first_bin..bins).map(weight).take_while(|&weight| weight > 0.0).collect();
            MelFilter { first_bin, weights }
        })
        .collect()
}

fn mel_of_hertz(hertz: f64) -> f64 {
    if hertz >= 1000.0 { 15.0 + (hertz / 1000.0).ln() * (27.0 / 6.4f64.ln()) } else { 3.0 * hertz / 200.0 }
}

fn hertz_of_mel(mel: f64) -> f64 {
    if mel >= 15.0 { 1000.0 * (6.4f64.ln() / 27.0 * (mel - 15.0)).exp() } else { 200.0 * mel / 3.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_is_its_own_inverse() {
        for hertz in [0.0, 440.0, 999.0, 1000.0, 6400.0, 8000.0] {
            assert!((hertz_of_mel(mel_of_hertz(hertz)) - hertz).abs() < 1e-9);
        }
        assert!((mel_of_hertz(6400.0) - 42.0).abs() < 1e-12);
    }

    #[test]
    fn every_filter_of_whisper_has_weight() {
        for n_mels in [80, 128] {
            let filters = slaney_filters(n_mels, 16_000, 400);
            assert_eq!(filters.len(), n_mels);
            assert!(filters.iter().all(|filter| !filter.weights.is_empty()), "{n_mels} filters");
        }
    }
}
