//! Gradient of one logit at all input embeddings, with both ends of what may be kept; four layers of 0.5B shape.

#[path = "shape/mod.rs"]
mod shape;

use std::num::NonZeroUsize;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use emomm_models::decoder::{GradientPlace, Keep, Positions, TargetLogit};

fn gradient(c: &mut Criterion) {
    let decoder = shape::decoder();
    let mut group = c.benchmark_group("gradient");
    group.sample_size(10);
    let two = NonZeroUsize::new(2).expect("two is not zero");
    for tokens in [512, 1536] {
        let embedded = decoder.embed(&shape::ids(tokens)).expect("ids are below the vocabulary's size");
        let positions = Positions::sequential(0, tokens);
        group.bench_function(BenchmarkId::new("prefill, for comparison", tokens), |b| {
            b.iter(|| shape::read(&decoder, tokens));
        });
        for (name, keep) in
            [("every layer's input kept", Keep::LayerInputs), ("every second", Keep::EveryNthInput(two))]
        {
            group.bench_function(BenchmarkId::new(name, tokens), |b| {
                b.iter(|| {
                    let target = TargetLogit::Token(7);
                    decoder
                        .input_gradient(
                            &embedded,
                            positions.as_slice(),
                            target,
                            &GradientPlace::embeddings(0..tokens),
                            keep,
                        )
                        .expect("shapes are right")
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, gradient);
criterion_main!(benches);
