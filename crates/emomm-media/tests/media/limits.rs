//! Every limit ends the child, and the child's own faults become errors.

use std::time::{Duration, Instant};

use emomm_media::{DecodeLimits, Ffmpeg, FrameSampling, MediaError, decode_audio, decode_video, scan_video};

use crate::clips::{Clips, ffmpeg, wav};

fn limited(clips: &Clips, limits: &DecodeLimits) -> MediaError {
    let path = clips.path("a.mp4");
    decode_video(&clips.ffmpeg, &path, &FrameSampling::default(), limits).expect_err("beyond the limit")
}

#[test]
fn counts_sizes_and_lengths() {
    let clips = Clips::new();
    clips.h264("30", 90, "a.mp4");
    let limits = DecodeLimits::default();
    let cases = [
        (DecodeLimits { max_frames: 89, ..limits.clone() }, "video frames"),
        (DecodeLimits { max_seconds: 2.9, ..limits.clone() }, "seconds of video"),
        (DecodeLimits { max_bytes: 64 * 48 * 3 * 5, ..limits.clone() }, "bytes in its chosen frames"),
    ];
    for (limits, expected) in cases {
        let error = limited(&clips, &limits);
        assert!(matches!(&error, MediaError::LimitExceeded { what, .. } if *what == expected), "{error}");
    }
    // ffmpeg itself refuses larger pictures, so the words are its own.
    let error = limited(&clips, &DecodeLimits { max_pixels: 64 * 48 - 1, ..limits.clone() });
    assert!(
        matches!(
            error,
            MediaError::LimitExceeded { .. } | MediaError::Decode { .. } | MediaError::EmptyStream { .. }
        ),
        "{error}"
    );
    let enough = DecodeLimits { max_frames: 90, max_seconds: 3.0, max_pixels: 64 * 48, ..limits };
    let path = clips.path("a.mp4");
    decode_video(&clips.ffmpeg, &path, &FrameSampling::default(), &enough).expect("just within the limits");
}

#[test]
fn sound_is_limited_too() {
    let clips = Clips::new();
    let path = clips.write("a.wav", &wav(16_000, 1, 1, 16, &vec![0; 96_000]));
    let limits = DecodeLimits { max_seconds: 2.0, ..DecodeLimits::default() };
    let error = decode_audio(&clips.ffmpeg, &path, 16_000, &limits).expect_err("3 s");
    assert!(matches!(error, MediaError::LimitExceeded { what: "seconds of sound", .. }), "{error}");
    let limits = DecodeLimits { max_bytes: 10_000, ..DecodeLimits::default() };
    let error = decode_audio(&clips.ffmpeg, &path, 16_000, &limits).expect_err("192 kB");
    assert!(matches!(error, MediaError::LimitExceeded { what: "bytes of sound", .. }), "{error}");
    for rate in [0, 999, 1_000_000] {
        let outcome = decode_audio(&clips.ffmpeg, &path, rate, &DecodeLimits::default());
        assert!(matches!(outcome, Err(MediaError::InvalidArgument { .. })));
    }
    let path = clips.write("slow.wav", &wav(1, 1, 1, 16, &[0; 2000]));
    let error = decode_audio(&clips.ffmpeg, &path, 16_000, &DecodeLimits::default()).expect_err("1 Hz");
    assert!(matches!(error, MediaError::Decode { .. } | MediaError::LimitExceeded { .. }), "{error}");
}

/// Equal rates, exact phases, interpolated phases.
#[test]
fn decoding_stops_at_what_is_used() {
    let clips = Clips::new();
    for rate in [16_000u32, 44_100, 47_999] {
        let values = (0..rate * 5).map(|i| ((i * 7919) % 65_536) as u16);
        let path = clips
            .write("a.wav", &wav(rate, 1, 1, 16, &values.flat_map(u16::to_le_bytes).collect::<Vec<_>>()));
        let decode =
            |limits: &DecodeLimits| decode_audio(&clips.ffmpeg, &path, 16_000, limits).expect("good sound");
        let whole = decode(&DecodeLimits::default());
        assert!(whole.warnings.is_empty(), "{:?}", whole.warnings);
        // More bytes and seconds than the whole track may have.
        let used = DecodeLimits {
            max_output_seconds: Some(1.5),
            max_seconds: 2.6,
            max_bytes: u64::from(rate) * 4 * 3,
            ..DecodeLimits::default()
        };
        let start = decode(&used);
        assert_eq!(start.samples, whole.samples[..24_000], "{rate} Hz");
        assert_eq!(start.warnings, ["only the first 1.5 s of sound are used, the track is longer"]);
        let all = decode(&DecodeLimits { max_output_seconds: Some(5.0), ..DecodeLimits::default() });
        assert_eq!(all, whole);
    }
    // The clock of this container does not begin at 0.
    clips.run("-f lavfi -i sine=440:r=16000:d=5 -output_ts_offset 900 -c:a mp2 late.ts");
    let limits = DecodeLimits { max_output_seconds: Some(2.0), ..DecodeLimits::default() };
    let wave = decode_audio(&clips.ffmpeg, &clips.path("late.ts"), 16_000, &limits).expect("good sound");
    assert_eq!(wave.samples.len(), 32_000);
    for seconds in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let limits = DecodeLimits { max_output_seconds: Some(seconds), ..DecodeLimits::default() };
        let outcome = decode_audio(&clips.ffmpeg, &clips.path("late.ts"), 16_000, &limits);
        assert!(matches!(outcome, Err(MediaError::InvalidArgument { .. })), "{seconds}");
    }
}

