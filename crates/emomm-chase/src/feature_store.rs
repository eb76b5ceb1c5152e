//! Features on disk: a folder of safetensors shards for one model, benchmark and settings. A killed run loses at most the
//! shard that it was filling; the next one goes on where the last whole shard ends.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use emomm_dataset::ModalitySet;
use emomm_eval::run::hex;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{ChaseError, Result};
use crate::features::{Features, LayerFeatures};
use crate::token_sets::TextScope;

/// Version of the shards. Others are refused.
const FORMAT_VERSION: u32 = 1;
/// Clips of a shard.
const CLIPS_PER_SHARD: usize = 64;
/// Metadata key of a shard's description.
const DESCRIPTION: &str = "emomm_chase";

/// What the features depend on beside the clip: another key is another folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreKey {
    /// Digest of the model.
    pub model: String,
    /// Digest of the manifest.
    pub manifest: String,
    /// Whatever else decides a prediction: prompt version, compute type, sampling of frames.
    pub settings: BTreeMap<String, String>,
    /// Which tokens are K_T.
    pub text_scope: TextScope,
    /// First tokens that belong to no modality.
    pub n_sinks: usize,
}

impl StoreKey {
    /// Name of the folder.
    pub fn folder_name(&self) -> String {
        // A struct of texts and numbers always has a JSON form.
        let json = serde_json::to_vec(self).unwrap_or_default();
        let digest = Sha256::digest(&json);
        hex(&digest[..8])
    }
}

/// One clip under one coalition.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRecord {
    /// The full clip's id.
    pub sample: String,
    /// What was shown.
    pub coalition: ModalitySet,
    /// Logits of the letters A to E.
    pub letter_logits: [f32; 5],
    /// `None` for coalitions of which only the answer is kept.
    pub features: Option<Features>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Description {
    format_version: u32,
    key: StoreKey,
    records: Vec<RecordLine>,
}

#[derive(Debug, Serialize, Deserialize)]
struct RecordLine {
    sample: String,
    coalition: ModalitySet,
    n_keys: usize,
    /// Row of the tensors of features.
    row: Option<usize>,
}

/// The folder of one key.
#[derive(Debug)]
pub struct FeatureStore {
    folder: PathBuf,
    key: StoreKey,
    shards: Vec<PathBuf>,
    pending: Vec<StoredRecord>,
    pending_clips: usize,
}

impl FeatureStore {
    /// Opens the folder of a key under `parent`; it is made when the first shard is written.
    pub fn open(parent: &Path, key: StoreKey) -> Result<Self> {
        let folder = parent.join(key.folder_name());
        let mut shards = Vec::new();
        if folder.is_dir() {
            let entries = fs::read_dir(&folder).map_err(|e| ChaseError::io(&folder, e))?;
            for entry in entries {
                let path = entry.map_err(|e| ChaseError::io(&folder, e))?.path();
                if path.extension().is_some_and(|e| e == "safetensors") {
                    shards.push(path);
                }
            }
            shards.sort();
        }
        Ok(Self { folder, key, shards, pending: Vec::new(), pending_clips: 0 })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What the features depend on.
    pub fn key(&self) -> &StoreKey {
        &self.key
    }

    /// Calls `each` with every record that is on disk, shard by shard; one that two processes have written once.
    pub fn for_each(&self, mut each: impl FnMut(StoredRecord)) -> Result<()> {
        let mut seen = BTreeSet::new();
        for path in &self.shards {
            let records = read_shard(path, &self.key)?.into_iter();
            records.filter(|r| seen.insert((r.sample.clone(), r.coalition))).for_each(&mut each);
        }
        Ok(())
    }

    /// The clips that are on disk, with their coalitions. Only headers are read.
    pub fn known(&self) -> Result<BTreeMap<String, Vec<ModalitySet>>> {
        let mut known: BTreeMap<String, Vec<ModalitySet>> = BTreeMap::new();
        for path in &self.shards {
            let bytes = fs::read(path).map_err(|e| ChaseError::io(path, e))?;
            for line in description(path, &bytes, &self.key)?.records {
                known.entry(line.sample).or_default().push(line.coalition);
            }
        }
        Ok(known)
    }

    /// Adds the records of one clip; a full shard is written at once.
    pub fn add(&mut self, clip: Vec<StoredRecord>) -> Result<()> {
        self.pending.extend(clip);
        self.pending_clips += 1;
        if self.pending_clips >= CLIPS_PER_SHARD { self.flush() } else { Ok(()) }
    }

    /// Writes what is left.
    pub fn flush(&mut self) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        fs::create_dir_all(&self.folder).map_err(|e| ChaseError::io(&self.folder, e))?;
        // Two processes may fill one folder: each writes under names of its own.
        let name = format!("shard-{:05}-{}.safetensors", self.shards.len(), std::process::id());
        let path = self.folder.join(name);
        write_shard(&path, &self.key, &self.pending)?;
        self.shards.push(path);
        self.pending.clear();
        self.pending_clips = 0;
        Ok(())
    }
}

