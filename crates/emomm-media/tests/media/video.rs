//! The right frames, with the right times, from every kind of container.

use std::path::Path;

use emomm_media::{
    DecodeLimits, FrameSampling, MediaError, SamplingMode, StreamKind, VideoFrames, decode_video,
    read_frames, sample_frames, scan_video,
};

use crate::clips::{Clips, LOSSLESS, NUMBERS, shown};

fn decode(clips: &Clips, path: &Path) -> VideoFrames {
    decode_video(&clips.ffmpeg, path, &FrameSampling::default(), &DecodeLimits::default())
        .expect("a good clip")
}

fn failure(clips: &Clips, path: &Path) -> MediaError {
    decode_video(&clips.ffmpeg, path, &FrameSampling::default(), &DecodeLimits::default())
        .expect_err("a bad clip")
}

/// The chosen frames are those of a plain decode, and (when `numbered`) show their own numbers.
fn assert_right_frames(clips: &Clips, path: &Path, video: &VideoFrames, numbered: bool) {
    let all = clips.all_frames(path, video.frames[0].width, video.frames[0].height);
    assert_eq!(video.total_frames, all.len(), "frames that decode");
    let expected =
        sample_frames(all.len(), video.avg_fps, &[], &FrameSampling::default()).expect("enough frames");
    assert_eq!(video.indices, expected);
    assert_eq!(video.frames.len(), video.indices.len());
    assert_eq!(video.times_seconds.len(), video.indices.len());
    for (image, &index) in video.frames.iter().zip(&video.indices) {
        assert!(image.data == all[index], "frame {index} is not that of a plain decode");
        if numbered {
            assert_eq!(shown(image), index % NUMBERS, "frame {index} shows another number");
        }
    }
}

fn assert_close(got: f64, expected: f64, what: &str) {
    assert!((got - expected).abs() < 1e-9, "{what}: got {got}, expected {expected}");
}

#[test]
fn constant_rate_with_b_frames() {
    let clips = Clips::new();
    let path = clips.h264("30", 300, "a.mp4");
    let video = decode(&clips, &path);
    assert_right_frames(&clips, &path, &video, true);
    assert_eq!((video.total_frames, video.frames.len()), (300, 20));
    assert_close(video.avg_fps, 30.0, "rate");
    for (&time, &index) in video.times_seconds.iter().zip(&video.indices) {
        assert_close(time, index as f64 / 30.0, "time");
    }
    assert!(video.warnings.is_empty(), "{:?}", video.warnings);
}

#[test]
fn the_rate_of_ntsc_is_exact_in_every_clock() {
    // 2997 frames at 30000/1001 are sampled to 198 frames; at 29.97, as ffmpeg prints it, to 200.
    let clips = Clips::new();
    let source = "color=black:s=16x16:r=30000/1001";
    clips.run(&format!("-f lavfi -i {source} -frames:v 2997 -c:v libx264 -preset ultrafast -bf 2 a.mp4"));
    let path = clips.path("a.mp4");
    clips.run("-i a.mp4 -c copy a.mkv");
    for path in [path, clips.path("a.mkv")] {
        let scan = scan_video(&clips.ffmpeg, &path, &DecodeLimits::default()).expect("a good clip");
        assert_close(scan.avg_fps, 30000.0 / 1001.0, "rate");
        let count = FrameSampling::default().frame_count(scan.total_frames(), scan.avg_fps).expect("enough");
        assert_eq!(count, 198);
    }
}

#[test]
fn times_are_on_the_clock_of_the_file() {
    let clips = Clips::new();
    clips.numbered("64x48", "25", 50, "", &format!("{LOSSLESS} -output_ts_offset 1.48 late.mkv"));
    let path = clips.path("late.mkv");
    let video = decode(&clips, &path);
    assert_right_frames(&clips, &path, &video, true);
    assert_close(video.times_seconds[0], 1.48, "time of the first frame");
    assert_close(video.avg_fps, 25.0, "rate");
}

