//! The splitting of clips into derivative files, and their rows in the database.

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use emomm_media::{
    AudioDerivative, DecodeLimits, Ffmpeg, MediaError, SubtitleRows, VideoDerivative, derive_audio,
    derive_both, derive_video, find_subtitles,
};
use rusqlite::{Transaction, params};

use super::sources::SourceClip;
use crate::clock;
use crate::error::AnnotateError;
use crate::opaque::{digest, hex, random_id, seeded_key};
use crate::project::Project;
use crate::settings::Settings;
use crate::view::View;
use crate::work::Phase;

/// Greatest height of a derivative picture.
const MAX_HEIGHT: u32 = 720;

/// How many clips are for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportOptions {
    /// The round that the clips are for.
    pub phase: Phase,
    /// `seq` of the first clip.
    pub first_seq: i64,
}

/// Number of a clip, its views, and what was wrong with it.
type Split = (usize, Vec<NewItem>, Vec<String>);

/// What was imported and what was not.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Imported {
    /// Clips that are there now.
    pub n_clips: usize,
    /// Items, one for each view of a clip.
    pub n_items: usize,
    /// What was wrong with which clip; the rest of the clip is there.
    pub problems: Vec<String>,
    /// Where the subtitles begin in pictures that are likely to show some, as shares of the height from the top.
    pub subtitles: Vec<f64>,
}

impl Imported {
    /// The share of the height below which the subtitles of all but the lowest twentieth of these pictures lie, in
    /// hundredths: what `--crop-bottom` should be. `None` without subtitles.
    pub fn crop_against_subtitles(&self) -> Option<f64> {
        let mut tops = self.subtitles.clone();
        tops.sort_by(f64::total_cmp);
        tops.get(tops.len() / 20).map(|top| ((1.0 - top) * 100.0).ceil() / 100.0)
    }
}

/// A view of a clip, ready to be stored.
struct NewItem {
    view: View,
    text: Option<String>,
    file: Option<NewFile>,
    condition: String,
    warning: Option<String>,
    subtitles: Option<SubtitleRows>,
}

struct NewFile {
    blob: String,
    media_type: &'static str,
    bytes: u64,
    sha256: String,
}

/// Splits clips and stores their items. Broken media are reported; the other views of the clip are kept.
///
/// # Errors
/// Where nothing can be written, or ffmpeg is not there.
pub fn import(
    project: &Project,
    settings: &Settings,
    ffmpeg: &Ffmpeg,
    clips: &[SourceClip],
    options: ImportOptions,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<Imported, AnnotateError> {
    let n_workers = thread::available_parallelism().map_or(1, usize::from).min(8);
    let next = AtomicUsize::new(0);
    let split: Mutex<Vec<Result<Split, AnnotateError>>> = Mutex::new(Vec::with_capacity(clips.len()));
    thread::scope(|scope| {
        for _ in 0..n_workers {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(clip) = clips.get(index) else { return };
                    let result = items_of(project, settings, ffmpeg, clip)
                        .map(|(items, problems)| (index, items, problems));
                    let mut split = split.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    split.push(result);
                    progress(split.len());
                }
            });
        }
    });
    let split = split.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut split = split.into_iter().collect::<Result<Vec<_>, _>>()?;
    split.sort_by_key(|(index, ..)| *index);
    let mut imported = Imported::default();
    let mut rows = Vec::new();
    for (index, items, problems) in split {
        imported.problems.extend(problems);
        imported.subtitles.extend(items.iter().filter_map(|item| item.subtitles).map(|rows| rows.from));
        if !items.is_empty() {
            imported.n_clips += 1;
            imported.n_items += items.len();
            rows.push((clips[index].clone(), items));
        }
    }
    store_all(project, settings, rows, options)?;
    Ok(imported)
}

