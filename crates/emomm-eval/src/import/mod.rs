//! Answers that were made elsewhere, as a run like any other: `emomm log import`.
//!
//! | source | ids and coalitions | answers |
//! |---|---|---|
//! | samples files of lmms-eval and lm-eval | `doc.id` and `doc.coalition`, else row `doc_id` of a table | `resps`, an asking each, else `filtered_resps`; the greatest of five log-likelihoods |
//! | `.eval` logs of inspect | `metadata.sample` and `metadata.coalition`, else the sample's `id` | `output.completion` |
//! | a folder with `metadata.csv`, `.jsonl` or `.parquet`, as Hugging Face has them | `id`, else `file_name` | columns |
//! | CSV, JSONL, Parquet | `id` or `sample`, `coalition` | `reply` or `response`; `label`, `letter` or `reply_letter`; `score` or `reply_score` |
//!
//! A reply is read by this tool's own parser, whatever the other tool made of it. Labels are those of the benchmark.

mod columns;
mod documents;
mod inspect_log;
mod place;
mod samples_file;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use emomm_dataset::manifest::Manifest;
use emomm_dataset::{Corpus, ModalitySet, Sentiment};
use serde_json::json;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::predictor::{MediaRecord, Prediction};
use crate::reply::{self, Reply};
use crate::run::{
    BenchId, ModelId, Places, Plan, Record, RecordError, RecordStatus, RunHeader, Settings, hex,
};
use crate::score::ScoreFileError;
use crate::served::{Served, ServedEnd, ServedRepeat};
use documents::Documents;
use place::Clips;

/// What an imported run has as the device of its model: there is no model to ask.
pub const IMPORTED_DEVICE: &str = "elsewhere";

/// Noted where the letter is not read from a text.
pub(crate) const LETTER_OF_SOURCE: &str = "the letter is the source's; none was read from the text";

/// Noted where the score is not read from a text.
pub(crate) const SCORE_OF_SOURCE: &str = "the score is the source's; none was read from the text";

/// What a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportFormat {
    /// A samples file of lmms-eval or lm-eval.
    LmmsEval,
    /// A log of inspect.
    Inspect,
    /// A folder with `metadata.*`.
    Folder,
    /// CSV, JSONL or Parquet.
    Table,
}

impl ImportFormat {
    /// The word of the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::LmmsEval => "lmms-eval",
            Self::Inspect => "inspect",
            Self::Folder => "folder",
            Self::Table => "table",
        }
    }

    /// What a path holds, by its name and its first line.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn of(path: &Path) -> Result<Self, ImportError> {
        if path.is_dir() {
            return Ok(Self::Folder);
        }
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        if extension == "eval" {
            return Ok(Self::Inspect);
        }
        let mut start = Vec::new();
        let file = File::open(path).map_err(|e| ImportError::unreadable(path, &e))?;
        file.take(1 << 20).read_to_end(&mut start).map_err(|e| ImportError::unreadable(path, &e))?;
        let first = start.split(|b| *b == b'\n').next().unwrap_or_default();
        let holds = |key: &[u8]| first.windows(key.len()).any(|w| w == key);
        let is_sample = first.starts_with(b"{")
            && holds(b"\"doc_id\"")
            && (holds(b"\"resps\"") || holds(b"\"filtered_resps\""));
        Ok(if is_sample { Self::LmmsEval } else { Self::Table })
    }
}

impl FromStr for ImportFormat {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let all = [Self::LmmsEval, Self::Inspect, Self::Folder, Self::Table];
        let found = all.into_iter().find(|f| f.name() == word);
        found.ok_or_else(|| format!("found `{word}`, expected lmms-eval, inspect, folder or table"))
    }
}

/// Why a source cannot be imported.
#[derive(Debug, Error)]
pub enum ImportError {
    /// The file cannot be read.
    #[error("{}: {message}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A table that cannot be read.
    #[error(transparent)]
    Table(#[from] ScoreFileError),
    /// An answer that cannot be placed or understood.
    #[error("{} row {row}: {message}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        row: usize,
        /// What was found and what was expected.
        message: String,
    },
    /// No answers.
    #[error("{}: found no answers", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

impl ImportError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unreadable { .. } | Self::Empty { .. } => {
                Some("give an existing source, and say with --format what it is: lmms-eval, inspect, folder or table".to_owned())
            }
            Self::Table(error) => Some(error.hint()),
            Self::Row { .. } => {
                Some("ids are those of the benchmark's clips, corpus/video/clip, answers as the message says; see `emomm log` in docs/contract.md".to_owned())
            }
        }
    }

    fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> Self {
        Self::Unreadable { path: path.to_owned(), message: error.to_string() }
    }

    fn row(path: &Path, row: usize, message: impl Into<String>) -> Self {
        Self::Row { path: path.to_owned(), row, message: message.into() }
    }
}

