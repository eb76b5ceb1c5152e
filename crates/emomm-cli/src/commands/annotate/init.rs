//! `emomm annotate init`.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use emomm_annotate::import::{Imported, Source, SourceClip, read_source};
use emomm_annotate::{AnnotateError, Design, Gate, Initialised, PassOrder, Project, Scheme, Settings};
use emomm_media::Ffmpeg;
use serde_json::json;

use crate::exit_status::{ExitStatus, Failure};
use crate::printer::Printer;

/// Problems with clips that are named; all are counted.
const MAX_NAMED: usize = 10;

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Folder for the project: new or empty
    #[arg(value_name = "PROJECT")]
    project: PathBuf,
    #[command(flatten)]
    source: SourceArgs,
    /// Known unimodal labels of CMU-MOSI, for practice and gold items
    #[arg(long, value_name = "FILE", requires = "mosi")]
    mosi_labels: Option<PathBuf>,
    /// Another folder whose clips serve training and calibration; without it, some are drawn from the clips
    #[arg(long, value_name = "DIR")]
    practice: Option<PathBuf>,
    /// Number of annotators
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=500))]
    annotators: u32,
    /// Who labels what: full (all label everything), ranges (teams by seq) or balanced (incomplete blocks)
    #[arg(long, value_name = "NAME", default_value = "full")]
    design: Design,
    /// Labels wanted for each clip and modality with ranges and balanced
    #[arg(long, value_name = "N", default_value_t = 5)]
    votes: usize,
    /// How labels are given: ternary (-1, 0, 1), five-class or grid-11
    #[arg(long, value_name = "NAME", default_value = "ternary")]
    scheme: Scheme,
    /// Order of the modalities: paper (T, A, V) or latin-square
    #[arg(long, value_name = "NAME", default_value = "paper")]
    order: PassOrder,
    /// Add a last pass that shows all modalities together, for a corpus without labels
    #[arg(long)]
    multimodal: bool,
    /// When the next modality opens: own-done, all-done or lead
    #[arg(long, value_name = "NAME", default_value = "own-done")]
    gate: Gate,
    /// Least minutes between two modalities of a clip
    #[arg(long, value_name = "MINUTES", default_value_t = 720)]
    min_gap: u32,
    /// Take a label before the medium was played to its end
    #[arg(long)]
    no_must_play: bool,
    /// Share of items that come twice
    #[arg(long, value_name = "SHARE", default_value_t = 0.05)]
    repeats: f64,
    /// Share of the clips with known labels that are checked silently
    #[arg(long, value_name = "SHARE", default_value_t = 0.04)]
    gold: f64,
    /// Clips of the training round
    #[arg(long, value_name = "N", default_value_t = 5)]
    training: usize,
    /// Clips of the calibration round
    #[arg(long, value_name = "N", default_value_t = 10)]
    calibration: usize,
    /// Share of right labels that passes the calibration round
    #[arg(long, value_name = "SHARE", default_value_t = 0.6)]
    calibration_pass: f64,
    /// Minutes of work before a break is proposed; 0 for never
    #[arg(long, value_name = "MINUTES", default_value_t = 25)]
    break_after: u32,
    /// Most minutes of work a day; 0 for no limit
    #[arg(long, value_name = "MINUTES", default_value_t = 240)]
    daily_limit: u32,
    /// Cut this share off the bottom of pictures, against burned-in subtitles
    #[arg(long, value_name = "SHARE")]
    crop_bottom: Option<f64>,
    /// Let only sound below this frequency through, a condition of its own
    #[arg(long, value_name = "HZ")]
    low_pass: Option<u32>,
    /// Whom annotators can ask, shown to them
    #[arg(long, value_name = "TEXT", default_value = "")]
    contact: String,
    /// Seed of orders and designs
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Take at most so many clips
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct SourceArgs {
    /// Benchmark that emomm build made
    #[arg(long, value_name = "DIR")]
    bench: Option<PathBuf>,
    /// Folder of CMU-MOSI
    #[arg(long, value_name = "DIR")]
    mosi: Option<PathBuf>,
    /// Folder of CH-SIMS
    #[arg(long, value_name = "DIR")]
    ch_sims: Option<PathBuf>,
    /// Any folder with metadata.csv, metadata.jsonl or metadata.parquet
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

impl SourceArgs {
    fn source(&self, labels: Option<&PathBuf>) -> Option<Source> {
        let of = |path: &Option<PathBuf>, make: fn(PathBuf) -> Source| path.clone().map(make);
        let mosi = || self.mosi.clone().map(|folder| Source::Mosi { folder, labels: labels.cloned() });
        of(&self.bench, Source::Bench)
            .or_else(mosi)
            .or_else(|| of(&self.ch_sims, Source::ChSims))
            .or_else(|| of(&self.folder, Source::Folder))
    }
}

pub(crate) fn run(args: &InitArgs, printer: &Printer) -> Result<ExitStatus, Failure> {
    let settings = Settings {
        scheme: args.scheme,
        design: args.design,
        votes: args.votes,
        pass_order: args.order,
        multimodal_pass: args.multimodal,
        gate: args.gate,
        min_gap_minutes: args.min_gap,
        must_play: !args.no_must_play,
        repeat_share: args.repeats,
        gold_share: args.gold,
        training: args.training,
        calibration: args.calibration,
        calibration_pass: args.calibration_pass,
        break_after_minutes: args.break_after,
        daily_minutes: args.daily_limit,
        low_pass_hz: args.low_pass,
        crop_bottom: args.crop_bottom,
        contact: args.contact.clone(),
        seed: args.seed,
        ..Settings::default()
    };
    settings.check()?;
    let ffmpeg = Ffmpeg::locate()?;
    // One of them is there: clap sees to it.
    let Some(source) = args.source.source(args.mosi_labels.as_ref()) else {
        return Err(Failure::new(ExitStatus::Usage, "no clips to label"));
    };
    let mut clips = absolute(read_source(&source)?)?;
    if let Some(limit) = args.limit {
        clips.truncate(limit);
    }
    let practice = match &args.practice {
        Some(path) => Some(absolute(read_source(&Source::Folder(absolute_path(path)?))?)?),
        None => None,
    };
    // Before anything is written: whether the design fits.
    emomm_annotate::design::assign(&settings, clips.len(), args.annotators as usize)?;
    let project = Project::create(&args.project, &settings)?;
    let filled = fill(&project, &ffmpeg, clips, practice, args.annotators as usize, printer)?;
    report(&filled, args, printer)
}

/// Fills a project with a line of progress.
pub(crate) fn fill(
    project: &Project,
    ffmpeg: &Ffmpeg,
    clips: Vec<SourceClip>,
    practice: Option<Vec<SourceClip>>,
    n_annotators: usize,
    printer: &Printer,
) -> Result<Initialised, AnnotateError> {
    let n = clips.len();
    let spinner = printer.spinner(&format!("splitting {n} clips by modality"));
    let filled = project.fill(ffmpeg, clips, practice, n_annotators, &|done| {
        spinner.set_message(format!("splitting {n} clips by modality: {done}"));
    });
    spinner.finish_and_clear();
    filled
}

fn report(filled: &Initialised, args: &InitArgs, printer: &Printer) -> Result<ExitStatus, Failure> {
    let problems = [&filled.main, &filled.practice].map(|part| &part.problems);
    let n_problems = problems.iter().map(|p| p.len()).sum::<usize>();
    for problem in problems.iter().copied().flatten().take(MAX_NAMED) {
        printer.talk(&format!("problem: {problem}"));
    }
    if n_problems > MAX_NAMED {
        printer.talk(&format!("  and {} more", n_problems - MAX_NAMED));
    }
    let n_subtitles = filled.main.subtitles.len() + filled.practice.subtitles.len();
    if let Some(crop) = filled.main.crop_against_subtitles().or(filled.practice.crop_against_subtitles()) {
        printer.talk(&format!(
            "warning: {n_subtitles} pictures are likely to show subtitles, which give the words away; a new project with \
             --crop-bottom {crop} cuts nearly all of them off"
        ));
    }
    printer.talk("Invitations are shown once; send each to one person. A new one: emomm annotate invite.");
    let part = |part: &Imported| json!({ "clips": part.n_clips, "items": part.n_items });
    if args.json {
        printer.json(&json!({
            "project": args.project.display().to_string(),
            "main": part(&filled.main),
            "practice": part(&filled.practice),
            "problems": n_problems,
            "invitations": filled.invitations,
        }))?;
    } else {
        let mut text = format!(
            "clips        {:>6}\nitems        {:>6}\npractice     {:>6}\nproblems     {:>6}\n",
            filled.main.n_clips, filled.main.n_items, filled.practice.n_clips, n_problems
        );
        for invitation in &filled.invitations {
            let _ = writeln!(text, "{:<5}{:<11}{}", invitation.account, invitation.role, invitation.path);
        }
        printer.data(&text)?;
    }
    Ok(if n_problems == 0 { ExitStatus::Done } else { ExitStatus::Partial })
}

/// Media are read from other folders later.
fn absolute(clips: Vec<SourceClip>) -> Result<Vec<SourceClip>, Failure> {
    let at = |path: Option<PathBuf>| path.map(|p| absolute_path(&p)).transpose();
    clips
        .into_iter()
        .map(|c| Ok(SourceClip { video: at(c.video.clone())?, audio: at(c.audio.clone())?, ..c }))
        .collect()
}

fn absolute_path(path: &std::path::Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|e| Failure::new(ExitStatus::Usage, format!("{}: {e}", path.display())))
}
