//! Shards of one plan become one run.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::Path;

use thiserror::Error;

use super::error::RunError;
use super::folder::{ATTENTION_FOLDER, Run};
use super::header::{Plan, RunHeader};
use super::record::Record;
use super::whole::write_whole;
use super::writer::LogWriter;
use crate::runner::Shard;

/// Records appended at a time.
const GROUP: usize = 4096;

/// Why runs are not the shards of one plan.
#[derive(Debug, Error)]
pub enum MergeError {
    /// A run is no shard.
    #[error("{run} is no shard: its plan has no --shard")]
    NoShard {
        /// The run.
        run: String,
    },
    /// Two plans differ in more than the shard.
    #[error("{run} has another plan than {first}:\n{}", diff.join("\n"))]
    OtherPlan {
        /// The run.
        run: String,
        /// The run that it was compared with.
        first: String,
        /// What differs.
        diff: Vec<String>,
    },
    /// Two runs hold the same.
    #[error("{run} and {other} overlap: both hold {what}")]
    Overlap {
        /// The one.
        run: String,
        /// The other.
        other: String,
        /// A shard or a record.
        what: String,
    },
    /// Something of the plan is in none of the runs.
    #[error("there are gaps: {}", .0.join("; "))]
    Gaps(Vec<String>),
    /// A run cannot be read, or the merged one not written.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl MergeError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoShard { .. } => Some("merge the runs of `emomm eval --shard i/n`".to_owned()),
            Self::OtherPlan { .. } => {
                Some("merge shards of one command, which differ in --shard alone".to_owned())
            }
            Self::Overlap { .. } => Some("give each shard once".to_owned()),
            Self::Gaps(_) => Some("compute what is missing and merge again".to_owned()),
            Self::Run(error) => error.hint(),
        }
    }
}

/// Writes the run of all shards into `out`; gives its number of records. What a merge that was cut off has left there is
/// written again.
pub fn merge(runs: &[Run], out: &Path) -> Result<usize, MergeError> {
    let (plan, header) = whole_plan(runs)?;
    let mut owners: BTreeMap<(&str, String), usize> = BTreeMap::new();
    for (at, run) in runs.iter().enumerate() {
        for record in run.records() {
            let key = (record.sample.as_str(), record.coalition.to_string());
            if let Some(other) = owners.insert(key, at) {
                let what = format!("{} under {}", record.sample, record.coalition);
                return Err(MergeError::Overlap { run: name(run), other: name(&runs[other]), what });
            }
        }
    }
    let header = RunHeader { plan, left_out: Vec::new(), ..header };
    write_whole(out, |growing| Ok(grown(runs, out, growing, &header)?))
}

/// Writes the log into the folder `growing` and the tensors into that of `out`; gives the number of records.
fn grown(runs: &[Run], out: &Path, growing: &Path, header: &RunHeader) -> Result<usize, RunError> {
    let mut writer = LogWriter::create(growing, header)?;
    let mut n = 0;
    for (at, run) in runs.iter().enumerate() {
        let records = with_tensors(run, at + 1, out)?;
        for group in records.chunks(GROUP) {
            writer.append(group)?;
        }
        n += records.len();
    }
    Ok(n)
}

fn name(run: &Run) -> String {
    run.folder().display().to_string()
}

/// The plan without its shard, if the runs are all of its shards, each whole.
fn whole_plan(runs: &[Run]) -> Result<(Plan, RunHeader), MergeError> {
    let mut gaps = Vec::new();
    let mut seen: BTreeMap<u64, &Run> = BTreeMap::new();
    let mut count = None;
    let mut whole: Option<(Plan, &Run)> = None;
    let (mut n_clips, mut n_records) = (0, 0);
    for run in runs {
        let plan = &run.header().plan;
        let shard = plan.selection.shard.as_ref().and_then(|s| s.parse::<Shard>().ok());
        let shard = shard.ok_or_else(|| MergeError::NoShard { run: name(run) })?;
        let without = unsharded(plan);
        match &whole {
            None => whole = Some((without, run)),
            Some((first, of)) => {
                let mut diff = super::diff::differences(first, &without);
                if count != Some(shard.count) {
                    diff.push(format!(
                        "  shards: {} in the one, {} in the other",
                        count.unwrap_or(0),
                        shard.count
                    ));
                }
                if !diff.is_empty() {
                    return Err(MergeError::OtherPlan { run: name(run), first: name(of), diff });
                }
            }
        }
        count = Some(shard.count);
        if let Some(other) = seen.insert(shard.index, run) {
            let what = format!("shard {shard}");
            return Err(MergeError::Overlap { run: name(run), other: name(other), what });
        }
        if !run.is_complete() {
            gaps.push(format!("{} holds {}", name(run), run.n_of_n()));
        }
        n_clips += plan.n_clips;
        n_records += plan.n_records;
    }
    let missing = (1..=count.unwrap_or(0)).filter(|i| !seen.contains_key(i));
    gaps.extend(missing.map(|i| format!("shard {i}/{} is missing", count.unwrap_or(0))));
    let Some((plan, first)) = whole.filter(|_| gaps.is_empty()) else { return Err(MergeError::Gaps(gaps)) };
    Ok((Plan { n_clips, n_records, ..plan }, first.header().clone()))
}

fn unsharded(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    plan.selection.shard = None;
    (plan.n_clips, plan.n_records) = (0, 0);
    plan
}

/// The records of a run, whose tensors are copied under names of their own.
fn with_tensors(run: &Run, number: usize, out: &Path) -> Result<Vec<Record>, RunError> {
    let mut records = run.records().to_vec();
    let renamed = |file: &str| format!("s{number}-{file}");
    let mut files = BTreeSet::new();
    for record in &mut records {
        if let Some(file) = record.attention.as_mut().and_then(|a| a.tensors.as_mut()) {
            files.insert(file.clone());
            *file = renamed(file);
        }
    }
    let folder = out.join(ATTENTION_FOLDER);
    for file in files {
        fs::create_dir_all(&folder).map_err(|e| RunError::io(&folder, e))?;
        let from = run.folder().join(ATTENTION_FOLDER).join(&file);
        let to = folder.join(renamed(&file));
        fs::copy(&from, &to).map_err(|e| RunError::io(&from, e))?;
        File::open(&to).and_then(|copy| copy.sync_all()).map_err(|e| RunError::io(&to, e))?;
    }
    Ok(records)
}
