//! Products of rows with packed weights, forwards (`x Wᵀ`) and backwards (`d_y W`).
//!
//! Work is cut into blocks of rows × groups of panels; each block is one thread's. Within a block the depth is cut so that
//! the block's part of the left factor stays in the second cache while all its panels pass by.

use rayon::prelude::*;

use crate::blocks::{Blocks, RUN};
use crate::isa::Isa;
use crate::pack::{Numbers, PackedWeight};
use crate::tile::{Left, PANEL, Stored, rows_of_tile, tile};

/// What is done with the numbers that were there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// They are overwritten.
    Set,
    /// The product is added to them.
    Add,
}

/// A depth up to this is taken at once.
const DEPTH_AT_ONCE: usize = 1024;
/// A greater depth is cut into parts of at most this.
const DEPTH_PART: usize = 512;
/// Numbers of the left factor in a block: less than half of a second cache of 1 MiB.
const BLOCK_NUMBERS: usize = 100_000;
/// The same where each block has to make its panels first: fewer rows would make them more often.
const MADE_BLOCK_NUMBERS: usize = 200_000;
const MADE_DEPTH_PART: usize = 192;
/// Blocks for each thread, so that a thread which is held up does not hold up all.
const BLOCKS_PER_THREAD: usize = 6;
/// Fewer products than this are not worth a second thread.
const PARALLEL_FROM: usize = 1 << 17;

impl PackedWeight {
    /// `y = x Wᵀ`, or `y += x Wᵀ`.
    ///
    /// # Panics
    /// If the slices have not the lengths of their shapes.
    ///
    /// # Shapes
    /// `x [rows, inputs]`, `y [rows, outputs]`
    pub fn multiply(&self, isa: Isa, x: &[f32], rows: usize, y: &mut [f32], output: Output) {
        let size = Size { rows, depth: self.inputs(), columns: self.outputs() };
        let depth = self.inputs();
        match self.numbers() {
            Numbers::F32(panels) => product(isa, size, x, &Packed { panels, depth }, y, output),
            Numbers::Bf16(panels) => product(isa, size, x, &Packed { panels, depth }, y, output),
            Numbers::F16(panels) => product(isa, size, x, &Packed { panels, depth }, y, output),
            Numbers::Blocks(blocks) => product(isa, size, x, &Widened { blocks, isa }, y, output),
        }
    }

    /// `d_x = d_y W`, or `d_x += d_y W`: carries a gradient from the outputs to the inputs.
    ///
    /// # Panics
    /// If the slices have not the lengths of their shapes.
    ///
    /// # Shapes
    /// `d_y [rows, outputs]`, `d_x [rows, inputs]`
    pub fn multiply_back(&self, isa: Isa, d_y: &[f32], rows: usize, d_x: &mut [f32], output: Output) {
        let size = Size { rows, depth: self.outputs(), columns: self.inputs() };
        let inputs = self.inputs();
        match self.numbers() {
            Numbers::F32(panels) => product(isa, size, d_y, &Turned { panels, inputs }, d_x, output),
            Numbers::Bf16(panels) => product(isa, size, d_y, &Turned { panels, inputs }, d_x, output),
            Numbers::F16(panels) => product(isa, size, d_y, &Turned { panels, inputs }, d_x, output),
            Numbers::Blocks(blocks) => product(isa, size, d_y, &TurnedBlocks { blocks, isa }, d_x, output),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Size {
    rows: usize,
    depth: usize,
    columns: usize,
}

/// A right factor that gives panels of 32 columns.
trait Panels: Sync {
    type Number: Stored;
    /// Whether a part is made anew each time.
    const MADE: bool;

    /// Steps `start..start + steps` of a panel; `scratch` is there to write them to.
    fn part<'a>(
        &'a self,
        panel: usize,
        start: usize,
        steps: usize,
        scratch: &'a mut Vec<Self::Number>,
    ) -> &'a [Self::Number];
}

/// The panels as they are packed.
struct Packed<'p, S> {
    panels: &'p [S],
    depth: usize,
}

impl<S: Stored> Panels for Packed<'_, S> {
    type Number = S;
    const MADE: bool = false;

    fn part<'a>(&'a self, panel: usize, start: usize, steps: usize, _: &'a mut Vec<S>) -> &'a [S] {
        &self.panels[(panel * self.depth + start) * PANEL..][..steps * PANEL]
    }
}

