//! Tensors of a checkpoint folder: memory-mapped shards, one view under normalised names, one complete complaint.
//!
//! A loader asks for each tensor by name and shape. Problems are collected, not thrown, so that a wrong checkpoint
//! gives one error that lists every missing, superfluous and misshapen tensor.
//!
//! The decoder's matrices may be kept in blocks of a few bits: asked for by [`Kept::Blocks`], or found in a GGUF file.

mod drawn;
mod gguf;
mod quantise;
mod shard;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Shape, Tensor};
use drawn::Drawn;
use emomm_kernels::{BlockFormat, PackedWeight};
use half::f16;
use shard::{Entry, Kind, Shard};

use crate::error::{ModelError, Result};

/// A file of this name in a checkpoint folder holds the decoder, whatever the folder's safetensors files hold of it.
pub const GGUF_DECODER: &str = "decoder.gguf";
/// Names of the decoder's tensors begin so.
const DECODER: [&str; 2] = ["model.", "lm_head."];
/// And those of its layers so.
const LAYERS: &str = "model.layers.";

/// How weights are kept in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// One by one.
    As(DType),
    /// The decoder's matrices in blocks, everything else as with [`DType::F32`]. On the processor alone.
    Blocks(BlockFormat),
}

impl From<DType> for Kept {
    fn from(dtype: DType) -> Self {
        Self::As(dtype)
    }
}

impl Kept {
    /// The type of what is not kept in blocks.
    fn dtype(self) -> DType {
        match self {
            Self::As(dtype) => dtype,
            Self::Blocks(_) => DType::F32,
        }
    }

    /// In which blocks a matrix is kept that is stored otherwise, if in any. What turns tokens into states and states into
    /// logits keeps 8 bits: it is read once a row, and errors there are not averaged by later layers.
    fn blocks(self, name: &str, inputs: usize) -> Option<BlockFormat> {
        let Self::Blocks(format) = self else { return None };
        let is_whole = inputs.is_multiple_of(BlockFormat::Q8_0.numbers());
        if !is_whole || !is_decoder(name) {
            return None;
        }
        Some(if name.starts_with(LAYERS) { format } else { BlockFormat::Q8_0 })
    }
}

fn is_decoder(name: &str) -> bool {
    DECODER.iter().any(|d| name.starts_with(d))
}

/// All shards of a checkpoint, mapped but not read.
pub struct Weights {
    folder: PathBuf,
    shards: Vec<Shard>,
    /// Normalised tensor name → (shard, name in the file).
    names: BTreeMap<String, (usize, String)>,
    device: Device,
    /// In which type weights are kept where there is a choice.
    kept: Kept,
    used: RefCell<BTreeSet<String>>,
    problems: RefCell<Vec<String>>,
    /// Whether names and shapes were checked; before that, [`Weights::get`] reads nothing.
    checked: bool,
    /// Set when tensors are drawn instead of read.
    drawn: Option<RefCell<Drawn>>,
}

/// A matrix as a linear layer takes it.
pub(crate) enum StoredMatrix {
    /// Packed for the processor's kernels.
    Packed(PackedWeight),
    /// For the tensor engine, or not read yet.
    Tensor(Tensor),
}

impl Weights {
    /// Maps every shard of `folder`. On the processor everything is computed in f32, and `dtype` is the type in which matrices
    /// are kept; f32 keeps those that are stored in two bytes as they are, since widening loses nothing. On other devices
    /// `dtype` is both. `normalise` maps a file's tensor name to the loader's name, or to `None` for a
    /// tensor that the loader does not want to see (another component of the same checkpoint).
    ///
    /// The shards are those of `model.safetensors.index.json` where it exists, else `model.safetensors`, else every
    /// `*.safetensors` file of the folder. If there is a file [`GGUF_DECODER`], the decoder is read from it, and what the
    /// shards hold of the decoder is not looked at. Its matrices stay in the blocks in which they are stored, if these are of a
    /// [`BlockFormat`]; other blocks become f16.
    ///
    /// # Errors
    /// Blocks are asked for on another device than the processor; a file cannot be read or is damaged.
    pub fn open(
        folder: &Path,
        device: &Device,
        kept: impl Into<Kept>,
        normalise: impl Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        let kept = kept.into();
        if matches!(kept, Kept::Blocks(_)) && !matches!(device, Device::Cpu) {
            return Err(ModelError::request(
                "weights in blocks of a few bits are for the processor alone",
                "compute on --device cpu, or keep the weights in bf16 or f16",
            ));
        }
        let mut weights = Self {
            folder: folder.to_owned(),
            shards: Vec::new(),
            names: BTreeMap::new(),
            device: device.clone(),
            kept,
            used: RefCell::default(),
            problems: RefCell::default(),
            checked: false,
            drawn: None,
        };
        weights = weights.and_open(folder, normalise)?;
        let decoder = folder.join(GGUF_DECODER);
        if decoder.is_file() {
            weights.names.retain(|name, _| !is_decoder(name));
            weights.add(Shard::open(&decoder)?, |name| Some(name.to_owned()));
        }
        Ok(weights)
    }

