//! Video file to RGB frames.
//!
//! Two passes of one decoder: the first counts the frames that really decode and notes their times, then the rule
//! chooses, and the second pass converts only the chosen frames to RGB. Memory grows with the chosen frames, not with
//! the clip. There is no seeking: a seek per frame was measured to be ten times slower than decoding everything, and
//! lands on wrong frames in some containers. Rotation stored in the file is applied, as decord and torchcodec do.

use std::path::Path;

use crate::child::ChildTask;
use crate::error::{MediaError, StreamKind};
use crate::ffmpeg::Ffmpeg;
use crate::image::RgbImage;
use crate::input::{input_arguments, words};
use crate::limits::{Deadline, DecodeLimits};
use crate::report::Report;
use crate::sampling::{FrameSampling, sample_frames};
use crate::scan::{VideoScan, scan_before};

/// The sampled frames of a clip.
///
/// # Shapes
/// `frames`, `indices` and `times_seconds` have the same length; all frames have the same size.
#[derive(Debug, Clone, PartialEq)]
pub struct VideoFrames {
    /// The chosen frames in ascending order, rotated as the file asks, in the file's own size.
    pub frames: Vec<RgbImage>,
    /// The number of each chosen frame among the frames that decode, from 0.
    pub indices: Vec<usize>,
    /// The presentation time of each chosen frame in seconds, on the file's own clock.
    pub times_seconds: Vec<f64>,
    /// How many frames decode.
    pub total_frames: usize,
    /// Average frame rate; see [`VideoScan::avg_fps`].
    pub avg_fps: f64,
    /// What ffmpeg complained of. Not empty for a file that is cut short.
    pub warnings: Vec<String>,
}

/// Decodes a video and keeps the frames that `sampling` chooses.
///
/// With several video streams it is the first that is not a cover picture.
///
/// # Errors
/// [`MediaError::NotAMediaFile`] for a missing or empty file, [`MediaError::NoStream`] without video,
/// [`MediaError::EmptyStream`] when nothing decodes, [`MediaError::TooFewFrames`] when the rule cannot take the clip
/// (one frame, with the default sampling), [`MediaError::LimitExceeded`], [`MediaError::TimedOut`] or
/// [`MediaError::Decode`].
pub fn decode_video(
    ffmpeg: &Ffmpeg,
    path: &Path,
    sampling: &FrameSampling,
    limits: &DecodeLimits,
) -> Result<VideoFrames, MediaError> {
    let deadline = Deadline::after(limits.timeout);
    let scan = scan_before(ffmpeg, path, limits, deadline)?;
    let total_frames = scan.total_frames();
    let indices = sample_frames(total_frames, scan.avg_fps, &scan.times_seconds, sampling)
        .map_err(|error| error.in_file(path))?;
    let mut frames = Vec::with_capacity(indices.len());
    let mut keep = |frame| frames.push(frame);
    let pass = FramePass { ffmpeg, path, scan: &scan, limits, deadline };
    let problems = pass.run(&indices, &mut keep)?;
    let times_seconds = indices.iter().map(|&index| scan.times_seconds[index]).collect();
    let mut warnings = scan.warnings;
    let unsaid: Vec<String> = problems.into_iter().filter(|problem| !warnings.contains(problem)).collect();
    warnings.extend(unsaid);
    Ok(VideoFrames { frames, indices, times_seconds, total_frames, avg_fps: scan.avg_fps, warnings })
}

/// Decodes the frames with the given numbers and hands each to `take` as it comes, so that a caller who shrinks frames
/// never holds more than one at full size.
///
/// `indices` are in ascending order and may repeat. Gives the complaints of ffmpeg.
///
/// # Errors
/// Those of [`decode_video`], and [`MediaError::InvalidArgument`] when `indices` is empty, not in order, or has a number
/// that the scan does not.
pub fn read_frames(
    ffmpeg: &Ffmpeg,
    path: &Path,
    scan: &VideoScan,
    indices: &[usize],
    limits: &DecodeLimits,
    mut take: impl FnMut(RgbImage),
) -> Result<Vec<String>, MediaError> {
    FramePass { ffmpeg, path, scan, limits, deadline: Deadline::after(limits.timeout) }
        .run(indices, &mut take)
}

/// The second pass.
struct FramePass<'a> {
    ffmpeg: &'a Ffmpeg,
    path: &'a Path,
    scan: &'a VideoScan,
    limits: &'a DecodeLimits,
    deadline: Deadline,
}

