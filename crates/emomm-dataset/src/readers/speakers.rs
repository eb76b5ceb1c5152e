//! Who speaks in which video: CH-SIMS v2 has no such column, and a video-disjoint split is weaker than a
//! speaker-disjoint one.

use std::collections::BTreeMap;
use std::path::Path;

use super::clip::SourceFile;
use super::table::{malformed, read_csv};
use crate::error::DatasetError;
use crate::finding::Finding;

/// What the file may hold.
const COLUMNS: [&str; 3] = ["corpus", "video_id", "speaker"];

/// Speakers of videos, read from `video_id,speaker` or `corpus,video_id,speaker`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Speakers {
    /// By corpus (empty: any) and video.
    by_video: BTreeMap<(String, String), String>,
    source: Option<SourceFile>,
    findings: Vec<Finding>,
}

impl Speakers {
    /// The speaker of a video, if the file names one.
    pub fn speaker(&self, corpus: &str, video: &str) -> Option<&str> {
        let of = |corpus: &str| self.by_video.get(&(corpus.to_owned(), video.to_owned()));
        of(corpus).or_else(|| of("")).map(String::as_str)
    }

    /// Whether no video is named.
    pub fn is_empty(&self) -> bool {
        self.by_video.is_empty()
    }

    /// The file it was read from.
    pub fn source(&self) -> Option<&SourceFile> {
        self.source.as_ref()
    }

    /// What was noticed about encoding, columns and rows.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
}

/// Reads a CSV file of speakers.
///
/// # Errors
/// Besides an unreadable file: a video with two speakers, since its clips cannot be kept apart by both.
pub fn read_speakers(path: &Path) -> Result<Speakers, DatasetError> {
    let file = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let mut table = read_csv(path, &file, &["video_id", "speaker"], |first| first.contains(&"video_id"))?;
    table.need_columns(path, &["video_id", "speaker"])?;
    table.report_unknown_columns(&COLUMNS);
    let mut findings = std::mem::take(&mut table.findings);
    let columns = COLUMNS.map(|name| table.column(name));
    let mut by_video = BTreeMap::new();
    for row in &table.rows {
        let [corpus, video, speaker] = columns.map(|c| row.cell(c).text().to_owned());
        // Videos without a speaker would all be one group.
        if video.is_empty() || speaker.trim().is_empty() {
            let found = format!("`{video}` and `{speaker}` as video and speaker");
            findings.push(malformed(&table.file, row.number, found));
            continue;
        }
        let key = (corpus, video);
        if let Some(other) = by_video.get(&key)
            && *other != speaker
        {
            return Err(DatasetError::Table {
                path: path.to_owned(),
                row: row.number,
                expected: format!("{other}, the speaker of {} above", key.1),
                found: speaker,
            });
        }
        by_video.insert(key, speaker);
    }
    let source = Some(SourceFile { corpus: String::new(), file, digest: table.digest });
    Ok(Speakers { by_video, source, findings })
}
