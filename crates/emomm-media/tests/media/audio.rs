//! The right samples: level, length, mix and rate.

use std::path::Path;

use emomm_media::{DecodeLimits, MediaError, StreamKind, Waveform, decode_audio, resample};

use crate::clips::{Clips, wav};

fn decode(clips: &Clips, path: &Path) -> Waveform {
    decode_audio(&clips.ffmpeg, path, 16_000, &DecodeLimits::default()).expect("a good clip")
}

fn failure(clips: &Clips, path: &Path) -> MediaError {
    decode_audio(&clips.ffmpeg, path, 16_000, &DecodeLimits::default()).expect_err("a bad clip")
}

fn pcm(values: impl IntoIterator<Item = i16>) -> Vec<u8> {
    values.into_iter().flat_map(i16::to_le_bytes).collect()
}

fn tone(i: usize, hertz: f64, rate_hz: u32) -> f64 {
    (i as f64 * hertz / f64::from(rate_hz) * std::f64::consts::TAU).sin()
}

/// Signal-to-noise ratio in dB over the common length.
fn snr(expected: &[f32], got: &[f32]) -> f64 {
    let pairs = expected.iter().zip(got).map(|(&a, &b)| (f64::from(a), f64::from(b)));
    let (signal, noise) = pairs.fold((0.0, 0.0), |(s, n), (a, b)| (s + a * a, n + (a - b) * (a - b)));
    10.0 * (signal / noise).log10()
}

/// The reference's first two steps: ffmpeg to 16 bits, then the mean over channels.
fn sixteen_bits(clips: &Clips, path: &Path, channels: usize) -> Vec<f32> {
    let bytes = clips.output(path, "-vn -f s16le -");
    let samples: Vec<f32> =
        bytes.chunks_exact(2).map(|b| f32::from(i16::from_le_bytes([b[0], b[1]])) / 32768.0).collect();
    samples.chunks_exact(channels).map(|moment| moment.iter().sum::<f32>() / channels as f32).collect()
}

#[test]
fn samples_at_the_wanted_rate_are_untouched() {
    let clips = Clips::new();
    let values: Vec<i16> = (0..5001).map(|i| ((i * 7919) % 65_536 - 32_768) as i16).collect();
    let path = clips.write("a.wav", &wav(16_000, 1, 1, 16, &pcm(values.clone())));
    let wave = decode(&clips, &path);
    let expected: Vec<f32> = values.iter().map(|&value| f32::from(value) / 32768.0).collect();
    assert_eq!(wave.samples, expected);
    assert_eq!((wave.sample_rate_hz, wave.source_rate_hz, wave.source_channels), (16_000, 16_000, 1));
    assert!(wave.warnings.is_empty(), "{:?}", wave.warnings);
}

#[test]
fn channels_are_averaged() {
    let clips = Clips::new();
    for channels in [2u16, 6] {
        let values = (0..4000 * i32::from(channels)).map(|i| (i * 911 % 30_000) as i16).collect::<Vec<_>>();
        let path = clips.write("many.wav", &wav(16_000, channels, 1, 16, &pcm(values.clone())));
        let wave = decode(&clips, &path);
        assert_eq!((wave.samples.len(), wave.source_channels), (4000, channels));
        for (got, moment) in wave.samples.iter().zip(values.chunks_exact(usize::from(channels))) {
            let mean = moment.iter().map(|&v| f64::from(v)).sum::<f64>() / f64::from(channels) / 32768.0;
            assert!((f64::from(*got) - mean).abs() < 1e-6, "got {got}, expected {mean}");
        }
    }
    // A layout that ffmpeg knows by name, in an extensible header, and the same coded.
    clips.run("-f lavfi -i aevalsrc=0.6*sin(2764*t)|0|0|0|0|0:c=5.1:s=48000:d=1 surround.wav");
    let wave = decode(&clips, &clips.path("surround.wav"));
    let loudest = wave.samples.iter().fold(0.0f32, |peak, sample| peak.max(sample.abs()));
    assert!((loudest - 0.1).abs() < 1e-3, "one of six channels at 0.6 gives a peak of {loudest}");
    assert_eq!((wave.source_channels, wave.samples.len()), (6, 16_000));
}

#[test]
fn rates_from_8_to_48_khz() {
    let clips = Clips::new();
    for rate in [8_000u32, 11_025, 22_050, 32_000, 44_100, 48_000] {
        let n = rate as usize + 7;
        let values = pcm((0..n).map(|i| (tone(i, 1000.0, rate) * 20_000.0).round() as i16));
        let path = clips.write("tone.wav", &wav(rate, 1, 1, 16, &values));
        let wave = decode(&clips, &path);
        assert_eq!(wave.samples.len(), (n * 16_000).div_ceil(rate as usize), "from {rate} Hz");
        assert_eq!(wave.source_rate_hz, rate);
        for (i, &sample) in wave.samples.iter().enumerate().skip(300).take(15_000) {
            let expected = tone(i, 1000.0, 16_000) * 20_000.0 / 32_768.0;
            assert!((f64::from(sample) - expected).abs() < 1e-4, "from {rate} Hz, sample {i}");
        }
    }
}