    /// Maps the shards of another folder beside those that are there, for a model whose parts lie apart.
    pub fn and_open(mut self, folder: &Path, normalise: impl Fn(&str) -> Option<String>) -> Result<Self> {
        for path in shard_paths(folder)? {
            self.add(Shard::open(&path)?, &normalise);
        }
        Ok(self)
    }

    fn add(&mut self, shard: Shard, normalise: impl Fn(&str) -> Option<String>) {
        for stored_name in shard.tensors.keys() {
            let Some(name) = normalise(stored_name) else { continue };
            if self.names.insert(name.clone(), (self.shards.len(), stored_name.clone())).is_some() {
                self.problems.borrow_mut().push(format!("{name}: stored more than once"));
            }
        }
        self.shards.push(shard);
    }

    /// Draws every tensor that a loader asks for: norms at one, everything else normal with variance 1 / fan-in.
    /// This makes an untrained model of any shape; [`Weights::into_drawn`] gives the tensors for saving.
    pub fn random(seed: u64) -> Self {
        Self {
            folder: PathBuf::new(),
            shards: Vec::new(),
            names: BTreeMap::new(),
            device: Device::Cpu,
            kept: Kept::As(DType::F32),
            used: RefCell::default(),
            problems: RefCell::default(),
            checked: true,
            drawn: Some(RefCell::new(Drawn::new(seed))),
        }
    }

    /// The tensors that were drawn, by name.
    pub fn into_drawn(self) -> BTreeMap<String, Tensor> {
        self.drawn.map(|d| d.into_inner().tensors).unwrap_or_default()
    }

    /// The device on which tensors are loaded.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The type of activations, and of tensors that are not matrices.
    pub fn dtype(&self) -> DType {
        if matches!(self.device, Device::Cpu) { DType::F32 } else { self.kept.dtype() }
    }

    /// The type in which a matrix is kept that is stored as `stored`.
    fn kept_type(&self, stored: DType) -> DType {
        match self.device {
            Device::Cpu if self.kept.dtype() == DType::F32 => stored,
            _ => self.kept.dtype(),
        }
    }