fn write_shard(path: &Path, key: &StoreKey, records: &[StoredRecord]) -> Result<()> {
    let mut lines = Vec::new();
    let (mut letters, mut hidden, mut nmas, mut mass) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut sizes = None;
    let mut rows = 0;
    for record in records {
        letters.extend(record.letter_logits);
        let row = record.features.as_ref().map(|features| {
            for layer in &features.layers {
                let width = layer.query.len();
                hidden.extend_from_slice(&layer.query);
                for mean in layer.pooled() {
                    match mean {
                        Some(mean) => hidden.extend_from_slice(mean),
                        None => hidden.resize(hidden.len() + width, 0.0),
                    }
                }
                nmas.extend(layer.nmas.iter().flatten().map(|v| *v as f32));
                mass.extend(layer.mass.iter().flatten().map(|v| *v as f32));
                sizes = Some((features.layers.len(), width, layer.nmas.len()));
            }
            rows += 1;
            rows - 1
        });
        let n_keys = record.features.as_ref().map_or(0, |f| f.n_keys);
        let (sample, coalition) = (record.sample.clone(), record.coalition);
        lines.push(RecordLine { sample, coalition, n_keys, row });
    }
    let (layers, width, heads) = sizes.unwrap_or((0, 0, 0));
    let bytes = |values: &[f32]| -> Vec<u8> { values.iter().flat_map(|v| v.to_le_bytes()).collect() };
    let tensors = [
        ("letter_logits", vec![records.len(), 5], bytes(&letters)),
        ("hidden", vec![rows, layers, 4, width], bytes(&hidden)),
        ("nmas", vec![rows, layers, heads, 3], bytes(&nmas)),
        ("mass", vec![rows, layers, heads, 3], bytes(&mass)),
    ];
    let failed = |e: &dyn std::fmt::Display| ChaseError::artifact(path, format!("shard as safetensors: {e}"));
    let mut views = Vec::new();
    for (name, shape, data) in &tensors {
        views.push((*name, TensorView::new(Dtype::F32, shape.clone(), data).map_err(|e| failed(&e))?));
    }
    let description = Description { format_version: FORMAT_VERSION, key: key.clone(), records: lines };
    let json = serde_json::to_string(&description).map_err(|e| failed(&e))?;
    let metadata = HashMap::from([(DESCRIPTION.to_owned(), json)]);
    let bytes = safetensors::serialize(views, Some(metadata)).map_err(|e| failed(&e))?;
    put(path, &bytes)
}

/// Writes beside the place and renames, so that a half-written file never bears the name.
pub(crate) fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    let beside = path.with_extension("part");
    fs::write(&beside, bytes).and_then(|()| fs::rename(&beside, path)).map_err(|e| ChaseError::io(path, e))
}

