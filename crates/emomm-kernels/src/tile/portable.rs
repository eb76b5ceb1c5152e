//! A tile in plain loops, for machines without AVX2; the compiler makes NEON or SSE2 of it.

use super::{Left, PANEL, Stored};

/// Columns that are summed at once.
const COLUMNS: usize = 8;

/// # Safety
/// As [`super::tile`] for `ROWS` rows.
pub(super) unsafe fn tile<const ROWS: usize, S: Stored>(
    depth: usize,
    left: Left,
    b: *const S,
    c: *mut f32,
    ldc: usize,
    add: bool,
) {
    for start in (0..PANEL).step_by(COLUMNS) {
        let mut sums = [[0_f32; COLUMNS]; ROWS];
        for k in 0..depth {
            // SAFETY: within depth × 32 of `b`.
            let columns: [f32; COLUMNS] =
                std::array::from_fn(|j| unsafe { *b.add(k * PANEL + start + j) }.widen());
            for (i, sums) in sums.iter_mut().enumerate() {
                // SAFETY: within rows × depth of `a`.
                let x = unsafe { *left.a.add(i * left.row + k * left.step) };
                for (sum, column) in sums.iter_mut().zip(&columns) {
                    *sum += x * column;
                }
            }
        }
        for (i, sums) in sums.iter().enumerate() {
            for (j, sum) in sums.iter().enumerate() {
                // SAFETY: within the caller's rows of `c`.
                unsafe {
                    let place = c.add(i * ldc + start + j);
                    *place = if add { *place + sum } else { *sum };
                }
            }
        }
    }
}
