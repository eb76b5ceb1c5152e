//! Proof from the manifest alone that nothing leaks between splits and that every definition holds for every row.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Serialize;

use super::files::Manifest;
use super::header::Counts;
use super::row::ManifestRow;
use crate::build::{MASKED, media_digest};
use crate::labels::{PolaritySource, Source};
use crate::modality::{Modality, ModalitySet};
use crate::sentiment::Sentiment;

/// Violations that are named; all are counted.
const MAX_NAMED: usize = 20;

/// One property and how far it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was checked, as a sentence that should be true.
    pub name: &'static str,
    /// Things that were looked at.
    pub checked: usize,
    /// Things for which it does not hold.
    pub failed: usize,
    /// The first of these.
    pub violations: Vec<String>,
}

impl Check {
    /// Whether it holds throughout.
    pub fn holds(&self) -> bool {
        self.failed == 0
    }

    fn new(name: &'static str) -> Self {
        Self { name, checked: 0, failed: 0, violations: Vec::new() }
    }

    fn look(&mut self, holds: bool, violation: impl FnOnce() -> String) {
        self.checked += 1;
        if !holds {
            self.failed += 1;
            if self.violations.len() < MAX_NAMED {
                self.violations.push(violation());
            }
        }
    }
}

/// All checks that need nothing but the manifest.
pub fn verify(manifest: &Manifest) -> Vec<Check> {
    let rows = &manifest.rows;
    vec![
        ids(rows),
        masked_copies(rows),
        expansion(rows),
        together("no group is in two splits", rows, |r| Some(r.group.clone())),
        together("no video is in two splits", rows, |r| Some(format!("{}/{}", r.corpus, r.video_id))),
        together("no transcript of a video is in two splits", rows, |r| {
            r.text.as_ref().map(|text| format!("{}/{}: {text}", r.corpus, r.video_id))
        }),
        together("no clip is in two splits under two corpora", rows, |r| {
            r.text.as_ref().map(|text| format!("{}/{}: {text}", r.video_id, r.clip_id))
        }),
        together("no video file is in two splits", rows, |r| r.video_sha256.clone()),
        together("no audio file is in two splits", rows, |r| r.audio_sha256.clone()),
        subsets(manifest),
        agreements(manifest),
        classes(manifest),
        polarities(manifest),
        counts(manifest),
    ]
}

/// Checks that media match their hashes. `roots` are the folders of the corpora.
pub fn verify_media(manifest: &Manifest, roots: &BTreeMap<String, PathBuf>) -> Check {
    let mut check = Check::new("media match their hashes");
    let mut files: BTreeSet<(&str, &str, &str)> = BTreeSet::new();
    for row in &manifest.rows {
        for (path, digest) in [(&row.video_path, &row.video_sha256), (&row.audio_path, &row.audio_sha256)] {
            if let (Some(path), Some(digest)) = (path, digest) {
                files.insert((&row.corpus, path, digest));
            }
        }
    }
    for (corpus, path, digest) in files {
        let found = match roots.get(corpus) {
            None => Err(format!("root {corpus} is not known")),
            Some(root) => media_digest(&root.join(path)).map_err(|fault| fault.found),
        };
        let matches = found.as_deref() == Ok(digest);
        check.look(matches, || match found {
            Ok(found) => format!("{corpus}: {path}: {found} instead of {digest}"),
            Err(message) => format!("{corpus}: {path}: {message}"),
        });
    }
    check
}

fn ids(rows: &[ManifestRow]) -> Check {
    let mut check = Check::new("ids are unique and made of corpus, video, clip and coalition");
    let mut seen = BTreeSet::new();
    for row in rows {
        let source = format!("{}/{}/{}", row.corpus, row.video_id, row.clip_id);
        let expected = if row.is_full() { source } else { format!("{source}/{}", row.coalition) };
        check.look(row.id == expected && seen.insert(&row.id), || row.id.clone());
    }
    check
}

