//! The card of exported labels.

use std::fmt::Write as _;

use rusqlite::{Connection, OptionalExtension};

use crate::agreement::ViewAgreement;
use crate::audit;
use crate::clock;
use crate::error::AnnotateError;
use crate::settings::Settings;

/// A dataset card: what it is, how it was made, how well the annotators agree, what to keep in mind.
pub(super) fn card(
    connection: &Connection,
    settings: &Settings,
    figures: &[ViewAgreement],
    n_clips: usize,
) -> Result<String, AnnotateError> {
    let project: String =
        connection.query_row("SELECT value FROM meta WHERE key = 'project'", [], |row| row.get(0))?;
    let n_annotators: i64 =
        connection
            .query_row("SELECT count(*) FROM account WHERE role = 'annotator'", [], |row| row.get(0))?;
    let span: Option<(i64, i64)> = connection
        .query_row("SELECT min(received_at), max(received_at) FROM response HAVING count(*) > 0", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let (events, head) = audit::head(connection)?;
    let mut card = String::new();
    let _ = writeln!(card, "# Unimodal sentiment labels\n");
    let _ = writeln!(
        card,
        "Made with {}. Project `{project}`, {n_clips} clips, {n_annotators} annotators{}.\n",
        concat!("emomm ", env!("CARGO_PKG_VERSION")),
        span.map(|(a, b)| format!(", {} to {}", &clock::iso(a)[..10], &clock::iso(b)[..10]))
            .unwrap_or_default()
    );
    let _ = writeln!(card, "## How the labels were made\n");
    let _ = writeln!(
        card,
        "Every annotator saw one modality of a clip at a time, in passes, under ids that differ by annotator and \
         modality; the server refused everything else. Scheme: {}. Design: {:?}, {} labels a clip wanted. At least {} \
         minutes between two modalities of a clip. Media had {}to be played to the end. {} % of the items came twice.\n",
        settings.scheme,
        settings.design,
        settings.votes,
        settings.min_gap_minutes,
        if settings.must_play { "" } else { "not " },
        settings.repeat_share * 100.0
    );
    let _ = writeln!(card, "## Agreement\n");
    let _ = writeln!(
        card,
        "| modality | items | votes | alpha (ordinal) | 95 % | Fleiss' kappa |\n|---|---|---|---|---|---|"
    );
    for figure in figures {
        let show = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |v| format!("{v:.3}"));
        let alpha = figure.alpha_ordinal;
        let _ = writeln!(
            card,
            "| {} | {} | {} | {} | {} to {} | {} |",
            figure.modality,
            figure.n_items,
            figure.n_votes,
            show(alpha.map(|a| a.value)),
            show(alpha.and_then(|a| a.low)),
            show(alpha.and_then(|a| a.high)),
            show(figure.fleiss_kappa.map(|k| k.value))
        );
    }
    let _ = writeln!(card, "\n## Files\n");
    for (name, what) in [
        (
            "labels_CORPUS.csv",
            "`seq,clip,label_T,label_A,label_V`: mean of the votes on the 0.2 grid, ties to even; what `emomm build --mosi-labels` reads",
        ),
        (
            "votes_CORPUS.csv",
            "the votes themselves, `T_1 …`, also read by `emomm build`; only with the scheme −1, 0, 1",
        ),
        ("aggregated_CORPUS.csv", "exact mean, score and class by both five-class maps, adjudicated label"),
        (
            "responses.csv, .jsonl, .parquet",
            "every answer with its version; `counts` is 1 for the one that counts",
        ),
        ("agreement.json", "agreement by modality, by pair and of annotators with themselves"),
        ("audit.jsonl", "every event, chained by hashes"),
        ("croissant.json", "this description in Croissant, for programs"),
    ] {
        let _ = writeln!(card, "- `{name}`: {what}");
    }
    let _ = writeln!(card, "\n## To keep in mind\n");
    let _ = writeln!(
        card,
        "- A clip's length is the same in sound and picture.\n- Sound carries words: instructions ask to judge by voice, \
         and only a low-pass condition enforces it.\n- Annotators appear by pseudonym. Comments are free text: read them \
         before you publish.\n\nAudit trail: {events} events, head `{head}`."
    );
    Ok(card)
}
