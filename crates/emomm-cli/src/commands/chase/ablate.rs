//! `emomm chase ablate`: Table 2. The full method; without the router, as random steering under five seeds; without each
//! bias; without all of it.

use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::caveats::chosen;
use super::eval::{Place, open_router, run_variants};
use super::figures::{VariantFigures, as_json, table};
use super::session::Session;
use super::variants::variants;
use super::words::{SampleArgs, WhereArgs};
use crate::exit_status::{ExitStatus, Failure};
use crate::printer::Printer;

/// Seeds of random steering.
const SEEDS: u64 = 5;

#[derive(Debug, Args)]
pub(crate) struct AblateArgs {
    #[command(flatten)]
    pub(crate) place: WhereArgs,
    /// Router folder that `emomm chase train` wrote
    #[arg(long, value_name = "ROUTER")]
    pub(crate) router: PathBuf,
    /// The full method: a preset or a steering file
    #[arg(long, value_name = "NAME", default_value = "paper")]
    pub(crate) base: String,
    #[command(flatten)]
    pub(crate) samples: SampleArgs,
    /// Folder for the runs
    #[arg(long, value_name = "RUN")]
    pub(crate) out: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn run(args: &AblateArgs, printer: &Printer) -> Result<ExitStatus, Failure> {
    let mut session = Session::open(&args.place, printer)?;
    let router = open_router(&args.router, &session)?;
    let part = |name: &str| format!("{}+{name}", args.base);
    let mut list = vec![args.base.clone(), part("no_inter"), part("no_intra")];
    list.extend((1..=SEEDS).map(|seed| format!("{}@{seed}", part("no_router"))));
    let variants = variants(("--base", &list), Some((&args.router, &router)), args.samples.seed)?;
    let listed = (variants, &chosen(&list, &args.router)?[..]);
    let place = Place { out: &args.out, retry: false };
    let figures =
        run_variants(&mut session, (&args.router, &router), listed, &args.samples, &place, printer)?;
    let mean = mean_of_seeds(&figures);
    if args.json {
        let mut object = as_json(&figures);
        object["without_router"] = json!(mean.iter().map(|(s, a)| (*s, *a)).collect::<Vec<_>>());
        printer.json(&object)?;
    } else {
        printer.data(&table(&figures))?;
        let mut text = format!("w/o router, mean over {SEEDS} seeds:\n");
        for (subset, acc) in mean {
            let _ = writeln!(text, "  {subset:<28} {:>7.2}", 100.0 * acc);
        }
        printer.data(&text)?;
    }
    Ok(if figures.iter().any(|f| f.n_failed > 0) { ExitStatus::Partial } else { ExitStatus::Done })
}

/// Mean accuracy of random steering by subset.
fn mean_of_seeds(figures: &[VariantFigures]) -> Vec<(&'static str, f64)> {
    let random: Vec<&VariantFigures> = figures.iter().filter(|f| f.name.contains("+no_router@")).collect();
    let Some(first) = random.first() else { return Vec::new() };
    let mean = |subset: &&'static str| {
        let acc: Vec<f64> = random.iter().filter_map(|f| f.subsets.get(subset)?.acc).collect();
        (!acc.is_empty()).then(|| (*subset, acc.iter().sum::<f64>() / acc.len() as f64))
    };
    first.subsets.keys().filter_map(mean).collect()
}