#[test]
fn variable_rate_by_number_and_by_time() {
    let clips = Clips::new();
    let stretch = ",setpts='if(lt(N\\,60)\\,N/30\\,2+(N-60)/10)/TB'";
    clips.numbered("64x48", "30", 120, stretch, &format!("{LOSSLESS} -video_track_timescale 15360 a.mp4"));
    let path = clips.path("a.mp4");
    let time_of = |n: usize| if n < 60 { n as f64 / 30.0 } else { 2.0 + (n - 60) as f64 / 10.0 };

    let video = decode(&clips, &path);
    assert_right_frames(&clips, &path, &video, true);
    // The file says that the last frame is shown for 1/30 s.
    assert_close(video.avg_fps, 120.0 / (7.9 + 1.0 / 30.0), "rate");
    assert_eq!(video.frames.len(), 14);
    for (&time, &index) in video.times_seconds.iter().zip(&video.indices) {
        assert_close(time, time_of(index), "time");
    }

    let sampling = FrameSampling { mode: SamplingMode::Time, ..FrameSampling::default() };
    let by_time =
        decode_video(&clips.ffmpeg, &path, &sampling, &DecodeLimits::default()).expect("a good clip");
    assert_eq!(by_time.frames.len(), 14);
    for (i, ((&time, &index), image)) in
        by_time.times_seconds.iter().zip(&by_time.indices).zip(&by_time.frames).enumerate()
    {
        assert_close(time, time_of(index), "time");
        let wanted = time_of(119) * i as f64 / 13.0;
        assert!((time - wanted).abs() <= 0.05 + 1e-9, "frame {i}: at {time}, wanted {wanted}");
        assert_eq!(shown(image), index % NUMBERS);
    }
    assert_ne!(video.indices, by_time.indices);
}

#[test]
fn rotation_is_applied() {
    let clips = Clips::new();
    // Wide, with a white left half.
    clips.run(
        "-f lavfi -i color=black:s=64x32:r=10:d=1,drawbox=x=0:y=0:w=32:h=32:color=white:t=fill -c:v libx264 -qp 0 flat.mp4",
    );
    // Both ask for a quarter turn counter-clockwise; the first is gone from newer versions, the second not in older ones.
    let major =
        clips.ffmpeg.version().trim_start_matches('n').split('.').next().and_then(|n| n.parse::<u32>().ok());
    if major.is_some_and(|major| major < 6) {
        clips.run("-i flat.mp4 -c copy -metadata:s:v rotate=90 turned.mp4");
    } else {
        clips.run("-display_rotation 90 -i flat.mp4 -c copy turned.mp4");
    }
    let path = clips.path("turned.mp4");
    let video = decode(&clips, &path);
    let image = &video.frames[0];
    assert_eq!((image.width, image.height), (32, 64));
    assert_right_frames(&clips, &path, &video, false);
    let (top, bottom) = (image.pixel(16, 8).expect("top")[0], image.pixel(16, 56).expect("bottom")[0]);
    assert!(bottom > 250 && top < 5, "top {top}, bottom {bottom}");
}

#[test]
fn edit_lists_shorten_the_clip() {
    let clips = Clips::new();
    clips.numbered("64x48", "30", 120, "", &format!("{LOSSLESS} -g 30 a.mp4"));
    clips.run("-ss 1.5 -i a.mp4 -c copy cut.mp4");
    let path = clips.path("cut.mp4");
    let video = decode(&clips, &path);
    let listed =
        String::from_utf8(clips.output(&path, "-ignore_editlist 1 -c copy -f framecrc -")).expect("text");
    let packets = listed.lines().filter(|line| !line.starts_with('#')).count();
    assert!(video.total_frames < packets, "{} frames of {packets} packets", video.total_frames);
    assert_eq!(video.total_frames, 75);
    assert_right_frames(&clips, &path, &video, false);
    assert_eq!(shown(&video.frames[0]), 45);
    assert_close(video.avg_fps, 30.0, "rate");
}

#[test]
fn other_containers_codecs_and_odd_sizes() {
    let clips = Clips::new();
    for (size, output) in [
        ("64x48", "-c:v libvpx-vp9 -lossless 1 -cpu-used 8 -pix_fmt yuv420p a.webm"),
        ("64x48", "-c:v mpeg4 -bf 2 -q:v 1 -pix_fmt yuv420p a.avi"),
        ("33x47", "-c:v ffv1 -pix_fmt yuv420p odd.mkv"),
        ("35x21", "-c:v libx264 -qp 0 -pix_fmt yuv444p odd.mp4"),
        ("64x48", "-c:v mpeg2video -q:v 1 -pix_fmt yuv420p -muxdelay 0 a.ts"),
        ("64x48", "-c:v mjpeg -q:v 1 -pix_fmt yuvj420p a.mov"),
    ] {
        clips.numbered(
            "64x48",
            "25",
            60,
            &format!(",format=yuv444p,crop={}:exact=1", size.replace('x', ":")),
            output,
        );
        let path = clips.path(output.rsplit(' ').next().expect("a name"));
        let video = decode(&clips, &path);
        assert_right_frames(&clips, &path, &video, !output.contains("yuvj"));
        assert_eq!(video.total_frames, 60, "{output}");
        assert_close(video.avg_fps, 25.0, output);
        assert_eq!(format!("{}x{}", video.frames[0].width, video.frames[0].height), size);
    }
}