/// The panels of the transposed weight: columns are inputs, steps are outputs.
struct Turned<'p, S> {
    panels: &'p [S],
    inputs: usize,
}

impl<S: Stored> Panels for Turned<'_, S> {
    type Number = f32;
    const MADE: bool = true;

    fn part<'a>(&'a self, panel: usize, start: usize, steps: usize, scratch: &'a mut Vec<f32>) -> &'a [f32] {
        // Parts of the depth are whole panels of the weight, but for the last.
        debug_assert!(start.is_multiple_of(PANEL));
        scratch.resize(steps.next_multiple_of(PANEL) * PANEL, 0.0);
        let columns = PANEL.min(self.inputs - panel * PANEL);
        for (block, square) in scratch.chunks_exact_mut(PANEL * PANEL).enumerate() {
            let from = ((start / PANEL + block) * self.inputs + panel * PANEL) * PANEL;
            let source = &self.panels[from..][..columns * PANEL];
            for (i, outputs) in source.chunks_exact(PANEL).enumerate() {
                for (line, x) in square.chunks_exact_mut(PANEL).zip(outputs) {
                    line[i] = x.widen();
                }
            }
            if columns < PANEL {
                square.chunks_exact_mut(PANEL).for_each(|line| line[columns..].fill(0.0));
            }
        }
        &scratch[..steps * PANEL]
    }
}

/// Panels of blocks, widened when they are used.
struct Widened<'p> {
    blocks: &'p Blocks,
    isa: Isa,
}

impl Panels for Widened<'_> {
    type Number = f32;
    const MADE: bool = true;

    fn part<'a>(&'a self, panel: usize, start: usize, steps: usize, scratch: &'a mut Vec<f32>) -> &'a [f32] {
        // Parts of the depth are whole runs.
        debug_assert!(start.is_multiple_of(RUN) && steps.is_multiple_of(RUN));
        scratch.resize(steps * PANEL, 0.0);
        let (squares, _) = scratch.as_chunks_mut();
        for (i, square) in squares.iter_mut().enumerate() {
            self.blocks.widen(self.isa, panel, start / RUN + i, square);
        }
        scratch
    }
}

/// The panels of a transposed weight of blocks: a panel is one run of every output.
struct TurnedBlocks<'p> {
    blocks: &'p Blocks,
    isa: Isa,
}

impl Panels for TurnedBlocks<'_> {
    type Number = f32;
    const MADE: bool = true;

    fn part<'a>(&'a self, panel: usize, start: usize, steps: usize, scratch: &'a mut Vec<f32>) -> &'a [f32] {
        debug_assert!(start.is_multiple_of(PANEL));
        scratch.resize(steps.next_multiple_of(PANEL) * PANEL, 0.0);
        let mut source = [0.0; RUN * PANEL];
        for (i, square) in scratch.chunks_exact_mut(RUN * PANEL).enumerate() {
            self.blocks.widen(self.isa, start / PANEL + i, panel, &mut source);
            for (input, outputs) in source.chunks_exact(PANEL).enumerate() {
                for (line, x) in square.chunks_exact_mut(RUN).zip(outputs) {
                    line[input] = *x;
                }
            }
        }
        &scratch[..steps * PANEL]
    }
}

/// The output matrix, written in tiles that do not overlap.
#[derive(Clone, Copy)]
struct Tiles(*mut f32);

// SAFETY: `product` gives every tile to one task.
unsafe impl Send for Tiles {}
// SAFETY: as above.
unsafe impl Sync for Tiles {}

impl Tiles {
    fn at(self, index: usize) -> *mut f32 {
        self.0.wrapping_add(index)
    }
}

fn product<P: Panels>(isa: Isa, size: Size, left: &[f32], right: &P, out: &mut [f32], output: Output) {
    let Size { rows, depth, columns } = size;
    assert_eq!(left.len(), rows * depth, "left factor of {rows} × {depth}");
    assert_eq!(out.len(), rows * columns, "product of {rows} × {columns}");
    if rows == 0 || columns == 0 {
        return;
    }
    if depth == 0 {
        if output == Output::Set {
            out.fill(0.0);
        }
        return;
    }
    let plan = Plan::new(isa, size, P::MADE);
    let tiles = Tiles(out.as_mut_ptr());
    let run = |task: usize| block(isa, size, &plan, task, left, right, tiles, output);
    if rows * depth * columns < PARALLEL_FROM {
        (0..plan.tasks()).for_each(run);
    } else {
        (0..plan.tasks()).into_par_iter().for_each(run);
    }
}

