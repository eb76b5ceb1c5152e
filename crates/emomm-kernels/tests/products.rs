//! Products with packed weights against sums in f64, for every set of instructions that this machine has.

use emomm_kernels::{Isa, Output, PackedWeight, Storage};
use half::{bf16, f16};

/// Numbers in (−1, 1) that look like chance and are the same everywhere.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 40) as f32 / (1_u64 << 23) as f32) - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// Sizes around the borders of tiles (4, 6, 14 rows), panels (32) and parts of the depth (512, 1024).
const SIZES: [(usize, usize, usize); 12] = [
    (1, 1, 1),
    (1, 64, 32),
    (3, 5, 7),
    (4, 32, 33),
    (6, 31, 64),
    (13, 40, 95),
    (14, 96, 96),
    (15, 7, 129),
    (29, 1025, 40),
    (100, 513, 70),
    (3, 1600, 1),
    (150, 64, 200),
];

fn weight(values: &[f32], outputs: usize, inputs: usize, storage: Storage) -> (PackedWeight, Vec<f32>) {
    let half = |x: f32| bf16::from_f32(x);
    match storage {
        Storage::F32 => (PackedWeight::from_f32(values, outputs, inputs), values.to_vec()),
        Storage::Bf16 => {
            let stored: Vec<bf16> = values.iter().map(|x| half(*x)).collect();
            (PackedWeight::from_bf16(&stored, outputs, inputs), stored.iter().map(|x| x.to_f32()).collect())
        }
        Storage::F16 => {
            let stored: Vec<f16> = values.iter().map(|x| f16::from_f32(*x)).collect();
            (PackedWeight::from_f16(&stored, outputs, inputs), stored.iter().map(|x| x.to_f32()).collect())
        }
        Storage::Blocks(format) => unreachable!("{format:?} has tests of its own"),
    }
}

/// The rounding of `depth` products of numbers below 1.
fn tolerance(depth: usize) -> f64 {
    1e-6 + depth as f64 * 2e-7
}

#[test]
fn products_equal_sums_in_f64() {
    for isa in Isa::available() {
        for storage in [Storage::F32, Storage::Bf16, Storage::F16] {
            for (rows, inputs, outputs) in SIZES {
                let label = format!("{isa:?} {storage:?} {rows} × {inputs} × {outputs}");
                let (packed, w) = weight(&numbers(outputs * inputs, 1), outputs, inputs, storage);
                assert_eq!(packed.storage(), storage);
                let x = numbers(rows * inputs, 2);
                let before = numbers(rows * outputs, 3);
                for output in [Output::Set, Output::Add] {
                    let mut y = before.clone();
                    packed.multiply(isa, &x, rows, &mut y, output);
                    for (r, o) in (0..rows).flat_map(|r| (0..outputs).map(move |o| (r, o))) {
                        let sum: f64 = (0..inputs)
                            .map(|i| f64::from(x[r * inputs + i]) * f64::from(w[o * inputs + i]))
                            .sum();
                        let kept =
                            if output == Output::Add { f64::from(before[r * outputs + o]) } else { 0.0 };
                        let error = (f64::from(y[r * outputs + o]) - sum - kept).abs();
                        assert!(error < tolerance(inputs), "{label} {output:?} at {r}, {o}: {error}");
                    }
                }
                let d_y = numbers(rows * outputs, 4);
                let before = numbers(rows * inputs, 5);
                for output in [Output::Set, Output::Add] {
                    let mut d_x = before.clone();
                    packed.multiply_back(isa, &d_y, rows, &mut d_x, output);
                    for (r, i) in (0..rows).flat_map(|r| (0..inputs).map(move |i| (r, i))) {
                        let sum: f64 = (0..outputs)
                            .map(|o| f64::from(d_y[r * outputs + o]) * f64::from(w[o * inputs + i]))
                            .sum();
                        let kept =
                            if output == Output::Add { f64::from(before[r * inputs + i]) } else { 0.0 };
                        let error = (f64::from(d_x[r * inputs + i]) - sum - kept).abs();
                        assert!(error < tolerance(outputs), "{label} back {output:?} at {r}, {i}: {error}");
                    }
                }
            }
        }
    }
}

/// One row alone, a row among many, and any number of threads: the same bits.
#[test]
fn a_row_s_result_depends_on_nothing_but_the_row() {
    let (rows, inputs, outputs) = (75, 1200, 100);
    let packed = PackedWeight::from_f32(&numbers(outputs * inputs, 6), outputs, inputs);
    let x = numbers(rows * inputs, 7);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut y = vec![0.0; rows * outputs];
        pool.install(|| packed.multiply(Isa::best(), &x, rows, &mut y, Output::Set));
        y
    };
    let all = run(1);
    assert_eq!(all, run(3));
    for row in [0, 13, 14, 74] {
        let mut y = vec![0.0; outputs];
        packed.multiply(Isa::best(), &x[row * inputs..][..inputs], 1, &mut y, Output::Set);
        assert_eq!(y, all[row * outputs..][..outputs], "row {row}");
    }
}

#[test]
fn rows_of_a_weight_come_back_as_stored() {
    let values = numbers(70 * 9, 8);
    for storage in [Storage::F32, Storage::Bf16, Storage::F16] {
        let (packed, stored) = weight(&values, 70, 9, storage);
        for row in [0, 31, 32, 69] {
            assert_eq!(packed.row(row), stored[row * 9..][..9]);
        }
        let bytes = if storage == Storage::F32 { 4 } else { 2 };
        assert_eq!(packed.bytes(), 96 * 9 * bytes);
    }
}

#[test]
fn nothing_times_something_is_nothing() {
    let packed = PackedWeight::from_f32(&[], 5, 0);
    let mut y = vec![1.0; 10];
    packed.multiply(Isa::best(), &[], 2, &mut y, Output::Add);
    assert_eq!(y, [1.0; 10]);
    packed.multiply(Isa::best(), &[], 2, &mut y, Output::Set);
    assert_eq!(y, [0.0; 10]);
    PackedWeight::from_f32(&[1.0; 6], 2, 3).multiply(Isa::best(), &[], 0, &mut [], Output::Set);
}
