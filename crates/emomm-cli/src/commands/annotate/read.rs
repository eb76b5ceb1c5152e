//! The parts of `emomm annotate` that look at a project or copy it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use emomm_annotate::agreement::{
    Coefficient, ViewAgreement, agreement as agreement_of_project, agreement_of,
};
use emomm_annotate::export::ExportOptions;
use emomm_annotate::verify::Check;
use emomm_annotate::votes::read_votes;
use emomm_annotate::{Project, audit, backup as backups, progress};
use emomm_metrics::BootstrapOptions;
use serde_json::json;

use crate::exit_status::{ExitStatus, Failure};
use crate::printer::Printer;

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Folder of the project
    #[arg(value_name = "PROJECT")]
    project: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AgreementArgs {
    /// Folder of a project, or a file of votes: CSV, TSV or XLSX
    #[arg(value_name = "PROJECT|FILE")]
    source: PathBuf,
    /// Resamples behind each interval
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    resamples: u32,
    /// Seed of the resamples
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Folder of the project
    #[arg(value_name = "PROJECT")]
    project: PathBuf,
    /// Folder for the files: new or empty
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Fewest votes for a label; with fewer it stays empty
    #[arg(long, value_name = "N", default_value_t = 1)]
    min_votes: usize,
    /// Let adjudicated labels take the place of the mean
    #[arg(long)]
    adjudicated: bool,
    /// Leave text cells as they are, also those that a spreadsheet would run as formulas
    #[arg(long)]
    raw: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    /// Folder of the project
    #[arg(value_name = "PROJECT")]
    project: PathBuf,
    /// Folder for the copy: new or empty
    #[arg(value_name = "BACKUP")]
    backup: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// Folder that emomm annotate backup has made
    #[arg(value_name = "BACKUP")]
    backup: PathBuf,
    /// Folder for the project: new or empty
    #[arg(value_name = "PROJECT")]
    project: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyProjectArgs {
    /// Folder of the project
    #[arg(value_name = "PROJECT")]
    project: PathBuf,
    /// Also check that the audit trail still holds this hash, which an earlier verify printed
    #[arg(long, value_name = "HASH")]
    head: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InviteArgs {
    /// Folder of the project
    #[arg(value_name = "PROJECT")]
    project: PathBuf,
    /// Pseudonym of the account, for example L1
    #[arg(value_name = "ACCOUNT")]
    account: String,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn status(args: &StatusArgs, printer: &Printer) -> Result<ExitStatus, Failure> {
    let project = Project::open(&args.project)?;
    let progress = project.store().read_now(progress::progress)?;
    for warning in &progress.warnings {
        printer.talk(&format!("warning: {warning}"));
    }
    if args.json {
        printer.json(&progress)?;
        return Ok(ExitStatus::Done);
    }
    let mut text = format!("{} clips, {} of {} labels\n", progress.clips, progress.done, progress.total);
    for annotator in &progress.annotators {
        let _ = writeln!(
            text,
            "{:<6}{:<11}{:>7.1} h  last {}",
            annotator.annotator,
            annotator.state,
            annotator.hours,
            annotator.last_at.as_deref().unwrap_or("-")
        );
        for pass in &annotator.passes {
            let left = pass.hours_left.map_or_else(|| "-".to_owned(), |h| format!("{h:.1} h"));
            let _ = writeln!(
                text,
                "      {:<11}{:<12}{:>6} of {:>6}  left {left}",
                pass.modality, pass.stage, pass.done, pass.total
            );
        }
    }
    printer.data(&text)?;
    Ok(ExitStatus::Done)
}

pub(crate) fn agreement(args: &AgreementArgs, printer: &Printer) -> Result<ExitStatus, Failure> {
    let options = BootstrapOptions {
        n_resamples: args.resamples as usize,
        seed: args.seed,
        ..BootstrapOptions::default()
    };
    let figures = if args.source.is_dir() {
        Project::open(&args.source)?.store().read_now(|c| agreement_of_project(c, options))?
    } else {
        let tables = read_votes(&args.source)?;
        tables.iter().map(|table| agreement_of(table, options)).collect::<Result<Vec<_>, _>>()?
    };
    if args.json {
        let modalities: serde_json::Map<String, serde_json::Value> =
            figures.iter().map(|f| (f.modality.name().to_owned(), json!(f))).collect();
        printer.json(&json!({ "modalities": modalities }))?;
    } else {
        printer.data(&agreement_text(&figures))?;
    }
    if figures.is_empty() {
        printer.talk("no votes yet");
    }
    Ok(ExitStatus::Done)
}

fn agreement_text(figures: &[ViewAgreement]) -> String {
    let mut text = String::new();
    for figure in figures {
        let _ = writeln!(text, "{}: {} items, {} votes", figure.modality, figure.n_items, figure.n_votes);
        let mut line = |name: &str, coefficient: Option<Coefficient>| {
            let shown = coefficient.map_or_else(
                || "-".to_owned(),
                |c| match (c.low, c.high) {
                    (Some(low), Some(high)) => format!("{:.3}  [{low:.3}, {high:.3}]", c.value),
                    _ => format!("{:.3}", c.value),
                },
            );
            let _ = writeln!(text, "  {name:<31}{shown}");
        };
        let plain = |value: Option<f64>| value.map(|value| Coefficient { value, low: None, high: None });
        line("alpha, nominal", figure.alpha_nominal);
        line("alpha, ordinal", figure.alpha_ordinal);
        line("alpha, interval", figure.alpha_interval);
        line("Fleiss' kappa", figure.fleiss_kappa);
        line("weighted kappa, mean of pairs", plain(figure.mean_weighted_kappa.map(|f| f.value)));
        line("ICC(2,1)", plain(figure.icc.map(|i| i.single)));
        line("ICC(2,k)", plain(figure.icc.map(|i| i.average)));
        line("equal votes", plain(figure.agreement.map(|f| f.value)));
        for own in &figure.intra_rater {
            line(&format!("{} with themselves (n {})", own.annotator, own.n), plain(own.agreement));
        }
    }
    text
}

pub(crate) fn export(args: &ExportArgs, printer: &Printer) -> Result<ExitStatus, Failure> {
    let project = Project::open(&args.project)?;
    let options = ExportOptions { min_votes: args.min_votes, adjudicated: args.adjudicated, raw: args.raw };
    let exported = emomm_annotate::export::export(&project, &args.out, options)?;
    if args.json {
        printer.json(&exported)?;
    } else {
        let files: Vec<String> = exported.files.iter().map(|f| f.display().to_string()).collect();
        printer.data(&(files.join("\n") + "\n"))?;
    }
    Ok(ExitStatus::Done)
}

pub(crate) fn backup(args: &BackupArgs, printer: &Printer) -> Result<ExitStatus, Failure> {
    let project = Project::open(&args.project)?;
    let info = backups::backup(&project, &args.backup)?;
    if args.json {
        printer.json(&info)?;
    } else {
        printer.data(&format!("{} events, {} derivatives, head {}\n", info.events, info.blobs, info.head))?;
    }
    Ok(ExitStatus::Done)
}

pub(crate) fn restore(args: &RestoreArgs, printer: &Printer) -> Result<ExitStatus, Failure> {
    let (project, checks) = backups::restore(&args.backup, &args.project)?;
    show_checks(&project, &checks, None, args.json, printer)
}

pub(crate) fn verify(args: &VerifyProjectArgs, printer: &Printer) -> Result<ExitStatus, Failure> {
    let project = Project::open(&args.project)?;
    let checks = emomm_annotate::verify::verify(&project)?;
    show_checks(&project, &checks, args.head.as_deref(), args.json, printer)
}

fn show_checks(
    project: &Project,
    checks: &[Check],
    expected_head: Option<&str>,
    json: bool,
    printer: &Printer,
) -> Result<ExitStatus, Failure> {
    let (events, head) = project.store().read_now(audit::head)?;
    let mut knows_head = true;
    if let Some(expected) = expected_head {
        knows_head = false;
        project.store().read_now(|c| {
            audit::events(c, |event| {
                knows_head |= event.hash == expected;
                Ok(())
            })
        })?;
        if !knows_head {
            printer.talk(&format!("the audit trail does not hold the hash {expected}: events were removed"));
        }
    }
    let holds = knows_head && checks.iter().all(|c| c.failed == 0);
    if json {
        printer.json(&json!({ "holds": holds, "events": events, "head": head, "checks": checks }))?;
    } else {
        let mut text = String::new();
        for check in checks {
            let outcome = match (check.failed, check.checked) {
                (0, 0) => "-",
                (0, _) => "ok",
                _ => "FAILED",
            };
            let _ = writeln!(text, "{:<62}{:>8}  {outcome}", check.name, check.checked);
            for violation in &check.violations {
                let _ = writeln!(text, "    {violation}");
            }
        }
        let _ = writeln!(text, "audit trail: {events} events, head {head}");
        printer.data(&text)?;
    }
    Ok(if holds { ExitStatus::Done } else { ExitStatus::Partial })
}

pub(crate) fn invite(args: &InviteArgs, printer: &Printer) -> Result<ExitStatus, Failure> {
    let project = open(&args.project)?;
    let invitation = project.invite(&args.account)?;
    if args.json {
        printer.json(&invitation)?;
    } else {
        printer.data(&format!("{:<5}{:<11}{}\n", invitation.account, invitation.role, invitation.path))?;
    }
    Ok(ExitStatus::Done)
}

fn open(folder: &Path) -> Result<Project, Failure> {
    Ok(Project::open(folder)?)
}
