//! The long form: every answer in every version, as CSV, JSON lines and Parquet.

use std::path::Path;

use emomm_dataset::{TableColumn, write_table};
use rusqlite::Connection;
use serde::Serialize;

use super::{not_written, text_of};
use crate::clock;
use crate::error::AnnotateError;

/// The Parquet file.
pub(super) const PARQUET: &str = "responses.parquet";

/// A column of the long form.
pub(super) struct Column {
    pub(super) name: &'static str,
    /// Numbers are stored as such, everything else as text.
    pub(super) is_number: bool,
    pub(super) description: &'static str,
}

const fn text(name: &'static str, description: &'static str) -> Column {
    Column { name, is_number: false, description }
}

const fn number(name: &'static str, description: &'static str) -> Column {
    Column { name, is_number: true, description }
}

/// All columns in the order of the files.
pub(super) const COLUMNS: [Column; 22] = [
    number("seq", "number of the clip in this project, from 1"),
    text("corpus", "name of the corpus"),
    text("clip", "the clip, as video_clip"),
    text("modality", "what was shown: text, audio, video or multimodal"),
    text("condition", "plain, or what was done to the medium: low-pass, cropped"),
    text("annotator", "pseudonym"),
    text("phase", "training, calibration or main"),
    text("role", "plain, gold, or repeat for the second time"),
    number("attempt", "the calibration round"),
    number("version", "1 for the first answer to the item, more after each undo"),
    number("counts", "1 for the answer that counts, 0 for those that were taken back or replaced"),
    number("label", "code of the scheme; null where the item could not be judged"),
    text("cannot_judge", "why it could not be judged: empty, unclear, language, technical or other"),
    text("comment", "free text"),
    number("privacy", "1 where the annotator marked something private"),
    number("plays", "times that the medium was played to its end"),
    number("first_play_ms", "milliseconds from the item's appearance to the first play"),
    number("total_ms", "milliseconds from the item's appearance to the answer"),
    number("hidden_ms", "milliseconds of them in which the page was not visible"),
    text("ui_language", "language of the page: en or zh"),
    text("opened_at", "when the item was opened, UTC"),
    text("received_at", "when the answer was received, UTC"),
];

/// One answer of the long file.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub(super) struct LongRow {
    seq: i64,
    corpus: String,
    clip: String,
    modality: String,
    condition: String,
    annotator: String,
    phase: String,
    role: String,
    attempt: i64,
    version: i64,
    counts: i64,
    label: Option<i64>,
    cannot_judge: Option<String>,
    comment: String,
    privacy: i64,
    plays: i64,
    first_play_ms: Option<i64>,
    total_ms: i64,
    hidden_ms: i64,
    ui_language: String,
    opened_at: String,
    received_at: String,
}

/// All answers, in the order in which they came.
pub(super) fn rows(connection: &Connection) -> Result<Vec<LongRow>, AnnotateError> {
    let mut statement = connection.prepare(
        "SELECT c.seq, c.corpus, c.video_id || '_' || c.clip_id, i.view, i.condition, a.pseudonym, s.phase, s.role, \
         s.attempt, r.version, EXISTS (SELECT 1 FROM answer w WHERE w.id = r.id), r.label, r.cannot_judge, r.comment, \
         r.privacy, r.plays, r.first_play_ms, r.total_ms, r.hidden_ms, r.ui_language, s.opened_at, r.received_at \
         FROM response r JOIN assignment s ON s.id = r.assignment JOIN account a ON a.id = r.account \
         JOIN item i ON i.id = s.item JOIN clip c ON c.id = i.clip ORDER BY r.id",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(LongRow {
            seq: row.get(0)?,
            corpus: row.get(1)?,
            clip: row.get(2)?,
            modality: row.get(3)?,
            condition: row.get(4)?,
            annotator: row.get(5)?,
            phase: row.get(6)?,
            role: row.get(7)?,
            attempt: row.get(8)?,
            version: row.get(9)?,
            counts: row.get(10)?,
            label: row.get(11)?,
            cannot_judge: row.get(12)?,
            comment: row.get(13)?,
            privacy: row.get(14)?,
            plays: row.get(15)?,
            first_play_ms: row.get(16)?,
            total_ms: row.get(17)?,
            hidden_ms: row.get(18)?,
            ui_language: row.get(19)?,
            opened_at: row.get::<_, Option<i64>>(20)?.map(clock::iso).unwrap_or_default(),
            received_at: clock::iso(row.get(21)?),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// As CSV; without `raw` no cell is a formula.
pub(super) fn csv(rows: &[LongRow], raw: bool) -> Result<String, AnnotateError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        let mut row = row.clone();
        if !raw {
            // What people wrote and what corpora call their clips; numbers are not touched.
            for cell in [&mut row.comment, &mut row.clip, &mut row.corpus] {
                *cell = formula_safe(cell);
            }
        }
        writer.serialize(&row).map_err(|e| not_written(&e))?;
    }
    text_of(writer)
}

/// A text that no spreadsheet takes for a formula.
pub(crate) fn formula_safe(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

/// As Parquet.
pub(super) fn write_parquet(path: &Path, rows: &[LongRow]) -> Result<(), AnnotateError> {
    let text = |value: fn(&LongRow) -> Option<String>| TableColumn::Text(rows.iter().map(value).collect());
    let number = |value: fn(&LongRow) -> Option<i64>| {
        TableColumn::Number(rows.iter().map(|r| value(r).map(|v| v as f64)).collect())
    };
    let columns = [
        number(|r| Some(r.seq)),
        text(|r| Some(r.corpus.clone())),
        text(|r| Some(r.clip.clone())),
        text(|r| Some(r.modality.clone())),
        text(|r| Some(r.condition.clone())),
        text(|r| Some(r.annotator.clone())),
        text(|r| Some(r.phase.clone())),
        text(|r| Some(r.role.clone())),
        number(|r| Some(r.attempt)),
        number(|r| Some(r.version)),
        number(|r| Some(r.counts)),
        number(|r| r.label),
        text(|r| r.cannot_judge.clone()),
        text(|r| Some(r.comment.clone())),
        number(|r| Some(r.privacy)),
        number(|r| Some(r.plays)),
        number(|r| r.first_play_ms),
        number(|r| Some(r.total_ms)),
        number(|r| Some(r.hidden_ms)),
        text(|r| Some(r.ui_language.clone())),
        text(|r| Some(r.opened_at.clone())),
        text(|r| Some(r.received_at.clone())),
    ];
    write_table(path, COLUMNS.iter().map(|column| column.name).zip(columns).collect())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_is_described_in_its_place() {
        let row = serde_json::to_string(&LongRow::default()).unwrap();
        let places: Vec<usize> =
            COLUMNS.iter().map(|c| row.find(&format!("\"{}\":", c.name)).unwrap()).collect();
        assert!(places.is_sorted() && row.matches("\":").count() == COLUMNS.len(), "{row}");
    }

    #[test]
    fn formulas_are_disarmed() {
        assert_eq!(formula_safe("=HYPERLINK(1)"), "'=HYPERLINK(1)");
        assert_eq!(formula_safe("@x"), "'@x");
        assert_eq!(formula_safe("a = b"), "a = b");
    }
}
