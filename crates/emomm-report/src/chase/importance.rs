//! Where a model looks for its letter: the importance of the patches of a clip, over its frames (Figures 12 and 13).

use emomm_dataset::{Modality, ModalitySet};
use emomm_eval::run::Record;

use super::beside::Beside;
use crate::chart::FrameHeat;
use crate::figure::Figure;
use crate::study::{Study, StudyClip, StudyRun, is_right};
use crate::table::{Cell, Column, Form, Table};

/// Clips that are drawn.
const MOST_CLIPS: usize = 3;
/// Frames of a clip at most.
const MOST_FRAMES: usize = 6;
/// Patches that are merged to one token, along each side.
const MERGED: usize = 2;

/// Heat over the frames of a few conflicts in which the video is right, those first that steering put right. `None` where no
/// record has importances and a grid.
pub fn importance(study: &Study, beside: &Beside) -> Option<Figure> {
    let baseline = study.runs.first()?;
    let run = study.runs.iter().find(|r| r.run.records().iter().any(|r| values(r).is_some()))?;
    let mut chosen: Vec<(u8, usize)> = study
        .clips
        .iter()
        .enumerate()
        .filter_map(|(index, clip)| Some((rank(clip, baseline, run, index)?, index)))
        .collect();
    chosen.sort_unstable();
    let mut data = Table::new(
        "chase-importance",
        "Importance of video tokens",
        vec![
            Column::plain("clip", "Clip"),
            Column::plain("frame", "Frame"),
            Column::plain("row", "Row"),
            Column::plain("column", "Column"),
            Column::number("importance", "Importance", Form::Decimals(5)),
        ],
    );
    let (mut panels, mut told) = (Vec::new(), Vec::new());
    for (_, index) in chosen.into_iter().take(MOST_CLIPS) {
        let clip = &study.clips[index];
        let Some((frames, aspect)) = run.record(index, ModalitySet::FULL).and_then(values) else { continue };
        let greatest = frames.iter().flatten().flatten().copied().fold(0.0, f64::max);
        let pictures = beside.frames.get(&clip.id).map(Vec::as_slice).unwrap_or_default();
        let most = frames.iter().enumerate().map(|(f, rows)| (rows.iter().flatten().sum::<f64>(), f + 1));
        let most = most.max_by(|a, b| a.0.total_cmp(&b.0));
        told.push(format!("{}: most in frame {} of {}", clip.id, most.map_or(0, |m| m.1), frames.len()));
        for (f, rows) in frames.iter().enumerate() {
            for (r, row) in rows.iter().enumerate() {
                for (c, value) in row.iter().enumerate() {
                    data.push(vec![
                        Cell::text(&clip.id),
                        Cell::Count(f + 1),
                        Cell::Count(r + 1),
                        Cell::Count(c + 1),
                        Cell::number(Some(*value)),
                    ]);
                }
            }
            if f < MOST_FRAMES {
                // The picture nearest in time.
                let at = (2 * f + 1) * pictures.len() / (2 * frames.len());
                let heat = FrameHeat {
                    // A blank that does not break: the number stays with its word.
                    title: format!("{}, frame\u{a0}{}", clip.id, f + 1),
                    picture: pictures.get(at).cloned().unwrap_or_default(),
                    values: rows.clone(),
                    greatest,
                    width: 190.0,
                    aspect,
                };
                panels.push(heat.panel());
            }
        }
    }
    if panels.is_empty() {
        return None;
    }
    Some(Figure {
        name: "chase-importance".to_owned(),
        title: "Which patches the letter hangs on: Gradient × Input".to_owned(),
        alt: told.join("; ") + ".",
        note: "Conflicts in which the video is right, those first that steering put right. Share of each token in the \
               importance of the clip's video, Eq. (25); a frame is what the model takes for one step in time. Pictures, where \
               they were asked for, are the nearest of the clip's frames."
            .to_owned(),
        panels,
        data,
    })
}

/// Which clips come first; `None` for those that are not shown.
fn rank(clip: &StudyClip, baseline: &StudyRun, run: &StudyRun, index: usize) -> Option<u8> {
    let full = ModalitySet::FULL;
    let record = run.record(index, full)?;
    values(record)?;
    let video_is_right = *clip.labels.modalities.get(Modality::Video) == Some(clip.labels.ground_truth);
    if clip.is_conflict() != Some(true) {
        return None;
    }
    let was_right = baseline.record(index, full).is_some_and(|r| is_right(clip, r));
    Some(match (video_is_right, !was_right && is_right(clip, record)) {
        (true, true) => 0,
        (true, false) => 1,
        (false, _) => 2,
    })
}

/// Importances as frames of rows, and height over width of a frame.
fn values(record: &Record) -> Option<(Vec<Vec<Vec<f64>>>, f64)> {
    let importance = record.steering.as_ref()?.importance.as_ref()?;
    let [frames, height, width] = record.grid_thw?;
    let (rows, columns) = (height / MERGED, width / MERGED);
    if columns == 0 || frames * rows * columns != importance.len() {
        return None;
    }
    let row = |values: &[f32]| values.iter().map(|v| f64::from(*v)).collect::<Vec<f64>>();
    let frame = |values: &[f32]| values.chunks(columns).map(row).collect::<Vec<_>>();
    Some((importance.chunks(rows * columns).map(frame).collect(), height as f64 / width as f64))
}
