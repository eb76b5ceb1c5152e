//! What the decoder's hot path needs on the processor and a general tensor engine does not give: products with weights
//! that were packed once and may be stored in two bytes or a few bits a number, causal attention without an attention matrix, both also
//! backwards, and the element-wise steps between them.
//!
//! Plain slices in, plain slices out; the only crate with unsafe code. Vector instructions are chosen when the program
//! runs ([`Isa::best`]); the results of two instruction sets differ by the rounding of fused products alone. Work is
//! spread over rayon's threads, and no result depends on their number: each number is summed by one thread in one order.

mod attention;
mod blocks;
mod elementwise;
mod gemm;
mod isa;
mod pack;
mod tile;

pub use attention::{Attended, AttentionShape, Gradients, Heads, Segment, attend, attend_backward};
pub use blocks::BlockFormat;
pub use elementwise::{
    RmsNormRows, add_into, gelu, rms_norm, rms_norm_backward, rotate, rotate_back, swiglu, swiglu_backward,
};
pub use gemm::Output;
pub use isa::Isa;
pub use pack::{PackedWeight, Storage};
