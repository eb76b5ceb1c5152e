//! Weights of a few bits in blocks with scales of their own, as GGUF files hold them, rearranged into panels.
//!
//! A block lies along the inputs of one output. Panels keep the numbers of 32 outputs side by side, so that 32 inputs are
//! widened by steps that each write 32 neighbouring numbers. Nothing is rounded again: scales and numbers are those of the file.

use half::f16;
use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;

use crate::isa::{Isa, dispatch};
use crate::tile::PANEL;

/// How numbers are held in blocks. The names are those of ggml.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockFormat {
    /// 32 numbers of 8 bits and a scale in f16: 8.5 bits for each.
    Q8_0,
    /// 256 numbers of 4 bits; each 32 of them have a scale and an offset of 6 bits, all of them a scale of each in f16: 4.5
    /// bits for each.
    Q4K,
}

/// Inputs that are widened at once: a block of [`BlockFormat::Q8_0`], or a part of [`BlockFormat::Q4K`] with one scale.
pub(crate) const RUN: usize = 32;
/// Runs in a block of [`BlockFormat::Q4K`].
const Q4K_RUNS: usize = 8;
/// Bytes of the scales and offsets of such a block.
const Q4K_SCALE_BYTES: usize = 12;

impl BlockFormat {
    /// Numbers of a block.
    pub fn numbers(self) -> usize {
        match self {
            Self::Q8_0 => RUN,
            Self::Q4K => Q4K_RUNS * RUN,
        }
    }

    /// Bytes of a block in a file.
    pub fn bytes(self) -> usize {
        match self {
            Self::Q8_0 => 2 + RUN,
            Self::Q4K => 4 + Q4K_SCALE_BYTES + Q4K_RUNS * RUN / 2,
        }
    }

    /// Bytes of one output's weights in a file; a last block that is not full counts whole.
    pub fn row_bytes(self, inputs: usize) -> usize {
        inputs.div_ceil(self.numbers()) * self.bytes()
    }

    /// Scales in f16 that a block has for one output.
    fn scales(self) -> usize {
        match self {
            Self::Q8_0 => 1,
            Self::Q4K => 2,
        }
    }

    /// Bytes of a run of 32 inputs × 32 outputs, with what of its scales is not f16.
    fn run_bytes(self) -> usize {
        match self {
            Self::Q8_0 => RUN * PANEL,
            Self::Q4K => 2 * PANEL + RUN * PANEL / 2,
        }
    }
}

/// Panels of blocks.
#[derive(Debug, Clone)]
pub(crate) struct Blocks {
    format: BlockFormat,
    inputs: usize,
    /// For each panel and block: 32 scales, for [`BlockFormat::Q4K`] then 32 scales of offsets.
    scales: Vec<f16>,
    /// For each panel and run: the numbers, [`BlockFormat::run_bytes`] of them.
    runs: Vec<u8>,
}

impl Blocks {
    /// Rearranges the rows of a file.
    ///
    /// # Panics
    /// If the inputs are no multiple of 32 or there are not as many bytes as the shape needs.
    pub(crate) fn packed(bytes: &[u8], format: BlockFormat, outputs: usize, inputs: usize) -> Self {
        assert!(inputs.is_multiple_of(RUN), "{inputs} inputs, expected a multiple of {RUN}");
        let row_bytes = format.row_bytes(inputs);
        assert_eq!(
            bytes.len(),
            outputs * row_bytes,
            "bytes of a weight of {outputs} × {inputs} in {format:?}"
        );
        let panels = outputs.div_ceil(PANEL);
        let blocks = inputs.div_ceil(format.numbers());
        let n_scales = blocks * format.scales() * PANEL;
        let n_bytes = inputs / RUN * format.run_bytes();
        let mut packed = Self {
            format,
            inputs,
            scales: vec![f16::ZERO; panels * n_scales],
            runs: vec![0; panels * n_bytes],
        };
        if inputs > 0 {
            let places = packed.scales.par_chunks_mut(n_scales).zip(packed.runs.par_chunks_mut(n_bytes));
            places.enumerate().for_each(|(p, (scales, runs))| {
                let count = PANEL.min(outputs - p * PANEL);
                for (i, row) in bytes[p * PANEL * row_bytes..].chunks_exact(row_bytes).take(count).enumerate()
                {
                    for (b, block) in row.chunks_exact(format.bytes()).enumerate() {
                        let scales = &mut scales[b * format.scales() * PANEL..];
                        let first = b * format.numbers() / RUN * format.run_bytes();
                        match format {
                            BlockFormat::Q8_0 => put_q8_0(block, i, scales, &mut runs[first..]),
                            BlockFormat::Q4K => put_q4k(block, i, scales, &mut runs[first..]),
                        }
                    }
                }
            });
        }
        packed
    }

    pub(crate) fn format(&self) -> BlockFormat {
        self.format
    }

    /// Bytes of the panels.
    pub(crate) fn bytes(&self) -> usize {
        2 * self.scales.len() + self.runs.len()
    }

