//! All variants in one table: the method, its placebos, its controls and bounds, with the paper's Table 2 beside them.

use emomm_eval::score::{Interval, ScoreRow};

use crate::analysis::{Analysis, Paired, RunAnalysis, paper};
use crate::chart::palette::Ink;
use crate::chart::{Bar, BarSeries, Bars, Unit};
use crate::content::interval_cell;
use crate::figure::Figure;
use crate::study::Study;
use crate::table::{Cell, Column, Form, Table};

/// What a variant is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VariantKind {
    /// Without steering.
    Baseline,
    /// A form of the method.
    Method,
    /// The method without one of its parts (Table 2).
    Ablation,
    /// The intervention without knowledge of the sample.
    Placebo,
    /// The intervention with fixed knowledge.
    Control,
    /// The intervention with knowledge of the truth: no router can do better.
    Bound,
    /// Another way to the same end.
    Rival,
}

impl VariantKind {
    /// The kind of a variant by its name; names that are not known are forms of the method. Of `BASE+NAME` the strongest
    /// part decides: what is told the truth is a bound, whatever else it is.
    pub fn of(name: &str) -> Self {
        let own = name.rsplit('/').next().unwrap_or(name);
        let parts: Vec<Self> =
            own.split('+').map(|part| Self::of_part(part.split('@').next().unwrap_or(part))).collect();
        [Self::Bound, Self::Placebo, Self::Control, Self::Ablation, Self::Rival, Self::Baseline]
            .into_iter()
            .find(|kind| parts.contains(kind))
            .unwrap_or(Self::Method)
    }

    fn of_part(part: &str) -> Self {
        match part {
            "baseline" => Self::Baseline,
            "no_inter" | "no_intra" => Self::Ablation,
            "random_gate" | "random_heads" | "shuffled_router" | "no_router" => Self::Placebo,
            "constant_gate" | "always_on" | "static_bias" | "prompt_hint" => Self::Control,
            "oracle_gate" | "oracle" => Self::Bound,
            "video_boost" | "target_mass" | "fixed_heads" | "late_fusion" | "contrast" | "calibration" => {
                Self::Rival
            }
            _ => Self::Method,
        }
    }

    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Method => "method",
            Self::Ablation => "ablation",
            Self::Placebo => "placebo",
            Self::Control => "control",
            Self::Bound => "bound",
            Self::Rival => "rival",
        }
    }

    fn ink(self) -> Ink {
        match self {
            Self::Baseline => Ink::GroundTruth,
            Self::Method => Ink::Run(1),
            Self::Ablation => Ink::Run(2),
            Self::Placebo => Ink::Run(0),
            Self::Control => Ink::Run(4),
            Self::Bound => Ink::Run(3),
            Self::Rival => Ink::Run(5),
        }
    }
}

/// The table and, where there are several variants, its figure.
pub fn variants(study: &Study, analysis: &Analysis) -> (Table, Option<Figure>) {
    let mut columns = vec![
        Column::plain("variant", "Variant"),
        Column::plain("kind", "Kind"),
        Column::plain("subset", "Subset"),
        Column::plain("n", "n"),
    ];
    columns.push(Column::interval("acc", "Acc %", Form::Percent(1)));
    columns.push(Column::interval("macro_f1", "F1 %", Form::Percent(1)));
    columns.push(Column::interval("mae", "MAE", Form::Decimals(3)));
    columns.push(Column::interval("delta", "Acc against the first, points", Form::Percent(1)));
    columns.push(Column::number("p_holm", "p, Holm", Form::PValue));
    columns.push(Column::number("detectable", "Detectable, points", Form::Percent(1)));
    columns.push(Column::plain("verdict", "Verdict"));
    let note = "Rows of kind paper are Table 2 of the paper (Qwen2.5-Omni-7B on EmoMM-Conflict): other clips and weights; a \
                reference, not a target.";
    let title = "Variants of CHASE, placebos and controls (Table 2)";
    let mut table = Table::new("chase-variants", title, columns).with_note(note);
    let mut bars = Vec::new();
    for run in &analysis.runs {
        let Some(name) = study.runs.get(run.run).map(|r| r.name.as_str()) else { continue };
        for (subset, row) in rows(run) {
            let Some(row) = row else { continue };
            let paired = comparison(analysis, name, subset);
            let mut cells = vec![
                Cell::text(name),
                Cell::text(VariantKind::of(name).name()),
                Cell::text(subset),
                Cell::Count(row.n),
                interval_cell(row.acc),
                interval_cell(row.macro_f1),
                interval_cell(row.mae),
            ];
            match paired {
                Some(p) => cells.extend([
                    interval_cell(p.delta),
                    Cell::number(p.p_holm),
                    Cell::number(p.detectable),
                    Cell::text(p.verdict()),
                ]),
                None => cells.extend([Cell::Absent, Cell::Absent, Cell::Absent, Cell::Absent]),
            }
            table.push(cells);
            if subset == "conflict" {
                bars.push((name.to_owned(), VariantKind::of(name), paired.and_then(|p| p.delta)));
            }
        }
    }
    for (name, [acc, f1, mae]) in paper::TABLE_2 {
        let mut cells = vec![Cell::text(name), Cell::text("paper"), Cell::text("conflict"), Cell::Absent];
        cells.extend([acc / 100.0, f1 / 100.0, mae].map(|v| Cell::interval(Some(v), None, None)));
        cells.extend([Cell::Absent, Cell::Absent, Cell::Absent, Cell::Absent]);
        table.push(cells);
    }
    let figure = figure(&bars);
    (table, figure)
}

