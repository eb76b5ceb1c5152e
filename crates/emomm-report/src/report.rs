//! From runs to a written report.

use std::collections::BTreeMap;
use std::path::Path;

use emomm_eval::score::ScoreOptions;

use crate::analysis::Analysis;
use crate::bundle::{Written, write};
use crate::chase::{Beside, chase_content};
use crate::content::{figures, heat_figures, tables};
use crate::error::ReportError;
use crate::page::Content;
use crate::page::media::ClipMedia;
use crate::study::{Heats, Study};

/// What a report leaves open.
#[derive(Debug, Clone, Default)]
pub struct ReportOptions {
    /// Its title; from the runs where it is empty.
    pub title: String,
    /// The choices behind the figures.
    pub scores: ScoreOptions,
    /// Whether a page above the limit is written all the same.
    pub force: bool,
    /// Version of the program.
    pub version: String,
}

/// Analyses a study and writes its report to `out`. `media` are shown in the cards of the clips they belong to. The page on
/// CHASE is that of `chase`, a study of variants of its own, or else that of the study itself.
pub fn report(
    study: &Study,
    chase: Option<&Study>,
    beside: &Beside,
    media: BTreeMap<usize, ClipMedia>,
    options: &ReportOptions,
    out: &Path,
) -> Result<Written, ReportError> {
    let analysis = Analysis::of(study, options.scores)?;
    let of_clip = |(index, media): (&usize, &ClipMedia)| {
        Some((study.clips.get(*index)?.id.clone(), media.frames.clone()))
    };
    let beside = &Beside { frames: media.iter().filter_map(of_clip).collect(), ..beside.clone() };
    let on_chase = match chase {
        Some(variants) => {
            chase_content(variants, &Analysis::of(variants, options.scores)?, &options.scores, beside)?
        }
        None => chase_content(study, &analysis, &options.scores, beside)?,
    };
    let names: Vec<&str> = study.runs.iter().map(|r| r.name.as_str()).collect();
    let title = if options.title.is_empty() { title(&names) } else { options.title.clone() };
    let heats = Heats::read(study);
    let mut figures = figures(study, &analysis);
    figures.extend(heat_figures(study, &heats, &media));
    let content = Content {
        title,
        study,
        analysis: &analysis,
        tables: tables(study, &analysis),
        figures,
        media,
        heats: &heats,
        chase: on_chase,
        version: options.version.clone(),
    };
    let written = write(&content, out, options.force)?;
    Ok(Written { notes: heats.problems.clone(), ..written })
}

/// The names of the runs; of many, the first and how many more there are.
fn title(names: &[&str]) -> String {
    match names {
        [first, rest @ ..] if rest.len() > 3 => format!("emomm report: {first} and {} more runs", rest.len()),
        _ => format!("emomm report: {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::title;

    #[test]
    fn many_runs_are_counted() {
        assert_eq!(title(&["a"]), "emomm report: a");
        assert_eq!(title(&["a", "b", "c", "d"]), "emomm report: a, b, c, d");
        assert_eq!(title(&["a", "b", "c", "d", "e"]), "emomm report: a and 4 more runs");
    }
}
