//! What a study shows: pure functions over records and manifest.
//!
//! Scores are those of `emomm_eval::score`, intervals and tests those of `emomm_metrics`; here they are put to the paper's
//! questions.

mod attention;
pub mod capability;
mod coalitions;
mod compared;
mod confusion;
mod coupling;
mod delta_v;
pub mod paired;
pub mod paper;
mod spatial;
mod sums;

use emomm_dataset::{ModalitySet, Subset};
use emomm_eval::score::{GtarFigures, ScoreOptions, ScoreReport, ScoreRow, score};

pub use attention::{AttentionProfile, Condition, LayerMeans, attention_profile};
pub(crate) use attention::{layer_shares, n_layers};
pub use coalitions::{CoalitionAccuracy, coalition_accuracies};
pub use compared::{ComparedRuns, SubtitleChange, compared_runs, subtitle_changes};
pub use confusion::{Counts, PartConfusion, confusions, flips};
pub use coupling::{Band, Coupling, CouplingPoint, FEW_POINTS, coupling};
pub use delta_v::{RunDeltaV, delta_v};
pub use paired::{Paired, PairedFamily};
pub use spatial::{RegionFigures, SpatialLayer, SpatialProfile, spatial_profiles};
pub(crate) use sums::{ByCluster, add_fields, intervals};

use crate::error::ReportError;
use crate::study::{
    Study, StudyRun, all_answers, answers_by_language, languages_are_corpora, missing_answers,
};

/// All that is computed of one run.
#[derive(Debug)]
pub struct RunAnalysis {
    /// Index of the run in the study.
    pub run: usize,
    /// Scores of all records.
    pub scores: ScoreReport,
    /// The pairs pooled: the paper's column EmoMM-Missing.
    pub missing: Option<ScoreRow>,
    /// Rows by language; empty where languages are corpora.
    pub languages: Vec<ScoreRow>,
    /// Figure 3, left.
    pub coalitions: Vec<CoalitionAccuracy>,
    /// Figures 9b and 10, and the same on samples without a conflict.
    pub attention: Vec<AttentionProfile>,
    /// Where in the picture the attention lies (Sec. 4.3); empty unless it was kept by token.
    pub spatial: Vec<SpatialProfile>,
    /// Figure 3, right.
    pub coupling: Vec<Coupling>,
    /// Figure 11.
    pub delta_v: Option<RunDeltaV>,
    /// Confusion matrices.
    pub confusions: Vec<PartConfusion>,
    /// TAV against each other coalition.
    pub against_others: Option<PairedFamily>,
}

/// All that is computed.
#[derive(Debug)]
pub struct Analysis {
    /// The choices behind the figures.
    pub options: ScoreOptions,
    /// By run.
    pub runs: Vec<RunAnalysis>,
    /// Runs against the first.
    pub against_first: Option<PairedFamily>,
    /// The same in macro F1 and MAE.
    pub compared: Vec<ComparedRuns>,
    /// What hiding subtitles changes, where runs differ in that alone.
    pub subtitles: Vec<SubtitleChange>,
}

impl Analysis {
    /// Computes everything.
    pub fn of(study: &Study, options: ScoreOptions) -> Result<Self, ReportError> {
        let runs = study
            .runs
            .iter()
            .enumerate()
            .map(|(index, run)| of_run(study, index, run, &options))
            .collect::<Result<Vec<RunAnalysis>, ReportError>>()?;
        let against_first = paired::runs_against_first(study, options.bootstrap)?;
        let compared = compared_runs(study, options.bootstrap)?;
        let subtitles = subtitle_changes(study, options.bootstrap)?;
        Ok(Self { options, runs, against_first, compared, subtitles })
    }
}

impl RunAnalysis {
    /// The row of a corpus, coalition and subset.
    pub fn row(&self, corpus: &str, coalition: &str, subset: &str) -> Option<&ScoreRow> {
        self.scores
            .rows
            .iter()
            .find(|r| r.corpus == corpus && r.coalition == coalition && subset_word(r) == subset)
    }

    /// GTAR on Missing-Conflict and on Conflict, where there are such samples (Figure 9a).
    pub fn gtar(&self) -> [(&'static str, Option<&GtarFigures>); 2] {
        let subsets = self.scores.gtar.as_ref().map(|g| &g.subsets);
        [
            ("missing-conflict", subsets.and_then(|s| s.missing_conflict.as_ref())),
            ("conflict", subsets.and_then(|s| s.conflict.as_ref())),
        ]
    }

    /// The attention of a condition.
    pub fn profile(&self, condition: Condition) -> Option<&AttentionProfile> {
        self.attention.iter().find(|p| p.condition == condition)
    }
}

/// The word of a row's subset.
pub(crate) fn subset_word(row: &ScoreRow) -> &'static str {
    row.subset.map_or("all", Subset::name)
}

fn of_run(
    study: &Study,
    index: usize,
    run: &StudyRun,
    options: &ScoreOptions,
) -> Result<RunAnalysis, ReportError> {
    let scored =
        |answers| score(&answers, options).map_err(|source| ReportError::Metric { what: "scores", source });
    let scores = scored(all_answers(study, run))?;
    let of_missing = missing_answers(study, run);
    let missing = if of_missing.rows.is_empty() {
        None
    } else {
        let is_pooled = |r: &ScoreRow| r.corpus == "all" && r.coalition == "overall" && r.subset.is_none();
        scored(of_missing)?.rows.into_iter().find(is_pooled)
    };
    let languages = if languages_are_corpora(&study.clips) {
        Vec::new()
    } else {
        scored(answers_by_language(study, run))?.rows.into_iter().filter(|r| r.corpus != "all").collect()
    };
    let mut attention = Vec::new();
    for coalition in ModalitySet::ALL.into_iter().filter(|s| s.len() >= 2) {
        for condition in
            [Condition::All(coalition), Condition::Align(coalition), Condition::Conflict(coalition)]
        {
            attention.extend(attention_profile(study, run, condition, options.bootstrap)?);
        }
    }
    Ok(RunAnalysis {
        run: index,
        scores,
        missing,
        languages,
        coalitions: coalition_accuracies(study, run, options)?,
        attention,
        spatial: spatial_profiles(study, run, options.bootstrap)?,
        coupling: coupling(study, run, options)?,
        delta_v: delta_v(study, run, options)?,
        confusions: confusions(study, run),
        against_others: paired::full_against_others(study, run, options.bootstrap)?,
    })
}
