//! The head of a GGUF file (versions 2 and 3): what tensors it holds, of which type, where.
//!
//! A decoder that was quantised by llama.cpp's tools is read under the names of the Hugging Face layout. Nothing is trusted:
//! every length is compared with what is left of the file before anything is read or reserved.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::DType;
use candle_core::quantized::GgmlDType;
use emomm_kernels::BlockFormat;

use super::shard::{Entry, Kind};
use crate::error::{ModelError, Result};

const MAGIC: &[u8] = b"GGUF";
/// Tensors begin at multiples of this, where the file does not name another number.
const ALIGNMENT: u64 = 32;
/// The types of metadata that have a length of their own.
const STRING: u32 = 8;
const ARRAY: u32 = 9;
/// Arrays in arrays; no known file has any.
const DEEPEST: usize = 4;
/// Architectures whose matrices are those of the Hugging Face layout: the converter turns none of them around.
const ARCHITECTURES: [&str; 3] = ["qwen2", "qwen2vl", "qwen3"];
/// Names of parts: in the file, in the Hugging Face layout.
const PARTS: [(&str, &str); 12] = [
    ("attn_norm", "input_layernorm"),
    ("ffn_norm", "post_attention_layernorm"),
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("attn_q_norm", "self_attn.q_norm"),
    ("attn_k_norm", "self_attn.k_norm"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
    ("rope_freqs", "rope_freqs"),
];

/// The tensors of a file by their names in the Hugging Face layout.
///
/// # Errors
/// [`ModelError::Gguf`] where the file is cut off, has another layout, or holds another architecture.
pub(super) fn read(path: &Path, file: &[u8]) -> Result<BTreeMap<String, Entry>> {
    parse(file).map_err(|message| ModelError::Gguf { path: path.to_owned(), message })
}

fn parse(file: &[u8]) -> Result<BTreeMap<String, Entry>, String> {
    let mut head = Head { file, at: 0 };
    if head.take(4)? != MAGIC {
        return Err("it does not begin with `GGUF`".to_owned());
    }
    let version = head.u32()?;
    if !(2..=3).contains(&version) {
        return Err(format!("version {version}, expected 2 or 3"));
    }
    let (n_tensors, n_values) = (head.u64()?, head.u64()?);
    let mut alignment = ALIGNMENT;
    let mut architecture = None;
    for _ in 0..n_values {
        let key = head.string()?;
        let kind = head.u32()?;
        match (key, kind) {
            ("general.architecture", STRING) => architecture = Some(head.string()?),
            ("general.alignment", 4) => alignment = u64::from(head.u32()?),
            _ => head.skip_value(kind, 0)?,
        }
    }
    if !architecture.is_some_and(|a| ARCHITECTURES.contains(&a)) {
        let found = architecture.unwrap_or("none");
        return Err(format!("architecture `{found}`, expected one of {}", ARCHITECTURES.join(", ")));
    }
    if alignment == 0 {
        return Err("`general.alignment` is 0".to_owned());
    }
    let mut heads = Vec::new();
    for _ in 0..n_tensors {
        heads.push(head.tensor()?);
    }
    let first = (head.at as u64).next_multiple_of(alignment);
    let mut tensors = BTreeMap::new();
    for TensorHead { name, shape, kind, offset } in heads {
        let end_of_name = || format!("tensor `{name}` of shape {shape:?} ends behind the file's end");
        let numbers =
            shape.iter().try_fold(1_u64, |n, d| n.checked_mul(*d as u64)).ok_or_else(end_of_name)?;
        let (block, bytes) = kind.block();
        if shape.last().is_none_or(|d| !(*d as u64).is_multiple_of(block)) {
            return Err(format!("tensor `{name}` of shape {shape:?} has no whole blocks of {block}"));
        }
        let length = (numbers / block).checked_mul(bytes).ok_or_else(end_of_name)?;
        let start = first.checked_add(offset).ok_or_else(end_of_name)?;
        let end = start.checked_add(length).filter(|e| *e <= file.len() as u64).ok_or_else(end_of_name)?;
        let kind = kind.kind();
        let entry = Entry { shape, kind, start: start as usize, end: end as usize };
        if tensors.insert(renamed(name), entry).is_some() {
            return Err(format!("tensor `{name}` is there twice"));
        }
    }
    Ok(tensors)
}

/// The name in the Hugging Face layout; unknown names stay, and are refused later.
fn renamed(name: &str) -> String {
    let (base, end) = name.rsplit_once('.').unwrap_or((name, ""));
    let whole = match base {
        "token_embd" => Some("model.embed_tokens".to_owned()),
        "output_norm" => Some("model.norm".to_owned()),
        "output" => Some("lm_head".to_owned()),
        _ => base.strip_prefix("blk.").and_then(|rest| {
            let (layer, part) = rest.split_once('.')?;
            let (_, ours) = PARTS.iter().find(|(theirs, _)| *theirs == part)?;
            Some(format!("model.layers.{layer}.{ours}"))
        }),
    };
    whole.map_or_else(|| name.to_owned(), |base| format!("{base}.{end}"))
}

struct TensorHead<'f> {
    name: &'f str,
    shape: Vec<usize>,
    kind: TensorKind,
    offset: u64,
}

/// A type of numbers by its number in the format.
#[derive(Clone, Copy)]
enum TensorKind {
    Single(DType),
    Blocks(GgmlDType),
}

