//! CHASE: what the variants of a run show (Tables 2 and 6, controls, placebos, bounds, budgets, gain by conflict pattern).
//!
//! Variants are ordinary runs; what CHASE did stands in their records. The first run is the baseline.

mod across;
mod beside;
mod budget;
mod curves;
mod detection;
mod difference;
mod harm;
mod heads;
mod importance;
mod knock_out;
mod learning;
mod missing;
mod outputs;
mod patterns;
mod variants;
mod verdicts;

use std::collections::BTreeSet;

use emomm_eval::score::ScoreOptions;

pub use beside::Beside;
pub use budget::{BudgetHeads, budgets};
pub use detection::detections;
pub use heads::chosen_heads;
pub use importance::importance;
pub use missing::missing_patterns;
pub use outputs::outputs;
pub use patterns::patterns;
pub use variants::{VariantKind, variants};

use crate::analysis::Analysis;
use crate::content::{state_coverage, unanswered_in_pairs};
use crate::error::ReportError;
use crate::figure::Figure;
use crate::study::{Study, StudyRun};
use crate::table::Table;

/// Below that many conflicts the page says that it is no evidence.
const FEW_CONFLICTS: usize = 200;

/// What the page about CHASE shows.
#[derive(Debug, Clone, PartialEq)]
pub struct ChaseContent {
    /// Paragraphs.
    pub words: Vec<String>,
    /// Tables.
    pub tables: Vec<Table>,
    /// Figures.
    pub figures: Vec<Figure>,
    /// [`Study::mark`] of the variants.
    pub mark: String,
    /// Names of tables and figures that files of other commands made, not the runs of the variants.
    pub beside: BTreeSet<String>,
}

impl ChaseContent {
    /// What the names of the files of a table or figure say of runs that are not complete.
    pub fn mark_of(&self, name: &str) -> &str {
        if self.beside.contains(name) { "" } else { &self.mark }
    }
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
    beside: &Beside,
) -> Result<Option<ChaseContent>, ReportError> {
    if !study.runs.iter().any(is_steered) {
        return Ok(None);
    }
    let (variant_table, gain) = variants(study, analysis);
    let mut tables = vec![variant_table];
    tables.push(patterns(study, options)?);
    tables.push(missing_patterns(study, options)?);
    tables.push(detections(study));
    tables.push(outputs(study));
    tables.push(budgets(study, BudgetHeads::All));
    let steered = budgets(study, BudgetHeads::Steered);
    if !steered.rows.is_empty() {
        tables.push(steered);
    }
    tables.retain(|t| !t.rows.is_empty());
    let sweeps = beside.sweeps.iter().filter_map(|(name, sweep)| curves::curves(name, sweep));
    let traces = beside.traces.iter().filter_map(|(name, trace)| knock_out::knock_out(name, trace));
    let curves = beside.learning.iter().filter_map(|(name, curve)| learning::learning(name, curve));
    let of_others: Vec<Figure> = sweeps.chain(traces).chain(curves).collect();
    let mut apart: BTreeSet<String> = of_others.iter().map(|f| f.name.clone()).collect();
    let mut figures: Vec<Figure> = gain.into_iter().collect();
    figures.extend(of_others);
    figures.extend(chosen_heads(study));
    figures.extend(importance(study, beside));
    let mut words = vec![
        "A gain of CHASE counts only where it stands out from the placebos: the same intervention with a gate, heads or router \
         outputs that know nothing of the sample. The oracle gate is told which modalities are right; it bounds what a better \
         router could reach."
            .to_owned(),
        format!(
            "Differences are paired against {}, the first run.{}",
            study.runs.first().map_or("", |r| &r.name),
            unanswered_in_pairs(options)
        ),
    ];
    words.extend(beside.caveats.iter().map(|caveat| format!("Caveat: {}.", caveat.replace('`', ""))));
    let conflicts = study.clips.iter().filter(|c| c.is_conflict() == Some(true)).count();
    if conflicts < FEW_CONFLICTS {
        words.push(format!(
            "Only {conflicts} conflicts were steered: too few to tell a gain of some points from chance, and for intervals \
             over groups. What follows shows how to read the page, and is no evidence."
        ));
    }
    words.extend(verdicts::verdicts(study, options.bootstrap)?);
    state_coverage(study, &mut tables);
    let across = across::across(&beside.diagnoses);
    if !across.rows.is_empty() {
        apart.insert(across.name.clone());
        tables.push(across);
    }
    Ok(Some(ChaseContent { words, tables, figures, mark: study.mark(), beside: apart }))
}
