//! Pictures and sound of a clip for its card. There are none unless media were asked for: they show faces.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use emomm_media::{DecodeLimits, Ffmpeg, decode_audio, jpeg_frames};

use super::encode::base64;
use super::sound::{MelPicture, loudness, mel_picture};
use crate::study::{Study, StudyClip};

/// Frames of a clip.
pub(crate) const FRAMES: usize = 4;
/// Their height in pixels.
const HEIGHT: usize = 150;
/// Rate at which sound is decoded.
const RATE_HZ: u32 = 16_000;

/// What of a clip's media a card shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ClipMedia {
    /// A few frames, JPEG as data URLs.
    pub frames: Vec<String>,
    /// Loudness over time, 0 to 1.
    pub wave: Vec<f64>,
    /// The mel spectrogram; `None` for a sound too short for one.
    pub mel: Option<MelPicture>,
}

/// Media by the index of the clip, and how many files could not be shown.
#[derive(Debug, Default)]
pub struct LoadedMedia {
    /// What was read.
    pub clips: BTreeMap<usize, ClipMedia>,
    /// Files that could not be read.
    pub n_failed: usize,
}

/// Reads frames and sound of all clips. `progress` is told how many are done.
pub fn load_media(study: &Study, ffmpeg: &Ffmpeg, progress: impl Fn(usize) + Sync) -> LoadedMedia {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(8);
    let limits = DecodeLimits { threads: 1, max_seconds: 600.0, ..DecodeLimits::default() };
    let (next, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let found = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(clip) = study.clips.get(index) else { break };
                    let (media, n_failed) = media_of(study, clip, ffmpeg, &limits);
                    failed.fetch_add(n_failed, Ordering::Relaxed);
                    if let Ok(mut found) = found.lock() {
                        found.insert(index, media);
                        progress(found.len());
                    }
                }
            });
        }
    });
    LoadedMedia { clips: found.into_inner().unwrap_or_default(), n_failed: failed.into_inner() }
}

fn media_of(study: &Study, clip: &StudyClip, ffmpeg: &Ffmpeg, limits: &DecodeLimits) -> (ClipMedia, usize) {
    let file = |path: &Option<String>| -> Option<PathBuf> {
        Some(study.origin.roots.get(&clip.corpus.name)?.join(path.as_deref()?))
    };
    let mut media = ClipMedia::default();
    let mut n_failed = 0;
    if let Some(video) = file(&clip.media.video) {
        match jpeg_frames(ffmpeg, &video, FRAMES, HEIGHT, limits) {
            Ok(frames) => {
                media.frames =
                    frames.iter().map(|f| format!("data:image/jpeg;base64,{}", base64(f))).collect();
            }
            Err(_) => n_failed += 1,
        }
    }
    if let Some(audio) = file(&clip.media.audio) {
        match decode_audio(ffmpeg, &audio, RATE_HZ, limits) {
            Ok(sound) => {
                media.wave = loudness(&sound.samples);
                media.mel = mel_picture(&sound.samples, sound.sample_rate_hz);
            }
            Err(_) => n_failed += 1,
        }
    }
    (media, n_failed)
}