/// How a product is cut.
struct Plan {
    block_rows: usize,
    row_blocks: usize,
    block_panels: usize,
    panel_blocks: usize,
    depth_part: usize,
}

impl Plan {
    fn new(isa: Isa, Size { rows, depth, columns }: Size, made: bool) -> Self {
        let tile = rows_of_tile(isa);
        let (depth_at_once, longest, numbers) = if made {
            (MADE_DEPTH_PART, MADE_DEPTH_PART, MADE_BLOCK_NUMBERS)
        } else {
            (DEPTH_AT_ONCE, DEPTH_PART, BLOCK_NUMBERS)
        };
        let depth_part = if depth <= depth_at_once {
            depth
        } else {
            depth.div_ceil(depth.div_ceil(longest)).next_multiple_of(PANEL)
        };
        let most = (numbers / depth_part / tile).max(1) * tile;
        let block_rows = rows.div_ceil(rows.div_ceil(most)).next_multiple_of(tile);
        let row_blocks = rows.div_ceil(block_rows);
        let panels = columns.div_ceil(PANEL);
        let wanted = (BLOCKS_PER_THREAD * rayon::current_num_threads()).div_ceil(row_blocks);
        let block_panels = panels.div_ceil(wanted.clamp(1, panels));
        Self { block_rows, row_blocks, block_panels, panel_blocks: panels.div_ceil(block_panels), depth_part }
    }

    fn tasks(&self) -> usize {
        self.row_blocks * self.panel_blocks
    }
}

#[expect(clippy::too_many_arguments, reason = "the pieces of one product")]
fn block<P: Panels>(
    isa: Isa,
    Size { rows, depth, columns }: Size,
    plan: &Plan,
    task: usize,
    left: &[f32],
    right: &P,
    tiles: Tiles,
    output: Output,
) {
    let tile_rows = rows_of_tile(isa);
    // Neighbouring tasks share their panels.
    let (row_block, panel_block) = (task % plan.row_blocks, task / plan.row_blocks);
    let first_row = row_block * plan.block_rows;
    let end_row = rows.min(first_row + plan.block_rows);
    let first_panel = panel_block * plan.block_panels;
    let end_panel = columns.div_ceil(PANEL).min(first_panel + plan.block_panels);
    let mut scratch = Vec::new();
    for start in (0..depth).step_by(plan.depth_part) {
        let steps = plan.depth_part.min(depth - start);
        let add = start > 0 || output == Output::Add;
        for panel in first_panel..end_panel {
            let right = right.part(panel, start, steps, &mut scratch);
            let first_column = panel * PANEL;
            let width = PANEL.min(columns - first_column);
            for row in (first_row..end_row).step_by(tile_rows) {
                let count = tile_rows.min(end_row - row);
                let a = Left { a: left[row * depth + start..].as_ptr(), row: depth, step: 1 };
                let place = row * columns + first_column;
                if width == PANEL {
                    // SAFETY: `a` has `count` rows of `steps` numbers, `right` has `steps` lines; the tile lies inside
                    // the output and belongs to this task.
                    unsafe { tile(isa, (count, steps), a, right.as_ptr(), tiles.at(place), columns, add) };
                } else {
                    let mut whole = [0.0; 16 * PANEL];
                    // SAFETY: as above; `whole` holds the rows of any tile.
                    unsafe { tile(isa, (count, steps), a, right.as_ptr(), whole.as_mut_ptr(), PANEL, false) };
                    for (i, line) in whole.chunks_exact(PANEL).take(count).enumerate() {
                        // SAFETY: `width` columns from here on belong to this task.
                        let out =
                            unsafe { std::slice::from_raw_parts_mut(tiles.at(place + i * columns), width) };
                        for (out, x) in out.iter_mut().zip(line) {
                            *out = if add { *out + x } else { *x };
                        }
                    }
                }
            }
        }
    }
}
