//! What ffmpeg is told about an input, and what is checked before it is started.
//!
//! Input files are not trusted. Only regular files are opened, only the `file` and `pipe` protocols are allowed, and only
//! the container formats below: without that list a text file named `clip.mp4` that begins with `ffconcat` or `#EXTM3U`
//! would make ffmpeg open other files of this machine. None of the listed formats refers to other files (QuickTime data
//! references are off by default in ffmpeg).

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use crate::error::MediaError;
use crate::limits::DecodeLimits;

/// Names of ffmpeg demuxers. A demuxer with several names (`mov,mp4,m4a,...`) is allowed by any one of them.
const CONTAINERS: &str =
    "mov,matroska,avi,wav,w64,aiff,caf,mp3,flac,ogg,aac,ac3,eac3,amr,au,mpegts,mpeg,flv,asf,3gp";

/// Checks that there is a regular file with something in it, before anything expensive is started.
///
/// # Errors
/// [`MediaError::NotAMediaFile`] or [`MediaError::Io`].
pub fn check_file(path: &Path) -> Result<(), MediaError> {
    let not = |found| Err(MediaError::NotAMediaFile { path: path.to_owned(), found });
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return not("nothing"),
        Err(source) => return Err(MediaError::Io { path: path.to_owned(), action: "read", source }),
    };
    if metadata.is_dir() {
        return not("a directory");
    }
    if !metadata.is_file() {
        return not("a device or pipe");
    }
    if metadata.len() == 0 {
        return not("an empty file");
    }
    fs::File::open(path).map(drop).map_err(|source| MediaError::Io {
        path: path.to_owned(),
        action: "read",
        source,
    })
}

/// The arguments up to and including the input. The path is given as `file:PATH`, so a name that begins with `-` or
/// holds `:` is still a name.
pub(crate) fn input_arguments(path: &Path, limits: &DecodeLimits) -> Vec<OsString> {
    let threads = limits.threads.max(1).to_string();
    let max_pixels = limits.max_pixels.to_string();
    let mut arguments = words(&[
        "-hide_banner",
        "-nostdin",
        "-nostats",
        "-loglevel",
        "level+info",
        "-copyts",
        "-filter_threads",
        "1",
        "-protocol_whitelist",
        "file,pipe",
        "-format_whitelist",
        CONTAINERS,
        "-max_pixels",
        &max_pixels,
        "-threads",
        &threads,
        "-i",
    ]);
    let mut input = OsString::from("file:");
    input.push(path);
    arguments.push(input);
    arguments
}

/// Words as process arguments.
pub(crate) fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}
