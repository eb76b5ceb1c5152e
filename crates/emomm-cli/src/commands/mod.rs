//! One file for each command: `run(args, printer)` gives an exit status or a failure.

pub(crate) mod build;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod models;
pub(crate) mod predict;
pub(crate) mod score;
pub(crate) mod stats;
pub(crate) mod verify;
