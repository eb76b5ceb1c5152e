//! Windowed attention without a loop over windows: an order of the merge groups in which windows of equal size lie
//! side by side.
//!
//! A frame is cut into square windows of merged tokens; windows at the right and bottom edges are smaller. At most
//! four sizes occur, so all windows of a size form one batch. Attention does not depend on the order inside a
//! window, hence this order gives the reference's values.

use super::qwen2_5_vit::Grid;

/// Windows of equal length that lie side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WindowBatch {
    /// Number of windows.
    pub(super) windows: usize,
    /// Merge groups in each.
    pub(super) groups: usize,
}

/// The order and the batches for one grid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WindowOrder {
    /// `order[i]` is the raster index of the merge group that stands at place `i`.
    pub(super) order: Vec<u32>,
    /// `inverse[order[i]] == i`
    pub(super) inverse: Vec<u32>,
    /// Batches in the order in which they stand.
    pub(super) batches: Vec<WindowBatch>,
}

/// Lays out the windows of a grid; `side` is the window's side in merge groups.
pub(super) fn window_order(grid: Grid, merge: usize, side: usize) -> WindowOrder {
    let (height, width) = (grid.h / merge, grid.w / merge);
    let cuts = |extent: usize| -> Vec<(usize, usize)> {
        (0..extent).step_by(side).map(|start| (start, side.min(extent - start))).collect()
    };
    let (rows, columns) = (cuts(height), cuts(width));
    let mut shapes: Vec<(usize, usize)> =
        rows.iter().flat_map(|r| columns.iter().map(move |c| (r.1, c.1))).collect();
    shapes.sort_unstable();
    shapes.dedup();

    let mut order = Vec::with_capacity(grid.t * height * width);
    let mut batches = Vec::with_capacity(shapes.len());
    for shape in shapes {
        let before = order.len();
        for t in 0..grid.t {
            for row in rows.iter().filter(|r| r.1 == shape.0) {
                for column in columns.iter().filter(|c| c.1 == shape.1) {
                    for y in row.0..row.0 + row.1 {
                        let first = (t * height + y) * width + column.0;
                        order.extend((first..first + column.1).map(|i| i as u32));
                    }
                }
            }
        }
        let groups = shape.0 * shape.1;
        batches.push(WindowBatch { windows: (order.len() - before) / groups, groups });
    }
    let mut inverse = vec![0; order.len()];
    for (place, raster) in order.iter().enumerate() {
        inverse[*raster as usize] = place as u32;
    }
    WindowOrder { order, inverse, batches }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_ragged_frame_has_four_sizes() {
        let order = window_order(Grid { t: 2, h: 10, w: 14 }, 2, 4);
        let batches: Vec<(usize, usize)> = order.batches.iter().map(|b| (b.windows, b.groups)).collect();
        assert_eq!(batches, [(2, 3), (2, 4), (2, 12), (2, 16)]);
    }

    #[test]
    fn an_exact_multiple_has_one_size() {
        let order = window_order(Grid { t: 1, h: 16, w: 16 }, 2, 4);
        assert_eq!(order.batches, [WindowBatch { windows: 4, groups: 16 }]);
        assert_eq!(order.order[..5], [0, 1, 2, 3, 8]);
    }

    proptest! {
        #[test]
        fn the_order_is_a_permutation(t in 1usize..4, h in 1usize..12, w in 1usize..12, side in 1usize..6) {
            let order = window_order(Grid { t, h: 2 * h, w: 2 * w }, 2, side);
            prop_assert_eq!(order.batches.iter().map(|b| b.windows * b.groups).sum::<usize>(), t * h * w);
            for (place, raster) in order.order.iter().enumerate() {
                prop_assert_eq!(order.inverse[*raster as usize] as usize, place);
            }
        }
    }
}
