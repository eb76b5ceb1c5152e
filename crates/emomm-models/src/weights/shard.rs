//! One file of a checkpoint, mapped into memory, with a table of what lies where in it.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use candle_core::quantized::{GgmlDType, ggml_file};
use candle_core::{DType, Device, Tensor};
use emomm_kernels::{BlockFormat, PackedWeight, Storage};
use memmap2::Mmap;
use safetensors::SafeTensors;

use super::gguf;
use crate::error::{ModelError, Result};

/// The safetensors format stores the length of its header in this many leading bytes.
const HEADER_LENGTH_BYTES: usize = 8;

/// A mapped file.
pub(super) struct Shard {
    map: Mmap,
    pub(super) tensors: BTreeMap<String, Entry>,
}

/// A tensor in a file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) shape: Vec<usize>,
    pub(super) kind: Kind,
    /// Where it begins and ends in the file.
    pub(super) start: usize,
    pub(super) end: usize,
}

/// How a tensor's numbers are stored.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// One by one.
    Single(DType),
    /// In blocks that the kernels take as they are.
    Blocks(BlockFormat),
    /// In blocks that the tensor engine widens.
    OtherBlocks(GgmlDType),
    /// In a way that no loader reads; its name.
    Unknown(String),
}

impl Shard {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| ModelError::io(path, e))?;
        #[expect(unsafe_code, reason = "mapping weights without copying them; the files are only read")]
        // SAFETY: the map is private to this process and read-only. As with every mapped file, truncating it from
        // outside while the process runs would fault; the documentation of `--model` says not to.
        let map = unsafe { Mmap::map(&file) }.map_err(|e| ModelError::io(path, e))?;
        let is_gguf = path.extension().is_some_and(|e| e == "gguf");
        let tensors = if is_gguf { gguf::read(path, &map)? } else { safetensors(path, &map)? };
        Ok(Self { map, tensors })
    }

    pub(super) fn bytes(&self, entry: &Entry) -> &[u8] {
        &self.map[entry.start..entry.end]
    }

    /// The tensor in the type in which it is stored; blocks are widened to f32.
    pub(super) fn tensor(&self, entry: &Entry, device: &Device) -> Result<Tensor> {
        let bytes = self.bytes(entry);
        let widened = match &entry.kind {
            Kind::Single(dtype) => {
                return Ok(Tensor::from_raw_buffer(bytes, *dtype, &entry.shape, device)?);
            }
            Kind::Blocks(BlockFormat::Q8_0) => GgmlDType::Q8_0,
            Kind::Blocks(BlockFormat::Q4K) => GgmlDType::Q4K,
            Kind::OtherBlocks(kind) => *kind,
            Kind::Unknown(name) => {
                return Err(candle_core::Error::Msg(format!("type {name} cannot be read")).into());
            }
        };
        let stored = ggml_file::qtensor_from_ggml(widened, bytes, entry.shape.clone(), &Device::Cpu)?;
        Ok(stored.dequantize(&Device::Cpu)?.to_device(device)?)
    }

    /// A matrix packed straight from the map, where its numbers are stored one by one or in blocks that the kernels take.
    pub(super) fn packed(&self, entry: &Entry, kept: impl Fn(DType) -> DType) -> Option<PackedWeight> {
        let [outputs, inputs] = entry.shape[..] else { return None };
        match &entry.kind {
            Kind::Single(stored) => {
                let (from, to) = (storage(*stored)?, storage(kept(*stored))?);
                Some(PackedWeight::from_bytes(self.bytes(entry), from, to, outputs, inputs))
            }
            Kind::Blocks(format) => {
                Some(PackedWeight::from_blocks(self.bytes(entry), *format, outputs, inputs))
            }
            Kind::OtherBlocks(_) | Kind::Unknown(_) => None,
        }
    }
}

fn safetensors(path: &Path, map: &[u8]) -> Result<BTreeMap<String, Entry>> {
    let invalid = |e: safetensors::SafeTensorError| ModelError::Safetensors {
        path: path.to_owned(),
        message: e.to_string(),
    };
    let (header_len, metadata) = SafeTensors::read_metadata(map).map_err(invalid)?;
    // `deserialize` checks that offsets are contiguous and that the buffer ends where the header says.
    SafeTensors::deserialize(map).map_err(invalid)?;
    let first = HEADER_LENGTH_BYTES + header_len;
    let entry = |info: &safetensors::tensor::TensorInfo| Entry {
        shape: info.shape.clone(),
        kind: match info.dtype {
            safetensors::Dtype::F32 => Kind::Single(DType::F32),
            safetensors::Dtype::F16 => Kind::Single(DType::F16),
            safetensors::Dtype::BF16 => Kind::Single(DType::BF16),
            other => Kind::Unknown(format!("{other:?}")),
        },
        start: first + info.data_offsets.0,
        end: first + info.data_offsets.1,
    };
    Ok(metadata.tensors().into_iter().map(|(name, info)| (name, entry(info))).collect())
}

fn storage(dtype: DType) -> Option<Storage> {
    match dtype {
        DType::F32 => Some(Storage::F32),
        DType::BF16 => Some(Storage::Bf16),
        DType::F16 => Some(Storage::F16),
        _ => None,
    }
}
