//! CMU-MOSI as files of the CMU Multimodal SDK: `CMU_MOSI_Opinion_Labels.csd` and `CMU_MOSI_TimestampedWords.csd`.
//!
//! Both are HDF5 with one group `<name>/data/<video>` for each video, in it `features` and `intervals` in seconds. Some copies
//! have a group for each segment, `<video>[k]`. Segments are numbered from 0 there, media files from 1: segment k is clip
//! k + 1. A transcript is the words whose middle lies in the segment.

use std::collections::BTreeMap;
use std::path::Path;

use super::clip::{CorpusInfo, RawClip, Reading, SourceFile, is_id};
use super::hdf5::{Array, Elements, Fault, Hdf5};
use super::mosi::media_paths;
use super::table::malformed;
use super::text_file::{digest_of_bytes, read_bytes};
use crate::error::DatasetError;
use crate::finding::{Action, FindingKind};

/// Ends of the names of the two files.
const LABELS: &str = "opinion_labels.csd";
const WORDS: &str = "timestampedwords.csd";

/// What stands for a pause among the words.
const SILENCE: &str = "sp";

/// The two files of a folder: labels, and words if they are there.
pub(super) struct SequenceFiles {
    pub(super) labels: String,
    pub(super) words: Option<String>,
}

impl SequenceFiles {
    /// Looks for them by the ends of their names.
    pub(super) fn find(folder: &Path) -> Option<Self> {
        let entries = std::fs::read_dir(folder).ok()?;
        let mut names: Vec<String> =
            entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        let ends = |end: &str| names.iter().find(|name| name.to_lowercase().ends_with(end)).cloned();
        Some(Self { labels: ends(LABELS)?, words: ends(WORDS) })
    }
}

/// Times and what holds in between.
struct Sequence {
    intervals: Vec<[f64; 2]>,
    features: Elements,
}

/// A sequence of a whole corpus, by the keys of its groups.
struct SequenceFile {
    source: SourceFile,
    entries: BTreeMap<String, Sequence>,
}

/// Reads the corpus.
pub(super) fn read_sequences(corpus: CorpusInfo, files: &SequenceFiles) -> Result<Reading, DatasetError> {
    let labels = open(&corpus, &files.labels)?;
    let Some(words) = &files.words else {
        return Err(DatasetError::Layout {
            path: corpus.root,
            expected: format!("CMU_MOSI_TimestampedWords.csd beside {}", files.labels),
            hint: "without the words there are no transcripts",
        });
    };
    let words = open(&corpus, words)?;
    let mut found = Vec::new();
    let mut findings = Vec::new();
    for (key, sequence) in &labels.entries {
        let scores = scores(&sequence.features)
            .ok_or_else(|| fault(&corpus, &files.labels, format!("`{key}` holds no numbers")))?;
        let (video, first) = segment_of(key);
        if scores.len() != sequence.intervals.len() || !is_id(video) {
            let what =
                format!("`{key}` with {} scores, {} intervals", scores.len(), sequence.intervals.len());
            findings.push(malformed(&files.labels, found.len() as u64 + 1, what));
            continue;
        }
        let spoken = words.entries.get(key).or_else(|| words.entries.get(video));
        for (k, (score, interval)) in scores.into_iter().zip(&sequence.intervals).enumerate() {
            let text = spoken.map_or_else(String::new, |spoken| words_in(spoken, *interval));
            found.push((video, first + k as u64 + 1, score, *interval, text));
        }
    }
    found.sort_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)));
    let mut clips = Vec::with_capacity(found.len());
    for (index, (video, number, score, [start, end], text)) in found.into_iter().enumerate() {
        let clip_id = number.to_string();
        let (video_path, audio_path) = media_paths(video, &clip_id);
        let clip = RawClip {
            video_id: video.to_owned(),
            clip_id,
            text,
            ground_truth: score,
            modalities: Default::default(),
            annotation: None,
            official_split: None,
            speaker: None,
            language: None,
            video_path: Some(video_path),
            audio_path: Some(audio_path),
            file: files.labels.clone(),
            row: index as u64 + 1,
        };
        // Also where one of them is no number.
        if !matches!(start.partial_cmp(&end), Some(std::cmp::Ordering::Less)) {
            findings.push(clip.finding(
                FindingKind::FaultyClip,
                format!("interval {start} to {end}"),
                Action::Kept,
            ));
        }
        clips.push(clip);
    }
    Ok(Reading { corpus, clips, findings, sources: vec![labels.source, words.source] })
}

fn fault(corpus: &CorpusInfo, file: &str, message: String) -> DatasetError {
    DatasetError::Sequence { path: corpus.root.join(file), message }
}

