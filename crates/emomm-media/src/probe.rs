//! What a file holds: its streams and tags, as ffmpeg lists them.
//!
//! Only `ffmpeg` is needed, as everywhere here: without an output it describes its input on stderr and stops.

use std::collections::BTreeMap;
use std::path::Path;

use crate::child::ChildTask;
use crate::error::{MediaError, StreamKind};
use crate::ffmpeg::Ffmpeg;
use crate::input::{check_file, input_arguments};
use crate::limits::{Deadline, DecodeLimits};

/// What a stream holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProbedKind {
    /// Moving pictures.
    Video,
    /// A still picture beside the sound, such as cover art.
    CoverArt,
    /// Sound.
    Audio,
    /// Subtitles, data, attachments and whatever else there is.
    Other,
}

/// One stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbedStream {
    /// What it holds.
    pub kind: ProbedKind,
    /// ffmpeg's own words: codec, size, rate.
    pub description: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// The streams and tags of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Probe {
    /// Tags of the file.
    pub tags: BTreeMap<String, String>,
    /// The streams in order.
    pub streams: Vec<ProbedStream>,
    /// Chapters.
    pub n_chapters: usize,
}

/// Tags that a container cannot be without and that say nothing of its content.
const NEUTRAL_TAGS: [&str; 3] = ["major_brand", "minor_version", "compatible_brands"];

impl Probe {
    /// Everything in a file besides one stream of `kind`: other streams, tags, chapters, captions; empty if there is
    /// nothing else.
    pub fn extras(&self, kind: StreamKind) -> Vec<String> {
        let wanted = match kind {
            StreamKind::Video => ProbedKind::Video,
            StreamKind::Audio => ProbedKind::Audio,
        };
        let mut extras = Vec::new();
        let mut n_wanted = 0;
        for (tag, value) in &self.tags {
            if !NEUTRAL_TAGS.contains(&tag.as_str()) {
                extras.push(format!("tag {tag}: {value}"));
            }
        }
        for stream in &self.streams {
            if stream.kind == wanted {
                n_wanted += 1;
            } else {
                extras.push(format!("stream {:?}: {}", stream.kind, stream.description));
            }
            if stream.description.contains("Closed Captions") {
                extras.push("closed captions".to_owned());
            }
            for (tag, value) in &stream.tags {
                if !is_neutral(tag, value) {
                    extras.push(format!("tag {tag}: {value}"));
                }
            }
        }
        if n_wanted != 1 {
            extras.push(format!("{n_wanted} streams of {kind} instead of one"));
        }
        if self.n_chapters > 0 {
            extras.push(format!("{} chapters", self.n_chapters));
        }
        extras
    }
}

/// Tags that ffmpeg itself puts on a stream, with the values that it puts there.
fn is_neutral(tag: &str, value: &str) -> bool {
    match tag {
        "handler_name" => matches!(value, "VideoHandler" | "SoundHandler"),
        "vendor_id" => value == "[0][0][0][0]" || value == "FFMP",
        "encoder" => value.starts_with("Lavc"),
        _ => false,
    }
}

/// Lists what a file holds.
///
/// # Errors
/// [`MediaError::NotAMediaFile`], [`MediaError::TimedOut`], or [`MediaError::Decode`] where ffmpeg cannot open it.
pub fn probe(ffmpeg: &Ffmpeg, path: &Path, limits: &DecodeLimits) -> Result<Probe, MediaError> {
    check_file(path)?;
    let arguments = input_arguments(path, limits);
    let task = ChildTask {
        program: ffmpeg.program(),
        arguments: &arguments,
        path,
        deadline: Deadline::after(limits.timeout),
        max_memory_bytes: limits.max_memory_bytes,
    };
    let finished = task.run(|_| Ok(()))?;
    let probe = read(&finished.stderr);
    if probe.streams.is_empty() {
        let detail = crate::report::Report::read(&finished.stderr).detail();
        return Err(MediaError::Decode { path: path.to_owned(), detail });
    }
    Ok(probe)
}