fn rows(run: &RunAnalysis) -> [(&'static str, Option<&ScoreRow>); 4] {
    [
        ("overall", run.row("all", "overall", "all")),
        ("align", run.row("all", "TAV", "align")),
        ("conflict", run.row("all", "TAV", "conflict")),
        ("missing", run.missing.as_ref()),
    ]
}

fn comparison<'a>(analysis: &'a Analysis, run: &str, subset: &str) -> Option<&'a Paired> {
    analysis.against_first.as_ref()?.comparisons.iter().find(|c| c.second == run && c.subset == subset)
}

fn figure(found: &[(String, VariantKind, Option<Interval>)]) -> Option<Figure> {
    let shown: Vec<&(String, VariantKind, Option<Interval>)> =
        found.iter().filter(|b| b.2.is_some()).collect();
    let _ = shown.first()?;
    let title = "What each variant changes on Conflict".to_owned();
    let mut data = Table::new(
        "chase-gain",
        title.clone(),
        vec![
            Column::plain("variant", "Variant"),
            Column::plain("kind", "Kind"),
            Column::interval("delta", "Accuracy, points", Form::Percent(1)),
        ],
    );
    for (name, kind, delta) in &shown {
        data.push(vec![Cell::text(name), Cell::text(kind.name()), interval_cell(*delta)]);
    }
    let chart = Bars {
        title: String::new(),
        label: "Accuracy, points".to_owned(),
        unit: Unit::Percent,
        values: Some(1),
        groups: shown
            .iter()
            .map(|(name, kind, _)| format!("{} ({})", name.replace('_', " "), kind.name()))
            .collect(),
        series: vec![BarSeries {
            name: "difference".to_owned(),
            ink: Ink::Run(1),
            hatched: false,
            bars: shown
                .iter()
                .map(|(_, _, delta)| Bar {
                    value: delta.map(|d| d.value),
                    interval: delta.and_then(|d| d.low.zip(d.high)),
                    reference: None,
                })
                .collect(),
        }],
        group_inks: shown.iter().map(|(_, kind, _)| kind.ink()).collect(),
        width: (110.0 * shown.len() as f64 + 80.0).max(420.0),
        height: 230.0,
        ..Bars::default()
    };
    let told: Vec<String> = shown
        .iter()
        .filter_map(|(name, kind, delta)| {
            Some(format!("{name} ({}) {:.1}", kind.name(), 100.0 * (*delta)?.value))
        })
        .collect();
    Some(Figure {
        name: "chase-gain".to_owned(),
        title,
        alt: format!("Change of accuracy in points against the baseline: {}.", told.join(", ")),
        note: "Paired against the first run; lines: 95 % cluster bootstrap intervals. Below each bar stands the variant and what it is for."
            .to_owned(),
        panels: vec![chart.panel()],
        data,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_follow_from_the_contract_s_names() {
        assert_eq!(VariantKind::of("baseline"), VariantKind::Baseline);
        assert_eq!(VariantKind::of("out/oracle_gate"), VariantKind::Bound);
        assert_eq!(VariantKind::of("random_heads"), VariantKind::Placebo);
        assert_eq!(VariantKind::of("mine"), VariantKind::Method);
        assert_eq!(VariantKind::of("two_pass+random_gate@3"), VariantKind::Placebo);
        assert_eq!(VariantKind::of("tuned+oracle_gate"), VariantKind::Bound);
        assert_eq!(VariantKind::of("two_pass+all_heads"), VariantKind::Method);
    }
}
