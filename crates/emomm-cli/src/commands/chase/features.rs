//! `emomm chase features`: one clean decision step a sample, kept on disk.

use clap::Args;
use emomm_chase::TextScope;
use emomm_dataset::build::Split;
use serde_json::json;

use super::session::Session;
use super::words::{WhereArgs, from_word};
use crate::exit_status::{ExitStatus, Failure};
use crate::printer::Printer;

#[derive(Debug, Args)]
pub(crate) struct FeaturesArgs {
    #[command(flatten)]
    pub(crate) place: WhereArgs,
    /// Splits: train, valid or test
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "train,valid")]
    pub(crate) split: Vec<Split>,
    /// Which tokens are the text: transcript, with_instruction or all_text
    #[arg(long, value_name = "SCOPE", default_value = "transcript", value_parser = from_word::<TextScope>)]
    pub(crate) text_scope: TextScope,
    /// First tokens of the prompt that belong to no modality
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) sinks: usize,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn run(args: &FeaturesArgs, printer: &Printer) -> Result<ExitStatus, Failure> {
    let mut session = Session::open(&args.place, printer)?;
    let mut store = session.store(args.text_scope, args.sinks)?;
    let (n_clips, n_failed) = session.ensure_features(&mut store, &args.split, printer)?;
    let folder = store.folder().display().to_string();
    if args.json {
        printer.json(&json!({
            "folder": folder,
            "key": store.key(),
            "n_clips": n_clips,
            "n_failed": n_failed,
        }))?;
    } else {
        printer.data(&format!("{n_clips} clips, {n_failed} failed, features in {folder}\n"))?;
    }
    Ok(if n_failed > 0 { ExitStatus::Partial } else { ExitStatus::Done })
}
