//! Figures 12 and 13: attention and importance over the frames of one clip, of the first run and, beside it, the second.

use std::collections::BTreeMap;

use emomm_dataset::ModalitySet;

use crate::chart::{FrameHeat, Panel};
use crate::figure::Figure;
use crate::page::media::{ClipMedia, FRAMES};
use crate::study::{Heat, Heats, Study, is_right};
use crate::table::{Cell, Column, Form, Table};

/// Runs side by side.
const MAX_RUNS: usize = 2;
/// Width of a frame.
const WIDTH: f64 = 190.0;

type Values = fn(&Heat) -> Option<&[Option<f32>]>;

/// The figures; none where no run kept attention by token.
pub fn heat_figures(study: &Study, heats: &Heats, media: &BTreeMap<usize, ClipMedia>) -> Vec<Figure> {
    let Some((clip, why)) = example(study, heats) else { return Vec::new() };
    let attention = Words {
        name: "fig12",
        title: "Attention over the frames of a clip",
        what: "Figure 12. Attention of the decision row by visual token, mean over heads and over the last third of the layers",
    };
    let importance = Words {
        name: "fig13",
        title: "Importance of visual tokens over the frames of a clip",
        what: "Figure 13. Gradient × Input of the chosen letter's logit (Eq. 25), as shares of all visual tokens of the clip; taken \
               before any steering (Algorithm 1)",
    };
    let of_attention: Values = |heat| Some(&heat.attention);
    let of_importance: Values = |heat| heat.importance.as_deref();
    let frames = media.get(&clip).map_or(&[][..], |m| m.frames.as_slice());
    [(attention, of_attention), (importance, of_importance)]
        .into_iter()
        .filter_map(|(words, values)| figure(study, heats, (clip, &why), frames, &words, values))
        .collect()
}

struct Words {
    name: &'static str,
    title: &'static str,
    what: &'static str,
}

/// The clip that is shown, and by which rule: of those that all shown runs have under TAV, the first in Conflict that the
/// second run mends, else the first that the first run gets wrong, else the first.
fn example(study: &Study, heats: &Heats) -> Option<(usize, String)> {
    let n_runs = study.runs.len().min(MAX_RUNS);
    let known = |clip: &usize| (0..n_runs).all(|run| heats.of(run, *clip, ModalitySet::FULL).is_some());
    let clips: Vec<usize> = (0..study.clips.len()).filter(known).collect();
    let right = |run: usize, clip: usize| {
        let record = study.runs.get(run)?.record(clip, ModalitySet::FULL)?;
        Some(is_right(&study.clips[clip], record))
    };
    let is_conflict = |clip: usize| study.clips[clip].is_conflict() == Some(true);
    let is_wrong = |clip: usize| is_conflict(clip) && right(0, clip) == Some(false);
    let first = |holds: &dyn Fn(usize) -> bool, why: &str| {
        clips.iter().copied().find(|clip| holds(*clip)).map(|clip| (clip, why.to_owned()))
    };
    first(&|c| is_wrong(c) && right(1, c) == Some(true), "the first in Conflict that the second run mends")
        .or_else(|| first(&is_wrong, "the first in Conflict that the first run gets wrong"))
        .or_else(|| first(&|_| true, "the first that was kept"))
}

fn figure(
    study: &Study,
    heats: &Heats,
    (clip, why): (usize, &str),
    frames: &[String],
    words: &Words,
    values: Values,
) -> Option<Figure> {
    let mut columns = ["run", "clip", "step", "row", "column"].map(|key| Column::plain(key, key)).to_vec();
    columns.push(Column::number("value", "Value", Form::Decimals(6)));
    let mut table = Table::new(words.name, words.title, columns);
    let shown: Vec<(usize, &Heat, &[Option<f32>])> = (0..study.runs.len().min(MAX_RUNS))
        .filter_map(|run| {
            let heat = heats.of(run, clip, ModalitySet::FULL)?;
            Some((run, heat, values(heat)?))
        })
        .collect();
    let greatest = shown
        .iter()
        .flat_map(|(_, heat, all)| heat.steps(FRAMES).into_iter().flat_map(|step| heat.step(all, step)))
        .flatten()
        .fold(0.0_f64, |most, v| most.max(f64::from(*v)));
    let id = &study.clips[clip].id;
    let (mut panels, mut told): (Vec<Panel>, Vec<String>) = (Vec::new(), Vec::new());
    for (run, heat, all) in &shown {
        let name = &study.runs[*run].name;
        let [_, rows, width] = heat.grid;
        for step in heat.steps(FRAMES) {
            let cells = heat.step(all, step);
            // The picture nearest in time: both are taken from even parts of the clip.
            let picture = frames.get((2 * step + 1) * frames.len() / (2 * heat.grid[0]).max(1));
            let title = format!("step {} of {}", step + 1, heat.grid[0]);
            let panel = FrameHeat {
                title: if shown.len() > 1 { format!("{name}, {title}") } else { title },
                picture: picture.cloned().unwrap_or_default(),
                values: cells
                    .chunks(width.max(1))
                    .map(|r| r.iter().map(|v| f64::from(v.unwrap_or(0.0))).collect())
                    .collect(),
                greatest,
                width: WIDTH,
                aspect: rows as f64 / width.max(1) as f64,
            }
            .panel();
            // Each run has a row of its own.
            panels.push(if step == heat.steps(FRAMES)[0] { panel.starting_row() } else { panel });
            for (index, value) in cells.iter().enumerate() {
                table.push(vec![
                    Cell::text(name),
                    Cell::text(id),
                    Cell::Count(step + 1),
                    Cell::Count(index / width.max(1) + 1),
                    Cell::Count(index % width.max(1) + 1),
                    Cell::number(value.map(f64::from)),
                ]);
            }
        }
        let tokens: Vec<f32> = all.iter().copied().flatten().collect();
        let spread = emomm_eval::relative_entropy(&tokens);
        told.push(format!(
            "{name}: {} visual tokens, relative entropy {}",
            tokens.len(),
            spread.map_or("not defined".to_owned(), |e| format!("{e:.3}"))
        ));
    }
    if panels.is_empty() {
        return None;
    }
    let pictures = if frames.is_empty() { " Frames are left out; --include-media shows them." } else { "" };
    Some(Figure {
        name: words.name.to_owned(),
        title: words.title.to_owned(),
        alt: format!("{id} under TAV. {}.", told.join("; ")),
        note: format!(
            "{}, of {id} under TAV: {why}. {}. The fullest colour is the greatest value of all frames shown, {greatest:.5}.{pictures}",
            words.what,
            told.join("; ")
        ),
        panels,
        data: table,
    })
}