/// Reads ffmpeg's description of its input. Indentation tells what a tag belongs to.
fn read(stderr: &str) -> Probe {
    let mut probe = Probe::default();
    let mut in_input = false;
    let mut in_metadata = false;
    let mut in_stream = false;
    let mut in_chapter = false;
    for line in stderr.lines() {
        let line = line.strip_prefix("[info] ").unwrap_or(line);
        if line.starts_with("Input #0") {
            in_input = true;
            continue;
        }
        let text = line.trim_start();
        if !in_input || text == line && !text.is_empty() {
            in_input = false;
            continue;
        }
        if text.starts_with("Metadata:") {
            in_metadata = true;
        } else if text.starts_with("Stream #0") {
            (in_metadata, in_stream, in_chapter) = (false, true, false);
            probe.streams.push(stream_of(text));
        } else if text.starts_with("Chapter #") {
            (in_metadata, in_stream, in_chapter) = (false, false, true);
            probe.n_chapters += 1;
        } else if text.starts_with("Duration:")
            || text.starts_with("Chapters:")
            || text.starts_with("Program ")
        {
            (in_metadata, in_stream) = (false, false);
        } else if text.starts_with("Side data:") {
            in_metadata = false;
        } else if in_metadata
            && !in_chapter
            && let Some((tag, value)) = text.split_once(':')
        {
            let tags = match probe.streams.last_mut() {
                Some(stream) if in_stream => &mut stream.tags,
                _ => &mut probe.tags,
            };
            // A tag of several lines continues with an empty name.
            let (tag, value) = (tag.trim(), value.trim());
            let tag = if tag.is_empty() { "continued" } else { tag };
            tags.insert(tag.to_owned(), value.to_owned());
        }
    }
    probe
}

fn stream_of(text: &str) -> ProbedStream {
    // `Stream #0:0[0x1](und): Video: h264 (High), ... (default)`
    let description = text.split_once(": ").map_or(text, |(_, rest)| rest);
    let kind = match description.split(':').next() {
        Some("Video") if text.contains("(attached pic)") => ProbedKind::CoverArt,
        Some("Video") => ProbedKind::Video,
        Some("Audio") => ProbedKind::Audio,
        _ => ProbedKind::Other,
    };
    let mut tags = BTreeMap::new();
    let head = text.split(": ").next().unwrap_or_default();
    if let Some((_, language)) = head.rsplit_once('(')
        && language.trim_end_matches(')') != "und"
    {
        tags.insert("language".to_owned(), language.trim_end_matches(')').to_owned());
    }
    ProbedStream { kind, description: description.to_owned(), tags }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTING: &str = "\
[info] Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'file:t.mp4':
[info]   Metadata:
[info]     major_brand     : isom
[info]     title           : secret: words
[info]   Duration: 00:00:02.02, start: 0.000000, bitrate: 128 kb/s
[info]   Chapters:
[info]     Chapter #0:0: start 0.000000, end 1.000000
[info]       Metadata:
[info]         title           : one
[info]   Stream #0:0[0x1](und): Video: h264 (High) (avc1 / 0x31637661), yuv420p, 320x240, 25 fps (default)
[info]     Metadata:
[info]       handler_name    : VideoHandler
[info]       vendor_id       : [0][0][0][0]
[info]   Stream #0:1[0x2](chi): Audio: aac (LC) (mp4a / 0x6134706D), 44100 Hz, mono, fltp, 69 kb/s (default)
[info]     Metadata:
[info]       handler_name    : made by Kim
[info]   Stream #0:2: Subtitle: mov_text (tx3g / 0x67337874)
[error] At least one output file must be specified
";

    #[test]
    fn streams_tags_and_chapters_are_listed() {
        let probe = read(LISTING);
        assert_eq!(
            probe.streams.iter().map(|s| s.kind).collect::<Vec<_>>(),
            [ProbedKind::Video, ProbedKind::Audio, ProbedKind::Other]
        );
        assert_eq!(probe.tags["title"], "secret: words");
        assert_eq!(probe.n_chapters, 1);
        let extras = probe.extras(StreamKind::Video);
        assert_eq!(
            extras,
            [
                "tag title: secret: words",
                "stream Audio: Audio: aac (LC) (mp4a / 0x6134706D), 44100 Hz, mono, fltp, 69 kb/s (default)",
                "tag handler_name: made by Kim",
                "tag language: chi",
                "stream Other: Subtitle: mov_text (tx3g / 0x67337874)",
                "1 chapters",
            ]
        );
    }

    #[test]
    fn nothing_is_left_of_a_bare_file() {
        let listing = "[info] Input #0, flac, from 'file:a.flac':\n[info]   Duration: 00:00:02.02\n\
                       [info]   Stream #0:0: Audio: flac, 44100 Hz, mono, s16\n";
        assert_eq!(read(listing).extras(StreamKind::Audio), Vec::<String>::new());
        assert_eq!(read(listing).extras(StreamKind::Video).len(), 2);
        assert_eq!(read(""), Probe::default());
    }
}
