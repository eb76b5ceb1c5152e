//! Files that are not what they seem: nothing hangs, nothing else is opened, nothing passes in silence.

use std::path::Path;

use emomm_media::{
    DecodeLimits, FrameSampling, MediaError, StreamKind, VideoFrames, Waveform, decode_audio, decode_video,
};

use crate::clips::Clips;

fn video(clips: &Clips, path: &Path) -> Result<VideoFrames, MediaError> {
    decode_video(&clips.ffmpeg, path, &FrameSampling::default(), &DecodeLimits::default())
}

fn audio(clips: &Clips, path: &Path) -> Result<Waveform, MediaError> {
    decode_audio(&clips.ffmpeg, path, 16_000, &DecodeLimits::default())
}

#[test]
fn paths_that_lead_to_no_file() {
    let clips = Clips::new();
    let folder = clips.path("folder.mp4");
    std::fs::create_dir(&folder).expect("a folder");
    let cases = [
        (clips.path("missing.mp4"), "nothing"),
        (folder, "a directory"),
        (clips.write("empty.mp4", b""), "an empty file"),
    ];
    for (path, what) in cases {
        for error in [video(&clips, &path).expect_err(what), audio(&clips, &path).expect_err(what)] {
            assert!(matches!(&error, MediaError::NotAMediaFile { found, .. } if *found == what), "{error}");
            assert!(error.hint().is_some());
        }
    }
    #[cfg(unix)]
    {
        let error = video(&clips, Path::new("/dev/zero")).expect_err("a device");
        assert!(matches!(error, MediaError::NotAMediaFile { found: "a device or pipe", .. }), "{error}");
    }
}

#[test]
fn text_under_a_media_name() {
    let clips = Clips::new();
    for name in ["text.mp4", "text.wav", "text.mp3"] {
        let path = clips.write(name, "not a film, only words about one\n".repeat(50).as_bytes());
        for error in [video(&clips, &path).expect_err("text"), audio(&clips, &path).expect_err("text")] {
            let refused = matches!(
                error,
                MediaError::Decode { .. } | MediaError::NoStream { .. } | MediaError::EmptyStream { .. }
            );
            assert!(refused && error.to_string().contains(name), "{error}");
        }
    }
}

#[test]
fn playlists_open_no_other_file() {
    let clips = Clips::new();
    clips.h264("30", 30, "secret.mp4");
    clips.run("-f lavfi -i sine=440:r=16000:d=1 secret.wav");
    let secret = clips.path("secret.mp4");
    let playlists = [
        ("concat.mp4", "ffconcat version 1.0\nfile secret.mp4\n".to_owned()),
        ("absolute.mp4", format!("ffconcat version 1.0\nfile '{}'\n", secret.display())),
        ("sound.mp4", "ffconcat version 1.0\nfile secret.wav\n".to_owned()),
        ("hls.mp4", "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nsecret.mp4\n#EXT-X-ENDLIST\n".to_owned()),
        ("hls.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nsecret.mp4\n#EXT-X-ENDLIST\n".to_owned()),
        ("list.sdp", "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\nc=IN IP4 127.0.0.1\n".to_owned()),
        ("media.mpd", "<?xml version=\"1.0\"?><MPD><Period><AdaptationSet><Representation><BaseURL>secret.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>".to_owned()),
    ];
    for (name, text) in playlists {
        let path = clips.write(name, text.as_bytes());
        for error in [video(&clips, &path).expect_err(name), audio(&clips, &path).expect_err(name)] {
            assert!(matches!(error, MediaError::Decode { .. }), "{name}: {error}");
        }
    }
    // The attack is real: without the list of formats ffmpeg follows the first of them.
    let followed = clips.output(&clips.path("concat.mp4"), "-map 0:v:0 -f framecrc -");
    assert!(!followed.is_empty(), "ffmpeg no longer follows ffconcat text");
}

#[test]
fn clips_cut_short_are_warned_of() {
    let clips = Clips::new();
    clips.run("-f lavfi -i testsrc2=s=160x120:r=30:d=4 -c:v libx264 -bf 2 -movflags +faststart front.mp4");
    let size = std::fs::metadata(clips.path("front.mp4")).expect("the clip").len() as usize;
    let path = clips.cut("front.mp4", size / 2, "half.mp4");
    let half = video(&clips, &path).expect("half a clip");
    assert!((10..119).contains(&half.total_frames), "{} frames", half.total_frames);
    assert!(half.warnings.iter().any(|warning| warning.contains("partial file")), "{:?}", half.warnings);
    assert!(half.warnings.iter().any(|warning| warning.contains("announces")), "{:?}", half.warnings);

    for (encoder, name, cut) in [
        ("-c:v libx264", "a.mkv", "cut.mkv"),
        ("-c:v libvpx -deadline realtime", "a.webm", "cut.webm"),
        ("-c:v mpeg4", "a.avi", "cut.avi"),
    ] {
        clips.run(&format!("-f lavfi -i testsrc2=s=160x120:r=30:d=4 {encoder} {name}"));
        let size = std::fs::metadata(clips.path(name)).expect("the clip").len() as usize;
        let half = video(&clips, &clips.cut(name, size / 2, cut)).expect("half a clip");
        assert!(half.total_frames < 119, "{cut}: {} frames", half.total_frames);
        assert!(!half.warnings.is_empty(), "{cut} passes in silence");
    }
}

#[test]
fn clips_cut_to_nothing_are_refused() {
    let clips = Clips::new();
    let path = clips.h264("30", 60, "back.mp4");
    let size = std::fs::metadata(path).expect("the clip").len() as usize;
    let error = video(&clips, &clips.cut("back.mp4", size / 2, "headless.mp4")).expect_err("no index");
    assert!(matches!(&error, MediaError::Decode { detail, .. } if detail.contains("moov")), "{error}");

    clips.run("-i back.mp4 -c copy -movflags +faststart front.mp4");
    let bytes = std::fs::read(clips.path("front.mp4")).expect("the clip");
    let data = bytes.windows(4).position(|word| word == b"mdat").expect("a data box");
    let error = video(&clips, &clips.cut("front.mp4", data + 4, "bodiless.mp4")).expect_err("no data");
    let refused =
        matches!(error, MediaError::EmptyStream { kind: StreamKind::Video, .. } | MediaError::Decode { .. });
    assert!(refused, "{error}");
}

#[test]
fn damaged_bytes_never_panic() {
    let clips = Clips::new();
    clips.run(
        "-f lavfi -i testsrc2=s=64x48:r=10:d=2 -f lavfi -i sine=440:r=16000:d=2 -c:v libx264 -c:a aac a.mp4",
    );
    let bytes = std::fs::read(clips.path("a.mp4")).expect("the clip");
    let mut state = 1u32;
    for round in 0..12 {
        let mut damaged = bytes.clone();
        for _ in 0..40 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let at = state as usize % damaged.len();
            damaged[at] ^= (state >> 24) as u8;
        }
        let path = clips.write("damaged.mp4", &damaged);
        // Either outcome is fine, as long as there is one.
        if let Ok(frames) = video(&clips, &path) {
            assert!(frames.frames.len() >= 2, "round {round}");
        }
        let _ = audio(&clips, &path);
    }
}
