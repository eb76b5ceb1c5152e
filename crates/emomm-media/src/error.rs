//! Everything that can go wrong between a media file and its arrays.
//!
//! Each variant says what was found, what was expected and in which file; [`MediaError::hint`] says what to do about it.
//! A failed clip is data for the caller to log, so no variant is meant to end a run.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

/// The two kinds of stream this crate reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamKind {
    /// Moving pictures (an attached cover picture does not count).
    Video,
    /// Sound.
    Audio,
}

impl fmt::Display for StreamKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Video => "video",
            Self::Audio => "audio",
        })
    }
}

/// No option raises a limit, so the clip has to shrink.
const SHRINK_HINT: &str = "shorten the clip or scale its picture down, for example to its first minute and 640 pixels \
                           across with `ffmpeg -i IN -t 60 -vf scale=640:-2 OUT.mp4`";

/// Why a file could not be turned into arrays.
#[derive(Debug, Error)]
pub enum MediaError {
    /// No ffmpeg program where one was looked for.
    #[error("no ffmpeg program found in {tried}")]
    FfmpegNotFound {
        /// The places that were looked at.
        tried: String,
    },
    /// A program is there but it does not answer as ffmpeg does.
    #[error("`{}` cannot be used as ffmpeg: {reason}", program.display())]
    FfmpegUnusable {
        /// The program that was tried.
        program: PathBuf,
        /// What it did instead.
        reason: String,
    },
    /// The operating system refused a file or a process.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// The file or program.
        path: PathBuf,
        /// What was tried, for example `read`.
        action: &'static str,
        /// The system's own error.
        source: std::io::Error,
    },
    /// The path does not lead to a regular file with something in it.
    #[error("expected a media file at `{}`, found {found}", path.display())]
    NotAMediaFile {
        /// The path as given.
        path: PathBuf,
        /// What is there, for example `a directory`.
        found: &'static str,
    },
    /// The file opens but has no stream of the wanted kind.
    #[error("no {kind} stream in `{}`", path.display())]
    NoStream {
        /// The file.
        path: PathBuf,
        /// The kind that was wanted.
        kind: StreamKind,
    },
    /// The stream is there but not one frame or sample of it decodes.
    #[error("the {kind} stream of `{}` decodes to nothing{}", path.display(), after_colon(detail))]
    EmptyStream {
        /// The file.
        path: PathBuf,
        /// The kind of stream.
        kind: StreamKind,
        /// What ffmpeg had to say, or nothing.
        detail: String,
    },
    /// ffmpeg gave up on the file.
    #[error("ffmpeg cannot decode `{}`: {detail}", path.display())]
    Decode {
        /// The file.
        path: PathBuf,
        /// The last errors of ffmpeg, or what was wrong with its output.
        detail: String,
    },
    /// The clip has fewer frames than the sampling rule can take.
    #[error("{}found {found}, expected at least {expected} to choose from", before_colon(path.as_deref()))]
    TooFewFrames {
        /// The file, when it is known.
        path: Option<PathBuf>,
        /// How many frames (or sampled frames) there are.
        found: String,
        /// How many the rule needs.
        expected: usize,
    },
    /// One of the [`DecodeLimits`](crate::DecodeLimits) was passed; the child was ended.
    #[error("`{}` has {found} {what}, the limit is {limit}", path.display())]
    LimitExceeded {
        /// The file.
        path: PathBuf,
        /// What was counted, with its unit.
        what: &'static str,
        /// The count when decoding stopped.
        found: f64,
        /// The limit.
        limit: f64,
    },
    /// Decoding did not finish in time and was ended.
    #[error("`{}` was not decoded within {} s", path.display(), timeout.as_secs_f64())]
    TimedOut {
        /// The file.
        path: PathBuf,
        /// The time it was given.
        timeout: Duration,
    },
    /// An argument of a plain function makes no sense.
    #[error("invalid {what}: found {found}, expected {expected}")]
    InvalidArgument {
        /// The argument's name.
        what: &'static str,
        /// What was given.
        found: String,
        /// What would have been accepted.
        expected: String,
    },
}

