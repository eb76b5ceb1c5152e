//! Export: every vote, the labels that `emomm build --mosi-labels` reads, agreement, audit trail, a card, and the card in
//! Croissant.

mod card;
mod croissant;
mod labels;
mod responses;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use emomm_metrics::BootstrapOptions;
use rusqlite::Connection;
use serde::Serialize;

use crate::agreement::agreement;
use crate::audit;
use crate::error::AnnotateError;
use crate::opaque::{digest, hex};
use crate::project::{Project, settings_of};
use crate::scheme::Scheme;
use labels::Labels;

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
    let rows = responses::rows(connection)?;
    save("responses.csv", responses::csv(&rows, options.raw)?)?;
    let lines: Vec<String> = rows.iter().map(|r| serde_json::to_string(r).unwrap_or_default()).collect();
    save("responses.jsonl", lines.join("\n") + "\n")?;
    let labels = Labels::read(connection, options)?;
    for corpus in corpora(connection)? {
        let name = |kind: &str| format!("{kind}_{}.csv", plain_name(&corpus));
        save(&name("labels"), labels.csv(&corpus)?)?;
        save(&name("aggregated"), labels.aggregated_csv(&corpus)?)?;
        if settings.scheme == Scheme::Ternary {
            save(&name("votes"), labels.votes_csv(&corpus)?)?;
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
    save("README.md", card::card(connection, &settings, &figures, labels.n_clips())?)?;
    let parquet = folder.join(responses::PARQUET);
    responses::write_parquet(&parquet, &rows)?;
    let bytes = fs::read(&parquet).map_err(|source| AnnotateError::Io { path: parquet.clone(), source })?;
    let description = croissant::croissant(connection, &settings, &hex(&digest(&bytes)))?;
    save("croissant.json", serde_json::to_string_pretty(&description).unwrap_or_default() + "\n")?;
    files.push(parquet);
    files.sort();
    Ok(Exported { files, clips: labels.n_clips(), responses: rows.len() })
}

/// The name of a corpus as a part of a file name.
fn plain_name(corpus: &str) -> String {
    corpus
        .chars()
        .map(|c| if c.is_control() || matches!(c, '/' | '\\' | ':' | '"') { '_' } else { c })
        .collect()
}

/// The labels in the form that `emomm build --mosi-labels` reads, for one corpus: also what a page offers.
pub(crate) fn labels_of(
    connection: &Connection,
    corpus: &str,
    options: ExportOptions,
) -> Result<String, AnnotateError> {
    Labels::read(connection, options)?.csv(corpus)
}

/// The votes in the form that `emomm build --mosi-labels` reads, for one corpus.
pub(crate) fn votes_of(connection: &Connection, corpus: &str) -> Result<String, AnnotateError> {
    Labels::read(connection, ExportOptions::default())?.votes_csv(corpus)
}

/// The long file as CSV: also what a page offers.
pub(crate) fn responses_csv(connection: &Connection) -> Result<String, AnnotateError> {
    responses::csv(&responses::rows(connection)?, false)
}

/// The corpora of main work.
pub(crate) fn corpora(connection: &Connection) -> Result<Vec<String>, AnnotateError> {
    let mut statement =
        connection.prepare("SELECT DISTINCT corpus FROM clip WHERE use = 'main' ORDER BY corpus")?;
    Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
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
    #[test]
    fn a_corpus_names_no_other_folder() {
        assert_eq!(super::plain_name("../a/b\\c\n"), ".._a_b_c_");
        assert_eq!(super::plain_name("cmu-mosi"), "cmu-mosi");
    }
}
