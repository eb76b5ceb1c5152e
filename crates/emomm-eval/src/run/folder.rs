//! A run folder as its readers see it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use emomm_dataset::ModalitySet;

use super::error::RunError;
use super::header::RunHeader;
use super::reader;
use super::record::{Record, RecordStatus};
use super::tensors::{KeptAttention, Shard};

/// The log's file.
pub const LOG_FILE: &str = "log.jsonl";

/// Folder of the tensors beside the log.
pub const ATTENTION_FOLDER: &str = "attention";

/// A run, read as a whole. A run that is still being written can be read too.
#[derive(Debug, Clone)]
pub struct Run {
    folder: PathBuf,
    header: RunHeader,
    records: Vec<Record>,
    n_lines: usize,
    is_torn: bool,
}

impl Run {
    /// Reads the run of a folder, or of its `log.jsonl`.
    ///
    /// # Errors
    /// No log, another format version, or a line in the middle that cannot be read. A torn end is none.
    pub fn open(path: &Path) -> Result<Self, RunError> {
        let log = if path.is_dir() { path.join(LOG_FILE) } else { path.to_owned() };
        if !log.is_file() {
            return Err(RunError::NoRun { path: path.to_owned() });
        }
        let content = reader::read(&log)?;
        let Some(header) = content.headers.last().cloned() else {
            let message = "found no header, expected the first line of a run".to_owned();
            return Err(RunError::Line { path: log, line: 1, message });
        };
        let n_lines = content.records.len();
        let folder = log.parent().map(Path::to_owned).unwrap_or_default();
        let records = final_records(content.records, &header);
        Ok(Self { folder, header, records, n_lines, is_torn: content.is_torn })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The header that holds: the last one, if the log was continued under a changed plan.
    pub fn header(&self) -> &RunHeader {
        &self.header
    }

    /// The final record of each key, sorted by sample and coalition. Records of an earlier plan's settings, and those that the
    /// plan does not select, are left out.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The record of a clip and coalition.
    pub fn record(&self, sample: &str, coalition: ModalitySet) -> Option<&Record> {
        let at =
            self.records.binary_search_by(|r| order(&r.sample, r.coalition).cmp(&order(sample, coalition)));
        at.ok().map(|at| &self.records[at])
    }

    /// Attention of a record by head and token; `None` unless the run kept it.
    pub fn kept_attention(&self, record: &Record) -> Result<Option<KeptAttention>, RunError> {
        let Some(path) = self.shard(record) else { return Ok(None) };
        Shard::read(&path)?.tensors()?.of(&record.key).map(Some)
    }

    /// Calls `visit` with the attention of each of `records` that was kept. Every file is read once, so the order is that
    /// of the files.
    pub fn visit_kept_attention<'a>(
        &self,
        records: impl IntoIterator<Item = &'a Record>,
        visit: &mut dyn FnMut(&'a Record, KeptAttention),
    ) -> Result<(), RunError> {
        let mut by_file: BTreeMap<PathBuf, Vec<&Record>> = BTreeMap::new();
        for record in records {
            if let Some(path) = self.shard(record) {
                by_file.entry(path).or_default().push(record);
            }
        }
        for (path, records) in by_file {
            let shard = Shard::read(&path)?;
            let tensors = shard.tensors()?;
            for record in records {
                visit(record, tensors.of(&record.key)?);
            }
        }
        Ok(())
    }

    /// The file of a record's tensors. A name from the log stays within the folder.
    fn shard(&self, record: &Record) -> Option<PathBuf> {
        let file = record.attention.as_ref()?.tensors.as_deref()?;
        Some(self.folder.join(ATTENTION_FOLDER).join(Path::new(file).file_name()?))
    }

    /// Records in the log that a later one, or a changed plan, has replaced.
    pub fn n_superseded(&self) -> usize {
        self.n_lines - self.records.len()
    }

    /// Whether the log ends in something that was never acknowledged.
    pub fn is_torn(&self) -> bool {
        self.is_torn
    }

    /// Whether every record of the plan is there, whatever its status.
    pub fn is_complete(&self) -> bool {
        self.records.len() >= self.header.plan.n_records
    }

    /// `n of N records`, as every table of a run states it.
    pub fn n_of_n(&self) -> String {
        format!("{} of {} records", self.records.len(), self.header.plan.n_records)
    }

    /// Number of records by status; statuses that do not occur are left out.
    pub fn statuses(&self) -> BTreeMap<RecordStatus, usize> {
        let mut counts = BTreeMap::new();
        for record in &self.records {
            *counts.entry(record.status).or_default() += 1;
        }
        counts
    }
}

/// Position of a coalition in [`ModalitySet::ALL`], and the sample before it.
fn order(sample: &str, coalition: ModalitySet) -> (&str, usize) {
    (sample, ModalitySet::ALL.iter().position(|c| *c == coalition).unwrap_or(0))
}

/// The last record of each clip and coalition among those of the header's settings, without those that it leaves out.
pub(super) fn final_records(records: Vec<Record>, header: &RunHeader) -> Vec<Record> {
    let left_out: BTreeSet<&str> = header.left_out.iter().map(String::as_str).collect();
    let counts = |r: &Record| header.owns(&r.key) && !left_out.contains(r.key.as_str());
    let mut kept: Vec<(usize, Record)> = records.into_iter().enumerate().filter(|(_, r)| counts(r)).collect();
    // Of equal ones the last comes first, and stays.
    kept.sort_by(|(i, a), (j, b)| {
        order(&a.sample, a.coalition).cmp(&order(&b.sample, b.coalition)).then(j.cmp(i))
    });
    kept.dedup_by(|(_, b), (_, a)| a.sample == b.sample && a.coalition == b.coalition);
    kept.into_iter().map(|(_, record)| record).collect()
}
