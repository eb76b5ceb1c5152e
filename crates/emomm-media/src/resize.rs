//! Bicubic resizing as the reference pipeline does it.
//!
//! The rule is torchvision's for 8-bit tensors with `BICUBIC` and `antialias=True`: weights of the cubic with a = −0.5,
//! widened by the scale when shrinking; rows first, then columns, in f32; then clamp, then round half to even. It is not
//! Pillow's fixed-point version, which differs from this by up to 6 of 255.

use crate::image::{FloatImage, RgbImage};

/// Resizes a picture. A side of 0 is taken as 1; equal sizes give the picture back.
///
/// Gives the samples of torchvision with PyTorch 2.15 on x86-64, bit by bit; where a picture is shrunk eight times or more
/// and a sum of many weights falls on a half, one may differ by 1.
#[must_use]
pub fn resize_bicubic(image: &RgbImage, width: usize, height: usize) -> RgbImage {
    let (width, height) = (width.max(1), height.max(1));
    if (width, height) == (image.width, image.height) {
        return image.clone();
    }
    let data = resample(&image.data, (image.width, image.height), (width, height), |sum| {
        sum.clamp(0.0, 255.0).round_ties_even() as u8
    });
    RgbImage { width, height, data }
}

/// Resizes a picture of floats, as torchvision does with a float tensor: neither clamped nor rounded.
#[must_use]
pub fn resize_bicubic_float(image: &FloatImage, width: usize, height: usize) -> FloatImage {
    let (width, height) = (width.max(1), height.max(1));
    if (width, height) == (image.width, image.height) {
        return image.clone();
    }
    let data = resample(&image.data, (image.width, image.height), (width, height), |sum| sum);
    FloatImage { width, height, data }
}

/// Interleaved samples of three channels from one size to another.
fn resample<S: Copy + Into<f32>, T>(
    data: &[S],
    (source_width, source_height): (usize, usize),
    (width, height): (usize, usize),
    finish: impl Fn(f32) -> T,
) -> Vec<T> {
    let across = Weights::new(source_width, width);
    let down = Weights::new(source_height, height);
    let row_samples = width * 3;

    let mut narrowed = vec![0.0f32; source_height * row_samples];
    for (source, target) in data.chunks_exact(source_width * 3).zip(narrowed.chunks_exact_mut(row_samples)) {
        resize_row(source, &across, target);
    }

    let mut resized = Vec::with_capacity(height * row_samples);
    let mut sums = vec![0.0f32; row_samples];
    for (first, weights) in down.each() {
        sums.fill(0.0);
        let n_plain = n_plain(weights.len());
        let rows = narrowed[first * row_samples..].chunks_exact(row_samples);
        for (i, (row, &weight)) in rows.zip(weights).enumerate() {
            let terms = sums.iter_mut().zip(row);
            if i < n_plain {
                terms.for_each(|(sum, &sample)| *sum = plain(sample, weight, *sum));
            } else {
                terms.for_each(|(sum, &sample)| *sum = fused(sample, weight, *sum));
            }
        }
        resized.extend(sums.iter().map(|&sum| finish(sum)));
    }
    resized
}

fn resize_row<S: Copy + Into<f32>>(source: &[S], across: &Weights, target: &mut [f32]) {
    for ((first, weights), pixel) in across.each().zip(target.chunks_exact_mut(3)) {
        let mut sums = [0.0f32; 3];
        let n_plain = n_plain(weights.len());
        for (i, (from, &weight)) in source[first * 3..].chunks_exact(3).zip(weights).enumerate() {
            let terms = sums.iter_mut().zip(from);
            if i < n_plain {
                terms.for_each(|(sum, &sample)| *sum = plain(sample.into(), weight, *sum));
            } else {
                terms.for_each(|(sum, &sample)| *sum = fused(sample.into(), weight, *sum));
            }
        }
        pixel.copy_from_slice(&sums);
    }
}

/// How many terms of a sum PyTorch's compiler adds after rounding the product: the first, and whole blocks of four behind
/// it, whose products it computes at once. What is left over it adds by fused instructions.
fn n_plain(n_terms: usize) -> usize {
    1 + n_terms.saturating_sub(1) / 4 * 4
}

#[inline]
fn plain(sample: f32, weight: f32, sum: f32) -> f32 {
    sum + sample * weight
}

/// `sample * weight + sum`, rounded once. The product is exact in f64; processors without the fused instruction compute this
/// faster than `f32::mul_add`, and many at once.
#[inline]
fn fused(sample: f32, weight: f32, sum: f32) -> f32 {
    (f64::from(sample) * f64::from(weight) + f64::from(sum)) as f32
}

/// For each target position, the first source position and the weights from there on.
struct Weights {
    first: Vec<usize>,
    ends: Vec<usize>,
    values: Vec<f32>,
}

impl Weights {
    fn new(source: usize, target: usize) -> Self {
        let scale = source as f32 / target as f32;
        let (support, inverse) = if scale >= 1.0 { (2.0 * scale, 1.0 / scale) } else { (2.0, 1.0) };
        let mut weights =
            Self { first: Vec::with_capacity(target), ends: Vec::with_capacity(target), values: vec![] };
        for i in 0..target {
            let centre = scale * (i as f32 + 0.5);
            let first = ((centre - support + 0.5) as usize).min(source - 1);
            let end = ((centre + support + 0.5) as usize).clamp(first + 1, source);
            let start = weights.values.len();
            let mut total = 0.0f32;
            for position in 0..end - first {
                let weight = cubic(((position + first) as f32 - centre + 0.5) * inverse);
                weights.values.push(weight);
                total += weight;
            }
            if total != 0.0 {
                weights.values[start..].iter_mut().for_each(|weight| *weight /= total);
            }
            weights.first.push(first);
            weights.ends.push(weights.values.len());
        }
        weights
    }

    fn each(&self) -> impl Iterator<Item = (usize, &[f32])> {
        let mut start = 0;
        self.first.iter().zip(&self.ends).map(move |(&first, &end)| {
            let values = &self.values[start..end];
            start = end;
            (first, values)
        })
    }
}

/// Keys' cubic with a = −0.5, rounded as PyTorch's builds round it: their compiler fuses multiplications and additions,
/// which moves a pixel across a half now and then.
fn cubic(x: f32) -> f32 {
    const A: f32 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        (((A + 2.0).mul_add(x, -(A + 3.0))) * x).mul_add(x, 1.0)
    } else if x < 2.0 {
        A.mul_add(x, -5.0 * A).mul_add(x, 8.0 * A).mul_add(x, -4.0 * A)
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(width: usize, height: usize, value: u8) -> RgbImage {
        RgbImage { width, height, data: vec![value; width * height * 3] }
    }

    #[test]
    fn a_flat_picture_stays_flat() {
        for (width, height) in [(1, 1), (28, 56), (7, 3), (200, 91)] {
            let resized = resize_bicubic(&grey(53, 37, 201), width, height);
            assert_eq!((resized.width, resized.height), (width, height));
            assert!(resized.data.iter().all(|&sample| sample == 201), "{width} x {height}");
        }
    }

    #[test]
    fn sides_of_nought_and_equal_sizes() {
        let image = grey(4, 5, 9);
        assert_eq!(resize_bicubic(&image, 4, 5), image);
        assert_eq!(resize_bicubic(&image, 0, 0).data.len(), 3);
    }
}
