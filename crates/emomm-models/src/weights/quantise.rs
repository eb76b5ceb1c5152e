//! From numbers to blocks, when a checkpoint is loaded. The tensor engine knows ggml's ways of choosing scales.

use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Result, Tensor};
use emomm_kernels::{BlockFormat, PackedWeight};

/// A matrix in blocks. Where the inputs do not fill the last block of a row, it is filled with zeros, which are not kept.
///
/// # Shapes
/// `matrix [outputs, inputs]`, f32 on the processor; `inputs` a multiple of 32
pub(super) fn packed(matrix: &Tensor, format: BlockFormat) -> Result<PackedWeight> {
    let (outputs, inputs) = matrix.dims2()?;
    let kind = match format {
        BlockFormat::Q8_0 => GgmlDType::Q8_0,
        BlockFormat::Q4K => GgmlDType::Q4K,
    };
    let whole = inputs.next_multiple_of(format.numbers());
    let filled = matrix.pad_with_zeros(1, 0, whole - inputs)?;
    let blocks = QTensor::quantize(&filled, kind)?;
    Ok(PackedWeight::from_blocks(&blocks.data()?, format, outputs, inputs))
}
