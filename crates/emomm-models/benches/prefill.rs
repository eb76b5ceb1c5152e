//! The prefill at several lengths; four layers of 0.5B shape.

#[path = "shape/mod.rs"]
mod shape;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

fn prefill(c: &mut Criterion) {
    let decoder = shape::decoder();
    let mut group = c.benchmark_group("prefill");
    group.sample_size(10);
    for tokens in [256, 512, 1024, 1536, 3072] {
        group.bench_with_input(BenchmarkId::from_parameter(tokens), &tokens, |b, tokens| {
            b.iter(|| black_box(shape::read(&decoder, *tokens)));
        });
    }
    group.finish();
}

criterion_group!(benches, prefill);
criterion_main!(benches);
