//! `emomm eval --dry-run`: what a plan would compute, and what it takes.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use emomm_dataset::ModalitySet;
use emomm_eval::run::{Run, RunHeader};
use emomm_eval::runner::Candidate;
use emomm_eval::{AttentionDetail, PredictOptions};
use serde_json::json;

use super::JOBS;
use super::model::Model;
use super::words::Words;
use crate::exit_status::{ExitStatus, Failure};
use crate::printer::Printer;

/// Bytes of a record's line without attention, and what a layer of attention adds: measured on the embedded model.
const RECORD_BYTES: usize = 700;
const LAYER_BYTES: usize = 200;
/// Bytes of attention by head, for each layer and head: two tables of three modalities.
const HEAD_BYTES: usize = 24;

/// Says what a plan would compute and take.
pub(super) fn run(
    words: &Words,
    model: &Model,
    options: &PredictOptions,
    chosen: &[Candidate],
    header: &RunHeader,
    json: bool,
    printer: &Printer,
) -> Result<ExitStatus, Failure> {
    let (n_clips, n_records) = (header.plan.n_clips, header.plan.n_records);
    let (layers, heads) = model.summary.as_ref().map_or((0, 0), |s| (s.n_layers, s.n_heads));
    let with_attention = if options.attention == AttentionDetail::None { 0 } else { layers * LAYER_BYTES };
    let by_head = if options.attention == AttentionDetail::Full { layers * heads * HEAD_BYTES } else { 0 };
    let bytes = n_records * (RECORD_BYTES + with_attention + by_head);
    let memory = model.weight_bytes();
    let no_file = chosen.iter().flat_map(|c| [&c.clip.audio, &c.clip.video]).flatten();
    let mut missing: Vec<&Path> = no_file.map(PathBuf::as_path).filter(|p| !p.is_file()).collect();
    missing.sort();
    missing.dedup();
    let tokens = words.out.as_deref().and_then(|out| Tokens::known(out, header, chosen));
    if json {
        printer.json(&json!({
            "n_clips": n_clips,
            "n_records": n_records,
            "coalitions": header.plan.coalitions,
            "missing_files": missing.len(),
            "log_bytes": bytes,
            "weight_bytes": memory,
            "tokens": tokens.as_ref().map(|t| json!({ "prompts": t.prompts, "from_records": t.from_records })),
            "plan": header.plan,
        }))?;
    } else {
        let shown: Vec<String> = header.plan.coalitions.iter().map(ToString::to_string).collect();
        let mut text = format!("{n_clips} clips under {}: {n_records} records\n", shown.join(", "));
        let _ = writeln!(text, "log         about {:.1} MB on the disk", bytes as f64 / 1e6);
        if let Some(memory) = memory {
            let jobs = words.jobs.unwrap_or(JOBS);
            let _ = writeln!(text, "weights     {:.2} GB, shared by {jobs} workers", memory as f64 / 1e9);
        }
        match &tokens {
            Some(t) => {
                let _ = writeln!(
                    text,
                    "tokens      about {:.0} of all prompts, from {} records of this plan that are there",
                    t.prompts, t.from_records
                );
            }
            None => text.push_str("tokens      known once some clips have been read: try --limit first\n"),
        }
        let _ = writeln!(text, "files       {} missing", missing.len());
        printer.data(&text)?;
    }
    if let Some(first) = missing.first() {
        printer.talk(&format!(
            "note: {} media files are missing, the first: {}",
            missing.len(),
            first.display()
        ));
    }
    Ok(ExitStatus::Done)
}

/// Tokens of all prompts of a plan, where records of the same settings tell.
#[derive(Debug, PartialEq)]
struct Tokens {
    /// The mean of each coalition, for every record of the plan.
    prompts: f64,
    /// Records that were counted.
    from_records: usize,
}

impl Tokens {
    /// From the run's own records; `None` without any, or where a coalition has none.
    fn known(out: &Path, header: &RunHeader, chosen: &[Candidate]) -> Option<Self> {
        let run = Run::open(out).ok()?;
        let own = run.records().iter().filter(|r| header.owns(&r.key));
        let counted = own.filter_map(|r| Some((r.coalition, r.tokens?.total)));
        let mut sums: BTreeMap<ModalitySet, (usize, usize)> = BTreeMap::new();
        for (coalition, total) in counted {
            let sum = sums.entry(coalition).or_default();
            *sum = (sum.0 + total, sum.1 + 1);
        }
        let mut prompts = 0.0;
        for coalition in chosen.iter().flat_map(|c| &c.coalitions) {
            let (total, n) = sums.get(coalition)?;
            prompts += *total as f64 / *n as f64;
        }
        Some(Self { prompts, from_records: sums.values().map(|(_, n)| n).sum() })
    }
}