    /// Whether a tensor of this name exists.
    pub fn contains(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    /// Reads one tensor, converted to the compute type.
    ///
    /// Before [`Weights::check`] nothing is read: a missing or misshapen tensor is noted, and every tensor is replaced by
    /// zeros that take no memory.
    pub fn get(&self, name: &str, shape: impl Into<Shape>) -> Result<Tensor> {
        let shape = shape.into();
        if let Some(drawn) = &self.drawn {
            return Ok(drawn.borrow_mut().draw(name, &shape)?);
        }
        self.used.borrow_mut().insert(name.to_owned());
        match self.locate(name, &shape) {
            Ok((shard, entry)) if self.checked => {
                Ok(shard.tensor(entry, &self.device)?.to_dtype(self.dtype())?)
            }
            Ok(_) => Ok(self.placeholder(shape)?),
            Err(problem) => {
                self.problems.borrow_mut().push(problem);
                Ok(self.placeholder(shape)?)
            }
        }
    }

    /// Reads one matrix for products, as [`Weights::get`] does; on the processor it is packed straight from the file.
    pub(crate) fn matrix(&self, name: &str, outputs: usize, inputs: usize) -> Result<StoredMatrix> {
        let shape = Shape::from((outputs, inputs));
        if self.checked
            && self.drawn.is_none()
            && matches!(self.device, Device::Cpu)
            && let Ok((shard, entry)) = self.locate(name, &shape)
        {
            if let (Some(format), Kind::Single(_)) = (self.kept.blocks(name, inputs), &entry.kind) {
                let numbers = shard.tensor(entry, &Device::Cpu)?.to_dtype(DType::F32)?;
                return Ok(StoredMatrix::Packed(quantise::packed(&numbers, format)?));
            }
            if let Some(packed) = shard.packed(entry, |stored| self.kept_type(stored)) {
                return Ok(StoredMatrix::Packed(packed));
            }
            let numbers = crate::cpu::numbers(&shard.tensor(entry, &Device::Cpu)?)?;
            let numbers: Vec<f16> = numbers.into_iter().map(f16::from_f32).collect();
            return Ok(StoredMatrix::Packed(PackedWeight::from_f16(&numbers, outputs, inputs)));
        }
        let tensor = self.get(name, shape)?;
        if self.checked && matches!(self.device, Device::Cpu) {
            let packed = crate::cpu::with_numbers(&tensor, |w| PackedWeight::from_f32(w, outputs, inputs))?;
            return Ok(StoredMatrix::Packed(packed));
        }
        Ok(StoredMatrix::Tensor(tensor))
    }

    /// Whether [`Weights::matrix`] would give this matrix in blocks.
    pub(crate) fn is_in_blocks(&self, name: &str, rows: usize, columns: usize) -> bool {
        let found = self.locate(name, &Shape::from((rows, columns)));
        let stored = found.is_ok_and(|(_, entry)| matches!(entry.kind, Kind::Blocks(_)));
        matches!(self.device, Device::Cpu) && (stored || self.kept.blocks(name, columns).is_some())
    }

    /// Reads a table of which single rows are looked up, in the type in which matrices are kept.
    pub(crate) fn table(&self, name: &str, rows: usize, columns: usize) -> Result<Tensor> {
        let shape = Shape::from((rows, columns));
        match self.locate(name, &shape) {
            Ok((shard, entry)) if self.checked && self.drawn.is_none() => {
                let kept = match entry.kind {
                    Kind::Single(stored) => self.kept_type(stored),
                    _ => self.kept_type(DType::F16),
                };
                Ok(shard.tensor(entry, &self.device)?.to_dtype(kept)?)
            }
            _ => self.get(name, shape),
        }
    }

    /// Reads one tensor that is stored under another shape of as many elements.
    pub fn get_reshaped(
        &self,
        name: &str,
        stored: impl Into<Shape>,
        shape: impl Into<Shape>,
    ) -> Result<Tensor> {
        let tensor = self.get(name, stored)?;
        // Reshaping a placeholder would write it out.
        let unread = !self.checked;
        Ok(if unread { self.placeholder(shape.into())? } else { tensor.reshape(shape.into())? })
    }

    fn placeholder(&self, shape: Shape) -> candle_core::Result<Tensor> {
        Tensor::zeros((), self.dtype(), &self.device)?.broadcast_as(shape)
    }

    fn locate(&self, name: &str, shape: &Shape) -> Result<(&Shard, &Entry), String> {
        let (shard, stored) =
            self.names.get(name).ok_or_else(|| format!("{name}: missing, expected {:?}", shape.dims()))?;
        let shard = &self.shards[*shard];
        let entry =
            shard.tensors.get(stored).ok_or_else(|| format!("{name}: missing from the shard's header"))?;
        if entry.shape != shape.dims() {
            return Err(format!("{name}: shape {:?}, expected {:?}", entry.shape, shape.dims()));
        }
        if let Kind::Unknown(found) = &entry.kind {
            return Err(format!("{name}: type {found}, expected F32, F16 or BF16"));
        }
        Ok((shard, entry))
    }

    /// Declares a tensor that the checkpoint may hold but that the model does not use.
    pub fn skip(&self, name: &str) {
        self.used.borrow_mut().insert(name.to_owned());
    }

    /// Ends the first pass of a loader: an error if anything was missing, misshapen or left over. The same loader then
    /// reads the tensors in a second pass.
    pub fn check(mut self) -> Result<Self> {
        let used = self.used.take();
        let mut problems = self.problems.take();
        problems.extend(
            self.names.keys().filter(|n| !used.contains(*n)).map(|n| format!("{n}: not part of this model")),
        );
        if problems.is_empty() {
            self.checked = true;
            return Ok(self);
        }
        problems.sort();
        Err(ModelError::Weights { path: self.folder, problems })
    }

    /// Bytes that the tensors take in the files, by normalised name, without reading them.
    pub fn stored_bytes(&self) -> u64 {
        self.entries().map(|(_, e)| (e.end - e.start) as u64).sum()
    }

    /// Number of parameters, without reading them.
    pub fn parameters(&self) -> u64 {
        self.entries().map(|(_, e)| numbers_of(e)).sum()
    }

    /// Bytes that matrices take in the files.
    pub fn matrix_stored_bytes(&self) -> u64 {
        self.matrices(|_| true).map(|e| (e.end - e.start) as u64).sum()
    }

    /// Number of parameters in matrices.
    pub fn matrix_parameters(&self) -> u64 {
        self.matrices(|_| true).map(numbers_of).sum()
    }

    /// Number of parameters in the matrices of the decoder's layers.
    pub fn layer_parameters(&self) -> u64 {
        self.matrices(|name| name.starts_with(LAYERS)).map(numbers_of).sum()
    }

    /// Number of parameters in the decoder's matrices.
    pub fn decoder_parameters(&self) -> u64 {
        self.matrices(is_decoder).map(numbers_of).sum()
    }

    /// Bytes that the decoder's matrices take in the files.
    pub fn decoder_stored_bytes(&self) -> u64 {
        self.matrices(is_decoder).map(|e| (e.end - e.start) as u64).sum()
    }

    /// The tensors that are read as [`Weights::matrix`] or [`Weights::table`].
    fn matrices(&self, of: impl Fn(&str) -> bool) -> impl Iterator<Item = &Entry> {
        self.entries().filter(move |(name, e)| e.shape.len() == 2 && of(name)).map(|(_, e)| e)
    }

    fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.names.iter().filter_map(|(name, (shard, stored))| {
            self.shards[*shard].tensors.get(stored).map(|entry| (name.as_str(), entry))
        })
    }
}