#[test]
fn names_that_look_like_options_or_addresses() {
    let clips = Clips::new();
    let original = clips.h264("30", 12, "a.mp4");
    for name in ["-x.mp4", "a:b.mp4", "http:x.mp4", "with space and 100%d.mp4", "ünï.mp4", "pipe:0"] {
        let path = clips.path(name);
        std::fs::copy(&original, &path).expect("a copy");
        assert_eq!(decode(&clips, &path).total_frames, 12, "{name}");
    }
}

#[test]
fn clips_of_few_frames() {
    let clips = Clips::new();
    let error = failure(&clips, &clips.h264("30", 1, "one.mp4"));
    assert!(matches!(&error, MediaError::TooFewFrames { path: Some(_), expected: 2, .. }), "{error}");
    assert!(error.to_string().contains("one.mp4") && error.to_string().contains("1 frame"), "{error}");
    for (frames, taken) in [(2, 2), (3, 2), (5, 4)] {
        let path = clips.h264("30", frames, "few.mp4");
        assert_eq!(decode(&clips, &path).frames.len(), taken);
    }
}

#[test]
fn a_file_without_video() {
    let clips = Clips::new();
    clips.run("-f lavfi -i sine=440:r=16000:d=1 -c:a aac sound.mp4");
    clips.run("-f lavfi -i color=red:s=64x64:d=0.1 -frames:v 1 cover.png");
    clips.run("-i sound.mp4 -i cover.png -map 0 -map 1 -c copy -disposition:v:0 attached_pic cover.m4a");
    for name in ["sound.mp4", "cover.m4a"] {
        let error = failure(&clips, &clips.path(name));
        assert!(matches!(error, MediaError::NoStream { kind: StreamKind::Video, .. }), "{name}: {error}");
    }
}

#[test]
fn a_picture_that_changes_size_is_refused() {
    let clips = Clips::new();
    clips.numbered("64x48", "25", 10, "", "-c:v mpeg2video -q:v 1 a.ts");
    clips.numbered("32x32", "25", 10, "", "-c:v mpeg2video -q:v 1 b.ts");
    clips.numbered("48x64", "25", 10, "", "-c:v mpeg2video -q:v 1 c.ts");
    // The third has as many pixels as the first; the fourth has the first size again at its end.
    for others in [&["b.ts"][..], &["c.ts"], &["c.ts", "a.ts"], &["b.ts", "a.ts"]] {
        let mut bytes = std::fs::read(clips.path("a.ts")).expect("a clip");
        for other in others {
            bytes.extend(std::fs::read(clips.path(other)).expect("a clip"));
        }
        let path = clips.write("changing.ts", &bytes);
        let outcome = decode_video(&clips.ffmpeg, &path, &FrameSampling::default(), &DecodeLimits::default());
        assert!(
            matches!(&outcome, Err(MediaError::Decode { .. })),
            "{others:?}: {:?}",
            outcome.map(|v| v.total_frames)
        );
    }
}

#[test]
fn chosen_frames_can_be_read_one_by_one() {
    let clips = Clips::new();
    let path = clips.h264("30", 40, "a.mp4");
    let limits = DecodeLimits::default();
    let scan = scan_video(&clips.ffmpeg, &path, &limits).expect("a good clip");
    let mut numbers = Vec::new();
    let warnings = read_frames(&clips.ffmpeg, &path, &scan, &[3, 7, 7, 39], &limits, |image| {
        numbers.push(shown(&image));
    });
    assert!(warnings.expect("frames that exist").is_empty());
    assert_eq!(numbers, [3, 7, 7, 39]);
    for bad in [&[][..], &[5, 4], &[40]] {
        let outcome = read_frames(&clips.ffmpeg, &path, &scan, bad, &limits, |_| ());
        assert!(matches!(outcome, Err(MediaError::InvalidArgument { .. })), "{bad:?}");
    }
}
