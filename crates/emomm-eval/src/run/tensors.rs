//! Attention by head and by token beside the log: safetensors files of bounded size, each written aside and renamed.
//!
//! A tensor is called by the key of its record and what it holds:
//!
//! | name | type | shape |
//! |---|---|---|
//! | `KEY.nmas.text`, `KEY.mass.video` and so on | f32 | `[layer, head]` |
//! | `KEY.tokens.text` and so on: attention by token, mean over heads | f32 | `[layer, token]` |
//! | `KEY.importance`: Î_k of visual tokens | f32 | `[token]` |
//! | `KEY.grid`: steps, rows, columns of the whole picture's tokens | u32 | `[3]` |
//! | `KEY.numbers`: number of each visual token in that grid | u32 | `[token]` |
//! | `KEY.person`, `KEY.face`: 1 for visual tokens that show it | u8 | `[token]` |

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use emomm_dataset::{Modality, PerModality};
use safetensors::{Dtype, SafeTensors, View};

use super::error::RunError;
use super::writer::sync_folder;
use crate::predictor::AttentionSummary;
use crate::token_maps::{TokenMaps, TokenPlaces};

/// A shard is closed when it holds so much.
const SHARD_BYTES: usize = 8 << 20;

/// A shard larger than this was not written here.
const MAX_SHARD_BYTES: u64 = 1 << 30;

/// What is kept of a record beside the log.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KeptAttention {
    /// By layer and head.
    pub heads: AttentionSummary,
    /// By token; `None` where the model does not say.
    pub tokens: Option<TokenMaps>,
}

/// The shards of a run that is being written.
#[derive(Debug)]
pub(super) struct TensorShards {
    folder: PathBuf,
    number: usize,
    tensors: Vec<(String, Stored)>,
    bytes: usize,
    is_changed: bool,
}

/// A tensor as it is written.
#[derive(Debug, Clone)]
struct Stored {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Stored {
    /// A table of `[layer][…]`.
    fn table(layers: &[Vec<f32>]) -> Self {
        let width = layers.first().map_or(0, Vec::len);
        let bytes = layers.iter().flatten().flat_map(|v| v.to_le_bytes()).collect();
        Self { dtype: Dtype::F32, shape: vec![layers.len(), width], bytes }
    }

    fn values(values: &[f32]) -> Self {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Self { dtype: Dtype::F32, shape: vec![values.len()], bytes }
    }

    fn numbers(numbers: impl ExactSizeIterator<Item = u32>) -> Self {
        let shape = vec![numbers.len()];
        Self { dtype: Dtype::U32, shape, bytes: numbers.flat_map(u32::to_le_bytes).collect() }
    }

    fn marks(marks: &[bool]) -> Self {
        let bytes = marks.iter().map(|is| u8::from(*is)).collect();
        Self { dtype: Dtype::U8, shape: vec![marks.len()], bytes }
    }
}

impl View for &Stored {
    fn dtype(&self) -> Dtype {
        self.dtype
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
        fs::create_dir_all(folder).and_then(|()| sync_folder(folder)).map_err(|e| RunError::io(folder, e))?;
        let mut number = 1;
        for entry in fs::read_dir(folder).map_err(|e| RunError::io(folder, e))? {
            let name = entry.map_err(|e| RunError::io(folder, e))?.file_name();
            let stem = Path::new(&name).file_stem().and_then(|s| s.to_str()).and_then(|s| s.parse().ok());
            number = number.max(stem.map_or(1, |n: usize| n + 1));
        }
        Ok(Self { folder: folder.to_owned(), number, tensors: Vec::new(), bytes: 0, is_changed: false })
    }

