//! Derivatives: one modality of a clip as a file of its own, with nothing else in it.
//!
//! Everything is encoded anew, so that nothing of the source can ride along in side data of a codec (captions in H.264,
//! cover art in FLAC). The result is probed before it takes its name; a file that holds more than it should is an error.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use crate::child::ChildTask;
use crate::error::{MediaError, StreamKind};
use crate::ffmpeg::Ffmpeg;
use crate::input::{check_file, input_arguments, words};
use crate::limits::{Deadline, DecodeLimits};
use crate::probe::{ProbedKind, probe};
use crate::report::Report;

/// How the picture is written.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct VideoDerivative {
    /// Share of the height, in [0, 0.5], that is cut off below: burned-in subtitles stand there.
    pub crop_bottom: f64,
    /// Greatest height in pixels; larger pictures are made smaller. 0 for no limit.
    pub max_height: u32,
}

/// How the sound is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AudioDerivative {
    /// Frequency in Hz above which everything is taken away, by 48 dB an octave.
    pub low_pass_hz: Option<u32>,
}

/// Writes the picture of `input` as H.264 in MP4, without sound, subtitles, data and tags.
///
/// # Errors
/// As for decoding; [`MediaError::Decode`] also where the result holds anything besides the picture.
pub fn derive_video(
    ffmpeg: &Ffmpeg,
    input: &Path,
    output: &Path,
    options: VideoDerivative,
    limits: &DecodeLimits,
) -> Result<(), MediaError> {
    // From 0: where a clip began in its film could tell which clip it is.
    let mut filters = vec!["setpts=PTS-STARTPTS".to_owned()];
    if options.crop_bottom > 0.0 {
        let kept = 1.0 - options.crop_bottom.min(0.5);
        filters.push(format!("crop=iw:trunc(ih*{kept:.4}/2)*2:0:0"));
    }
    if options.max_height > 0 {
        filters.push(format!("scale=-2:'min(ih,{})'", options.max_height));
    }
    // Even sides and square pixels, which every browser shows alike.
    filters.push("scale=trunc(iw*sar/2)*2:trunc(ih/2)*2,setsar=1,format=yuv420p".to_owned());
    let mut arguments = words(&["-map", "0:v:0", "-an", "-sn", "-dn", "-vf", &filters.join(",")]);
    arguments.extend(words(&[
        "-c:v",
        "libx264",
        "-preset",
        "veryfast",
        "-crf",
        "20",
        "-a53cc",
        "0",
        "-flags:v",
        "+bitexact",
    ]));
    arguments.extend(words(&["-movflags", "+faststart", "-f", "mp4"]));
    derive(ffmpeg, input, output, arguments, StreamKind::Video, limits)
}

/// Copies the picture of `input` into MP4 bit for bit, without sound, subtitles, data, chapters and tags; captions that
/// ride in the pictures of H.264 and H.265 are taken out. What MP4 cannot hold is encoded anew as by [`derive_video`].
///
/// # Errors
/// As for [`derive_video`].
pub fn mute_video(
    ffmpeg: &Ffmpeg,
    input: &Path,
    output: &Path,
    limits: &DecodeLimits,
) -> Result<(), MediaError> {
    let picture = probe(ffmpeg, input, limits)?.streams.into_iter().find(|s| s.kind == ProbedKind::Video);
    let codec = picture.map(|s| s.description).unwrap_or_default();
    // Supplemental information, which is where captions stand; the pictures do not need it.
    let filter =
        match codec.split([' ', ',', '(']).find(|w| ["h264", "hevc", "mpeg4", "av1", "vp9"].contains(w)) {
            Some("h264") => Some("filter_units=remove_types=6"),
            Some("hevc") => Some("filter_units=remove_types=39-40"),
            Some(_) => None,
            None => return derive_video(ffmpeg, input, output, VideoDerivative::default(), limits),
        };
    let mut arguments = words(&["-map", "0:V:0", "-an", "-sn", "-dn", "-c:v", "copy"]);
    arguments.extend(filter.map(|f| words(&["-bsf:v", f])).unwrap_or_default());
    arguments.extend(words(&["-movflags", "+faststart", "-f", "mp4"]));
    match derive(ffmpeg, input, output, arguments, StreamKind::Video, limits) {
        Err(MediaError::Decode { .. }) => {
            derive_video(ffmpeg, input, output, VideoDerivative::default(), limits)
        }
        other => other,
    }
}

