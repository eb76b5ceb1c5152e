//! Export: every vote, the labels that `emomm build --mosi-labels` reads, agreement, audit trail, a card.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use emomm_dataset::{Corpus, TableColumn, write_table};
use emomm_metrics::BootstrapOptions;
use rusqlite::{Connection, OptionalExtension};
use serde::Serialize;

use crate::agreement::{ViewAgreement, agreement};
use crate::audit;
use crate::clock;
use crate::error::AnnotateError;
use crate::project::{Project, settings_of};
use crate::scheme::Scheme;
use crate::settings::Settings;
use crate::view::View;
use crate::votes::{VoteTable, votes};

/// How labels are made from votes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportOptions {
    /// Fewest votes for a label; with fewer the label is empty.
    pub min_votes: usize,
    /// Whether adjudicated labels take the place of the mean.
    pub adjudicated: bool,
    /// Whether text cells that a spreadsheet would run as a formula are left as they are.
    pub raw: bool,
}

impl Default for ExportOptions {
    fn default() -> Self {
        Self { min_votes: 1, adjudicated: false, raw: false }
    }
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exported {
    /// The files.
    pub files: Vec<PathBuf>,
    /// Clips in the label files.
    pub clips: usize,
    /// Answers in the long file, those that were taken back included.
    pub responses: usize,
}

/// One answer of the long file.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct LongRow {
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

/// Writes all files into `folder`, which must be new or empty.
///
/// # Errors
/// A folder in which something is, or where nothing can be written.
pub fn export(project: &Project, folder: &Path, options: ExportOptions) -> Result<Exported, AnnotateError> {
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) || folder.is_file() {
        return Err(AnnotateError::Option {
            option: "--out".to_owned(),
            found: format!("{}, where something is", folder.display()),
            expected: "a new or an empty folder".to_owned(),
        });
    }
    fs::create_dir_all(folder).map_err(|source| AnnotateError::Io { path: folder.to_owned(), source })?;
    project.store().read_now(|connection| write_all(connection, folder, options))
}

fn write_all(
    connection: &Connection,
    folder: &Path,
    options: ExportOptions,
) -> Result<Exported, AnnotateError> {
    let settings = settings_of(connection)?;
    let mut files = Vec::new();
    let mut save = |name: &str, text: String| -> Result<(), AnnotateError> {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|source| AnnotateError::Io { path: path.clone(), source })?;
        files.push(path);
        Ok(())
    };
    let rows = long_rows(connection)?;
    save("responses.csv", long_csv(&rows, options.raw)?)?;
    let lines: Vec<String> = rows.iter().map(|r| serde_json::to_string(r).unwrap_or_default()).collect();
    save("responses.jsonl", lines.join("\n") + "\n")?;
    let tables = View::ALL.into_iter().map(|v| votes(connection, v)).collect::<Result<Vec<_>, _>>()?;
    let clips = clips(connection)?;
    let adjudicated = adjudicated_labels(connection)?;
    for corpus in clips.iter().map(|c| &c.corpus).collect::<std::collections::BTreeSet<_>>() {
        let of_corpus: Vec<&Clip> = clips.iter().filter(|c| c.corpus == *corpus).collect();
        let labels = Labels { settings: &settings, tables: &tables, adjudicated: &adjudicated, options };
        save(&format!("labels_{corpus}.csv"), labels.csv(&of_corpus)?)?;
        save(&format!("aggregated_{corpus}.csv"), labels.aggregated_csv(&of_corpus)?)?;
        if settings.scheme == Scheme::Ternary {
            save(&format!("votes_{corpus}.csv"), votes_csv(&tables, &of_corpus)?)?;
        }
    }
    let figures = agreement(connection, BootstrapOptions::default())?;
    save("agreement.json", serde_json::to_string_pretty(&figures).unwrap_or_default() + "\n")?;
    let mut trail = String::new();
    audit::events(connection, |event| {
        let _ = writeln!(trail, "{}", serde_json::to_string(&event).unwrap_or_default());
        Ok(())
    })?;
    save("audit.jsonl", trail)?;
    save("README.md", card(connection, &settings, &figures, clips.len())?)?;
    let parquet = folder.join("responses.parquet");
    write_parquet(&parquet, &rows)?;
    files.push(parquet);
    files.sort();
    Ok(Exported { files, clips: clips.len(), responses: rows.len() })
}

/// The labels in the form that `emomm build --mosi-labels` reads, for one corpus: also what a page offers.
pub(crate) fn labels_of(
    connection: &Connection,
    corpus: &str,
    options: ExportOptions,
) -> Result<String, AnnotateError> {
    let settings = settings_of(connection)?;
    let tables = View::ALL.into_iter().map(|v| votes(connection, v)).collect::<Result<Vec<_>, _>>()?;
    let adjudicated = adjudicated_labels(connection)?;
    let clips = clips(connection)?;
    let of_corpus: Vec<&Clip> = clips.iter().filter(|c| c.corpus == corpus).collect();
    Labels { settings: &settings, tables: &tables, adjudicated: &adjudicated, options }.csv(&of_corpus)
}

