//! Shape of the decoder, independent of any checkpoint's way of writing it.

/// Everything that the decoder needs to know about itself.
#[derive(Debug, Clone, PartialEq)]
pub struct DecoderConfig {
    /// Size of the vocabulary.
    pub vocab_size: usize,
    /// Width d of the residual stream.
    pub hidden_size: usize,
    /// Width of the gated feed-forward layer.
    pub intermediate_size: usize,
    /// Number of layers L.
    pub n_layers: usize,
    /// Number of query heads H.
    pub n_heads: usize,
    /// Number of key/value heads; divides `n_heads`.
    pub n_kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// ε of the RMS norms.
    pub rms_norm_eps: f64,
    /// Base θ of the rotary frequencies.
    pub rope_theta: f64,
    /// How many of the `head_dim / 2` frequencies follow each position row, repeated cyclically over the three
    /// rows. A model with one-dimensional positions has one section of `head_dim / 2`.
    pub rope_sections: Vec<usize>,
    /// Whether q, k and v have biases.
    pub qkv_bias: bool,
    /// Whether q and k are RMS-normalised per head before rotation.
    pub qk_norm: bool,
    /// Whether the output matrix is the embedding matrix.
    pub tied_embeddings: bool,
}

impl DecoderConfig {
    /// Checks that the numbers fit each other; the message names the field.
    pub fn validate(&self) -> Result<(), String> {
        let positive = [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("num_hidden_layers", self.n_layers),
            ("num_attention_heads", self.n_heads),
            ("num_key_value_heads", self.n_kv_heads),
            ("head_dim", self.head_dim),
        ];
        for (name, value) in positive {
            if value == 0 {
                return Err(format!("`{name}` is 0, expected at least 1"));
            }
        }
        if !self.n_heads.is_multiple_of(self.n_kv_heads) {
            return Err(format!(
                "`num_attention_heads` is {}, expected a multiple of `num_key_value_heads` {}",
                self.n_heads, self.n_kv_heads
            ));
        }
        if !self.head_dim.is_multiple_of(2) {
            return Err(format!("`head_dim` is {}, expected an even number", self.head_dim));
        }
        if !(self.rms_norm_eps.is_finite() && self.rms_norm_eps >= 0.0) {
            return Err(format!("`rms_norm_eps` is {}, expected a number of at least 0", self.rms_norm_eps));
        }
        if !(self.rope_theta.is_finite() && self.rope_theta > 0.0) {
            return Err(format!("`rope_theta` is {}, expected a number above 0", self.rope_theta));
        }
        let covered: usize = self.rope_sections.iter().sum();
        if covered != self.head_dim / 2 {
            return Err(format!(
                "`mrope_section` {:?} sums to {covered}, expected half of the head dimension, {}",
                self.rope_sections,
                self.head_dim / 2
            ));
        }
        Ok(())
    }
}
