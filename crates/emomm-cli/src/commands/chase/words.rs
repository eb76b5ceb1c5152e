//! Options that the commands of `emomm chase` share.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use emomm_dataset::ModalitySet;
use emomm_dataset::build::Split;

use crate::cli::ComputeArgs;
use crate::exit_status::{ExitStatus, Failure};

/// Model, benchmark, cache.
#[derive(Debug, Clone, Args)]
pub(crate) struct WhereArgs {
    /// Checkpoint folder in the Hugging Face layout, or `embedded`
    #[arg(long, value_name = "DIR", allow_hyphen_values = true)]
    pub(crate) model: PathBuf,
    /// Folder of the benchmark
    #[arg(long, value_name = "BENCH")]
    pub(crate) bench: PathBuf,
    /// Folder of cached features; the user's cache without it
    #[arg(long, value_name = "DIR")]
    pub(crate) features: Option<PathBuf>,
    /// Folder for encoder outputs, which commands and runs share, or off; in the user's cache without it
    #[arg(long, value_name = "DIR")]
    pub(crate) cache: Option<PathBuf>,
    /// At most so many clips of each split
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: Option<u64>,
    /// Corpora, by name; all without it
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) corpus: Vec<String>,
    /// How frames are chosen: qwen (by index, as the reference) or time (nearest to even times)
    #[arg(long, value_name = "MODE", default_value = "qwen", value_parser = crate::cli::sampling_mode)]
    pub(crate) sampling: emomm_media::SamplingMode,
    /// How modalities that a coalition lacks are kept from the model: omit (out of the prompt), blank (their places stay) or
    /// mask (nothing attends to them)
    #[arg(long, value_name = "HOW", default_value = "omit")]
    pub(crate) missing: emomm_eval::Missingness,
    #[command(flatten)]
    pub(crate) compute: ComputeArgs,
}

/// The samples that are steered.
#[derive(Debug, Clone, Args)]
pub(crate) struct SampleArgs {
    /// Splits: train, valid or test
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "test")]
    pub(crate) split: Vec<Split>,
    /// Coalitions, as TAV,TA,TV,AV (default)
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "TAV,TA,TV,AV")]
    pub(crate) coalitions: Vec<ModalitySet>,
    /// Seed of placebos, shuffles, intervals and tests
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
}

/// The coalitions of a list, each once, in the usual order.
pub(crate) fn in_order(list: &[ModalitySet]) -> Vec<ModalitySet> {
    ModalitySet::ALL.into_iter().filter(|c| list.contains(c)).collect()
}

/// Reads a word as JSON does, so that options and files have the same words.
pub(crate) fn from_word<T: serde::de::DeserializeOwned>(word: &str) -> Result<T, String> {
    crate::cli::word(word)
}

/// Text as TOML, with `--option` named in the error.
pub(crate) fn toml_table(option: &str, text: &str) -> Result<toml::Table, Failure> {
    toml::Table::from_str(text).map_err(|e| {
        Failure::new(ExitStatus::Usage, format!("{option}: {}", e.message())).with_hint(
            "names and ranges of options and of steering files stand in docs/contract.md under `emomm chase`",
        )
    })
}
