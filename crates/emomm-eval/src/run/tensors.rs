//! Attention by head beside the log: safetensors files of bounded size, each written aside and renamed.
//!
//! A tensor is called `KEY.nmas.text`, `KEY.mass.video` and so on, with the key of its record.
//!
//! # Shapes
//! `[layer, head]`, f32

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use emomm_dataset::{Modality, PerModality};
use safetensors::{Dtype, SafeTensors, View};

use super::error::RunError;
use crate::predictor::AttentionSummary;

/// A shard is closed when it holds so much.
const SHARD_BYTES: usize = 8 << 20;

/// A shard larger than this was not written here.
const MAX_SHARD_BYTES: u64 = 1 << 30;

const TABLES: [&str; 2] = ["nmas", "mass"];

/// The shards of a run that is being written.
#[derive(Debug)]
pub(super) struct TensorShards {
    folder: PathBuf,
    number: usize,
    tensors: Vec<(String, Table)>,
    bytes: usize,
    is_changed: bool,
}

/// A table of `[layer][head]`.
#[derive(Debug, Clone)]
struct Table {
    shape: [usize; 2],
    bytes: Vec<u8>,
}

impl View for &Table {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

impl TensorShards {
    /// Begins after the shards that are there.
    pub(super) fn open(folder: &Path) -> Result<Self, RunError> {
        fs::create_dir_all(folder).map_err(|e| RunError::io(folder, e))?;
        let mut number = 1;
        for entry in fs::read_dir(folder).map_err(|e| RunError::io(folder, e))? {
            let name = entry.map_err(|e| RunError::io(folder, e))?.file_name();
            let stem = Path::new(&name).file_stem().and_then(|s| s.to_str()).and_then(|s| s.parse().ok());
            number = number.max(stem.map_or(1, |n: usize| n + 1));
        }
        Ok(Self { folder: folder.to_owned(), number, tensors: Vec::new(), bytes: 0, is_changed: false })
    }

    /// Takes the tables of a record; gives the name of the file that will hold them once they are committed.
    pub(super) fn add(&mut self, key: &str, heads: AttentionSummary) -> Result<String, RunError> {
        if self.bytes >= SHARD_BYTES {
            self.commit()?;
            self.tensors.clear();
            (self.bytes, self.number) = (0, self.number + 1);
        }
        for (name, table) in TABLES.into_iter().zip([heads.nmas, heads.mass]) {
            for m in Modality::ALL {
                let Some(layers) = table.get(m) else { continue };
                let width = layers.first().map_or(0, Vec::len);
                let bytes: Vec<u8> = layers.iter().flatten().flat_map(|v| v.to_le_bytes()).collect();
                self.bytes += bytes.len();
                self.tensors
                    .push((format!("{key}.{name}.{m}"), Table { shape: [layers.len(), width], bytes }));
            }
        }
        self.is_changed = true;
        Ok(self.name())
    }

    fn name(&self) -> String {
        format!("{:05}.safetensors", self.number)
    }

    /// Puts what was added on the disk.
    pub(super) fn commit(&mut self) -> Result<(), RunError> {
        if !self.is_changed {
            return Ok(());
        }
        let path = self.folder.join(self.name());
        let failed = |message: String| RunError::Tensors { path: path.clone(), message };
        let views = self.tensors.iter().map(|(name, table)| (name, table));
        let bytes = safetensors::serialize(views, None).map_err(|e| failed(e.to_string()))?;
        let beside = path.with_extension("part");
        let written = File::create(&beside)
            .and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_data()))
            .and_then(|()| fs::rename(&beside, &path));
        written.map_err(|e| RunError::io(&path, e))?;
        self.is_changed = false;
        Ok(())
    }
}

/// The tables of one record, by head.
pub(super) fn read(path: &Path, key: &str) -> Result<AttentionSummary, RunError> {
    let failed = |message: String| RunError::Tensors { path: path.to_owned(), message };
    let size = fs::metadata(path).map_err(|e| RunError::io(path, e))?.len();
    if size > MAX_SHARD_BYTES {
        return Err(failed(format!("found {size} bytes, expected at most {MAX_SHARD_BYTES}")));
    }
    let bytes = fs::read(path).map_err(|e| RunError::io(path, e))?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|e| failed(e.to_string()))?;
    let table = |name: &str, m: Modality| -> Result<Option<Vec<Vec<f32>>>, RunError> {
        let name = format!("{key}.{name}.{m}");
        let Ok(tensor) = tensors.tensor(&name) else { return Ok(None) };
        let &[_, width] = tensor.shape() else {
            return Err(failed(format!("{name} has {} dimensions, expected 2", tensor.shape().len())));
        };
        if tensor.dtype() != Dtype::F32 {
            return Err(failed(format!("{name} is {:?}, expected F32", tensor.dtype())));
        }
        let number = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
        let values: Vec<f32> = tensor.data().chunks_exact(4).map(number).collect();
        Ok(Some(values.chunks(width.max(1)).map(<[f32]>::to_vec).collect()))
    };
    let tables = |name: &str| -> Result<_, RunError> {
        Ok(PerModality {
            text: table(name, Modality::Text)?,
            audio: table(name, Modality::Audio)?,
            video: table(name, Modality::Video)?,
        })
    };
    Ok(AttentionSummary { nmas: tables("nmas")?, mass: tables("mass")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(seed: f32) -> AttentionSummary {
        let table = |x: f32| Some(vec![vec![x, x + 1.0], vec![x + 2.0, x + 3.0], vec![x + 4.0, x + 5.0]]);
        AttentionSummary {
            nmas: PerModality { text: table(seed), audio: None, video: table(seed + 0.5) },
            mass: PerModality { text: table(seed * 2.0), audio: None, video: table(seed * 3.0) },
        }
    }

    #[test]
    fn what_is_committed_is_read_by_key() {
        let folder = tempfile::tempdir().unwrap();
        let mut shards = TensorShards::open(folder.path()).unwrap();
        let first = shards.add("a", summary(1.0)).unwrap();
        shards.commit().unwrap();
        assert_eq!(shards.add("b", summary(2.0)).unwrap(), first);
        shards.commit().unwrap();
        let path = folder.path().join(&first);
        assert_eq!(read(&path, "a").unwrap(), summary(1.0));
        assert_eq!(read(&path, "b").unwrap(), summary(2.0));
        assert_eq!(read(&path, "c").unwrap().nmas, PerModality::default());
        // A run that goes on leaves what is there alone.
        let mut later = TensorShards::open(folder.path()).unwrap();
        assert_ne!(later.add("d", summary(3.0)).unwrap(), first);
    }

    #[test]
    fn a_damaged_shard_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("00001.safetensors");
        std::fs::write(&path, b"no tensors").unwrap();
        assert!(matches!(read(&path, "a"), Err(RunError::Tensors { .. })));
    }
}
