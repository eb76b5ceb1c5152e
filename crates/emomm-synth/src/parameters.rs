//! Every parameter of the world, in one place.
//!
//! # What a clip is
//! A clip has three scores on the grid −1.0, −0.8, …, 1.0, one each for text, audio and video. They are drawn first; the
//! sentence, the voice and the picture are then made from them, each from its own alone and from chance streams of its
//! own, so that no modality tells anything about another beyond what the plan of scores does.
//!
//! # The rule of truth
//! The ground truth is the score of the modality with the greatest intensity |score|. Ties go to audio before video before
//! text. In [`EXCEPTION_RATE`] of the clips it is instead the score of one of the two other modalities, drawn evenly
//! (`is_exception` in the truth file).
//!
//! # Subsets
//! The numbers of conflicts, equal and same-polarity clips are quotas, those of CH-SIMS v2 unless other proportions are
//! asked for. Within each, the class of the ground truth is drawn with [`EQUAL_CLASSES`], [`SAME_POLARITY_CLASSES`] or
//! [`CONFLICT_CLASSES`], then scores are drawn until they fall into that subset and class. By the rule a clip's ground
//! truth is neutral only when all three are neutral, or by exception.
//!
//! # From score to expression
//! [`strength`] turns a score into the strength at which voice and face express it. It is monotone in the score, with a
//! gap at the border between the weak and the strong class of the corpus: as in the real corpora, whose class maps
//! differ, ±0.6 of CMU-MOSI is a strong expression and ±0.6 of CH-SIMS a weak one. [`STRENGTH_NOISE`] is added per clip
//! and modality. Text has no such noise: its wording states the score (module `text`).

use emomm_dataset::{Corpus, GridScore};

/// Rises with every change that alters a source array or a label file of a given seed.
pub const WORLD_VERSION: u32 = 1;

/// Weights of conflict, equal and same-polarity clips: the counts of CH-SIMS v2, 46.3, 25.8 and 27.9 %.
pub const DEFAULT_MIX: [f64; 3] = [2038.0, 1137.0, 1228.0];

/// Share of clips whose ground truth does not follow the rule.
pub const EXCEPTION_RATE: f64 = 0.03;

/// Weights of the classes N, WN, Neu, WP, P as ground truth of equal clips.
pub const EQUAL_CLASSES: [f64; 5] = [0.12, 0.22, 0.32, 0.22, 0.12];

/// The same of same-polarity clips. One of the three is strong, so by the rule the ground truth is.
pub const SAME_POLARITY_CLASSES: [f64; 5] = [0.5, 0.0, 0.0, 0.0, 0.5];

/// The same of conflict clips.
pub const CONFLICT_CLASSES: [f64; 5] = [0.18, 0.32, 0.0, 0.32, 0.18];

/// Fewest and most clips of an average group; a corpus has [`groups_of`] its clips.
pub const CLIPS_PER_GROUP: usize = 14;

/// Most groups of a corpus: CH-SIMS v2 has 145 videos, CMU-MOSI 93.
pub const MOST_GROUPS: usize = 120;

/// Standard deviation of the logarithm of a group's weight: sizes are uneven as in CH-SIMS v2.
pub const GROUP_SPREAD: f64 = 0.7;

/// Pictures per second, as a fraction. 12.5.
pub const FRAME_RATE: (u32, u32) = (25, 2);

/// Size of the picture in pixels.
pub const FRAME_SIZE: (usize, usize) = (320, 240);

/// Fewest and most frames of a clip: 2.0 to 2.96 s. The reference's sampler takes four frames of each.
pub const FRAMES: (usize, usize) = (25, 37);

/// Rate of the sound, one channel.
pub const SAMPLE_RATE_HZ: u32 = 16_000;

/// Samples that belong to one frame.
pub const SAMPLES_PER_FRAME: usize = 1280;

/// Side of a cell of the masks in the truth file, in pixels.
pub const MASK_CELL: usize = 4;

/// Standard deviation of the noise of a strength of expression.
pub const STRENGTH_NOISE: f64 = 0.025;

/// Face half-height in pixels of the frame, fewest and most. Of 240 lines; shown at 140 lines that is 24 to 30 px.
pub const FACE_RADIUS: (f32, f32) = (42.0, 51.0);

/// Quality of the encoded picture (`-crf`), best and worst.
pub const CRF: (usize, usize) = (20, 28);

/// Level of the nominal voice in dB below full scale (RMS), before its loudness follows the score.
pub const VOICE_LEVEL_DB: f64 = -25.0;

/// Loudness that a score of full strength adds or takes away.
pub const VOICE_RANGE_DB: f64 = 5.0;

/// Noise below the nominal voice in dB, loudest and softest.
pub const NOISE_DB: (f64, f64) = (16.0, 28.0);

/// No sample of the sound is greater.
pub const PEAK: f64 = 0.8;

/// Number of groups among which `clips` are divided.
pub fn groups_of(clips: usize) -> usize {
    (clips / CLIPS_PER_GROUP).clamp(10, MOST_GROUPS).min(clips.max(1))
}

/// Strength of expression of a score, −1 to 1.
pub fn strength(corpus: Corpus, score: GridScore) -> f64 {
    // Of 0.2, 0.4, …, 1.0.
    let by_step = match corpus {
        Corpus::ChSims => [0.36, 0.43, 0.50, 0.90, 1.0],
        Corpus::CmuMosi => [0.38, 0.48, 0.86, 0.93, 1.0],
    };
    let steps = score.steps();
    match steps.unsigned_abs() {
        0 => 0.0,
        n => by_step[usize::from(n) - 1] * f64::from(steps.signum()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strength_is_monotone_and_odd_with_a_gap_at_the_class_border() {
        for corpus in Corpus::ALL {
            let all: Vec<GridScore> = (-5..=5).filter_map(GridScore::from_steps).collect();
            for pair in all.windows(2) {
                let rise = strength(corpus, pair[1]) - strength(corpus, pair[0]);
                let is_border = corpus.class_of(pair[0]) != corpus.class_of(pair[1]);
                assert!(if is_border { rise > 0.3 } else { rise > 0.0 && rise < 0.15 }, "{pair:?}");
            }
            for (low, high) in all.iter().zip(all.iter().rev()) {
                assert!((strength(corpus, *low) + strength(corpus, *high)).abs() < 1e-12);
            }
        }
    }
}
