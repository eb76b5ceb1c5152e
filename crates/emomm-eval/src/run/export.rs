//! A run as tables and files that other tools read: one row for each record, with the labels of the benchmark.

use std::collections::BTreeMap;
use std::path::Path;

use emomm_dataset::manifest::{Manifest, ManifestRow};
use emomm_dataset::parquet_file::{self, Values};
use emomm_dataset::{Corpus, DatasetError, Modality, ModalitySet, Sentiment, Subset};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::folder::Run;
use super::header::hex;
use super::record::{Record, RecordError, RecordStatus};

/// A text in a spreadsheet that begins so would be a formula.
pub(crate) const FORMULA_MARKS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// The rows of a run, each with its clip's row of the manifest.
pub struct ExportedRun<'a> {
    run: &'a Run,
    clips: BTreeMap<&'a str, &'a ManifestRow>,
    /// The row of the benchmark that shows what a record shows.
    shown: BTreeMap<(&'a str, ModalitySet), &'a ManifestRow>,
    /// Class maps of the corpora.
    maps: BTreeMap<&'a str, Corpus>,
}

/// A value of a table.
pub(super) enum Cell {
    Text(Option<String>),
    Number(Option<f64>),
}

impl std::fmt::Debug for ExportedRun<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExportedRun").field("run", &self.run.folder()).finish_non_exhaustive()
    }
}

impl<'a> ExportedRun<'a> {
    /// Puts a run beside its benchmark. A clip that the manifest does not know has no labels.
    pub fn new(run: &'a Run, manifest: &'a Manifest) -> Self {
        let clips = manifest.rows.iter().filter(|r| r.is_full()).map(|r| (r.id.as_str(), r)).collect();
        let shown = manifest
            .rows
            .iter()
            .map(|r| ((r.source_id.as_deref().unwrap_or(&r.id), r.coalition), r))
            .collect();
        let maps = manifest.header.corpora.iter().map(|c| (c.name.as_str(), c.class_map)).collect();
        Self { run, clips, shown, maps }
    }

    /// The run.
    pub(super) fn run(&self) -> &Run {
        self.run
    }

    /// Its records.
    pub(super) fn records(&self) -> &[Record] {
        self.run.records()
    }

    /// The true class of a record's clip.
    pub(super) fn truth(&self, record: &Record) -> Option<Sentiment> {
        self.clips.get(record.sample.as_str()).map(|c| c.labels.ground_truth.class)
    }

    /// The row of a record's clip.
    pub(super) fn clip(&self, record: &Record) -> Option<&ManifestRow> {
        self.clips.get(record.sample.as_str()).copied()
    }

    /// The transcript of a record's clip.
    pub(super) fn words(&self, record: &Record) -> Option<&str> {
        self.clips.get(record.sample.as_str()).and_then(|c| c.text.as_deref())
    }

    /// The narrowest subset of what a record shows.
    pub(super) fn subset(&self, record: &Record) -> Option<Subset> {
        self.shown.get(&(record.sample.as_str(), record.coalition)).and_then(|r| r.subset)
    }

    /// The class map of a record's clip.
    pub(super) fn corpus(&self, record: &Record) -> Corpus {
        let name = self.clips.get(record.sample.as_str()).map(|c| c.corpus.as_str());
        name.and_then(|n| self.maps.get(n)).copied().unwrap_or(Corpus::ChSims)
    }

    /// Columns in order, each with the cells of all records. `id`, `coalition`, `label`, `score`, `ground_truth`, `label_T`,
    /// `label_A`, `label_V`, `group`, `subset` and `corpus` are those that `emomm score` reads.
    fn columns(&self) -> Vec<(String, Vec<Cell>)> {
        // The columns are the same of every record; one that is none names them for a run without any.
        let nothing = RecordError::new("", "");
        let none =
            Record::failed(String::new(), String::new(), ModalitySet::NONE, RecordStatus::Error, nothing);
        let mut columns: Vec<(String, Vec<Cell>)> =
            self.cells(&none).into_iter().map(|(name, _)| (name, Vec::new())).collect();
        for record in self.run.records() {
            for ((_, column), (_, cell)) in columns.iter_mut().zip(self.cells(record)) {
                column.push(cell);
            }
        }
        columns
    }