/// One answer as a source has it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ImportedRow {
    /// Counted from 1, for messages.
    pub(crate) row: usize,
    pub(crate) id: String,
    pub(crate) coalition: Option<ModalitySet>,
    /// What the model wrote.
    pub(crate) reply: Option<String>,
    /// The answer as the source understood it.
    pub(crate) answer: Option<Sentiment>,
    pub(crate) score: Option<f64>,
    pub(crate) status: Option<RecordStatus>,
    /// Why there is no answer.
    pub(crate) error: Option<String>,
    /// Which asking of the same question, from 1.
    pub(crate) epoch: usize,
}

impl ImportedRow {
    /// Whether its status does not say that there is no answer.
    fn is_answer(&self) -> bool {
        self.status.is_none_or(|s| matches!(s, RecordStatus::Ok | RecordStatus::ParseError))
    }
}

/// A source as a run.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The header of the run.
    pub header: RunHeader,
    /// Its records.
    pub records: Vec<Record>,
}

/// Reads a source beside the benchmark whose clips it answers. `name` is the model's; `docs` is a table whose rows are the
/// documents of a samples file, by number.
///
/// # Errors
/// What cannot be read, placed or understood; nothing is left out silently.
pub fn import(
    path: &Path,
    format: ImportFormat,
    docs: Option<&Path>,
    name: &str,
    manifest: &Manifest,
    bench: &Path,
) -> Result<Imported, ImportError> {
    let (source, rows) = match format {
        ImportFormat::LmmsEval => {
            let documents = docs.map(Documents::read).transpose()?;
            (path.to_owned(), samples_file::read(path, documents.as_ref())?)
        }
        ImportFormat::Inspect => (path.to_owned(), inspect_log::read(path)?),
        ImportFormat::Folder => {
            let file = metadata_of(path)?;
            let rows = columns::read(&file)?;
            (file, rows)
        }
        ImportFormat::Table => (path.to_owned(), columns::read(path)?),
    };
    if rows.is_empty() {
        return Err(ImportError::Empty { path: source });
    }
    let bytes = std::fs::read(&source).map_err(|e| ImportError::unreadable(&source, &e))?;
    let sha256 = hex(&Sha256::digest(&bytes));
    let clips = Clips::of(manifest);
    let mut found: BTreeMap<(String, usize), Vec<ImportedRow>> = BTreeMap::new();
    for row in rows {
        let (sample, coalition) =
            clips.place(&row.id, row.coalition).map_err(|m| ImportError::row(&source, row.row, m))?;
        let at = ModalitySet::ALL.iter().position(|c| *c == coalition).unwrap_or(0);
        let of_key = found.entry((sample.to_owned(), at)).or_default();
        if let Some(other) = of_key.iter().find(|r| r.epoch == row.epoch) {
            let message = format!("found {sample} under {coalition} again, which row {} has", other.row);
            return Err(ImportError::row(&source, row.row, message));
        }
        of_key.push(row);
    }
    let coalitions: BTreeSet<usize> = found.keys().map(|(_, at)| *at).collect();
    let n_clips = found.keys().map(|(sample, _)| sample).collect::<BTreeSet<_>>().len();
    let plan = Plan {
        settings: Settings {
            model: ModelId {
                name: name.to_owned(),
                model_type: "imported".to_owned(),
                sha256: sha256.clone(),
                device: IMPORTED_DEVICE.to_owned(),
                dtype: "unknown".to_owned(),
            },
            media: [("imported".to_owned(), json!({ "format": format.name(), "sha256": sha256 }))].into(),
            attention: "none".to_owned(),
            generate: true,
            ..Settings::default()
        },
        bench: BenchId {
            manifest_sha256: manifest.header.parquet_sha256.clone(),
            created_by: manifest.header.created_by.clone(),
        },
        coalitions: coalitions.into_iter().map(|at| ModalitySet::ALL[at]).collect(),
        n_clips,
        n_records: found.len(),
        ..Plan::default()
    };
    let absolute = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let places = Places { bench: absolute(bench), model: absolute(&source) };
    let header = RunHeader::new(plan, places, None);
    let records = found
        .into_iter()
        .map(|((sample, at), rows)| {
            let corpus = clips.corpus_of(&sample);
            record(&header, sample, ModalitySet::ALL[at], corpus, rows)
        })
        .collect();
    Ok(Imported { header, records })
}

