//! From an analysis to tables, figures and sentences: what the pages show.

mod attention_figures;
mod compared;
mod figures;
mod heat_figures;
mod sentences;
mod spatial;
mod tables;

pub use figures::figures;
pub use heat_figures::heat_figures;
pub(crate) use sentences::differences;
pub use sentences::{answer, study_trust, trust};
pub(crate) use tables::interval_cell;
pub use tables::tables;

/// A run's accuracy and the like as percent with one decimal, for sentences.
pub(crate) fn percent(value: f64) -> String {
    crate::table::rounded(value, crate::table::Form::Percent(1)) + " %"
}
