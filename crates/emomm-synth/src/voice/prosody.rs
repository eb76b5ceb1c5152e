//! How one says nothing in particular, at a strength of expression: pitch, tempo, loudness, breath.

use crate::draw::Draw;
use crate::parameters::VOICE_RANGE_DB;
use crate::speaker::VoiceBox;

/// One syllable: an optional consonant, then a vowel that glides in pitch.
#[derive(Debug, Clone)]
pub(super) struct Syllable {
    /// Silence and noise before the vowel, in seconds.
    pub(super) pause: f64,
    pub(super) hiss: f64,
    pub(super) hiss_hz: f64,
    pub(super) length: f64,
    /// Pitch at its start and its end.
    pub(super) f0_hz: [f64; 2],
    pub(super) amplitude: f64,
    /// Index of its vowel.
    pub(super) vowel: usize,
}

/// What holds for a whole clip.
#[derive(Debug, Clone)]
pub(super) struct Prosody {
    pub(super) syllables: Vec<Syllable>,
    /// Loudness against neutral speech.
    pub(super) gain: f64,
    /// Share of noise in the source.
    pub(super) breath: f64,
    /// Brightness of the source, 0 to 1.
    pub(super) brightness: f64,
    /// Irregularity of periods.
    pub(super) jitter: f64,
}

pub(super) const N_VOWELS: usize = 7;

impl Prosody {
    /// Draws speech of `seconds`. At strength s: pitch 5 s semitones above the speaker's own, a contour that rises by 7 s
    /// semitones over the clip and 4 s within each syllable, 2^(0.6 s) times the tempo, 5 s dB in loudness, breath and
    /// darkness below zero, lively accents above.
    pub(super) fn draw(draw: &mut Draw, voice: &VoiceBox, s: f64, seconds: f64) -> Self {
        let (up, down) = (s.max(0.0), (-s).max(0.0));
        let rate = voice.rate * power_of_two(0.6 * s) * draw.between(0.96, 1.04);
        let accents = 0.5 + 2.2 * up + 0.3 * down;
        let glide = 4.0 * s;
        let (begin, end) = (draw.between(0.05, 0.15), seconds - draw.between(0.05, 0.15));
        let mut syllables: Vec<Syllable> = Vec::new();
        let mut at = begin;
        loop {
            let whole = draw.between(0.85, 1.15) / rate;
            let pause = whole
                * draw.between(0.06, 0.12)
                * (1.0 + 1.4 * down)
                * if syllables.is_empty() { 0.0 } else { 1.0 };
            let hiss = if draw.chance(0.5) { draw.between(0.03, 0.06) } else { 0.0 };
            let length = (whole - pause - hiss).max(0.06);
            if at + pause + hiss + length > end {
                break;
            }
            let place = (at - begin) / (end - begin) - 0.5;
            let semitones = 5.0 * s + 7.0 * s * place + accents * draw.normal().clamp(-1.8, 1.8);
            let pitch = |shift: f64| voice.f0_hz * power_of_two((semitones + shift) / 12.0);
            syllables.push(Syllable {
                pause: if syllables.is_empty() { begin } else { pause },
                hiss,
                hiss_hz: draw.between(2200.0, 4200.0),
                length,
                f0_hz: [pitch(-glide / 2.0), pitch(glide / 2.0)],
                amplitude: draw.between(0.85, 1.0),
                vowel: draw.below(N_VOWELS),
            });
            at += pause + hiss + length;
        }
        Self {
            syllables,
            gain: decibels(VOICE_RANGE_DB * s),
            breath: voice.breath + 0.05 + 0.34 * down - 0.04 * up,
            brightness: (0.5 + 0.45 * s).clamp(0.05, 0.95),
            jitter: 0.004 + 0.012 * down,
        }
    }
}

/// 2 to the power of `x`.
pub(super) fn power_of_two(x: f64) -> f64 {
    libm::exp(x * std::f64::consts::LN_2)
}

/// The factor of an amplitude that is `db` decibels.
pub(super) fn decibels(db: f64) -> f64 {
    libm::exp(db / 20.0 * std::f64::consts::LN_10)
}
