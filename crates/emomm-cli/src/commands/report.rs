//! `emomm report`: tables, figures and case cards of runs as a static page.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use emomm_eval::score::{ClusterBy, EmptyValue, ScoreOptions};
use emomm_media::Ffmpeg;
use emomm_metrics::{Acc2, BootstrapOptions, ConflictReading, Unparsed};
use emomm_report::chase::Beside;
use emomm_report::page::media::{ClipMedia, load_media};
use emomm_report::study::{Study, StudyRun};
use emomm_report::{ReportOptions, inputs, report};
use serde_json::json;

use crate::cli::word;
use crate::exit_status::{ExitStatus, Failure};
use crate::printer::Printer;

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Folders of runs, or of the variants that `chase eval` wrote; the first run is the one to compare with
    #[arg(value_name = "RUN", required = true, num_args = 1..)]
    pub(crate) runs: Vec<PathBuf>,
    /// Where the report goes: a folder, or one file if the name ends in .html
    #[arg(long, value_name = "DIR|FILE.html")]
    pub(crate) out: PathBuf,
    /// Folder that `chase eval` wrote, for the page on CHASE; the other pages are those of the runs
    #[arg(long, value_name = "FOLDER")]
    pub(crate) chase: Option<PathBuf>,
    /// Folder of the benchmark; where the first run's log says it lay without this option
    #[arg(long, value_name = "BENCH")]
    pub(crate) bench: Option<PathBuf>,
    /// Title of the report
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) title: String,
    /// Show a few frames and the loudness of every clip in its card: the report then holds faces
    #[arg(long)]
    pub(crate) include_media: bool,
    /// Write a page above 50 MB all the same
    #[arg(long)]
    pub(crate) force: bool,
    /// What missing answers are: wrong or excluded
    #[arg(long, value_name = "RULE", default_value = "wrong", value_parser = word::<Unparsed>)]
    pub(crate) unparsed: Unparsed,
    /// Reading of ACC-2: negative-positive, non-zero or has-zero
    #[arg(long, value_name = "READING", default_value = "negative-positive", value_parser = word::<Acc2>)]
    pub(crate) acc2: Acc2,
    /// Conflicts that enter GTAR: exactly-one or at-least-one modality disagrees
    #[arg(long, value_name = "READING", default_value = "exactly-one", value_parser = word::<ConflictReading>)]
    pub(crate) gtar: ConflictReading,
    /// What V(∅) of PSMV is: run (the answers without evidence), majority (share of the commonest class) or chance (one in five)
    #[arg(long, value_name = "RULE", default_value = "run", value_parser = word::<EmptyValue>)]
    pub(crate) empty_value: EmptyValue,
    /// Resamples behind each interval
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) resamples: u32,
    /// Seed of the resamples
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Print one JSON object about what was written
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn run(args: &ReportArgs, printer: &Printer) -> Result<ExitStatus, Failure> {
    let study = inputs::open(&args.runs, args.bench.as_deref())?;
    let chase = args
        .chase
        .as_ref()
        .map(|f| inputs::open(std::slice::from_ref(f), args.bench.as_deref()))
        .transpose()?;
    let beside = Beside::read(args.chase.as_ref().map_or(&args.runs[..], std::slice::from_ref))?;
    let bootstrap = BootstrapOptions {
        n_resamples: args.resamples as usize,
        seed: args.seed,
        ..BootstrapOptions::default()
    };
    let options = ReportOptions {
        title: args.title.clone(),
        scores: ScoreOptions {
            unparsed: args.unparsed,
            acc2: args.acc2,
            gtar: args.gtar,
            empty_value: args.empty_value,
            cluster: ClusterBy::Group,
            bootstrap,
        },
        force: args.force,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let media = if args.include_media { media(&study, printer)? } else { BTreeMap::new() };
    let spinner = printer.spinner("computing tables and figures");
    let written = report(&study, chase.as_ref(), &beside, media, &options, &args.out);
    spinner.finish_and_clear();
    let written = written?;
    for note in &written.notes {
        printer.talk(&format!("note: attention by token is left out: {note}"));
    }
    let n: usize = study.runs.iter().map(|r| r.run.records().len()).sum();
    let failed = n - study.runs.iter().map(StudyRun::n_answered).sum::<usize>();
    if args.json {
        printer.json(&json!({
            "page": written.page,
            "page_bytes": written.page_bytes,
            "files": written.n_files,
            "runs": study.runs.iter().map(|r| &r.name).collect::<Vec<&String>>(),
            "clips": study.clips.len(),
            "n": n,
            "planned": study.runs.iter().map(StudyRun::n_planned).sum::<usize>(),
            "n_failed": failed,
            "synthetic": study.origin.is_synthetic,
        }))?;
    } else {
        for run in &study.runs {
            printer.talk(&format!(
                "{}: {} of {} records",
                run.name,
                run.run.records().len(),
                run.n_planned()
            ));
        }
        printer.data(&format!("{}\n", written.page.display()))?;
    }
    Ok(ExitStatus::Done)
}

/// Frames and loudness of all clips. A file that cannot be read leaves its place empty.
fn media(study: &Study, printer: &Printer) -> Result<BTreeMap<usize, ClipMedia>, Failure> {
    let ffmpeg = Ffmpeg::locate()?;
    let spinner = printer.spinner("reading media");
    let loaded = load_media(study, &ffmpeg, |done| {
        spinner.set_message(format!("reading media: {done} of {}", study.clips.len()));
    });
    spinner.finish_and_clear();
    if loaded.n_failed > 0 {
        printer.talk(&format!("note: {} media files could not be shown", loaded.n_failed));
    }
    Ok(loaded.clips)
}