#[test]
fn coded_stereo_is_as_loud_as_the_reference() {
    let clips = Clips::new();
    for (encoder, name) in [
        ("-c:a aac -b:a 128k", "a.mp4"),
        ("-c:a libmp3lame", "a.mp3"),
        ("-c:a libopus", "a.webm"),
        ("-c:a flac", "a.flac"),
    ] {
        let source = "aevalsrc=0.4*sin(2764*t)+0.1*sin(9000*t)|0.3*sin(3100*t):s=48000:d=2";
        let mut words = vec!["-f", "lavfi", "-i", source];
        words.extend(encoder.split(' '));
        words.push(name);
        clips.run_words(&words);
        let wave = decode(&clips, &clips.path(name));
        let mono = sixteen_bits(&clips, &clips.path(name), 2);
        assert_eq!((wave.source_channels, wave.source_rate_hz), (2, 48_000), "{name}");
        let expected = resample(&mono, 48_000, 16_000);
        assert_eq!(wave.samples.len(), expected.len(), "{name}");
        let ratio = snr(&expected, &wave.samples);
        assert!(ratio > 75.0, "{name}: {ratio:.1} dB");
    }
}

#[test]
fn edit_lists_shorten_the_sound() {
    let clips = Clips::new();
    clips.run(
        "-f lavfi -i sine=500:r=44100:d=4 -f lavfi -i testsrc2=s=64x48:r=30:d=4 -c:a aac -c:v libx264 a.mp4",
    );
    clips.run("-ss 1.5 -i a.mp4 -c copy cut.mp4");
    let path = clips.path("cut.mp4");
    let wave = decode(&clips, &path);
    let expected = resample(&sixteen_bits(&clips, &path, 1), 44_100, 16_000);
    assert_eq!(wave.samples.len(), expected.len());
    let seconds = wave.samples.len() as f64 / 16_000.0;
    assert!((seconds - 2.5).abs() < 0.1, "{seconds} s");
    assert!(snr(&expected, &wave.samples) > 70.0);
}

#[test]
fn a_file_without_sound() {
    let clips = Clips::new();
    let error = failure(&clips, &clips.h264("30", 12, "silent.mp4"));
    assert!(matches!(error, MediaError::NoStream { kind: StreamKind::Audio, .. }), "{error}");
    assert!(error.to_string().ends_with("silent.mp4`"), "{error}");
}

#[test]
fn sound_of_length_nought() {
    let clips = Clips::new();
    let path = clips.write("none.wav", &wav(16_000, 1, 1, 16, &[]));
    let error = failure(&clips, &path);
    assert!(matches!(error, MediaError::EmptyStream { kind: StreamKind::Audio, .. }), "{error}");
}

#[test]
fn sound_cut_short_is_warned_of() {
    let clips = Clips::new();
    let whole = wav(16_000, 1, 1, 16, &pcm((0..32_000).map(|i| (tone(i, 300.0, 16_000) * 9e3) as i16)));
    let path = clips.write("cut.wav", &whole[..30_000]);
    let wave = decode(&clips, &path);
    assert_eq!(wave.samples.len(), (30_000 - 44) / 2);
    assert!(!wave.warnings.is_empty());

    clips.run("-f lavfi -i anoisesrc=r=44100:d=4 -c:a aac -movflags +faststart a.mp4");
    let path = clips.cut("a.mp4", 25_000, "cut.mp4");
    let wave = decode(&clips, &path);
    assert!(wave.samples.len() < 60_000);
    assert!(wave.warnings.iter().any(|warning| warning.contains("partial file")), "{:?}", wave.warnings);
    assert!(wave.warnings.iter().any(|warning| warning.contains("announces")), "{:?}", wave.warnings);
}

#[test]
fn samples_beyond_full_scale_are_limited_and_odd_ones_silenced() {
    let clips = Clips::new();
    let values = [0.5f32, 3.0, -7.5, f32::NAN, f32::INFINITY, -0.25];
    let data: Vec<u8> = values.iter().cycle().take(600).flat_map(|value| value.to_le_bytes()).collect();
    let path = clips.write("float.wav", &wav(16_000, 1, 3, 32, &data));
    let wave = decode(&clips, &path);
    assert_eq!(wave.samples[..6], [0.5, 1.0, -1.0, 0.0, 0.0, -0.25]);
    assert!(wave.warnings.iter().any(|warning| warning.starts_with("200 samples")), "{:?}", wave.warnings);
}
