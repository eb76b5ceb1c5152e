//! `emomm synth`: writes the synthetic clip world.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use emomm_dataset::Corpus;
use emomm_media::Ffmpeg;
use emomm_synth::{
    MOSI_LABELS_FILE, MOSI_ORIGINAL, Mix, SPEAKERS_FILE, SynthError, TRUTH_FILE, WORLD_FILE, WorldSettings,
    write_world,
};
use serde_json::json;

use crate::exit_status::{ExitStatus, Failure};
use crate::printer::Printer;

#[derive(Debug, Args)]
pub(crate) struct SynthArgs {
    /// Folder for the world: new, empty, or one begun with the same options, which is then gone on with
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Clips of each of the two corpora
    #[arg(long, value_name = "N")]
    pub(crate) clips: usize,
    /// Seed of everything; another seed is another world
    #[arg(long, value_name = "N")]
    pub(crate) seed: u64,
    /// Clips made at a time; the number of cores without this option
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<NonZeroUsize>,
    /// Proportions, such as conflict=46,equal=26,same-polarity=28; those of CH-SIMS v2 without this option
    #[arg(long, value_name = "WEIGHTS", conflicts_with = "aligned_only")]
    pub(crate) mix: Option<Mix>,
    /// Leave conflicts out
    #[arg(long)]
    pub(crate) aligned_only: bool,
    /// Write CMU-MOSI in its original layout, too
    #[arg(long)]
    pub(crate) original_layout: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn run(args: &SynthArgs, printer: &Printer) -> Result<ExitStatus, Failure> {
    let mix = match args.mix {
        Some(mix) => mix,
        None if args.aligned_only => Mix::aligned_only(),
        None => Mix::default(),
    };
    let settings =
        WorldSettings { clips: args.clips, seed: args.seed, mix, original_layout: args.original_layout };
    let jobs = args.jobs.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    let ffmpeg = Ffmpeg::locate()?;
    let bar = printer.progress("writing clips");
    let written = write_world(&args.dir, settings, &ffmpeg, jobs, &|progress| {
        bar.set_length(progress.total as u64);
        if progress.done == progress.kept {
            // What an earlier run made says nothing about the time that is left.
            bar.reset_eta();
        }
        bar.set_position(progress.done as u64);
    });
    bar.finish_and_clear();
    let written = written?;
    let made = written.done - written.kept;
    let path = |name: &str| args.dir.join(name).display().to_string();
    let original = args.original_layout.then(|| path(MOSI_ORIGINAL));
    if args.json {
        printer.json(&json!({
            "out": args.dir.display().to_string(),
            "synthetic": true,
            "clips": written.total,
            "made": made,
            "kept": written.kept,
            "seed": args.seed,
            "ch_sims": path(Corpus::ChSims.name()),
            "cmu_mosi": path(Corpus::CmuMosi.name()),
            "cmu_mosi_original": original,
            "cmu_mosi_labels": path(MOSI_LABELS_FILE),
            "speakers": path(SPEAKERS_FILE),
            "truth": path(TRUTH_FILE),
            "world": path(WORLD_FILE),
        }))?;
    } else {
        printer.data(&format!(
            "{}: synthetic world of seed {}, {} clips of each corpus ({made} made, {} kept)\n",
            args.dir.display(),
            args.seed,
            args.clips,
            written.kept
        ))?;
        printer.talk(&format!(
            "next: emomm build --ch-sims {} --mosi {} --mosi-labels {} --curate all --out BENCH",
            path(Corpus::ChSims.name()),
            path(Corpus::CmuMosi.name()),
            path(MOSI_LABELS_FILE)
        ));
    }
    Ok(ExitStatus::Done)
}

impl From<SynthError> for Failure {
    fn from(error: SynthError) -> Self {
        let status = match error {
            SynthError::Encode { .. } | SynthError::Damaged { .. } => ExitStatus::Data,
            SynthError::Media(error) => return error.into(),
            _ => ExitStatus::Usage,
        };
        Self { status, hint: error.hint(), message: error.to_string() }
    }
}
