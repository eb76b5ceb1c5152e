//! CHASE on a decision row after 512 tokens, beside the same step without it; four layers of 0.5B shape, an untrained router
//! that steers every layer from its first on.

#[path = "../examples/peer/prompt.rs"]
mod prompt;
#[path = "../../emomm-models/benches/shape/mod.rs"]
#[expect(dead_code, reason = "the decoder alone is taken")]
mod shape;
#[path = "../examples/peer/steering.rs"]
mod steering;

mod measure {
    //! The error that the shared file names.
    pub(crate) type Failure = Box<dyn std::error::Error>;
}

use criterion::{Criterion, criterion_group, criterion_main};
use emomm_dataset::ModalitySet;
use emomm_models::prompt_tree::MediaEmbeddings;
use emomm_models::white_box::{DecisionPoint, DecoderShape};

const TOKENS: usize = 512;

fn steer(c: &mut Criterion) {
    let decoder = shape::decoder();
    let router = steering::router(DecoderShape::of(&decoder)).expect("the shape is sound");
    let all = ModalitySet::ALL[7];
    let row = prompt::row(TOKENS, all, decoder.config().vocab_size);
    let embedded =
        decoder.embed(&prompt::ids(&row)[..TOKENS - 1]).expect("ids are below the vocabulary's size");
    let positions = &row.positions.as_slice()[..TOKENS - 1];
    let groups = row.layout.group_spans(0..TOKENS - 1);
    let prefill = decoder.prefill(&decoder.root(), &embedded, positions, &groups).expect("shapes are right");
    let media = MediaEmbeddings::default();
    let point = DecisionPoint::new(all, &decoder, &row, &prefill, &media, [32, 33, 34, 35, 36])
        .expect("shapes are right");
    let mut group = c.benchmark_group("steering at 512");
    group.sample_size(20);
    group.bench_function("plain step", |b| b.iter(|| point.decide(1, None).expect("shapes are right")));
    group.bench_function("one pass", |b| {
        b.iter(|| steering::steer(&point, &router, &["paper"], false).expect("it steers"));
    });
    group.bench_function("two passes", |b| {
        b.iter(|| steering::steer(&point, &router, &["two_pass"], true).expect("it steers"));
    });
    group.bench_function("clean step and five variants", |b| {
        b.iter(|| steering::steer(&point, &router, &steering::ABLATION, true).expect("it steers"));
    });
    group.finish();
    let mut group = c.benchmark_group("prefill at 512");
    group.sample_size(10);
    for (name, groups) in [("with pooled summaries", &groups), ("without", &vec![Vec::new(); 3])] {
        group.bench_function(name, |b| {
            b.iter(|| {
                decoder.prefill(&decoder.root(), &embedded, positions, groups).expect("shapes are right")
            });
        });
    }
    group.finish();
}

criterion_group!(benches, steer);
criterion_main!(benches);