    pub(super) fn cells(&self, record: &Record) -> Vec<(String, Cell)> {
        let clip = self.clips.get(record.sample.as_str());
        let shown = self.shown.get(&(record.sample.as_str(), record.coalition));
        let class = |s: Option<Sentiment>| Cell::Text(s.map(|s| s.name().to_owned()));
        let letter = |l: Option<char>| Cell::Text(l.map(String::from));
        let text = |t: &str| Cell::Text(Some(t.to_owned()));
        let count = |n: Option<usize>| Cell::Number(n.map(|n| n as f64));
        let mut cells: Vec<(String, Cell)> = Vec::new();
        let mut put = |name: &str, cell: Cell| cells.push((name.to_owned(), cell));
        put("id", text(&record.sample));
        put("coalition", text(&record.coalition.to_string()));
        put("status", text(record.status.name()));
        put("label", class(record.answer()));
        put("score", Cell::Number(record.reply_score.filter(|_| record.answer().is_some())));
        put("letter", letter(record.letter));
        put("centre_score", Cell::Number(record.centre_score));
        for (i, name) in ["A", "B", "C", "D", "E"].into_iter().enumerate() {
            let logit = record.letter_logits.map(|l| f64::from(l[i]));
            put(&format!("logit_{name}"), Cell::Number(logit));
        }
        put("reply", Cell::Text(record.reply.clone()));
        put("reply_letter", letter(record.reply_letter));
        put("reply_score", Cell::Number(record.reply_score));
        let tokens = record.tokens;
        put("tokens_text", count(tokens.map(|t| t.text)));
        put("tokens_audio", count(tokens.map(|t| t.audio)));
        put("tokens_video", count(tokens.map(|t| t.video)));
        put("tokens_other", count(tokens.map(|t| t.other)));
        put("tokens_total", count(tokens.map(|t| t.total)));
        put("ms", Cell::Number(Some(record.ms)));
        put("error_kind", Cell::Text(record.error.as_ref().map(|e| e.kind.clone())));
        put("error_message", Cell::Text(record.error.as_ref().map(|e| e.message.clone())));
        put("ground_truth", class(clip.map(|c| c.labels.ground_truth.class)));
        put("ground_truth_score", Cell::Number(clip.map(|c| c.labels.ground_truth.score.value())));
        for m in Modality::ALL {
            let label = clip.and_then(|c| c.labels.modality(m)).map(|l| l.class);
            put(&format!("label_{}", m.letter()), class(label));
        }
        put("group", Cell::Text(clip.map(|c| c.group.clone())));
        let subset = shown.and_then(|r| r.subset).map(|s| s.name().to_owned());
        put("subset", Cell::Text(subset));
        put("corpus", Cell::Text(clip.map(|c| c.corpus.clone())));
        put("split", Cell::Text(clip.map(|c| c.split.name().to_owned())));
        put("key", text(&record.key));
        cells
    }

    /// Parquet. `path` is named in errors.
    pub fn parquet(&self, path: &Path) -> Result<Vec<u8>, DatasetError> {
        let columns = self.columns();
        let values: Vec<(&str, Values)> =
            columns.iter().map(|(name, cells)| (name.as_str(), values(cells))).collect();
        parquet_file::write(path, &values)
    }

    /// CSV with a header. Numbers have all their digits; texts that a spreadsheet would take for a formula begin with `'`.
    pub fn csv(&self) -> Result<Vec<u8>, csv::Error> {
        let columns = self.columns();
        let mut out = csv::Writer::from_writer(Vec::new());
        out.write_record(columns.iter().map(|(name, _)| name))?;
        for row in 0..self.run.records().len() {
            out.write_record(columns.iter().map(|(_, cells)| match &cells[row] {
                Cell::Text(Some(text)) if text.starts_with(FORMULA_MARKS) => format!("'{text}"),
                Cell::Text(text) => text.clone().unwrap_or_default(),
                Cell::Number(number) => number.map(|n| n.to_string()).unwrap_or_default(),
            }))?;
        }
        out.into_inner().map_err(|e| csv::Error::from(e.into_error()))
    }

    /// Lines of lmms-eval's samples files: `doc_id`, `doc`, `target`, `arguments`, `resps`, `filtered_resps`, hashes, and the
    /// metric `acc`. A document is a clip under a coalition, with a response for each asking.
    pub fn lmms_eval(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (number, record) in self.run.records().iter().enumerate() {
            let clip = self.clips.get(record.sample.as_str());
            let target = clip.map(|c| c.labels.ground_truth.class.letter());
            let answer = record.answer().map(Sentiment::letter);
            let written = record.reply.clone().or_else(|| answer.map(String::from)).unwrap_or_default();
            let filtered = answer.map(String::from).unwrap_or_default();
            let further = record.served.iter().flat_map(|s| &s.repeats);
            let further = further
                .map(|r| r.reply.clone().or_else(|| r.reply_letter.map(String::from)).unwrap_or_default());
            let responses: Vec<String> = std::iter::once(written).chain(further).collect();
            let doc = json!({
                "id": record.sample,
                "coalition": record.coalition,
                "subset": self.shown.get(&(record.sample.as_str(), record.coalition)).and_then(|r| r.subset),
                "text": clip.and_then(|c| c.text.clone()).filter(|_| record.coalition.contains(Modality::Text)),
            });
            let line = json!({
                "doc_id": number,
                "doc": doc,
                "target": target,
                "arguments": [[record.key]],
                "resps": [responses],
                "filtered_resps": [filtered],
                "doc_hash": digest(&doc.to_string()),
                "prompt_hash": digest(&record.key),
                "target_hash": digest(&target.map(String::from).unwrap_or_default()),
                "acc": target.map(|t| f64::from(u8::from(answer == Some(t)))),
                "status": record.status,
            });
            push_line(&mut out, &line);
        }
        out
    }
}

pub(super) fn push_line(out: &mut Vec<u8>, line: &Value) {
    out.extend_from_slice(line.to_string().as_bytes());
    out.push(b'\n');
}

fn digest(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

/// A column is one of numbers if any of its cells is.
fn values(cells: &[Cell]) -> Values {
    if cells.iter().any(|c| matches!(c, Cell::Number(_))) {
        let number = |c: &Cell| if let Cell::Number(n) = c { *n } else { None };
        return Values::Double(cells.iter().map(number).collect());
    }
    let text = |c: &Cell| if let Cell::Text(t) = c { t.clone() } else { None };
    Values::Text(cells.iter().map(text).collect())
}
