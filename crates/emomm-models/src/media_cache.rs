//! Decoded media kept on the disk: chosen frames as ffmpeg gave them, and waveforms. Runs that differ in the model, or in what
//! they do to the picture, decode a file once.
//!
//! What is kept is raw: frames of three bytes a pixel, samples of four. So this is worth its space where many runs look at the
//! same clips, and an entry above `MOST_BYTES` is not kept.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use emomm_media::{
    DecodeLimits, Ffmpeg, MediaError, RgbImage, VideoScan, Waveform, decode_audio, read_frames, scan_video,
};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::content_store::ContentStore;

/// Raised whenever an entry's content or a way of decoding changes.
const FORMAT: &str = "media 1";

/// A larger entry is not kept: about a minute of chosen frames at 720p.
const MOST_BYTES: usize = 64 << 20;

/// The tensor of an entry.
const DATA: &str = "data";

/// The words of an entry that say what stands beside its tensor.
const BESIDE: &str = "beside";

/// A store of decoded media.
#[derive(Debug, Clone)]
pub struct MediaCache(Arc<ContentStore>);

#[derive(Serialize, Deserialize)]
struct Scan {
    width: usize,
    height: usize,
    times_seconds: Vec<f64>,
    avg_fps: f64,
    warnings: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Frames {
    width: usize,
    height: usize,
    complaints: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Sound {
    sample_rate_hz: u32,
    source_rate_hz: u32,
    source_channels: u16,
    warnings: Vec<String>,
}

impl MediaCache {
    /// Over a store.
    pub fn new(store: Arc<ContentStore>) -> Self {
        Self(store)
    }

    /// As [`scan_video`].
    pub fn scan(&self, ffmpeg: &Ffmpeg, path: &Path, limits: &DecodeLimits) -> Result<VideoScan, MediaError> {
        let Some(entry) = self.place(ffmpeg, path, limits, "scan") else {
            return scan_video(ffmpeg, path, limits);
        };
        if let Some((s, _)) = load::<Scan>(&entry) {
            let Scan { width, height, times_seconds, avg_fps, warnings } = s;
            return Ok(VideoScan { width, height, times_seconds, avg_fps, warnings });
        }
        let found = scan_video(ffmpeg, path, limits)?;
        let VideoScan { width, height, times_seconds, avg_fps, warnings } = found.clone();
        self.save(&entry, &Scan { width, height, times_seconds, avg_fps, warnings }, &[]);
        Ok(found)
    }

    /// Whether so many frames are kept.
    pub fn keeps(scan: &VideoScan, n_frames: usize) -> bool {
        (scan.width * scan.height * 3).saturating_mul(n_frames) <= MOST_BYTES
    }

    /// As [`read_frames`].
    pub fn frames(
        &self,
        ffmpeg: &Ffmpeg,
        path: &Path,
        scan: &VideoScan,
        indices: &[usize],
        limits: &DecodeLimits,
        mut take: impl FnMut(RgbImage),
    ) -> Result<Vec<String>, MediaError> {
        let bytes = scan.width * scan.height * 3;
        let is_small = Self::keeps(scan, indices.len());
        let words = format!("frames {indices:?}");
        let Some(entry) = self.place(ffmpeg, path, limits, &words).filter(|_| is_small) else {
            return read_frames(ffmpeg, path, scan, indices, limits, take);
        };
        if let Some((f, data)) = load::<Frames>(&entry)
            && data.len() == f.width * f.height * 3 * indices.len()
        {
            let chunks = data.chunks_exact((f.width * f.height * 3).max(1));
            let frames: Result<Vec<RgbImage>, _> =
                chunks.map(|chunk| RgbImage::new(f.width, f.height, chunk.to_vec())).collect();
            if let Ok(frames) = frames {
                frames.into_iter().for_each(take);
                return Ok(f.complaints);
            }
        }
        let (mut data, mut size) = (Vec::with_capacity(bytes * indices.len()), None);
        let complaints = read_frames(ffmpeg, path, scan, indices, limits, |frame| {
            size.get_or_insert((frame.width, frame.height));
            data.extend_from_slice(&frame.data);
            take(frame);
        })?;
        if let Some((width, height)) = size {
            self.save(&entry, &Frames { width, height, complaints: complaints.clone() }, &data);
        }
        Ok(complaints)
    }

    /// As [`decode_audio`].
    pub fn sound(
        &self,
        ffmpeg: &Ffmpeg,
        path: &Path,
        sample_rate_hz: u32,
        limits: &DecodeLimits,
    ) -> Result<Waveform, MediaError> {
        let words = format!("sound {sample_rate_hz} Hz, {:?}", limits.max_output_seconds);
        let Some(entry) = self.place(ffmpeg, path, limits, &words) else {
            return decode_audio(ffmpeg, path, sample_rate_hz, limits);
        };
        if let Some((s, data)) = load::<Sound>(&entry) {
            let sample = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
            return Ok(Waveform {
                samples: data.chunks_exact(4).map(sample).collect(),
                sample_rate_hz: s.sample_rate_hz,
                source_rate_hz: s.source_rate_hz,
                source_channels: s.source_channels,
                warnings: s.warnings,
            });
        }
        let found = decode_audio(ffmpeg, path, sample_rate_hz, limits)?;
        let data: Vec<u8> = found.samples.iter().flat_map(|v| v.to_le_bytes()).collect();
        if data.len() <= MOST_BYTES {
            let beside = Sound {
                sample_rate_hz: found.sample_rate_hz,
                source_rate_hz: found.source_rate_hz,
                source_channels: found.source_channels,
                warnings: found.warnings.clone(),
            };
            self.save(&entry, &beside, &data);
        }
        Ok(found)
    }

    /// The place of an entry: the file's content, ffmpeg's version, and the limits that make a clip fail.
    fn place(
        &self,
        ffmpeg: &Ffmpeg,
        path: &Path,
        limits: &DecodeLimits,
        what: &str,
    ) -> Option<std::path::PathBuf> {
        let limits = format!("{} {} {}", limits.max_frames, limits.max_pixels, limits.max_seconds);
        self.0.path(path, &[FORMAT, ffmpeg.version(), &limits, what]).ok()
    }

    fn save<T: Serialize>(&self, entry: &Path, beside: &T, data: &[u8]) {
        let Ok(json) = serde_json::to_string(beside) else { return };
        let Ok(view) = TensorView::new(Dtype::U8, vec![data.len()], data) else { return };
        let metadata = HashMap::from([(BESIDE.to_owned(), json)]);
        if let Ok(bytes) = safetensors::serialize([(DATA, view)], Some(metadata)) {
            self.0.write(entry, &bytes);
        }
    }
}

/// What stands beside the data, and the data; `None` for no entry, or one that cannot be read: then it is made again.
fn load<T: DeserializeOwned>(entry: &Path) -> Option<(T, Vec<u8>)> {
    let bytes = ContentStore::read(entry)?;
    let (_, header) = SafeTensors::read_metadata(&bytes).ok()?;
    let beside = serde_json::from_str(header.metadata().as_ref()?.get(BESIDE)?).ok()?;
    let tensors = SafeTensors::deserialize(&bytes).ok()?;
    let data = tensors.tensor(DATA).ok()?.data().to_vec();
    Some((beside, data))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::process::Command;

    use super::*;

    /// A second of moving pictures and a tone.
    fn clip(folder: &Path) -> PathBuf {
        let path = folder.join("clip.mp4");
        let made = Command::new("ffmpeg")
            .args(["-v", "error", "-f", "lavfi", "-i", "testsrc=size=64x48:rate=8:duration=1"])
            .args(["-f", "lavfi", "-i", "sine=frequency=300:duration=1", "-pix_fmt", "yuv420p", "-y"])
            .arg(&path)
            .status()
            .expect("ffmpeg starts");
        assert!(made.success());
        path
    }

    /// What is read from the store is what ffmpeg gave, bit for bit; without the file's content there is nothing to read.
    #[test]
    fn what_was_decoded_comes_back_bit_for_bit() {
        let folder = tempfile::tempdir().unwrap();
        let (video, ffmpeg) = (clip(folder.path()), Ffmpeg::locate().unwrap());
        let limits = DecodeLimits::default();
        let store = Arc::new(ContentStore::open(&folder.path().join("store"), 1 << 24).unwrap());
        let cache = MediaCache::new(Arc::clone(&store));
        let decode = || {
            let scan = cache.scan(&ffmpeg, &video, &limits).unwrap();
            let mut frames = Vec::new();
            let indices = [0, 3, 3, 7];
            let complaints =
                cache.frames(&ffmpeg, &video, &scan, &indices, &limits, |f| frames.push(f)).unwrap();
            let sound = cache.sound(&ffmpeg, &video, 16_000, &limits).unwrap();
            (scan, frames, complaints, sound)
        };
        let first = decode();
        assert_eq!(first.0, scan_video(&ffmpeg, &video, &limits).unwrap());
        assert_eq!(first.3, decode_audio(&ffmpeg, &video, 16_000, &limits).unwrap());
        let mut plain = Vec::new();
        read_frames(&ffmpeg, &video, &first.0, &[0, 3, 3, 7], &limits, |f| plain.push(f)).unwrap();
        assert_eq!(first.1, plain);
        assert_eq!(store.entries().len(), 3);
        assert_eq!(decode(), first);
        // A damaged entry is made again.
        for entry in store.entries() {
            std::fs::write(&entry.path, b"no tensors").unwrap();
        }
        assert_eq!(decode(), first);
        // Another rate, other frames and other limits are other entries.
        cache.sound(&ffmpeg, &video, 8_000, &limits).unwrap();
        cache.frames(&ffmpeg, &video, &first.0, &[1], &limits, drop).unwrap();
        cache.scan(&ffmpeg, &video, &DecodeLimits { max_frames: 9, ..limits.clone() }).unwrap();
        assert_eq!(store.entries().len(), 6);
        // Failures are not kept.
        cache.scan(&ffmpeg, &video, &DecodeLimits { max_frames: 3, ..limits }).unwrap_err();
        assert_eq!(store.entries().len(), 6);
    }

    #[test]
    fn large_clips_are_not_kept() {
        let scan = VideoScan {
            width: 1280,
            height: 720,
            times_seconds: vec![0.0; 100],
            avg_fps: 30.0,
            warnings: Vec::new(),
        };
        assert!(MediaCache::keeps(&scan, 20) && !MediaCache::keeps(&scan, 30));
    }
}
