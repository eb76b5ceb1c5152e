//! The ffmpeg program: where it is, what version it is, what it can do.
//!
//! Only `ffmpeg` is needed, not `ffprobe`, because static builds often come without the latter. The version belongs in
//! every result: ffmpeg 5.1 and 9 decode some AAC files to different lengths.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::child::ChildTask;
use crate::error::MediaError;
use crate::limits::Deadline;

/// The environment variable that names the program.
pub const FFMPEG_VARIABLE: &str = "EMOMM_FFMPEG";
/// Oldest version with `-fps_mode`.
const OLDEST: (u32, u32) = (5, 1);
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// A located ffmpeg that has answered `-version`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ffmpeg {
    program: PathBuf,
    version: String,
}

/// What an ffmpeg was built with, for a doctor's report.
///
/// Decoding needs none of these; writing demonstration clips needs `libx264` and `aac`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Capabilities {
    /// The `libx264` encoder.
    pub libx264: bool,
    /// The built-in `aac` encoder.
    pub aac: bool,
}

impl Ffmpeg {
    /// Finds ffmpeg: the path in `EMOMM_FFMPEG` if that is set, otherwise `ffmpeg` on `PATH`.
    ///
    /// # Errors
    /// [`MediaError::FfmpegNotFound`] or [`MediaError::FfmpegUnusable`]. A wrong `EMOMM_FFMPEG` is an error, never a
    /// reason to take another program.
    pub fn locate() -> Result<Self, MediaError> {
        if let Some(named) = std::env::var_os(FFMPEG_VARIABLE).filter(|value| !value.is_empty()) {
            return Self::at(PathBuf::from(named)).map_err(|error| match error {
                MediaError::FfmpegNotFound { tried } => MediaError::FfmpegNotFound {
                    tried: format!("{FFMPEG_VARIABLE}, which is set to {tried}"),
                },
                other => other,
            });
        }
        let name = format!("ffmpeg{}", std::env::consts::EXE_SUFFIX);
        let found = std::env::var_os("PATH").and_then(|path| {
            std::env::split_paths(&path).map(|folder| folder.join(&name)).find(|program| program.is_file())
        });
        match found {
            Some(program) => Self::at(program),
            None => {
                Err(MediaError::FfmpegNotFound { tried: format!("{FFMPEG_VARIABLE} (not set) and PATH") })
            }
        }
    }

    /// Takes the program at a given path.
    ///
    /// # Errors
    /// [`MediaError::FfmpegNotFound`] when nothing is there, [`MediaError::FfmpegUnusable`] when it does not answer as
    /// ffmpeg 5.1 or newer.
    pub fn at(program: impl Into<PathBuf>) -> Result<Self, MediaError> {
        let program = program.into();
        if !program.is_file() {
            return Err(MediaError::FfmpegNotFound { tried: format!("`{}`", program.display()) });
        }
        let text = ask(&program, &["-version"])?;
        let unusable = |reason: String| MediaError::FfmpegUnusable { program: program.clone(), reason };
        let version = text
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("ffmpeg version "))
            .and_then(|rest| rest.split_whitespace().next())
            .ok_or_else(|| {
                unusable("the answer to `-version` does not begin with `ffmpeg version`".to_owned())
            })?
            .to_owned();
        if release(&version).is_some_and(|release| release < OLDEST) {
            return Err(unusable(format!("found version {version}, expected 5.1 or newer")));
        }
        Ok(Self { program, version })
    }

    /// The program's path.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The version as the program states it, for example `5.1.9-0+deb12u1`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What the program was built with.
    ///
    /// # Errors
    /// [`MediaError::FfmpegUnusable`] when it does not list its encoders.
    pub fn capabilities(&self) -> Result<Capabilities, MediaError> {
        let encoders = ask(&self.program, &["-hide_banner", "-encoders"])?;
        let has = |name: &str| encoders.lines().any(|line| line.split_whitespace().nth(1) == Some(name));
        Ok(Capabilities { libx264: has("libx264"), aac: has("aac") })
    }

    /// The words that keep the time base of the file in the list of frames; newer versions spell them differently.
    pub(crate) fn demuxer_time_base(&self) -> [&'static str; 2] {
        match release(&self.version) {
            Some((..=6, _)) => ["-enc_time_base", "-1"],
            _ => ["-enc_time_base", "demux"],
        }
    }
}

/// Runs a short question and gives its stdout.
fn ask(program: &Path, words: &[&str]) -> Result<String, MediaError> {
    let unusable = |reason: String| MediaError::FfmpegUnusable { program: program.to_owned(), reason };
    let arguments: Vec<OsString> = words.iter().map(OsString::from).collect();
    let task = ChildTask {
        program,
        arguments: &arguments,
        path: program,
        deadline: Deadline::after(ANSWER_WITHIN),
        max_memory_bytes: None,
    };
    let mut text = Vec::new();
    let finished = task.run(|chunk| {
        if text.len() + chunk.len() > 1 << 20 {
            return Err(unusable(format!("the answer to `{}` does not end", words.join(" "))));
        }
        text.extend_from_slice(chunk);
        Ok(())
    });
    let finished = match finished {
        Ok(finished) => finished,
        Err(error @ MediaError::FfmpegUnusable { .. }) => return Err(error),
        Err(MediaError::Io { source, .. }) => return Err(unusable(source.to_string())),
        Err(other) => return Err(unusable(other.to_string())),
    };
    if !finished.status.success() {
        return Err(unusable(format!("`{}` ended with {}", words.join(" "), finished.status)));
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Major and minor number of a release such as `n9.0.2-17-g2a57` or `5.1.9-0+deb12u1`; `None` for a git snapshot.
fn release(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.trim_start_matches('n').split(|c: char| !c.is_ascii_digit());
    let major = parts.next()?.parse().ok()?;
    let minor = parts.next().and_then(|minor| minor.parse().ok()).unwrap_or(0);
    Some((major, minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_told_from_snapshots() {
        assert_eq!(release("5.1.9-0+deb12u1"), Some((5, 1)));
        assert_eq!(release("n9.0.2-17-g2a571b6068-20260930"), Some((9, 0)));
        assert_eq!(release("7"), Some((7, 0)));
        assert_eq!(release("N-113007-g8d24a28d06"), None);
    }
}
