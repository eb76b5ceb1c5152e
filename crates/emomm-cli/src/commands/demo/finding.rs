//! What the demo shows at its end: a short table, and what it means in two sentences.

use std::fmt::Write;

use emomm_dataset::{Modality, PerModality, Subset};
use emomm_eval::score::{ScoreReport, ScoreRow};
use serde::Serialize;

/// Accuracy of some samples.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Row {
    subset: &'static str,
    shown: &'static str,
    n: usize,
    acc: f64,
    low: Option<f64>,
    high: Option<f64>,
}

/// The figures of the table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Finding {
    accuracy: Vec<Row>,
    psmv: PerModality<Option<f64>>,
    gtar: PerModality<Option<f64>>,
}

/// Subset, coalition as the score names it, and what is said of it.
const ROWS: [(Option<Subset>, &str, &str); 7] = [
    (Some(Subset::Align), "TAV", "text, audio and video"),
    (Some(Subset::Conflict), "TAV", "text, audio and video"),
    (Some(Subset::MissingAlign), "overall", "two of the three"),
    (Some(Subset::MissingConflict), "overall", "two of the three"),
    (None, "T", "text alone"),
    (None, "A", "audio alone"),
    (None, "V", "video alone"),
];

impl Finding {
    pub(super) fn of(report: &ScoreReport) -> Self {
        let row = |(subset, coalition, shown): (Option<Subset>, &str, &'static str)| {
            let of = |r: &&ScoreRow| r.subset == subset && r.coalition == coalition && r.corpus == "all";
            let acc = report.rows.iter().find(of)?.acc?;
            Some(Row {
                subset: subset.map_or("all", Subset::name),
                shown,
                n: acc.n,
                acc: acc.value,
                low: acc.low,
                high: acc.high,
            })
        };
        let psmv = report.psmv.as_ref().map(|p| p.all.values.map(|v| v.map(|v| v.value)));
        let gtar = report.gtar.as_ref().map(|g| g.all.rates.map(|v| v.map(|v| v.value)));
        Self {
            accuracy: ROWS.into_iter().filter_map(row).collect(),
            psmv: psmv.unwrap_or_default(),
            gtar: gtar.unwrap_or_default(),
        }
    }

    pub(super) fn text(&self) -> String {
        let mut text = format!("\n{:<18}{:<24}{:>6}{:>8}   95 %\n", "synthetic clips", "shown", "n", "acc");
        for r in &self.accuracy {
            let range = r
                .low
                .zip(r.high)
                .map_or_else(String::new, |(l, h)| format!("{:.1} to {:.1}", 100.0 * l, 100.0 * h));
            let _ =
                writeln!(text, "{:<18}{:<24}{:>6}{:>7.1}%   {range}", r.subset, r.shown, r.n, 100.0 * r.acc);
        }
        let _ = writeln!(text, "\n{:<46}{:>8}{:>8}{:>8}", "", "text", "audio", "video");
        for (name, values) in [
            ("PSMV: what each adds to accuracy", self.psmv),
            ("GTAR: right under conflict where it is right", self.gtar),
        ] {
            let cells: String = Modality::ALL
                .iter()
                .map(|m| {
                    values.get(*m).map_or_else(|| format!("{:>8}", "-"), |v| format!("{:>7.1}%", 100.0 * v))
                })
                .collect();
            let _ = writeln!(text, "{name:<46}{cells}");
        }
        let _ = writeln!(text, "\n{}", self.meaning());
        text
    }

    /// Two sentences.
    fn meaning(&self) -> String {
        let acc = |name: &str| self.accuracy.iter().find(|r| r.subset == name).map(|r| 100.0 * r.acc);
        let mut sentences = Vec::new();
        if let (Some(align), Some(conflict)) = (acc("align"), acc("conflict")) {
            sentences.push(format!(
                "The model was trained on clips whose modalities agree; there it is right in {align:.0} of 100, and where they \
                 disagree in {conflict:.0}."
            ));
        }
        let mut order: Vec<(Modality, f64)> =
            Modality::ALL.into_iter().filter_map(|m| self.gtar.get(m).map(|v| (m, v))).collect();
        order.sort_by(|a, b| b.1.total_cmp(&a.1));
        if let [(first, most), .., (last, least)] = &order[..] {
            sentences.push(format!(
                "Under conflict it finds the truth most often where {} has it ({:.0} of 100) and least often where {} has it \
                 ({:.0}).",
                first.name(),
                100.0 * most,
                last.name(),
                100.0 * least
            ));
        }
        sentences.join("\n")
    }
}