/// ffmpeg is done in a fraction of the time; the rest is the resampler's.
#[test]
fn resampling_is_under_the_deadline() {
    let clips = Clips::new();
    let path = clips.write("a.wav", &wav(767_999, 1, 1, 16, &vec![1; 767_999 * 2 * 40]));
    let limits = DecodeLimits { timeout: Duration::from_secs(1), ..DecodeLimits::default() };
    let start = Instant::now();
    let error = decode_audio(&clips.ffmpeg, &path, 16_000, &limits).expect_err("too little time");
    assert!(matches!(error, MediaError::TimedOut { .. }), "{error}");
    assert!(start.elapsed() < Duration::from_secs(3), "took {:?}", start.elapsed());
}

#[test]
fn a_long_decode_is_ended_in_time() {
    let clips = Clips::new();
    clips.run("-f lavfi -i testsrc2=s=1280x720:r=60:d=20 -c:v libx264 -preset ultrafast a.mp4");
    let limits = DecodeLimits { timeout: Duration::from_millis(60), ..DecodeLimits::default() };
    let start = Instant::now();
    let error = limited(&clips, &limits);
    assert!(matches!(error, MediaError::TimedOut { .. }), "{error}");
    assert!(start.elapsed() < Duration::from_secs(2), "took {:?}", start.elapsed());
}

#[cfg(target_os = "linux")]
#[test]
fn the_memory_of_the_child_is_limited() {
    let clips = Clips::new();
    clips.h264("30", 90, "a.mp4");
    let limits = DecodeLimits { max_memory_bytes: Some(32 << 20), ..DecodeLimits::default() };
    let error = limited(&clips, &limits);
    assert!(matches!(error, MediaError::Decode { .. } | MediaError::EmptyStream { .. }), "{error}");
}

#[test]
fn the_program_is_checked() {
    let found = ffmpeg();
    assert!(found.program().is_file());
    assert!(!found.version().is_empty());
    let capabilities = found.capabilities().expect("a list of encoders");
    assert!(capabilities.aac);
    let error = Ffmpeg::at("/nonexistent/ffmpeg").expect_err("nothing there");
    assert!(matches!(error, MediaError::FfmpegNotFound { .. }) && error.hint().is_some(), "{error}");
}

#[cfg(unix)]
mod impostors {
    //! Shell scripts in the place of ffmpeg.

    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use super::*;

    fn script(clips: &Clips, name: &str, body: &str) -> PathBuf {
        let version = "if [ \"$1\" = -version ]; then echo 'ffmpeg version 5.1.9'; exit 0; fi";
        let path = clips.write(name, format!("#!/bin/sh\n{version}\n{body}\n").as_bytes());
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("a script");
        path
    }

    fn outcome(clips: &Clips, body: &str) -> (MediaError, Duration) {
        let program = Ffmpeg::at(script(clips, "ffmpeg", body)).expect("it answers as ffmpeg");
        let path = clips.write("clip.mp4", b"anything");
        let limits = DecodeLimits { timeout: Duration::from_millis(1500), ..DecodeLimits::default() };
        let start = Instant::now();
        let error = scan_video(&program, &path, &limits).expect_err("an impostor");
        (error, start.elapsed())
    }

    #[test]
    fn none_of_them_hangs_the_run() {
        let clips = Clips::new();
        let header = "echo '#tb 0: 1/10'; echo '#dimensions 0: 4x2'";
        for (what, body) in [
            ("sleeps", "sleep 60".to_owned()),
            ("closes its output and sleeps", "exec >&-; sleep 60".to_owned()),
            ("complains without end", "while :; do echo '[error] again and again'; done >&2".to_owned()),
        ] {
            let (error, took) = outcome(&clips, &body);
            assert!(matches!(error, MediaError::TimedOut { .. }), "{what}: {error}");
            assert!(took < Duration::from_secs(4), "{what}: took {took:?}");
        }
        for (what, body) in [
            ("writes frames without end", format!("{header}; while :; do echo '0,0,0,1,12,0'; done")),
            ("writes a line without end", "while :; do printf xxxxxxxxxxxxxxxx; done".to_owned()),
            ("writes nonsense", format!("{header}; echo 'no such frame'")),
            ("fails", "echo '[error] broken' >&2; exit 3".to_owned()),
            ("lists a huge picture", "echo '#dimensions 0: 9999999999x9999999999'".to_owned()),
        ] {
            let (error, took) = outcome(&clips, &body);
            let ended = matches!(
                error,
                MediaError::Decode { .. } | MediaError::LimitExceeded { .. } | MediaError::TimedOut { .. }
            );
            assert!(ended, "{what}: {error}");
            assert!(took < Duration::from_secs(4), "{what}: took {took:?}");
        }
    }

    #[test]
    fn other_programs_are_not_ffmpeg() {
        let clips = Clips::new();
        for (name, body) in
            [("old", "echo 'ffmpeg version 4.4.2'"), ("other", "echo hello"), ("failing", "exit 1")]
        {
            let path = clips.write(name, format!("#!/bin/sh\n{body}\n").as_bytes());
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("a script");
            let error = Ffmpeg::at(path).expect_err(name);
            assert!(matches!(error, MediaError::FfmpegUnusable { .. }), "{name}: {error}");
        }
    }
}
