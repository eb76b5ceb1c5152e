//! Any bytes as `metadata.parquet`.
//!
//! What is asserted stands in `crates/emomm-dataset/tests/any_bytes/mod.rs`; the inputs under `fuzz/corpus/parquet` are
//! replayed by a normal test in `crates/emomm-dataset/tests/corpus.rs`.
#![no_main]

#[path = "../../crates/emomm-dataset/tests/any_bytes/mod.rs"]
#[allow(dead_code, reason = "each target uses one of the readers")]
mod any_bytes;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    any_bytes::parquet(bytes);
});
