//! Settings of a checkpoint must be read or refused, whatever the text; what is accepted must be safe to use.
//!
//! The inputs under `fuzz/corpus/config` are replayed by a normal test in `crates/emomm-models/tests/corpus.rs`.
#![no_main]

use std::path::Path;
use std::sync::LazyLock;

use candle_core::{DType, Device};
use emomm_media::Waveform;
use emomm_models::audio::Qwen2_5Audio;
use emomm_models::decoder::Decoder;
use emomm_models::layout::N_GROUPS;
use emomm_models::qwen2_5_omni::{OmniConfig, ProcessorConfig, SETTINGS_FILE, log_mel, smart_resize};
use emomm_models::vision::Qwen2_5Vit;
use emomm_models::weights::Weights;
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

/// A checkpoint folder whose shard holds no tensor.
static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("model.safetensors"), b"\x02\0\0\0\0\0\0\0{}").expect("a shard");
    folder
});

/// The settings where no file says otherwise.
static PUBLISHED: LazyLock<ProcessorConfig> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("preprocessor_config.json"), "{}").expect("the folder can be written");
    ProcessorConfig::read(folder.path()).expect("defaults for every field")
});

fuzz_target!(|bytes: &[u8]| {
    let folder = FOLDER.path();
    if let Ok(config) = OmniConfig::parse(Path::new("config.json"), &String::from_utf8_lossy(bytes)) {
        let name = |n: &str| Some(n.to_owned());
        let weights = Weights::open(folder, &Device::Cpu, DType::F32, name).expect("the shard is valid");
        Decoder::load(&weights, config.decoder, N_GROUPS).expect("problems are collected");
        Qwen2_5Vit::load(&weights, config.vision).expect("problems are collected");
        Qwen2_5Audio::load(&weights, config.audio).expect("problems are collected");
        assert!(weights.check().is_err());
    }
    for name in ["preprocessor_config.json", "processor_config.json", SETTINGS_FILE] {
        let path = folder.join(name);
        std::fs::write(&path, bytes).expect("the folder can be written");
        // What the published defaults do is known.
        if let Ok(settings) = ProcessorConfig::read(folder)
            && settings != *PUBLISHED
        {
            accepted(&settings);
        }
        if name != "preprocessor_config.json" {
            std::fs::remove_file(&path).expect("the file is there");
        }
        std::fs::write(folder.join("preprocessor_config.json"), "{}").expect("the folder can be written");
    }
});

fn accepted(settings: &ProcessorConfig) {
    let waveform = Waveform {
        samples: vec![0.5; 1600],
        sample_rate_hz: settings.sample_rate_hz,
        source_rate_hz: settings.sample_rate_hz,
        source_channels: 1,
        warnings: Vec::new(),
    };
    if let Ok(mel) = log_mel(&waveform, settings) {
        assert!(mel.data.iter().all(|v| v.is_finite()));
    }
    for bounds in [settings.video.frame_bounds(4), settings.processor_pixels] {
        let (height, width) = smart_resize(48, 64, 28, bounds).expect("the ratio is fine");
        assert!(height * width <= 80 << 20, "a frame of {width}x{height} pixels");
    }
}
