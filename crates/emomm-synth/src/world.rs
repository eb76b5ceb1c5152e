//! Writes a world: label files first, then clips in parallel, at last the truth.
//!
//! Every file is written under another name and renamed, the truth of a clip before its media; so a clip that is there is
//! whole, and a run that was ended goes on where it stopped.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use emomm_dataset::Corpus;
use emomm_media::{Ffmpeg, MediaError};
use serde::{Deserialize, Serialize};

use crate::draw::Draw;
use crate::encode::{Clip, encode, wav};
use crate::error::SynthError;
use crate::labels;
use crate::parameters::{CRF, SAMPLES_PER_FRAME};
use crate::picture::{Picture, PictureTask};
use crate::plan::{ClipPlan, Plan, WorldSettings};
use crate::truth_file::{ClipTruth, earlier_lines, media_file};
use crate::voice::VoiceTask;
use crate::world_file::WorldFile;

/// The truth file's name in the folder of a world.
pub const TRUTH_FILE: &str = "truth.jsonl";
/// Speakers of all videos, for `emomm build --speakers`.
pub const SPEAKERS_FILE: &str = "speakers.csv";
/// Unimodal labels of CMU-MOSI, for `emomm build --mosi-labels`.
pub const MOSI_LABELS_FILE: &str = "cmu-mosi-labels.csv";
/// Folder of CMU-MOSI in its original layout.
pub const MOSI_ORIGINAL: &str = "cmu-mosi-original";
/// What is not finished yet.
const UNFINISHED: &str = ".unfinished";

/// How far a world is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorldProgress {
    /// Clips of both corpora.
    pub total: usize,
    /// Clips that are there, those of earlier runs included.
    pub done: usize,
    /// Clips that were there before.
    pub kept: usize,
}

impl Plan {
    /// The picture of a clip before it is encoded.
    pub fn picture(&self, clip: &ClipPlan) -> Picture {
        let task = PictureTask {
            seed: self.settings().seed,
            corpus: clip.corpus,
            index: clip.index as u64,
            look: &self.speaker(clip).look,
            strength: clip.strength.video,
            n_frames: clip.n_frames,
        };
        task.render()
    }

    /// The sound of a clip before it is encoded: one channel at 16 kHz.
    pub fn sound(&self, clip: &ClipPlan) -> Vec<i16> {
        let task = VoiceTask {
            seed: self.settings().seed,
            corpus: clip.corpus,
            index: clip.index as u64,
            voice: &self.speaker(clip).voice,
            strength: clip.strength.audio,
            n_samples: clip.n_frames * SAMPLES_PER_FRAME,
        };
        task.render()
    }

    /// The label files of the world: path relative to its folder, and content.
    pub fn label_files(&self) -> Vec<(String, String)> {
        let mut files = vec![
            ("ch-sims/meta.csv".to_owned(), labels::ch_sims(self)),
            ("cmu-mosi/label.csv".to_owned(), labels::mosi(self)),
            (MOSI_LABELS_FILE.to_owned(), labels::mosi_modalities(self)),
            (SPEAKERS_FILE.to_owned(), labels::speakers(self)),
        ];
        if self.settings().original_layout {
            files.push((format!("{MOSI_ORIGINAL}/OpinionLevelSentiment.csv"), labels::mosi_original(self)));
            let transcripts = labels::mosi_transcripts(self);
            files.extend(
                transcripts
                    .into_iter()
                    .map(|(name, text)| (format!("{MOSI_ORIGINAL}/Raw/Transcript/Segmented/{name}"), text)),
            );
        }
        files
    }
}

/// Writes the world of `settings` into `folder`, on `jobs` threads, and tells `tell` after each clip.
///
/// What an earlier run with the same settings has finished is kept.
///
/// # Errors
/// [`SynthError::OtherWorld`] or [`SynthError::Foreign`] if the folder holds something else, [`SynthError::Busy`] if
/// another process writes into it; the first error of a clip otherwise.
pub fn write_world(
    folder: &Path,
    settings: WorldSettings,
    ffmpeg: &Ffmpeg,
    jobs: usize,
    tell: &(dyn Fn(WorldProgress) + Sync),
) -> Result<WorldProgress, SynthError> {
    let plan = Plan::new(settings)?;
    let can = ffmpeg.capabilities()?;
    if !(can.libx264 && can.aac) {
        let reason = "it was built without the encoder libx264 or aac".to_owned();
        return Err(MediaError::FfmpegUnusable { program: ffmpeg.program().to_owned(), reason }.into());
    }
    let _lock = WorldFile::new(settings, ffmpeg.version()).claim(folder)?;
    let writer = Writer { plan: &plan, folder, ffmpeg, unfinished: folder.join(UNFINISHED) };
    make_folder(&writer.unfinished)?;
    for (path, text) in plan.label_files() {
        replace(&folder.join(path), text.as_bytes())?;
    }
    let earlier = earlier_lines(&folder.join(TRUTH_FILE))?;
    let missing: Vec<&ClipPlan> = plan.clips().iter().filter(|c| !writer.is_done(c, &earlier)).collect();
    let total = plan.clips().len();
    let kept = total - missing.len();
    tell(WorldProgress { total, done: kept, kept });
    writer.make_all(&missing, jobs, &|made| tell(WorldProgress { total, done: kept + made, kept }))?;
    writer.gather_truth(&earlier)?;
    fs::remove_dir_all(&writer.unfinished).map_err(io("remove", &writer.unfinished))?;
    Ok(WorldProgress { total, done: total, kept })
}

