//! Arithmetic against the reference Python packages.
//!
//! Expected values come from `tests/golden/media/export.py`, which calls the real functions of qwen-omni-utils,
//! torchvision, librosa and transformers. The inputs are made here by the same integer generator. The README there gives
//! the reason for each tolerance.

use std::path::PathBuf;

use emomm_media::{FrameSampling, MediaError, RgbImage, WhisperMel, resample, resize_bicubic, sample_frames};
use serde_json::Value;

fn golden(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/media")).join(name)
}

fn json(name: &str) -> Value {
    let text = std::fs::read_to_string(golden(name)).expect("golden file");
    serde_json::from_str(&text).expect("golden file is JSON")
}

fn bytes(case: &Value) -> Vec<u8> {
    std::fs::read(golden(case["file"].as_str().expect("file name"))).expect("golden file")
}

fn floats(case: &Value) -> Vec<f32> {
    bytes(case).chunks_exact(4).map(|word| f32::from_le_bytes(word.try_into().expect("four bytes"))).collect()
}

fn number(value: &Value) -> usize {
    value.as_u64().expect("a whole number") as usize
}

fn numbers(value: &Value) -> Vec<usize> {
    value.as_array().expect("a list").iter().map(number).collect()
}

/// The generator of `export.py`.
fn noise(n: usize, seed: usize) -> Vec<u32> {
    let mut state = seed as u32;
    let step = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 16
    };
    (0..n).map(step).collect()
}

fn picture(width: usize, height: usize, seed: usize) -> RgbImage {
    let blue = noise(width * height, seed);
    let mut data = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            let green = if (x / 16 + y / 16) % 2 == 0 { 255 } else { (y * 7 + x * 3) % 256 };
            data.extend([
                (x * 255 / (width - 1).max(1)) as u8,
                green as u8,
                (blue[y * width + x] >> 8) as u8,
            ]);
        }
    }
    RgbImage::new(width, height, data).expect("a picture")
}

fn signal(n: usize, seed: usize) -> Vec<f32> {
    let held = |hold: usize| -> Vec<i64> {
        let values = noise(n.div_ceil(hold), seed + hold);
        (0..n).map(|i| i64::from(values[i / hold]) - 32768).collect()
    };
    let (one, eight, many) = (held(1), held(8), held(64));
    (0..n).map(|i| ((one[i] + 4 * eight[i] + 8 * many[i]) as f64 / (32768.0 * 16.0)) as f32).collect()
}

#[test]
fn frames_are_those_of_qwen_omni_utils() {
    let cases = json("frames.json");
    let mut checked = 0;
    for case in cases.as_array().expect("a list") {
        let options = &case["options"];
        let default = FrameSampling::default();
        let sampling = FrameSampling {
            fps: options["fps"].as_f64().unwrap_or(default.fps),
            min_frames: options["min_frames"].as_u64().map_or(default.min_frames, |n| n as usize),
            max_frames: options["max_frames"].as_u64().map_or(default.max_frames, |n| n as usize),
            ..default
        };
        let total = number(&case["total"]);
        let avg_fps = case["avg_fps"].as_f64().expect("a rate");
        let chosen = sample_frames(total, avg_fps, &[], &sampling);
        if case["error"].is_string() {
            assert!(matches!(chosen, Err(MediaError::TooFewFrames { .. })), "{case}");
        } else {
            assert_eq!(chosen.expect("enough frames"), numbers(&case["indices"]), "{total} at {avg_fps}");
        }
        checked += 1;
    }
    assert!(checked > 90, "only {checked} cases");
}

#[test]
fn pictures_are_resized_as_by_torchvision() {
    let index = json("index.json");
    for case in index["resize"].as_array().expect("a list") {
        let (from, to) = (numbers(&case["from"]), numbers(&case["to"]));
        let resized = resize_bicubic(&picture(from[0], from[1], number(&case["seed"])), to[0], to[1]);
        let expected = bytes(case);
        assert_eq!(resized.data.len(), expected.len());
        let differing = resized.data.iter().zip(&expected).filter(|(got, wanted)| got != wanted).count();
        assert_eq!(differing, 0, "{from:?} to {to:?}: samples that differ of {}", expected.len());
    }
}

/// Signal-to-noise ratio in dB.
fn snr(expected: &[f32], got: &[f32]) -> f64 {
    let energy = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>();
    let signal = energy(&mut expected.iter().map(|&value| f64::from(value)));
    let noise = energy(&mut expected.iter().zip(got).map(|(&a, &b)| f64::from(a) - f64::from(b)));
    10.0 * (signal / noise).log10()
}

#[test]
fn rates_are_changed_as_by_soxr() {
    let index = json("index.json");
    for case in index["resample"].as_array().expect("a list") {
        let (from_hz, n) = (number(&case["from_hz"]), number(&case["n"]));
        let expected = floats(case);
        let got = resample(&signal(n, number(&case["seed"])), from_hz as u32, 16_000);
        assert_eq!(got.len(), expected.len(), "length from {from_hz} Hz");
        let inside = 200..expected.len() - 200;
        let (inner, whole) = (snr(&expected[inside.clone()], &got[inside]), snr(&expected, &got));
        assert!(inner > 55.0, "from {from_hz} Hz: {inner:.1} dB in the interior, {whole:.1} dB in all");
    }
}

#[test]
fn mels_are_those_of_whisper() {
    let index = json("index.json");
    for case in index["mel"].as_array().expect("a list") {
        let n_mels = number(&case["n_mels"]);
        let padded = case["padded"].as_u64().map(|n| n as usize);
        let mel = WhisperMel::new(n_mels, 16_000, 400, 160);
        let got = mel.compute(&signal(number(&case["n"]), number(&case["seed"])), padded).expect("features");
        assert_eq!(got.n_frames, number(&case["frames"]), "{}", case["file"]);
        let kept = numbers(&case["kept"]);
        let expected = floats(case);
        let mut worst = 0.0f32;
        for mel in 0..n_mels {
            for (column, &frame) in kept.iter().enumerate() {
                let difference = got.data[mel * got.n_frames + frame] - expected[mel * kept.len() + column];
                worst = worst.max(difference.abs());
            }
        }
        assert!(worst <= 1e-4, "{}: off by {worst}", case["file"]);
    }
}
