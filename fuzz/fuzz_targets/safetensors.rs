//! A shard must be read or refused, whatever its bytes, without more memory than the file takes.
//!
//! The inputs under `fuzz/corpus/safetensors` are replayed by a normal test in `crates/emomm-models/tests/corpus.rs`.
#![no_main]

use std::sync::LazyLock;

use candle_core::{DType, Device};
use emomm_models::weights::Weights;
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

static FOLDER: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().expect("a temporary folder"));

fuzz_target!(|bytes: &[u8]| {
    let folder = FOLDER.path();
    std::fs::write(folder.join("model.safetensors"), bytes).expect("the folder can be written");
    let name = |n: &str| Some(n.strip_prefix("thinker.").unwrap_or(n).to_owned());
    let Ok(weights) = Weights::open(folder, &Device::Cpu, DType::F32, name) else { return };
    assert!(weights.stored_bytes() <= bytes.len() as u64);
    for (name, shape) in [("a", vec![2, 2]), ("b", vec![3]), ("c", vec![]), ("d", vec![0, 4])] {
        let tensor = weights.get(name, shape.clone()).expect("problems are collected");
        assert_eq!(tensor.dims(), shape);
        assert_eq!(
            tensor.flatten_all().and_then(|t| t.to_vec1::<f32>()).map_or(0, |v| v.len()),
            tensor.elem_count()
        );
    }
    let _ = weights.check();
});
