//! `emomm chase …`: train a router on a frozen model, steer with it, and say honestly what came of it.

mod ablate;
mod caveats;
mod diagnose;
mod eval;
mod features;
mod figures;
mod labelled;
mod plan;
mod points;
mod runs;
mod session;
pub(crate) mod steer;
mod sweep;
mod trace;
mod train;
mod variants;
mod words;

use clap::{Args, Subcommand};

use crate::exit_status::{ExitStatus, Failure};
use crate::printer::Printer;

#[derive(Debug, Args)]
pub(crate) struct ChaseArgs {
    #[command(subcommand)]
    command: ChaseCommand,
}

#[derive(Debug, Subcommand)]
enum ChaseCommand {
    /// Run one clean decision step a sample and keep what the router reads
    Features(features::FeaturesArgs),
    /// Train a router on cached features; missing features are computed first
    Train(train::TrainArgs),
    /// Steer: one run folder for each variant, placebos, bounds and controls on the same samples
    Eval(eval::EvalArgs),
    /// Run a grid of settings as one batch of variants a sample; --tune keeps the best on the validation split
    Sweep(sweep::SweepArgs),
    /// Table 2: the full method, and what is left without its parts
    Ablate(ablate::AblateArgs),
    /// Table 6: does the router find conflicts, and the modality that is right?
    Diagnose(diagnose::DiagnoseArgs),
    /// Where the evidence enters: attention knock-out by layer window and modality
    Trace(trace::TraceArgs),
}

pub(crate) fn run(args: &ChaseArgs, printer: &Printer) -> Result<ExitStatus, Failure> {
    match &args.command {
        ChaseCommand::Features(args) => features::run(args, printer),
        ChaseCommand::Train(args) => train::run(args, printer),
        ChaseCommand::Eval(args) => eval::run(args, printer),
        ChaseCommand::Sweep(args) => sweep::run(args, printer),
        ChaseCommand::Ablate(args) => ablate::run(args, printer),
        ChaseCommand::Diagnose(args) => diagnose::run(args, printer),
        ChaseCommand::Trace(args) => trace::run(args, printer),
    }
}
