//! `manifest.json`: what a benchmark was made from, how, and how much of it there is.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::row::ManifestRow;
use crate::build::{BuildOptions, Shortfall, TableMatch};
use crate::corpus::Corpus;
use crate::finding::FindingKind;
use crate::readers::{CorpusInfo, Layout, SourceFile};
use crate::votes::VoteMap;

/// Version of the manifest's two files. A reader refuses others.
pub const FORMAT_VERSION: u32 = 1;

/// A corpus of the benchmark.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorpusRecord {
    /// Its name, also the name of the root of its media.
    pub name: String,
    /// How its folder was laid out.
    pub layout: Layout,
    /// Language tag of rows that have none of their own.
    pub language: String,
    /// Class map of the ground truth.
    pub class_map: Corpus,
    /// Class map of the modalities; it differs from the ground truth's only by a vote map.
    pub modality_class_map: Corpus,
}

impl CorpusRecord {
    /// The record of a corpus as read.
    pub(crate) fn of(info: &CorpusInfo, vote_map: VoteMap) -> Self {
        let own = info.class_map;
        Self {
            name: info.name.clone(),
            layout: info.layout,
            language: info.language.clone(),
            class_map: own,
            modality_class_map: if info.has_votes { vote_map.corpus(own) } else { own },
        }
    }
}

/// How much there is of everything.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Rows of the manifest, masked copies included.
    pub rows: usize,
    /// Full clips.
    pub clips: usize,
    /// Groups.
    pub groups: usize,
    /// Full clips of each corpus.
    pub clips_by_corpus: BTreeMap<String, usize>,
    /// Rows of each subset; `unknown` where unimodal labels are missing.
    pub rows_by_subset: BTreeMap<String, usize>,
    /// Full clips of each split.
    pub clips_by_split: BTreeMap<String, usize>,
}

impl Counts {
    /// Counts the rows.
    pub fn of(rows: &[ManifestRow]) -> Self {
        let mut counts = Self { rows: rows.len(), ..Self::default() };
        let mut groups = BTreeSet::new();
        for row in rows {
            let subset = row.subset.map_or("unknown", crate::subset::Subset::name);
            *counts.rows_by_subset.entry(subset.to_owned()).or_default() += 1;
            groups.insert(row.group.as_str());
            if row.is_full() {
                counts.clips += 1;
                *counts.clips_by_corpus.entry(row.corpus.clone()).or_default() += 1;
                *counts.clips_by_split.entry(row.split.name().to_owned()).or_default() += 1;
            }
        }
        counts.groups = groups.len();
        counts
    }
}

/// The content of `manifest.json`. It holds no path of a machine and no time, so that the same inputs give the same
/// bytes everywhere; where the media lie on this machine stands in `roots.json` beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestHeader {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// Program and version that wrote it.
    pub created_by: String,
    /// How it was built, the seed included.
    pub options: BuildOptions,
    /// The corpora, sorted by name.
    pub corpora: Vec<CorpusRecord>,
    /// The files it was built from, sorted.
    pub sources: Vec<SourceFile>,
    /// How much there is.
    pub counts: Counts,
    /// What was noticed in the sources, by kind.
    pub findings: BTreeMap<FindingKind, usize>,
    /// What curation could not fill.
    pub shortfalls: Vec<Shortfall>,
    /// How well given tables were met; empty if none were given.
    pub table_matches: Vec<TableMatch>,
    /// SHA-256 of `manifest.parquet`; empty until it is written.
    pub parquet_sha256: String,
}

impl ManifestHeader {
    pub(crate) fn new(
        options: BuildOptions,
        mut corpora: Vec<CorpusRecord>,
        sources: Vec<SourceFile>,
        rows: &[ManifestRow],
    ) -> Self {
        corpora.sort();
        Self {
            format_version: FORMAT_VERSION,
            created_by: concat!("emomm ", env!("CARGO_PKG_VERSION")).to_owned(),
            options,
            corpora,
            sources,
            counts: Counts::of(rows),
            findings: BTreeMap::new(),
            shortfalls: Vec::new(),
            table_matches: Vec::new(),
            parquet_sha256: String::new(),
        }
    }
}
