//! Tables, figures and the static report: from records and a manifest to what people read.
//!
//! - [`study`] joins the records of runs to the manifest of their benchmark.
//! - [`analysis`]: pure functions of a study, the paper's figures and tests.
//! - [`table`]: one model of a table in five forms. [`chart`]: SVG charts in one visual language; [`Figure`] puts them with
//!   their data and with words for those who cannot see them.
//! - [`content`]: from an analysis to tables, figures and sentences. [`chase`]: the same for variants of CHASE.
//! - [`page`]: the HTML. [`bundle`] writes it with the files beside it, [`report`] does all of this.
//! - [`benchmark_figures`], [`benchmark_subsets`]: Figures 6 to 8 and 2 of a benchmark.
//!
//! Everything is computed from records and manifest; no model is needed.

pub mod analysis;
pub mod benchmark_figures;
pub mod benchmark_subsets;
pub mod bundle;
pub mod chart;
pub mod chase;
pub mod content;
mod error;
mod figure;
pub mod inputs;
pub mod page;
mod png;
mod report;
pub mod study;
pub mod table;

pub use error::ReportError;
pub use figure::Figure;
pub use report::{ReportOptions, report};
