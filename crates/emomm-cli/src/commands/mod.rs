//! One file for each command: `run(args, printer)` gives an exit status or a failure.

pub(crate) mod annotate;
pub(crate) mod build;
pub(crate) mod chase;
pub(crate) mod compare;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod errors;
pub(crate) mod eval;
pub(crate) mod log;
pub(crate) mod merge;
pub(crate) mod models;
pub(crate) mod predict;
pub(crate) mod report;
pub(crate) mod rescore;
pub(crate) mod retry;
pub(crate) mod score;
pub(crate) mod stats;
pub(crate) mod synth;
pub(crate) mod verify;
