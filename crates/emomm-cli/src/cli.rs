//! The command line: commands, options, words.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use emomm_dataset::build::Curation;
use emomm_dataset::{
    ConflictLevel, Corpus, Equality, FindingKind, ModalitySet, OffGrid, PolaritySource, Policy,
    VocabularyError, VoteMap, day_of,
};
use emomm_eval::Missingness;
use emomm_eval::score::{self, AnswerColumn, ClusterBy, OnBadRow};
use emomm_media::SamplingMode;
use emomm_metrics::{Acc2, ConflictReading, Unparsed};
use emomm_models::{ComputeType, DeviceKind};
use serde::de::DeserializeOwned;

use crate::commands::annotate::AnnotateArgs;
use crate::commands::chase::ChaseArgs;
use crate::commands::compare::CompareArgs;
use crate::commands::errors::ErrorsArgs;
use crate::commands::eval::EvalArgs;
use crate::commands::log::LogArgs;
use crate::commands::merge::MergeArgs;
use crate::commands::rescore::RescoreArgs;
use crate::commands::retry::RetryArgs;
use crate::commands::synth::SynthArgs;
use crate::exit_status::{ExitStatus, Failure};
use crate::picture_args::PictureArgs;
use crate::served_args::{AccessArgs, ConditionArgs};

/// Which modality does a multimodal model listen to?
#[derive(Debug, Parser)]
#[command(name = "emomm", version, max_term_width = 100, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// The command that these words are, without the program's name.
    pub(crate) fn command_of(words: &[OsString]) -> Result<Command, Failure> {
        let program = OsString::from("emomm");
        Self::try_parse_from(std::iter::once(&program).chain(words))
            .map(|cli| cli.command)
            .map_err(|e| Failure::new(ExitStatus::Usage, e.to_string()))
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build a benchmark from corpora: labels, subsets, splits, masked copies
    Build(BuildArgs),
    /// Prove that a benchmark leaks nothing between splits and holds its definitions
    Verify(VerifyArgs),
    /// Describe a benchmark: classes, C_ij, subsets, splits
    Stats(StatsArgs),
    /// Write tables, figures and case cards of runs as a static page
    Report(crate::commands::report::ReportArgs),
    /// Answer the paper's prompt for one clip, once for each coalition of modalities
    Predict(Box<PredictArgs>),
    /// CHASE: train a conflict router on a frozen model, steer with it, ablate, diagnose
    Chase(ChaseArgs),
    /// Score predictions that were made anywhere, from a CSV, JSONL or Parquet file
    Score(ScoreArgs),
    /// Run a model over the benchmark under every coalition; the same command again goes on where it stopped
    Eval(Box<EvalArgs>),
    /// Compare two runs on the same samples: paired differences, tests, flips
    Compare(CompareArgs),
    /// Ask again for the records of runs that have no answer
    Retry(RetryArgs),
    /// Say what went wrong in runs, grouped
    Errors(ErrorsArgs),
    /// Parse the replies of runs again and compute their figures again, without a model
    Rescore(RescoreArgs),
    /// Make one run of the shards of one plan
    Merge(MergeArgs),
    /// Write the log of a run in the forms of other tools, or make a run of theirs
    Log(LogArgs),
    /// Unimodal labels by people: make, serve and read annotation projects
    Annotate(AnnotateArgs),
    /// Make a synthetic world, its benchmark, an evaluation of the embedded model, and say what they show
    Demo(DemoArgs),
    /// Write the synthetic clip world: two corpora whose truth is known, as true media files
    Synth(SynthArgs),
    /// Say what is there and what is missing: ffmpeg, devices, memory
    Doctor(DoctorArgs),
    /// List the models that can be loaded
    Models(ModelsArgs),
}

