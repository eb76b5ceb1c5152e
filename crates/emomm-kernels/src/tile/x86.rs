//! Tiles for x86-64: 6 × 32 with AVX2, 14 × 32 with AVX-512, as many accumulators as there are registers.

use std::arch::x86_64::{
    __m128i, __m256, __m256i, __m512, _mm_loadu_si128, _mm256_add_ps, _mm256_castsi256_ps,
    _mm256_cvtepu16_epi32, _mm256_cvtph_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256,
    _mm256_set1_ps, _mm256_setzero_ps, _mm256_slli_epi32, _mm256_storeu_ps, _mm512_add_ps,
    _mm512_castsi512_ps, _mm512_cvtepu16_epi32, _mm512_cvtph_ps, _mm512_fmadd_ps, _mm512_loadu_ps,
    _mm512_set1_ps, _mm512_setzero_ps, _mm512_slli_epi32, _mm512_storeu_ps,
};

use super::{Left, PANEL, Stored};

/// # Safety
/// 32 bytes can be read at `p`.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) unsafe fn load8_f32(p: *const f32) -> __m256 {
    // SAFETY: the caller's.
    unsafe { _mm256_loadu_ps(p) }
}

/// # Safety
/// 16 bytes can be read at `p`.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) unsafe fn load8_bf16(p: *const __m128i) -> __m256 {
    // SAFETY: the caller's.
    let bits = unsafe { _mm_loadu_si128(p) };
    _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(bits)))
}

/// # Safety
/// 16 bytes can be read at `p`.
#[inline]
#[target_feature(enable = "avx2,f16c")]
pub(super) unsafe fn load8_f16(p: *const __m128i) -> __m256 {
    // SAFETY: the caller's.
    _mm256_cvtph_ps(unsafe { _mm_loadu_si128(p) })
}

/// # Safety
/// 64 bytes can be read at `p`.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn load16_f32(p: *const f32) -> __m512 {
    // SAFETY: the caller's.
    unsafe { _mm512_loadu_ps(p) }
}

/// # Safety
/// 32 bytes can be read at `p`.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn load16_bf16(p: *const __m256i) -> __m512 {
    // SAFETY: the caller's.
    let bits = unsafe { _mm256_loadu_si256(p) };
    _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(bits)))
}

/// # Safety
/// 32 bytes can be read at `p`.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn load16_f16(p: *const __m256i) -> __m512 {
    // SAFETY: the caller's.
    _mm512_cvtph_ps(unsafe { _mm256_loadu_si256(p) })
}

/// # Safety
/// As [`super::tile`] for `ROWS` rows; the machine has AVX-512F.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn avx512<const ROWS: usize, S: Stored>(
    depth: usize,
    left: Left,
    b: *const S,
    c: *mut f32,
    ldc: usize,
    add: bool,
) {
    let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
    let (mut a, mut b) = (left.a, b);
    for _ in 0..depth {
        // SAFETY: within depth × 32 of `b` and rows × depth of `a`.
        unsafe {
            let columns = [S::load16(b), S::load16(b.add(16))];
            for (i, sums) in sums.iter_mut().enumerate() {
                let x = _mm512_set1_ps(*a.add(i * left.row));
                sums[0] = _mm512_fmadd_ps(x, columns[0], sums[0]);
                sums[1] = _mm512_fmadd_ps(x, columns[1], sums[1]);
            }
            // Wrapping, since the last step may leave the matrix without being followed.
            (a, b) = (a.wrapping_add(left.step), b.wrapping_add(PANEL));
        }
    }
    for (i, sums) in sums.iter().enumerate() {
        for (j, sum) in sums.iter().enumerate() {
            // SAFETY: within the caller's rows of `c`.
            unsafe {
                let place = c.add(i * ldc + 16 * j);
                let sum = if add { _mm512_add_ps(*sum, _mm512_loadu_ps(place)) } else { *sum };
                _mm512_storeu_ps(place, sum);
            }
        }
    }
}

/// # Safety
/// As [`super::tile`] for `ROWS` rows; the machine has AVX2, FMA and F16C.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn avx2<const ROWS: usize, S: Stored>(
    depth: usize,
    left: Left,
    b: *const S,
    c: *mut f32,
    ldc: usize,
    add: bool,
) {
    // Sixteen columns at a time: a panel's halves are whole cache lines.
    for half in 0..2 {
        let mut sums = [[_mm256_setzero_ps(); 2]; ROWS];
        let (mut a, mut b) = (left.a, b.wrapping_add(16 * half));
        for _ in 0..depth {
            // SAFETY: within depth × 32 of `b` and rows × depth of `a`.
            unsafe {
                let columns = [S::load8(b), S::load8(b.add(8))];
                for (i, sums) in sums.iter_mut().enumerate() {
                    let x = _mm256_set1_ps(*a.add(i * left.row));
                    sums[0] = _mm256_fmadd_ps(x, columns[0], sums[0]);
                    sums[1] = _mm256_fmadd_ps(x, columns[1], sums[1]);
                }
                (a, b) = (a.wrapping_add(left.step), b.wrapping_add(PANEL));
            }
        }
        for (i, sums) in sums.iter().enumerate() {
            for (j, sum) in sums.iter().enumerate() {
                // SAFETY: within the caller's rows of `c`.
                unsafe {
                    let place = c.add(i * ldc + 16 * half + 8 * j);
                    let sum = if add { _mm256_add_ps(*sum, _mm256_loadu_ps(place)) } else { *sum };
                    _mm256_storeu_ps(place, sum);
                }
            }
        }
    }
}
