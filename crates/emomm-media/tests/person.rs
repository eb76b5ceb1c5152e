//! The person network against onnxruntime: `tests/golden/person/export.py`.

use std::path::Path;

use emomm_media::{PersonMask, RgbImage};

/// Sums of some hundred products in another order; the network's last step is a sigmoid.
const TOLERANCE: f32 = 1e-4;

fn golden(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/person");
    std::fs::read(folder.join(name)).expect("golden file")
}

fn floats(name: &str) -> Vec<f32> {
    golden(name).chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

/// The portrait with every pixel four by four times, so that nothing is resized.
fn portrait() -> RgbImage {
    let small = golden("portrait_64x64.rgb");
    let pixel = |x: usize, y: usize| small[3 * (y / 4 * 64 + x / 4)..][..3].to_vec();
    let data = (0..256 * 256).flat_map(|at| pixel(at % 256, at / 256)).collect();
    RgbImage::new(256, 256, data).expect("256 by 256 pixels")
}

fn assert_close(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((found - expected).abs() <= TOLERANCE, "{at}: found {found}, expected {expected}");
    }
}

#[test]
fn the_mask_is_onnxruntime_s() {
    let mask = PersonMask::of(&portrait());
    assert_eq!((mask.width, mask.height), (256, 256));
    let pixels: Vec<f32> = (0..256)
        .step_by(3)
        .flat_map(|y| (0..256).step_by(5).map(move |x| y * 256 + x))
        .map(|at| mask.probability[at])
        .collect();
    assert_close(&pixels, &floats("mask_pixels.f32"));
    assert_close(&mask.cells(16, 16), &floats("mask_cells_16x16.f32"));
    // The person fills a good part of the picture, and not all of it.
    let share = mask.probability.iter().filter(|p| **p > 0.5).count() as f64 / (256.0 * 256.0);
    assert!((share - 0.384).abs() < 0.001, "{share}");
}

/// The network sees a square; the mask lies over the picture whatever its shape. Scaling back blurs, so cells on the
/// person's border may go either way.
#[test]
fn the_mask_of_a_wide_picture_lies_over_it() {
    let square = portrait();
    let mut data = Vec::new();
    for row in square.data.chunks_exact(256 * 3) {
        data.extend(row.chunks_exact(3).flat_map(|pixel| [pixel, pixel].concat()));
    }
    let wide = RgbImage::new(512, 256, data).expect("twice as wide");
    let (narrow, wide) = (PersonMask::of(&square).cells(8, 8), PersonMask::of(&wide).cells(8, 8));
    let far = narrow.iter().zip(&wide).filter(|(a, b)| (**a > 0.5) != (**b > 0.5)).count();
    assert!(far <= 6, "{far} of 64 cells differ");
}
