//! The generic way in: a folder with `metadata.csv`, `metadata.jsonl` or `metadata.parquet`, as Hugging Face has it.
//!
//! Columns: `file_name` or `video` and `audio` (paths below the folder), `text`, `label`, `label_T`, `label_A`, `label_V`
//! on [−1, 1]; optional `video_id`, `clip_id`, `language`, `speaker`, `mode`, `annotation`. Without ids, the clip is
//! named by the file and the video by the folder it lies in.

use std::path::{Component, Path};

use super::ch_sims::LABEL_FILE_HINT;
use super::clip::{CorpusInfo, Layout, NINE_COLUMNS, OWN_COLUMNS, Reading, SourceFile, clips_of, is_id};
use super::table::{Cell, MAX_ROWS, Row, Table, encoding_finding, malformed, read_csv};
use super::text_file::{digest_of_bytes, read_bytes, read_text};
use crate::corpus::Corpus;
use crate::error::DatasetError;
use crate::parquet_file::{self, Values};
use crate::score::ScoreScale;

/// What a folder does not say about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderOptions {
    /// Name of the corpus; the folder's own if `None`.
    pub name: Option<String>,
    /// Five-class map.
    pub class_map: Corpus,
    /// Scale of the scores.
    pub scale: ScoreScale,
    /// Language tag of rows that have none; `und` for undetermined.
    pub language: String,
}

impl Default for FolderOptions {
    fn default() -> Self {
        Self { name: None, class_map: Corpus::ChSims, scale: ScoreScale::Unit, language: "und".to_owned() }
    }
}

/// Reads a folder with metadata.
pub fn read_folder(folder: &Path, options: &FolderOptions) -> Result<Reading, DatasetError> {
    let files = ["metadata.csv", "metadata.jsonl", "metadata.parquet"];
    let file = files.into_iter().find(|f| folder.join(f).is_file()).ok_or_else(|| DatasetError::Layout {
        path: folder.to_owned(),
        expected: files.join(" or "),
        hint: LABEL_FILE_HINT,
    })?;
    let path = folder.join(file);
    let mut table = match file {
        "metadata.csv" => read_csv(&path, file, &[], |_| true)?,
        "metadata.jsonl" => read_jsonl(&path, file)?,
        _ => read_parquet(&path, file)?,
    };
    let own_name = folder.file_name().map(|n| n.to_string_lossy().into_owned());
    let name = options.name.clone().or(own_name).filter(|n| is_id(n)).ok_or(DatasetError::Option {
        option: "name of the folder's corpus",
        found: folder.display().to_string(),
        expected: "a name without separators",
    })?;
    let known = [&NINE_COLUMNS[..], &OWN_COLUMNS, &["file_name", "video", "audio"]].concat();
    table.report_unknown_columns(&known);
    derive_ids(&mut table, &path)?;
    let (mut clips, found) = clips_of(&table, |_, _| (None, None));
    let paths = [["video", "file_name"], ["audio", "file_name"]]
        .map(|names| names.into_iter().find_map(|name| table.column(name)));
    let by_number: std::collections::BTreeMap<u64, &Row> = table.rows.iter().map(|r| (r.number, r)).collect();
    for clip in &mut clips {
        let path_of = |column| {
            let row = by_number.get(&clip.row)?;
            Some(row.cell(column).text()).filter(|t| !t.is_empty()).map(ToOwned::to_owned)
        };
        clip.video_path = path_of(paths[0]);
        clip.audio_path = path_of(paths[1]);
    }
    let corpus = CorpusInfo {
        name,
        root: folder.to_owned(),
        layout: Layout::Folder,
        language: options.language.clone(),
        class_map: options.class_map,
        scale: options.scale,
        modality_scale: options.scale,
        has_votes: false,
    };
    let Table { digest, mut findings, .. } = table;
    findings.extend(found);
    let sources = vec![SourceFile { corpus: corpus.name.clone(), file: file.to_owned(), digest }];
    Ok(Reading { corpus, clips, findings, sources })
}

