//! Small JPEG pictures of a clip, for people to look at, and for servers that take pictures but no video.

use std::path::Path;

use crate::child::ChildTask;
use crate::error::{MediaError, StreamKind};
use crate::ffmpeg::Ffmpeg;
use crate::input::{input_arguments, words};
use crate::limits::{Deadline, DecodeLimits};
use crate::report::Report;
use crate::scan::scan_before;
use crate::video::select;

/// Quality of ffmpeg's JPEG encoder, 2 (best) to 31.
const QUALITY: &str = "6";
/// Both ends of a JPEG file.
const BEGIN: [u8; 2] = [0xff, 0xd8];
const END: [u8; 2] = [0xff, 0xd9];

/// At most `n` frames at even distances as JPEG files, `height` pixels high.
///
/// # Errors
/// Those of [`decode_video`](crate::decode_video), save for too few frames; [`MediaError::InvalidArgument`] for no frame or
/// no height.
pub fn jpeg_frames(
    ffmpeg: &Ffmpeg,
    path: &Path,
    n: usize,
    height: usize,
    limits: &DecodeLimits,
) -> Result<Vec<Vec<u8>>, MediaError> {
    if n == 0 || height < 2 {
        return Err(MediaError::InvalidArgument {
            what: "number and height of pictures",
            found: format!("{n} and {height}"),
            expected: "at least one picture, two pixels high".to_owned(),
        });
    }
    let deadline = Deadline::after(limits.timeout);
    let total = scan_before(ffmpeg, path, limits, deadline)?.total_frames();
    let mut indices: Vec<usize> =
        (0..n.min(total)).map(|i| (2 * i + 1) * total / (2 * n.min(total))).collect();
    indices.dedup();
    let filter = format!("{},scale=-2:{height}", select(&indices));
    let mut arguments = input_arguments(path, limits);
    arguments.extend(words(&["-map", "0:V:0", "-vf", &filter, "-fps_mode", "passthrough", "-c:v", "mjpeg"]));
    arguments.extend(words(&["-q:v", QUALITY, "-f", "image2pipe", "pipe:1"]));
    let task = ChildTask {
        program: ffmpeg.program(),
        arguments: &arguments,
        path,
        deadline,
        max_memory_bytes: limits.max_memory_bytes,
    };
    let mut bytes = Vec::new();
    let finished = task.run(|chunk| {
        bytes.extend_from_slice(chunk);
        if bytes.len() as u64 > limits.max_bytes {
            let (found, limit) = (bytes.len() as f64, limits.max_bytes as f64);
            return Err(MediaError::LimitExceeded {
                path: path.to_owned(),
                what: "bytes in its pictures",
                found,
                limit,
            });
        }
        Ok(())
    })?;
    let pictures = split(&bytes);
    if pictures.is_empty() {
        let detail = Report::read(&finished.stderr).detail();
        return Err(MediaError::EmptyStream { path: path.to_owned(), kind: StreamKind::Video, detail });
    }
    Ok(pictures)
}

/// Files that follow each other. Inside of one, 0xff is never followed by the second byte of an end.
fn split(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    let mut begin = None;
    for at in 0..bytes.len().saturating_sub(1) {
        let pair = [bytes[at], bytes[at + 1]];
        match begin {
            None if pair == BEGIN => begin = Some(at),
            Some(from) if pair == END => {
                files.push(bytes[from..at + 2].to_vec());
                begin = None;
            }
            _ => {}
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_split_at_their_ends_and_a_torn_one_is_dropped() {
        let one = [0xff, 0xd8, 1, 0xff, 0, 2, 0xff, 0xd9];
        let two = [0xff, 0xd8, 7, 0xff, 0xd9];
        let torn = [0xff, 0xd8, 9];
        let bytes = [&one[..], &two[..], &torn[..]].concat();
        assert_eq!(split(&bytes), [one.to_vec(), two.to_vec()]);
        assert!(split(&[]).is_empty());
    }
}
