//! The first pass over a video: how many frames really decode, and when each is shown.
//!
//! A container's own frame count is not used, because edit lists and damaged files make it wrong. ffmpeg's `framecrc`
//! writer lists every decoded frame with its time and size; nothing is converted to RGB yet.

use std::path::Path;

use crate::child::ChildTask;
use crate::error::{MediaError, StreamKind};
use crate::ffmpeg::Ffmpeg;
use crate::input::{check_file, input_arguments, words};
use crate::limits::{Deadline, DecodeLimits};
use crate::report::{Report, shortfall};

/// Rows left out of the listed pictures, so that a change of size always changes the listed number of bytes: a picture
/// turned by a quarter has as many pixels as before, but not when both have two rows less. `-noautoscale` keeps ffmpeg
/// from hiding such a change.
const CUT_ROWS: &str = "crop=iw:ih-2:0:0:exact=1";
const ROWS_CUT: usize = 2;

/// What a video stream decodes to, without the pictures.
#[derive(Debug, Clone, PartialEq)]
pub struct VideoScan {
    /// Width of the decoded frames in pixels, after rotation.
    pub width: usize,
    /// Height of the decoded frames in pixels, after rotation.
    pub height: usize,
    /// Presentation time of each frame in seconds, on the file's own clock (the first need not be 0).
    pub times_seconds: Vec<f64>,
    /// Frames per second: frames divided by the time from the first one to the end of the last one.
    ///
    /// That is what torchcodec, the reference's first choice of reader, reports after its scan; decord and PyAV report
    /// the container's own figure, which differs for some variable rates and edit lists. Where that agrees with a whole rate or a rate of the form `k · 1000/1001` to within the resolution of the
    /// container's clock, it is that rate exactly, as readers take it from the container.
    pub avg_fps: f64,
    /// What ffmpeg complained of, and a note when the video is much shorter than the container announces.
    pub warnings: Vec<String>,
}

impl VideoScan {
    /// The number of frames that decode.
    pub fn total_frames(&self) -> usize {
        self.times_seconds.len()
    }
}

/// Decodes a video once without keeping any picture.
///
/// # Errors
/// Those of [`decode_video`](crate::decode_video), save for too few frames.
pub fn scan_video(ffmpeg: &Ffmpeg, path: &Path, limits: &DecodeLimits) -> Result<VideoScan, MediaError> {
    scan_before(ffmpeg, path, limits, Deadline::after(limits.timeout))
}

pub(crate) fn scan_before(
    ffmpeg: &Ffmpeg,
    path: &Path,
    limits: &DecodeLimits,
    deadline: Deadline,
) -> Result<VideoScan, MediaError> {
    check_file(path)?;
    let mut arguments = input_arguments(path, limits);
    arguments.extend(words(&["-map", "0:V:0", "-vf", CUT_ROWS, "-fps_mode", "passthrough", "-noautoscale"]));
    arguments.extend(words(&ffmpeg.demuxer_time_base()));
    arguments.extend(words(&["-f", "framecrc", "pipe:1"]));
    let task = ChildTask {
        program: ffmpeg.program(),
        arguments: &arguments,
        path,
        deadline,
        max_memory_bytes: limits.max_memory_bytes,
    };
    let mut list = FrameList::new(path, limits);
    let finished = task.run(|chunk| list.push(chunk))?;
    let report = Report::read(&finished.stderr);
    if report.no_stream {
        return Err(MediaError::NoStream { path: path.to_owned(), kind: StreamKind::Video });
    }
    if list.frames.is_empty() {
        let detail = report.detail();
        return Err(if finished.status.success() {
            MediaError::EmptyStream { path: path.to_owned(), kind: StreamKind::Video, detail }
        } else {
            MediaError::Decode { path: path.to_owned(), detail: format!("{detail} ({})", finished.status) }
        });
    }
    let mut warnings = report.problems.clone();
    if !finished.status.success() {
        warnings.push(format!("ffmpeg ended with {}", finished.status));
    }
    let shown_for = list.shown_for_seconds();
    warnings.extend(shortfall("video", shown_for, report.duration_seconds));
    list.finish(warnings)
}

