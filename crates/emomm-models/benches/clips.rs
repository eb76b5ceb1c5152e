//! A whole clip, from files to the answers of all eight coalitions, on the untrained and on the embedded checkpoint: decoding,
//! towers, prompt tree, decision rows. A minute over it is clips per minute of one worker. Needs ffmpeg.

use std::path::{Path, PathBuf};
use std::process::Command;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use emomm_dataset::{Corpus, ModalitySet};
use emomm_eval::{Clip, PredictOptions};
use emomm_media::{DecodeLimits, SamplingMode};
use emomm_models::qwen2_5_omni::untrained;
use emomm_models::{ComputeType, DeviceKind, LoadOptions, embedded};

/// Four seconds of a moving test picture with a tone.
fn clip(folder: &Path) -> PathBuf {
    let path = folder.join("clip.mp4");
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "testsrc2=size=480x360:rate=25:duration=4"])
        .args(["-f", "lavfi", "-i", "sine=frequency=440:duration=4", "-pix_fmt", "yuv420p", "-shortest"])
        .arg(&path)
        .status();
    assert!(made.is_ok_and(|status| status.success()), "ffmpeg makes the clip");
    path
}

fn clips(c: &mut Criterion) {
    let folder = std::env::temp_dir().join(format!("emomm-bench-clips-{}", std::process::id()));
    let [untrained_folder, embedded_folder] = ["untrained", "embedded"].map(|name| folder.join(name));
    untrained::write(&untrained_folder, 1).expect("the temporary folder can be written");
    embedded::write(&embedded_folder).expect("the temporary folder can be written");
    let file = clip(&folder);
    let options = LoadOptions {
        device: DeviceKind::Cpu,
        dtype: ComputeType::F32,
        sampling: SamplingMode::Qwen,
        limits: DecodeLimits::default(),
    };
    let clip = Clip {
        id: "clip".to_owned(),
        text: Some("I won't give up.".to_owned()),
        audio: Some(file.clone()),
        video: Some(file),
        corpus: Corpus::CmuMosi,
    };
    let mut group = c.benchmark_group("eight coalitions of a whole clip");
    group.sample_size(10).throughput(Throughput::Elements(1));
    for (name, folder, dtype) in [
        ("untrained", &untrained_folder, ComputeType::F32),
        ("embedded", &embedded_folder, ComputeType::F32),
        ("embedded, q8_0", &embedded_folder, ComputeType::Q8_0),
        ("embedded, q4_k", &embedded_folder, ComputeType::Q4K),
    ] {
        let options = LoadOptions { dtype, ..options.clone() };
        let mut model = emomm_models::open(folder, &options).expect("it loads");
        group.bench_function(name, |b| {
            b.iter(|| {
                let answers = model.predict(&clip, &ModalitySet::ALL, &PredictOptions::default());
                assert!(answers.iter().all(Result::is_ok));
            });
        });
    }
    group.finish();
    // Nothing depends on the folder any more.
    let _ = std::fs::remove_dir_all(folder);
}

criterion_group!(benches, clips);
criterion_main!(benches);
