//! Any bytes as a file of predictions, with and without a benchmark beside it: scored or refused, never a panic.
//!
//! What is asserted stands in `crates/emomm-eval/tests/any_bytes/mod.rs`; the inputs under `fuzz/corpus/predictions` are
//! replayed by a normal test in `crates/emomm-eval/tests/corpus.rs`.
#![no_main]

#[path = "../../crates/emomm-eval/tests/any_bytes/mod.rs"]
mod any_bytes;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    any_bytes::predictions(bytes);
});