/// Refuses paths that leave the folder, and adds `video_id` and `clip_id` made from the file where there are none.
fn derive_ids(table: &mut Table, path: &Path) -> Result<(), DatasetError> {
    let paths = ["file_name", "video", "audio"].map(|name| table.column(name));
    let file = table.file.clone();
    let (rows, outside): (Vec<Row>, Vec<Row>) =
        std::mem::take(&mut table.rows).into_iter().partition(|row| {
            paths.iter().flatten().all(|c| row.cells.get(*c).is_none_or(|cell| stays_inside(cell.text())))
        });
    table.rows = rows;
    for row in outside {
        let found = "a path that leaves the folder".to_owned();
        table.findings.push(malformed(&file, row.number, found));
    }
    if table.column("video_id").is_some() && table.column("clip_id").is_some() {
        return Ok(());
    }
    let Some(named_by) = paths.into_iter().flatten().next() else {
        let missing = ["video_id", "clip_id", "file_name"].map(String::from).to_vec();
        return Err(DatasetError::Columns { path: path.to_owned(), missing });
    };
    let n_columns = table.columns.len();
    // Columns that stand there alone give way to the pair.
    for column in table.columns.iter_mut().filter(|c| *c == "video_id" || *c == "clip_id") {
        column.insert_str(0, "unused_");
    }
    table.columns.extend(["video_id", "clip_id"].map(String::from));
    for row in &mut table.rows {
        let path = row.cells.get(named_by).map(|c| Path::new(c.text()).to_owned()).unwrap_or_default();
        let part = |part: Option<&std::ffi::OsStr>| part.map(|p| p.to_string_lossy().into_owned());
        let clip = part(path.file_stem()).unwrap_or_default();
        let video = part(path.parent().and_then(Path::file_name)).unwrap_or_else(|| clip.clone());
        row.cells.resize(n_columns, Cell::Empty);
        row.cells.extend([Cell::Text(video), Cell::Text(clip)]);
    }
    Ok(())
}

fn stays_inside(path: &str) -> bool {
    Path::new(path).components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir))
}

/// One JSON object a line.
fn read_jsonl(path: &Path, file: &str) -> Result<Table, DatasetError> {
    use serde_json::Value;
    let source = read_text(path)?;
    let mut table = Table {
        file: file.to_owned(),
        columns: Vec::new(),
        rows: Vec::new(),
        findings: source.decoded_from.map(|e| encoding_finding(file, e)).into_iter().collect(),
        digest: source.digest,
    };
    for (index, line) in source.text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
        let number = index as u64 + 1;
        let object = match serde_json::from_str(line) {
            Ok(Value::Object(object)) => object,
            Ok(_) => {
                table.findings.push(malformed(file, number, "no JSON object".to_owned()));
                continue;
            }
            Err(error) => {
                table.findings.push(malformed(file, number, error.to_string()));
                continue;
            }
        };
        let mut cells = vec![Cell::Empty; table.columns.len()];
        for (name, value) in object {
            let column = table.column(&name).unwrap_or_else(|| {
                table.columns.push(name);
                cells.push(Cell::Empty);
                table.columns.len() - 1
            });
            cells[column] = match value {
                Value::Null => Cell::Empty,
                Value::String(text) if text.is_empty() => Cell::Empty,
                Value::String(text) => Cell::Text(text),
                Value::Number(number) => Cell::Number(number.to_string()),
                other => Cell::Text(other.to_string()),
            };
        }
        if table.columns.len() > super::table::MAX_COLUMNS {
            let limit = super::table::MAX_COLUMNS as u64;
            return Err(DatasetError::TooLarge { path: path.to_owned(), what: "columns", limit });
        }
        if table.rows.len() as u64 == MAX_ROWS {
            return Err(DatasetError::TooLarge { path: path.to_owned(), what: "rows", limit: MAX_ROWS });
        }
        table.rows.push(Row { number, cells });
    }
    Ok(table)
}

/// The flat columns of a Parquet file.
fn read_parquet(path: &Path, file: &str) -> Result<Table, DatasetError> {
    let bytes = read_bytes(path)?;
    let digest = digest_of_bytes(&bytes);
    let columns = parquet_file::read(path, bytes)?;
    let mut rows: Vec<Row> = Vec::new();
    for (index, column) in columns.iter().enumerate() {
        let cells: Vec<Cell> = match &column.values {
            Values::Text(v) => v.iter().map(|t| t.clone().map_or(Cell::Empty, Cell::Text)).collect(),
            Values::Double(v) => {
                v.iter().map(|n| n.map_or(Cell::Empty, |n| Cell::Number(n.to_string()))).collect()
            }
            Values::Integer(v) => {
                v.iter().map(|n| n.map_or(Cell::Empty, |n| Cell::Number(n.to_string()))).collect()
            }
            Values::Flag(v) => {
                v.iter().map(|f| f.map_or(Cell::Empty, |f| Cell::Text(f.to_string()))).collect()
            }
            Values::Skipped => Vec::new(),
        };
        for (number, cell) in cells.into_iter().enumerate() {
            if number == rows.len() {
                rows.push(Row { number: number as u64 + 1, cells: Vec::new() });
            }
            rows[number].cells.resize(index, Cell::Empty);
            rows[number].cells.push(cell);
        }
    }
    let columns = columns.into_iter().map(|c| c.name).collect();
    Ok(Table { file: file.to_owned(), columns, rows, findings: Vec::new(), digest })
}