fn description(path: &Path, bytes: &[u8], key: &StoreKey) -> Result<Description> {
    let broken = |message: String| ChaseError::artifact(path, message);
    let (_, header) =
        SafeTensors::read_metadata(bytes).map_err(|e| broken(format!("not a safetensors file: {e}")))?;
    let metadata = header.metadata().as_ref().and_then(|m| m.get(DESCRIPTION));
    let json = metadata.ok_or_else(|| broken("not a shard of features".to_owned()))?;
    let version: serde_json::Value = serde_json::from_str(json).map_err(|e| broken(e.to_string()))?;
    let found = version.get("format_version").and_then(serde_json::Value::as_u64);
    if found != Some(u64::from(FORMAT_VERSION)) {
        let found = found.map_or("none".to_owned(), |v| v.to_string());
        return Err(broken(format!("features of version {found}, expected {FORMAT_VERSION}")));
    }
    let description: Description = serde_json::from_str(json).map_err(|e| broken(e.to_string()))?;
    if description.key != *key {
        return Err(broken("features of another model, benchmark or setting".to_owned()));
    }
    Ok(description)
}

fn read_shard(path: &Path, key: &StoreKey) -> Result<Vec<StoredRecord>> {
    let bytes = fs::read(path).map_err(|e| ChaseError::io(path, e))?;
    let description = description(path, &bytes, key)?;
    let broken = |message: String| ChaseError::artifact(path, message);
    let tensors = SafeTensors::deserialize(&bytes).map_err(|e| broken(e.to_string()))?;
    let read = |name: &str, rank: usize| -> Result<(Vec<usize>, Vec<f32>)> {
        let view = tensors.tensor(name).map_err(|e| broken(e.to_string()))?;
        if view.dtype() != Dtype::F32 || view.shape().len() != rank {
            return Err(broken(format!("tensor `{name}` is {:?} {:?}", view.dtype(), view.shape())));
        }
        let values = view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        Ok((view.shape().to_vec(), values))
    };
    let (letter_shape, letters) = read("letter_logits", 2)?;
    let (shape, hidden) = read("hidden", 4)?;
    let (head_shape, nmas) = read("nmas", 4)?;
    let (_, mass) = read("mass", 4)?;
    for (name, values) in [("letter_logits", &letters), ("hidden", &hidden), ("nmas", &nmas), ("mass", &mass)]
    {
        if let Some(bad) = values.iter().find(|v| !v.is_finite()) {
            return Err(broken(format!("tensor `{name}` holds {bad}, expected finite numbers")));
        }
    }
    let (rows, layers, width, heads) = (shape[0], shape[1], shape[3], head_shape[2]);
    let fits = letter_shape == [description.records.len(), 5]
        && shape[2] == 4
        && head_shape == [rows, layers, heads, 3]
        && mass.len() == nmas.len()
        && description.records.iter().filter_map(|r| r.row).all(|r| r < rows);
    if !fits {
        return Err(broken(format!("tensors of shapes {letter_shape:?}, {shape:?}, {head_shape:?}")));
    }
    let layer = |row: usize, at: usize, shown: ModalitySet| {
        let block = |b: usize| {
            let start = ((row * layers + at) * 4 + b) * width;
            hidden[start..start + width].to_vec()
        };
        let present = crate::preference::flags(shown);
        let heads_of = |values: &[f32]| -> Vec<[f64; 3]> {
            let start = (row * layers + at) * heads * 3;
            values[start..start + heads * 3].as_chunks::<3>().0.iter().map(|h| h.map(f64::from)).collect()
        };
        LayerFeatures {
            query: block(0),
            means: [0, 1, 2].map(|m| present[m].then(|| block(m + 1))),
            nmas: heads_of(&nmas),
            mass: heads_of(&mass),
        }
    };
    let record = |(i, line): (usize, RecordLine)| {
        let letter_logits: [f32; 5] = std::array::from_fn(|l| letters[5 * i + l]);
        let features = line.row.map(|row| Features {
            shown: line.coalition,
            layers: (0..layers).map(|at| layer(row, at, line.coalition)).collect(),
            letter_logits,
            n_keys: line.n_keys,
        });
        StoredRecord { sample: line.sample, coalition: line.coalition, letter_logits, features }
    };
    Ok(description.records.into_iter().enumerate().map(record).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> StoreKey {
        StoreKey {
            model: "m".to_owned(),
            manifest: "b".to_owned(),
            settings: BTreeMap::new(),
            text_scope: TextScope::Transcript,
            n_sinks: 0,
        }
    }

    fn record(sample: &str, coalition: &str, with_features: bool) -> StoredRecord {
        let shown: ModalitySet = coalition.parse().unwrap();
        let present = crate::preference::flags(shown);
        let letter_logits = [0.5, 1.5, -2.0, 0.0, 7.25];
        let layer = |at: f32| LayerFeatures {
            query: vec![at, 1.0, 2.0],
            means: [0, 1, 2].map(|m| present[m].then(|| vec![at, m as f32, 3.5])),
            nmas: vec![[0.25, 0.5, 0.125]; 2],
            mass: vec![[0.5, 0.25, 0.0625]; 2],
        };
        let features = with_features.then(|| Features {
            shown,
            layers: vec![layer(0.0), layer(1.0)],
            letter_logits,
            n_keys: 12,
        });
        StoredRecord { sample: sample.to_owned(), coalition: shown, letter_logits, features }
    }

    #[test]
    fn what_was_written_is_read_and_another_process_goes_on() {
        let parent = tempfile::tempdir().unwrap();
        let clips = [
            vec![record("a", "TAV", true), record("a", "T", false)],
            vec![record("b", "TV", true), record("b", "none", false)],
        ];
        let mut store = FeatureStore::open(parent.path(), key()).unwrap();
        store.add(clips[0].clone()).unwrap();
        store.flush().unwrap();
        let mut store = FeatureStore::open(parent.path(), key()).unwrap();
        assert_eq!(store.known().unwrap()["a"].len(), 2);
        store.add(clips[1].clone()).unwrap();
        store.flush().unwrap();
        let mut read = Vec::new();
        FeatureStore::open(parent.path(), key()).unwrap().for_each(|r| read.push(r)).unwrap();
        assert_eq!(read, clips.concat());
    }

    #[test]
    fn two_processes_that_fill_one_folder_lose_and_double_nothing() {
        let parent = tempfile::tempdir().unwrap();
        let mut one = FeatureStore::open(parent.path(), key()).unwrap();
        one.add(vec![record("a", "TAV", true)]).unwrap();
        one.flush().unwrap();
        // Another process would have another number in its names.
        let path = one.shards[0].clone();
        let copy = path.with_file_name("shard-00000-other.safetensors");
        fs::copy(&path, copy).unwrap();
        let mut read = 0;
        FeatureStore::open(parent.path(), key()).unwrap().for_each(|_| read += 1).unwrap();
        assert_eq!(read, 1);
    }

    #[test]
    fn features_that_are_no_numbers_are_refused_by_their_file() {
        let parent = tempfile::tempdir().unwrap();
        let mut store = FeatureStore::open(parent.path(), key()).unwrap();
        let mut damaged = record("a", "TAV", true);
        damaged.features.as_mut().unwrap().layers[1].query[2] = f32::NAN;
        store.add(vec![damaged]).unwrap();
        store.flush().unwrap();
        let refused = read_shard(&store.shards[0], &key()).unwrap_err().to_string();
        assert!(refused.contains("shard-") && refused.contains("tensor `hidden` holds NaN"), "{refused}");
    }

    #[test]
    fn features_of_another_version_or_key_are_refused() {
        let parent = tempfile::tempdir().unwrap();
        let mut store = FeatureStore::open(parent.path(), key()).unwrap();
        store.add(vec![record("a", "TAV", true)]).unwrap();
        store.flush().unwrap();
        let path = store.shards[0].clone();
        let other = StoreKey { model: "n".to_owned(), ..key() };
        assert!(read_shard(&path, &other).unwrap_err().to_string().contains("another model"));
        let bytes = fs::read(&path).unwrap();
        // The description is JSON within the JSON of the header.
        let version = b"format_version\\\":1";
        let at = bytes.windows(version.len()).position(|w| w == version).unwrap() + version.len() - 1;
        let mut later = bytes.clone();
        later[at] = b'9';
        fs::write(&path, &later).unwrap();
        let refused = read_shard(&path, &key()).unwrap_err().to_string();
        assert!(refused.contains("features of version 9, expected 1"), "{refused}");
        fs::write(&path, &bytes[..40]).unwrap();
        assert!(read_shard(&path, &key()).is_err());
    }
}
