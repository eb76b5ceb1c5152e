//! The people of the world: how a speaker looks and sounds. One speaker a video, so that groups by video are groups by
//! speaker.

use emomm_dataset::Corpus;

use crate::draw::Draw;

/// A speaker's look and voice.
#[derive(Debug, Clone)]
pub(crate) struct Speaker {
    pub(crate) look: Look,
    pub(crate) voice: VoiceBox,
}

/// What stays the same in all pictures of a speaker.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    pub(crate) skin: [f32; 3],
    pub(crate) hair: [f32; 3],
    pub(crate) clothes: [f32; 3],
    pub(crate) trim: [f32; 3],
    pub(crate) iris: [f32; 3],
    pub(crate) lips: [f32; 3],
    pub(crate) hair_style: HairStyle,
    pub(crate) has_glasses: bool,
    /// Half-width of the face in units of its half-height.
    pub(crate) face_width: f32,
    pub(crate) eye_distance: f32,
    pub(crate) eye_size: f32,
    pub(crate) brow_width: f32,
    pub(crate) mouth_width: f32,
    /// Half-width of the shoulders.
    pub(crate) shoulders: f32,
    pub(crate) collar: Collar,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HairStyle {
    Short,
    Parted,
    Long,
    Bun,
    Receding,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Collar {
    Round,
    Open,
    Scarf,
}

/// What stays the same in all recordings of a speaker.
#[derive(Debug, Clone)]
pub(crate) struct VoiceBox {
    /// Fundamental frequency of neutral speech.
    pub(crate) f0_hz: f64,
    /// Formants relative to those of a long vocal tract.
    pub(crate) formant_scale: f64,
    /// Syllables per second of neutral speech.
    pub(crate) rate: f64,
    /// Breath that is always there.
    pub(crate) breath: f64,
    /// Share of a period in which the glottis is open.
    pub(crate) open_quotient: f64,
}

const SKINS: [[f32; 3]; 7] = [
    [242.0, 206.0, 180.0],
    [230.0, 190.0, 160.0],
    [224.0, 178.0, 140.0],
    [205.0, 156.0, 120.0],
    [180.0, 132.0, 98.0],
    [150.0, 106.0, 78.0],
    [122.0, 84.0, 62.0],
];
const HAIRS: [[f32; 3]; 7] = [
    [28.0, 24.0, 24.0],
    [44.0, 32.0, 26.0],
    [70.0, 46.0, 30.0],
    [110.0, 70.0, 40.0],
    [168.0, 128.0, 78.0],
    [140.0, 140.0, 144.0],
    [96.0, 44.0, 30.0],
];
const IRISES: [[f32; 3]; 4] =
    [[60.0, 40.0, 28.0], [40.0, 30.0, 24.0], [70.0, 100.0, 90.0], [70.0, 96.0, 140.0]];

impl Speaker {
    /// Speaker `index` of a corpus in the world of `seed`.
    pub(crate) fn draw(seed: u64, corpus: Corpus, index: u64) -> Self {
        let mut draw = Draw::named(seed, &format!("{corpus}/speaker"), index);
        let is_low = draw.chance(0.5);
        Self { look: look(&mut draw, corpus, is_low), voice: voice(&mut draw, is_low) }
    }
}

fn look(draw: &mut Draw, corpus: Corpus, is_low: bool) -> Look {
    let tone = match corpus {
        Corpus::ChSims => draw.below(4),
        Corpus::CmuMosi => draw.below(SKINS.len()),
    };
    let skin = SKINS[tone].map(|c| c + draw.between_f32(-6.0, 6.0));
    let hair = match corpus {
        Corpus::ChSims => HAIRS[*draw.pick(&[0, 0, 1, 1, 2, 5])],
        Corpus::CmuMosi => *draw.pick(&HAIRS),
    };
    let styles = if is_low {
        [HairStyle::Short, HairStyle::Parted, HairStyle::Short, HairStyle::Receding]
    } else {
        [HairStyle::Long, HairStyle::Bun, HairStyle::Parted, HairStyle::Long]
    };
    let clothes = [0; 3].map(|_| draw.between_f32(30.0, 215.0));
    Look {
        skin,
        hair,
        clothes,
        trim: clothes.map(|c| if c > 128.0 { c - 70.0 } else { c + 80.0 }),
        iris: *draw.pick(&IRISES),
        lips: [skin[0] * 0.80, skin[1] * 0.52, skin[2] * 0.54],
        hair_style: *draw.pick(&styles),
        has_glasses: draw.chance(0.2),
        face_width: draw.between_f32(0.74, 0.84),
        eye_distance: draw.between_f32(0.33, 0.38),
        eye_size: draw.between_f32(0.15, 0.18),
        brow_width: if is_low { draw.between_f32(0.052, 0.07) } else { draw.between_f32(0.042, 0.056) },
        mouth_width: draw.between_f32(0.31, 0.37),
        shoulders: if is_low { draw.between_f32(1.75, 2.0) } else { draw.between_f32(1.5, 1.75) },
        collar: *draw.pick(&[Collar::Round, Collar::Open, Collar::Scarf]),
    }
}

fn voice(draw: &mut Draw, is_low: bool) -> VoiceBox {
    VoiceBox {
        f0_hz: if is_low { draw.between(105.0, 135.0) } else { draw.between(185.0, 225.0) },
        formant_scale: if is_low { draw.between(0.96, 1.05) } else { draw.between(1.10, 1.20) },
        rate: draw.between(4.0, 4.5),
        breath: draw.between(0.02, 0.06),
        open_quotient: draw.between(0.55, 0.65),
    }
}