fn masked_copies(rows: &[ManifestRow]) -> Check {
    let mut check = Check::new(
        "a masked copy has its source's labels, group and split, and shows of it what it may and no more",
    );
    let full: BTreeMap<&str, &ManifestRow> =
        rows.iter().filter(|r| r.is_full()).map(|r| (r.id.as_str(), r)).collect();
    for row in rows.iter().filter(|r| !r.is_full()) {
        let source = row.source_id.as_deref().and_then(|id| full.get(id));
        let shows = |modality: Modality, own: &Option<String>, of_source: &Option<String>| {
            if row.coalition.contains(modality) { own == of_source } else { own.is_none() }
        };
        let holds = source.is_some_and(|s| {
            s.split == row.split
                && s.group == row.group
                && s.labels == row.labels
                && s.language == row.language
                && shows(Modality::Text, &row.text, &s.text)
                && shows(Modality::Audio, &row.audio_path, &s.audio_path)
                && shows(Modality::Audio, &row.audio_sha256, &s.audio_sha256)
                && shows(Modality::Video, &row.video_path, &s.video_path)
                && shows(Modality::Video, &row.video_sha256, &s.video_sha256)
        });
        check.look(holds, || row.id.clone());
    }
    check
}

fn expansion(rows: &[ManifestRow]) -> Check {
    let mut check = Check::new("every clip has the masked copies TA, TV and AV and no other");
    let expected: BTreeSet<ModalitySet> = MASKED.iter().filter_map(|word| word.parse().ok()).collect();
    let mut copies: BTreeMap<&str, BTreeSet<ModalitySet>> = BTreeMap::new();
    for row in rows {
        match &row.source_id {
            None => copies.entry(&row.id).or_default(),
            Some(source) => {
                let set = copies.entry(source).or_default();
                set.insert(row.coalition);
                set
            }
        };
    }
    for (id, set) in copies {
        check.look(set == expected, || id.to_owned());
    }
    check
}

/// That rows with the same key share a split.
fn together(name: &'static str, rows: &[ManifestRow], key: impl Fn(&ManifestRow) -> Option<String>) -> Check {
    let mut check = Check::new(name);
    let mut splits = BTreeMap::new();
    for row in rows {
        if let Some(key) = key(row) {
            splits.entry(key).or_insert_with(BTreeSet::new).insert(row.split);
        }
    }
    for (key, splits) in splits {
        check.look(splits.len() == 1, || {
            let names: Vec<&str> = splits.iter().map(|s| s.name()).collect();
            format!("{key} in {}", names.join(" and "))
        });
    }
    check
}

fn subsets(manifest: &Manifest) -> Check {
    let mut check = Check::new("the subset follows from the observed labels");
    for row in &manifest.rows {
        let expected = manifest.header.options.rules.subset(&row.labels, row.coalition);
        check.look(row.subset == expected, || row.id.clone());
    }
    check
}

fn agreements(manifest: &Manifest) -> Check {
    let mut check = Check::new("equal and same-polarity follow from the labels");
    for row in manifest.rows.iter().filter(|r| r.is_full()) {
        let expected = manifest.header.options.rules.agreement(&row.labels);
        check.look(row.agreement == expected, || row.id.clone());
    }
    check
}

fn classes(manifest: &Manifest) -> Check {
    let mut check = Check::new("classes follow from the scores by the corpus's map");
    let corpora: BTreeMap<&str, _> = manifest.header.corpora.iter().map(|c| (c.name.as_str(), c)).collect();
    for row in &manifest.rows {
        let holds = corpora.get(row.corpus.as_str()).is_some_and(|corpus| {
            let truth = row.labels.ground_truth;
            corpus.class_map.class_of(truth.score) == truth.class
                && row
                    .labels
                    .modalities
                    .iter()
                    .filter_map(|(_, label)| *label)
                    .all(|l| corpus.modality_class_map.class_of(l.score) == l.class)
        });
        check.look(holds, || row.id.clone());
    }
    check
}

/// The sign of a score before it was put on the grid is not in the manifest; it can only differ where the class is
/// neutral.
fn polarities(manifest: &Manifest) -> Check {
    let mut check =
        Check::new("polarities follow from the classes, or from signs that do not contradict them");
    let raw = manifest.header.options.polarity == PolaritySource::RawSign;
    for row in &manifest.rows {
        let holds = Source::ALL.into_iter().filter_map(|source| row.labels.get(source)).all(|label| {
            label.polarity == label.class.polarity() || (raw && label.class == Sentiment::Neutral)
        });
        check.look(holds, || row.id.clone());
    }
    check
}

fn counts(manifest: &Manifest) -> Check {
    let mut check = Check::new("the header's counts are those of the rows");
    let found = Counts::of(&manifest.rows);
    check.look(found == manifest.header.counts, || format!("{found:?}"));
    check
}
