//! The way from tensors to plain slices and back, for what the processor computes with its own kernels.
//!
//! A tensor takes this way if it lies on the processor and is f32; every other one takes the tensor engine's.

use std::ops::{Deref, Range};

use candle_core::{CpuStorage, DType, Device, Result, Storage, Tensor};
use emomm_kernels::{AttentionShape, Heads, Isa, Segment};

/// Name of the vector instructions that this process uses on the processor.
pub fn instructions() -> &'static str {
    Isa::best().name()
}

/// Whether a tensor's numbers can be handed to the kernels.
pub(crate) fn takes(x: &Tensor) -> bool {
    x.dtype() == DType::F32 && matches!(x.device(), Device::Cpu)
}

/// The numbers of an f32 tensor on the processor, borrowed.
pub(crate) struct Numbers<'a> {
    /// The engine's lock.
    storage: Box<dyn Deref<Target = Storage> + 'a>,
    range: Range<usize>,
}

impl<'a> Numbers<'a> {
    /// Fails for a tensor that lies elsewhere, has another type or is not contiguous.
    pub(crate) fn of(x: &'a Tensor) -> Result<Self> {
        let (storage, layout) = x.storage_and_layout();
        let (Storage::Cpu(CpuStorage::F32(_)), Some((start, end))) = (&*storage, layout.contiguous_offsets())
        else {
            candle_core::bail!("{layout:?} of {:?}, expected contiguous f32 on the processor", x.dtype());
        };
        Ok(Self { range: start..end, storage: Box::new(storage) })
    }
}

impl Deref for Numbers<'_> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match &**self.storage {
            Storage::Cpu(CpuStorage::F32(numbers)) => &numbers[self.range.clone()],
            // `of` has seen that it is f32.
            _ => &[],
        }
    }
}

/// Calls `f` with the numbers of an f32 tensor on the processor, in the order of its shape.
pub(crate) fn with_numbers<R>(x: &Tensor, f: impl FnOnce(&[f32]) -> R) -> Result<R> {
    Ok(f(&Numbers::of(&x.contiguous()?)?))
}

/// The numbers of an f32 tensor on the processor, copied.
pub(crate) fn numbers(x: &Tensor) -> Result<Vec<f32>> {
    with_numbers(x, <[f32]>::to_vec)
}

/// `silu(gate) · up`.
pub(crate) fn gated(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    if !takes(gate) {
        return gate.silu()? * up;
    }
    let mut out = numbers(gate)?;
    with_numbers(up, |up| emomm_kernels::swiglu(Isa::best(), &mut out, up))?;
    Tensor::from_vec(out, gate.shape(), gate.device())
}

/// `x Φ(x)`.
pub(crate) fn gelu(x: &Tensor) -> Result<Tensor> {
    if !takes(x) {
        return x.gelu_erf();
    }
    let mut out = numbers(x)?;
    emomm_kernels::gelu(Isa::best(), &mut out);
    Tensor::from_vec(out, x.shape(), x.device())
}

/// Attention of rows to rows; a segment names queries and the keys that they see.
///
/// # Shapes
/// `q, k, v [tokens, heads, dim]`, f32 on the processor → `[tokens, heads · dim]`
pub(crate) fn attend_segments(
    qkv: [&Tensor; 3],
    scale: f64,
    segments: &[(Range<usize>, Range<usize>)],
) -> Result<Tensor> {
    let [q, k, v] = qkv;
    let (tokens, heads, dim) = q.dims3()?;
    let shape = AttentionShape { heads, kv_heads: heads, dim, scale: scale as f32 };
    let segments: Vec<Segment> = segments
        .iter()
        .map(|(queries, keys)| Segment { queries: queries.clone(), keys: keys.clone(), causal: false })
        .collect();
    let mut out = vec![0.0; tokens * heads * dim];
    let contiguous = [q.contiguous()?, k.contiguous()?, v.contiguous()?];
    let [q_numbers, k_numbers, v_numbers] = contiguous.each_ref().map(Numbers::of);
    let (q_numbers, k_numbers, v_numbers) = (q_numbers?, k_numbers?, v_numbers?);
    let [q_heads, k_heads, v_heads] =
        [&*q_numbers, &*k_numbers, &*v_numbers].map(|x| Heads::by_token(x, heads, dim));
    emomm_kernels::attend(Isa::best(), shape, q_heads, k_heads, v_heads, &segments, &mut out, None);
    Tensor::from_vec(out, (tokens, heads * dim), q.device())
}