    /// Takes the tensors of a record; gives the name of the file that will hold them once they are committed.
    pub(super) fn add(&mut self, key: &str, kept: &KeptAttention) -> Result<String, RunError> {
        if self.bytes >= SHARD_BYTES {
            self.commit()?;
            self.tensors.clear();
            (self.bytes, self.number) = (0, self.number + 1);
        }
        let mut found = Vec::new();
        let maps = kept.tokens.as_ref();
        let tables = [
            ("nmas", Some(&kept.heads.nmas)),
            ("mass", Some(&kept.heads.mass)),
            ("tokens", maps.map(|m| &m.attention)),
        ];
        for (name, table) in tables {
            for m in Modality::ALL {
                if let Some(layers) = table.and_then(|t| t.get(m).as_ref()) {
                    found.push((format!("{name}.{m}"), Stored::table(layers)));
                }
            }
        }
        if let Some(values) = maps.and_then(|m| m.importance.as_ref()) {
            found.push(("importance".to_owned(), Stored::values(values)));
        }
        if let Some(places) = maps.and_then(|m| m.places.as_ref()) {
            let grid = Stored::numbers(places.grid.into_iter().map(|n| n as u32));
            found.push(("grid".to_owned(), grid));
            found.push(("numbers".to_owned(), Stored::numbers(places.numbers.iter().copied())));
            for (name, marks) in [("person", &places.person), ("face", &places.face)] {
                found.extend(marks.as_ref().map(|marks| (name.to_owned(), Stored::marks(marks))));
            }
        }
        for (name, stored) in found {
            self.bytes += stored.bytes.len();
            self.tensors.push((format!("{key}.{name}"), stored));
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
        let views = self.tensors.iter().map(|(name, stored)| (name, stored));
        let bytes = safetensors::serialize(views, None).map_err(|e| failed(e.to_string()))?;
        let beside = path.with_extension("part");
        let written = File::create(&beside)
            .and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_data()))
            .and_then(|()| fs::rename(&beside, &path))
            .and_then(|()| sync_folder(&path));
        written.map_err(|e| RunError::io(&path, e))?;
        self.is_changed = false;
        Ok(())
    }
}

/// The bytes of a shard.
pub(super) struct Shard {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Shard {
    /// Reads a file.
    pub(super) fn read(path: &Path) -> Result<Self, RunError> {
        let size = fs::metadata(path).map_err(|e| RunError::io(path, e))?.len();
        if size > MAX_SHARD_BYTES {
            let message = format!("found {size} bytes, expected at most {MAX_SHARD_BYTES}");
            return Err(RunError::Tensors { path: path.to_owned(), message });
        }
        let bytes = fs::read(path).map_err(|e| RunError::io(path, e))?;
        Ok(Self { path: path.to_owned(), bytes })
    }

    /// Its tensors by name.
    pub(super) fn tensors(&self) -> Result<Tensors<'_>, RunError> {
        let tensors = SafeTensors::deserialize(&self.bytes)
            .map_err(|e| RunError::Tensors { path: self.path.clone(), message: e.to_string() })?;
        Ok(Tensors { path: &self.path, tensors })
    }
}

/// The tensors of a shard.
pub(super) struct Tensors<'a> {
    path: &'a Path,
    tensors: SafeTensors<'a>,
}

