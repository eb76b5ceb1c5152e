//! The tables of a report. Every one has the run in its first column, so that several runs share a table.

use std::collections::BTreeMap;

use emomm_dataset::Modality;
use emomm_eval::score::{Interval, PsmvFigures, ScoreRow};

use crate::analysis::paired::{ALPHA, POWER};
use crate::analysis::{Analysis, PairedFamily, RunAnalysis, capability, paper, subset_word};
use crate::benchmark_figures::CLASSES;
use crate::study::Study;
use crate::table::{Cell, Column, Form, Table};

const SHARE: Form = Form::Percent(1);
const PAPER: &str = "paper";

/// All tables, in the order of the pages.
pub fn tables(study: &Study, analysis: &Analysis) -> Vec<Table> {
    let mut tables = vec![table_1(study, analysis), runs(study), errors(study)];
    tables.push(coalitions(study, analysis));
    tables.push(scores(study, analysis, "scores", "Scores by corpus, coalition and subset", |r| {
        &r.scores.rows
    }));
    if analysis.runs.iter().any(|r| !r.languages.is_empty()) {
        tables.push(scores(study, analysis, "scores-by-language", "Scores by language", |r| &r.languages));
    }
    tables.push(psmv(study, analysis));
    tables.push(gtar(study, analysis));
    tables.push(attention(study, analysis));
    tables.push(super::spatial::table(study, analysis));
    tables.push(coupling(study, analysis));
    tables.push(delta_v(analysis));
    tables.push(confusion(study, analysis));
    let families: Vec<&PairedFamily> =
        analysis.runs.iter().filter_map(|r| r.against_others.as_ref()).collect();
    tables.push(tests("tests-coalitions", "TAV against each other coalition, paired", &families));
    tables.push(tests(
        "tests-runs",
        "Runs against the first, paired",
        &Vec::from_iter(&analysis.against_first),
    ));
    tables.push(super::compared::figures(analysis));
    tables.push(super::compared::subtitles(analysis));
    tables.retain(|t| !t.rows.is_empty());
    tables.push(capability::capabilities());
    tables
}

fn name<'a>(study: &'a Study, run: &RunAnalysis) -> &'a str {
    study.runs.get(run.run).map_or("", |r| &r.name)
}

pub(crate) fn interval_cell(interval: Option<Interval>) -> Cell {
    Cell::interval(interval.map(|i| i.value), interval.and_then(|i| i.low), interval.and_then(|i| i.high))
}

/// Table 1 with the paper's rows as a reference.
fn table_1(study: &Study, analysis: &Analysis) -> Table {
    let mut columns = vec![Column::plain("source", "Source"), Column::plain("model", "Model")];
    for (key, head) in
        [("overall", "Overall"), ("align", "Align"), ("conflict", "Conflict"), ("missing", "Missing")]
    {
        columns.push(Column::plain(&format!("{key}_n"), &format!("{head} n")));
        columns.push(Column::interval(&format!("{key}_acc"), &format!("{head} Acc %"), Form::Percent(2)));
        columns.push(Column::interval(&format!("{key}_f1"), &format!("{head} F1 %"), Form::Percent(2)));
        columns.push(Column::interval(&format!("{key}_mae"), &format!("{head} MAE"), Form::Decimals(3)));
    }
    let note = "Overall pools the full clip and its three masked copies; Missing pools the copies. F1 is macro F1; MAE takes the \
                centre of the answered class. In brackets 95 % cluster bootstrap intervals. A record without an answer counts \
                as wrong in Acc and F1 and has no MAE. Rows of the paper are its Table 1: other clips, other weights; a \
                reference, not a target.";
    let mut table = Table::new("table1", "Main results (Table 1)", columns).with_note(note);
    for run in &analysis.runs {
        let mut cells = vec![Cell::text("this report"), Cell::text(name(study, run))];
        let rows = [
            run.row("all", "overall", "all"),
            run.row("all", "TAV", "align"),
            run.row("all", "TAV", "conflict"),
            run.missing.as_ref(),
        ];
        for row in rows {
            cells.push(row.map_or(Cell::Absent, |r| Cell::Count(r.n)));
            cells.push(interval_cell(row.and_then(|r| r.acc)));
            cells.push(interval_cell(row.and_then(|r| r.macro_f1)));
            cells.push(interval_cell(row.and_then(|r| r.mae)));
        }
        table.push(cells);
    }
    for row in paper::TABLE_1 {
        let mut cells = vec![Cell::text(PAPER), Cell::text(row.model)];
        for [acc, f1, mae] in row.figures {
            cells.push(Cell::Absent);
            cells.push(Cell::interval(Some(acc / 100.0), None, None));
            cells.push(Cell::interval(Some(f1 / 100.0), None, None));
            cells.push(Cell::interval(Some(mae), None, None));
        }
        table.push(cells);
    }
    table
}

