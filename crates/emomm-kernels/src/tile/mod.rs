//! The innermost product: a few rows times one panel of 32 columns, kept in registers over the whole depth.
//!
//! `A` is read where it lies, by a stride for rows and one for depth; copying it into panels first was not faster. `B` is
//! a panel: 32 columns side by side for each step of depth, in the type in which it is stored, widened on the way into a
//! register.

mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

use half::{bf16, f16};

use crate::isa::Isa;

/// Columns of a panel.
pub(crate) const PANEL: usize = 32;

/// A number as a panel stores it.
pub(crate) trait Stored: Copy + Send + Sync + 'static {
    /// As f32, without loss.
    fn widen(self) -> f32;

    /// Eight of them, widened.
    ///
    /// # Safety
    /// Eight numbers can be read at `p`, and the machine has AVX2 and F16C.
    #[cfg(target_arch = "x86_64")]
    unsafe fn load8(p: *const Self) -> std::arch::x86_64::__m256;

    /// Sixteen of them, widened.
    ///
    /// # Safety
    /// Sixteen numbers can be read at `p`, and the machine has AVX-512F.
    #[cfg(target_arch = "x86_64")]
    unsafe fn load16(p: *const Self) -> std::arch::x86_64::__m512;
}

macro_rules! stored {
    ($type:ty, $widen:expr, $load8:ident, $load16:ident) => {
        impl Stored for $type {
            #[inline(always)]
            fn widen(self) -> f32 {
                $widen(self)
            }

            #[cfg(target_arch = "x86_64")]
            #[inline]
            #[target_feature(enable = "avx2,fma,f16c")]
            unsafe fn load8(p: *const Self) -> std::arch::x86_64::__m256 {
                // SAFETY: the caller's.
                unsafe { x86::$load8(p.cast()) }
            }

            #[cfg(target_arch = "x86_64")]
            #[inline]
            #[target_feature(enable = "avx512f")]
            unsafe fn load16(p: *const Self) -> std::arch::x86_64::__m512 {
                // SAFETY: the caller's.
                unsafe { x86::$load16(p.cast()) }
            }
        }
    };
}

stored!(f32, |x| x, load8_f32, load16_f32);
stored!(bf16, bf16::to_f32, load8_bf16, load16_bf16);
stored!(f16, f16::to_f32, load8_f16, load16_f16);

/// Rows that a tile holds in registers.
pub(crate) fn rows_of_tile(isa: Isa) -> usize {
    match isa {
        Isa::Portable => 4,
        Isa::Avx2 => 6,
        Isa::Avx512 => 14,
    }
}

/// Where the left factor of a tile lies: `A[i][k]` at `a + i · row + k · step`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Left {
    pub(crate) a: *const f32,
    pub(crate) row: usize,
    pub(crate) step: usize,
}

/// `C[rows × 32] = A B`, or `+=` if `add`.
///
/// # Safety
/// `rows` is at least 1 and at most [`rows_of_tile`]; `A` can be read for `rows × depth`, `b` for `depth × 32`; `c` can be written for
/// `rows` rows of 32 that lie `ldc` apart, and nobody else uses them meanwhile; the machine has the instructions of `isa`.
pub(crate) unsafe fn tile<S: Stored>(
    isa: Isa,
    (rows, depth): (usize, usize),
    left: Left,
    b: *const S,
    c: *mut f32,
    ldc: usize,
    add: bool,
) {
    macro_rules! by_rows {
        ($module:ident, $kernel:ident, $($n:literal)*) => {
            match rows {
                // SAFETY: the caller's.
                $($n => unsafe { $module::$kernel::<$n, S>(depth, left, b, c, ldc, add) },)*
                _ => unreachable!("a tile of {rows} rows"),
            }
        };
    }
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => by_rows!(x86, avx512, 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => by_rows!(x86, avx2, 1 2 3 4 5 6),
        _ => by_rows!(portable, tile, 1 2 3 4),
    }
}