impl MediaError {
    /// Whether ffmpeg itself is missing or unusable, which is no fault of a file.
    #[must_use]
    pub fn is_of_ffmpeg(&self) -> bool {
        matches!(self, Self::FfmpegNotFound { .. } | Self::FfmpegUnusable { .. })
    }

    /// What the reader of the message can do, when there is something.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::FfmpegNotFound { .. } => {
                "install ffmpeg 5.1 or newer (`apt-get install ffmpeg`, `brew install ffmpeg`) \
                 or set EMOMM_FFMPEG to its path"
            }
            Self::FfmpegUnusable { .. } => {
                "set EMOMM_FFMPEG to an ffmpeg 5.1 or newer and run `ffmpeg -version` by hand"
            }
            Self::NotAMediaFile { .. } => "check the path and that the download of the clip was finished",
            Self::NoStream { kind: StreamKind::Audio, .. } => {
                "evaluate this clip without the audio modality, or add a sound track to it"
            }
            Self::NoStream { kind: StreamKind::Video, .. } => "evaluate this clip without the video modality",
            Self::EmptyStream { .. } | Self::Decode { .. } => {
                "the file is damaged, cut short or not a media file: fetch it again or re-encode it with \
                 `ffmpeg -i IN -c:v libx264 -c:a aac OUT.mp4`"
            }
            Self::TooFewFrames { expected, .. } => {
                return Some(format!("the clip needs at least {expected} frames: use a longer clip"));
            }
            Self::LimitExceeded { .. } | Self::TimedOut { .. } => SHRINK_HINT,
            Self::Io { .. } | Self::InvalidArgument { .. } => return None,
        };
        Some(hint.to_owned())
    }

    /// The same error with the file named, for errors of plain functions that know no file.
    #[must_use]
    pub fn in_file(self, file: &Path) -> Self {
        match self {
            Self::TooFewFrames { path: None, found, expected } => {
                Self::TooFewFrames { path: Some(file.to_owned()), found, expected }
            }
            other => other,
        }
    }
}

fn after_colon(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!(": {detail}") }
}

fn before_colon(path: Option<&Path>) -> String {
    path.map(|path| format!("`{}`: ", path.display())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_the_file_and_both_sides() {
        let error = MediaError::TooFewFrames { path: None, found: "1 frame".to_owned(), expected: 2 };
        assert_eq!(error.to_string(), "found 1 frame, expected at least 2 to choose from");
        let error = error.in_file(Path::new("a.mp4"));
        assert_eq!(error.to_string(), "`a.mp4`: found 1 frame, expected at least 2 to choose from");
        let hint = error.hint().expect("a remedy");
        assert_eq!(hint, "the clip needs at least 2 frames: use a longer clip");

        let error = MediaError::NoStream { path: "b.wav".into(), kind: StreamKind::Video };
        assert_eq!(error.to_string(), "no video stream in `b.wav`");
        let error =
            MediaError::EmptyStream { path: "c.wav".into(), kind: StreamKind::Audio, detail: String::new() };
        assert_eq!(error.to_string(), "the audio stream of `c.wav` decodes to nothing");
    }

    /// The command line has no option for any limit.
    #[test]
    fn a_limit_s_hint_names_what_a_user_can_do() {
        let (path, timeout) = (PathBuf::from("a.mp4"), Duration::from_secs(1));
        let limit = MediaError::LimitExceeded { path: path.clone(), what: "frames", found: 2.0, limit: 1.0 };
        for error in [limit, MediaError::TimedOut { path, timeout }] {
            let hint = error.hint().expect("a remedy");
            assert!(hint.contains("ffmpeg -i IN") && !hint.contains("raise"), "{hint}");
        }
    }
}
