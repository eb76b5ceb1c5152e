//! What a card shows of a sound: its loudness over time, and its mel spectrogram, both in as many steps.

use emomm_media::WhisperMel;

use super::encode::level_letter;

/// Steps of time.
const STEPS: usize = 96;
/// Mel bands, from 0 to 8 kHz.
const BANDS: usize = 32;
/// Window and hop of the spectrogram in seconds.
const WINDOW_SECONDS: f64 = 0.025;
const HOP_SECONDS: f64 = 0.01;
/// What lies so far below the loudest place is shown as silence.
pub(super) const RANGE_DB: f32 = 60.0;
/// [`WhisperMel`] gives a quarter of the decimal logarithm of power.
const DB_OF_UNIT: f32 = 40.0;

/// A mel spectrogram, small enough to stand in a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MelPicture {
    /// Steps of time.
    pub n_steps: usize,
    /// Bands; the lowest is the first row.
    pub n_bands: usize,
    /// One letter for each band and step: `A` is silence, `/` the loudest place.
    pub letters: String,
}

/// Root mean square of equal parts, relative to the loudest.
pub(super) fn loudness(samples: &[f32]) -> Vec<f64> {
    if samples.is_empty() {
        return Vec::new();
    }
    let parts: Vec<f64> = samples
        .chunks(samples.len().div_ceil(STEPS))
        .map(|part| (part.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / part.len() as f64).sqrt())
        .collect();
    let loudest = parts.iter().copied().fold(0.0, f64::max);
    parts.iter().map(|p| if loudest > 0.0 { (1000.0 * p / loudest).round() / 1000.0 } else { 0.0 }).collect()
}

/// The spectrogram of a sound, levels averaged over equal parts of time; `None` where it is too short for a window.
pub(super) fn mel_picture(samples: &[f32], sample_rate_hz: u32) -> Option<MelPicture> {
    let length = |seconds: f64| (seconds * f64::from(sample_rate_hz)).round() as usize;
    let mel = WhisperMel::new(BANDS, sample_rate_hz, length(WINDOW_SECONDS), length(HOP_SECONDS))
        .compute(samples, None)
        .ok()
        .filter(|mel| mel.n_frames > 0)?;
    let n_steps = STEPS.min(mel.n_frames);
    let mean = |band: usize, step: usize| {
        let part = step * mel.n_frames / n_steps..(step + 1) * mel.n_frames / n_steps;
        let row = &mel.data[band * mel.n_frames..][..mel.n_frames];
        row[part.clone()].iter().sum::<f32>() / part.len() as f32
    };
    let means: Vec<f32> = (0..BANDS)
        .flat_map(|band| (0..n_steps).map(move |step| (band, step)))
        .map(|(band, step)| mean(band, step))
        .collect();
    let (least, greatest) =
        means.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(l, g), m| (l.min(*m), g.max(*m)));
    // Of silence there is no loudest place.
    let is_silent = greatest <= least;
    let share = |m: &f32| if is_silent { 0.0 } else { 1.0 - (greatest - m) * DB_OF_UNIT / RANGE_DB };
    let letters = means.iter().map(|m| level_letter(share(m))).collect();
    Some(MelPicture { n_steps, n_bands: BANDS, letters })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loudness_is_relative_to_the_loudest_part() {
        let mut samples = vec![0.0_f32; STEPS * 10];
        samples[..10].fill(0.5);
        samples[10..20].fill(-0.25);
        let wave = loudness(&samples);
        assert_eq!((wave.len(), wave[0], wave[1], wave[2]), (STEPS, 1.0, 0.5, 0.0));
        assert!(loudness(&[]).is_empty());
        assert!(loudness(&[0.0; 5]).iter().all(|v| *v == 0.0));
    }

    /// A tone that rises stands in a higher band later on, and the silence after it is dark.
    #[test]
    fn a_tone_stands_in_its_band_and_its_time() {
        let rate = 16_000;
        let tone = |hz: f64| {
            (0..rate).map(move |i| (std::f64::consts::TAU * hz * f64::from(i) / f64::from(rate)).sin() as f32)
        };
        let samples: Vec<f32> = tone(300.0).chain(tone(3000.0)).chain((0..rate).map(|_| 0.0)).collect();
        let picture = mel_picture(&samples, 16_000).unwrap();
        assert_eq!((picture.n_steps, picture.n_bands, picture.letters.len()), (96, 32, 96 * 32));
        let at = |band: usize, step: usize| picture.letters.as_bytes()[band * 96 + step];
        let loudest = |step: usize| (0..32).max_by_key(|band| level(at(*band, step))).unwrap();
        // 32 Slaney bands to 8 kHz: linear to 1 kHz, centres every 93 Hz or so, then logarithmic.
        let (low, high) = (loudest(16), loudest(48));
        assert!((2..=4).contains(&low), "{low}");
        assert!((18..=24).contains(&high), "{high}");
        assert!(level(at(low, 16)) > 55 && level(at(high, 16)) < 10, "{} {}", at(low, 16), at(high, 16));
        assert!((0..32).all(|band| level(at(band, 80)) == 0));
    }

    fn level(letter: u8) -> usize {
        (0..64).position(|l| level_letter(l as f32 / 63.0) == char::from(letter)).unwrap()
    }

    #[test]
    fn short_and_silent_sounds_are_no_trouble() {
        assert_eq!(mel_picture(&[], 16_000), None);
        assert_eq!(mel_picture(&[0.1; 100], 16_000), None);
        let silent = mel_picture(&vec![0.0; 16_000], 16_000).unwrap();
        assert!(silent.letters.bytes().all(|b| b == b'A'));
    }
}
