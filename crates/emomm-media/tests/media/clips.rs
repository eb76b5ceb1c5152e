//! A folder of clips made by ffmpeg, and what ffmpeg itself makes of them.

use std::path::{Path, PathBuf};
use std::process::Command;

use emomm_media::{Ffmpeg, RgbImage};
use tempfile::TempDir;

/// Grey levels go round after this many frames.
pub(crate) const NUMBERS: usize = 50;

/// The ffmpeg under test.
pub(crate) fn ffmpeg() -> Ffmpeg {
    Ffmpeg::locate().unwrap_or_else(|error| {
        panic!("these tests need ffmpeg: {error}; {}", error.hint().unwrap_or_default());
    })
}

/// A folder that is removed with its clips.
pub(crate) struct Clips {
    folder: TempDir,
    pub(crate) ffmpeg: Ffmpeg,
}

impl Clips {
    pub(crate) fn new() -> Self {
        Self { folder: TempDir::new().expect("a temporary folder"), ffmpeg: ffmpeg() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs ffmpeg in the folder with arguments that are separated by single spaces.
    pub(crate) fn run(&self, arguments: &str) {
        self.run_words(&arguments.split(' ').collect::<Vec<_>>());
    }

    pub(crate) fn run_words(&self, arguments: &[&str]) {
        let output = Command::new(self.ffmpeg.program())
            .args(["-v", "error", "-nostdin", "-y"])
            .args(arguments)
            .current_dir(self.folder.path())
            .output()
            .expect("ffmpeg starts");
        assert!(
            output.status.success(),
            "ffmpeg {arguments:?} failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// Frames that show their number, then `filters`, then encoder options and a name.
    pub(crate) fn numbered(&self, size: &str, rate: &str, frames: usize, filters: &str, output: &str) {
        let source = format!("color=black:s={size}:r={rate},format=yuv420p,{NUMBERING}{filters}");
        let frames = frames.to_string();
        let mut words = vec!["-f", "lavfi", "-i", &source, "-frames:v", &frames];
        words.extend(output.split(' '));
        self.run_words(&words);
    }

    /// The standard clip: H.264 with B-frames, without loss.
    pub(crate) fn h264(&self, rate: &str, frames: usize, name: &str) -> PathBuf {
        self.numbered("64x48", rate, frames, "", &format!("{LOSSLESS} {name}"));
        self.path(name)
    }

    /// The first `keep` bytes of a clip, as another.
    pub(crate) fn cut(&self, from: &str, keep: usize, to: &str) -> PathBuf {
        let bytes = std::fs::read(self.path(from)).expect("the clip is there");
        assert!(keep < bytes.len(), "{from} has only {} bytes", bytes.len());
        self.write(to, &bytes[..keep])
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).expect("the folder can be written");
        path
    }

    /// What ffmpeg writes to its stdout.
    pub(crate) fn output(&self, path: &Path, arguments: &str) -> Vec<u8> {
        let output = Command::new(self.ffmpeg.program())
            .args(["-v", "error", "-nostdin", "-i"])
            .arg(path)
            .args(arguments.split(' '))
            .output()
            .expect("ffmpeg starts");
        output.stdout
    }

    /// All frames, by one plain decode.
    pub(crate) fn all_frames(&self, path: &Path, width: usize, height: usize) -> Vec<Vec<u8>> {
        let bytes = self.output(path, "-map 0:v:0 -fps_mode passthrough -pix_fmt rgb24 -f rawvideo -");
        assert_eq!(bytes.len() % (width * height * 3), 0, "whole frames");
        bytes.chunks_exact(width * height * 3).map(<[u8]>::to_vec).collect()
    }
}

/// Luma 16 for frame 0, 4 more for each frame, round again after [`NUMBERS`] frames.
const NUMBERING: &str = "geq=lum='16+4*mod(N\\,50)':cb=128:cr=128";
pub(crate) const LOSSLESS: &str = "-c:v libx264 -preset veryfast -bf 2 -qp 0 -fps_mode passthrough";

/// The number that a frame shows, up to multiples of [`NUMBERS`].
pub(crate) fn shown(image: &RgbImage) -> usize {
    let [red, green, blue] = image.pixel(image.width / 2, image.height / 2).expect("a pixel");
    assert!(red.abs_diff(green) <= 6 && blue.abs_diff(green) <= 6, "not grey: {red} {green} {blue}");
    let luma = f64::from(green) * 219.0 / 255.0;
    (luma / 4.0).round() as usize
}

/// A plain PCM or float WAV file.
pub(crate) fn wav(rate_hz: u32, channels: u16, tag: u16, bits: u16, data: &[u8]) -> Vec<u8> {
    let block = channels * bits / 8;
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + data.len() as u32).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0");
    bytes.extend(tag.to_le_bytes());
    bytes.extend(channels.to_le_bytes());
    bytes.extend(rate_hz.to_le_bytes());
    bytes.extend((rate_hz * u32::from(block)).to_le_bytes());
    bytes.extend(block.to_le_bytes());
    bytes.extend(bits.to_le_bytes());
    bytes.extend(b"data");
    bytes.extend((data.len() as u32).to_le_bytes());
    bytes.extend(data);
    bytes
}
