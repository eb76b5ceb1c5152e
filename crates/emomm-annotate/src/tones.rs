//! The sound check: a few tones to be counted, so that nobody labels voices that they do not hear.

use crate::clock::Millis;
use crate::opaque::{digest, hex};

/// Most tones.
const MAX_TONES: u32 = 5;
const SAMPLE_RATE_HZ: u32 = 22_050;
const TONE_S: f64 = 0.28;
const PAUSE_S: f64 = 0.32;

/// An id for some number of tones, another every time.
pub(crate) fn draw(secret: &str, now: Millis) -> String {
    let word = format!("{now:x}");
    format!("{word}-{}", &hex(&digest(format!("{secret} {word}").as_bytes()))[..12])
}

/// How many tones an id stands for; `None` for an id that was not drawn for this secret.
pub(crate) fn count(secret: &str, id: &str) -> Option<u32> {
    let (word, tag) = id.split_once('-')?;
    let hash = digest(format!("{secret} {word}").as_bytes());
    (hex(&hash)[..12] == *tag).then(|| u32::from(hash[31]) % (MAX_TONES - 1) + 2)
}

/// The tones as a WAV file: 16 bits, mono.
pub(crate) fn wav(n_tones: u32) -> Vec<u8> {
    let rate = f64::from(SAMPLE_RATE_HZ);
    let mut samples: Vec<i16> = Vec::new();
    for _ in 0..n_tones {
        let n = (TONE_S * rate) as usize;
        samples.extend((0..n).map(|i| {
            let t = i as f64 / rate;
            // Fades in and out, so that nothing clicks.
            let fade = (t.min(TONE_S - t) / 0.02).clamp(0.0, 1.0);
            (fade * 9000.0 * (std::f64::consts::TAU * 523.25 * t).sin()) as i16
        }));
        samples.extend(std::iter::repeat_n(0, (PAUSE_S * rate) as usize));
    }
    let bytes = samples.len() as u32 * 2;
    let mut out = Vec::with_capacity(44 + bytes as usize);
    out.extend_from_slice(b"RIFF");
    out.extend_from_slice(&(36 + bytes).to_le_bytes());
    out.extend_from_slice(b"WAVEfmt ");
    out.extend_from_slice(&16_u32.to_le_bytes());
    out.extend_from_slice(&1_u16.to_le_bytes());
    out.extend_from_slice(&1_u16.to_le_bytes());
    out.extend_from_slice(&SAMPLE_RATE_HZ.to_le_bytes());
    out.extend_from_slice(&(SAMPLE_RATE_HZ * 2).to_le_bytes());
    out.extend_from_slice(&2_u16.to_le_bytes());
    out.extend_from_slice(&16_u16.to_le_bytes());
    out.extend_from_slice(b"data");
    out.extend_from_slice(&bytes.to_le_bytes());
    for sample in samples {
        out.extend_from_slice(&sample.to_le_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_stands_for_two_to_five_tones_of_its_own_account() {
        let mut seen = std::collections::BTreeSet::new();
        for now in 0..200 {
            let id = draw("secret", now);
            seen.extend(count("secret", &id));
            assert_eq!(count("another", &id), None);
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [2, 3, 4, 5]);
        assert_eq!(count("secret", "nonsense"), None);
    }

    #[test]
    fn the_file_has_the_length_that_its_header_says() {
        let wav = wav(3);
        assert_eq!(u32::from_le_bytes([wav[40], wav[41], wav[42], wav[43]]) as usize, wav.len() - 44);
    }
}