fn runs(study: &Study) -> Table {
    let columns = vec![
        Column::plain("run", "Run"),
        Column::plain("model", "Model"),
        Column::plain("model_type", "Architecture"),
        Column::plain("dtype", "Type"),
        Column::plain("device", "Device"),
        Column::plain("prompt", "Prompt"),
        Column::plain("answers", "Answers from"),
        Column::plain("steering", "Steering"),
        Column::plain("clips", "Clips"),
        Column::plain("n", "n"),
        Column::plain("planned", "of N"),
        Column::plain("ok", "Answered"),
        Column::number("answered_share", "Answered %", SHARE),
        Column::number("ms", "ms a record", Form::Decimals(1)),
    ];
    let mut table = Table::new("runs", "What was run", columns);
    for run in &study.runs {
        let plan = &run.run.header().plan;
        let model = &plan.settings.model;
        let records = run.run.records();
        let n = records.len();
        let ok = run.n_answered();
        let ms: f64 = records.iter().map(|r| r.ms).sum();
        let share = |value: f64| (n > 0).then(|| value / n as f64);
        table.push(vec![
            Cell::text(&run.name),
            Cell::text(&model.name),
            Cell::text(&model.model_type),
            Cell::text(&model.dtype),
            Cell::text(&model.device),
            Cell::text(&plan.settings.prompt),
            Cell::text(run.source().name()),
            Cell::text(if plan.settings.steering.is_some() { "CHASE" } else { "none" }),
            Cell::Count(plan.n_clips),
            Cell::Count(n),
            Cell::Count(run.n_planned()),
            Cell::Count(ok),
            Cell::number(share(ok as f64)),
            Cell::number(share(ms)),
        ]);
    }
    table
}

fn errors(study: &Study) -> Table {
    let columns = vec![
        Column::plain("run", "Run"),
        Column::plain("status", "Status"),
        Column::plain("kind", "Kind"),
        Column::plain("n", "n"),
        Column::plain("example", "First message"),
    ];
    let mut table = Table::new("errors", "Records without an answer", columns);
    for run in &study.runs {
        let mut kinds: BTreeMap<(&str, &str), (usize, &str)> = BTreeMap::new();
        for record in run.run.records().iter().filter(|r| r.status.name() != "ok") {
            let (kind, message) =
                record.error.as_ref().map_or(("", ""), |e| (e.kind.as_str(), e.message.as_str()));
            kinds.entry((record.status.name(), kind)).or_insert((0, message)).0 += 1;
        }
        for ((status, kind), (n, message)) in kinds {
            let message: String = message.chars().take(300).collect();
            table.push(vec![
                Cell::text(&run.name),
                Cell::text(status),
                Cell::text(kind),
                Cell::Count(n),
                Cell::text(message),
            ]);
        }
    }
    table
}

fn coalitions(study: &Study, analysis: &Analysis) -> Table {
    let columns = vec![
        Column::plain("run", "Run"),
        Column::plain("coalition", "Coalition"),
        Column::plain("align_n", "Align n"),
        Column::interval("align", "Align Acc %", SHARE),
        Column::plain("conflict_n", "Conflict n"),
        Column::interval("conflict", "Conflict Acc %", SHARE),
        Column::interval("drop", "Drop in points", SHARE),
        Column::number("paper_drop", "Drop in the paper", SHARE),
    ];
    let note = "Align and Conflict of the whole clip. The drop compares different clips, so it is not paired. The paper states the \
                drop of single modalities (Sec. 4.2).";
    let mut table =
        Table::new("coalitions", "Accuracy by coalition (Figure 3, left)", columns).with_note(note);
    for run in &analysis.runs {
        for c in &run.coalitions {
            let single = c.coalition.iter().next().filter(|_| c.coalition.len() == 1);
            let n = |i: Option<Interval>| i.map_or(Cell::Count(0), |i| Cell::Count(i.n));
            table.push(vec![
                Cell::text(name(study, run)),
                Cell::text(c.coalition.to_string()),
                n(c.align),
                interval_cell(c.align),
                n(c.conflict),
                interval_cell(c.conflict),
                interval_cell(c.drop),
                Cell::number(single.map(|m| paper::DROP_OF_SINGLES[m.index()] / 100.0)),
            ]);
        }
    }
    table
}

