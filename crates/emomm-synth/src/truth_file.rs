//! `truth.jsonl`: one line a clip with everything that is known about it.

use std::collections::BTreeMap;
use std::path::Path;

use emomm_dataset::{Corpus, GridScore, Modality, PerModality, Sentiment};
use serde::{Deserialize, Serialize};

use crate::error::SynthError;
use crate::parameters::{FRAME_RATE, FRAME_SIZE, MASK_CELL};
use crate::plan::ClipPlan;
use crate::truth::{FrameTruth, Stratum};
use crate::world::io;

/// One line of `truth.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClipTruth {
    /// Its corpus.
    pub corpus: Corpus,
    /// Its row in the label file, from 0.
    pub index: usize,
    /// Its video and group.
    pub video_id: String,
    /// Its name within the video.
    pub clip_id: String,
    /// Its media file, relative to the folder of the world.
    pub file: String,
    /// Its speaker, as in `speakers.csv`.
    pub speaker: String,
    /// The split that the label file states.
    pub mode: String,
    /// The transcript.
    pub text: String,
    /// Score of each modality, −1 to 1.
    pub scores: PerModality<f64>,
    /// Class of each modality.
    pub classes: PerModality<Sentiment>,
    /// The multimodal score.
    pub ground_truth: f64,
    /// Its class.
    pub ground_truth_class: Sentiment,
    /// The modality whose score the ground truth is.
    pub followed: Modality,
    /// Whether the rule names another one.
    pub is_exception: bool,
    /// `conflict`, `equal` or `same-polarity`.
    pub stratum: Stratum,
    /// Strength of expression, −1 to 1, noise included.
    pub strength: PerModality<f64>,
    /// Length in seconds.
    pub duration_s: f64,
    /// Frames per second as a fraction.
    pub frame_rate: (u32, u32),
    /// Width and height in pixels.
    pub frame_size: (usize, usize),
    /// Side of a cell of the masks, in pixels.
    pub mask_cell: usize,
    /// Quality that the picture was encoded with.
    pub crf: usize,
    /// Person and face, frame by frame.
    pub frames: Vec<FrameTruth>,
}

impl ClipTruth {
    pub(crate) fn new(clip: &ClipPlan, crf: usize, frames: Vec<FrameTruth>) -> Self {
        let ground_truth = clip.truth.ground_truth();
        Self {
            corpus: clip.corpus,
            index: clip.index,
            video_id: clip.video_id.clone(),
            clip_id: clip.clip_id.clone(),
            file: media_file(clip),
            speaker: speaker_name(clip.corpus, clip.speaker),
            mode: clip.mode.to_owned(),
            text: clip.text.clone(),
            scores: clip.truth.scores.map(GridScore::value),
            classes: clip.truth.scores.map(|s| clip.corpus.class_of(s)),
            ground_truth: ground_truth.value(),
            ground_truth_class: clip.corpus.class_of(ground_truth),
            followed: clip.truth.followed,
            is_exception: clip.truth.is_exception,
            stratum: clip.stratum,
            strength: clip.strength,
            duration_s: clip.duration_s(),
            frame_rate: FRAME_RATE,
            frame_size: FRAME_SIZE,
            mask_cell: MASK_CELL,
            crf,
            frames,
        }
    }
}

/// Name of a speaker.
pub(crate) fn speaker_name(corpus: Corpus, index: usize) -> String {
    format!("{corpus}-speaker-{:03}", index + 1)
}

/// Where a clip lies, relative to the folder of the world.
pub(crate) fn media_file(clip: &ClipPlan) -> String {
    format!("{}/Raw/{}/{}.mp4", clip.corpus, clip.video_id, clip.clip_id)
}

/// Reads `truth.jsonl`.
///
/// # Errors
/// [`SynthError::Io`], or [`SynthError::Damaged`] with the line.
pub fn read_truth(path: &Path) -> Result<Vec<ClipTruth>, SynthError> {
    let text = std::fs::read_to_string(path).map_err(io("read", path))?;
    text.lines()
        .enumerate()
        .map(|(index, line)| serde_json::from_str(line).map_err(|e| damaged(path, index, &e)))
        .collect()
}

/// Which clip a line tells of.
#[derive(Deserialize)]
struct Key {
    corpus: Corpus,
    index: usize,
}

/// The lines of an earlier run by clip, as text; none if there is no file.
pub(crate) fn earlier_lines(path: &Path) -> Result<BTreeMap<(Corpus, usize), String>, SynthError> {
    if !path.is_file() {
        return Ok(BTreeMap::new());
    }
    let text = std::fs::read_to_string(path).map_err(io("read", path))?;
    let keyed = |(index, line): (usize, &str)| {
        let key: Key = serde_json::from_str(line).map_err(|e| damaged(path, index, &e))?;
        Ok(((key.corpus, key.index), line.to_owned()))
    };
    text.lines().enumerate().map(keyed).collect()
}

fn damaged(path: &Path, index: usize, error: &serde_json::Error) -> SynthError {
    SynthError::Damaged { path: path.to_owned(), detail: format!("line {}: {error}", index + 1) }
}