#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    /// Folder of CH-SIMS v2.0, or v1
    #[arg(long, value_name = "DIR")]
    pub(crate) ch_sims: Option<PathBuf>,
    /// Folder of CMU-MOSI, in the MMSA or the original layout
    #[arg(long, value_name = "DIR")]
    pub(crate) mosi: Option<PathBuf>,
    /// Unimodal labels of CMU-MOSI, CSV or XLSX: scores, or votes to be averaged
    #[arg(long, value_name = "FILE", requires = "mosi")]
    pub(crate) mosi_labels: Option<PathBuf>,
    /// Any other corpus: a folder with metadata.csv, metadata.jsonl or metadata.parquet; several may be given
    #[arg(long, value_name = "DIR", num_args = 1..)]
    pub(crate) folder: Vec<PathBuf>,
    /// Folder for the benchmark: new, empty, or an older benchmark, which is replaced
    #[arg(long, value_name = "BENCH")]
    pub(crate) out: PathBuf,
    /// Which clips are taken: paper (the counts of App. A.1) or all
    #[arg(long, value_name = "NAME", default_value = "paper")]
    pub(crate) curate: Curation,
    /// Choose clips so that the tables in this JSON file are met as nearly as they can be
    #[arg(long, value_name = "FILE")]
    pub(crate) match_tables: Option<PathBuf>,
    /// Class map of averaged votes: own (the corpus's), ch-sims or cmu-mosi
    #[arg(long, value_name = "NAME", default_value = "own")]
    pub(crate) vote_map: VoteMap,
    /// What is done about scores off the 0.2 grid: snap, drop or error
    #[arg(long, value_name = "NAME", default_value = "snap")]
    pub(crate) off_grid: OffGrid,
    /// What is done about a kind of finding: keep, drop or error, for example duplicate-text=drop; may be repeated
    #[arg(long, value_name = "KIND=POLICY", value_parser = kind_and_policy)]
    pub(crate) policy: Vec<(FindingKind, Policy)>,
    /// What must differ from the ground truth for a conflict: polarity or class5
    #[arg(long, value_name = "NAME", default_value = "polarity")]
    pub(crate) conflict: ConflictLevel,
    /// What must be equal for the part Equal of Align: class or score
    #[arg(long, value_name = "NAME", default_value = "class")]
    pub(crate) equality: Equality,
    /// From what a polarity follows: class, or raw-sign (of the score before it is put on the grid)
    #[arg(long, value_name = "NAME", default_value = "class", value_parser = word::<PolaritySource>)]
    pub(crate) polarity: PolaritySource,
    /// CSV file with video_id and speaker, so that speakers are kept in one split
    #[arg(long, value_name = "FILE")]
    pub(crate) speakers: Option<PathBuf>,
    /// Seed of curation and splits
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Neither look for media nor hash them
    #[arg(long)]
    pub(crate) labels_only: bool,
    /// Day of publication, YYYY-MM-DD, for croissant.json; none is stated without it
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub(crate) date_published: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Folder of the benchmark
    #[arg(value_name = "BENCH")]
    pub(crate) bench: PathBuf,
    /// Also check that the media match their hashes
    #[arg(long)]
    pub(crate) media: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct StatsArgs {
    /// Folder of the benchmark
    #[arg(value_name = "BENCH")]
    pub(crate) bench: PathBuf,
    /// Also write Figures 6 to 8 into this folder: SVG, PNG and their data as CSV
    #[arg(long, value_name = "DIR")]
    pub(crate) figures: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) form: StatsForm,
}

/// How tables are written; for a terminal without any of these.
#[derive(Debug, Clone, Copy, Args)]
#[group(multiple = false)]
pub(crate) struct StatsForm {
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Print CSV, one value a line
    #[arg(long)]
    pub(crate) csv: bool,
    /// Print LaTeX tables, which need the package booktabs
    #[arg(long)]
    pub(crate) latex: bool,
    /// Print Markdown tables
    #[arg(long)]
    pub(crate) markdown: bool,
}

/// Where and how to compute.
#[derive(Debug, Clone, Args)]
pub(crate) struct ComputeArgs {
    /// Where to compute: cpu, cuda or metal
    #[arg(long, value_name = "NAME", default_value = "cpu")]
    pub(crate) device: DeviceKind,
    /// In which type: f32, bf16, f16, q8_0 or q4_k
    #[arg(long, value_name = "NAME", default_value = "f32")]
    pub(crate) dtype: ComputeType,
}