fn scores(
    study: &Study,
    analysis: &Analysis,
    table_name: &str,
    title: &str,
    rows: impl Fn(&RunAnalysis) -> &Vec<ScoreRow>,
) -> Table {
    let mut columns: Vec<Column> =
        [("run", "Run"), ("corpus", "Corpus"), ("coalition", "Coalition"), ("subset", "Subset")]
            .map(|(key, head)| Column::plain(key, head))
            .to_vec();
    columns.extend(
        [("n", "n"), ("n_parsed", "Answered"), ("n_clusters", "Groups")].map(|(k, h)| Column::plain(k, h)),
    );
    let percents =
        [("acc", "Acc %"), ("macro_f1", "Macro F1 %"), ("weighted_f1", "Weighted F1 %"), ("uar", "UAR %")];
    columns.extend(percents.map(|(key, head)| Column::interval(key, head, SHARE)));
    columns.extend(
        [("acc2", "ACC-2 %"), ("acc3", "ACC-3 %")].map(|(key, head)| Column::interval(key, head, SHARE)),
    );
    let plain =
        [("mae", "MAE"), ("mae_reply", "MAE, stated"), ("pearson", "r"), ("pearson_reply", "r, stated")];
    columns.extend(plain.map(|(key, head)| Column::interval(key, head, Form::Decimals(3))));
    columns.push(Column::plain("n_stated", "Stated"));
    let note = "Coalition overall pools the full clip and its pairs. Under one coalition, align and conflict are those of the \
                whole clip, whatever is shown of it. MAE and r take class centres; \"stated\" takes the score \
                that the model wrote where it agrees with its letter.";
    let mut table = Table::new(table_name, title, columns).with_note(note);
    for run in &analysis.runs {
        for row in rows(run) {
            let mut cells = vec![
                Cell::text(name(study, run)),
                Cell::text(&row.corpus),
                Cell::text(&row.coalition),
                Cell::text(subset_word(row)),
                Cell::Count(row.n),
                Cell::Count(row.n_parsed),
                Cell::Count(row.n_clusters),
            ];
            let figures = [
                row.acc,
                row.macro_f1,
                row.weighted_f1,
                row.uar,
                row.acc2,
                row.acc3,
                row.mae,
                row.mae_reply,
                row.pearson,
                row.pearson_reply,
            ];
            cells.extend(figures.map(interval_cell));
            cells.push(Cell::Count(row.n_stated));
            table.push(cells);
        }
    }
    table
}

fn psmv(study: &Study, analysis: &Analysis) -> Table {
    let columns = vec![
        Column::plain("run", "Run"),
        Column::plain("subset", "Subset"),
        Column::plain("modality", "Modality"),
        Column::plain("n", "n"),
        Column::interval("psmv", "PSMV in points", SHARE),
        Column::interval("share", "Share %", SHARE),
        Column::interval("positive_share", "Share of the positive part %", SHARE),
        Column::number("paper_share", "Share in the paper %", SHARE),
    ];
    let note = "PSMV (Eq. 2) of accuracy over all eight coalitions, the empty one included. Shares exist only where all three \
                values are positive. The paper states the video's share (Sec. 4.2).";
    let mut table =
        Table::new("psmv", "Contribution of each modality (Figure 3, middle)", columns).with_note(note);
    for run in &analysis.runs {
        let Some(report) = &run.scores.psmv else { continue };
        let parts: [(&str, Option<&PsmvFigures>); 3] = [
            ("all", Some(&report.all)),
            ("align", report.subsets.align.as_ref()),
            ("conflict", report.subsets.conflict.as_ref()),
        ];
        for (subset, figures) in parts {
            let Some(figures) = figures else { continue };
            for m in Modality::ALL {
                let stated = match (subset, m) {
                    ("align", Modality::Video) => Some(paper::VIDEO_SHARE[0]),
                    ("conflict", Modality::Video) => Some(paper::VIDEO_SHARE[1]),
                    _ => None,
                };
                table.push(vec![
                    Cell::text(name(study, run)),
                    Cell::text(subset),
                    Cell::text(m.name()),
                    Cell::Count(figures.n),
                    interval_cell(*figures.values.get(m)),
                    interval_cell(*figures.shares.get(m)),
                    interval_cell(*figures.positive_shares.get(m)),
                    Cell::number(stated),
                ]);
            }
        }
    }
    table
}

