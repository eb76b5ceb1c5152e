//! What a run holds, said at the end of a session: n of N, statuses, tokens, figures.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use emomm_dataset::manifest::Manifest;
use emomm_eval::run::{RecordStatus, RepeatFigures, Run, repeat_figures};
use emomm_eval::score::{self, RecordColumn, ScoreOptions, ScoreReport};
use serde_json::{Value, json};

use emomm_eval::TokenCost;

use crate::exit_status::Failure;
use crate::printer::Printer;
use crate::score_table;

/// A run, counted and scored.
pub(crate) struct Summary {
    run: Run,
    n_reused: usize,
    cost: TokenCost,
    report: Option<ScoreReport>,
    repeats: Vec<RepeatFigures>,
}

impl Summary {
    /// Reads the run and scores what is there.
    pub(crate) fn of(
        out: &Path,
        manifest: &Manifest,
        n_reused: usize,
        cost: TokenCost,
    ) -> Result<Self, Failure> {
        let run = Run::open(out)?;
        let report = if run.records().is_empty() {
            None
        } else {
            let answers = score::of_run(&run, manifest, RecordColumn::Auto)?;
            Some(score::score(&answers, &ScoreOptions::default())?)
        };
        let full = manifest.rows.iter().filter(|r| r.is_full());
        let truths = full.map(|r| (r.id.clone(), r.labels.ground_truth.class)).collect();
        let repeats = repeat_figures(run.records(), &truths);
        Ok(Self { run, n_reused, cost, report, repeats })
    }

    pub(crate) fn n_failed(&self) -> usize {
        self.run.records().iter().filter(|r| r.status != RecordStatus::Ok).count()
    }

    pub(crate) fn n_of_n(&self) -> String {
        self.run.n_of_n()
    }

    /// US dollars of a served model's run; `None` without a price.
    fn spent(&self) -> Option<f64> {
        let has_price =
            || self.run.records().iter().any(|r| r.served.as_ref().is_some_and(|s| s.cost_usd.is_some()));
        emomm_api::spent_by(self.run.folder()).filter(|spent| *spent > 0.0 || has_price())
    }

    /// What a served model's run adds: counts of the server, cost, spread over repeats; null for others.
    fn served(&self) -> Option<Value> {
        let mut usages =
            self.run.records().iter().filter_map(|r| r.served.as_ref()?.usage.as_ref()).peekable();
        usages.peek()?;
        let (mut prompt, mut reply, mut thoughts) = (0, 0, 0);
        for usage in usages {
            prompt += usage.prompt;
            reply += usage.reply;
            thoughts += usage.thoughts;
        }
        Some(json!({
            "tokens": { "prompt": prompt, "reply": reply, "thoughts": thoughts },
            "cost_usd": self.spent(),
            "repeats": self.repeats,
        }))
    }

    pub(crate) fn print(&self, json: bool, printer: &Printer) -> Result<(), Failure> {
        let statuses: BTreeMap<&str, usize> =
            self.run.statuses().into_iter().map(|(status, n)| (status.name(), n)).collect();
        let tokens: usize = self.run.records().iter().filter_map(|r| r.tokens).map(|t| t.total).sum();
        let mut of_run = TokenCost::default();
        for cost in self.run.records().iter().filter_map(|r| r.token_cost) {
            of_run += cost;
        }
        if json {
            return printer.json(&json!({
                "out": self.run.folder(),
                "n_records": self.run.records().len(),
                "n_total": self.run.header().plan.n_records,
                "n_reused": self.n_reused,
                "is_complete": self.run.is_complete(),
                "statuses": statuses,
                "tokens": { "prompts": tokens, "session": self.cost, "run": of_run },
                "served": self.served(),
                "score": self.report,
            }));
        }
        let mut text = format!("{}, {} reused\n", self.n_of_n(), self.n_reused);
        for (status, n) in &statuses {
            let _ = writeln!(text, "  {status:<12} {n:>8}");
        }
        let _ = writeln!(text, "tokens of all prompts: {tokens}");
        let TokenCost { read, floor, separate } = self.cost;
        if floor > 0 {
            let (over, saved) = (read as f64 / floor as f64, separate as f64 / read as f64);
            let _ = writeln!(
                text,
                "tokens of this session: {read} read, {over:.3} times the floor of {floor}; prompts one by one: {separate}, \
                 {saved:.2} times as many"
            );
        }
        if let Some(cost) = self.spent() {
            let _ = writeln!(text, "spent by the price table: {cost:.4} US dollars");
        }
        for r in &self.repeats {
            let _ = writeln!(
                text,
                "asked {} times, {:<4} n {:>6}: letters differ in {:.1} % of pairs, in {} records; Acc {:.3} (sd {:.3})",
                r.repeats,
                r.coalition,
                r.n,
                r.flip_rate * 100.0,
                r.n_flipped,
                r.acc_mean,
                r.acc_sd
            );
        }
        if let Some(report) = &self.report {
            let _ = write!(text, "\n{}", score_table::report(report));
        }
        printer.data(&text)
    }
}
