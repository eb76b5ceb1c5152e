//! `emomm chase eval`: every variant is an ordinary run folder, on the same samples, from one pass over the clips.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use emomm_chase::{LoadedRouter, RouterCard, Steerer, Variant, VariantKind, load_router, router_digest};
use emomm_eval::run::{LogWriter, Places, Plan, RunHeader, Selection};
use emomm_eval::runner::keyed;
use emomm_eval::{Missingness, PredictOptions};
use serde_json::{Value, json};

use super::caveats::{Chosen, caveats, chosen};
use super::figures::{VariantFigures, as_json, table};
use super::plan;
use super::runs::{OpenRun, is_done, read_back, shuffled, steer_all};
use super::session::Session;
use super::variants::variants;
use super::words::{SampleArgs, WhereArgs, in_order};
use crate::commands::eval::{bench_id, git_revision};
use crate::exit_status::{ExitStatus, Failure};
use crate::printer::Printer;

/// The file that names the variants of a folder.
const CHASE_FILE: &str = "chase.json";
/// Version of that file.
const FORMAT_VERSION: u32 = 1;

#[derive(Debug, Args)]
pub(crate) struct EvalArgs {
    #[command(flatten)]
    pub(crate) place: WhereArgs,
    /// Router folder that `emomm chase train` wrote
    #[arg(long, value_name = "ROUTER")]
    pub(crate) router: PathBuf,
    /// Presets, placebos, bounds, controls, comparators, BASE+NAME, NAME@SEED, or steering files (*.toml)
    #[arg(long, value_name = "NAME", value_delimiter = ',', required_unless_present = "plan")]
    pub(crate) variants: Vec<String>,
    /// Read variants, splits, coalitions and seed from a TOML file with the same words
    #[arg(long, value_name = "FILE", conflicts_with_all = ["variants", "split", "coalitions", "seed"])]
    pub(crate) plan: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) samples: SampleArgs,
    /// Ask again for records that are there without an answer
    #[arg(long)]
    pub(crate) retry: bool,
    /// Folder for the runs: OUT/VARIANT each; the same command again goes on where it stopped
    #[arg(long, value_name = "RUN")]
    pub(crate) out: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn run(args: &EvalArgs, printer: &Printer) -> Result<ExitStatus, Failure> {
    let (option, (names, samples)) = match &args.plan {
        Some(path) => (format!("--plan {}: variants", path.display()), plan::read(path, &args.samples)?),
        None => ("--variants".to_owned(), (args.variants.clone(), args.samples.clone())),
    };
    let mut session = Session::open(&args.place, printer)?;
    let router = open_router(&args.router, &session)?;
    let list = variants((&option, &names), Some((&args.router, &router)), samples.seed)?;
    let listed = (list, &chosen(&names, &args.router)?[..]);
    let place = Place { out: &args.out, retry: args.retry };
    let figures = run_variants(&mut session, (&args.router, &router), listed, &samples, &place, printer)?;
    if args.json {
        printer.json(&as_json(&figures))?;
    } else {
        printer.data(&table(&figures))?;
    }
    let failed = figures.iter().any(|f| f.n_failed > 0);
    Ok(if failed { ExitStatus::Partial } else { ExitStatus::Done })
}

/// Loads a router and refuses it for another model. Says where it was trained on prompts that keep missing modalities out in another
/// way.
pub(super) fn open_router(folder: &Path, session: &Session) -> Result<LoadedRouter, Failure> {
    let (router, card) = load_router(folder)?;
    card.check_model(folder, &session.model.id.sha256)?;
    warn_of_missing(folder, &card, session.args.missing);
    Ok(Arc::new((router, card)))
}

/// Says where a router was trained on prompts that keep missing modalities out in another way than is asked.
pub(super) fn warn_of_missing(folder: &Path, card: &RouterCard, asked: Missingness) {
    if card.missing != asked {
        Printer::new().talk(&format!(
            "warning: {}: the router was trained with --missing {}, expected {asked}; its gates for masked copies are of other prompts",
            folder.display(),
            card.missing
        ));
    }
}

/// Where variants are written.
pub(super) struct Place<'a> {
    /// The folder of their run folders.
    pub(super) out: &'a Path,
    /// Whether records without an answer are asked again.
    pub(super) retry: bool,
}