/// The votes in the form that `emomm build --mosi-labels` reads, for one corpus.
pub(crate) fn votes_of(connection: &Connection, corpus: &str) -> Result<String, AnnotateError> {
    let tables = View::ALL.into_iter().map(|v| votes(connection, v)).collect::<Result<Vec<_>, _>>()?;
    let clips = clips(connection)?;
    let of_corpus: Vec<&Clip> = clips.iter().filter(|c| c.corpus == corpus).collect();
    votes_csv(&tables, &of_corpus)
}

/// The long file as CSV: also what a page offers.
pub(crate) fn responses_csv(connection: &Connection) -> Result<String, AnnotateError> {
    long_csv(&long_rows(connection)?, false)
}

/// The corpora of main work.
pub(crate) fn corpora(connection: &Connection) -> Result<Vec<String>, AnnotateError> {
    let mut statement =
        connection.prepare("SELECT DISTINCT corpus FROM clip WHERE use = 'main' ORDER BY corpus")?;
    Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

struct Clip {
    seq: i64,
    corpus: String,
    class_map: Corpus,
    name: String,
}

fn clips(connection: &Connection) -> Result<Vec<Clip>, AnnotateError> {
    let mut statement = connection.prepare(
        "SELECT seq, corpus, class_map, video_id, clip_id FROM clip WHERE use = 'main' ORDER BY seq",
    )?;
    let rows = statement.query_map([], |row| {
        let map: String = row.get(2)?;
        let (video, clip): (String, String) = (row.get(3)?, row.get(4)?);
        Ok(Clip {
            seq: row.get(0)?,
            corpus: row.get(1)?,
            class_map: map.parse().unwrap_or(Corpus::ChSims),
            name: format!("{video}_{clip}"),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The newest adjudicated label of each clip and view.
fn adjudicated_labels(connection: &Connection) -> Result<BTreeMap<(i64, View), i8>, AnnotateError> {
    let mut statement = connection.prepare(
        "SELECT c.seq, i.view, j.label FROM adjudication j JOIN item i ON i.id = j.item \
         JOIN clip c ON c.id = i.clip ORDER BY j.id",
    )?;
    let rows = statement.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

struct Labels<'a> {
    settings: &'a Settings,
    tables: &'a [VoteTable],
    adjudicated: &'a BTreeMap<(i64, View), i8>,
    options: ExportOptions,
}

impl Labels<'_> {
    /// The codes that were given for a clip in one view.
    fn codes(&self, seq: i64, view: View) -> Vec<i8> {
        let table = self.tables.iter().find(|t| t.view == view);
        let item =
            table.and_then(|t| t.items.binary_search_by_key(&seq, |i| i.seq).ok().map(|i| &t.items[i]));
        item.map(|item| item.votes.iter().flatten().copied().collect()).unwrap_or_default()
    }

    /// The score of a clip in one view, on the 0.2 grid.
    fn score(&self, seq: i64, view: View) -> Option<emomm_dataset::GridScore> {
        let scheme = self.settings.scheme;
        if self.options.adjudicated
            && let Some(code) = self.adjudicated.get(&(seq, view))
        {
            return emomm_dataset::GridScore::from_steps(scheme.steps(*code));
        }
        let codes = self.codes(seq, view);
        (codes.len() >= self.options.min_votes.max(1)).then(|| scheme.mean(&codes)).flatten()
    }

    /// `seq,clip,label_T,label_A,label_V`.
    fn csv(&self, clips: &[&Clip]) -> Result<String, AnnotateError> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let fields = ["seq", "clip", "label_T", "label_A", "label_V"];
        writer.write_record(fields).map_err(|e| not_written(&e))?;
        for clip in clips {
            let mut record = vec![clip.seq.to_string(), clip.name.clone()];
            let scores = View::UNIMODAL.map(|view| self.score(clip.seq, view));
            record.extend(scores.map(|s| s.map(|s| s.to_string()).unwrap_or_default()));
            writer.write_record(&record).map_err(|e| not_written(&e))?;
        }
        text_of(writer)
    }

    /// One row for each clip and view: votes, exact mean, score, both five-class maps, adjudication.
    fn aggregated_csv(&self, clips: &[&Clip]) -> Result<String, AnnotateError> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let fields = [
            "seq",
            "clip",
            "modality",
            "n_votes",
            "mean",
            "score",
            "class_own",
            "class_ch_sims",
            "class_cmu_mosi",
            "adjudicated",
        ];
        writer.write_record(fields).map_err(|e| not_written(&e))?;
        let scheme = self.settings.scheme;
        for clip in clips {
            for view in View::ALL {
                let codes = self.codes(clip.seq, view);
                let adjudicated = self.adjudicated.get(&(clip.seq, view));
                if codes.is_empty() && adjudicated.is_none() {
                    continue;
                }
                let sum: i32 = codes.iter().map(|c| i32::from(scheme.steps(*c))).sum();
                let mean = (!codes.is_empty()).then(|| f64::from(sum) / (5 * codes.len()) as f64);
                let score = self.score(clip.seq, view);
                let class =
                    |corpus: Corpus| score.map(|s| corpus.class_of(s).to_string()).unwrap_or_default();
                writer
                    .write_record([
                        clip.seq.to_string(),
                        clip.name.clone(),
                        view.name().to_owned(),
                        codes.len().to_string(),
                        mean.map(|m| format!("{m:.6}")).unwrap_or_default(),
                        score.map(|s| s.to_string()).unwrap_or_default(),
                        class(clip.class_map),
                        class(Corpus::ChSims),
                        class(Corpus::CmuMosi),
                        adjudicated
                            .map(|c| scheme.steps(*c))
                            .map(|s| format!("{:.1}", f64::from(s) / 5.0))
                            .unwrap_or_default(),
                    ])
                    .map_err(|e| not_written(&e))?;
            }
        }
        text_of(writer)
    }
}

/// `seq,clip,T_1,…`: numbers stand for the annotators of a clip in the order of their pseudonyms.
fn votes_csv(tables: &[VoteTable], clips: &[&Clip]) -> Result<String, AnnotateError> {
    // Columns are filled from the left, so that designs in which not everybody labels everything fit too.
    let unimodal: Vec<&VoteTable> = tables.iter().filter(|t| t.view != View::Multimodal).collect();
    let widest = unimodal
        .iter()
        .flat_map(|t| t.items.iter().map(|i| i.votes.iter().flatten().count()))
        .max()
        .unwrap_or(0);
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut header = vec!["seq".to_owned(), "clip".to_owned()];
    for table in &unimodal {
        header.extend((1..=widest).map(|n| format!("{}_{n}", table.view.letter())));
    }
    writer.write_record(&header).map_err(|e| not_written(&e))?;
    for clip in clips {
        let mut record = vec![clip.seq.to_string(), clip.name.clone()];
        for table in &unimodal {
            let item = table.items.binary_search_by_key(&clip.seq, |i| i.seq).ok().map(|i| &table.items[i]);
            let mut given: Vec<String> =
                item.map(|i| i.votes.iter().flatten().map(ToString::to_string).collect()).unwrap_or_default();
            given.resize(widest, String::new());
            record.extend(given);
        }
        writer.write_record(&record).map_err(|e| not_written(&e))?;
    }
    text_of(writer)
}

fn long_rows(connection: &Connection) -> Result<Vec<LongRow>, AnnotateError> {
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

fn long_csv(rows: &[LongRow], raw: bool) -> Result<String, AnnotateError> {
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
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

fn write_parquet(path: &Path, rows: &[LongRow]) -> Result<(), AnnotateError> {
    let text = |value: fn(&LongRow) -> Option<String>| TableColumn::Text(rows.iter().map(value).collect());
    let number = |value: fn(&LongRow) -> Option<i64>| {
        TableColumn::Number(rows.iter().map(|r| value(r).map(|v| v as f64)).collect())
    };
    write_table(
        path,
        vec![
            ("seq", number(|r| Some(r.seq))),
            ("corpus", text(|r| Some(r.corpus.clone()))),
            ("clip", text(|r| Some(r.clip.clone()))),
            ("modality", text(|r| Some(r.modality.clone()))),
            ("condition", text(|r| Some(r.condition.clone()))),
            ("annotator", text(|r| Some(r.annotator.clone()))),
            ("phase", text(|r| Some(r.phase.clone()))),
            ("role", text(|r| Some(r.role.clone()))),
            ("attempt", number(|r| Some(r.attempt))),
            ("version", number(|r| Some(r.version))),
            ("counts", number(|r| Some(r.counts))),
            ("label", number(|r| r.label)),
            ("cannot_judge", text(|r| r.cannot_judge.clone())),
            ("comment", text(|r| Some(r.comment.clone()))),
            ("privacy", number(|r| Some(r.privacy))),
            ("plays", number(|r| Some(r.plays))),
            ("first_play_ms", number(|r| r.first_play_ms)),
            ("total_ms", number(|r| Some(r.total_ms))),
            ("hidden_ms", number(|r| Some(r.hidden_ms))),
            ("ui_language", text(|r| Some(r.ui_language.clone()))),
            ("opened_at", text(|r| Some(r.opened_at.clone()))),
            ("received_at", text(|r| Some(r.received_at.clone()))),
        ],
    )?;
    Ok(())
}

/// A dataset card: what it is, how it was made, how well the annotators agree, what to keep in mind.
fn card(
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

fn text_of(writer: csv::Writer<Vec<u8>>) -> Result<String, AnnotateError> {
    let bytes = writer.into_inner().map_err(|e| not_written(e.error()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn not_written(error: &impl std::fmt::Display) -> AnnotateError {
    AnnotateError::refused("export", error.to_string(), "rows that can be written as CSV")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_disarmed() {
        assert_eq!(formula_safe("=HYPERLINK(1)"), "'=HYPERLINK(1)");
        assert_eq!(formula_safe("@x"), "'@x");
        assert_eq!(formula_safe("a = b"), "a = b");
    }
}
