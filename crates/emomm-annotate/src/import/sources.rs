//! Where clips come from: a benchmark, or the folder of a corpus.

use std::path::{Path, PathBuf};

use emomm_dataset::manifest::Manifest;
use emomm_dataset::readers::{
    FolderOptions, Reading, add_unimodal_labels, read_ch_sims, read_folder, read_mosi,
};
use emomm_dataset::{Corpus, GridScore, Modality, ScoreScale};

use crate::error::AnnotateError;

/// What is imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A benchmark that `emomm build` made.
    Bench(PathBuf),
    /// A folder of CMU-MOSI, perhaps with known labels of the modalities in a file of their own.
    Mosi {
        /// The folder.
        folder: PathBuf,
        /// The file.
        labels: Option<PathBuf>,
    },
    /// A folder of CH-SIMS.
    ChSims(PathBuf),
    /// Any folder with `metadata.csv`, `metadata.jsonl` or `metadata.parquet`.
    Folder(PathBuf),
}

/// A clip before its media are split.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceClip {
    /// Name of the corpus.
    pub corpus: String,
    /// Its class map.
    pub class_map: Corpus,
    /// The video.
    pub video_id: String,
    /// The clip within the video.
    pub clip_id: String,
    /// Language tag.
    pub language: String,
    /// The transcript; empty if there is none.
    pub text: String,
    /// File with the picture.
    pub video: Option<PathBuf>,
    /// File with the sound.
    pub audio: Option<PathBuf>,
    /// Known scores of T, A, V: references for training and calibration.
    pub scores: [Option<GridScore>; 3],
}

impl SourceClip {
    /// `video_clip`, as label files name it.
    pub fn name(&self) -> String {
        format!("{}_{}", self.video_id, self.clip_id)
    }
}

/// The clips of a source in the order of their ids.
///
/// # Errors
/// Where the source cannot be read or holds no clip.
pub fn read_source(source: &Source) -> Result<Vec<SourceClip>, AnnotateError> {
    let (path, mut clips) = match source {
        Source::Bench(path) => (path, of_bench(path)?),
        Source::Mosi { folder, labels } => {
            let mut reading = read_mosi(folder)?;
            if let Some(labels) = labels {
                add_unimodal_labels(&mut reading, labels)?;
            }
            (folder, of_reading(reading))
        }
        Source::ChSims(path) => (path, of_reading(read_ch_sims(path)?)),
        Source::Folder(path) => (path, of_reading(read_folder(path, &FolderOptions::default())?)),
    };
    clips.sort_by(|a, b| (&a.corpus, &a.video_id, &a.clip_id).cmp(&(&b.corpus, &b.video_id, &b.clip_id)));
    // A clip that is listed twice is labelled once.
    clips.dedup_by(|b, a| (&a.corpus, &a.video_id, &a.clip_id) == (&b.corpus, &b.video_id, &b.clip_id));
    if clips.is_empty() {
        return Err(AnnotateError::Project {
            path: path.clone(),
            found: "no clip".to_owned(),
            expected: "clips to label".to_owned(),
        });
    }
    Ok(clips)
}

fn of_bench(path: &Path) -> Result<Vec<SourceClip>, AnnotateError> {
    let manifest = Manifest::read(path)?;
    let roots = Manifest::read_roots(path)?;
    let class_map = |corpus: &str| {
        manifest.header.corpora.iter().find(|c| c.name == corpus).map_or(Corpus::ChSims, |c| c.class_map)
    };
    let full = manifest.rows.iter().filter(|row| row.is_full());
    Ok(full
        .map(|row| {
            let at = |path: &Option<String>| {
                path.as_ref()
                    .map(|path| roots.get(&row.corpus).map_or_else(PathBuf::new, Clone::clone).join(path))
            };
            let score = |modality: Modality| row.labels.modality(modality).map(|label| label.score);
            SourceClip {
                corpus: row.corpus.clone(),
                class_map: class_map(&row.corpus),
                video_id: row.video_id.clone(),
                clip_id: row.clip_id.clone(),
                language: row.language.clone(),
                text: row.text.clone().unwrap_or_default(),
                video: at(&row.video_path),
                audio: at(&row.audio_path),
                scores: Modality::ALL.map(score),
            }
        })
        .collect())
}

fn of_reading(reading: Reading) -> Vec<SourceClip> {
    let info = reading.corpus;
    let clips = reading.clips.into_iter();
    clips
        .map(|clip| {
            let at = |path: Option<String>| path.map(|path| info.root.join(path));
            // Only scores on the plain scale are taken: they are hints for practice, not data.
            let score = |text: &String| {
                if info.modality_scale != ScoreScale::Unit {
                    return None;
                }
                let steps = (text.trim().parse::<f64>().ok()? * 5.0).round_ties_even();
                (steps.abs() <= 5.0).then(|| GridScore::from_steps(steps as i8)).flatten()
            };
            SourceClip {
                corpus: info.name.clone(),
                class_map: info.class_map,
                language: clip.language.unwrap_or_else(|| info.language.clone()),
                scores: std::array::from_fn(|m| score(&clip.modalities[m])),
                video_id: clip.video_id,
                clip_id: clip.clip_id,
                text: clip.text,
                video: at(clip.video_path),
                audio: at(clip.audio_path),
            }
        })
        .collect()
}
