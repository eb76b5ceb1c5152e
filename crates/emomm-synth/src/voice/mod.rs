//! The voice of a clip: a source-filter synthesis of speech without words, over noise.
//!
//! A glottal pulse train with breath goes through four resonators, whose formants glide from one pseudo-vowel to the next.
//! What follows the score is in [`prosody`]; the vowels, the speaker and the noise do not.

mod prosody;

use std::f64::consts::PI;

use emomm_dataset::Corpus;

use crate::draw::Draw;
use crate::parameters::{NOISE_DB, PEAK, SAMPLE_RATE_HZ, VOICE_LEVEL_DB};
use crate::speaker::VoiceBox;
use prosody::{N_VOWELS, Prosody, decibels};

/// Samples between two settings of the filter: 4 ms.
const BLOCK: usize = 64;

/// First three formants of the pseudo-vowels for a long vocal tract, in Hz.
const VOWELS: [[f64; 3]; N_VOWELS] = [
    [730.0, 1090.0, 2440.0],
    [530.0, 1840.0, 2480.0],
    [280.0, 2250.0, 2900.0],
    [570.0, 840.0, 2410.0],
    [310.0, 870.0, 2250.0],
    [490.0, 1350.0, 1690.0],
    [640.0, 1190.0, 2390.0],
];
const FOURTH_FORMANT_HZ: f64 = 3500.0;
const BANDWIDTHS_HZ: [f64; 4] = [80.0, 100.0, 140.0, 220.0];

/// What a voice is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct VoiceTask<'a> {
    pub(crate) seed: u64,
    pub(crate) corpus: Corpus,
    pub(crate) index: u64,
    pub(crate) voice: &'a VoiceBox,
    /// Strength of expression, noise included.
    pub(crate) strength: f64,
    pub(crate) n_samples: usize,
}

impl VoiceTask<'_> {
    /// The sound as 16-bit samples.
    pub(crate) fn render(&self) -> Vec<i16> {
        let mut draw = Draw::named(self.seed, &format!("{}/voice", self.corpus), self.index);
        let seconds = self.n_samples as f64 / f64::from(SAMPLE_RATE_HZ);
        let prosody = Prosody::draw(&mut draw, self.voice, self.strength, seconds);
        let (mut speech, voiced) = self.speech(&prosody, &mut draw);
        // Speech has the same level while the glottis works, then the loudness of its score.
        let power = speech.iter().zip(&voiced).filter(|(_, v)| **v).map(|(x, _)| x * x).sum::<f64>()
            / voiced.iter().filter(|v| **v).count().max(1) as f64;
        let nominal = decibels(VOICE_LEVEL_DB);
        let scale = nominal * prosody.gain / power.sqrt().max(1e-9);
        let noise = nominal * decibels(-draw.between(NOISE_DB.0, NOISE_DB.1));
        let mut room = Room::draw(&mut draw);
        for x in &mut speech {
            *x = *x * scale + noise * room.next(&mut draw);
        }
        let peak = speech.iter().fold(0.0f64, |m, x| m.max(x.abs()));
        let limit = if peak > PEAK { PEAK / peak } else { 1.0 };
        speech.iter().map(|x| libm::round(x * limit * 32767.0) as i16).collect()
    }

    /// Speech of any level, and where there is a vowel.
    fn speech(&self, prosody: &Prosody, draw: &mut Draw) -> (Vec<f64>, Vec<bool>) {
        let rate = f64::from(SAMPLE_RATE_HZ);
        let mut sound = vec![0.0; self.n_samples];
        let mut voiced = vec![false; self.n_samples];
        let mut glottis = Glottis::new(self.voice.open_quotient + 0.25 * prosody.breath, prosody);
        let mut tract = Tract::new();
        let mut formants = self.formants(0);
        let mut at = 0;
        for syllable in &prosody.syllables {
            let target = self.formants(syllable.vowel);
            at += (syllable.pause * rate) as usize;
            hiss(&mut sound, at, (syllable.hiss * rate) as usize, syllable.hiss_hz, draw);
            at += (syllable.hiss * rate) as usize;
            let length = ((syllable.length * rate) as usize).min(self.n_samples.saturating_sub(at));
            let ramp = (0.025 * rate) as usize;
            for i in 0..length {
                if i % BLOCK == 0 {
                    for (now, target) in formants.iter_mut().zip(target) {
                        *now += (target - *now) * 0.12;
                    }
                    tract.tune(&formants);
                }
                let place = i as f64 / length as f64;
                let f0 = syllable.f0_hz[0] + (syllable.f0_hz[1] - syllable.f0_hz[0]) * place;
                let edge = i.min(length - 1 - i).min(ramp) as f64 / ramp as f64;
                let source = glottis.next(f0 / rate, draw);
                sound[at + i] += syllable.amplitude * edge * tract.next(source);
                voiced[at + i] = true;
            }
            at += length;
        }
        (sound, voiced)
    }

    fn formants(&self, vowel: usize) -> [f64; 4] {
        let [f1, f2, f3] = VOWELS[vowel].map(|f| f * self.voice.formant_scale);
        [f1, f2, f3, FOURTH_FORMANT_HZ * self.voice.formant_scale]
    }
}

