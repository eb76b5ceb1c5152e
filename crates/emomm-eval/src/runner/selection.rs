//! Which clips of a benchmark are asked, and under which coalitions.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use emomm_dataset::build::Split;
use emomm_dataset::manifest::{Manifest, ManifestRow};
use emomm_dataset::{Modality, ModalitySet, Sentiment, Subset};
use thiserror::Error;

use super::item::Evidence;
use super::shard::Shard;
use crate::predictor::Clip;

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowKind {
    /// Subsets, all where empty. A subset of full clips asks for every coalition; one of masked copies for the pair that
    /// the copy shows.
    pub subsets: Vec<Subset>,
    /// Splits, all where empty.
    pub splits: Vec<Split>,
    /// Ids of full clips, all where empty.
    pub sample_ids: Vec<String>,
    /// At most so many clips, in the order of the manifest, before shards are cut.
    pub limit: Option<usize>,
    /// A part of them.
    pub shard: Option<Shard>,
}

/// A clip that is asked for, before its records have keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The clip, its files under the roots of this machine.
    pub clip: Clip,
    /// The coalitions, in the order of [`ModalitySet::ALL`].
    pub coalitions: Vec<ModalitySet>,
    /// What identifies its content.
    pub evidence: Evidence,
    /// The true class.
    pub truth: Sentiment,
}

/// Why nothing can be selected.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SelectError {
    /// Ids that no full clip has.
    #[error("the benchmark has no clip {}", .0.join(", "))]
    UnknownSamples(Vec<String>),
    /// The benchmark names a corpus without a root.
    #[error("{ROOTS} names no folder for the corpus {0}")]
    NoRoot(String),
    /// Masked copies are asked for, and none of the coalitions that they show.
    #[error("{subsets}: masked copies show two modalities, and the coalitions asked for are {coalitions}")]
    NoPair {
        /// The subsets of copies.
        subsets: String,
        /// The coalitions that are asked for.
        coalitions: String,
    },
    /// The selection is empty.
    #[error("no clip of the benchmark is selected: {0}")]
    Nothing(String),
}

const ROOTS: &str = emomm_dataset::manifest::ROOTS_FILE;

impl SelectError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::UnknownSamples(_) => {
                "ids are those of full clips in the manifest: corpus/video/clip".to_owned()
            }
            Self::NoRoot(corpus) => format!("add the folder of {corpus} to {ROOTS} beside the manifest"),
            Self::NoPair { .. } => {
                "ask for TA, TV or AV in --coalitions, or leave out --coalitions or these subsets".to_owned()
            }
            Self::Nothing(_) => "see `emomm stats` for what there is".to_owned(),
        }
    }
}

/// The clips that are asked for, in the order of the manifest. A shard may hold none of them.
pub fn candidates(
    manifest: &Manifest,
    roots: &BTreeMap<String, PathBuf>,
    wanted: &RowKind,
    coalitions: &[ModalitySet],
) -> Result<Vec<Candidate>, SelectError> {
    check_ids(manifest, &wanted.sample_ids)?;
    // The coalitions of each clip, found by its id; rows of a clip follow each other.
    let mut chosen: Vec<(&ManifestRow, Vec<ModalitySet>)> = Vec::new();
    let mut rows = manifest.rows.iter().peekable();
    while let Some(full) = rows.next() {
        let mut asked: BTreeSet<ModalitySet> = BTreeSet::new();
        if full.is_full() && is_in(full, &wanted.subsets) {
            asked.extend(coalitions);
        }
        while let Some(copy) = rows.next_if(|r| r.source_id.as_deref() == Some(&full.id)) {
            if !wanted.subsets.is_empty() && is_in(copy, &wanted.subsets) {
                asked.extend(coalitions.iter().filter(|c| **c == copy.coalition));
            }
        }
        let is_split = wanted.splits.is_empty() || wanted.splits.contains(&full.split);
        let is_named = wanted.sample_ids.is_empty() || wanted.sample_ids.contains(&full.id);
        if full.is_full() && is_split && is_named && !asked.is_empty() {
            let ordered = ModalitySet::ALL.into_iter().filter(|c| asked.contains(c)).collect();
            chosen.push((full, ordered));
        }
    }
    chosen.truncate(wanted.limit.unwrap_or(usize::MAX));
    if chosen.is_empty() {
        return Err(SelectError::Nothing(format!(
            "{} rows, none of what was asked for",
            manifest.rows.len()
        )));
    }
    chosen.retain(|(row, _)| wanted.shard.is_none_or(|shard| shard.holds(&row.id)));
    chosen.into_iter().map(|(row, coalitions)| candidate(manifest, roots, row, coalitions)).collect()
}

