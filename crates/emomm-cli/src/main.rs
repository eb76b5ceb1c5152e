//! `emomm`: which modality does a multimodal model listen to?
//!
//! Data goes to stdout, talk to stderr; exit codes are in [`exit_status`].

mod cli;
mod commands;
mod exit_status;
mod interrupt;
mod model_source;
mod picture_args;
mod printer;
mod score_table;
mod served_args;
mod statistics_tables;
mod table;
mod table_writers;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use cli::{Cli, Command};
use exit_status::{ExitStatus, Failure};
use printer::Printer;

fn main() -> ExitCode {
    let printer = Printer::new();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            // A closed stdout or stderr leaves nobody to tell.
            let _ = error.print();
            return if asked { ExitStatus::Done.into() } else { ExitStatus::Usage.into() };
        }
    };
    let result = run(&cli.command, &printer);
    match result {
        Ok(status) => status.into(),
        Err(failure) => {
            printer.failure(&failure);
            failure.status.into()
        }
    }
}

/// Runs one command.
fn run(command: &Command, printer: &Printer) -> Result<ExitStatus, Failure> {
    match command {
        Command::Build(args) => commands::build::run(args, printer),
        Command::Verify(args) => commands::verify::run(args, printer),
        Command::Stats(args) => commands::stats::run(args, printer),
        Command::Report(args) => commands::report::run(args, printer),
        Command::Predict(args) => commands::predict::run(args, printer),
        Command::Synth(args) => commands::synth::run(args, printer),
        Command::Annotate(args) => commands::annotate::run(args, printer),
        Command::Demo(args) => commands::demo::run(args, printer),
        Command::Chase(args) => commands::chase::run(args, printer),
        Command::Score(args) => commands::score::run(args, printer),
        Command::Eval(args) => commands::eval::run(args, printer),
        Command::Compare(args) => commands::compare::run(args, printer),
        Command::Retry(args) => commands::retry::run(args, printer),
        Command::Errors(args) => commands::errors::run(args, printer),
        Command::Rescore(args) => commands::rescore::run(args, printer),
        Command::Merge(args) => commands::merge::run(args, printer),
        Command::Log(args) => commands::log::run(args, printer),
        Command::Doctor(args) => commands::doctor::run(args, printer),
        Command::Models(args) => commands::models::run(args, printer),
    }
}
