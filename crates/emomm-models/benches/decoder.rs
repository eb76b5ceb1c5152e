//! Prefill and decision step of a decoder with the layer shape of a 0.5B model (four of its 24 layers).

use std::hint::black_box;

use candle_core::Tensor;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use emomm_models::attention_summary::AttentionRecorder;
use emomm_models::decoder::{DecisionHook, DecisionLayer, Decoder, DecoderConfig, Positions, Prefill};
use emomm_models::layout::Layout;
use emomm_models::weights::Weights;

const GROUPS: usize = 3;

fn decoder() -> Decoder {
    let config = DecoderConfig {
        vocab_size: 4096,
        hidden_size: 896,
        intermediate_size: 4864,
        n_layers: 4,
        n_heads: 14,
        n_kv_heads: 2,
        head_dim: 64,
        rms_norm_eps: 1e-6,
        rope_theta: 1e6,
        rope_sections: vec![8, 12, 12],
        qkv_bias: true,
        qk_norm: false,
        tied_embeddings: false,
    };
    Decoder::load(&Weights::random(1), config, GROUPS).expect("random weights always fit")
}

fn read(decoder: &Decoder, tokens: usize) -> Prefill {
    let ids: Vec<u32> = (0..tokens as u32).map(|i| (i * 97) % 4096).collect();
    let embedded = decoder.embed(&ids).expect("ids are below the vocabulary's size");
    let positions = Positions::sequential(0, tokens);
    decoder
        .prefill(&decoder.root(), &embedded, positions.as_slice(), &vec![Vec::new(); GROUPS])
        .expect("shapes are right")
}

fn prefill(c: &mut Criterion) {
    let decoder = decoder();
    let mut group = c.benchmark_group("prefill");
    group.sample_size(10);
    for tokens in [256, 512, 1024] {
        group.bench_with_input(BenchmarkId::from_parameter(tokens), &tokens, |b, tokens| {
            b.iter(|| black_box(read(&decoder, *tokens)));
        });
    }
    group.finish();
}

struct Nothing;

impl DecisionHook for Nothing {
    fn attn_bias(&mut self, _layer: &DecisionLayer<'_>) -> candle_core::Result<Option<Tensor>> {
        Ok(None)
    }
}

fn decide(c: &mut Criterion) {
    let decoder = decoder();
    let prefill = read(&decoder, 512);
    let row = decoder.embed(&[7]).expect("one id");
    let mut group = c.benchmark_group("decide at 512");
    group.sample_size(20);
    for variants in [1, 8, 64] {
        let rows = row.broadcast_as((variants, 896)).and_then(|r| r.contiguous()).expect("shapes are right");
        group.bench_with_input(BenchmarkId::new("variants", variants), &rows, |b, rows| {
            b.iter(|| decoder.decide(&prefill, rows, [512; 3], None).expect("shapes are right"));
        });
    }
    group.bench_function("hook that does nothing", |b| {
        b.iter(|| decoder.decide(&prefill, &row, [512; 3], Some(&mut Nothing)).expect("shapes are right"));
    });
    let mut layout = Layout::default();
    layout.push(None, 513);
    group.bench_function("attention recorder", |b| {
        b.iter(|| {
            let mut recorder = AttentionRecorder::new(&layout);
            decoder.decide(&prefill, &row, [512; 3], Some(&mut recorder)).expect("shapes are right")
        });
    });
    group.finish();
}

criterion_group!(benches, prefill, decide);
criterion_main!(benches);
