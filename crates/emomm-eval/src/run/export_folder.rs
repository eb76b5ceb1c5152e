//! A run as a folder that Hugging Face's `datasets` loads (`videofolder`, `audiofolder`): `metadata.jsonl` with a row for each
//! record, and the clips where `file_name` says.

use std::collections::BTreeSet;

use emomm_dataset::manifest::ManifestRow;
use serde_json::{Map, Value};

use super::export::{Cell, ExportedRun, push_line};
use super::header::Places;
use super::record::Record;

/// The file of the rows.
pub const METADATA_FILE: &str = "metadata.jsonl";

/// A clip's file: the corpus whose root it lies under, and its path from there. In the folder it lies under the corpus's name.
pub type MediaFile = (String, String);

impl ExportedRun<'_> {
    /// The lines of [`METADATA_FILE`]: the columns of the tables, and `file_name`. A clip without a file has its id there.
    pub fn metadata(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for record in self.records() {
            let file = self.clip(record).and_then(media_of);
            let name =
                file.map_or_else(|| record.sample.clone(), |(corpus, path)| format!("{corpus}/{path}"));
            let mut line = Map::new();
            line.insert("file_name".to_owned(), Value::from(name));
            line.extend(self.cells(record).into_iter().map(|(name, cell)| (name, value(cell))));
            push_line(&mut out, &Value::Object(line));
        }
        out
    }

    /// Where benchmark and model lay.
    pub fn places(&self) -> &Places {
        &self.run().header().places
    }

    /// The files of all clips that have a record.
    pub fn media_files(&self) -> BTreeSet<MediaFile> {
        let of = |record: &Record| self.clip(record).and_then(media_of);
        self.records().iter().filter_map(of).collect()
    }
}

/// The file that shows a clip: its video, else its sound.
fn media_of(clip: &ManifestRow) -> Option<MediaFile> {
    let path = clip.video_path.as_ref().or(clip.audio_path.as_ref())?;
    Some((clip.corpus.clone(), path.clone()))
}

fn value(cell: Cell) -> Value {
    match cell {
        Cell::Text(text) => Value::from(text),
        Cell::Number(number) => Value::from(number),
    }
}
