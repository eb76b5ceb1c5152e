//! All variants in one table: the method, its placebos, its controls and bounds, with the paper's Table 2 beside them.

use emomm_eval::score::{Interval, ScoreRow};
use serde_json::Value;

use crate::analysis::{Analysis, Paired, RunAnalysis, paper};
use crate::chart::palette::Ink;
use crate::chart::{IntervalRow, Intervals, Unit};
use crate::content::{interval_cell, unanswered_in_pairs};
use crate::figure::Figure;
use crate::study::{Study, StudyRun};
use crate::table::{Cell, Column, Form, Table, rounded};

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
    /// The kind of a run: by its name, and where that tells nothing by its settings, so that a steering file of one's own that
    /// is told the truth, or knows nothing of the sample, is not taken for the method.
    pub fn of_run(run: &StudyRun) -> Self {
        let named = Self::of(&run.name);
        let settings = run.run.header().plan.settings.steering.as_ref();
        match settings.and_then(Self::of_settings) {
            Some(kind) if named == Self::Method => kind,
            _ => named,
        }
    }

    /// The kind by where p, g and heads come from; `None` where it is the router, and JSD.
    fn of_settings(steering: &Value) -> Option<Self> {
        let own = &steering["kind"]["steered"];
        let config = if own.is_object() { own } else { &steering["config"] };
        let is = |key: &str, words: &[&str]| config[key].as_str().is_some_and(|word| words.contains(&word));
        let either = |words: &[&str]| is("gate", words) || is("conflict", words);
        if either(&["oracle"]) {
            Some(Self::Bound)
        } else if either(&["random", "shuffled"]) || is("head_selection", &["random"]) {
            Some(Self::Placebo)
        } else if either(&["constant", "always"]) {
            Some(Self::Control)
        } else {
            None
        }
    }

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
    columns.push(Column::plain("put_right", "Put right"));
    columns.push(Column::plain("put_wrong", "Put wrong"));
    columns.push(Column::number("p_holm", "p, Holm", Form::PValue));
    columns.push(Column::number("detectable", "Detectable, points", Form::Percent(1)));
    columns.push(Column::plain("verdict", "Verdict"));
    let note = format!(
        "Rows of kind paper are Table 2 of the paper (Qwen2.5-Omni-7B on EmoMM-Conflict): other clips and weights; a \
         reference, not a target.{}",
        unanswered_in_pairs(&analysis.options)
    );
    let title = "Variants of CHASE, placebos and controls (Table 2)";
    let mut table = Table::new("chase-variants", title, columns).with_note(note);
    let mut gains = Vec::new();
    for run in &analysis.runs {
        let Some(studied) = study.runs.get(run.run) else { continue };
        let (name, kind) = (studied.name.as_str(), VariantKind::of_run(studied));
        let delta = |subset| comparison(analysis, name, subset).and_then(|p| p.delta);
        gains.push(Gain { name: name.to_owned(), kind, conflict: delta("conflict"), align: delta("align") });
        for (subset, row) in rows(run) {
            let Some(row) = row else { continue };
            let paired = comparison(analysis, name, subset);
            let mut cells = vec![
                Cell::text(name),
                Cell::text(kind.name()),
                Cell::text(subset),
                Cell::Count(row.n),
                interval_cell(row.acc),
                interval_cell(row.macro_f1),
                interval_cell(row.mae),
            ];
            match paired {
                Some(p) => cells.extend([
                    interval_cell(p.delta),
                    Cell::Count(p.flips.wrong_to_right),
                    Cell::Count(p.flips.right_to_wrong),
                    Cell::number(p.p_holm),
                    Cell::number(p.detectable),
                    Cell::text(p.verdict()),
                ]),
                None => cells.extend(std::array::from_fn::<Cell, 6, _>(|_| Cell::Absent)),
            }
            table.push(cells);
        }
    }
    for (name, [acc, f1, mae]) in paper::TABLE_2 {
        let mut cells = vec![Cell::text(name), Cell::text("paper"), Cell::text("conflict"), Cell::Absent];
        cells.extend([paper::share(acc), paper::share(f1), mae].map(|v| Cell::interval(Some(v), None, None)));
        cells.extend(std::array::from_fn::<Cell, 6, _>(|_| Cell::Absent));
        table.push(cells);
    }
    let figure = figure(&gains);
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

