//! Tensors of a checkpoint folder: memory-mapped shards, one view under normalised names, one complete complaint.
//!
//! A loader asks for each tensor by name and shape. Problems are collected, not thrown, so that a wrong checkpoint
//! gives one error that lists every missing, superfluous and misshapen tensor.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Shape, Tensor};
use emomm_kernels::{PackedWeight, Storage};
use memmap2::Mmap;
use safetensors::SafeTensors;
use safetensors::tensor::{Metadata, TensorInfo};

use crate::error::{ModelError, Result};

/// The safetensors format stores the length of its header in this many leading bytes.
const HEADER_LENGTH_BYTES: usize = 8;

/// All shards of a checkpoint, mapped but not read.
pub struct Weights {
    folder: PathBuf,
    shards: Vec<Shard>,
    /// Normalised tensor name → (shard, name in the file).
    names: BTreeMap<String, (usize, String)>,
    device: Device,
    /// In which type weights are kept where there is a choice.
    kept: DType,
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

/// Tensors drawn from a seeded generator, kept so that they can be saved.
struct Drawn {
    state: u64,
    tensors: BTreeMap<String, Tensor>,
}

struct Shard {
    map: Mmap,
    metadata: Metadata,
    data_start: usize,
}

impl Shard {
    fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| ModelError::io(path, e))?;
        #[expect(unsafe_code, reason = "mapping weights without copying them; the files are only read")]
        // SAFETY: the map is private to this process and read-only. As with every mapped file, truncating it from
        // outside while the process runs would fault; the documentation of `--model` says not to.
        let map = unsafe { Mmap::map(&file) }.map_err(|e| ModelError::io(path, e))?;
        let invalid = |e: safetensors::SafeTensorError| ModelError::Safetensors {
            path: path.to_owned(),
            message: e.to_string(),
        };
        let (header_len, metadata) = SafeTensors::read_metadata(&map).map_err(invalid)?;
        // `deserialize` checks that offsets are contiguous and that the buffer ends where the header says.
        SafeTensors::deserialize(&map).map_err(invalid)?;
        Ok(Self { map, metadata, data_start: HEADER_LENGTH_BYTES + header_len })
    }

    fn bytes(&self, info: &TensorInfo) -> &[u8] {
        &self.map[self.data_start + info.data_offsets.0..self.data_start + info.data_offsets.1]
    }
}

impl Weights {
    /// Maps every shard of `folder`. On the processor everything is computed in f32, and `dtype` is the type in which matrices
    /// are kept; f32 keeps those that are stored in two bytes as they are, since widening loses nothing. On other devices
    /// `dtype` is both. `normalise` maps a file's tensor name to the loader's name, or to `None` for a
    /// tensor that the loader does not want to see (another component of the same checkpoint).
    ///
    /// The shards are those of `model.safetensors.index.json` where it exists, else `model.safetensors`, else every
    /// `*.safetensors` file of the folder.
    pub fn open(
        folder: &Path,
        device: &Device,
        dtype: DType,
        normalise: impl Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        let weights = Self {
            folder: folder.to_owned(),
            shards: Vec::new(),
            names: BTreeMap::new(),
            device: device.clone(),
            kept: dtype,
            used: RefCell::default(),
            problems: RefCell::default(),
            checked: false,
            drawn: None,
        };
        weights.and_open(folder, normalise)
    }

    /// Maps the shards of another folder beside those that are there, for a model whose parts lie apart.
    pub fn and_open(mut self, folder: &Path, normalise: impl Fn(&str) -> Option<String>) -> Result<Self> {
        for path in shard_paths(folder)? {
            let shard = Shard::open(&path)?;
            let mut stored: Vec<String> = shard.metadata.tensors().keys().cloned().collect();
            stored.sort();
            for stored_name in stored {
                let Some(name) = normalise(&stored_name) else { continue };
                if self.names.insert(name.clone(), (self.shards.len(), stored_name)).is_some() {
                    self.problems.borrow_mut().push(format!("{name}: stored more than once"));
                }
            }
            self.shards.push(shard);
        }
        Ok(self)
    }

