//! CMU-MOSI in the MMSA layout, in the original one, and as sequences of the CMU Multimodal SDK.
//!
//! Original: `OpinionLevelSentiment.csv` (no header, CRLF; `start,end,video_id,segment,score`, segments from 1) and
//! `Raw/{Video,Audio/WAV_16000,Transcript}/Segmented`. Video ids contain `-` and `_`; paths are made from ids, so that
//! no stem has to be taken apart.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::ch_sims::{LABEL_FILE_HINT, label_file, read_nine_columns};
use super::clip::{CorpusInfo, Layout, RawClip, Reading, SourceFile, is_id};
use super::mosi_sequences::{SequenceFiles, read_sequences};
use super::table::{Table, encoding_finding, malformed, read_csv};
use super::text_file::read_text;
use crate::corpus::Corpus;
use crate::decimal::Decimal;
use crate::error::DatasetError;
use crate::finding::{Action, Finding, FindingKind};
use crate::score::ScoreScale;

const LABELS: &str = "OpinionLevelSentiment.csv";
const COLUMNS: [&str; 5] = ["start", "end", "video_id", "segment", "score"];
const VIDEO: &str = "Raw/Video/Segmented";
const AUDIO: &str = "Raw/Audio/WAV_16000/Segmented";
const TRANSCRIPT: &str = "Raw/Transcript/Segmented";

/// Clips whose media hold other segments than their name says: this one runs over segments 45 to 63 too.
const FAULTY: [(&str, &str); 1] = [("2WGyTLYerpo", "44")];

/// Reads CMU-MOSI from its folder, whichever of the layouts it has.
pub fn read_mosi(folder: &Path) -> Result<Reading, DatasetError> {
    let folders = ["MOSI", "Raw", "CMU_MOSI"];
    let mut info = CorpusInfo {
        name: Corpus::CmuMosi.name().to_owned(),
        root: folder.to_owned(),
        layout: Layout::Mmsa,
        language: "en".to_owned(),
        class_map: Corpus::CmuMosi,
        scale: ScoreScale::Triple,
        modality_scale: ScoreScale::Triple,
        has_votes: false,
    };
    let mut reading = if let Some((root, file)) = label_file(folder, &folders, &["label.csv"]) {
        info.root = root;
        read_nine_columns(info, file)?
    } else if let Some((labels_in, _)) = label_file(folder, &folders, &[LABELS]) {
        info.layout = Layout::MosiOriginal;
        // The label file lies beside `Raw` or in it.
        if !labels_in.join("Raw").is_dir() && labels_in.file_name().is_some_and(|n| n == "Raw") {
            folder.clone_into(&mut info.root);
        } else {
            info.root.clone_from(&labels_in);
        }
        read_original(info, &labels_in.join(LABELS))?
    } else if let Some((root, files)) = sequence_files(folder, &folders) {
        info.layout = Layout::MosiSequences;
        info.root = root;
        read_sequences(info, &files)?
    } else {
        let expected = format!("label.csv, {LABELS} or CMU_MOSI_Opinion_Labels.csd, here or in MOSI or Raw");
        return Err(DatasetError::Layout { path: folder.to_owned(), expected, hint: LABEL_FILE_HINT });
    };
    let faulty = |clip: &&RawClip| FAULTY.contains(&(clip.video_id.as_str(), clip.clip_id.as_str()));
    let known: Vec<Finding> = reading
        .clips
        .iter()
        .filter(faulty)
        .map(|c| {
            c.finding(FindingKind::FaultyClip, "its media are known to hold other segments", Action::Kept)
        })
        .collect();
    reading.findings.extend(known);
    Ok(reading)
}

/// Files of the SDK in `folder` or in one of `folders` below it, with the folder they lie in.
fn sequence_files(folder: &Path, folders: &[&str]) -> Option<(PathBuf, SequenceFiles)> {
    let mut roots = std::iter::once(folder.to_owned()).chain(folders.iter().map(|f| folder.join(f)));
    roots.find_map(|root| SequenceFiles::find(&root).map(|files| (root, files)))
}

/// Picture and sound of a segment, relative to the root.
pub(super) fn media_paths(video: &str, segment: &str) -> (String, String) {
    (format!("{VIDEO}/{video}_{segment}.mp4"), format!("{AUDIO}/{video}_{segment}.wav"))
}