#[derive(Debug, Clone, Copy)]
struct ListedFrame {
    pts: i64,
    duration: i64,
}

/// The lines of `framecrc`, read as they come.
///
/// Header lines begin with `#`; each frame is `stream, dts, pts, duration, bytes, checksum` in ticks of the time base.
struct FrameList<'a> {
    path: &'a Path,
    limits: &'a DecodeLimits,
    line: Vec<u8>,
    ticks: Option<(i64, i64)>,
    size: Option<(usize, usize)>,
    frame_bytes: Option<u64>,
    frames: Vec<ListedFrame>,
}

impl<'a> FrameList<'a> {
    fn new(path: &'a Path, limits: &'a DecodeLimits) -> Self {
        let line = Vec::with_capacity(128);
        Self { path, limits, line, ticks: None, size: None, frame_bytes: None, frames: Vec::new() }
    }

    fn push(&mut self, mut bytes: &[u8]) -> Result<(), MediaError> {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            self.line.extend_from_slice(&bytes[..end]);
            let line = String::from_utf8_lossy(&self.line).into_owned();
            self.line.clear();
            self.read_line(line.trim())?;
            bytes = &bytes[end + 1..];
        }
        if self.line.len() + bytes.len() > 4096 {
            return Err(self.unreadable("a line without end"));
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn read_line(&mut self, line: &str) -> Result<(), MediaError> {
        if let Some(ticks) = line.strip_prefix("#tb 0: ") {
            self.ticks = pair(ticks, '/').filter(|&(num, den)| num > 0 && den > 0);
        } else if let Some(size) = line.strip_prefix("#dimensions 0: ") {
            self.size = pair(size, 'x').filter(|&(width, height)| width > 0 && height > 0);
            self.size = self.size.map(|(width, height)| (width, height.saturating_add(ROWS_CUT)));
            let pixels = self.size.map_or(0, |(width, height)| width.saturating_mul(height));
            self.limit("pixels in a frame", pixels as f64, self.limits.max_pixels as f64)?;
        } else if !line.is_empty() && !line.starts_with('#') {
            self.read_frame(line)?;
        }
        Ok(())
    }

    fn read_frame(&mut self, line: &str) -> Result<(), MediaError> {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        let number = |at: usize| fields.get(at).and_then(|field| field.parse::<i64>().ok());
        let (Some(pts), Some(duration), Some(bytes)) = (number(2), number(3), number(4)) else {
            return Err(self.unreadable(line));
        };
        let bytes = bytes.max(0) as u64;
        if *self.frame_bytes.get_or_insert(bytes) != bytes {
            let detail = "the size of the picture changes in mid-stream".to_owned();
            return Err(MediaError::Decode { path: self.path.to_owned(), detail });
        }
        // A frame without a time follows the frame before it.
        let pts =
            if pts == i64::MIN { self.frames.last().map_or(0, |last| last.pts + last.duration) } else { pts };
        self.frames.push(ListedFrame { pts, duration: duration.max(0) });
        self.limit("video frames", self.frames.len() as f64, self.limits.max_frames as f64)?;
        self.limit("seconds of video", self.shown_for_seconds(), self.limits.max_seconds)
    }

    /// Ticks from the first frame to the end of the last one.
    fn shown_for_ticks(&self) -> i64 {
        let (Some(first), Some(last)) = (self.frames.first(), self.frames.last()) else { return 0 };
        let until_last = last.pts.saturating_sub(first.pts);
        let intervals = (self.frames.len() - 1).max(1) as i64;
        let duration = if last.duration > 0 { last.duration } else { until_last / intervals };
        until_last.saturating_add(duration)
    }

    fn tick_seconds(&self) -> f64 {
        self.ticks.map_or(0.0, |(num, den)| num as f64 / den as f64)
    }

    fn shown_for_seconds(&self) -> f64 {
        self.shown_for_ticks() as f64 * self.tick_seconds()
    }

    fn finish(self, warnings: Vec<String>) -> Result<VideoScan, MediaError> {
        let (Some((width, height)), Some((num, den))) = (self.size, self.ticks) else {
            return Err(self.unreadable("no size or no time base"));
        };
        let seconds = |ticks: i64| ticks as f64 * num as f64 / den as f64;
        let avg_fps = average_rate(self.frames.len(), self.shown_for_seconds(), self.tick_seconds());
        if !(avg_fps.is_finite() && avg_fps > 0.0) {
            return Err(self.unreadable("all frames have the same time"));
        }
        let times_seconds = self.frames.iter().map(|frame| seconds(frame.pts)).collect();
        Ok(VideoScan { width, height, times_seconds, avg_fps, warnings })
    }

    fn limit(&self, what: &'static str, found: f64, limit: f64) -> Result<(), MediaError> {
        if found <= limit {
            return Ok(());
        }
        Err(MediaError::LimitExceeded { path: self.path.to_owned(), what, found, limit })
    }

    fn unreadable(&self, what: &str) -> MediaError {
        let detail = format!("its list of frames cannot be read: {what}");
        MediaError::Decode { path: self.path.to_owned(), detail }
    }
}

/// Two numbers around a separator.
fn pair<T: std::str::FromStr>(text: &str, separator: char) -> Option<(T, T)> {
    let (left, right) = text.trim().split_once(separator)?;
    Some((left.trim().parse().ok()?, right.trim().parse().ok()?))
}

/// Frames per second, exact where the measured value cannot be told from a usual rate.
///
/// A container with a clock of 1 ms rounds each time, so 300 frames at 30000/1001 measure as 29.97003 or 29.9671; half a
/// frame more or less in `total / fps` can change the number of sampled frames.
fn average_rate(total: usize, seconds: f64, tick_seconds: f64) -> f64 {
    let total = total as f64;
    let measured = total / seconds;
    let nearest = measured.round();
    let usual = [nearest, nearest * 1000.0 / 1001.0, (measured * 1001.0 / 1000.0).round() * 1000.0 / 1001.0];
    let error = |rate: &f64| (total / rate - seconds).abs();
    usual
        .into_iter()
        .filter(|rate| *rate > 0.0 && error(rate) <= 1.5 * tick_seconds)
        .min_by(|a, b| error(a).total_cmp(&error(b)))
        .unwrap_or(measured)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::float_cmp, reason = "usual rates are exact by definition")]
    fn usual_rates_are_exact_and_others_measured() {
        assert_eq!(average_rate(300, 10.0, 1.0 / 15360.0), 30.0);
        assert_eq!(average_rate(2997, 100.0, 0.001), 30000.0 / 1001.0);
        assert_eq!(average_rate(239, 9.968, 0.001), 24000.0 / 1001.0);
        assert_eq!(average_rate(168, 9.9, 1.0 / 15360.0), 168.0 / 9.9);
        assert_eq!(average_rate(25, 2.0, 1.0 / 12800.0), 12.5);
    }

    #[test]
    fn lists_are_read_across_chunks() {
        let limits = DecodeLimits::default();
        let mut list = FrameList::new(Path::new("a.mp4"), &limits);
        let text = "#tb 0: 1/10\n#dimensions 0: 4x1\n0, 0, 7, 1, 12, 0x1\n0, 1, 8, 1, 12, 0x2\n";
        for byte in text.as_bytes() {
            list.push(&[*byte]).expect("a valid list");
        }
        let scan = list.finish(Vec::new()).expect("two frames");
        assert_eq!((scan.width, scan.height, scan.avg_fps), (4, 3, 10.0));
        assert_eq!(scan.times_seconds, [0.7, 0.8]);
    }

    #[test]
    fn limits_and_changes_of_size_end_the_list() {
        let limits = DecodeLimits { max_frames: 1, max_pixels: 12, ..DecodeLimits::default() };
        let mut list = FrameList::new(Path::new("a.mp4"), &limits);
        list.push(b"#tb 0: 1/10\n#dimensions 0: 4x1\n0,0,0,1,12,0\n").expect("within the limits");
        assert!(matches!(list.push(b"0,1,1,1,12,0\n"), Err(MediaError::LimitExceeded { .. })));
        assert!(matches!(list.push(b"0,2,2,1,13,0\n"), Err(MediaError::Decode { .. })));
        assert!(matches!(list.push(b"#dimensions 0: 4x2\n"), Err(MediaError::LimitExceeded { .. })));
    }
}