/// A variant's differences on Conflict and on Align.
struct Gain {
    name: String,
    kind: VariantKind,
    conflict: Option<Interval>,
    align: Option<Interval>,
}

/// All variants below each other, sorted as they were given; on Conflict what they gain, on Align what they cost.
fn figure(found: &[Gain]) -> Option<Figure> {
    let shown: Vec<&Gain> = found.iter().filter(|g| g.conflict.is_some()).collect();
    let _ = shown.first()?;
    let title = "What each variant changes on Conflict, and on Align".to_owned();
    let mut data = Table::new(
        "chase-gain",
        title.clone(),
        vec![
            Column::plain("variant", "Variant"),
            Column::plain("kind", "Kind"),
            Column::interval("conflict", "Conflict, points", Form::Percent(1)),
            Column::interval("align", "Align, points", Form::Percent(1)),
        ],
    );
    for gain in &shown {
        data.push(vec![
            Cell::text(&gain.name),
            Cell::text(gain.kind.name()),
            interval_cell(gain.conflict),
            interval_cell(gain.align),
        ]);
    }
    let panel = |title: &str, of: fn(&Gain) -> Option<Interval>| {
        let row = |gain: &&Gain| {
            let delta = of(gain)?;
            Some(IntervalRow {
                name: format!("{} ({})", gain.name.replace('_', " "), gain.kind.name()),
                ink: gain.kind.ink(),
                value: delta.value,
                ends: delta.low.zip(delta.high),
            })
        };
        let chart = Intervals {
            title: title.to_owned(),
            label: "Accuracy against the first run, points".to_owned(),
            unit: Unit::Points,
            rows: shown.iter().filter_map(row).collect(),
            width: 300.0,
        };
        (!chart.rows.is_empty()).then(|| chart.panel())
    };
    let told: Vec<String> = shown
        .iter()
        .filter_map(|g| {
            Some(format!("{} ({}) {}", g.name, g.kind.name(), rounded(g.conflict?.value, Form::Percent(1))))
        })
        .collect();
    Some(Figure {
        name: "chase-gain".to_owned(),
        title,
        alt: format!("Change of accuracy in points on Conflict against the baseline: {}.", told.join(", ")),
        note: "Paired against the first run; lines: 95 % cluster bootstrap intervals. In brackets stands what a variant is for."
            .to_owned(),
        panels: [panel("Conflict", |g| g.conflict), panel("Align", |g| g.align)].into_iter().flatten().collect(),
        data,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_s_kind_follows_from_where_its_numbers_come() {
        let of = |config: Value| {
            let by_eval = VariantKind::of_settings(&serde_json::json!({ "kind": { "steered": &config } }));
            assert_eq!(by_eval, VariantKind::of_settings(&serde_json::json!({ "config": config })));
            by_eval
        };
        let with = |gate: &str, conflict: &str, heads: &str| {
            of(serde_json::json!({ "gate": gate, "conflict": conflict, "head_selection": heads }))
        };
        assert_eq!(with("router", "router", "top_k"), None);
        assert_eq!(with("oracle", "router", "top_k"), Some(VariantKind::Bound));
        assert_eq!(with("random", "oracle", "top_k"), Some(VariantKind::Bound));
        assert_eq!(with("shuffled", "shuffled", "top_k"), Some(VariantKind::Placebo));
        assert_eq!(with("router", "router", "random"), Some(VariantKind::Placebo));
        assert_eq!(with("router", "always", "top_k"), Some(VariantKind::Control));
        assert_eq!(VariantKind::of_settings(&serde_json::json!({ "kind": { "fused": "contrast" } })), None);
    }

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
