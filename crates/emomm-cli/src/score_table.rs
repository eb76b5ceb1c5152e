//! A score report as tables for people: no figure without n and n_parsed.

use std::fmt::Write;

use emomm_dataset::Modality;
use emomm_eval::score::{GtarFigures, Interval, PsmvFigures, ScoreReport, ScoreRow};

/// All tables of a report.
pub(crate) fn report(report: &ScoreReport) -> String {
    let mut out = String::new();
    let options = &report.options.bootstrap;
    let _ = writeln!(
        out,
        "{} rows, {} with an answer. In brackets: {:.0} % intervals, {} resamples of clusters, seed {}.",
        report.n,
        report.n_parsed,
        options.level * 100.0,
        options.n_resamples,
        options.seed
    );
    rows(&mut out, report);
    psmv(&mut out, report);
    gtar(&mut out, report);
    out
}

fn rows(out: &mut String, report: &ScoreReport) {
    // The pooled rows repeat those of the only corpus.
    let corpora = report.rows.iter().filter(|r| r.corpus != "all").map(|r| &r.corpus);
    let is_single = corpora.clone().all(|c| Some(c) == corpora.clone().next());
    let widest = corpora.map(|c| c.chars().count()).max().unwrap_or(0).max(6);
    let _ = writeln!(
        out,
        "\n{:<widest$}  {:<9}  {:<16}  {:>6}  {:>8}  {:<20}  {:<20}  {:<20}  {:<20}  {:<20}  MAE",
        "corpus",
        "coalition",
        "subset",
        "n",
        "n_parsed",
        "Acc",
        "macro F1",
        "ACC-2",
        "ACC-3",
        "MAE of replies"
    );
    for row in report.rows.iter().filter(|r| !is_single || r.corpus != "all") {
        let _ = write!(
            out,
            "{:<widest$}  {:<9}  {:<16}  {:>6}  {:>8}",
            row.corpus,
            row.coalition,
            row.subset_name(),
            row.n,
            row.n_parsed
        );
        for figure in figures(row) {
            let _ = write!(out, "  {:<20}", shown(figure));
        }
        trim_line(out);
    }
}

fn figures(row: &ScoreRow) -> [Option<Interval>; 6] {
    [row.acc, row.macro_f1, row.acc2, row.acc3, row.mae_reply, row.mae]
}

fn psmv(out: &mut String, report: &ScoreReport) {
    let Some(psmv) = &report.psmv else { return };
    heading(out, "PSMV of", "clips", "total");
    let parts = [
        ("all", Some(&psmv.all)),
        ("align", psmv.subsets.align.as_ref()),
        ("conflict", psmv.subsets.conflict.as_ref()),
    ];
    for (name, part) in parts {
        let Some(part) = part else { continue };
        let PsmvFigures { values, total, n, .. } = part;
        let _ = write!(out, "{name:<16}  {n:>9}");
        for m in Modality::ALL {
            let _ = write!(out, "  {:<22}", shown(*values.get(m)));
        }
        let _ = write!(out, "  {}", shown(*total));
        trim_line(out);
    }
}

fn gtar(out: &mut String, report: &ScoreReport) {
    let Some(gtar) = &report.gtar else { return };
    heading(out, "GTAR of", "conflicts", "right of aligned, T A V");
    let parts = [
        ("TAV and pairs", Some(&gtar.all)),
        ("conflict", gtar.subsets.conflict.as_ref()),
        ("missing-conflict", gtar.subsets.missing_conflict.as_ref()),
    ];
    for (name, part) in parts {
        let Some(GtarFigures { rates, numerators, denominators, n_conflict, .. }) = part else { continue };
        let _ = write!(out, "{name:<16}  {n_conflict:>9}");
        for m in Modality::ALL {
            let _ = write!(out, "  {:<22}", shown(*rates.get(m)));
        }
        for m in Modality::ALL {
            let _ = write!(out, "  {}/{}", numerators.get(m), denominators.get(m));
        }
        trim_line(out);
    }
}

fn heading(out: &mut String, name: &str, count: &str, last: &str) {
    let _ =
        writeln!(out, "\n{name:<16}  {count:>9}  {:<22}  {:<22}  {:<22}  {last}", "text", "audio", "video");
}

/// `0.512 [0.47, 0.55]`, or a dash.
fn shown(figure: Option<Interval>) -> String {
    let Some(figure) = figure else { return "-".to_owned() };
    match (figure.low, figure.high) {
        (Some(low), Some(high)) => format!("{:.3} [{low:.3}, {high:.3}]", figure.value),
        _ => format!("{:.3}", figure.value),
    }
}

fn trim_line(out: &mut String) {
    out.truncate(out.trim_end_matches(' ').len());
    out.push('\n');
}
