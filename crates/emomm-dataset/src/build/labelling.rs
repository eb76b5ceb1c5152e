//! From clips as found to samples with labels: duplicates, score texts, annotation, transcripts, each under its
//! policy.

use std::collections::{BTreeMap, BTreeSet};

use super::sample::Sample;
use crate::corpus::Corpus;
use crate::decimal::Decimal;
use crate::finding::{Action, Finding, FindingKind};
use crate::labels::{Label, Labels, PolaritySource};
use crate::per_modality::PerModality;
use crate::policy::{Policies, Policy};
use crate::readers::{RawClip, Reading};
use crate::score::{ScoreFault, ScoreScale, read_score};
use crate::sentiment::Polarity;
use crate::votes::VoteMap;

/// Findings of readers that are about a clip as a whole.
const OF_CLIPS: [FindingKind; 3] =
    [FindingKind::FaultyClip, FindingKind::NumericId, FindingKind::UnknownMode];

/// Columns of T, A, V.
const MODALITY_LABELS: [&str; 3] = ["label_T", "label_A", "label_V"];

/// The samples of a corpus, sorted by video and clip, and all findings with what was done.
pub(crate) fn label(
    reading: &Reading,
    policies: &Policies,
    vote_map: VoteMap,
    polarity: PolaritySource,
) -> (Vec<Sample>, Vec<Finding>) {
    let mut findings = reading.findings.clone();
    let mut faulty: BTreeSet<String> = BTreeSet::new();
    for finding in &mut findings {
        if OF_CLIPS.contains(&finding.kind) {
            finding.action = policies.action(finding.kind);
            faulty.extend(finding.clip.clone().filter(|_| finding.action != Action::Kept));
        }
        policies.refuse(finding);
    }
    let duplicates = duplicate_texts(&reading.clips, policies);
    faulty.extend(duplicates.iter().filter(|f| f.action != Action::Kept).filter_map(|f| f.clip.clone()));
    let mut labeller = Labeller {
        policies,
        class_map: reading.corpus.class_map,
        modality_map: if reading.corpus.has_votes {
            vote_map.corpus(reading.corpus.class_map)
        } else {
            reading.corpus.class_map
        },
        scale: reading.corpus.scale,
        modality_scale: reading.corpus.modality_scale,
        polarity,
        labelled: std::array::from_fn(|m| reading.clips.iter().any(|c| !c.modalities[m].trim().is_empty())),
        single_precision: BTreeMap::new(),
        findings,
    };
    let mut samples = Vec::new();
    for clip in labeller.distinct(&reading.clips) {
        let is_whole = !faulty.contains(&clip.name());
        let labels = labeller.labels(clip);
        let is_told = labeller.has_text(clip);
        let annotation_holds = labeller.annotation_holds(clip);
        if let Some(labels) = labels
            && is_whole
            && is_told
            && annotation_holds
        {
            samples.push(Sample {
                corpus: reading.corpus.name.clone(),
                video_id: clip.video_id.clone(),
                clip_id: clip.clip_id.clone(),
                text: clip.text.clone(),
                language: clip.language.clone().unwrap_or_else(|| reading.corpus.language.clone()),
                labels,
                official_split: clip.official_split.clone(),
                speaker: clip.speaker.clone(),
                video_path: clip.video_path.clone(),
                audio_path: clip.audio_path.clone(),
                video_sha256: None,
                audio_sha256: None,
                file: clip.file.clone(),
                row: clip.row,
                group: String::new(),
            });
        }
    }
    let mut findings = labeller.findings;
    for (file, n) in labeller.single_precision {
        findings.push(Finding {
            kind: FindingKind::SinglePrecision,
            file,
            row: None,
            clip: None,
            found: format!("{n} scores"),
            action: match policies.single_precision {
                Policy::Error => Action::Refused,
                _ => Action::Snapped,
            },
        });
    }
    findings.extend(duplicates);
    (samples, findings)
}

struct Labeller<'a> {
    policies: &'a Policies,
    class_map: Corpus,
    modality_map: Corpus,
    scale: ScoreScale,
    modality_scale: ScoreScale,
    polarity: PolaritySource,
    /// Whether some clip has a label of T, A, V.
    labelled: [bool; 3],
    /// Scores that were images of short decimals, by file.
    single_precision: BTreeMap<String, usize>,
    findings: Vec<Finding>,
}

