//! `emomm annotate`: making, serving and reading annotation projects.

mod demo;
mod init;
mod read;
mod serve;

use clap::{Args, Subcommand};

use crate::exit_status::{ExitStatus, Failure};
use crate::printer::Printer;

#[derive(Debug, Args)]
pub(crate) struct AnnotateArgs {
    #[command(subcommand)]
    command: AnnotateCommand,
}

#[derive(Debug, Subcommand)]
enum AnnotateCommand {
    /// Make a project: split clips by modality, make accounts, plan who labels what
    Init(Box<init::InitArgs>),
    /// Serve a project to browsers
    Serve(serve::ServeArgs),
    /// Say how far the work is
    Status(read::StatusArgs),
    /// Say how well annotators agree, in a project or in a file of votes
    Agreement(read::AgreementArgs),
    /// Write labels, votes, agreement, audit trail and a card
    Export(read::ExportArgs),
    /// Copy a project while it is in use
    Backup(read::BackupArgs),
    /// Make a project from a backup, and check it
    Restore(read::RestoreArgs),
    /// Prove that a project is whole: answers, audit trail, derivatives, blinding
    Verify(read::VerifyProjectArgs),
    /// Make a new invitation for an account that cannot sign in any more
    Invite(read::InviteArgs),
    /// Make a small project and serve it, ready to click
    Demo(demo::DemoProjectArgs),
}

pub(crate) fn run(args: &AnnotateArgs, printer: &Printer) -> Result<ExitStatus, Failure> {
    match &args.command {
        AnnotateCommand::Init(args) => init::run(args, printer),
        AnnotateCommand::Serve(args) => serve::run(args, printer),
        AnnotateCommand::Status(args) => read::status(args, printer),
        AnnotateCommand::Agreement(args) => read::agreement(args, printer),
        AnnotateCommand::Export(args) => read::export(args, printer),
        AnnotateCommand::Backup(args) => read::backup(args, printer),
        AnnotateCommand::Restore(args) => read::restore(args, printer),
        AnnotateCommand::Verify(args) => read::verify(args, printer),
        AnnotateCommand::Invite(args) => read::invite(args, printer),
        AnnotateCommand::Demo(args) => demo::run(args, printer),
    }
}