#[derive(Debug, Args)]
pub(crate) struct PredictArgs {
    /// Checkpoint folder in the Hugging Face layout, `embedded`, gemini:MODEL or openai:BASE_URL#MODEL
    #[arg(long, value_name = "DIR", allow_hyphen_values = true)]
    pub(crate) model: PathBuf,
    /// File whose picture is used
    #[arg(long, value_name = "FILE", allow_hyphen_values = true)]
    pub(crate) video: Option<PathBuf>,
    /// File whose sound is used; may be the video's own file
    #[arg(long, value_name = "FILE", allow_hyphen_values = true)]
    pub(crate) audio: Option<PathBuf>,
    /// The transcript
    #[arg(long, value_name = "TEXT", conflicts_with = "text_file", allow_hyphen_values = true)]
    pub(crate) text: Option<String>,
    /// File that holds the transcript, UTF-8
    #[arg(long, value_name = "FILE", allow_hyphen_values = true)]
    pub(crate) text_file: Option<PathBuf>,
    /// Corpus whose score sets the prompt names: ch-sims or cmu-mosi
    #[arg(long, value_name = "NAME", default_value = "ch-sims")]
    pub(crate) corpus: Corpus,
    /// Modalities to show: none, T, A, V, TA, TV, AV or TAV; without it, what was given
    #[arg(long, value_name = "C", conflicts_with = "all_coalitions")]
    pub(crate) coalition: Option<ModalitySet>,
    /// Show every subset of what was given
    #[arg(long)]
    pub(crate) all_coalitions: bool,
    /// Report nMAS and attention mass of the decision row, by layer and head
    #[arg(long)]
    pub(crate) attention: bool,
    /// Let the model write its reply and parse it
    #[arg(long)]
    pub(crate) generate: bool,
    /// Most tokens of a reply; without this option 32, or 1024 of a served model
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) max_new_tokens: Option<u32>,
    /// Write the rendered prompt there: a file, or with --all-coalitions a folder
    #[arg(long, value_name = "PATH", allow_hyphen_values = true)]
    pub(crate) prompt_out: Option<PathBuf>,
    /// Write the decision row there: attention, residuals, letters by layer (logit lens); a safetensors file, or with
    /// --all-coalitions a folder
    #[arg(long, value_name = "PATH", allow_hyphen_values = true)]
    pub(crate) decision_out: Option<PathBuf>,
    /// Steer the decision row as this TOML file says
    #[arg(long, value_name = "FILE")]
    pub(crate) steer: Option<PathBuf>,
    /// Router of --steer, where the file names none
    #[arg(long, value_name = "ROUTER", requires = "steer")]
    pub(crate) router: Option<PathBuf>,
    /// How frames are chosen: qwen (by index, as the reference) or time (nearest to even times)
    #[arg(long, value_name = "MODE", default_value = "qwen", value_parser = sampling_mode)]
    pub(crate) sampling: SamplingMode,
    #[command(flatten)]
    pub(crate) picture: PictureArgs,
    /// How modalities that the coalition lacks are kept from the model: omit (out of the prompt), blank (their places stay) or
    /// mask (nothing attends to them)
    #[arg(long, value_name = "HOW", default_value = "omit")]
    pub(crate) missing: Missingness,
    #[command(flatten)]
    pub(crate) compute: ComputeArgs,
    #[command(flatten)]
    pub(crate) served: ConditionArgs,
    #[command(flatten)]
    pub(crate) access: AccessArgs,
    /// Print one JSON object per coalition
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ScoreArgs {
    /// File of predictions (CSV, JSONL or Parquet, by extension or by content), or the folder of a run
    #[arg(value_name = "FILE|RUN")]
    pub(crate) file: PathBuf,
    /// Folder of the benchmark whose labels, groups and subsets hold for the ids of the file; a run names its own
    #[arg(long, value_name = "BENCH", conflicts_with = "corpus")]
    pub(crate) bench: Option<PathBuf>,
    /// Corpus of rows that name none
    #[arg(long, value_name = "NAME", default_value = "ch-sims")]
    pub(crate) corpus: String,
    /// Column of the answers: label, letter or reply_letter; auto takes the first of them that holds one
    #[arg(long, value_name = "COLUMN", default_value = "auto", value_parser = word::<AnswerColumn>)]
    pub(crate) answer: AnswerColumn,
    /// What becomes of rows that cannot be read or contradict others: error or skip
    #[arg(long, value_name = "RULE", default_value = "error", value_parser = word::<OnBadRow>)]
    pub(crate) on_bad_row: OnBadRow,
    /// What becomes of true scores off the 0.2 grid: error or snap
    #[arg(long, value_name = "RULE", default_value = "error", value_parser = word::<score::OffGrid>)]
    pub(crate) off_grid: score::OffGrid,
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
    #[arg(long, value_name = "RULE", default_value = "run", value_parser = word::<score::EmptyValue>)]
    pub(crate) empty_value: score::EmptyValue,
    /// What the bootstrap draws: group (speaker or video) or clip
    #[arg(long, value_name = "UNIT", default_value = "group", value_parser = word::<ClusterBy>)]
    pub(crate) cluster: ClusterBy,
    /// Resamples behind each interval
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) resamples: u32,
    /// Seed of the resamples
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Folder for everything that the demo writes
    #[arg(long, value_name = "DIR", default_value = "emomm-demo")]
    pub(crate) out: PathBuf,
    /// A smaller world: about a minute instead of five
    #[arg(long)]
    pub(crate) quick: bool,
    /// Clips of each of the two corpora, instead of 200 or with --quick 30
    #[arg(long, value_name = "N", conflicts_with = "quick", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) clips: Option<u32>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Also say what this checkpoint takes in memory
    #[arg(long, value_name = "DIR")]
    pub(crate) model: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ModelsArgs {
    /// Print one JSON object per model
    #[arg(long)]
    pub(crate) json: bool,
}

fn kind_and_policy(pair: &str) -> Result<(FindingKind, Policy), String> {
    let (kind, policy) =
        pair.split_once('=').ok_or("expected KIND=POLICY, for example duplicate-text=drop")?;
    let said = |error: VocabularyError| error.to_string();
    Ok((kind.parse().map_err(said)?, policy.parse().map_err(said)?))
}

/// A day that the calendar has.
fn date(text: &str) -> Result<String, String> {
    day_of(text).map(|_| text.to_owned()).ok_or_else(|| "expected a day as in 2026-01-31".to_owned())
}

pub(crate) fn sampling_mode(word: &str) -> Result<SamplingMode, String> {
    match word {
        "qwen" => Ok(SamplingMode::Qwen),
        "time" => Ok(SamplingMode::Time),
        _ => Err("expected qwen or time".to_owned()),
    }
}

/// Reads a word as JSON does, so that options and JSON have the same words.
pub(crate) fn word<T: DeserializeOwned>(word: &str) -> Result<T, String> {
    serde_json::from_value(serde_json::Value::from(word)).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }
}
