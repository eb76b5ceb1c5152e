//! `emomm annotate demo`: a small project of synthetic clips, ready to click.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use emomm_annotate::import::{Source, read_source};
use emomm_annotate::{Project, Settings};
use emomm_dataset::Corpus;
use emomm_media::Ffmpeg;
use emomm_synth::{MOSI_LABELS_FILE, Mix, WorldSettings, write_world};
use serde_json::json;

use super::init::fill;
use super::serve::{ReachArgs, serve_until_interrupted};
use crate::exit_status::{ExitStatus, Failure};
use crate::printer::Printer;

/// Clips of the demo, of each of the two corpora that the synthetic world writes; the English ones are used.
const N_CLIPS: usize = 20;
/// Seed of the world.
const SEED: u64 = 8;

#[derive(Debug, Args)]
pub(crate) struct DemoProjectArgs {
    /// Folder for clips and project
    #[arg(long, value_name = "DIR", default_value = "emomm-annotate-demo")]
    out: PathBuf,
    /// Number of annotators
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=20))]
    annotators: u32,
    /// Make the project, but do not serve it
    #[arg(long)]
    no_serve: bool,
    #[command(flatten)]
    reach: ReachArgs,
    /// Print one JSON object before serving
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &DemoProjectArgs, printer: &Printer) -> Result<ExitStatus, Failure> {
    let ffmpeg = Ffmpeg::locate()?;
    let world = args.out.join("world");
    let folder = args.out.join("project");
    let (project, invitations) = if folder.join(emomm_annotate::DATABASE).is_file() {
        printer.talk(&format!("{}: the project of an earlier demo is used again", folder.display()));
        let project = Project::open(&folder)?;
        // Links are not stored; new ones are made for accounts that nobody has taken yet.
        let waiting = project.store().read_now(emomm_annotate::accounts::all)?;
        let invitations = waiting
            .iter()
            .filter(|a| a.state == emomm_annotate::accounts::AccountState::Invited)
            .map(|a| project.invite(&a.pseudonym))
            .collect::<Result<Vec<_>, _>>()?;
        (project, invitations)
    } else {
        make_world(&ffmpeg, &world, printer)?;
        let settings = Settings {
            min_gap_minutes: 0,
            repeat_share: 0.1,
            repeat_distance: 4,
            gold_share: 0.1,
            training: 2,
            calibration: 2,
            calibration_pass: 0.5,
            ..Settings::default()
        };
        let labels = Some(world.join(MOSI_LABELS_FILE));
        let clips = read_source(&Source::Mosi { folder: world.join(Corpus::CmuMosi.name()), labels })?;
        let project = Project::create(&folder, &settings)?;
        let filled = fill(&project, &ffmpeg, clips, None, args.annotators as usize, printer)?;
        (project, filled.invitations)
    };
    if args.json {
        printer.json(&json!({ "project": folder.display().to_string(), "invitations": invitations }))?;
    }
    if args.no_serve {
        if !args.json {
            let mut text = String::new();
            for invitation in &invitations {
                let _ = writeln!(text, "{:<5}{:<11}{}", invitation.account, invitation.role, invitation.path);
            }
            printer.data(&text)?;
        }
        return Ok(ExitStatus::Done);
    }
    printer.talk("Open a link, choose a name and a password. The clips are synthetic.");
    serve_until_interrupted(project, &args.reach, &invitations, printer)
}

/// The synthetic world, as `emomm synth` writes it.
fn make_world(ffmpeg: &Ffmpeg, folder: &Path, printer: &Printer) -> Result<(), Failure> {
    let settings = WorldSettings { clips: N_CLIPS, seed: SEED, mix: Mix::default(), original_layout: false };
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let spinner = printer.spinner("writing synthetic clips");
    let written = write_world(folder, settings, ffmpeg, jobs, &|progress| {
        spinner.set_message(format!("writing synthetic clips: {} of {}", progress.done, progress.total));
    });
    spinner.finish_and_clear();
    written?;
    Ok(())
}
