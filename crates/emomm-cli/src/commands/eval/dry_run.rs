//! `emomm eval --dry-run`: what a plan would compute, and what it takes.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use emomm_eval::run::{Run, RunHeader};
use emomm_eval::runner::Candidate;
use emomm_eval::{AttentionDetail, PredictOptions};
use serde_json::{Value, json};

use super::JOBS;
use super::by_coalition::{ByCoalition, spread};
use super::cost::Cost;
use super::model::Model;
use super::words::Words;
use crate::exit_status::{ExitStatus, Failure};
use crate::printer::Printer;

/// Bytes of a record's line without attention, and what a layer of attention adds: measured on the embedded model.
const RECORD_BYTES: usize = 700;
const LAYER_BYTES: usize = 200;
/// Bytes of attention by head, for each layer and head: two tables of three modalities.
const HEAD_BYTES: usize = 24;

/// Clips whose prompts are measured where no record tells.
const MEASURED: usize = 12;

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
    let known = words.out.as_deref().and_then(|out| Tokens::known(out, header, chosen));
    let tokens = match known {
        Some(known) => Some(known),
        None => Tokens::measured(model, chosen, printer),
    };
    let out = words.out.as_deref();
    let cost = Cost::of(model, chosen, header, out, options.max_new_tokens, printer);
    if json {
        printer.json(&json!({
            "n_clips": n_clips,
            "n_records": n_records,
            "coalitions": header.plan.coalitions,
            "missing_files": missing.len(),
            "log_bytes": bytes,
            "weight_bytes": memory,
            "tokens": tokens.as_ref().map(Tokens::json),
            "cost": cost.as_ref().map(Cost::json),
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
            Some(t) => text.push_str(&t.line()),
            None => text
                .push_str("tokens      not known: no clip's media can be read, or the model does not say\n"),
        }
        match (&cost, &model.server) {
            (Some(cost), _) => text.push_str(&cost.line()),
            (None, Some(_)) => {
                text.push_str(
                    "cost        not known: the price table does not know the model; see --prices\n",
                );
            }
            (None, None) => {}
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

/// Tokens of all prompts of a plan.
#[derive(Debug, PartialEq)]
struct Tokens {
    /// The mean of each coalition, for every record of the plan.
    prompts: f64,
    /// Of the prefix trees of each clip's prompts, by the same share of all tokens as where it is known.
    floor: Option<f64>,
    /// Records that were counted.
    from_records: usize,
    /// Clips that were measured instead.
    from_clips: usize,
}

/// Sums of some prompts.
#[derive(Debug, Default)]
struct Sums {
    tokens: ByCoalition,
    floor: u64,
    separate: u64,
}

impl Sums {
    /// For all clips of the plan; `None` where a coalition has no prompt among these.
    fn for_all(&self, chosen: &[Candidate], from_clips: usize) -> Option<Tokens> {
        let prompts = self.tokens.for_all(chosen)?;
        let floor = (self.separate > 0).then(|| prompts * self.floor as f64 / self.separate as f64);
        let from_records = if from_clips > 0 { 0 } else { self.tokens.n() };
        Some(Tokens { prompts, floor, from_records, from_clips })
    }
}

impl Tokens {
    /// From the run's own records; `None` without any, or where a coalition has none.
    fn known(out: &Path, header: &RunHeader, chosen: &[Candidate]) -> Option<Self> {
        let run = Run::open(out).ok()?;
        let mut sums = Sums::default();
        for record in run.records().iter().filter(|r| header.owns(&r.key)) {
            if let Some(tokens) = record.tokens {
                sums.tokens.add(record.coalition, tokens.total as f64);
            }
            if let Some(cost) = record.token_cost {
                sums.floor += cost.floor;
                sums.separate += cost.separate;
            }
        }
        sums.for_all(chosen, 0)
    }

    /// From some clips of the plan, evenly spread, whose media are decoded but not encoded: no weights are read.
    fn measured(model: &Model, chosen: &[Candidate], printer: &Printer) -> Option<Self> {
        let sizer = model.sizer()?.ok()?;
        let spinner = printer.spinner("measuring some clips");
        let (mut sums, mut from_clips) = (Sums::default(), 0);
        for candidate in spread(chosen, MEASURED) {
            // A clip that cannot be read will be a record without an answer.
            let Ok(size) = sizer.measure(&candidate.clip, &candidate.coalitions) else { continue };
            for (coalition, tokens) in candidate.coalitions.iter().zip(&size.prompts) {
                sums.tokens.add(*coalition, *tokens as f64);
                sums.separate += *tokens as u64;
            }
            sums.floor += size.floor as u64;
            from_clips += 1;
        }
        spinner.finish_and_clear();
        if from_clips == 0 { None } else { sums.for_all(chosen, from_clips) }
    }

    fn json(&self) -> Value {
        json!({
            "prompts": self.prompts,
            "floor": self.floor,
            "from_records": self.from_records,
            "from_clips": self.from_clips,
        })
    }

    fn line(&self) -> String {
        let source = if self.from_clips > 0 {
            format!("by {} clips that were measured", self.from_clips)
        } else {
            format!("by {} records of this plan that are there", self.from_records)
        };
        let floor = self.floor.map_or(String::new(), |floor| {
            format!(", {floor:.0} where prompts of a clip share their beginnings")
        });
        format!("tokens      about {:.0} of all prompts{floor}; {source}\n", self.prompts)
    }
}