/// Adds a fricative: noise around a frequency.
fn hiss(sound: &mut [f64], at: usize, length: usize, hz: f64, draw: &mut Draw) {
    let mut filter = Resonator::default();
    filter.tune(hz, 1800.0);
    let end = (at + length).min(sound.len());
    for (i, sample) in sound.iter_mut().enumerate().take(end).skip(at) {
        let edge = (i - at).min(end - 1 - i) as f64 / (length as f64 / 2.0);
        *sample += 0.16 * edge.min(1.0) * filter.next(draw.between(-1.0, 1.0));
    }
}

/// Pulses of air: a rounded opening and a fast closing (Rosenberg), differentiated, with breath.
struct Glottis {
    phase: f64,
    stretch: f64,
    open: f64,
    breath: f64,
    brightness: f64,
    jitter: f64,
    flow: f64,
    dark: f64,
}

impl Glottis {
    fn new(open: f64, prosody: &Prosody) -> Self {
        Self {
            phase: 0.0,
            stretch: 1.0,
            open: open.clamp(0.4, 0.8),
            breath: prosody.breath,
            brightness: prosody.brightness,
            jitter: prosody.jitter,
            flow: 0.0,
            dark: 0.0,
        }
    }

    fn next(&mut self, step: f64, draw: &mut Draw) -> f64 {
        self.phase += step * self.stretch;
        if self.phase >= 1.0 {
            self.phase -= 1.0;
            self.stretch = 1.0 + self.jitter * draw.normal();
        }
        let (rise, fall) = (self.open * 0.67, self.open * 0.33);
        let flow = if self.phase < rise {
            0.5 - 0.5 * libm::cos(PI * self.phase / rise)
        } else if self.phase < self.open {
            libm::cos(0.5 * PI * (self.phase - rise) / fall)
        } else {
            0.0
        };
        // Of unit size whatever the pitch.
        let pulse = (flow - self.flow) / step * 0.1;
        self.flow = flow;
        let breath = self.breath * (0.35 + 0.65 * flow) * draw.between(-1.0, 1.0);
        self.dark += (pulse - self.dark) * (0.12 + 0.88 * self.brightness);
        self.dark + 1.6 * breath
    }
}

/// Four resonances in a row.
struct Tract {
    resonators: [Resonator; 4],
}

impl Tract {
    fn new() -> Self {
        Self { resonators: Default::default() }
    }

    fn tune(&mut self, formants: &[f64; 4]) {
        for ((resonator, hz), width) in self.resonators.iter_mut().zip(formants).zip(BANDWIDTHS_HZ) {
            resonator.tune(*hz, width);
        }
    }

    fn next(&mut self, source: f64) -> f64 {
        self.resonators.iter_mut().fold(source, |x, r| r.next(x))
    }
}

/// A second-order resonance of unit gain at 0 Hz (Klatt).
#[derive(Default)]
struct Resonator {
    a: f64,
    b: f64,
    c: f64,
    last: [f64; 2],
}

impl Resonator {
    fn tune(&mut self, hz: f64, bandwidth_hz: f64) {
        let period = 1.0 / f64::from(SAMPLE_RATE_HZ);
        let r = libm::exp(-PI * bandwidth_hz * period);
        self.c = -r * r;
        self.b = 2.0 * r * libm::cos(2.0 * PI * hz * period);
        self.a = 1.0 - self.b - self.c;
    }

    fn next(&mut self, x: f64) -> f64 {
        let y = self.a * x + self.b * self.last[0] + self.c * self.last[1];
        self.last = [y, self.last[0]];
        y
    }
}

/// What is heard besides the voice: a rumble, a hiss and a hum, of unit power together.
struct Room {
    low: f64,
    rumble: f64,
    hum_step: f64,
    hum: f64,
    phase: f64,
}

impl Room {
    fn draw(draw: &mut Draw) -> Self {
        Self {
            low: 0.0,
            rumble: draw.between(0.3, 0.9),
            hum_step: draw.between(50.0, 60.0) * 2.0 / f64::from(SAMPLE_RATE_HZ),
            hum: draw.between(0.0, 0.4),
            phase: 0.0,
        }
    }

    fn next(&mut self, draw: &mut Draw) -> f64 {
        let white = draw.between(-1.0, 1.0) * 1.732;
        self.low += 0.08 * (white - self.low);
        self.phase += self.hum_step;
        if self.phase >= 1.0 {
            self.phase -= 1.0;
        }
        let hum = self.hum * 1.414 * libm::sin(2.0 * PI * self.phase);
        // A one-pole filter of 0.08 leaves 0.204 of the amplitude of white noise.
        self.rumble * self.low / 0.204 + (1.0 - self.rumble) * white + hum
    }
}