/// Writes the sound of `input` as FLAC of 16 bits, without picture, cover art and tags.
///
/// # Errors
/// As for [`derive_video`].
pub fn derive_audio(
    ffmpeg: &Ffmpeg,
    input: &Path,
    output: &Path,
    options: AudioDerivative,
    limits: &DecodeLimits,
) -> Result<(), MediaError> {
    let mut arguments = words(&["-map", "0:a:0", "-vn", "-sn", "-dn"]);
    let mut filters = vec!["asetpts=PTS-STARTPTS".to_owned()];
    if let Some(hz) = options.low_pass_hz {
        // Four filters of second order.
        filters.extend(vec![format!("lowpass=f={hz}:p=2"); 4]);
    }
    arguments.extend(words(&["-af", &filters.join(",")]));
    arguments.extend(words(&["-c:a", "flac", "-sample_fmt", "s16", "-flags:a", "+bitexact", "-f", "flac"]));
    derive(ffmpeg, input, output, arguments, StreamKind::Audio, limits)
}

/// Writes picture and sound as MP4 without subtitles, data and tags, for a view that shows both.
///
/// # Errors
/// As for [`derive_video`], but for the check that there is one stream.
pub fn derive_both(
    ffmpeg: &Ffmpeg,
    picture: &Path,
    sound: &Path,
    output: &Path,
    limits: &DecodeLimits,
) -> Result<(), MediaError> {
    check_file(sound)?;
    let mut input = OsString::from("file:");
    input.push(sound);
    let mut arguments = words(&["-protocol_whitelist", "file,pipe", "-i"]);
    arguments.push(input);
    arguments.extend(words(&["-map", "0:v:0", "-map", "1:a:0", "-sn", "-dn"]));
    arguments.extend(words(&["-vf", "scale=trunc(iw*sar/2)*2:trunc(ih/2)*2,setsar=1,format=yuv420p"]));
    arguments.extend(words(&["-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-a53cc", "0"]));
    arguments.extend(words(&[
        "-c:a",
        "aac",
        "-b:a",
        "160k",
        "-flags:v",
        "+bitexact",
        "-flags:a",
        "+bitexact",
    ]));
    arguments.extend(words(&["-movflags", "+faststart", "-f", "mp4"]));
    run(ffmpeg, picture, output, arguments, limits)
}

fn derive(
    ffmpeg: &Ffmpeg,
    input: &Path,
    output: &Path,
    arguments: Vec<OsString>,
    kind: StreamKind,
    limits: &DecodeLimits,
) -> Result<(), MediaError> {
    run(ffmpeg, input, output, arguments, limits)?;
    let extras = probe(ffmpeg, output, limits)?.extras(kind);
    if extras.is_empty() {
        return Ok(());
    }
    // Nobody may come upon it.
    let _ = fs::remove_file(output);
    let detail = format!("the derivative holds more than its {kind}: {}", extras.join("; "));
    Err(MediaError::Decode { path: input.to_owned(), detail })
}

fn run(
    ffmpeg: &Ffmpeg,
    input: &Path,
    output: &Path,
    arguments: Vec<OsString>,
    limits: &DecodeLimits,
) -> Result<(), MediaError> {
    check_file(input)?;
    let mut all = input_arguments(input, limits);
    all.extend(arguments);
    all.extend(words(&["-map_metadata", "-1", "-map_chapters", "-1", "-fflags", "+bitexact"]));
    all.extend(words(&["-t", &limits.max_seconds.to_string(), "-fs", &limits.max_bytes.to_string(), "-y"]));
    // Beside its place until it is whole.
    let part = output.with_extension("part");
    let mut target = OsString::from("file:");
    target.push(&part);
    all.push(target);
    let task = ChildTask {
        program: ffmpeg.program(),
        arguments: &all,
        path: input,
        deadline: Deadline::after(limits.timeout),
        max_memory_bytes: limits.max_memory_bytes,
    };
    let finished = task.run(|_| Ok(())).inspect_err(|_| {
        let _ = fs::remove_file(&part);
    })?;
    let is_written = fs::metadata(&part).is_ok_and(|m| m.len() > 0);
    if !finished.status.success() || !is_written {
        let _ = fs::remove_file(&part);
        let report = Report::read(&finished.stderr);
        return Err(MediaError::Decode { path: input.to_owned(), detail: report.detail() });
    }
    fs::rename(&part, output).map_err(|source| MediaError::Io {
        path: output.to_owned(),
        action: "write",
        source,
    })
}