impl Labeller<'_> {
    /// One row for each clip, sorted by video and clip, so that nothing after this depends on the order of rows.
    fn distinct<'c>(&mut self, clips: &'c [RawClip]) -> Vec<&'c RawClip> {
        let mut by_id: BTreeMap<(&str, &str), Vec<&RawClip>> = BTreeMap::new();
        for clip in clips {
            by_id.entry((&clip.video_id, &clip.clip_id)).or_default().push(clip);
        }
        let mut distinct = Vec::with_capacity(by_id.len());
        for mut rows in by_id.into_values() {
            // The order of the fields puts content before file and row.
            rows.sort_unstable();
            let same = |a: &RawClip, b: &RawClip| {
                RawClip { file: String::new(), row: 0, ..a.clone() }
                    == RawClip { file: String::new(), row: 0, ..b.clone() }
            };
            let contradict = rows.iter().any(|row| !same(row, rows[0]));
            if contradict {
                let action = self.policies.action(FindingKind::ContradictoryRows);
                for (index, row) in rows.iter().enumerate() {
                    let action = if index > 0 && action == Action::Kept { Action::Dropped } else { action };
                    let found = format!("{} rows of this clip differ", rows.len());
                    self.findings.push(row.finding(FindingKind::ContradictoryRows, found, action));
                }
                if action != Action::Kept {
                    continue;
                }
            } else {
                for row in &rows[1..] {
                    let found = format!("says the same as row {}", rows[0].row);
                    let action = self.policies.action(FindingKind::RepeatedRow);
                    self.findings.push(row.finding(FindingKind::RepeatedRow, found, action));
                }
            }
            distinct.push(rows[0]);
        }
        distinct
    }

    /// All labels of a clip; `None` if it is left out.
    fn labels(&mut self, clip: &RawClip) -> Option<Labels> {
        if clip.ground_truth.trim().is_empty() {
            let action = self.policies.action(FindingKind::MissingLabel);
            self.findings.push(clip.finding(FindingKind::MissingLabel, "no ground truth", action));
            return None;
        }
        let truth = self.score(clip, "label", &clip.ground_truth, self.scale, self.class_map);
        let is_known = self.modalities_are_labelled(clip);
        let modalities: Vec<Scored> = clip
            .modalities
            .iter()
            .zip(MODALITY_LABELS)
            .map(|(text, name)| self.score(clip, name, text, self.modality_scale, self.modality_map))
            .collect();
        let is_kept =
            is_known && truth != Scored::LeaveOut && modalities.iter().all(|m| *m != Scored::LeaveOut);
        match truth {
            Scored::Label(ground_truth) if is_kept => Some(Labels {
                ground_truth,
                modalities: PerModality::from_fn(|m| match modalities[m.index()] {
                    Scored::Label(label) => Some(label),
                    _ => None,
                }),
            }),
            _ => None,
        }
    }

    /// Whether the clip has the labels that others have, or is kept without.
    fn modalities_are_labelled(&mut self, clip: &RawClip) -> bool {
        let absent: Vec<&str> = (0..MODALITY_LABELS.len())
            .filter(|m| self.labelled[*m] && clip.modalities[*m].trim().is_empty())
            .map(|m| MODALITY_LABELS[m])
            .collect();
        if absent.is_empty() {
            return true;
        }
        let action = self.policies.action(FindingKind::UnlabelledModality);
        let found = format!("no {}", absent.join(", "));
        self.findings.push(clip.finding(FindingKind::UnlabelledModality, found, action));
        action == Action::Kept
    }

    fn score(&mut self, clip: &RawClip, column: &str, text: &str, scale: ScoreScale, map: Corpus) -> Scored {
        match read_score(text, scale) {
            Ok(reading) => {
                if reading.single_precision {
                    *self.single_precision.entry(clip.file.clone()).or_default() += 1;
                }
                if !reading.on_grid {
                    let action = self.policies.action(FindingKind::OffGrid);
                    self.findings.push(clip.finding(
                        FindingKind::OffGrid,
                        format!("{column} {text}"),
                        action,
                    ));
                    if action != Action::Snapped {
                        return Scored::LeaveOut;
                    }
                }
                let label = Label::new(reading.score, map.class_of(reading.score));
                Scored::Label(match self.polarity {
                    PolaritySource::Class => label,
                    PolaritySource::RawSign => Label { polarity: reading.sign, ..label },
                })
            }
            Err(ScoreFault::Absent) => Scored::Absent,
            Err(fault) => {
                let kind = if fault == ScoreFault::OutOfRange {
                    FindingKind::OutOfRange
                } else {
                    FindingKind::NotANumber
                };
                let action = self.policies.action(kind);
                self.findings.push(clip.finding(kind, format!("{column} {text}"), action));
                if action == Action::Kept { Scored::Absent } else { Scored::LeaveOut }
            }
        }
    }

    fn has_text(&mut self, clip: &RawClip) -> bool {
        if !clip.text.trim().is_empty() {
            return true;
        }
        let action = self.policies.action(FindingKind::BlankText);
        self.findings.push(clip.finding(FindingKind::BlankText, "no transcript", action));
        action == Action::Kept
    }

    /// The number decides; where the words say otherwise, that is reported.
    fn annotation_holds(&mut self, clip: &RawClip) -> bool {
        let (Some(words), Ok(score)) = (&clip.annotation, clip.ground_truth.parse::<Decimal>()) else {
            return true;
        };
        let sign = match score.signum() {
            -1 => Polarity::Negative,
            0 => Polarity::Neutral,
            _ => Polarity::Positive,
        };
        let said = match words.trim().trim_start_matches("Weakly ") {
            "Negative" => Some(Polarity::Negative),
            "Neutral" => Some(Polarity::Neutral),
            "Positive" => Some(Polarity::Positive),
            _ => None,
        };
        if said == Some(sign) {
            return true;
        }
        let action = self.policies.action(FindingKind::AnnotationDisagrees);
        let found = format!("{words} beside {}", clip.ground_truth);
        self.findings.push(clip.finding(FindingKind::AnnotationDisagrees, found, action));
        action == Action::Kept
    }
}

/// What became of a score text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scored {
    Label(Label),
    Absent,
    LeaveOut,
}

/// Clips of one video with one transcript, each but the first by id.
fn duplicate_texts(clips: &[RawClip], policies: &Policies) -> Vec<Finding> {
    let mut by_text: BTreeMap<(&str, &str), BTreeMap<&str, &RawClip>> = BTreeMap::new();
    for clip in clips.iter().filter(|c| !c.text.trim().is_empty()) {
        by_text.entry((&clip.video_id, &clip.text)).or_default().entry(&clip.clip_id).or_insert(clip);
    }
    let mut findings = Vec::new();
    for same in by_text.values().filter(|same| same.len() > 1) {
        let first = same.keys().next().copied().unwrap_or_default();
        for clip in same.values().skip(1) {
            let found = format!("same transcript as {first}");
            let action = policies.action(FindingKind::DuplicateText);
            findings.push(clip.finding(FindingKind::DuplicateText, found, action));
        }
    }
    findings
}