fn gtar(study: &Study, analysis: &Analysis) -> Table {
    let columns = vec![
        Column::plain("run", "Run"),
        Column::plain("subset", "Subset"),
        Column::plain("modality", "Modality"),
        Column::plain("numerator", "Followed"),
        Column::plain("denominator", "Right"),
        Column::interval("gtar", "GTAR", Form::Decimals(3)),
        Column::number("paper", "In the paper", Form::Decimals(3)),
    ];
    let note = "GTAR (Eq. 4) over samples in which exactly one shown modality contradicts the ground truth, by polarity: of those in \
                which the modality is right, the share in which the model is right too. The paper states T and V (App. C.1).";
    let mut table = Table::new("gtar", "Which modality is followed (Figure 9a)", columns).with_note(note);
    for run in &analysis.runs {
        for ((subset, figures), stated) in run.gtar().into_iter().zip(paper::GTAR) {
            let Some(figures) = figures else { continue };
            for m in Modality::ALL {
                let stated = match m {
                    Modality::Text => Some(stated[0]),
                    Modality::Video => Some(stated[1]),
                    Modality::Audio => None,
                };
                table.push(vec![
                    Cell::text(name(study, run)),
                    Cell::text(subset),
                    Cell::text(m.name()),
                    Cell::Count(*figures.numerators.get(m)),
                    Cell::Count(*figures.denominators.get(m)),
                    interval_cell(*figures.rates.get(m)),
                    Cell::number(stated),
                ]);
            }
        }
    }
    table
}

fn attention(study: &Study, analysis: &Analysis) -> Table {
    let columns = vec![
        Column::plain("run", "Run"),
        Column::plain("coalition", "Coalition"),
        Column::plain("subset", "Subset"),
        Column::plain("n", "n"),
        Column::plain("layer", "Layer"),
        Column::plain("modality", "Modality"),
        Column::interval("share", "Share of nMAS %", SHARE),
        Column::number("nmas", "nMAS", Form::Decimals(6)),
        Column::number("mass", "Mass %", Form::Percent(2)),
    ];
    let note = "Share: nMAS (Eq. 5) renormalised over the modalities shown, mean over heads, then over samples. nMAS: attention per \
                token. Mass: its sum over the modality's tokens; what is missing to 100 % goes to tokens of no modality.";
    let mut table =
        Table::new("attention", "Attention by layer (Figures 9b and 10)", columns).with_note(note);
    for run in &analysis.runs {
        for profile in &run.attention {
            for layer in &profile.layers {
                for m in profile.condition.coalition().iter() {
                    table.push(vec![
                        Cell::text(name(study, run)),
                        Cell::text(profile.condition.coalition().to_string()),
                        Cell::text(profile.condition.subset()),
                        Cell::Count(profile.n),
                        Cell::Count(layer.layer),
                        Cell::text(m.name()),
                        interval_cell(*layer.share.get(m)),
                        Cell::number(*layer.nmas.get(m)),
                        Cell::number(*layer.mass.get(m)),
                    ]);
                }
            }
        }
    }
    table
}

