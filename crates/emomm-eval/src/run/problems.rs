//! Records without an answer, grouped by what went wrong.

use std::collections::BTreeMap;

use emomm_dataset::ModalitySet;
use serde::Serialize;

use super::record::{Record, RecordStatus};

/// Examples of each group.
const EXAMPLES: usize = 3;

/// Records that failed in the same way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProblemGroup {
    /// Their status.
    pub status: RecordStatus,
    /// Kind of the error.
    pub kind: String,
    /// The message, without what differs between clips: ids, paths and numbers.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Records.
    pub n: usize,
    /// Clips.
    pub n_clips: usize,
    /// Records by coalition.
    pub coalitions: BTreeMap<String, usize>,
    /// Some of the clips.
    pub examples: Vec<String>,
}

/// Groups what is not `ok`, the largest group first.
pub fn problems(records: &[Record]) -> Vec<ProblemGroup> {
    let mut groups: BTreeMap<(RecordStatus, String, String), Vec<&Record>> = BTreeMap::new();
    for record in records.iter().filter(|r| r.status != RecordStatus::Ok) {
        let (kind, message) = record
            .error
            .as_ref()
            .map_or_else(Default::default, |e| (e.kind.clone(), general(&e.message, &record.sample)));
        groups.entry((record.status, kind, message)).or_default().push(record);
    }
    let mut found: Vec<ProblemGroup> = groups
        .into_iter()
        .map(|((status, kind, message), records)| {
            let mut clips: Vec<&str> = records.iter().map(|r| r.sample.as_str()).collect();
            clips.dedup();
            let mut coalitions = BTreeMap::new();
            for record in &records {
                *coalitions.entry(record.coalition.to_string()).or_default() += 1;
            }
            ProblemGroup {
                status,
                kind,
                message,
                hint: records.iter().find_map(|r| r.error.as_ref()?.hint.clone()),
                n: records.len(),
                n_clips: clips.len(),
                coalitions,
                examples: clips.iter().take(EXAMPLES).map(|c| (*c).to_owned()).collect(),
            }
        })
        .collect();
    found.sort_by(|a, b| b.n.cmp(&a.n).then_with(|| a.message.cmp(&b.message)));
    found
}

/// A message without the clip's id, file names, coalitions and numbers.
fn general(message: &str, sample: &str) -> String {
    let without_id = message.replace(sample, "CLIP");
    let words = without_id.split(' ').map(|word| {
        let (core, tail) = split_mark(word);
        if core.contains('/') || core.contains('\\') {
            return format!("FILE{tail}");
        }
        // As coalitions are printed: `a` and `at` are words.
        if core != "none" && core.parse::<ModalitySet>().is_ok_and(|coalition| coalition.to_string() == core)
        {
            return format!("COALITION{tail}");
        }
        let mut out = String::new();
        let mut in_number = false;
        for c in word.chars() {
            let is_digit = c.is_ascii_digit() || (in_number && c == '.');
            if is_digit && !in_number {
                out.push('N');
            } else if !is_digit {
                out.push(c);
            }
            in_number = is_digit;
        }
        out
    });
    words.collect::<Vec<_>>().join(" ")
}

/// A word and the punctuation at its end.
fn split_mark(word: &str) -> (&str, &str) {
    let core = word.trim_end_matches([':', ',', ';', '.', ')']);
    word.split_at(core.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::RecordError;

    #[test]
    fn short_words_are_no_coalitions() {
        let message = "expected a media file at `/data/c/1.mp4`, found nothing; coalitions TA, at V";
        let expected = "expected a media file at FILE, found nothing; coalitions COALITION, at COALITION";
        assert_eq!(general(message, "c/v/1"), expected);
    }

    #[test]
    fn messages_that_differ_in_clip_and_numbers_only_are_one_group() {
        let failed = |sample: &str, coalition: &str, message: &str| {
            Record::failed(
                "k".to_owned(),
                sample.to_owned(),
                coalition.parse().unwrap(),
                RecordStatus::MediaError,
                RecordError::new("media", message),
            )
        };
        let records = [
            failed("c/v/1", "V", "/data/c/1.mp4: found 12 frames in c/v/1"),
            failed("c/v/1", "TV", "/data/c/1.mp4: found 12 frames in c/v/1"),
            failed("c/v/2", "TV", "/data/c/2.mp4: found 3.5 frames in c/v/2"),
            failed("c/v/2", "T", "clip c/v/2, coalition T: too long"),
        ];
        let groups = problems(&records);
        assert_eq!(groups.len(), 2);
        let first = &groups[0];
        assert_eq!((first.n, first.n_clips), (3, 2));
        assert_eq!(first.message, "FILE: found N frames in CLIP");
        assert_eq!(first.coalitions, BTreeMap::from([("TV".to_owned(), 2), ("V".to_owned(), 1)]));
        assert_eq!(groups[1].message, "clip CLIP, coalition COALITION: too long");
    }
}
