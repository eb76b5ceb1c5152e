//! `emomm demo`: the main job in one command: a synthetic world, its benchmark, an evaluation, a router and what steering by
//! it does, and what all of it shows.
//!
//! Every step is a command of its own, said before it begins; run again, each goes on where it stopped. Nothing outside of
//! `--out` is touched: the embedded model is unpacked there, too.

mod finding;
mod steering;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Instant;

use emomm_eval::run::Run;
use emomm_eval::score::{self, RecordColumn, ScoreOptions};
use emomm_media::Ffmpeg;
use serde_json::json;

use crate::cli::{Cli, DemoArgs};
use crate::commands::verify::read_benchmark;
use crate::exit_status::{ExitStatus, Failure};
use crate::model_source;
use crate::printer::Printer;

use finding::Finding;
use steering::Steering;

/// Clips of each corpus: about five minutes, and about one, on two cores.
const CLIPS: u32 = 200;
const QUICK_CLIPS: u32 = 30;
/// Seed of the demo's world. No model was trained on it.
const SEED: u64 = 20_260;
/// The router's: the paper's is for more clips than the demo has.
const LEARNING_RATE: &str = "1e-3";
/// What is compared on the page about CHASE.
const VARIANTS: &str = "paper,two_pass,random_gate,random_heads,shuffled_router,oracle_gate,always_on,late_fusion,\
                        two_pass+random_gate,two_pass+oracle_gate";
/// Most workers of the evaluation; each holds the model.
const MOST_JOBS: usize = 8;

const OUT_HINT: &str = "--out takes a folder that may be written; it is made if need be";

pub(crate) fn run(args: &DemoArgs, printer: &Printer) -> Result<ExitStatus, Failure> {
    Ffmpeg::locate()?;
    let clips = args.clips.unwrap_or(if args.quick { QUICK_CLIPS } else { CLIPS });
    // Worlds of other sizes are other worlds.
    let folder = args.out.join(format!("clips-{clips}"));
    std::fs::create_dir_all(&folder).map_err(|e| {
        Failure::new(ExitStatus::Usage, format!("{}: {e}", folder.display())).with_hint(OUT_HINT)
    })?;
    let model = args.out.join("model");
    model_source::unpack(&model, OUT_HINT, printer)?;
    Demo { folder, model, clips, printer }.run(args.json)
}

struct Demo<'a> {
    folder: PathBuf,
    model: PathBuf,
    clips: u32,
    printer: &'a Printer,
}

/// One command: what it is for, and its words.
struct Step {
    what: &'static str,
    words: Vec<OsString>,
}

impl Step {
    fn new(what: &'static str, command: &str) -> Self {
        Self { what, words: vec![command.into()] }
    }

    fn word(mut self, word: impl Into<OsString>) -> Self {
        self.words.push(word.into());
        self
    }

    fn option(self, name: &str, value: impl Into<OsString>) -> Self {
        self.word(name).word(value)
    }

    /// The command as one would type it.
    fn line(&self) -> String {
        let quoted = |word: &OsString| {
            let word = word.to_string_lossy();
            if word.contains(' ') { format!("'{word}'") } else { word.into_owned() }
        };
        let words: Vec<_> = self.words.iter().map(quoted).collect();
        format!("emomm {}", words.join(" "))
    }
}

impl Demo<'_> {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A command of `emomm chase` on the model, the benchmark and the caches of the demo.
    fn chase(&self, what: &'static str, command: &str) -> Step {
        Step::new(what, "chase")
            .word(command)
            .option("--model", &self.model)
            .option("--bench", self.path("bench"))
            .option("--features", self.path("features"))
            .option("--cache", self.path("cache"))
    }

    fn steps(&self) -> Vec<Step> {
        let (world, bench, run) = (self.path("world"), self.path("bench"), self.path("run"));
        let (router, chase) = (self.path("router"), self.path("chase"));
        let jobs = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_JOBS);
        vec![
            Step::new("a world of synthetic clips", "synth")
                .word(&world)
                .option("--clips", self.clips.to_string())
                .option("--seed", SEED.to_string()),
            Step::new("its benchmark", "build")
                .option("--ch-sims", world.join("ch-sims"))
                .option("--mosi", world.join("cmu-mosi"))
                .option("--mosi-labels", world.join("cmu-mosi-labels.csv"))
                .option("--curate", "all")
                .option("--out", &bench),
            Step::new("the proof that it leaks nothing", "verify").word(&bench),
            Step::new("the model's answers under all eight coalitions", "eval")
                .option("--model", &self.model)
                .option("--bench", &bench)
                .option("--out", &run)
                .option("--attention", "summary")
                .option("--cache", self.path("cache"))
                .option("--jobs", jobs.to_string()),
            self.chase("a router that learns which modality is right, from the train split", "train")
                .option("--learning-rate", LEARNING_RATE)
                .option("--out", &router),
            self.chase("the model steered by it on the test split, with placebos and a bound", "eval")
                .option("--router", &router)
                .option("--variants", VARIANTS)
                .option("--split", "test")
                .option("--coalitions", "TAV")
                .option("--out", &chase),
            self.chase("where the evidence enters: attention knock-out on the valid split", "trace")
                .option("--split", "valid")
                .option("--coalitions", "TAV")
                .option("--out", chase.join("trace.json")),
            Step::new("the report", "report")
                .word(&run)
                .option("--chase", &chase)
                .option("--out", self.path("report"))
                .option("--title", "Synthetic clips")
                .word("--include-media"),
        ]
    }

    fn run(&self, json: bool) -> Result<ExitStatus, Failure> {
        let begin = Instant::now();
        let steps = self.steps();
        for (i, step) in steps.iter().enumerate() {
            self.take(&format!("{}/{}", i + 1, steps.len()), step)?;
        }
        let finding = self.finding()?;
        let steering = Steering::read(&self.path("chase"))?;
        let page = self.path("report").join("index.html");
        if json {
            self.printer.json(&json!({
                "synthetic": true,
                "world": self.path("world"),
                "bench": self.path("bench"),
                "run": self.path("run"),
                "router": self.path("router"),
                "chase": self.path("chase"),
                "report": page,
                "seconds": begin.elapsed().as_secs_f64(),
                "figures": finding,
                "steering": steering,
            }))?;
        } else {
            let open = page.display();
            self.printer.data(&format!("{}{}\nOpen next: {open}\n", finding.text(), steering.text()))?;
        }
        Ok(ExitStatus::Done)
    }

    /// Runs one command. What it prints is left to those who call it themselves; progress and failures are shown.
    fn take(&self, place: &str, step: &Step) -> Result<(), Failure> {
        self.printer.talk(&format!("{place}  {}\n     {}", step.what, step.line()));
        let begin = Instant::now();
        let command = Cli::command_of(&step.words)?;
        let status = crate::run(&command, &Printer::progress_only())?;
        if status != ExitStatus::Done {
            return Err(Failure::new(status, format!("step {place} ended with a problem"))
                .with_hint(format!("`{}` says which", step.line())));
        }
        self.printer.talk(&format!("     {:.0} s", begin.elapsed().as_secs_f64()));
        Ok(())
    }

    fn finding(&self) -> Result<Finding, Failure> {
        let manifest = read_benchmark(&self.path("bench"))?;
        let run = Run::open(&self.path("run"))?;
        let answers = score::of_run(&run, &manifest, RecordColumn::Auto)?;
        let spinner = self.printer.spinner("scoring");
        let report = score::score(&answers, &ScoreOptions::default());
        spinner.finish_and_clear();
        Ok(Finding::of(&report?))
    }
}
