//! Weights, packed once into panels of 32 outputs and kept in the type in which they are stored.

use half::{bf16, f16};
use rayon::prelude::*;

use crate::blocks::{BlockFormat, Blocks};
use crate::tile::{PANEL, Stored};

/// The type in which a packed weight is kept. Products and sums are f32 whatever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// 4 bytes.
    F32,
    /// 2 bytes: 8 bits of precision, the range of f32.
    Bf16,
    /// 2 bytes: 11 bits of precision, up to 65504.
    F16,
    /// A few bits, in blocks with scales; see [`PackedWeight::from_blocks`].
    Blocks(BlockFormat),
}

/// A weight `[outputs, inputs]` in panels: for 32 outputs at a time, the numbers of each input side by side. The last panel
/// is filled up with zeros.
#[derive(Debug, Clone)]
pub struct PackedWeight {
    outputs: usize,
    inputs: usize,
    numbers: Numbers,
}

#[derive(Debug, Clone)]
pub(crate) enum Numbers {
    F32(Vec<f32>),
    Bf16(Vec<bf16>),
    F16(Vec<f16>),
    Blocks(Blocks),
}

impl PackedWeight {
    /// Packs rows of f32.
    ///
    /// # Shapes
    /// `rows [outputs, inputs]`
    pub fn from_f32(rows: &[f32], outputs: usize, inputs: usize) -> Self {
        Self { outputs, inputs, numbers: Numbers::F32(packed(rows, outputs, inputs)) }
    }

    /// Packs rows of bf16.
    ///
    /// # Shapes
    /// `rows [outputs, inputs]`
    pub fn from_bf16(rows: &[bf16], outputs: usize, inputs: usize) -> Self {
        Self { outputs, inputs, numbers: Numbers::Bf16(packed(rows, outputs, inputs)) }
    }

    /// Packs rows of f16.
    ///
    /// # Shapes
    /// `rows [outputs, inputs]`
    pub fn from_f16(rows: &[f16], outputs: usize, inputs: usize) -> Self {
        Self { outputs, inputs, numbers: Numbers::F16(packed(rows, outputs, inputs)) }
    }

    /// Packs rows straight from the bytes of a file, little-endian, and keeps them as `to`. Narrowing rounds to the nearest;
    /// widening loses nothing.
    ///
    /// # Panics
    /// If there are not as many bytes as the shape needs, or one of the types has blocks.
    ///
    /// # Shapes
    /// `bytes [outputs, inputs]` of `from`
    pub fn from_bytes(bytes: &[u8], from: Storage, to: Storage, outputs: usize, inputs: usize) -> Self {
        let rows = Bytes { data: bytes, from, outputs, inputs };
        let numbers = match to {
            Storage::F32 => Numbers::F32(rows.packed(|x| x)),
            Storage::Bf16 => Numbers::Bf16(rows.packed(bf16::from_f32)),
            Storage::F16 => Numbers::F16(rows.packed(f16::from_f32)),
            Storage::Blocks(_) => panic!("{to:?} is not a type of single numbers"),
        };
        Self { outputs, inputs, numbers }
    }

    /// Packs rows of blocks straight from the bytes of a file. The numbers stay as they are; they are widened to f32 where they are
    /// used.
    ///
    /// # Panics
    /// If `inputs` is no multiple of 32, or there are not as many bytes as [`BlockFormat::row_bytes`] says for each output.
    ///
    /// # Shapes
    /// `bytes [outputs]` rows of blocks
    pub fn from_blocks(bytes: &[u8], format: BlockFormat, outputs: usize, inputs: usize) -> Self {
        let numbers = Numbers::Blocks(Blocks::packed(bytes, format, outputs, inputs));
        Self { outputs, inputs, numbers }
    }

    /// Number of outputs.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Number of inputs.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// The type in which the numbers are kept.
    pub fn storage(&self) -> Storage {
        match &self.numbers {
            Numbers::F32(_) => Storage::F32,
            Numbers::Bf16(_) => Storage::Bf16,
            Numbers::F16(_) => Storage::F16,
            Numbers::Blocks(blocks) => Storage::Blocks(blocks.format()),
        }
    }