/// The views of one clip and what was wrong with it.
fn items_of(
    project: &Project,
    settings: &Settings,
    ffmpeg: &Ffmpeg,
    clip: &SourceClip,
) -> Result<(Vec<NewItem>, Vec<String>), AnnotateError> {
    let limits = DecodeLimits { threads: 1, ..DecodeLimits::default() };
    let mut items = Vec::new();
    let mut problems = Vec::new();
    let item = |view, text, file, condition: String| NewItem {
        view,
        text,
        file,
        condition,
        warning: None,
        subtitles: None,
    };
    let text = clip.text.trim();
    if text.is_empty() {
        problems.push(format!("{}: no transcript", clip.name()));
    } else {
        items.push(item(View::Text, Some(text.to_owned()), None, "plain".to_owned()));
    }
    if let Some(input) = &clip.audio {
        let low_pass_hz = settings.low_pass_hz;
        let result = derivative(project, "flac", "audio/flac", |output| {
            derive_audio(ffmpeg, input, output, AudioDerivative { low_pass_hz }, &limits)
        })?;
        match result {
            Ok(file) => {
                let condition =
                    low_pass_hz.map_or_else(|| "plain".to_owned(), |hz| format!("low-pass {hz} Hz"));
                items.push(item(View::Audio, None, Some(file), condition));
            }
            Err(error) => problems.push(format!("{}: audio: {error}", clip.name())),
        }
    }
    if let Some(input) = &clip.video {
        let crop_bottom = settings.crop_bottom.unwrap_or(0.0);
        let result = derivative(project, "mp4", "video/mp4", |output| {
            derive_video(
                ffmpeg,
                input,
                output,
                VideoDerivative { crop_bottom, max_height: MAX_HEIGHT },
                &limits,
            )
        })?;
        match result {
            Ok(file) => {
                let is_cropped = crop_bottom > 0.0;
                let condition =
                    if is_cropped { format!("cropped by {crop_bottom}") } else { "plain".to_owned() };
                // Films and series carry their words in the picture. What is looked at is what will be shown.
                let subtitles =
                    find_subtitles(ffmpeg, &project.blob_path(&file.blob), &limits).ok().flatten();
                let warning = subtitles.map(|rows| {
                    format!(
                        "subtitles are likely from {:.0} to {:.0} % of the height",
                        100.0 * rows.from,
                        100.0 * rows.to
                    )
                });
                let item = item(View::Video, None, Some(file), condition);
                items.push(NewItem { warning, subtitles, ..item });
            }
            Err(error) => problems.push(format!("{}: video: {error}", clip.name())),
        }
    }
    if settings.multimodal_pass
        && let (Some(picture), Some(sound)) = (&clip.video, &clip.audio)
    {
        let result = derivative(project, "mp4", "video/mp4", |output| {
            derive_both(ffmpeg, picture, sound, output, &limits)
        })?;
        match result {
            Ok(file) => {
                let text = Some(text.to_owned()).filter(|t| !t.is_empty());
                items.push(item(View::Multimodal, text, Some(file), "plain".to_owned()));
            }
            Err(error) => problems.push(format!("{}: multimodal: {error}", clip.name())),
        }
    }
    Ok((items, problems))
}

/// Makes a file under a random name. The outer error ends the import, the inner one is this clip's.
fn derivative(
    project: &Project,
    ending: &str,
    media_type: &'static str,
    make: impl FnOnce(&Path) -> Result<(), MediaError>,
) -> Result<Result<NewFile, MediaError>, AnnotateError> {
    let blob = format!("{}.{ending}", random_id()?);
    let path = project.blob_path(&blob);
    if let Err(error) = make(&path) {
        return if error.is_of_ffmpeg() { Err(error.into()) } else { Ok(Err(error)) };
    }
    let bytes = fs::read(&path).map_err(|source| AnnotateError::Io { path: path.clone(), source })?;
    Ok(Ok(NewFile { blob, media_type, bytes: bytes.len() as u64, sha256: hex(&digest(&bytes)) }))
}

/// A clip whose views are given ready-made: for tests and for media that were split elsewhere.
#[derive(Debug, Clone)]
pub struct PreparedClip {
    /// What it is called, and its known labels.
    pub clip: SourceClip,
    /// Its views.
    pub views: Vec<PreparedView>,
}