impl FramePass<'_> {
    fn run(&self, indices: &[usize], take: &mut dyn FnMut(RgbImage)) -> Result<Vec<String>, MediaError> {
        self.check(indices)?;
        let (width, height) = (self.scan.width, self.scan.height);
        let mut distinct = indices.to_vec();
        distinct.dedup();

        let mut arguments = input_arguments(self.path, self.limits);
        arguments.extend(words(&["-map", "0:V:0", "-vf", &select(&distinct), "-fps_mode", "passthrough"]));
        arguments.extend(words(&["-pix_fmt", "rgb24", "-f", "rawvideo", "pipe:1"]));
        let task = ChildTask {
            program: self.ffmpeg.program(),
            arguments: &arguments,
            path: self.path,
            deadline: self.deadline,
            max_memory_bytes: self.limits.max_memory_bytes,
        };

        let frame_bytes = width * height * 3;
        let mut frame = Vec::with_capacity(frame_bytes);
        let mut received = 0;
        let finished = task.run(|mut chunk| {
            while !chunk.is_empty() {
                let part = chunk.len().min(frame_bytes - frame.len());
                frame.extend_from_slice(&chunk[..part]);
                chunk = &chunk[part..];
                if frame.len() < frame_bytes {
                    continue;
                }
                let Some(&index) = distinct.get(received) else {
                    return Err(self.mismatch(received + 1, distinct.len()));
                };
                let image = RgbImage::new(width, height, std::mem::take(&mut frame))?;
                for _ in 1..indices.iter().filter(|&&other| other == index).count() {
                    take(image.clone());
                }
                take(image);
                received += 1;
                if received < distinct.len() {
                    frame.reserve_exact(frame_bytes);
                }
            }
            Ok(())
        })?;
        let report = Report::read(&finished.stderr);
        if received == 0 {
            let (path, detail) = (self.path.to_owned(), report.detail());
            return Err(MediaError::EmptyStream { path, kind: StreamKind::Video, detail });
        }
        if received != distinct.len() || !frame.is_empty() {
            return Err(self.mismatch(received, distinct.len()));
        }
        Ok(report.problems)
    }

    fn check(&self, indices: &[usize]) -> Result<(), MediaError> {
        let total = self.scan.total_frames();
        if indices.is_empty() || !indices.is_sorted() || indices.last().is_some_and(|&last| last >= total) {
            return Err(MediaError::InvalidArgument {
                what: "frame numbers",
                found: format!("{indices:?}"),
                expected: format!("at least one, in ascending order, each below {total}"),
            });
        }
        let bytes = indices.len() as f64 * (self.scan.width * self.scan.height * 3) as f64;
        let limit = self.limits.max_bytes as f64;
        if bytes > limit {
            let (path, what) = (self.path.to_owned(), "bytes in its chosen frames");
            return Err(MediaError::LimitExceeded { path, what, found: bytes, limit });
        }
        Ok(())
    }

    /// The two passes did not see the same frames; never guess which is right.
    fn mismatch(&self, received: usize, expected: usize) -> MediaError {
        let detail = format!(
            "the second pass gave {received} frames, expected {expected}: the file or its size changed"
        );
        MediaError::Decode { path: self.path.to_owned(), detail }
    }
}

/// The filter that passes the frames with these numbers. `-fps_mode passthrough` keeps ffmpeg from filling the gaps.
///
/// Runs of consecutive frames are one term. The terms are nested in pairs, so that evaluating the expression for one
/// frame needs little depth.
pub(crate) fn select(distinct: &[usize]) -> String {
    let mut terms: Vec<String> = distinct
        .chunk_by(|left, right| left + 1 == *right)
        .map(|run| match run {
            [one] => format!("eq(n\\,{one})"),
            _ => format!("between(n\\,{}\\,{})", run[0], run[run.len() - 1]),
        })
        .collect();
    while terms.len() > 1 {
        terms = terms
            .chunks(2)
            .map(|pair| if let [left, right] = pair { format!("({left}+{right})") } else { pair[0].clone() })
            .collect();
    }
    format!("select={}", terms.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selections_join_runs_and_stay_shallow() {
        assert_eq!(select(&[3]), "select=eq(n\\,3)");
        assert_eq!(select(&[0, 1, 2, 5, 9]), "select=((between(n\\,0\\,2)+eq(n\\,5))+eq(n\\,9))");
        let many: Vec<usize> = (0..768).map(|i| i * 3).collect();
        let text = select(&many);
        let depth = text.chars().take_while(|&c| c != 'q').filter(|&c| c == '(').count();
        assert!(depth <= 11, "depth {depth}");
    }
}
