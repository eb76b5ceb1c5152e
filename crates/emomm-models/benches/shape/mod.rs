//! A decoder with the layer shape of a 0.5B model (four of its 24 layers) and random weights.

use emomm_models::decoder::{Decoder, DecoderConfig, Positions, Prefill};
use emomm_models::weights::Weights;

/// Groups of tokens whose layer inputs are pooled.
pub(crate) const GROUPS: usize = 3;
/// Width of the residual stream.
pub(crate) const HIDDEN: usize = 896;
const VOCABULARY: usize = 4096;

/// The decoder.
pub(crate) fn decoder() -> Decoder {
    let config = DecoderConfig {
        vocab_size: VOCABULARY,
        hidden_size: HIDDEN,
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

/// A prompt.
pub(crate) fn ids(tokens: usize) -> Vec<u32> {
    (0..tokens as u32).map(|i| (i * 97) % VOCABULARY as u32).collect()
}

/// Reads a prompt.
pub(crate) fn read(decoder: &Decoder, tokens: usize) -> Prefill {
    let embedded = decoder.embed(&ids(tokens)).expect("ids are below the vocabulary's size");
    let positions = Positions::sequential(0, tokens);
    decoder
        .prefill(&decoder.root(), &embedded, positions.as_slice(), &vec![Vec::new(); GROUPS])
        .expect("shapes are right")
}
