//! CHASE: what the variants of a run show (Tables 2 and 6, controls, placebos, bounds, budgets, gain by conflict pattern).
//!
//! Variants are ordinary runs; what CHASE did stands in their records. The first run is the baseline.

mod budget;
mod detection;
mod patterns;
mod variants;

use emomm_eval::score::ScoreOptions;

pub use budget::budgets;
pub use detection::detections;
pub use patterns::patterns;
pub use variants::{VariantKind, variants};

use crate::analysis::Analysis;
use crate::error::ReportError;
use crate::figure::Figure;
use crate::study::{Study, StudyRun};
use crate::table::Table;

/// What the page about CHASE shows.
#[derive(Debug, Clone, PartialEq)]
pub struct ChaseContent {
    /// Paragraphs.
    pub words: Vec<String>,
    /// Tables.
    pub tables: Vec<Table>,
    /// Figures.
    pub figures: Vec<Figure>,
}

/// Whether CHASE left a trace in a run.
pub(crate) fn is_steered(run: &StudyRun) -> bool {
    run.run.records().iter().any(|r| r.steering.is_some())
}

/// The content of the page; `None` where no run was steered.
pub fn chase_content(
    study: &Study,
    analysis: &Analysis,
    options: &ScoreOptions,
) -> Result<Option<ChaseContent>, ReportError> {
    if !study.runs.iter().any(is_steered) {
        return Ok(None);
    }
    let (variant_table, figure) = variants(study, analysis);
    let mut tables = vec![variant_table];
    tables.push(patterns(study, options.bootstrap)?);
    tables.push(budgets(study));
    tables.push(detections(study));
    tables.retain(|t| !t.rows.is_empty());
    let words = vec![
        "A gain of CHASE counts only where it stands out from the placebos: the same intervention with a gate, heads or router \
         outputs that know nothing of the sample. The oracle gate is told which modalities are right; it bounds what a better \
         router could reach."
            .to_owned(),
        format!("Differences are paired against {}, the first run.", study.runs.first().map_or("", |r| &r.name)),
    ];
    Ok(Some(ChaseContent { words, tables, figures: figure.into_iter().collect() }))
}
