//! InternViT and the Whale encoder alone, `tests/golden/intern_vit` and `tests/golden/whale`.
//!
//! Tolerance: 1e-4. Both sides compute in f32 at widths of 16 to 24; what remains is the order of sums.

use std::collections::HashMap;
use std::path::PathBuf;

use candle_core::{DType, Tensor};
use emomm_models::audio::{AdapterActivation, AdapterNorm, Whale, WhaleChunks, WhaleConfig};
use emomm_models::vision::{InternVit, InternVitConfig};
use emomm_models::weights::Weights;

use super::cases::{device, max_difference};

const SAME: f32 = 1e-4;

fn folder(case: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(case)
}

fn tensors(path: &str) -> HashMap<String, Tensor> {
    candle_core::safetensors::load(folder(path), &device()).unwrap()
}

/// Loads as a model does: once for names and shapes, once for numbers.
fn load<T>(checkpoint: &str, tower: impl Fn(&Weights) -> emomm_models::Result<T>) -> T {
    let weights =
        Weights::open(&folder(checkpoint), &device(), DType::F32, |name| Some(name.to_owned())).unwrap();
    tower(&weights).unwrap();
    tower(&weights.check().unwrap()).unwrap()
}

#[test]
fn intern_vit_agrees() {
    let config = InternVitConfig {
        depth: 3,
        hidden_size: 24,
        intermediate_size: 40,
        n_heads: 2,
        in_channels: 3,
        image_size: 40,
        patch_size: 8,
        layer_norm_eps: 1e-6,
        qkv_bias: true,
    };
    let tower = load("intern_vit/checkpoint", |w| InternVit::load(w, "vision", config.clone()));
    let expected = tensors("intern_vit/expected.safetensors");
    let ours = tower.forward(&expected["patches"]).unwrap();
    let difference = max_difference(&ours, &expected["states"]);
    assert!(difference < SAME, "{difference}");
    // A picture's neighbours change nothing.
    let alone = tower.forward(&expected["patches"].narrow(0, 25, 25).unwrap()).unwrap();
    assert!(max_difference(&alone, &ours.narrow(0, 1, 1).unwrap()) < 1e-6);
}

#[test]
fn whale_agrees_with_every_kind_of_chunk_and_adapter() {
    let mut compared = 0;
    for (variant, adapter_norm, adapter_activation) in [
        ("layer_gelu", AdapterNorm::Layer, AdapterActivation::Gelu),
        ("batch_relu", AdapterNorm::Batch, AdapterActivation::Relu),
    ] {
        let expected = tensors(&format!("whale/{variant}.safetensors"));
        for (name, chunks) in [
            ("full", None),
            ("left_all", Some(WhaleChunks { size: 3, left: None })),
            ("left_1", Some(WhaleChunks { size: 3, left: Some(1) })),
        ] {
            let config = WhaleConfig {
                n_mels: 20,
                subsampling_dim: 10,
                d_model: 16,
                n_layers: 2,
                n_heads: 2,
                ffn_dim: 24,
                chunks,
                adapter_kernel: 5,
                adapter_norm,
                adapter_activation,
                output_dim: 12,
            };
            let tower = load(&format!("whale/{variant}"), |w| Whale::load(w, "audio", config.clone()));
            for frames in [7, 8, 50, 131] {
                let ours = tower.forward(&expected[&format!("{frames}.features")]).unwrap();
                assert_eq!(ours.dim(0).unwrap(), WhaleConfig::tokens(frames));
                let difference = max_difference(&ours, &expected[&format!("{frames}.{name}")]);
                assert!(difference < SAME, "{variant} {name} {frames}: {difference}");
                compared += 1;
            }
            let short = Tensor::zeros((6, 20), DType::F32, &device()).unwrap();
            assert!(tower.forward(&short).unwrap_err().to_string().contains("at least 7"));
        }
    }
    assert_eq!(compared, 24);
}
