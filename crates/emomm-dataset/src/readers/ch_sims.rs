//! CH-SIMS v2 (`meta.csv`) and v1 (`label.csv`, which also circulates without a header).

use std::path::{Path, PathBuf};

use super::clip::{CorpusInfo, Layout, NINE_COLUMNS, OWN_COLUMNS, Reading, SourceFile, clips_of};
use super::table::{Table, read_csv};
use crate::corpus::Corpus;
use crate::error::DatasetError;
use crate::score::ScoreScale;

/// What to do where no label file is found.
pub(crate) const LABEL_FILE_HINT: &str = "name the folder in which the label file lies";

/// Folders in which the archives unpack.
const FOLDERS: [&str; 4] = ["CH-SIMS v2(s)", "ch-simsv2s", "CH-SIMS", "CH-SIMS v2(u)"];

/// Reads CH-SIMS from its folder or from the folder above it.
pub fn read_ch_sims(folder: &Path) -> Result<Reading, DatasetError> {
    let (root, file) =
        label_file(folder, &FOLDERS, &["meta.csv", "label.csv"]).ok_or_else(|| DatasetError::Layout {
            path: folder.to_owned(),
            expected: "meta.csv or label.csv, here or in `CH-SIMS v2(s)`".to_owned(),
            hint: LABEL_FILE_HINT,
        })?;
    let layout = if file == "meta.csv" { Layout::ChSimsMeta } else { Layout::Mmsa };
    let info = CorpusInfo {
        name: Corpus::ChSims.name().to_owned(),
        root,
        layout,
        language: "zh".to_owned(),
        class_map: Corpus::ChSims,
        scale: ScoreScale::Unit,
        modality_scale: ScoreScale::Unit,
        has_votes: false,
    };
    read_nine_columns(info, file)
}

/// The first of `files` in `folder` or in one of `folders` below it, with the folder it lies in.
pub(crate) fn label_file(
    folder: &Path,
    folders: &[&str],
    files: &[&'static str],
) -> Option<(PathBuf, &'static str)> {
    let roots = std::iter::once(folder.to_owned()).chain(folders.iter().map(|f| folder.join(f)));
    roots.into_iter().find_map(|root| {
        let file = files.iter().find(|file| root.join(file).is_file())?;
        Some((root, *file))
    })
}

/// Reads a table of nine columns whose clips lie at `Raw/<video_id>/<clip_id>.mp4`, picture and sound in one file.
pub(crate) fn read_nine_columns(corpus: CorpusInfo, file: &str) -> Result<Reading, DatasetError> {
    let path = corpus.root.join(file);
    let mut table = read_csv(&path, file, &NINE_COLUMNS, |first| first.contains(&"video_id"))?;
    table.need_columns(&path, &["video_id", "clip_id", "text"])?;
    table.report_unknown_columns(&[&NINE_COLUMNS[..], &OWN_COLUMNS].concat());
    let (clips, found) = clips_of(&table, |video, clip| {
        let path = format!("Raw/{video}/{clip}.mp4");
        (Some(path.clone()), Some(path))
    });
    let Table { digest, mut findings, .. } = table;
    findings.extend(found);
    let sources = vec![SourceFile { corpus: corpus.name.clone(), file: file.to_owned(), digest }];
    Ok(Reading { corpus, clips, findings, sources })
}
