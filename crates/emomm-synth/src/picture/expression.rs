//! The pose of a face at one strength of expression, and the motion that has nothing to do with it.

use std::f64::consts::TAU;

use crate::draw::Draw;

/// Everything about the person that changes from frame to frame. Lengths are in half-heights of the face.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pose {
    /// Strength of expression, −1 to 1, as it is in this frame.
    pub(super) strength: f32,
    /// Turn of the head to a side, −1 to 1.
    pub(super) yaw: f32,
    /// Nod: features move down by it.
    pub(super) pitch: f32,
    /// Tilt in radians.
    pub(super) roll: f32,
    /// How far the eyelids are open.
    pub(super) lids: f32,
    /// Gaze to a side, −1 to 1.
    pub(super) gaze: f32,
    /// Opening of the mouth by speaking.
    pub(super) speech: f32,
    /// Phase of the gesture, −1 to 1.
    pub(super) wave: f32,
    /// Shift of the body in pixels.
    pub(super) shift: [f32; 2],
}

/// A person's motion through a clip.
#[derive(Debug, Clone)]
pub(super) struct Motion {
    strength: f64,
    rates: [f64; 7],
    phases: [f64; 7],
    yaw: f64,
    tilt: f64,
    blinks: Vec<f64>,
    speech_rate: f64,
    onset: f64,
}

impl Motion {
    pub(super) fn draw(draw: &mut Draw, strength: f64, seconds: f64) -> Self {
        let n_blinks = 1 + draw.below(2);
        Self {
            strength,
            rates: [0.31, 0.43, 0.27, 0.37, 0.23, 1.35, 0.19].map(|r| r * draw.between(0.8, 1.3)),
            phases: [0.0; 7].map(|_| draw.unit()),
            yaw: draw.between(-0.45, 0.45),
            tilt: draw.between(-0.07, 0.07),
            blinks: (0..n_blinks).map(|_| draw.between(0.1, seconds - 0.1)).collect(),
            // Independent of the voice, whose tempo would tell the score of the audio.
            speech_rate: draw.between(3.0, 4.4),
            onset: draw.between(0.86, 0.96),
        }
    }

    pub(super) fn at(&self, seconds: f64) -> Pose {
        let wave = |i: usize| libm::sin(TAU * (self.rates[i] * seconds + self.phases[i]));
        let nearest = self.blinks.iter().map(|b| (seconds - b).abs()).fold(f64::INFINITY, f64::min);
        let blink = (1.0 - nearest / 0.11).clamp(0.0, 1.0);
        let syllable = libm::sin(TAU * 0.5 * self.speech_rate * seconds + TAU * self.phases[6]);
        let s = self.strength;
        // The expression swells slightly and never leaves its class.
        let swell = self.onset + (1.0 - self.onset) * libm::fabs(wave(6));
        Pose {
            strength: (s * swell) as f32,
            yaw: (self.yaw + 0.22 * wave(0)).clamp(-0.7, 0.7) as f32,
            pitch: (0.035 * wave(1) - 0.05 * s) as f32,
            roll: (self.tilt + 0.05 * wave(2)) as f32,
            lids: (1.0 - blink) as f32,
            gaze: (0.6 * wave(3)) as f32,
            speech: (syllable * syllable) as f32,
            wave: wave(5) as f32,
            shift: [(3.0 * wave(4)) as f32, (1.5 * wave(1)) as f32],
        }
    }
}
