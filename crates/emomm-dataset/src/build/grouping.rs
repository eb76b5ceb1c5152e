//! Groups: what must stay together in a split (Sec. 6.1 "speaker-independent").
//!
//! A group is a speaker where one is named, else a video. Groups that share a clip, be it under two corpora, become
//! one. Duplicate texts inside a video need no care of their own: a video is never divided.

use std::collections::BTreeMap;

use super::sample::Sample;
use crate::finding::{Action, Finding, FindingKind};
use crate::readers::Speakers;

/// Gives every sample its group; reports videos that the file of speakers does not name.
pub(crate) fn assign_groups(samples: &mut [Sample], speakers: &Speakers) -> Vec<Finding> {
    let mut unnamed: BTreeMap<(String, String), usize> = BTreeMap::new();
    let names: Vec<String> = samples
        .iter()
        .map(|sample| {
            let named = speakers.speaker(&sample.corpus, &sample.video_id).or(sample.speaker.as_deref());
            if named.is_none() && !speakers.is_empty() {
                *unnamed.entry((sample.corpus.clone(), sample.video_id.clone())).or_default() += 1;
            }
            format!("{}/{}", sample.corpus, named.unwrap_or(&sample.video_id))
        })
        .collect();
    let mut forest = Forest::new(&names);
    // A video that two speakers share through the label file's own column stays whole.
    forest.join_equal(&names, samples, |s| Some(format!("{}/{}", s.corpus, s.video_id)));
    forest.join_equal(&names, samples, |s| s.video_sha256.clone());
    forest.join_equal(&names, samples, |s| s.audio_sha256.clone());
    forest.join_equal(&names, samples, |s| Some(clip_in_any_corpus(s)));
    for (sample, name) in samples.iter_mut().zip(&names) {
        forest.root(name).clone_into(&mut sample.group);
    }
    unnamed
        .into_iter()
        .map(|((corpus, video), n)| Finding {
            kind: FindingKind::UnknownSpeaker,
            file: speakers.source().map(|s| s.file.clone()).unwrap_or_default(),
            row: None,
            clip: None,
            found: format!("{corpus}/{video} with {n} clips"),
            action: Action::Kept,
        })
        .collect()
}

/// What two corpora that hold the same clip agree on, where media are not hashed.
fn clip_in_any_corpus(sample: &Sample) -> String {
    format!("{}/{}/{}", sample.video_id, sample.clip_id, sample.text)
}

/// Disjoint sets of group names; a set is named by its smallest member.
struct Forest<'a> {
    parent: BTreeMap<&'a str, &'a str>,
}

impl<'a> Forest<'a> {
    fn new(names: &'a [String]) -> Self {
        Self { parent: names.iter().map(|n| (n.as_str(), n.as_str())).collect() }
    }

    fn root(&self, name: &str) -> &'a str {
        let mut at = self.parent[name];
        while self.parent[at] != at {
            at = self.parent[at];
        }
        at
    }

    fn join(&mut self, a: &str, b: &str) {
        let (a, b) = (self.root(a), self.root(b));
        let (low, high) = if a <= b { (a, b) } else { (b, a) };
        self.parent.insert(high, low);
    }

    /// Joins the groups of samples for which `key` is the same.
    fn join_equal(
        &mut self,
        names: &'a [String],
        samples: &[Sample],
        key: impl Fn(&Sample) -> Option<String>,
    ) {
        let mut first: BTreeMap<String, &str> = BTreeMap::new();
        for (sample, name) in samples.iter().zip(names) {
            if let Some(key) = key(sample) {
                let other = *first.entry(key).or_insert(name);
                self.join(other, name);
            }
        }
    }
}
