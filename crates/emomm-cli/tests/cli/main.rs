//! The binary as a script sees it: exit codes, both streams, files.
//!
//! Bad input of every kind must end in one error that names the file and a remedy; the JSON must have the keys of
//! `docs/contract.md`.

mod bad_config;
mod bad_media;
mod bad_text;
mod bad_tokenizer;
mod bad_weights;
mod bench_commands;
mod chase;
mod chase_steer;
mod chase_variants;
mod checkpoint;
mod commands;
mod eval_cache;
mod eval_command;
mod eval_kill;
mod eval_runs;
mod eval_stage;
mod invented_corpora;
mod media;
mod predict_json;
mod predict_options;
mod process;
mod report;
mod served;
mod synth;