fn read_original(corpus: CorpusInfo, path: &Path) -> Result<Reading, DatasetError> {
    let file = path.strip_prefix(&corpus.root).unwrap_or(path).display().to_string();
    let table = read_csv(path, &file, &COLUMNS, |first| first.contains(&"video_id"))?;
    table.need_columns(path, &COLUMNS)?;
    let columns = COLUMNS.map(|name| table.column(name));
    let mut transcripts =
        Transcripts { corpus: &corpus, videos: BTreeMap::new(), findings: Vec::new(), sources: Vec::new() };
    let mut clips = Vec::with_capacity(table.rows.len());
    let mut findings = Vec::new();
    for row in &table.rows {
        let text = |index: usize| row.cell(columns[index]).text();
        let (video_id, clip_id) = (text(2), text(3));
        if !is_id(video_id) || !is_id(clip_id) {
            findings.push(malformed(
                &file,
                row.number,
                format!("`{video_id}` and `{clip_id}` as ids of video and segment"),
            ));
            continue;
        }
        let (video_path, audio_path) = media_paths(video_id, clip_id);
        let clip = RawClip {
            video_id: video_id.to_owned(),
            clip_id: clip_id.to_owned(),
            text: transcripts.text(video_id, clip_id)?,
            ground_truth: text(4).to_owned(),
            modalities: Default::default(),
            annotation: None,
            official_split: None,
            speaker: None,
            language: None,
            video_path: Some(video_path),
            audio_path: Some(audio_path),
            file: file.clone(),
            row: row.number,
        };
        if !has_length(text(0), text(1)) {
            let found = format!("interval {} to {}", text(0), text(1));
            findings.push(clip.finding(FindingKind::FaultyClip, found, Action::Kept));
        }
        clips.push(clip);
    }
    findings.append(&mut transcripts.findings);
    let mut sources = transcripts.sources;
    let Table { digest, findings: mut all, .. } = table;
    all.extend(findings);
    sources.push(SourceFile { corpus: corpus.name.clone(), file, digest });
    Ok(Reading { corpus, clips, findings: all, sources })
}

/// Whether both ends are numbers and the second is greater.
fn has_length(start: &str, end: &str) -> bool {
    match (start.parse::<Decimal>(), end.parse::<Decimal>()) {
        (Ok(start), Ok(end)) => start < end,
        _ => false,
    }
}

/// The segments of the videos seen so far: transcripts are read once a video.
struct Transcripts<'a> {
    corpus: &'a CorpusInfo,
    videos: BTreeMap<String, BTreeMap<String, String>>,
    findings: Vec<Finding>,
    sources: Vec<SourceFile>,
}

impl Transcripts<'_> {
    /// Text of a segment; empty if there is none, which is reported with the clip.
    fn text(&mut self, video: &str, segment: &str) -> Result<String, DatasetError> {
        if !self.videos.contains_key(video) {
            let segments = self.read(video)?;
            self.videos.insert(video.to_owned(), segments);
        }
        Ok(self.videos[video].get(segment).cloned().unwrap_or_default())
    }

    fn read(&mut self, video: &str) -> Result<BTreeMap<String, String>, DatasetError> {
        let file = format!("{TRANSCRIPT}/{video}.annotprocessed");
        let path = self.corpus.root.join(&file);
        let mut segments = BTreeMap::new();
        if !path.is_file() {
            return Ok(segments);
        }
        let source = read_text(&path)?;
        if let Some(encoding) = source.decoded_from {
            self.findings.push(encoding_finding(&file, encoding));
        }
        for (index, line) in source.text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
            let number = index as u64 + 1;
            let Some((segment, text)) = line.split_once("_DELIM_") else {
                self.findings.push(malformed(&file, number, format!("`{line}` without _DELIM_")));
                continue;
            };
            if segments.contains_key(segment) {
                self.findings.push(malformed(&file, number, format!("segment {segment} a second time")));
                continue;
            }
            segments.insert(segment.to_owned(), text.to_owned());
        }
        self.sources.push(SourceFile { corpus: self.corpus.name.clone(), file, digest: source.digest });
        Ok(segments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_need_a_length() {
        assert!(has_length("1.5", "2.25"));
        assert!(has_length("9.5", "10.25"));
        assert!(!has_length("2.0", "2.000"));
        assert!(!has_length("3", "2"));
        assert!(!has_length("", "2"));
    }
}