impl Tensors<'_> {
    /// What is kept of the record of a key.
    pub(super) fn of(&self, key: &str) -> Result<KeptAttention, RunError> {
        let heads = AttentionSummary { nmas: self.tables(key, "nmas")?, mass: self.tables(key, "mass")? };
        let attention = self.tables(key, "tokens")?;
        if attention == PerModality::default() {
            return Ok(KeptAttention { heads, tokens: None });
        }
        let words = |name: &str| -> Result<Option<Vec<u32>>, RunError> {
            let word = |b: &[u8]| u32::from_le_bytes([b[0], b[1], b[2], b[3]]);
            Ok(self.data(key, name, Dtype::U32, 1)?.map(|(_, data)| data.chunks_exact(4).map(word).collect()))
        };
        let marks = |name: &str| -> Result<Option<Vec<bool>>, RunError> {
            Ok(self.data(key, name, Dtype::U8, 1)?.map(|(_, data)| data.iter().map(|b| *b != 0).collect()))
        };
        let places = match (words("grid")?.as_deref(), words("numbers")?) {
            (Some(&[steps, rows, columns]), Some(numbers)) => Some(TokenPlaces {
                grid: [steps as usize, rows as usize, columns as usize],
                numbers,
                person: marks("person")?,
                face: marks("face")?,
            }),
            _ => None,
        };
        let importance = self.data(key, "importance", Dtype::F32, 1)?.map(|(_, data)| floats(data));
        Ok(KeptAttention { heads, tokens: Some(TokenMaps { attention, places, importance }) })
    }

    fn tables(&self, key: &str, name: &str) -> Result<PerModality<Option<Vec<Vec<f32>>>>, RunError> {
        let table = |m: Modality| {
            let found = self.data(key, &format!("{name}.{m}"), Dtype::F32, 2)?;
            Ok(found.map(|(width, data)| floats(data).chunks(width.max(1)).map(<[f32]>::to_vec).collect()))
        };
        Ok(PerModality {
            text: table(Modality::Text)?,
            audio: table(Modality::Audio)?,
            video: table(Modality::Video)?,
        })
    }

    /// The last dimension and the bytes of a tensor; `None` where there is none of the name.
    fn data(
        &self,
        key: &str,
        name: &str,
        dtype: Dtype,
        rank: usize,
    ) -> Result<Option<(usize, &[u8])>, RunError> {
        let name = format!("{key}.{name}");
        let Ok(tensor) = self.tensors.tensor(&name) else { return Ok(None) };
        let found = (tensor.dtype(), tensor.shape().len());
        if found != (dtype, rank) {
            let message =
                format!("{name} is {:?} of {} dimensions, expected {dtype:?} of {rank}", found.0, found.1);
            return Err(RunError::Tensors { path: self.path.to_owned(), message });
        }
        Ok(Some((tensor.shape().last().copied().unwrap_or(0), tensor.data())))
    }
}

fn floats(data: &[u8]) -> Vec<f32> {
    data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(seed: f32) -> KeptAttention {
        let table = |x: f32| Some(vec![vec![x, x + 1.0], vec![x + 2.0, x + 3.0], vec![x + 4.0, x + 5.0]]);
        let heads = AttentionSummary {
            nmas: PerModality { text: table(seed), audio: None, video: table(seed + 0.5) },
            mass: PerModality { text: table(seed * 2.0), audio: None, video: table(seed * 3.0) },
        };
        let tokens = TokenMaps {
            attention: PerModality { text: table(seed), audio: None, video: table(seed * 4.0) },
            places: Some(TokenPlaces {
                grid: [1, 2, 2],
                numbers: vec![0, 3],
                person: Some(vec![true, false]),
                face: None,
            }),
            importance: Some(vec![seed, 1.0 / seed]),
        };
        KeptAttention { heads, tokens: (seed > 1.5).then_some(tokens) }
    }

    fn read(path: &Path, key: &str) -> Result<KeptAttention, RunError> {
        Shard::read(path)?.tensors()?.of(key)
    }

    #[test]
    fn what_is_committed_is_read_by_key() {
        let folder = tempfile::tempdir().unwrap();
        let mut shards = TensorShards::open(folder.path()).unwrap();
        let first = shards.add("a", &kept(1.0)).unwrap();
        shards.commit().unwrap();
        assert_eq!(shards.add("b", &kept(2.0)).unwrap(), first);
        shards.commit().unwrap();
        let path = folder.path().join(&first);
        assert_eq!(read(&path, "a").unwrap(), kept(1.0));
        assert_eq!(read(&path, "b").unwrap(), kept(2.0));
        assert_eq!(read(&path, "c").unwrap(), KeptAttention::default());
        // A run that goes on leaves what is there alone.
        let mut later = TensorShards::open(folder.path()).unwrap();
        assert_ne!(later.add("d", &kept(3.0)).unwrap(), first);
    }

    #[test]
    fn a_damaged_shard_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("00001.safetensors");
        std::fs::write(&path, b"no tensors").unwrap();
        assert!(matches!(read(&path, "a"), Err(RunError::Tensors { .. })));
        // A tensor of another type than its name says.
        let odd = Stored { dtype: Dtype::U8, shape: vec![4], bytes: vec![0; 4] };
        let bytes = safetensors::serialize([("a.nmas.text", &odd)], None).unwrap();
        std::fs::write(&path, bytes).unwrap();
        let error = read(&path, "a").unwrap_err().to_string();
        assert!(error.contains("a.nmas.text"), "{error}");
    }
}
