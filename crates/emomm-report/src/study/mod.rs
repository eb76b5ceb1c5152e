//! What is analysed: the clips of a benchmark, and what each run recorded about them.
//!
//! A study joins records to the manifest once; every analysis is then a function of it. Clips that no run looked at are
//! left out.

mod answers;
mod clip;
mod heat;
mod origin;

use std::collections::{BTreeMap, BTreeSet};

use emomm_dataset::manifest::{Manifest, ManifestRow};
use emomm_dataset::{Corpus, ModalitySet};
use emomm_eval::run::{Record, RecordStatus, Run};

pub(crate) use answers::answers_by_language;
pub use answers::{AnswerSource, all_answers, missing_answers};
pub use clip::StudyClip;
pub(crate) use clip::languages_are_corpora;
pub use heat::{Heat, Heats};
pub use origin::{Origin, origin_of};

use crate::error::ReportError;

/// What follows the name of a table or figure in the names of its files where runs are not complete.
pub(crate) const PARTIAL: &str = ".partial-";

/// Runs over the clips of one benchmark.
#[derive(Debug)]
pub struct Study {
    /// The clips that some run looked at, by corpus and id.
    pub clips: Vec<StudyClip>,
    /// The runs, in the order in which they were given.
    pub runs: Vec<StudyRun>,
    /// Where the clips come from.
    pub origin: Origin,
}

/// One run and its records by clip.
#[derive(Debug)]
pub struct StudyRun {
    /// A short name, unique in the study.
    pub name: String,
    /// The run.
    pub run: Run,
    /// For each clip of the study and each coalition in the order of [`ModalitySet::ALL`], the record's index.
    cells: Vec<[Option<u32>; 8]>,
    /// Records of samples that the manifest does not hold.
    pub n_unknown: usize,
}

impl StudyRun {
    /// A run without clips.
    #[cfg(test)]
    pub(crate) fn alone(name: &str, run: Run) -> Self {
        Self { name: name.to_owned(), run, cells: Vec::new(), n_unknown: 0 }
    }

    /// The record of a clip, given by its index in the study.
    pub fn record(&self, clip: usize, coalition: ModalitySet) -> Option<&Record> {
        let index = self.cells.get(clip)?[position(coalition)]?;
        self.run.records().get(index as usize)
    }

    /// All records with the index of their clip, by clip and then by coalition.
    pub fn records(&self) -> impl Iterator<Item = (usize, &Record)> {
        self.cells.iter().enumerate().flat_map(move |(clip, cells)| {
            cells.iter().flatten().filter_map(move |i| Some((clip, self.run.records().get(*i as usize)?)))
        })
    }

    /// Records of the plan.
    pub fn n_planned(&self) -> usize {
        self.run.header().plan.n_records.max(self.run.records().len())
    }

    /// Records with an answer.
    pub fn n_answered(&self) -> usize {
        self.run.records().iter().filter(|r| r.status == RecordStatus::Ok).count()
    }

    /// Whether the letters come from logits or from what the model wrote.
    pub fn source(&self) -> AnswerSource {
        if self.run.records().iter().any(|r| r.letter.is_some()) {
            AnswerSource::Letter
        } else {
            AnswerSource::ReplyLetter
        }
    }

    /// Whether some record has attention.
    pub fn has_attention(&self) -> bool {
        self.run.records().iter().any(|r| r.attention.is_some())
    }
}

/// Position of a coalition in [`ModalitySet::ALL`].
pub(crate) fn position(coalition: ModalitySet) -> usize {
    ModalitySet::ALL.iter().position(|s| *s == coalition).unwrap_or(0)
}

impl Study {
    /// What the names of files say of runs that are not complete, as `.partial-480-of-500`; nothing where all are.
    pub fn mark(&self) -> String {
        let n: usize = self.runs.iter().map(|run| run.run.records().len()).sum();
        let planned: usize = self.runs.iter().map(StudyRun::n_planned).sum();
        if n == planned { String::new() } else { format!("{PARTIAL}{n}-of-{planned}") }
    }

    /// Joins runs to the manifest of their benchmark.
    ///
    /// # Errors
    /// A run of another benchmark, or one of whose records none belongs to a clip of the manifest.
    pub fn new(manifest: &Manifest, runs: Vec<(String, Run)>, origin: Origin) -> Result<Self, ReportError> {
        let of_manifest = &manifest.header.parquet_sha256;
        for (name, run) in &runs {
            let found = &run.header().plan.bench.manifest_sha256;
            if !found.is_empty() && !of_manifest.is_empty() && found != of_manifest {
                return Err(ReportError::OtherBenchmark {
                    run: name.clone(),
                    found: found.clone(),
                    expected: of_manifest.clone(),
                });
            }
        }
        let used: BTreeSet<&str> =
            runs.iter().flat_map(|(_, run)| run.records()).map(|record| record.sample.as_str()).collect();
        let maps: BTreeMap<&str, Corpus> =
            manifest.header.corpora.iter().map(|c| (c.name.as_str(), c.class_map)).collect();
        let mut copies: BTreeMap<&str, Vec<&ManifestRow>> = BTreeMap::new();
        for row in &manifest.rows {
            if let Some(source) = &row.source_id {
                copies.entry(source).or_default().push(row);
            }
        }
        let mut clips: Vec<StudyClip> = manifest
            .rows
            .iter()
            .filter(|row| row.source_id.is_none() && used.contains(row.id.as_str()))
            .map(|row| {
                let copies = copies.get(row.id.as_str()).map_or(&[][..], Vec::as_slice);
                StudyClip::of(row, copies, maps.get(row.corpus.as_str()).copied().unwrap_or(Corpus::ChSims))
            })
            .collect();
        clips.sort_by(|a, b| (&a.corpus.name, &a.id).cmp(&(&b.corpus.name, &b.id)));
        let mut by_id: Vec<(&str, usize)> =
            clips.iter().enumerate().map(|(i, c)| (c.id.as_str(), i)).collect();
        by_id.sort_unstable();
        let find =
            |id: &str| by_id.binary_search_by(|(known, _)| (*known).cmp(id)).ok().map(|at| by_id[at].1);
        let mut joined = Vec::with_capacity(runs.len());
        for (name, run) in runs {
            let mut cells = vec![[None; 8]; clips.len()];
            let mut n_unknown = 0;
            for (index, record) in run.records().iter().enumerate() {
                match find(&record.sample) {
                    Some(clip) => cells[clip][position(record.coalition)] = Some(index as u32),
                    None => n_unknown += 1,
                }
            }
            if n_unknown == run.records().len() {
                let n = run.records().len();
                return Err(ReportError::NoRecords { run: name, n });
            }
            joined.push(StudyRun { name, run, cells, n_unknown });
        }
        Ok(Self { clips, runs: joined, origin })
    }
}

/// Whether a record's answer is the ground truth's class. A record without an answer is not right.
pub fn is_right(clip: &StudyClip, record: &Record) -> bool {
    record.status == RecordStatus::Ok && record.label == Some(clip.truth())
}
