//! Source arrays to media files, by one ffmpeg child a clip on one thread.
//!
//! H.264 without B-frames in closed groups, AAC, the index in front, no metadata: two runs of one ffmpeg version give the
//! same bytes. Other versions give other bytes, so what is pinned in tests are the arrays.

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use emomm_media::Ffmpeg;

use crate::error::SynthError;
use crate::parameters::{FRAME_RATE, FRAME_SIZE, SAMPLE_RATE_HZ};
use crate::world::io;

/// A clip to be encoded.
pub(crate) struct Clip<'a> {
    /// Interleaved RGB of all frames.
    pub(crate) rgb: &'a [u8],
    /// The sound as a WAV file.
    pub(crate) wav: &'a Path,
    /// Quality of the picture.
    pub(crate) crf: usize,
}

/// Writes `to`, first beside it under another name, so that what is there is whole.
pub(crate) fn encode(
    ffmpeg: &Ffmpeg,
    clip: &Clip<'_>,
    unfinished: &Path,
    to: &Path,
) -> Result<(), SynthError> {
    let size = format!("{}x{}", FRAME_SIZE.0, FRAME_SIZE.1);
    let rate = format!("{}/{}", FRAME_RATE.0, FRAME_RATE.1);
    let crf = clip.crf.to_string();
    let mut child = Command::new(ffmpeg.program())
        .args(["-hide_banner", "-nostdin", "-loglevel", "error", "-y"])
        .args(["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", &size, "-r", &rate, "-i", "pipe:0"])
        .arg("-i")
        .arg(file_argument(clip.wav))
        .args(["-map", "0:v", "-map", "1:a", "-c:v", "libx264", "-preset", "veryfast", "-crf", &crf])
        .args(["-pix_fmt", "yuv420p", "-bf", "0", "-threads", "1", "-flags", "+cgop"])
        .args(["-c:a", "aac", "-b:a", "64k", "-map_metadata", "-1"])
        .args(["-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact"])
        .args(["-movflags", "+faststart", "-f", "mp4"])
        .arg(file_argument(unfinished))
        .env_remove("FFREPORT")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(io("start", ffmpeg.program()))?;
    // ffmpeg reads all of its input before it says much, and says why if it stops early.
    let written = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(clip.rgb));
    let output = child.wait_with_output().map_err(io("wait for", ffmpeg.program()))?;
    if !output.status.success() || written.is_err() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        let detail = if said.is_empty() { format!("it ended with {}", output.status) } else { said };
        return Err(SynthError::Encode { path: to.to_owned(), detail });
    }
    std::fs::rename(unfinished, to).map_err(io("write", to))
}

/// A path that begins with `-` or holds `:` is a path for ffmpeg, too.
fn file_argument(path: &Path) -> OsString {
    let mut argument = OsString::from("file:");
    argument.push(path);
    argument
}

/// A WAV file of 16-bit samples, one channel.
pub(crate) fn wav(samples: &[i16]) -> Vec<u8> {
    let data = 2 * samples.len() as u32;
    let mut bytes = Vec::with_capacity(44 + data as usize);
    bytes.extend(b"RIFF");
    bytes.extend((36 + data).to_le_bytes());
    bytes.extend(b"WAVEfmt ");
    bytes.extend(16u32.to_le_bytes());
    bytes.extend(1u16.to_le_bytes());
    bytes.extend(1u16.to_le_bytes());
    bytes.extend(SAMPLE_RATE_HZ.to_le_bytes());
    bytes.extend((2 * SAMPLE_RATE_HZ).to_le_bytes());
    bytes.extend(2u16.to_le_bytes());
    bytes.extend(16u16.to_le_bytes());
    bytes.extend(b"data");
    bytes.extend(data.to_le_bytes());
    bytes.extend(samples.iter().flat_map(|s| s.to_le_bytes()));
    bytes
}
