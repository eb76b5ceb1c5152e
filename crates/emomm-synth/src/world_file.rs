//! `world.json`: what a world is a function of, and by what it was made. It claims the folder.

use std::fs;
use std::path::Path;

use emomm_dataset::{Corpus, FolderLock, GridScore, LockError};
use serde::{Deserialize, Serialize};

use crate::error::SynthError;
use crate::parameters::{self, WORLD_VERSION, strength};
use crate::plan::WorldSettings;
use crate::world::{io, make_folder, replace};

/// The file's name in the folder of a world.
pub const WORLD_FILE: &str = "world.json";

/// Locked by the process that writes into the folder.
const LOCK_FILE: &str = "world.lock";

/// The content of `world.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorldFile {
    /// Always true: nothing in this folder was recorded.
    pub synthetic: bool,
    /// Rises when the same settings give other files.
    pub world_version: u32,
    /// Version of emomm.
    pub emomm_version: String,
    /// Version of ffmpeg, on which the bytes of the media depend.
    pub ffmpeg_version: String,
    /// Number of clips, seed, proportions.
    pub settings: WorldSettings,
    /// The rule of truth in words.
    pub rule: String,
    /// Share of clips whose ground truth does not follow the rule.
    pub exception_rate: f64,
    /// Strength of expression of the scores −1.0, −0.8, …, 1.0, by corpus.
    pub strength: Vec<(Corpus, Vec<f64>)>,
    /// Standard deviation of its noise.
    pub strength_noise: f64,
    /// Groups, which are videos and speakers, of each corpus.
    pub groups: usize,
    /// Frames per second as a fraction.
    pub frame_rate: (u32, u32),
    /// Width and height in pixels.
    pub frame_size: (usize, usize),
    /// Fewest and most frames of a clip.
    pub frames: (usize, usize),
    /// Rate of the sound in Hz.
    pub sample_rate_hz: u32,
    /// Best and worst quality of the encoded picture.
    pub crf: (usize, usize),
}

impl WorldFile {
    pub(crate) fn new(settings: WorldSettings, ffmpeg_version: &str) -> Self {
        let strengths = |corpus| {
            (-5..=5).filter_map(GridScore::from_steps).map(|score| strength(corpus, score)).collect()
        };
        Self {
            synthetic: true,
            world_version: WORLD_VERSION,
            emomm_version: env!("CARGO_PKG_VERSION").to_owned(),
            ffmpeg_version: ffmpeg_version.to_owned(),
            settings,
            rule: "the ground truth is the score of the modality of greatest intensity; ties go to audio before \
                   video before text; exceptions follow one of the two others"
                .to_owned(),
            exception_rate: parameters::EXCEPTION_RATE,
            strength: Corpus::ALL.map(|corpus| (corpus, strengths(corpus))).to_vec(),
            strength_noise: parameters::STRENGTH_NOISE,
            groups: parameters::groups_of(settings.clips),
            frame_rate: parameters::FRAME_RATE,
            frame_size: parameters::FRAME_SIZE,
            frames: parameters::FRAMES,
            sample_rate_hz: parameters::SAMPLE_RATE_HZ,
            crf: parameters::CRF,
        }
    }

    /// Takes the folder for this world, or finds it taken. Nobody else writes into it as long as the lock lives.
    pub(crate) fn claim(&self, folder: &Path) -> Result<FolderLock, SynthError> {
        make_folder(folder)?;
        let path = folder.join(WORLD_FILE);
        if !path.is_file() {
            let entries = fs::read_dir(folder).map_err(io("read", folder))?;
            if entries.flatten().any(|entry| entry.file_name() != LOCK_FILE) && !path.is_file() {
                return Err(SynthError::Foreign { folder: folder.to_owned() });
            }
        }
        let lock = lock(folder)?;
        if path.is_file() {
            self.check(&path)?;
            return Ok(lock);
        }
        let mut bytes = serde_json::to_vec_pretty(self)
            .map_err(|e| SynthError::Damaged { path: path.clone(), detail: e.to_string() })?;
        bytes.push(b'\n');
        replace(&path, &bytes)?;
        Ok(lock)
    }

    fn check(&self, path: &Path) -> Result<(), SynthError> {
        let text = fs::read_to_string(path).map_err(io("read", path))?;
        let there: Self = serde_json::from_str(&text)
            .map_err(|e| SynthError::Damaged { path: path.to_owned(), detail: e.to_string() })?;
        let same = |what, found: String, wanted: String| {
            if found == wanted {
                return Ok(());
            }
            let folder = path.parent().unwrap_or(path).to_owned();
            Err(SynthError::OtherWorld { folder, what, found, wanted })
        };
        same("seed", there.settings.seed.to_string(), self.settings.seed.to_string())?;
        same("clips", there.settings.clips.to_string(), self.settings.clips.to_string())?;
        same("mix", there.settings.mix.to_string(), self.settings.mix.to_string())?;
        same(
            "original layout",
            there.settings.original_layout.to_string(),
            self.settings.original_layout.to_string(),
        )?;
        same("version", there.world_version.to_string(), self.world_version.to_string())
    }
}
/// Takes the lock of a folder, or says who holds it.
fn lock(folder: &Path) -> Result<FolderLock, SynthError> {
    FolderLock::take(folder, LOCK_FILE).map_err(|error| match error {
        LockError::Held { holder, .. } => SynthError::Busy { folder: folder.to_owned(), holder },
        LockError::File { path, source } => io("open or write", &path)(source),
        LockError::Lock { path, source } => io("lock", &path)(source),
    })
}