fn open(corpus: &CorpusInfo, file: &str) -> Result<SequenceFile, DatasetError> {
    let bytes = read_bytes(&corpus.root.join(file))?;
    let digest = digest_of_bytes(&bytes);
    let entries = entries(bytes).map_err(|message| fault(corpus, file, message))?;
    let source = SourceFile { corpus: corpus.name.clone(), file: file.to_owned(), digest };
    Ok(SequenceFile { source, entries })
}

fn entries(bytes: Vec<u8>) -> Result<BTreeMap<String, Sequence>, Fault> {
    let file = Hdf5::open(bytes)?;
    let roots = file.children(file.root())?;
    let [(name, root)] = roots.iter().collect::<Vec<_>>()[..] else {
        return Err(format!("{} groups, expected one sequence", roots.len()));
    };
    let parts = file.children(*root)?;
    let data = parts.get("data").ok_or_else(|| format!("no group `{name}/data`"))?;
    let mut entries = BTreeMap::new();
    for (key, group) in file.children(*data)? {
        let within = |what: Fault| format!("`{key}`: {what}");
        let parts = file.children(group).map_err(within)?;
        let array = |part: &str| -> Result<Array, Fault> {
            let at = parts.get(part).ok_or_else(|| within(format!("no array `{part}`")))?;
            file.array(*at).map_err(within)
        };
        let (features, intervals) = (array("features")?, array("intervals")?);
        let intervals =
            pairs(&intervals).ok_or_else(|| within("expected intervals of two numbers".to_owned()))?;
        // One value a row; feature files of other kinds have many.
        if features.shape.iter().skip(1).product::<usize>() != 1 {
            return Err(within(format!("features of shape {:?}, expected one value a row", features.shape)));
        }
        entries.insert(key, Sequence { intervals, features: features.elements });
    }
    Ok(entries)
}

fn pairs(array: &Array) -> Option<Vec<[f64; 2]>> {
    let numbers: Vec<f64> = match &array.elements {
        Elements::Single(values) => values.iter().map(|v| f64::from(*v)).collect(),
        Elements::Double(values) => values.clone(),
        Elements::Text(_) => return None,
    };
    let is_pairs = array.shape.len() == 2 && array.shape[1] == 2;
    is_pairs.then(|| numbers.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect())
}

/// Scores as the shortest text that is read back as the same number, of single precision too: 2.4 stays 2.4.
fn scores(features: &Elements) -> Option<Vec<String>> {
    match features {
        Elements::Single(values) => Some(values.iter().map(ToString::to_string).collect()),
        Elements::Double(values) => Some(values.iter().map(ToString::to_string).collect()),
        Elements::Text(_) => None,
    }
}

/// The video of a key, and the number of its first segment.
fn segment_of(key: &str) -> (&str, u64) {
    let cut = key.strip_suffix(']').and_then(|k| k.rsplit_once('['));
    match cut.and_then(|(video, number)| Some((video, number.parse::<u32>().ok()?))) {
        Some((video, number)) => (video, u64::from(number)),
        None => (key, 0),
    }
}

fn words_in(spoken: &Sequence, [start, end]: [f64; 2]) -> String {
    let Elements::Text(words) = &spoken.features else { return String::new() };
    let inside = |[from, to]: &[f64; 2]| {
        let middle = (from + to) / 2.0;
        start <= middle && middle < end
    };
    let chosen = words.iter().zip(&spoken.intervals).filter(|(word, at)| inside(at) && *word != SILENCE);
    chosen.map(|(word, _)| word.as_str()).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_videos_and_of_segments() {
        assert_eq!(segment_of("_dI--eQ6qVU"), ("_dI--eQ6qVU", 0));
        assert_eq!(segment_of("2WGyTLYerpo[43]"), ("2WGyTLYerpo", 43));
        assert_eq!(segment_of("odd[x]"), ("odd[x]", 0));
        assert_eq!(segment_of("a[1][2]"), ("a[1]", 2));
    }

    #[test]
    fn words_lie_in_the_segment_of_their_middle() {
        let words = ["sp", "not", "bad", "sp", "but"].map(str::to_owned).to_vec();
        let intervals = vec![[0.0, 0.4], [0.4, 0.8], [0.8, 1.4], [1.4, 1.5], [1.5, 1.9]];
        let spoken = Sequence { intervals, features: Elements::Text(words) };
        assert_eq!(words_in(&spoken, [0.0, 1.2]), "not bad");
        assert_eq!(words_in(&spoken, [1.2, 9.0]), "but");
        assert_eq!(words_in(&spoken, [3.0, 3.0]), "");
    }
}
