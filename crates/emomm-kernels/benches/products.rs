//! Products 896 → 4864 and back for every type of weights, from one row to many: what a batch could gain is the difference
//! of the time for each row.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use emomm_kernels::{BlockFormat, Isa, Output, PackedWeight, Storage};

const INPUTS: usize = 896;
const OUTPUTS: usize = 4864;

fn weight(storage: Storage) -> PackedWeight {
    let numbers: Vec<f32> = (0..INPUTS * OUTPUTS).map(|i| (i * 7919 % 2003) as f32 / 1e5).collect();
    let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
    match storage {
        // Any bits are a block; these have scales of about a thousandth.
        Storage::Blocks(format) => {
            let mut blocks = bytes;
            blocks.resize(OUTPUTS * format.row_bytes(INPUTS), 0);
            for block in blocks.chunks_exact_mut(format.bytes()) {
                block[..2].copy_from_slice(&[0x19, 0x14]);
                if format == BlockFormat::Q4K {
                    block[2..4].copy_from_slice(&[0x19, 0x14]);
                }
            }
            PackedWeight::from_blocks(&blocks, format, OUTPUTS, INPUTS)
        }
        _ => PackedWeight::from_bytes(&bytes, Storage::F32, storage, OUTPUTS, INPUTS),
    }
}

fn products(c: &mut Criterion) {
    let kinds = [
        ("f32", Storage::F32),
        ("bf16", Storage::Bf16),
        ("q8_0", Storage::Blocks(BlockFormat::Q8_0)),
        ("q4_k", Storage::Blocks(BlockFormat::Q4K)),
    ];
    let mut group = c.benchmark_group("product 896 to 4864");
    group.sample_size(10).measurement_time(std::time::Duration::from_secs(2));
    group.warm_up_time(std::time::Duration::from_millis(300));
    for (name, storage) in kinds {
        let weight = weight(storage);
        for rows in [1, 8, 32, 64, 128, 256, 512, 1536] {
            if rows != 1 && rows != 512 && name != "f32" {
                continue;
            }
            let x = vec![0.5; rows * INPUTS];
            let mut y = vec![0.0; rows * OUTPUTS];
            group.throughput(Throughput::Elements(rows as u64));
            group.bench_function(BenchmarkId::new(name, rows), |b| {
                b.iter(|| weight.multiply(Isa::best(), &x, rows, &mut y, Output::Set));
            });
            if rows == 512 {
                let mut d_x = vec![0.0; rows * INPUTS];
                group.bench_function(BenchmarkId::new(format!("{name} back"), rows), |b| {
                    b.iter(|| weight.multiply_back(Isa::best(), &y, rows, &mut d_x, Output::Set));
                });
            }
        }
    }
    group.finish();
}

criterion_group!(benches, products);
criterion_main!(benches);
