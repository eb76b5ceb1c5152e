//! The media of a clip as they are sent: the picture without sound, the sound by itself, or single frames.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use emomm_eval::run::hex;
use emomm_eval::{Clip, PredictError, PredictErrorKind};
use emomm_media::{DecodeLimits, Ffmpeg, MediaError, decode_audio, jpeg_frames, mute_video, scan_video};
use sha2::{Digest, Sha256};

/// Samples a second of what is sent; what the models are trained on.
const SAMPLE_RATE_HZ: u32 = 16_000;

/// What a medium is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MediumKind {
    /// A video without sound.
    Video,
    /// A sound.
    Audio,
    /// One frame.
    Frame,
}

/// A file as it is sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Medium {
    pub(crate) kind: MediumKind,
    pub(crate) mime: &'static str,
    pub(crate) bytes: Vec<u8>,
    pub(crate) sha256: String,
    /// Length of video and sound.
    pub(crate) seconds: f64,
}

impl Medium {
    pub(crate) fn new(kind: MediumKind, mime: &'static str, bytes: Vec<u8>, seconds: f64) -> Self {
        let sha256 = hex(&Sha256::digest(&bytes));
        Self { kind, mime, bytes, sha256, seconds }
    }

    pub(crate) fn base64(&self) -> String {
        STANDARD.encode(&self.bytes)
    }
}

/// Where a medium stands in a request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Place {
    /// In the request itself.
    Inline(String),
    /// On the server, under an address that it gave.
    Stored(String),
}

impl Place {
    /// The hash instead of the content, for the ledger and for the request's own name.
    pub(crate) fn hash(medium: &Medium) -> Self {
        Self::Inline(format!("sha256:{}", medium.sha256))
    }
}

/// How the picture is sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum PictureForm {
    Video,
    Frames { n: usize, height: usize },
}

/// Makes the media of one clip, each once.
#[derive(Debug)]
pub(crate) struct ClipMedia<'a> {
    clip: &'a Clip,
    ffmpeg: &'a Ffmpeg,
    limits: &'a DecodeLimits,
    form: PictureForm,
    made: BTreeMap<bool, Result<Vec<Arc<Medium>>, PredictError>>,
    pub(crate) warnings: Vec<String>,
}

impl<'a> ClipMedia<'a> {
    pub(crate) fn new(
        clip: &'a Clip,
        ffmpeg: &'a Ffmpeg,
        limits: &'a DecodeLimits,
        form: PictureForm,
    ) -> Self {
        Self { clip, ffmpeg, limits, form, made: BTreeMap::new(), warnings: Vec::new() }
    }

    /// The picture: one video, or frames in order.
    pub(crate) fn picture(&mut self) -> Result<Vec<Arc<Medium>>, PredictError> {
        if let Some(made) = self.made.get(&true) {
            return made.clone();
        }
        let made = path_of(self.clip.video.as_deref(), "V", &self.clip.id).and_then(|path| {
            let made = match self.form {
                PictureForm::Video => muted(self.ffmpeg, path, self.limits).map(|m| vec![Arc::new(m)]),
                PictureForm::Frames { n, height } => jpeg_frames(self.ffmpeg, path, n, height, self.limits)
                    .map(|all| {
                        all.into_iter()
                            .map(|jpeg| Arc::new(Medium::new(MediumKind::Frame, "image/jpeg", jpeg, 0.0)))
                            .collect()
                    }),
            };
            made.map_err(|e| failed(&e))
        });
        self.made.insert(true, made.clone());
        made
    }

    /// The sound.
    pub(crate) fn sound(&mut self) -> Result<Arc<Medium>, PredictError> {
        if let Some(made) = self.made.get(&false) {
            return made.clone().and_then(first);
        }
        let decoded = path_of(self.clip.audio.as_deref(), "A", &self.clip.id).and_then(|path| {
            decode_audio(self.ffmpeg, path, SAMPLE_RATE_HZ, self.limits).map_err(|e| failed(&e))
        });
        let made = decoded.map(|mut sound| {
            self.warnings.append(&mut sound.warnings);
            let seconds = sound.samples.len() as f64 / f64::from(SAMPLE_RATE_HZ);
            vec![Arc::new(Medium::new(MediumKind::Audio, "audio/wav", sound.to_wav(), seconds))]
        });
        self.made.insert(false, made.clone());
        made.and_then(first)
    }
}

fn first(media: Vec<Arc<Medium>>) -> Result<Arc<Medium>, PredictError> {
    media.into_iter().next().ok_or_else(|| PredictError {
        kind: PredictErrorKind::Media,
        message: "the sound is empty".to_owned(),
        hint: None,
    })
}

fn path_of<'p>(path: Option<&'p Path>, letter: &str, id: &str) -> Result<&'p Path, PredictError> {
    path.ok_or_else(|| PredictError {
        kind: PredictErrorKind::Request,
        message: format!("{id}: the coalition shows {letter}, but the clip has no such file"),
        hint: None,
    })
}

/// A video without sound, as MP4 in memory.
fn muted(ffmpeg: &Ffmpeg, path: &Path, limits: &DecodeLimits) -> Result<Medium, MediaError> {
    let io = |source| MediaError::Io { path: path.to_owned(), action: "copy", source };
    let folder = tempfile::Builder::new().prefix("emomm-").tempdir().map_err(io)?;
    let file = folder.path().join("muted.mp4");
    mute_video(ffmpeg, path, &file, limits)?;
    let times = scan_video(ffmpeg, &file, limits)?.times_seconds;
    let seconds = length(&times);
    let bytes = std::fs::read(&file).map_err(io)?;
    Ok(Medium::new(MediumKind::Video, "video/mp4", bytes, seconds))
}

/// From the first frame to the end of the last, which lasts as long as the others do on average.
fn length(times: &[f64]) -> f64 {
    match times {
        [first, .., last] => (last - first) * times.len() as f64 / (times.len() - 1) as f64,
        _ => 1.0,
    }
}

/// A file that cannot be sent.
pub(crate) fn failed(error: &MediaError) -> PredictError {
    let kind = if error.is_of_ffmpeg() { PredictErrorKind::Setup } else { PredictErrorKind::Media };
    PredictError { kind, hint: error.hint(), message: error.to_string() }
}