/// The metadata file of a folder.
fn metadata_of(folder: &Path) -> Result<PathBuf, ImportError> {
    let names = ["metadata.csv", "metadata.jsonl", "metadata.parquet"];
    let found: Vec<PathBuf> = names.iter().map(|n| folder.join(n)).filter(|p| p.is_file()).collect();
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => {
            Err(ImportError::unreadable(folder, &"found no metadata.csv, metadata.jsonl or metadata.parquet"))
        }
        _ => Err(ImportError::unreadable(folder, &"found several metadata files, expected one")),
    }
}

/// The record of all askings of one question.
fn record(
    header: &RunHeader,
    sample: String,
    coalition: ModalitySet,
    corpus: Corpus,
    mut rows: Vec<ImportedRow>,
) -> Record {
    rows.sort_by_key(|r| r.epoch);
    let key = header.key(&sample, coalition, ["imported"]);
    let first = &rows[0];
    if !first.is_answer() || (first.error.is_some() && first.reply.is_none()) {
        let status = first.status.filter(|_| !first.is_answer()).unwrap_or(RecordStatus::Error);
        let message = first.error.clone().unwrap_or_else(|| "the source has no answer".to_owned());
        return Record::failed(key, sample, coalition, status, RecordError::new("imported", message));
    }
    let repeats: Vec<ServedRepeat> = rows[1..]
        .iter()
        .map(|row| {
            let read = read(row, corpus);
            let ended = match row.status {
                Some(RecordStatus::Refused) => ServedEnd::Refused,
                Some(RecordStatus::Blocked) => ServedEnd::Blocked,
                _ if row.is_answer() => ServedEnd::Answered,
                _ => ServedEnd::Empty,
            };
            ServedRepeat {
                ended,
                reply_letter: read.reply_letter.filter(|_| row.is_answer()),
                reply_score: read.reply_score.filter(|_| row.is_answer()),
                reply: (!read.reply.is_empty()).then_some(read.reply),
            }
        })
        .collect();
    let reply = read(first, corpus);
    let label = reply.class();
    let prediction = Prediction {
        coalition,
        tokens: None,
        grid_thw: None,
        letter_logits: None,
        letter_mass: None,
        letter: None,
        label,
        centre_score: label.map(|l| corpus.centre_score(l)),
        reply: Some(reply),
        attention: None,
        token_maps: None,
        steering: None,
        served: (!repeats.is_empty()).then(|| Served { repeats, ..Served::default() }),
        media: MediaRecord::default(),
        ms: 0.0,
    };
    Record { media: None, ..Record::of(key, sample, coalition, Ok(prediction)) }
}

/// What the model wrote, read again; the source's own answer where it kept no text, or a text without a letter.
fn read(row: &ImportedRow, corpus: Corpus) -> Reply {
    let mut read = row.reply.as_deref().map(|text| reply::parse(text, corpus)).unwrap_or_default();
    if read.reply_letter.is_none()
        && let Some(answer) = row.answer
    {
        read.reply_letter = Some(answer.letter());
        if row.reply.is_some() {
            read.reply_notes.push(LETTER_OF_SOURCE.to_owned());
        } else {
            read.reply = answer.letter().to_string();
        }
    }
    if read.reply_score.is_none() && row.score.is_some() {
        read.reply_score = row.score;
        read.reply_notes.push(SCORE_OF_SOURCE.to_owned());
    }
    read
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asking_whose_status_is_no_answer_has_no_letter() {
        let row = |epoch, status, reply: &str| ImportedRow {
            id: "c/v/1".to_owned(),
            reply: Some(reply.to_owned()).filter(|r| !r.is_empty()),
            status,
            epoch,
            ..ImportedRow::default()
        };
        let rows = vec![
            row(3, Some(RecordStatus::Timeout), ""),
            row(1, Some(RecordStatus::Ok), "A\nScore: -0.8"),
            row(2, Some(RecordStatus::Refused), "E\nScore: 0.8"),
            row(4, None, "D\nScore: 0.4"),
        ];
        let header = RunHeader::new(Plan::default(), Places::default(), None);
        let record = record(&header, "c/v/1".to_owned(), ModalitySet::FULL, Corpus::ChSims, rows);
        assert_eq!((record.status, record.reply_letter), (RecordStatus::Ok, Some('A')));
        let repeats = record.served.unwrap().repeats;
        let read: Vec<_> = repeats.iter().map(|r| (r.ended, r.reply_letter, r.reply_score)).collect();
        let expected = [
            (ServedEnd::Refused, None, None),
            (ServedEnd::Empty, None, None),
            (ServedEnd::Answered, Some('D'), Some(0.4)),
        ];
        assert_eq!(read, expected);
        assert_eq!(repeats[0].reply.as_deref(), Some("E\nScore: 0.8"));
    }
}