fn coupling(study: &Study, analysis: &Analysis) -> Table {
    let columns = vec![
        Column::plain("run", "Run"),
        Column::plain("layers", "Layers"),
        Column::plain("points", "Points"),
        Column::interval("spearman", "Spearman ρ", Form::Decimals(3)),
        Column::interval("pearson", "Pearson r", Form::Decimals(3)),
    ];
    let note = "Correlation of nMAS and GTAR over points modality × missing pattern × corpus. Intervals draw whole groups and \
                compute all points again. Points share clips, so they are not independent.";
    let mut table =
        Table::new("coupling", "Does attention per token go with being followed? (Figure 3, right)", columns)
            .with_note(note);
    for run in &analysis.runs {
        for c in &run.coupling {
            table.push(vec![
                Cell::text(name(study, run)),
                Cell::text(c.band.name()),
                Cell::Count(c.points.len()),
                interval_cell(c.spearman),
                interval_cell(c.pearson),
            ]);
        }
    }
    table
}

fn delta_v(analysis: &Analysis) -> Table {
    let columns = vec![
        Column::plain("run", "Run"),
        Column::plain("picture", "Picture"),
        Column::plain("n", "n"),
        Column::interval("acc5", "ΔV of ACC-5 in points", SHARE),
        Column::interval("acc2", "ΔV of ACC-2 in points", SHARE),
        Column::interval("macro_f1", "ΔV of F1 in points", SHARE),
    ];
    let note = "ΔV (Eq. 18): performance with TAV less that with TA on the same clips in Conflict.";
    let mut table = Table::new("delta-v", "What the picture adds (Figure 11)", columns).with_note(note);
    for d in analysis.runs.iter().filter_map(|r| r.delta_v.as_ref()) {
        table.push(vec![
            Cell::text(&d.run),
            Cell::text(&d.picture),
            Cell::Count(d.n),
            interval_cell(d.acc5),
            interval_cell(d.acc2),
            interval_cell(d.macro_f1),
        ]);
    }
    table
}

fn confusion(study: &Study, analysis: &Analysis) -> Table {
    let mut columns =
        vec![Column::plain("run", "Run"), Column::plain("subset", "Subset"), Column::plain("truth", "Truth")];
    columns.extend(CLASSES.map(|class| Column::plain(class, &format!("Answered {class}"))));
    columns.push(Column::plain("none", "No answer"));
    let mut table = Table::new("confusion", "Confusion of classes", columns);
    for run in &analysis.runs {
        for matrix in &run.confusions {
            for (class, counts) in CLASSES.iter().zip(matrix.counts) {
                let mut cells =
                    vec![Cell::text(name(study, run)), Cell::text(matrix.part), Cell::text(*class)];
                cells.extend(counts.map(Cell::Count));
                table.push(cells);
            }
        }
    }
    table
}

fn tests(table_name: &str, title: &str, families: &[&PairedFamily]) -> Table {
    let columns = vec![
        Column::plain("family", "Family"),
        Column::plain("subset", "Subset"),
        Column::plain("first", "First"),
        Column::plain("second", "Second"),
        Column::plain("n", "n"),
        Column::number("first_acc", "First Acc %", SHARE),
        Column::number("second_acc", "Second Acc %", SHARE),
        Column::interval("delta", "Difference in points", SHARE),
        Column::plain("wrong_to_right", "Wrong to right"),
        Column::plain("right_to_wrong", "Right to wrong"),
        Column::number("p", "p", Form::PValue),
        Column::number("p_holm", "p, Holm", Form::PValue),
        Column::number("detectable", "Detectable in points", SHARE),
        Column::plain("verdict", "Verdict"),
    ];
    let note = format!(
        "Second less first on the same samples; sign-flip permutation test by group; Holm's correction within the family. \
         Detectable: the smallest difference that so many samples show with power {POWER} at level {ALPHA}. \
         \"Underpowered\": it is greater than the difference found."
    );
    let mut table = Table::new(table_name, title, columns).with_note(note);
    for family in families {
        for c in &family.comparisons {
            table.push(vec![
                Cell::text(&family.name),
                Cell::text(&c.subset),
                Cell::text(&c.first),
                Cell::text(&c.second),
                Cell::Count(c.n),
                Cell::number(Some(c.first_acc)),
                Cell::number(Some(c.second_acc)),
                interval_cell(c.delta),
                Cell::Count(c.flips.wrong_to_right),
                Cell::Count(c.flips.right_to_wrong),
                Cell::number(c.p),
                Cell::number(c.p_holm),
                Cell::number(c.detectable),
                Cell::text(c.verdict()),
            ]);
        }
    }
    table
}