/// Runs variants, one run folder each, and gives their figures.
pub(super) fn run_variants(
    session: &mut Session,
    (router_folder, router): (&Path, &LoadedRouter),
    (list, chosen): (Vec<Variant>, &[Chosen]),
    samples: &SampleArgs,
    place: &Place<'_>,
    printer: &Printer,
) -> Result<Vec<VariantFigures>, Failure> {
    let out = place.out;
    let n_heads = session.white_box.shape().n_heads;
    let mut warnings = BTreeSet::new();
    for variant in &list {
        if let VariantKind::Steered(config) = &variant.kind {
            config.layers(session.white_box.shape(), Some(router.1.first_layer))?;
            warnings.extend(config.warnings(n_heads));
        }
    }
    for warning in &warnings {
        printer.talk(&format!("warning: {warning}"));
    }
    let coalitions = in_order(&samples.coalitions);
    let selected = session.clips(&samples.split, &coalitions)?;
    let ids: Vec<String> = selected.iter().map(|c| c.clip.id.clone()).collect();
    let caveats = caveats(session, &router.1, chosen, (&samples.split, &ids));
    for caveat in &caveats {
        printer.talk(&format!("warning: {caveat}"));
    }
    let mut steerer = Steerer::new(list, Some(Arc::clone(router)))?;
    steerer.importances = Some(session.importances(router)?);
    if steerer.needs_shuffled() && selected.len() < 2 {
        let message = "one clip is selected, and a variant needs the router's outputs for another";
        return Err(Failure::new(ExitStatus::Usage, message)
            .with_hint("select more clips, or leave the shuffled variants out"));
    }
    let others = if steerer.needs_shuffled() {
        shuffled(session, router, samples, &ids, printer)?
    } else {
        BTreeMap::new()
    };

    let digest = router_digest(router_folder)?;
    let n_records = selected.iter().map(|c| c.coalitions.len()).sum();
    let mut runs = Vec::new();
    for variant in steerer.variants() {
        let mut settings = session.model.settings(&PredictOptions::default());
        let router = if variant.is_plain() { Value::Null } else { Value::from(digest.clone()) };
        settings.steering = Some(
            json!({ "variant": variant.name, "kind": describe(variant), "router": router, "seed": samples.seed }),
        );
        let plan = Plan {
            settings,
            bench: bench_id(&session.manifest),
            selection: Selection {
                splits: samples.split.iter().map(|s| s.name().to_owned()).collect(),
                limit: session.args.limit.map(|l| l as usize),
                ..Selection::default()
            },
            coalitions: coalitions.clone(),
            seed: samples.seed,
            n_clips: selected.len(),
            n_records,
        };
        let places = Places { bench: absolute(&session.args.bench), model: session.model.place.clone() };
        let header = RunHeader::new(plan, places, git_revision());
        let folder = out.join(&variant.name);
        let (writer, records) = LogWriter::resume(&folder, &header, false)?;
        let done: BTreeSet<String> =
            records.iter().filter(|r| is_done(r.status, place.retry)).map(|r| r.key.clone()).collect();
        runs.push(OpenRun {
            folder,
            writer,
            items: keyed(selected.clone(), &header),
            done,
            pending: Vec::new(),
        });
    }
    let index = |session: &Session, figures: Option<&[VariantFigures]>| {
        write_index(out, &steerer, session, (router_folder, &digest), (samples, &caveats), figures)
    };
    index(session, None)?;
    steer_all(session, &steerer, router, &mut runs, &others, printer)?;
    let figures = read_back(session, &steerer, runs, samples.seed)?;
    index(session, Some(&figures))?;
    Ok(figures)
}

fn describe(variant: &Variant) -> Value {
    match &variant.kind {
        VariantKind::Steered(config) => json!({ "steered": **config }),
        VariantKind::Fused(fusion) => json!({ "fused": fusion }),
        VariantKind::Hinted => json!({ "hinted": emomm_eval::prompt::CONFLICT_HINT }),
    }
}

fn write_index(
    out: &Path,
    steerer: &Steerer,
    session: &Session,
    (router_folder, digest): (&Path, &str),
    (samples, caveats): (&SampleArgs, &[String]),
    figures: Option<&[VariantFigures]>,
) -> Result<(), Failure> {
    let shape = session.white_box.shape();
    let variants: Vec<Value> = steerer
        .variants()
        .iter()
        .map(|v| json!({ "name": v.name, "folder": v.name, "kind": describe(v) }))
        .collect();
    let index = json!({
        "format_version": FORMAT_VERSION,
        "model": session.model.id,
        "n_layers": shape.n_layers,
        "n_heads": shape.n_heads,
        "bench": bench_id(&session.manifest),
        "router": { "folder": absolute(router_folder), "sha256": digest },
        "splits": samples.split.iter().map(|s| s.name()).collect::<Vec<_>>(),
        "coalitions": in_order(&samples.coalitions),
        "seed": samples.seed,
        "baseline": "baseline",
        "variants": variants,
        "caveats": caveats,
        "figures": figures.map(as_json),
    });
    write_json(&out.join(CHASE_FILE), &index)
}

/// Writes a JSON file whole or not at all.
pub(super) fn write_json(path: &Path, value: &Value) -> Result<(), Failure> {
    let failed =
        |e: &dyn std::fmt::Display| Failure::new(ExitStatus::Usage, format!("{}: {e}", path.display()));
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|e| failed(&e))?;
    }
    let beside = path.with_extension("part");
    std::fs::write(&beside, format!("{value:#}\n"))
        .and_then(|()| std::fs::rename(&beside, path))
        .map_err(|e| failed(&e))
}

pub(super) fn absolute(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}
