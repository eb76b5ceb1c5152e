//! The picture of a clip: a person before a background, frame by frame, with where they are.
//!
//! The frames are a function of seed, corpus, clip, speaker and video score alone, the same bytes on every machine: all
//! arithmetic is IEEE addition, multiplication, division and square root, and `libm`.

mod background;
mod canvas;
mod expression;
mod person;

use emomm_dataset::Corpus;

use crate::draw::Draw;
use crate::parameters::{FACE_RADIUS, FRAME_RATE, FRAME_SIZE, MASK_CELL};
use crate::speaker::Look;
use crate::truth::FrameTruth;
use background::Background;
use canvas::Canvas;
use expression::Motion;
use person::Place;

/// The frames of a clip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Interleaved RGB of all frames, [`FRAME_SIZE`] each.
    pub rgb: Vec<u8>,
    /// Person and face in each frame.
    pub frames: Vec<FrameTruth>,
}

/// What a picture is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PictureTask<'a> {
    pub(crate) seed: u64,
    pub(crate) corpus: Corpus,
    pub(crate) index: u64,
    pub(crate) look: &'a Look,
    /// Strength of expression, noise included.
    pub(crate) strength: f64,
    pub(crate) n_frames: usize,
}

impl PictureTask<'_> {
    pub(crate) fn render(&self) -> Picture {
        let (width, height) = FRAME_SIZE;
        let mut draw = Draw::named(self.seed, &format!("{}/picture", self.corpus), self.index);
        let fps = f64::from(FRAME_RATE.0) / f64::from(FRAME_RATE.1);
        let motion = Motion::draw(&mut draw, self.strength, self.n_frames as f64 / fps);
        let radius = draw.between_f32(FACE_RADIUS.0, FACE_RADIUS.1);
        let place = Place {
            centre: [
                width as f32 * draw.between_f32(0.36, 0.64),
                height as f32 * 0.5 - 14.0 + draw.between_f32(-12.0, 16.0),
            ],
            radius,
            light: draw.between_f32(-1.0, 1.0),
            gesture: draw.chance(0.6).then(|| if draw.chance(0.5) { 1.0 } else { -1.0 }),
        };
        let background = Background::draw(&mut draw, width, height);
        let light = Light::draw(&mut draw);
        let shake = Shake::draw(&mut draw);
        let mut picture =
            Picture { rgb: Vec::with_capacity(self.n_frames * width * height * 3), frames: Vec::new() };
        for frame in 0..self.n_frames {
            let seconds = frame as f64 / fps;
            let mut canvas = Canvas::new(width, height);
            let offset = shake.at(seconds);
            background.paint(&mut canvas, offset, seconds as f32);
            let centre = [place.centre[0] - offset[0], place.centre[1] - offset[1]];
            person::draw(&mut canvas, self.look, Place { centre, ..place }, &motion.at(seconds));
            light.develop(&canvas, seconds, &mut draw, &mut picture.rgb);
            picture.frames.push(FrameTruth::of(width, MASK_CELL, &canvas.person, &canvas.face));
        }
        picture
    }
}

/// Brightness, tint and grain.
struct Light {
    gain: [f32; 3],
    flicker: f64,
    rate: f64,
    phase: f64,
    grain: f32,
}

impl Light {
    fn draw(draw: &mut Draw) -> Self {
        let gain = draw.between_f32(0.78, 1.12);
        let warmth = draw.between_f32(-0.06, 0.06);
        Self {
            gain: [gain * (1.0 + warmth), gain, gain * (1.0 - warmth)],
            flicker: draw.between(0.0, 0.05),
            rate: draw.between(0.2, 0.8),
            phase: draw.unit(),
            grain: draw.between_f32(1.0, 4.0),
        }
    }

    /// Turns a canvas into bytes.
    fn develop(&self, canvas: &Canvas, seconds: f64, draw: &mut Draw, into: &mut Vec<u8>) {
        let angle = std::f64::consts::TAU * (self.rate * seconds + self.phase);
        let flicker = 1.0 + (self.flicker * libm::sin(angle)) as f32;
        let gain = self.gain.map(|g| g * flicker);
        let mut bits = 0;
        for (at, pixel) in canvas.rgb.iter().enumerate() {
            if at % 8 == 0 {
                bits = draw.next();
            }
            let noise = (f32::from((bits & 0xff) as u8) / 127.5 - 1.0) * self.grain;
            bits >>= 8;
            for (value, gain) in pixel.iter().zip(gain) {
                into.push((value * gain + noise + 0.5).clamp(0.0, 255.0) as u8);
            }
        }
    }
}

/// A camera held in the hand.
struct Shake {
    amount: f64,
    rates: [f64; 4],
    phases: [f64; 4],
}

impl Shake {
    fn draw(draw: &mut Draw) -> Self {
        Self {
            amount: draw.between(0.0, 4.0),
            rates: [0.0; 4].map(|_| draw.between(0.3, 2.2)),
            phases: [0.0; 4].map(|_| draw.unit()),
        }
    }

    fn at(&self, seconds: f64) -> [f32; 2] {
        let wave = |i: usize| libm::sin(std::f64::consts::TAU * (self.rates[i] * seconds + self.phases[i]));
        [0, 2].map(|i| (self.amount * 0.5 * (wave(i) + wave(i + 1))) as f32)
    }
}
