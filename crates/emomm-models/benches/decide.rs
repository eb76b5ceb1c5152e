//! The decision step after 512 tokens: variants in one batch, and what a hook costs; four layers of 0.5B shape.

#[path = "shape/mod.rs"]
mod shape;

use candle_core::Tensor;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use emomm_models::attention_summary::AttentionRecorder;
use emomm_models::decoder::{DecisionHook, DecisionLayer};
use emomm_models::layout::Layout;

const TOKENS: usize = 512;

struct Nothing;

impl DecisionHook for Nothing {
    fn attn_bias(&mut self, _layer: &DecisionLayer<'_>) -> candle_core::Result<Option<Tensor>> {
        Ok(None)
    }
}

/// A bias on every key of every head, as steering gives one.
struct Everywhere;

impl DecisionHook for Everywhere {
    fn attn_bias(&mut self, layer: &DecisionLayer<'_>) -> candle_core::Result<Option<Tensor>> {
        Ok(Some(layer.attn_scores.zeros_like()?))
    }
}

fn decide(c: &mut Criterion) {
    let decoder = shape::decoder();
    let prefill = shape::read(&decoder, TOKENS);
    let row = decoder.embed(&[7]).expect("one id");
    let position = [TOKENS as u32; 3];
    let mut group = c.benchmark_group("decide at 512");
    group.sample_size(20);
    for variants in [1, 8, 64] {
        let rows = row.broadcast_as((variants, shape::HIDDEN)).and_then(|r| r.contiguous());
        let rows = rows.expect("shapes are right");
        group.bench_with_input(BenchmarkId::new("variants", variants), &rows, |b, rows| {
            b.iter(|| decoder.decide(&prefill, rows, position, None).expect("shapes are right"));
        });
    }
    group.bench_function("hook that does nothing", |b| {
        b.iter(|| decoder.decide(&prefill, &row, position, Some(&mut Nothing)).expect("shapes are right"));
    });
    group.bench_function("hook with a bias everywhere", |b| {
        b.iter(|| decoder.decide(&prefill, &row, position, Some(&mut Everywhere)).expect("shapes are right"));
    });
    let mut layout = Layout::default();
    layout.push(None, TOKENS + 1);
    group.bench_function("attention recorder", |b| {
        b.iter(|| {
            let mut recorder = AttentionRecorder::new(&layout);
            decoder.decide(&prefill, &row, position, Some(&mut recorder)).expect("shapes are right")
        });
    });
    group.finish();
}

criterion_group!(benches, decide);
criterion_main!(benches);