    /// Draws every tensor that a loader asks for: norms at one, everything else normal with variance 1 / fan-in.
    /// This makes an untrained model of any shape; [`Weights::into_drawn`] gives the tensors for saving.
    pub fn random(seed: u64) -> Self {
        Self {
            folder: PathBuf::new(),
            shards: Vec::new(),
            names: BTreeMap::new(),
            device: Device::Cpu,
            kept: DType::F32,
            used: RefCell::default(),
            problems: RefCell::default(),
            checked: true,
            drawn: Some(RefCell::new(Drawn { state: seed, tensors: BTreeMap::new() })),
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
        if matches!(self.device, Device::Cpu) { DType::F32 } else { self.kept }
    }

    /// The type in which a matrix is kept that is stored as `stored`.
    fn kept_type(&self, stored: DType) -> DType {
        match self.device {
            Device::Cpu if self.kept == DType::F32 => stored,
            _ => self.kept,
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
            Ok((shard, info)) if self.checked => Ok(load(shard, info, &self.device)?.to_dtype(self.dtype())?),
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
            && let Ok((shard, info)) = self.locate(name, &shape)
            && let Some(stored) = candle_dtype(info.dtype)
            && let (Some(from), Some(to)) = (storage(stored), storage(self.kept_type(stored)))
        {
            let packed = PackedWeight::from_bytes(shard.bytes(info), from, to, outputs, inputs);
            return Ok(StoredMatrix::Packed(packed));
        }
        let tensor = self.get(name, shape)?;
        if self.checked && matches!(self.device, Device::Cpu) {
            let packed = crate::cpu::with_numbers(&tensor, |w| PackedWeight::from_f32(w, outputs, inputs))?;
            return Ok(StoredMatrix::Packed(packed));
        }
        Ok(StoredMatrix::Tensor(tensor))
    }

    /// Reads a table of which single rows are looked up, in the type in which matrices are kept.
    pub(crate) fn table(&self, name: &str, rows: usize, columns: usize) -> Result<Tensor> {
        let shape = Shape::from((rows, columns));
        match self.locate(name, &shape) {
            Ok((shard, info)) if self.checked && self.drawn.is_none() => {
                let tensor = load(shard, info, &self.device)?;
                Ok(tensor.to_dtype(self.kept_type(tensor.dtype()))?)
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

    fn locate(&self, name: &str, shape: &Shape) -> Result<(&Shard, &TensorInfo), String> {
        let (shard, stored) =
            self.names.get(name).ok_or_else(|| format!("{name}: missing, expected {:?}", shape.dims()))?;
        let shard = &self.shards[*shard];
        let info =
            shard.metadata.info(stored).ok_or_else(|| format!("{name}: missing from the shard's header"))?;
        if info.shape != shape.dims() {
            return Err(format!("{name}: shape {:?}, expected {:?}", info.shape, shape.dims()));
        }
        if candle_dtype(info.dtype).is_none() {
            return Err(format!("{name}: type {:?}, expected F32, F16 or BF16", info.dtype));
        }
        Ok((shard, info))
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
        self.infos().map(bytes_of).sum()
    }

    /// Number of parameters, without reading them.
    pub fn parameters(&self) -> u64 {
        self.infos().map(parameters_of).sum()
    }

    /// Bytes that matrices take in the files.
    pub fn matrix_stored_bytes(&self) -> u64 {
        self.infos().filter(|info| is_matrix(info)).map(bytes_of).sum()
    }

    /// Number of parameters in matrices.
    pub fn matrix_parameters(&self) -> u64 {
        self.infos().filter(|info| is_matrix(info)).map(parameters_of).sum()
    }

    fn infos(&self) -> impl Iterator<Item = &TensorInfo> {
        self.names.values().filter_map(|(shard, stored)| self.shards[*shard].metadata.info(stored))
    }
}

fn bytes_of(info: &TensorInfo) -> u64 {
    (info.data_offsets.1 - info.data_offsets.0) as u64
}

fn parameters_of(info: &TensorInfo) -> u64 {
    info.shape.iter().map(|d| *d as u64).product()
}

/// Whether the tensor is one of those that are read as [`Weights::matrix`] or [`Weights::table`].
fn is_matrix(info: &TensorInfo) -> bool {
    info.shape.len() == 2
}

impl Drawn {
    fn draw(&mut self, name: &str, shape: &Shape) -> candle_core::Result<Tensor> {
        let is_norm = shape.rank() == 1 && name.ends_with(".weight");
        let tensor = if is_norm {
            Tensor::ones(shape, DType::F32, &Device::Cpu)?
        } else {
            let fan_in: usize = shape.dims().iter().skip(1).product::<usize>().max(1);
            let scale = if shape.rank() == 1 { 0.02 } else { 1.0 / (fan_in as f64).sqrt() };
            let values: Vec<f32> = (0..shape.elem_count()).map(|_| (self.normal() * scale) as f32).collect();
            Tensor::from_vec(values, shape, &Device::Cpu)?
        };
        self.tensors.insert(name.to_owned(), tensor.clone());
        Ok(tensor)
    }

    /// A standard normal number by Box and Muller's method.
    fn normal(&mut self) -> f64 {
        let (u, v) = (self.uniform(), self.uniform());
        (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }

    /// A number in [0, 1) by SplitMix64.
    fn uniform(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

fn load(shard: &Shard, info: &TensorInfo, device: &Device) -> Result<Tensor> {
    let dtype = candle_dtype(info.dtype).unwrap_or(DType::F32);
    Ok(Tensor::from_raw_buffer(shard.bytes(info), dtype, &info.shape, device)?)
}

fn storage(dtype: DType) -> Option<Storage> {
    match dtype {
        DType::F32 => Some(Storage::F32),
        DType::BF16 => Some(Storage::Bf16),
        DType::F16 => Some(Storage::F16),
        _ => None,
    }
}

fn candle_dtype(dtype: safetensors::Dtype) -> Option<DType> {
    match dtype {
        safetensors::Dtype::F32 => Some(DType::F32),
        safetensors::Dtype::F16 => Some(DType::F16),
        safetensors::Dtype::BF16 => Some(DType::BF16),
        _ => None,
    }
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
