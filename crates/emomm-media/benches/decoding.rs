//! Files to frames and sound by ffmpeg: four seconds at 480 × 360 and at 1280 × 720, and the resize of its frames. Needs
//! ffmpeg.

use std::path::{Path, PathBuf};
use std::process::Command;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use emomm_media::{DecodeLimits, Ffmpeg, FrameSampling, decode_audio, decode_video, resize_bicubic};

fn clip(folder: &Path, size: &str) -> PathBuf {
    let path = folder.join(format!("{size}.mp4"));
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-f", "lavfi", "-i", &format!("testsrc2=size={size}:rate=25:duration=4")])
        .args(["-f", "lavfi", "-i", "sine=frequency=440:duration=4", "-pix_fmt", "yuv420p", "-shortest"])
        .arg(&path)
        .status();
    assert!(made.is_ok_and(|status| status.success()), "ffmpeg makes the clip");
    path
}

fn decoding(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ffmpeg = Ffmpeg::locate().expect("ffmpeg is there");
    let (sampling, limits) = (FrameSampling::default(), DecodeLimits::default());
    let mut group = c.benchmark_group("four seconds");
    group.sample_size(10);
    for size in ["480x360", "1280x720"] {
        let path = clip(folder.path(), size);
        group.bench_function(BenchmarkId::new("frames", size), |b| {
            b.iter(|| decode_video(&ffmpeg, &path, &sampling, &limits).expect("it decodes"));
        });
        group.bench_function(BenchmarkId::new("sound", size), |b| {
            b.iter(|| decode_audio(&ffmpeg, &path, 16_000, &limits).expect("it decodes"));
        });
        let frames = decode_video(&ffmpeg, &path, &sampling, &limits).expect("it decodes").frames;
        group.bench_function(BenchmarkId::new("resize of its frames to 476x364", size), |b| {
            b.iter(|| frames.iter().map(|f| resize_bicubic(f, 476, 364)).collect::<Vec<_>>());
        });
    }
    group.finish();
}

criterion_group!(benches, decoding);
criterion_main!(benches);