struct Writer<'a> {
    plan: &'a Plan,
    folder: &'a Path,
    ffmpeg: &'a Ffmpeg,
    unfinished: PathBuf,
}

impl Writer<'_> {
    fn truth_path(&self, clip: &ClipPlan) -> PathBuf {
        self.unfinished.join(format!("{}-{:06}.json", clip.corpus, clip.index))
    }

    fn original_path(&self, clip: &ClipPlan, folder: &str, extension: &str) -> PathBuf {
        self.folder.join(format!(
            "{MOSI_ORIGINAL}/Raw/{folder}/Segmented/{}_{}.{extension}",
            clip.video_id, clip.clip_id
        ))
    }

    fn has_original(&self, clip: &ClipPlan) -> bool {
        self.plan.settings().original_layout && clip.corpus == Corpus::CmuMosi
    }

    fn is_done(&self, clip: &ClipPlan, earlier: &BTreeMap<(Corpus, usize), String>) -> bool {
        let has_truth = earlier.contains_key(&(clip.corpus, clip.index)) || self.truth_path(clip).is_file();
        has_truth
            && self.folder.join(media_file(clip)).is_file()
            && (!self.has_original(clip)
                || self.original_path(clip, "Video", "mp4").is_file()
                    && self.original_path(clip, "Audio/WAV_16000", "wav").is_file())
    }

    /// Makes clips until all are there or one fails.
    fn make_all(
        &self,
        clips: &[&ClipPlan],
        jobs: usize,
        tell: &(dyn Fn(usize) + Sync),
    ) -> Result<(), SynthError> {
        let (next, made) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let stop = AtomicBool::new(false);
        let failure: Mutex<Option<SynthError>> = Mutex::new(None);
        let work = || {
            while !stop.load(Ordering::Relaxed) {
                let Some(clip) = clips.get(next.fetch_add(1, Ordering::Relaxed)) else { return };
                match self.make(clip) {
                    Ok(()) => tell(made.fetch_add(1, Ordering::Relaxed) + 1),
                    Err(error) => {
                        stop.store(true, Ordering::Relaxed);
                        failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    }
                }
            }
        };
        thread::scope(|scope| {
            for _ in 1..jobs.min(clips.len()) {
                scope.spawn(work);
            }
            work();
        });
        failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    fn make(&self, clip: &ClipPlan) -> Result<(), SynthError> {
        let crf = crf(self.plan.settings().seed, clip);
        let picture = self.plan.picture(clip);
        let sound = wav(&self.plan.sound(clip));
        let name = format!("{}-{:06}-{}", clip.corpus, clip.index, std::process::id());
        let wav_path = self.unfinished.join(format!("{name}.wav"));
        fs::write(&wav_path, &sound).map_err(io("write", &wav_path))?;
        let truth = ClipTruth::new(clip, crf, picture.frames);
        replace(&self.truth_path(clip), &json(&truth, &self.truth_path(clip))?)?;
        let path = self.folder.join(media_file(clip));
        make_parent(&path)?;
        let source = Clip { rgb: &picture.rgb, wav: &wav_path, crf };
        encode(self.ffmpeg, &source, &self.unfinished.join(format!("{name}.mp4")), &path)?;
        if self.has_original(clip) {
            let copy = self.original_path(clip, "Video", "mp4");
            make_parent(&copy)?;
            fs::copy(&path, &copy).map_err(io("write", &copy))?;
            replace(&self.original_path(clip, "Audio/WAV_16000", "wav"), &sound)?;
        }
        fs::remove_file(&wav_path).map_err(io("remove", &wav_path))
    }

    fn gather_truth(&self, earlier: &BTreeMap<(Corpus, usize), String>) -> Result<(), SynthError> {
        let mut file = String::new();
        for clip in self.plan.clips() {
            let path = self.truth_path(clip);
            match earlier.get(&(clip.corpus, clip.index)) {
                Some(line) if !path.is_file() => file.push_str(line),
                _ => file.push_str(&fs::read_to_string(&path).map_err(io("read", &path))?),
            }
            file.push('\n');
        }
        replace(&self.folder.join(TRUTH_FILE), file.as_bytes())
    }
}

/// Quality that a clip is encoded with.
fn crf(seed: u64, clip: &ClipPlan) -> usize {
    let mut draw = Draw::named(seed, &format!("{}/encoding", clip.corpus), clip.index as u64);
    CRF.0 + draw.below(CRF.1 - CRF.0 + 1)
}

fn json(value: &impl Serialize, path: &Path) -> Result<Vec<u8>, SynthError> {
    serde_json::to_vec(value)
        .map_err(|e| SynthError::Damaged { path: path.to_owned(), detail: e.to_string() })
}

pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> SynthError {
    let path = path.to_owned();
    move |source| SynthError::Io { path, action, source }
}

pub(crate) fn make_folder(path: &Path) -> Result<(), SynthError> {
    fs::create_dir_all(path).map_err(io("make the folder", path))
}

fn make_parent(path: &Path) -> Result<(), SynthError> {
    path.parent().map_or(Ok(()), make_folder)
}

/// Writes a file as a whole.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), SynthError> {
    make_parent(path)?;
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".tmp");
    let unfinished = PathBuf::from(unfinished);
    fs::write(&unfinished, bytes).map_err(io("write", &unfinished))?;
    fs::rename(&unfinished, path).map_err(io("write", path))
}
