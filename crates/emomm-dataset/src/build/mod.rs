//! From corpora to a benchmark: labels, media, groups, curation, splits, masked copies (Sec. 3, App. A).
//!
//! The order matters. Splits come before masking, so that the three masked copies of a clip stay with it (App. A.3);
//! groups come before splits, so that a speaker, a video and a clip under two corpora do too.

mod container;
mod curation;
mod grouping;
mod labelling;
mod match_tables;
mod media;
mod nearest;
mod sample;
mod split;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use curation::{Curation, Shortfall};
pub use match_tables::{CorpusTables, Deviation, TableMatch, TargetTables, read_target_tables};
pub(crate) use media::digest as media_digest;
pub use sample::Sample;
pub use split::{Split, assign_splits};

use crate::error::DatasetError;
use crate::finding::{Action, Finding, FindingKind};
use crate::labels::PolaritySource;
use crate::manifest::{CorpusRecord, Manifest, ManifestHeader, ManifestRow};
use crate::modality::ModalitySet;
use crate::policy::Policies;
use crate::readers::{Reading, Speakers};
use crate::subset::SubsetRules;
use crate::votes::VoteMap;

/// The coalitions of EmoMM-Missing: exactly one modality is masked (App. A.3).
pub const MASKED: [&str; 3] = ["TA", "TV", "AV"];

/// How a benchmark is built. All of it stands in `manifest.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuildOptions {
    /// Seed of curation and splits.
    pub seed: u64,
    /// Which clips are taken.
    pub curate: Curation,
    /// Class map of averaged votes.
    pub vote_map: VoteMap,
    /// Definition of the subsets.
    pub rules: SubsetRules,
    /// From what polarities follow, and with them the subsets.
    #[serde(default)]
    pub polarity: PolaritySource,
    /// What is done about faults.
    pub policies: Policies,
    /// True where only label files are at hand: media are neither looked for nor hashed.
    pub labels_only: bool,
}

/// A benchmark in memory, with what was noticed on the way.
#[derive(Debug, Clone)]
pub struct Benchmark {
    /// Header and rows.
    pub manifest: Manifest,
    /// Everything that was noticed, sorted.
    pub findings: Vec<Finding>,
    /// The folder of each named root on this machine.
    pub roots: BTreeMap<String, PathBuf>,
}

/// Builds a benchmark.
///
/// # Errors
/// No corpus, two of one name, no clip left, or findings whose policy is to refuse; all of those together.
pub fn build(
    readings: &[Reading],
    speakers: &Speakers,
    options: &BuildOptions,
) -> Result<Benchmark, DatasetError> {
    build_matching(readings, speakers, &TargetTables::new(), options)
}

/// Builds a benchmark whose corpora have given tables, as nearly as their clips allow. Corpora without tables are
/// curated as the options say.
///
/// # Errors
/// Those of [`build`]; tables of a corpus that is not there, or with unknown keys.
pub fn build_matching(
    readings: &[Reading],
    speakers: &Speakers,
    tables: &TargetTables,
    options: &BuildOptions,
) -> Result<Benchmark, DatasetError> {
    check_names(readings)?;
    let mut samples = Vec::new();
    let mut findings = Vec::new();
    for reading in readings {
        let (labelled, found) =
            labelling::label(reading, &options.policies, options.vote_map, options.polarity);
        findings.extend(found);
        if options.labels_only {
            samples.extend(labelled);
        } else {
            let (whole, found) = media::hash_media(labelled, &reading.corpus.root, &options.policies);
            findings.extend(found);
            samples.extend(whole);
        }
    }
    samples.sort_by_cached_key(Sample::order);
    let mut of_speakers = grouping::assign_groups(&mut samples, speakers);
    of_speakers.extend_from_slice(speakers.findings());
    for finding in &mut of_speakers {
        options.policies.refuse(finding);
    }
    findings.extend(of_speakers);
    findings.sort();
    if findings.iter().any(|f| f.action == Action::Refused) {
        findings.retain(|f| f.action == Action::Refused);
        return Err(DatasetError::Refused { findings });
    }
    let Choice { samples, shortfalls, matches } = choose(samples, tables, options)?;
    if samples.is_empty() {
        return Err(nothing_left(readings, &findings));
    }
    let splits = split_samples(&samples, options);
    let rows = rows_of(&samples, &splits, options.rules);
    let corpora = readings.iter().map(|r| CorpusRecord::of(&r.corpus, options.vote_map)).collect();
    let mut sources: Vec<_> = readings.iter().flat_map(|r| r.sources.clone()).collect();
    sources.extend(speakers.source().cloned());
    sources.sort();
    let header = ManifestHeader {
        findings: counts_of(&findings),
        shortfalls,
        table_matches: matches,
        ..ManifestHeader::new(*options, corpora, sources, &rows)
    };
    let roots = readings.iter().map(|r| (r.corpus.name.clone(), r.corpus.root.clone())).collect();
    Ok(Benchmark { manifest: Manifest { header, rows }, findings, roots })
}

