//! Runs against the first in more than accuracy: macro F1 and MAE, paired, with Holm's correction; and what a treatment of
//! subtitles in the picture changes.

use emomm_dataset::{Modality, ModalitySet};
use emomm_eval::score::{self, CompareOptions, CompareReport, ComparedPart, Difference};
use emomm_metrics::{BootstrapOptions, Comparison, Family, PermutationOptions};
use serde_json::Value;

use crate::error::ReportError;
use crate::study::{Study, StudyRun, all_answers};

/// Permutations of a test; a report makes dozens of them.
const PERMUTATIONS: usize = 2_000;

/// A run compared with another on the samples that both have.
#[derive(Debug)]
pub struct ComparedRuns {
    /// The first run.
    pub first: String,
    /// The second.
    pub second: String,
    /// All that was found.
    pub report: CompareReport,
}

/// What hiding subtitles changes under one coalition.
#[derive(Debug, Clone, PartialEq)]
pub struct SubtitleChange {
    /// The run with the picture as it is.
    pub first: String,
    /// The run with the band treated.
    pub second: String,
    /// `crop` or `mask`, and the rows of the band.
    pub treatment: String,
    /// What was shown.
    pub coalition: ModalitySet,
    /// Samples of both.
    pub n: usize,
    /// Accuracy, second less first.
    pub acc: Option<Difference>,
    /// Its p-value after Holm's correction over the coalitions of the two runs.
    pub p_holm: Option<f64>,
    /// Samples that only the second got right, and that only the first did.
    pub flips: [usize; 2],
}

/// Every other run against the first. Runs that share no sample with it, or whose answers are of another kind, are left out.
pub fn compared_runs(study: &Study, options: BootstrapOptions) -> Result<Vec<ComparedRuns>, ReportError> {
    let Some((first, others)) = study.runs.split_first() else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for other in others {
        found.extend(compared(study, first, other, options)?);
    }
    Ok(found)
}

fn compared(
    study: &Study,
    first: &StudyRun,
    second: &StudyRun,
    bootstrap: BootstrapOptions,
) -> Result<Option<ComparedRuns>, ReportError> {
    if first.source() != second.source() {
        return Ok(None);
    }
    let permutation = PermutationOptions { n_permutations: PERMUTATIONS, seed: bootstrap.seed };
    let options = CompareOptions { bootstrap, permutation, ..CompareOptions::default() };
    let (a, b) = (all_answers(study, first), all_answers(study, second));
    match score::compare(&a.rows, &b.rows, true, &options) {
        Ok(report) => {
            Ok(Some(ComparedRuns { first: first.name.clone(), second: second.name.clone(), report }))
        }
        // Both are of one benchmark, so their labels agree: what is left is that they share nothing.
        Err(score::CompareError::Metric(source)) => {
            Err(ReportError::Metric { what: "runs compared", source })
        }
        Err(_) => Ok(None),
    }
}

/// For every run whose subtitles are treated, against the first run that is the same but for that: the coalitions with video.
pub fn subtitle_changes(
    study: &Study,
    options: BootstrapOptions,
) -> Result<Vec<SubtitleChange>, ReportError> {
    let mut changes = Vec::new();
    for second in &study.runs {
        let Some(treatment) = treatment(second) else { continue };
        let same = |run: &&StudyRun| run.treatment_free() == second.treatment_free();
        let Some(first) = study.runs.iter().filter(|r| self::treatment(r).is_none()).find(same) else {
            continue;
        };
        let Some(compared) = compared(study, first, second, options)? else { continue };
        let parts: Vec<(ModalitySet, &ComparedPart)> = ModalitySet::ALL
            .into_iter()
            .filter(|s| s.contains(Modality::Video))
            .filter_map(|s| Some((s, compared.report.coalitions.get(&s.to_string())?)))
            .collect();
        let tested = parts
            .iter()
            .filter_map(|(s, part)| Some(Comparison { name: s.to_string(), p_value: part.acc?.p? }));
        let adjusted = Family::adjust("subtitles", tested.collect())
            .map_err(|source| ReportError::Metric { what: "Holm's correction", source })?;
        for (coalition, part) in parts {
            let word = coalition.to_string();
            changes.push(SubtitleChange {
                first: compared.first.clone(),
                second: compared.second.clone(),
                treatment: treatment.clone(),
                coalition,
                n: part.n,
                acc: part.acc,
                p_holm: adjusted.comparisons.iter().find(|c| c.name == word).map(|c| c.adjusted),
                flips: [part.flips.wrong_to_right, part.flips.right_to_wrong],
            });
        }
    }
    Ok(changes)
}

/// The key under which a run's settings say what is done to pictures.
const PICTURE: &str = "picture";

/// What is done about subtitles; `None` where the band is kept.
fn treatment(run: &StudyRun) -> Option<String> {
    let picture = run.run.header().plan.settings.media.get(PICTURE)?;
    let word = picture.get("subtitle_band").and_then(Value::as_str).filter(|w| *w != "keep")?;
    let rows = picture.get("subtitle_rows").and_then(Value::as_array);
    let rows: Vec<String> = rows.into_iter().flatten().map(ToString::to_string).collect();
    Some(format!("{word}, rows {}", rows.join(" to ")))
}

impl StudyRun {
    /// What decides a prediction beside the treatment of subtitles.
    fn treatment_free(&self) -> Value {
        let settings = &self.run.header().plan.settings;
        let mut settings = serde_json::to_value(settings).unwrap_or(Value::Null);
        // Attention is looked at and changes no answer.
        for key in ["attention", "importance"] {
            if let Some(object) = settings.as_object_mut() {
                object.remove(key);
            }
        }
        let media = settings.get_mut("media").and_then(Value::as_object_mut);
        if let Some(media) = media {
            let picture = media.get_mut(PICTURE).and_then(Value::as_object_mut);
            let is_all = picture.is_some_and(|picture| {
                picture.remove("subtitle_band");
                picture.remove("subtitle_rows");
                picture.values().all(Value::is_null)
            });
            if is_all {
                media.remove(PICTURE);
            }
        }
        settings
    }
}
