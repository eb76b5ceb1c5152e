//! Tables of accuracy by what is shown: Figure 3 left and middle, Figure 11.

use emomm_dataset::Modality;
use emomm_eval::score::{Interval, PsmvFigures};
use emomm_metrics::Unparsed;

use super::readings::{coalitions_of_psmv, without_evidence};
use super::tables::{SHARE, interval_cell, name};
use crate::analysis::{Analysis, paper};
use crate::study::Study;
use crate::table::{Cell, Column, Form, Table};

pub(super) fn coalitions(study: &Study, analysis: &Analysis) -> Table {
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
                Cell::number(single.map(|m| paper::share(paper::DROP_OF_SINGLES[m.index()]))),
            ]);
        }
    }
    table
}

pub(super) fn psmv(study: &Study, analysis: &Analysis) -> Table {
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
    let options = &analysis.options;
    let wrong = match options.unparsed {
        Unparsed::Wrong => "",
        Unparsed::Excluded => " A missing answer is wrong here: all values must be of the same clips.",
    };
    let note = format!(
        "PSMV (Eq. 2) of accuracy over clips with {}. {} Shares exist only where all three values are positive, and their \
         intervals are of the resamples in which they exist. The paper states the video's share (Sec. 4.2).{wrong}",
        coalitions_of_psmv(options),
        without_evidence(options)
    );
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

pub(super) fn delta_v(analysis: &Analysis) -> Table {
    let columns = vec![
        Column::plain("run", "Run"),
        Column::plain("picture", "Picture"),
        Column::plain("n", "n"),
        Column::number("tokens", "Visual tokens shown", Form::Decimals(1)),
        Column::number("whole_tokens", "of the whole picture", Form::Decimals(1)),
        Column::number("person_tokens", "of the person", Form::Decimals(1)),
        Column::interval("acc5", "ΔV of ACC-5 in points", SHARE),
        Column::interval("acc2", "ΔV of ACC-2 in points", SHARE),
        Column::interval("macro_f1", "ΔV of F1 in points", SHARE),
    ];
    let note = "ΔV (Eq. 18): performance with TAV less that with TA on the same clips in Conflict. Tokens are means of a clip under \
                TAV; those of the whole picture and of the person are known where the person was looked for. Macro F1 is of the \
                classes that occur as truth or as answer, which may be others with and without the picture.";
    let mut table = Table::new("delta-v", "What the picture adds (Figure 11)", columns).with_note(note);
    for d in analysis.runs.iter().filter_map(|r| r.delta_v.as_ref()) {
        table.push(vec![
            Cell::text(&d.run),
            Cell::text(&d.picture),
            Cell::Count(d.n),
            Cell::number(d.tokens),
            Cell::number(d.whole_tokens),
            Cell::number(d.person_tokens),
            interval_cell(d.acc5),
            interval_cell(d.acc2),
            interval_cell(d.macro_f1),
        ]);
    }
    table
}
