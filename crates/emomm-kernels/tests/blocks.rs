//! Blocks of a few bits: their numbers against those of the format's authors, products with them against sums in f64.

use std::path::PathBuf;

use emomm_kernels::{BlockFormat, Isa, Output, PackedWeight, Storage};

const FORMATS: [(BlockFormat, &str, usize); 2] =
    [(BlockFormat::Q8_0, "q8_0", 96), (BlockFormat::Q4K, "q4_k", 512)];
const OUTPUTS: usize = 37;

fn golden(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/gguf");
    std::fs::read(folder.join(name)).unwrap()
}

fn blocks(format: BlockFormat, name: &str, inputs: usize) -> PackedWeight {
    PackedWeight::from_blocks(&golden(&format!("{name}.blocks")), format, OUTPUTS, inputs)
}

/// The same two roundings, of a scale and of a product, in the same order: equal bits, except that the reference rounds the
/// offset of Q4_K in another order, which moves the last bit.
#[test]
fn numbers_are_those_of_the_reference() {
    for (format, name, inputs) in FORMATS {
        let packed = blocks(format, name, inputs);
        assert_eq!(packed.storage(), Storage::Blocks(format));
        let expected = golden(&format!("{name}.f32"));
        let expected: Vec<f32> = expected.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        for (output, expected) in expected.chunks_exact(inputs).enumerate() {
            for (i, (a, b)) in packed.row(output).iter().zip(expected).enumerate() {
                assert!((a - b).abs() <= 1e-6 * b.abs().max(0.1), "{format:?} {output}, {i}: {a}, {b}");
            }
        }
    }
}

#[test]
fn products_equal_sums_in_f64() {
    let number = |i: usize| ((i * 7919 % 2003) as f32 / 1001.0) - 1.0;
    for (format, name, inputs) in FORMATS {
        let packed = blocks(format, name, inputs);
        let w: Vec<Vec<f32>> = (0..OUTPUTS).map(|o| packed.row(o)).collect();
        for (isa, rows) in Isa::available().into_iter().flat_map(|isa| [(isa, 1), (isa, 15), (isa, 40)]) {
            let x: Vec<f32> = (0..rows * inputs).map(number).collect();
            let mut y = vec![0.0; rows * OUTPUTS];
            packed.multiply(isa, &x, rows, &mut y, Output::Set);
            for (r, o) in (0..rows).flat_map(|r| (0..OUTPUTS).map(move |o| (r, o))) {
                let terms = || x[r * inputs..].iter().zip(&w[o]).map(|(a, b)| f64::from(*a) * f64::from(*b));
                let error = (f64::from(y[r * OUTPUTS + o]) - terms().sum::<f64>()).abs();
                // Each of the sums is rounded to 2⁻²⁴ of what it has reached.
                let most = 1e-6 + 1e-6 * terms().map(f64::abs).sum::<f64>();
                assert!(error < most, "{format:?} {isa:?} {rows}: {r}, {o}: {error}");
            }
            let mut d_x = vec![1.0; rows * inputs];
            packed.multiply_back(isa, &y, rows, &mut d_x, Output::Add);
            for (r, i) in (0..rows).flat_map(|r| (0..inputs).map(move |i| (r, i))) {
                let terms = || (0..OUTPUTS).map(|o| f64::from(y[r * OUTPUTS + o]) * f64::from(w[o][i]));
                let error = (f64::from(d_x[r * inputs + i]) - 1.0 - terms().sum::<f64>()).abs();
                let most = 1e-6 + 1e-6 * terms().map(f64::abs).sum::<f64>();
                assert!(error < most, "{format:?} {isa:?} {rows}: back {r}, {i}: {error}");
            }
        }
    }
}

/// A row that fills its last block in part has the numbers of the whole block, and takes no more memory for it.
#[test]
fn a_last_block_may_be_cut_short() {
    let bytes = golden("q4_k.blocks");
    let whole = PackedWeight::from_blocks(&bytes, BlockFormat::Q4K, OUTPUTS, 512);
    let part = PackedWeight::from_blocks(&bytes, BlockFormat::Q4K, OUTPUTS, 320);
    for output in [0, 15, 16, 31, 32, 36] {
        assert_eq!(part.row(output), whole.row(output)[..320]);
    }
    assert_eq!(whole.bytes(), 64 * (512 * 4 / 8 + 512 / 32 * 2 + 2 * 4));
    assert!(part.bytes() < whole.bytes() * 2 / 3);
}

#[test]
fn bits_for_each_number() {
    for (format, bits) in [(BlockFormat::Q8_0, 8.5), (BlockFormat::Q4K, 4.625)] {
        let packed = PackedWeight::from_blocks(&vec![0; 64 * format.row_bytes(1024)], format, 64, 1024);
        assert!((packed.bytes() as f64 * 8.0 / (64.0 * 1024.0) - bits).abs() < 1e-9, "{format:?}");
    }
}