/// One ready-made view.
#[derive(Debug, Clone)]
pub struct PreparedView {
    /// Which.
    pub view: View,
    /// The transcript, where it is shown.
    pub text: Option<String>,
    /// Bytes and media type of the file, where there is one. It is not probed.
    pub file: Option<(Vec<u8>, &'static str)>,
}

/// Stores ready-made clips.
///
/// # Errors
/// Where nothing can be written.
pub fn import_prepared(
    project: &Project,
    clips: &[PreparedClip],
    options: ImportOptions,
) -> Result<Imported, AnnotateError> {
    let mut rows = Vec::new();
    for prepared in clips {
        let mut items = Vec::new();
        for view in &prepared.views {
            let file = match &view.file {
                None => None,
                Some((bytes, media_type)) => {
                    let blob = random_id()?;
                    let path = project.blob_path(&blob);
                    fs::write(&path, bytes).map_err(|source| AnnotateError::Io { path, source })?;
                    Some(NewFile { blob, media_type, bytes: bytes.len() as u64, sha256: hex(&digest(bytes)) })
                }
            };
            let condition = "plain".to_owned();
            items.push(NewItem {
                view: view.view,
                text: view.text.clone(),
                file,
                condition,
                warning: None,
                subtitles: None,
            });
        }
        rows.push((prepared.clip.clone(), items));
    }
    let n_items = rows.iter().map(|(_, items)| items.len()).sum();
    store_all(project, &project.settings()?, rows, options)?;
    Ok(Imported { n_clips: clips.len(), n_items, ..Imported::default() })
}

fn store_all(
    project: &Project,
    settings: &Settings,
    rows: Vec<(SourceClip, Vec<NewItem>)>,
    options: ImportOptions,
) -> Result<(), AnnotateError> {
    let settings = settings.clone();
    project.store().write_now(move |transaction| {
        for (offset, (clip, items)) in rows.iter().enumerate() {
            store_clip(
                transaction,
                &settings,
                clip,
                items,
                options.phase,
                options.first_seq + offset as i64,
            )?;
        }
        Ok(())
    })
}

/// Whether chance makes a clip with known labels a gold item.
fn is_drawn(settings: &Settings, name: &str) -> bool {
    let share = seeded_key(settings.seed, &["gold", name]) as f64 / u64::MAX as f64;
    share < settings.gold_share
}

/// Stores the rows of one clip. Media are named, not copied.
fn store_clip(
    transaction: &Transaction<'_>,
    settings: &Settings,
    clip: &SourceClip,
    items: &[NewItem],
    phase: Phase,
    seq: i64,
) -> Result<(), AnnotateError> {
    transaction.execute(
        "INSERT INTO clip (seq, corpus, class_map, video_id, clip_id, language, use) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            seq,
            clip.corpus,
            clip.class_map.name(),
            clip.video_id,
            clip.clip_id,
            clip.language,
            phase.name()
        ],
    )?;
    let clip_key = transaction.last_insert_rowid();
    for item in items {
        let file = item.file.as_ref();
        transaction.execute(
            "INSERT INTO item (lead_id, clip, view, text, blob, media_type, bytes, sha256, condition, warning) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            params![
                random_id()?,
                clip_key,
                item.view,
                item.text,
                file.map(|f| f.blob.as_str()),
                file.map(|f| f.media_type),
                file.map(|f| f.bytes as i64),
                file.map(|f| f.sha256.as_str()),
                item.condition,
                item.warning
            ],
        )?;
        let item_key = transaction.last_insert_rowid();
        let known = View::UNIMODAL.iter().position(|v| *v == item.view).and_then(|m| clip.scores[m]);
        // Known labels serve practice, and in main work the gold items that chance picks.
        let is_gold = phase == Phase::Main && is_drawn(settings, &clip.name());
        if let Some(score) = known
            && (phase != Phase::Main || is_gold)
        {
            transaction.execute(
                "INSERT INTO reference (item, label, note, is_gold, source, set_at) \
                 VALUES (?1, ?2, '', ?3, 'corpus', ?4)",
                params![item_key, settings.scheme.code_of_score(score), is_gold, clock::now()],
            )?;
        }
    }
    Ok(())
}
