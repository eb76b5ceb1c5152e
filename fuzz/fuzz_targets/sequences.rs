//! Any bytes as labels or words of the CMU Multimodal SDK.
//!
//! What is asserted stands in `crates/emomm-dataset/tests/any_bytes/mod.rs`; the inputs under `fuzz/corpus/sequences` are
//! replayed by a normal test in `crates/emomm-dataset/tests/corpus.rs`.
#![no_main]

#[path = "../../crates/emomm-dataset/tests/any_bytes/mod.rs"]
#[allow(dead_code, reason = "each target uses one of the readers")]
mod any_bytes;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    any_bytes::sequences(bytes);
});