/// Says why no clip is left: what was found about those that there were.
fn nothing_left(readings: &[Reading], findings: &[Finding]) -> DatasetError {
    let n_clips: usize = readings.iter().map(|r| r.clips.len()).sum();
    let dropped = || findings.iter().filter(|f| f.action == Action::Dropped);
    let left_out = counts_of(dropped());
    let first = dropped().next().map(|f| format!("; the first: {f}")).unwrap_or_default();
    let reasons: Vec<String> = left_out.iter().map(|(kind, n)| format!("{} {n}", kind.name())).collect();
    let is_unlabelled = n_clips > 0 && left_out.get(&FindingKind::MissingLabel) == Some(&n_clips);
    DatasetError::Layout {
        path: readings.first().map(|r| r.corpus.root.clone()).unwrap_or_default(),
        expected: format!(
            "at least one clip that can be used; found {n_clips} clips, left out for: {}{first}",
            if reasons.is_empty() { "nothing".to_owned() } else { reasons.join(", ") }
        ),
        hint: if is_unlabelled {
            "no clip has a ground truth, as in CH-SIMS v2(u); a benchmark needs labels, as in CH-SIMS v2(s)"
        } else {
            "correct the files; --policy changes what is left out"
        },
    }
}

fn check_names(readings: &[Reading]) -> Result<(), DatasetError> {
    let option = "corpora";
    if readings.is_empty() {
        return Err(DatasetError::Option {
            option,
            found: "none".to_owned(),
            expected: "at least one corpus",
        });
    }
    let mut names: Vec<&str> = readings.iter().map(|r| r.corpus.name.as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(DatasetError::Option {
            option,
            found: format!("{} twice", pair[0]),
            expected: "a name of its own for each corpus",
        }),
        None => Ok(()),
    }
}

/// The samples of a benchmark, and how their choice went.
struct Choice {
    samples: Vec<Sample>,
    shortfalls: Vec<Shortfall>,
    matches: Vec<TableMatch>,
}

/// Matches tables where there are some, curates the rest.
fn choose(
    samples: Vec<Sample>,
    tables: &TargetTables,
    options: &BuildOptions,
) -> Result<Choice, DatasetError> {
    let mut by_corpus: BTreeMap<String, Vec<Sample>> = BTreeMap::new();
    for sample in samples {
        by_corpus.entry(sample.corpus.clone()).or_default().push(sample);
    }
    let mut matches = Vec::new();
    let mut chosen = Vec::new();
    // `all` is the corpora together: printed statistics have it.
    for (corpus, tables) in tables.iter().filter(|(corpus, _)| *corpus != "all") {
        let samples = by_corpus.remove(corpus).ok_or_else(|| DatasetError::Option {
            option: "tables to match",
            found: format!("corpus {corpus}"),
            expected: "a corpus that is built",
        })?;
        let (selected, found) = match_tables::select(corpus, samples, tables, options.rules, options.seed)?;
        chosen.extend(selected);
        matches.push(found);
    }
    let rest = by_corpus.into_values().flatten().collect();
    let (curated, shortfalls) = curation::curate(rest, options.curate, options.rules, options.seed);
    chosen.extend(curated);
    chosen.sort_by_cached_key(Sample::order);
    Ok(Choice { samples: chosen, shortfalls, matches })
}

/// Splits stratified over class × subset × language.
fn split_samples(samples: &[Sample], options: &BuildOptions) -> Vec<Split> {
    let strata: Vec<String> = samples
        .iter()
        .map(|s| {
            let subset = curation::stratum(s, options.rules).unwrap_or("unknown");
            format!("{}/{subset}/{}", s.labels.ground_truth.class, s.language)
        })
        .collect();
    assign_splits(
        samples.iter().zip(&strata).map(|(s, stratum)| (s.group.as_str(), stratum.as_str())),
        options.seed,
    )
}

/// Each clip followed by its three masked copies.
fn rows_of(samples: &[Sample], splits: &[Split], rules: SubsetRules) -> Vec<ManifestRow> {
    let masked: Vec<ModalitySet> = MASKED.iter().filter_map(|word| word.parse().ok()).collect();
    let mut rows = Vec::with_capacity(samples.len() * (1 + masked.len()));
    for (sample, split) in samples.iter().zip(splits) {
        rows.push(ManifestRow::of(sample, *split, ModalitySet::FULL, rules));
        rows.extend(masked.iter().map(|observed| ManifestRow::of(sample, *split, *observed, rules)));
    }
    rows
}

fn counts_of<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> BTreeMap<FindingKind, usize> {
    let mut counts = BTreeMap::new();
    for finding in findings {
        *counts.entry(finding.kind).or_default() += 1;
    }
    counts
}