    /// Bytes of the panels.
    pub fn bytes(&self) -> usize {
        match &self.numbers {
            Numbers::F32(panels) => size_of_val(panels.as_slice()),
            Numbers::Bf16(panels) => size_of_val(panels.as_slice()),
            Numbers::F16(panels) => size_of_val(panels.as_slice()),
            Numbers::Blocks(blocks) => blocks.bytes(),
        }
    }

    /// One output's weights, widened.
    ///
    /// # Panics
    /// If there is no such output.
    ///
    /// # Shapes
    /// → `[inputs]`
    pub fn row(&self, output: usize) -> Vec<f32> {
        assert!(output < self.outputs, "output {output} of {}", self.outputs);
        match &self.numbers {
            Numbers::F32(panels) => row(panels, output, self.inputs),
            Numbers::Bf16(panels) => row(panels, output, self.inputs),
            Numbers::F16(panels) => row(panels, output, self.inputs),
            Numbers::Blocks(blocks) => blocks.row(output),
        }
    }

    pub(crate) fn numbers(&self) -> &Numbers {
        &self.numbers
    }
}

/// Rows of a weight as a file holds them.
struct Bytes<'a> {
    data: &'a [u8],
    from: Storage,
    outputs: usize,
    inputs: usize,
}

impl Bytes<'_> {
    fn packed<S: Stored + Default>(&self, narrow: impl Fn(f32) -> S + Sync) -> Vec<S> {
        let two = |b: &[u8]| u16::from_le_bytes([b[0], b[1]]);
        match self.from {
            Storage::F32 => self.read(4, |b| narrow(f32::from_le_bytes([b[0], b[1], b[2], b[3]]))),
            Storage::Bf16 => self.read(2, |b| narrow(bf16::from_bits(two(b)).to_f32())),
            Storage::F16 => self.read(2, |b| narrow(f16::from_bits(two(b)).to_f32())),
            Storage::Blocks(_) => panic!("{:?} is not a type of single numbers", self.from),
        }
    }

    fn read<S: Stored + Default>(&self, size: usize, number: impl Fn(&[u8]) -> S + Sync) -> Vec<S> {
        let Self { data: bytes, outputs, inputs, .. } = *self;
        assert_eq!(bytes.len(), outputs * inputs * size, "bytes of a weight of {outputs} × {inputs}");
        let mut panels = vec![S::default(); outputs.next_multiple_of(PANEL) * inputs];
        if inputs == 0 {
            return panels;
        }
        panels.par_chunks_mut(PANEL * inputs).enumerate().for_each_init(Vec::new, |rows, (p, panel)| {
            let count = PANEL.min(outputs - p * PANEL);
            let line = inputs * size;
            rows.clear();
            rows.extend(bytes[p * PANEL * line..][..count * line].chunks_exact(size).map(&number));
            interleave(rows, inputs, count, inputs, panel);
        });
        panels
    }
}

fn row<S: Stored>(panels: &[S], output: usize, inputs: usize) -> Vec<f32> {
    let panel = &panels[output / PANEL * PANEL * inputs..][..PANEL * inputs];
    panel.iter().skip(output % PANEL).step_by(PANEL).map(|x| x.widen()).collect()
}

fn packed<S: Stored + Default>(rows: &[S], outputs: usize, inputs: usize) -> Vec<S> {
    assert_eq!(rows.len(), outputs * inputs, "a weight of {outputs} × {inputs}");
    let mut panels = vec![S::default(); outputs.next_multiple_of(PANEL) * inputs];
    if inputs > 0 {
        panels.par_chunks_mut(PANEL * inputs).enumerate().for_each(|(p, panel)| {
            let rows = &rows[p * PANEL * inputs..];
            interleave(rows, inputs, PANEL.min(outputs - p * PANEL), inputs, panel);
        });
    }
    panels
}

/// Writes `count` rows of `depth` numbers that lie `stride` apart side by side: `panel[k][i] = rows[i][k]`.
pub(crate) fn interleave<S: Copy>(rows: &[S], stride: usize, count: usize, depth: usize, panel: &mut [S]) {
    // In squares, so that both sides stay in the nearest cache.
    for start in (0..depth).step_by(PANEL) {
        let steps = PANEL.min(depth - start);
        for i in 0..count {
            let row = &rows[i * stride + start..][..steps];
            for (k, x) in row.iter().enumerate() {
                panel[(start + k) * PANEL + i] = *x;
            }
        }
    }
}