fn numbers_of(entry: &Entry) -> u64 {
    entry.shape.iter().map(|d| *d as u64).product()
}

/// The safetensors files of a checkpoint folder, in a stable order.
pub(crate) fn shard_paths(folder: &Path) -> Result<Vec<PathBuf>> {
    let index = folder.join("model.safetensors.index.json");
    if index.is_file() {
        return indexed_shards(folder, &index);
    }
    let single = folder.join("model.safetensors");
    if single.is_file() {
        return Ok(vec![single]);
    }
    let entries = std::fs::read_dir(folder).map_err(|e| ModelError::io(folder, e))?;
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter(|p| p.extension().is_some_and(|e| e == "safetensors"))
        .collect();
    paths.sort();
    if paths.is_empty() {
        let missing =
            std::io::Error::new(std::io::ErrorKind::NotFound, "no *.safetensors file in this folder");
        return Err(ModelError::io(folder, missing));
    }
    Ok(paths)
}

fn indexed_shards(folder: &Path, index: &Path) -> Result<Vec<PathBuf>> {
    let text = std::fs::read_to_string(index).map_err(|e| ModelError::io(index, e))?;
    let json: serde_json::Value =
        serde_json::from_str(&text).map_err(|e| ModelError::config(index, e.to_string()))?;
    let map = json.get("weight_map").and_then(serde_json::Value::as_object).ok_or_else(|| {
        ModelError::config(index, "no object `weight_map`, expected tensor name → file name")
    })?;
    let mut files = BTreeSet::new();
    for (tensor, file) in map {
        let name = file
            .as_str()
            .filter(|f| Path::new(f).components().count() == 1 && !f.starts_with('.'))
            .ok_or_else(|| {
                ModelError::config(index, format!("`weight_map`: {tensor} → {file}, expected a file name"))
            })?;
        files.insert(folder.join(name));
    }
    Ok(files.into_iter().collect())
}