fn is_in(row: &ManifestRow, subsets: &[Subset]) -> bool {
    let own = row.narrowest_subset();
    subsets.is_empty() || subsets.iter().any(|s| own.is_some_and(|own| own.is_within(*s)))
}

fn check_ids(manifest: &Manifest, ids: &[String]) -> Result<(), SelectError> {
    let known: BTreeSet<&str> = manifest.rows.iter().filter(|r| r.is_full()).map(|r| r.id.as_str()).collect();
    let unknown: Vec<String> = ids.iter().filter(|id| !known.contains(id.as_str())).cloned().collect();
    if unknown.is_empty() { Ok(()) } else { Err(SelectError::UnknownSamples(unknown)) }
}

/// Refuses subsets of masked copies without a pair among the coalitions, which would leave a part of what is asked for out in
/// silence. For new runs: those that are there hold what they hold.
///
/// # Errors
/// [`SelectError::NoPair`].
pub fn check_pairs(subsets: &[Subset], coalitions: &[ModalitySet]) -> Result<(), SelectError> {
    let is_of_copies = |s: &&Subset| matches!(s, Subset::MissingAlign | Subset::MissingConflict);
    let of_copies: Vec<&str> = subsets.iter().filter(is_of_copies).map(|s| s.name()).collect();
    if of_copies.is_empty() || coalitions.iter().any(|c| c.len() == 2) {
        return Ok(());
    }
    let coalitions: Vec<String> = coalitions.iter().map(ToString::to_string).collect();
    Err(SelectError::NoPair { subsets: of_copies.join(" and "), coalitions: coalitions.join(", ") })
}

fn candidate(
    manifest: &Manifest,
    roots: &BTreeMap<String, PathBuf>,
    row: &ManifestRow,
    coalitions: Vec<ModalitySet>,
) -> Result<Candidate, SelectError> {
    let root = roots.get(&row.corpus).ok_or_else(|| SelectError::NoRoot(row.corpus.clone()))?;
    let map = manifest.header.corpora.iter().find(|c| c.name == row.corpus);
    let map = map.map(|c| c.class_map).ok_or_else(|| SelectError::NoRoot(row.corpus.clone()))?;
    let file = |path: &Option<String>| path.as_ref().map(|p| root.join(Path::new(p)));
    let clip = Clip {
        id: row.id.clone(),
        text: row.text.clone(),
        audio: file(&row.audio_path),
        video: file(&row.video_path),
        corpus: map,
    };
    Ok(Candidate { clip, coalitions, evidence: evidence_of(row), truth: row.labels.ground_truth.class })
}

/// What identifies the content of a row's modalities: digests of files, or their paths where the benchmark was built
/// without media; the transcript itself.
pub fn evidence_of(row: &ManifestRow) -> Evidence {
    let file = |sha: &Option<String>, path: &Option<String>| {
        sha.clone().or_else(|| path.as_ref().map(|p| format!("unhashed:{p}")))
    };
    Evidence::from_fn(|m| match m {
        Modality::Text => row.text.clone(),
        Modality::Audio => file(&row.audio_sha256, &row.audio_path),
        Modality::Video => file(&row.video_sha256, &row.video_path),
    })
}
