//! Resize, resample and log-mel on generated input.

use criterion::{Criterion, criterion_group, criterion_main};
use emomm_media::{RgbImage, WhisperMel, resample, resize_bicubic};

fn preprocessing(c: &mut Criterion) {
    let (width, height) = (1280, 720);
    let data = (0..width * height * 3).map(|i| (i * 31 % 251) as u8).collect();
    let frame = RgbImage::new(width, height, data).expect("as many samples as the size asks for");
    c.bench_function("resize 1280x720 to 1008x560", |b| b.iter(|| resize_bicubic(&frame, 1008, 560)));

    let tone = |rate: usize| -> Vec<f32> { (0..5 * rate).map(|i| (i as f32 * 0.05).sin() * 0.3).collect() };
    let at_44100 = tone(44_100);
    c.bench_function("resample 5 s from 44.1 kHz", |b| b.iter(|| resample(&at_44100, 44_100, 16_000)));

    let at_16000 = tone(16_000);
    let mel = WhisperMel::new(128, 16_000, 400, 160);
    c.bench_function("log-mel of 5 s", |b| {
        b.iter(|| mel.compute(&at_16000, Some(4_800_000)).expect("long enough"));
    });
}

criterion_group!(benches, preprocessing);
criterion_main!(benches);
