//! From an analysis to tables, figures and sentences: what the pages show.

mod answer_figures;
mod attention_figures;
mod coalition_figures;
mod coalition_tables;
mod compared;
mod figures;
mod following_figures;
mod following_tables;
mod heat_figures;
mod readings;
mod score_tables;
mod sentences;
mod spatial;
mod tables;

pub use figures::figures;
pub use heat_figures::heat_figures;
pub(crate) use readings::unanswered_in_pairs;
pub(crate) use sentences::{FEW_GROUPS, differences, letter_spelling};
pub use sentences::{answer, study_trust, trust};
pub use tables::tables;
pub(crate) use tables::{BY_LANGUAGE, interval_cell, state_coverage};

/// A run's accuracy and the like as percent with one decimal, for sentences.
pub(crate) fn percent(value: f64) -> String {
    crate::table::rounded(value, crate::table::Form::Percent(1)) + " %"
}
