//! The first line of a log: what was run, on what, with what.

use std::collections::BTreeMap;
use std::path::PathBuf;

use emomm_dataset::ModalitySet;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::missingness::Missingness;

/// Version of `log.jsonl`. A reader refuses others.
pub const FORMAT_VERSION: u32 = 1;

/// Hex digits of a settings id.
const ID_DIGITS: usize = 12;

/// The model, by content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelId {
    /// As it was named: the folder's own name, or `embedded`.
    pub name: String,
    /// `model_type` of its `config.json`.
    pub model_type: String,
    /// SHA-256 over names and contents of its files.
    pub sha256: String,
    /// Where it was computed: `cpu`, `cuda` or `metal`.
    pub device: String,
    /// In which type.
    pub dtype: String,
}

/// The benchmark, by content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BenchId {
    /// SHA-256 of `manifest.parquet`.
    pub manifest_sha256: String,
    /// Program and version that built it.
    pub created_by: String,
}

/// Everything but the clip that decides a prediction. Records of different settings are never mixed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The model.
    pub model: ModelId,
    /// Version of the prompt's text.
    pub prompt: String,
    /// Digest of the prompt's text; absent where it was not taken.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prompt_sha256: String,
    /// How modalities that a coalition lacks are kept from the model; absent where they are left out of the prompt.
    #[serde(default, skip_serializing_if = "Missingness::is_omit")]
    pub missing: Missingness,
    /// How media are decoded and prepared, with the version of ffmpeg.
    pub media: BTreeMap<String, Value>,
    /// `none`, `summary` or `full`.
    pub attention: String,
    /// Whether the importance of visual tokens was computed; absent where not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub importance: bool,
    /// Whether the model wrote a reply.
    pub generate: bool,
    /// Most tokens of a reply.
    pub max_new_tokens: usize,
    /// The steering and its router, null without.
    pub steering: Option<Value>,
}

impl Settings {
    /// The first part of every record's key.
    pub fn id(&self) -> String {
        // A struct without maps of other keys than text always has a JSON form.
        let json = serde_json::to_vec(self).unwrap_or_default();
        hex(&Sha256::digest(&json))[..ID_DIGITS].to_owned()
    }
}

/// Which part of the benchmark.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// Subsets, all where empty.
    pub subsets: Vec<String>,
    /// Splits, all where empty.
    pub splits: Vec<String>,
    /// Clips, all where empty.
    pub sample_ids: Vec<String>,
    /// At most so many clips.
    pub limit: Option<usize>,
    /// `i/n`, null for all.
    pub shard: Option<String>,
}

/// What a run is to compute: the same plan gives the same records.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// What decides a prediction.
    pub settings: Settings,
    /// The benchmark.
    pub bench: BenchId,
    /// Which part of it.
    pub selection: Selection,
    /// The coalitions of each clip, in the order of [`ModalitySet::ALL`].
    pub coalitions: Vec<ModalitySet>,
    /// Seed of whatever draws numbers.
    pub seed: u64,
    /// Clips.
    pub n_clips: usize,
    /// Records when the run is complete: N of "n of N".
    pub n_records: usize,
}

/// What wrote the log. Not part of the plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// emomm.
    pub emomm: String,
    /// Operating system and architecture.
    pub platform: String,
    /// Revision of the working directory's repository, null outside of one.
    pub git: Option<String>,
}

/// Where things lay on the machine that wrote the log. Not part of the plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places {
    /// The benchmark's folder, absolute.
    pub bench: PathBuf,
    /// The model's folder, absolute.
    pub model: PathBuf,
}

/// The first line of `log.jsonl`. A later line of this form continues the log under a changed plan.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RunHeader {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// [`Settings::id`] of the plan's settings. Records whose key begins otherwise belong to an earlier plan.
    pub settings_id: String,
    /// What was to be computed.
    pub plan: Plan,
    /// What wrote it.
    pub versions: Versions,
    /// Where things lay.
    pub places: Places,
    /// Keys of records before this line that have the plan's settings and are no part of its selection.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

impl RunHeader {
    /// The header of a plan, written by this version on this machine.
    pub fn new(plan: Plan, places: Places, git: Option<String>) -> Self {
        let platform = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
        let versions = Versions { emomm: env!("CARGO_PKG_VERSION").to_owned(), platform, git };
        let settings_id = plan.settings.id();
        Self { format_version: FORMAT_VERSION, settings_id, plan, versions, places, left_out: Vec::new() }
    }

    /// Whether a record was computed under these settings.
    pub fn owns(&self, key: &str) -> bool {
        key.strip_prefix(self.settings_id.as_str()).is_some_and(|rest| rest.starts_with('-'))
    }

    /// The key of a clip and a coalition: `evidence` are the digests or texts of what is shown.
    pub fn key<'a>(
        &self,
        sample: &str,
        coalition: ModalitySet,
        evidence: impl IntoIterator<Item = &'a str>,
    ) -> String {
        let mut hasher = Sha256::new();
        let mut add = |part: &str| {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        };
        add(sample);
        add(&coalition.to_string());
        evidence.into_iter().for_each(&mut add);
        format!("{}-{}", self.settings_id, &hex(&hasher.finalize())[..24])
    }
}

/// Lower-case hex digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_tells_settings_clip_coalition_and_evidence_apart() {
        let header = RunHeader::new(Plan::default(), Places::default(), None);
        let mut other = Plan::default();
        "1".clone_into(&mut other.settings.model.sha256);
        let other = RunHeader::new(other, Places::default(), None);
        let key = |sample: &str, coalition: &str, evidence: &[&str]| {
            header.key(sample, coalition.parse().unwrap(), evidence.iter().copied())
        };
        let keys = [
            key("a", "T", &["x"]),
            key("b", "T", &["x"]),
            key("a", "A", &["x"]),
            key("a", "T", &["y"]),
            key("a", "T", &["x", ""]),
            other.key("a", "T".parse().unwrap(), ["x"]),
        ];
        for (i, a) in keys.iter().enumerate() {
            assert!(keys[i + 1..].iter().all(|b| a != b), "{keys:?}");
        }
        assert!(header.owns(&keys[0]) && !other.owns(&keys[0]) && other.owns(&keys[5]));
        assert!(!header.owns(&header.settings_id));
    }
}
