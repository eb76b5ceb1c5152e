//! The router at width 896 and 3584: one row, as a decision step asks it layer by layer, and all layers of a clean step at
//! once.

use candle_core::DType;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use emomm_chase::{Router, RouterShape};

fn read(c: &mut Criterion) {
    let mut group = c.benchmark_group("router");
    group.sample_size(20);
    for width in [896, 3584] {
        let shape = RouterShape::paper(width);
        let router = Router::random(shape, 1, DType::F32).expect("the shape is sound");
        let state: Vec<f32> = (0..width).map(|i| (i as f32 * 0.37).sin()).collect();
        let row = shape.input(0, &state, [Some(&state), Some(&state), None], [0.5, 0.5, 0.0]);
        for rows in [1, 28] {
            let inputs = vec![row.clone(); rows];
            let present = vec![[true, true, false]; rows];
            let id = BenchmarkId::new(format!("width {width}, rows"), rows);
            group.bench_function(id, |b| {
                b.iter(|| router.read(&inputs, &present).expect("rows fit the shape"));
            });
        }
        group.bench_function(BenchmarkId::new("input of one row", width), |b| {
            b.iter(|| shape.input(0, &state, [Some(&state), Some(&state), None], [0.5, 0.5, 0.0]));
        });
    }
    group.finish();
}

criterion_group!(benches, read);
criterion_main!(benches);