impl TensorKind {
    fn of(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::Single(DType::F32),
            1 => Self::Single(DType::F16),
            30 => Self::Single(DType::BF16),
            2 => Self::Blocks(GgmlDType::Q4_0),
            3 => Self::Blocks(GgmlDType::Q4_1),
            6 => Self::Blocks(GgmlDType::Q5_0),
            7 => Self::Blocks(GgmlDType::Q5_1),
            8 => Self::Blocks(GgmlDType::Q8_0),
            10 => Self::Blocks(GgmlDType::Q2K),
            11 => Self::Blocks(GgmlDType::Q3K),
            12 => Self::Blocks(GgmlDType::Q4K),
            13 => Self::Blocks(GgmlDType::Q5K),
            14 => Self::Blocks(GgmlDType::Q6K),
            _ => return None,
        })
    }

    /// Numbers and bytes of a block.
    fn block(self) -> (u64, u64) {
        match self {
            Self::Single(dtype) => (1, dtype.size_in_bytes() as u64),
            Self::Blocks(kind) => (kind.block_size() as u64, kind.type_size() as u64),
        }
    }

    fn kind(self) -> Kind {
        match self {
            Self::Single(dtype) => Kind::Single(dtype),
            Self::Blocks(GgmlDType::Q8_0) => Kind::Blocks(BlockFormat::Q8_0),
            Self::Blocks(GgmlDType::Q4K) => Kind::Blocks(BlockFormat::Q4K),
            Self::Blocks(other) => Kind::OtherBlocks(other),
        }
    }
}

/// Reads on from a place, and says where the file ends too early.
struct Head<'f> {
    file: &'f [u8],
    at: usize,
}

impl<'f> Head<'f> {
    fn take(&mut self, count: u64) -> Result<&'f [u8], String> {
        let left = &self.file[self.at..];
        let taken = usize::try_from(count).ok().and_then(|n| left.get(..n));
        let taken = taken
            .ok_or_else(|| format!("byte {}: {count} bytes expected, {} are left", self.at, left.len()))?;
        self.at += taken.len();
        Ok(taken)
    }

    fn u32(&mut self) -> Result<u32, String> {
        Ok(self.take(4)?.iter().rev().fold(0, |n, b| n << 8 | u32::from(*b)))
    }

    fn u64(&mut self) -> Result<u64, String> {
        Ok(self.take(8)?.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)))
    }

    fn string(&mut self) -> Result<&'f str, String> {
        let at = self.at;
        let length = self.u64()?;
        std::str::from_utf8(self.take(length)?).map_err(|_| format!("byte {at}: a name that is not UTF-8"))
    }

    fn skip_value(&mut self, kind: u32, depth: usize) -> Result<(), String> {
        let size = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            10..=12 => 8,
            STRING => self.u64()?,
            ARRAY if depth < DEEPEST => {
                let (kind, count) = (self.u32()?, self.u64()?);
                for _ in 0..count {
                    self.skip_value(kind, depth + 1)?;
                }
                return Ok(());
            }
            _ => return Err(format!("byte {}: metadata of type {kind}", self.at)),
        };
        self.take(size).map(drop)
    }

    fn tensor(&mut self) -> Result<TensorHead<'f>, String> {
        let name = self.string()?;
        let dimensions = self.u32()?;
        if dimensions == 0 || dimensions > 4 {
            return Err(format!("tensor `{name}` has {dimensions} dimensions, expected 1 to 4"));
        }
        let mut shape = Vec::new();
        for _ in 0..dimensions {
            let size = self.u64()?;
            shape.push(usize::try_from(size).map_err(|_| format!("tensor `{name}` has a side of {size}"))?);
        }
        // The innermost comes first in the file.
        shape.reverse();
        let number = self.u32()?;
        let kind = TensorKind::of(number)
            .ok_or_else(|| format!("tensor `{name}` has type {number}, which is not known"))?;
        Ok(TensorHead { name, shape, kind, offset: self.u64()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn golden() -> Vec<u8> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/gguf/decoder.gguf");
        std::fs::read(path).unwrap()
    }

    #[test]
    fn names_shapes_and_types_are_read() {
        let tensors = parse(&golden()).unwrap();
        assert_eq!(tensors.len(), 3 + 4 * 12);
        let gate = &tensors["model.layers.0.mlp.gate_proj.weight"];
        assert_eq!(gate.shape, [96, 64]);
        assert_eq!(tensors["model.norm.weight"].kind, Kind::Single(DType::F32));
        let kinds = |kind: &Kind| tensors.values().filter(|e| e.kind == *kind).count();
        assert!(kinds(&Kind::Blocks(BlockFormat::Q8_0)) > 0);
        assert!(kinds(&Kind::OtherBlocks(GgmlDType::Q5_0)) > 0);
    }

    #[test]
    fn a_file_that_is_cut_off_anywhere_is_refused() {
        let whole = golden();
        let head = parse(&whole).unwrap().values().map(|e| e.start).min().unwrap();
        for length in (0..head).step_by(7).chain([head, whole.len() - 33]) {
            assert!(parse(&whole[..length]).is_err(), "{length} bytes");
        }
    }

    /// Single bytes of the head set to all ones: an error or other names, but no panic and no endless loop.
    #[test]
    fn a_damaged_head_never_panics() {
        let whole = golden();
        let head = parse(&whole).unwrap().values().map(|e| e.start).min().unwrap();
        for at in 0..head {
            let mut damaged = whole.clone();
            damaged[at] = 0xff;
            let _ = parse(&damaged);
        }
    }

    #[test]
    fn another_architecture_is_refused() {
        let mut file = golden();
        let at = file.windows(7).position(|w| w == b"qwen2vl").unwrap();
        file[at..at + 7].copy_from_slice(b"llama32");
        assert!(parse(&file).unwrap_err().contains("llama32"));
    }
}