    /// Writes 32 inputs of a panel as `[input][output]`.
    pub(crate) fn widen(&self, isa: Isa, panel: usize, run: usize, out: &mut [f32; RUN * PANEL]) {
        let format = self.format;
        let runs = self.inputs / RUN;
        let bytes = &self.runs[(panel * runs + run) * format.run_bytes()..][..format.run_bytes()];
        let blocks = self.inputs.div_ceil(format.numbers());
        let block = panel * blocks + run * RUN / format.numbers();
        let halves = &self.scales[block * format.scales() * PANEL..][..format.scales() * PANEL];
        let mut scales = [0.0; 2 * PANEL];
        let scales = &mut scales[..halves.len()];
        halves.convert_to_f32_slice(scales);
        match format {
            BlockFormat::Q8_0 => dispatch!(isa, widen_q8_0(scales: &[f32], bytes: &[u8], out: &mut [f32])),
            BlockFormat::Q4K => dispatch!(isa, widen_q4k(scales: &[f32], bytes: &[u8], out: &mut [f32])),
        }
    }

    /// One output's weights.
    pub(crate) fn row(&self, output: usize) -> Vec<f32> {
        let mut square = [0.0; RUN * PANEL];
        let mut row = Vec::with_capacity(self.inputs);
        for run in 0..self.inputs / RUN {
            self.widen(Isa::best(), output / PANEL, run, &mut square);
            row.extend(square.iter().skip(output % PANEL).step_by(PANEL));
        }
        row
    }
}

fn half(bytes: &[u8]) -> f16 {
    f16::from_le_bytes([bytes[0], bytes[1]])
}

/// Puts one output's block at place `i` of its panel.
fn put_q8_0(block: &[u8], i: usize, scales: &mut [f16], runs: &mut [u8]) {
    scales[i] = half(block);
    for (k, q) in block[2..].iter().enumerate() {
        runs[k * PANEL + i] = *q;
    }
}

/// As [`put_q8_0`]. Inputs beyond the last run of a block that is not full are left out.
fn put_q4k(block: &[u8], i: usize, scales: &mut [f16], runs: &mut [u8]) {
    let (head, numbers) = block.split_at(4 + Q4K_SCALE_BYTES);
    scales[i] = half(head);
    scales[PANEL + i] = half(&head[2..]);
    for (r, run) in runs.chunks_exact_mut(BlockFormat::Q4K.run_bytes()).take(Q4K_RUNS).enumerate() {
        [run[i], run[PANEL + i]] = q4k_scale_and_offset(&head[4..], r);
        // Two runs share their bytes: the first has the low half of each.
        let bytes = &numbers[r / 2 * RUN..][..RUN];
        for (k, byte) in bytes.iter().enumerate() {
            let q = if r % 2 == 0 { byte & 15 } else { byte >> 4 };
            // Outputs 0 to 15 in the low half of a panel's bytes, 16 to 31 in the high one.
            run[2 * PANEL + k * PANEL / 2 + i % (PANEL / 2)] |= q << (i / (PANEL / 2) * 4);
        }
    }
}

/// Scale and offset of a run, 6 bits each. Those of the first four runs have bytes of their own; the rest is put together of the
/// low half of the last four bytes, or the high one, and the two bits that the first eight have left.
fn q4k_scale_and_offset(bytes: &[u8], run: usize) -> [u8; 2] {
    if run < 4 {
        [bytes[run] & 63, bytes[run + 4] & 63]
    } else {
        let low = bytes[run + 4];
        [low & 15 | bytes[run - 4] >> 6 << 4, low >> 4 | bytes[run] >> 6 << 4]
    }
}

#[inline(always)]
fn widen_q8_0<const FUSED: bool>(scales: &[f32], bytes: &[u8], out: &mut [f32]) {
    let Some(scales) = scales.first_chunk::<PANEL>() else { return };
    for (line, numbers) in out.chunks_exact_mut(PANEL).zip(bytes.chunks_exact(PANEL)) {
        for ((x, q), scale) in line.iter_mut().zip(numbers).zip(scales) {
            *x = f32::from(*q as i8) * scale;
        }
    }
}

#[inline(always)]
fn widen_q4k<const FUSED: bool>(scales: &[f32], bytes: &[u8], out: &mut [f32]) {
    let (six_bits, numbers) = bytes.split_at(2 * PANEL);
    let (mut scale, mut offset) = ([0.0; PANEL], [0.0; PANEL]);
    for i in 0..PANEL {
        scale[i] = scales[i] * f32::from(six_bits[i]);
        offset[i] = scales[PANEL + i] * f32::from(six_bits[PANEL + i]);
    }
    for (line, bytes) in out.chunks_exact_mut(PANEL).zip(numbers.chunks_exact(PANEL / 2)) {
        let (low, high) = line.split_at_mut(PANEL / 2);
        // The product is rounded before the offset is taken away, as in ggml.
        for (i, (x, byte)) in low.iter_mut().zip(bytes).enumerate() {
            *x = f32::from(byte & 15) * scale[i] - offset[i];
        }
        for (i, (x, byte)) in high.iter_mut().zip(bytes).enumerate() {
            *x = f32::from(byte >> 4) * scale[PANEL / 2 + i] - offset[PANEL / 2 + i];
        }
    }
}
