//! The kept inputs of the fuzz targets `config` and `safetensors`, with what the targets assert.

use std::path::Path;

use candle_core::{DType, Device};
use emomm_media::Waveform;
use emomm_models::audio::Qwen2_5Audio;
use emomm_models::decoder::Decoder;
use emomm_models::layout::N_GROUPS;
use emomm_models::qwen2_5_omni::{OmniConfig, ProcessorConfig, SETTINGS_FILE, log_mel, smart_resize};
use emomm_models::vision::Qwen2_5Vit;
use emomm_models::weights::Weights;

/// The kept inputs of a target by name, sorted.
fn kept(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut inputs: Vec<(String, Vec<u8>)> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
        })
        .collect();
    inputs.sort();
    inputs
}

fn open(folder: &Path) -> emomm_models::Result<Weights> {
    let name = |n: &str| Some(n.strip_prefix("thinker.").unwrap_or(n).to_owned());
    Weights::open(folder, &Device::Cpu, DType::F32, name)
}

#[test]
fn kept_configs_are_refused_or_safe_to_load() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("model.safetensors"), b"\x02\0\0\0\0\0\0\0{}").unwrap();
    let mut accepted = Vec::new();
    for (name, bytes) in kept("config") {
        let path = Path::new("config.json");
        let Ok(config) = OmniConfig::parse(path, &String::from_utf8_lossy(&bytes)) else { continue };
        let weights = open(folder.path()).unwrap();
        Decoder::load(&weights, config.decoder, N_GROUPS).unwrap();
        Qwen2_5Vit::load(&weights, config.vision).unwrap();
        Qwen2_5Audio::load(&weights, config.audio).unwrap();
        // There is not one tensor.
        assert!(weights.check().is_err(), "{name}");
        accepted.push(name);
    }
    assert_named(
        &accepted,
        &["full", "most-layers", "plain-rope", "thinker", "widest-heads", "widest-patches"],
    );
    let refused = ["cut", "layers-without-end", "nested", "no-heads", "sections-that-overflow"];
    assert!(refused.iter().all(|name| !accepted.iter().any(|a| a == name)), "{accepted:?}");
}

#[test]
fn kept_settings_are_refused_or_safe_to_use() {
    let folder = tempfile::tempdir().unwrap();
    let flat = folder.path().join("preprocessor_config.json");
    let mut refused = Vec::new();
    for (name, bytes) in kept("config") {
        for file in ["preprocessor_config.json", "processor_config.json", SETTINGS_FILE] {
            std::fs::write(&flat, "{}").unwrap();
            let path = folder.path().join(file);
            std::fs::write(&path, &bytes).unwrap();
            match ProcessorConfig::read(folder.path()) {
                Ok(settings) => assert_safe(&settings, &name),
                Err(_) => refused.push((name.clone(), file)),
            }
            std::fs::remove_file(&path).unwrap();
        }
    }
    // Every object is an acceptable preprocessor_config.json unless a field of it is wrong; the settings file knows
    // its fields.
    for (name, file, expected) in [
        ("preprocessor", "preprocessor_config.json", false),
        ("preprocessor", SETTINGS_FILE, true),
        ("preprocessor-extremes", "preprocessor_config.json", false),
        ("preprocessor-spectrogram-too-large", "preprocessor_config.json", true),
        ("processor", "processor_config.json", false),
        ("settings", SETTINGS_FILE, false),
        ("settings-most-pixels", SETTINGS_FILE, false),
        ("settings-huge-pixels", SETTINGS_FILE, true),
        ("settings-no-frames", SETTINGS_FILE, true),
        ("cut", "preprocessor_config.json", true),
        ("nested", "processor_config.json", true),
    ] {
        assert_eq!(refused.contains(&(name.to_owned(), file)), expected, "{name} as {file}");
    }
}

fn assert_safe(settings: &ProcessorConfig, name: &str) {
    let waveform = Waveform {
        samples: vec![0.5; 1600],
        sample_rate_hz: settings.sample_rate_hz,
        source_rate_hz: settings.sample_rate_hz,
        source_channels: 1,
        warnings: Vec::new(),
    };
    if let Ok(mel) = log_mel(&waveform, settings) {
        assert!(mel.data.iter().all(|v| v.is_finite()), "{name}");
    }
    for bounds in [settings.video.frame_bounds(4), settings.processor_pixels] {
        let (height, width) = smart_resize(48, 64, 28, bounds).unwrap();
        // The greatest bound, and what rounding up to whole tokens adds.
        assert!(height * width <= 80 << 20, "{name}: a frame of {width}x{height} pixels");
    }
}

#[test]
fn kept_shards_are_refused_or_read_within_their_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (mut complete, mut lacking) = (Vec::new(), Vec::new());
    for (name, bytes) in kept("safetensors") {
        std::fs::write(folder.path().join("model.safetensors"), &bytes).unwrap();
        let Ok(weights) = open(folder.path()) else { continue };
        assert!(weights.stored_bytes() <= bytes.len() as u64, "{name}");
        for (tensor, shape) in [("a", vec![2, 2]), ("b", vec![3]), ("c", vec![]), ("d", vec![0, 4])] {
            let read = weights.get(tensor, shape.clone()).unwrap();
            assert_eq!(read.dims(), shape, "{tensor} of {name}");
            let values: Vec<f32> = read.flatten_all().unwrap().to_vec1().unwrap();
            assert_eq!(values.len(), read.elem_count(), "{tensor} of {name}");
        }
        if weights.check().is_ok() { &mut complete } else { &mut lacking }.push(name);
    }
    assert_named(&complete, &["four-tensors"]);
    assert_named(
        &lacking,
        &["metadata", "no-tensors", "odd-header", "prefixed", "wrong-shape", "wrong-type", "zero-times-huge"],
    );
    let refused = ["backwards", "cut-data", "garbage", "gap", "huge-header", "overflow", "overlap"];
    assert!(refused.iter().all(|name| ![&complete, &lacking].iter().any(|l| l.iter().any(|n| n == name))));
}

/// Other inputs may be added to a corpus; these are there, and end as they should.
#[track_caller]
fn assert_named(found: &[String], named: &[&str]) {
    for name in named {
        assert!(found.iter().any(|f| f == name), "{name} is not among {found:?}");
    }
}
