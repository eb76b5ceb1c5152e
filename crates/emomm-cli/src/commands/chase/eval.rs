//! `emomm chase eval`: every variant is an ordinary run folder, on the same samples, from one pass over the clips.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use emomm_chase::{
    ALL, CleanReading, ClipKnowledge, LoadedRouter, Rng, Steerer, SubsetFigures, Variant, VariantKind,
    by_subset, load_router, router_digest,
};
use emomm_dataset::build::Split;
use emomm_dataset::{ModalitySet, Sentiment};
use emomm_eval::PredictOptions;
use emomm_eval::run::{
    LogWriter, Places, Plan, Record, RecordError, RecordStatus, Run, RunHeader, Selection,
};
use emomm_eval::runner::{WorkItem, keyed};
use serde_json::{Value, json};

use super::plan;
use super::session::Session;
use super::variants::{Tuned, variants};
use super::words::{SampleArgs, WhereArgs, in_order};
use crate::commands::eval::{bench_id, git_revision};
use crate::exit_status::{ExitStatus, Failure};
use crate::interrupt::Interrupts;
use crate::printer::Printer;

/// Clips whose records are written together.
const GROUP: usize = 8;
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

/// A variant's figures by subset.
pub(super) struct VariantFigures {
    pub(super) name: String,
    pub(super) subsets: BTreeMap<&'static str, SubsetFigures>,
    pub(super) n_failed: usize,
}

pub(crate) fn run(args: &EvalArgs, printer: &Printer) -> Result<ExitStatus, Failure> {
    let (names, samples) = match &args.plan {
        Some(path) => plan::read(path, &args.samples)?,
        None => (args.variants.clone(), args.samples.clone()),
    };
    let mut session = Session::open(&args.place, printer)?;
    let router = open_router(&args.router, &session)?;
    let list = variants(&names, Some((&args.router, &router)), samples.seed)?;
    let place = Place { out: &args.out, retry: args.retry };
    let figures = run_variants(&mut session, (&args.router, &router), list, &samples, &place, printer)?;
    if args.json {
        printer.json(&as_json(&figures))?;
    } else {
        printer.data(&table(&figures))?;
    }
    let failed = figures.iter().any(|f| f.n_failed > 0);
    Ok(if failed { ExitStatus::Partial } else { ExitStatus::Done })
}

/// Loads a router and refuses it for another model.
pub(super) fn open_router(folder: &Path, session: &Session) -> Result<LoadedRouter, Failure> {
    let (router, card) = load_router(folder)?;
    card.check_model(folder, &session.model.id.sha256)?;
    Ok(Arc::new((router, card)))
}

/// Says where settings were chosen on the very samples that are measured now.
fn warn_of_tuning(
    session: &Session,
    router_folder: &Path,
    list: &[Variant],
    splits: &[Split],
    printer: &Printer,
) {
    let used = |what: &Tuned| list.iter().any(|v| v.name.split('+').next() == Some(what.name()));
    for what in [Tuned::Settings, Tuned::StaticBias].iter().filter(|w| used(w)) {
        let search = std::fs::read(router_folder.join(what.search_file())).unwrap_or_default();
        let search: Value = serde_json::from_slice(&search).unwrap_or_default();
        let same = search["manifest_sha256"].as_str() == Some(&session.manifest.header.parquet_sha256);
        let chosen_on = |split: &&Split| {
            search["splits"]
                .as_array()
                .is_some_and(|all| all.iter().any(|s| s.as_str() == Some(split.name())))
        };
        if let Some(split) = splits.iter().find(chosen_on).filter(|_| same) {
            printer.talk(&format!(
                "warning: `{}` was chosen on the {} split of this benchmark: its figures here are no evidence",
                what.name(),
                split.name()
            ));
        }
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
    list: Vec<Variant>,
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
    warn_of_tuning(session, router_folder, &list, &samples.split, printer);
    let mut steerer = Steerer::new(list, Some(Arc::clone(router)))?;
    steerer.importances = Some(session.importances(router)?);
    let coalitions = in_order(&samples.coalitions);
    let chosen = session.clips(&samples.split, &coalitions)?;
    let others = if steerer.needs_shuffled() {
        shuffled(
            session,
            router,
            samples,
            &chosen.iter().map(|c| c.clip.id.clone()).collect::<Vec<_>>(),
            printer,
        )?
    } else {
        BTreeMap::new()
    };

    let digest = router_digest(router_folder)?;
    let n_records = chosen.iter().map(|c| c.coalitions.len()).sum();
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
            n_clips: chosen.len(),
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
            items: keyed(chosen.clone(), &header),
            done,
            pending: Vec::new(),
        });
    }
    write_index(out, &steerer, session, router_folder, &digest, samples, None)?;
    steer_all(session, &steerer, router, &mut runs, &others, printer)?;
    let figures = read_back(session, &steerer, runs, samples.seed)?;
    write_index(out, &steerer, session, router_folder, &digest, samples, Some(&figures))?;
    Ok(figures)
}

fn is_done(status: RecordStatus, retry: bool) -> bool {
    if retry { status == RecordStatus::Ok } else { !status.is_transient() }
}

struct OpenRun {
    folder: PathBuf,
    writer: LogWriter,
    items: Vec<WorkItem>,
    done: BTreeSet<String>,
    pending: Vec<Record>,
}

impl OpenRun {
    fn flush(&mut self) -> Result<(), Failure> {
        if !self.pending.is_empty() {
            self.writer.append(&self.pending)?;
            self.pending.clear();
        }
        Ok(())
    }
}

/// The router's clean outputs of the clip that stands in for a clip, by coalition and clip.
type Others = BTreeMap<(ModalitySet, String), Arc<CleanReading>>;

fn steer_all(
    session: &mut Session,
    steerer: &Steerer,
    router: &LoadedRouter,
    runs: &mut [OpenRun],
    others: &Others,
    printer: &Printer,
) -> Result<(), Failure> {
    let interrupts = Interrupts::listen(|line| Printer::new().talk(line));
    let n_clips = runs.first().map_or(0, |r| r.items.len());
    let spinner = printer.spinner("steering");
    for at in 0..n_clips {
        let clip = runs[0].items[at].clip.clone();
        let is_left = |coalition: ModalitySet| {
            runs.iter().any(|r| {
                r.items[at].wanted.iter().any(|w| w.coalition == coalition && !r.done.contains(&w.key))
            })
        };
        let asked: Vec<ModalitySet> =
            runs[0].items[at].wanted.iter().map(|w| w.coalition).filter(|c| is_left(*c)).collect();
        if asked.is_empty() {
            continue;
        }
        if interrupts.stop.asked() > 0 {
            runs.iter_mut().try_for_each(OpenRun::flush)?;
            spinner.finish_and_clear();
            return Err(Failure::new(
                ExitStatus::Interrupted,
                format!("interrupted after {at} of {n_clips} clips"),
            )
            .with_hint("issue the same command again to go on"));
        }
        spinner.set_message(format!("steering {at}/{n_clips}"));
        let (truth, unimodal) = (session.truth(&clip.id), session.unimodal(&clip.id));
        let rules = router.1.rules;
        let knowledge = ClipKnowledge {
            target: &|coalition| rules.target(truth, unimodal, coalition),
            other: &|coalition| others.get(&(coalition, clip.id.clone())).cloned(),
        };
        for (coalition, result) in steerer.run(session.white_box.as_mut(), &clip, &asked, &knowledge) {
            for (i, run) in runs.iter_mut().enumerate() {
                let Some(wanted) = run.items[at].wanted.iter().find(|w| w.coalition == coalition) else {
                    continue;
                };
                if run.done.contains(&wanted.key) {
                    continue;
                }
                let (key, sample) = (wanted.key.clone(), clip.id.clone());
                run.pending.push(match &result {
                    Ok(answers) => {
                        let answer = &answers[i];
                        let mut record = Record::of(key, sample, coalition, Ok(answer.prediction.clone()));
                        record.steering.clone_from(&answer.trace);
                        record
                    }
                    Err(error) => {
                        let error = RecordError::from(error.clone());
                        Record::failed(key, sample, coalition, RecordStatus::Error, error)
                    }
                });
            }
        }
        if (at + 1) % GROUP == 0 {
            runs.iter_mut().try_for_each(OpenRun::flush)?;
        }
    }
    spinner.finish_and_clear();
    runs.iter_mut().try_for_each(OpenRun::flush)
}

/// The answers of all runs, read from disk, as figures.
fn read_back(
    session: &Session,
    steerer: &Steerer,
    runs: Vec<OpenRun>,
    seed: u64,
) -> Result<Vec<VariantFigures>, Failure> {
    let mut by_variant: Vec<BTreeMap<(String, ModalitySet), Option<Sentiment>>> = Vec::new();
    let mut failed = Vec::new();
    for run in runs {
        let folder = run.folder.clone();
        drop(run);
        let read = Run::open(&folder)?;
        failed.push(read.records().iter().filter(|r| r.status != RecordStatus::Ok).count());
        by_variant
            .push(read.records().iter().map(|r| ((r.sample.clone(), r.coalition), r.answer())).collect());
    }
    let keys: Vec<(String, ModalitySet)> =
        by_variant.first().map_or(Vec::new(), |m| m.keys().cloned().collect());
    let judged: Vec<_> = keys.iter().map(|(id, shown)| session.judged(id, *shown)).collect();
    let answers = |at: usize| -> Vec<Option<Sentiment>> {
        keys.iter().map(|k| by_variant[at].get(k).copied().flatten()).collect()
    };
    let baseline = if by_variant.is_empty() { Vec::new() } else { answers(0) };
    let mut figures = Vec::new();
    for (at, variant) in steerer.variants().iter().enumerate() {
        let subsets = by_subset(&judged, &answers(at), &baseline, seed).map_err(metric)?;
        figures.push(VariantFigures { name: variant.name.clone(), subsets, n_failed: failed[at] });
    }
    Ok(figures)
}

/// A figure that could not be computed.
#[expect(clippy::needless_pass_by_value, reason = "the form that `map_err` takes")]
pub(super) fn metric(error: emomm_metrics::MetricError) -> Failure {
    Failure::new(ExitStatus::Data, error.to_string())
}

/// Readings of all clips, each handed to another one: by coalition a cycle in an order drawn by the seed.
fn shuffled(
    session: &mut Session,
    router: &LoadedRouter,
    samples: &SampleArgs,
    clips: &[String],
    printer: &Printer,
) -> Result<Others, Failure> {
    let mut store = session.store(router.1.text_scope, router.1.n_sinks)?;
    session.ensure(&mut store, &samples.split, &in_order(&samples.coalitions), printer)?;
    let wanted: BTreeSet<&str> = clips.iter().map(String::as_str).collect();
    let mut readings: BTreeMap<ModalitySet, Vec<(String, Arc<CleanReading>)>> = BTreeMap::new();
    let mut failure = None;
    store.for_each(|record| {
        if let Some(features) = record.features.filter(|_| wanted.contains(record.sample.as_str())) {
            match CleanReading::of(&features, &router.0, &router.1) {
                Ok(reading) => {
                    readings.entry(record.coalition).or_default().push((record.sample, Arc::new(reading)));
                }
                Err(error) => failure = Some(error),
            }
        }
    })?;
    if let Some(error) = failure {
        return Err(error.into());
    }
    let mut others = Others::new();
    for (coalition, mut list) in readings {
        list.sort_by(|a, b| a.0.cmp(&b.0));
        Rng::named(samples.seed, &format!("shuffle/{coalition}")).shuffle(&mut list);
        for (at, (id, _)) in list.iter().enumerate() {
            let other = Arc::clone(&list[(at + 1) % list.len()].1);
            others.insert((coalition, id.clone()), other);
        }
    }
    Ok(others)
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
    router_folder: &Path,
    digest: &str,
    samples: &SampleArgs,
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

/// The contract's object: for each variant its name and, under the name of each subset, its figures.
pub(super) fn as_json(figures: &[VariantFigures]) -> Value {
    let variant = |f: &VariantFigures| {
        let mut object = serde_json::Map::new();
        object.insert("name".to_owned(), Value::from(f.name.clone()));
        object.insert("n_failed".to_owned(), Value::from(f.n_failed));
        for (subset, figures) in &f.subsets {
            object.insert((*subset).to_owned(), json!(figures));
        }
        Value::Object(object)
    };
    json!({ "variants": figures.iter().map(variant).collect::<Vec<_>>() })
}

/// Accuracy of each variant by subset, with the difference to the baseline.
pub(super) fn table(figures: &[VariantFigures]) -> String {
    let mut subsets: Vec<&str> = figures.iter().flat_map(|f| f.subsets.keys().copied()).collect();
    subsets.sort_unstable();
    subsets.dedup();
    let mut text = String::new();
    for subset in subsets {
        let n = figures.iter().find_map(|f| f.subsets.get(subset)).map_or(0, |f| f.n);
        let clusters = figures.iter().find_map(|f| f.subsets.get(subset)).map_or(0, |f| f.n_clusters);
        let name = if subset == ALL { "all samples" } else { subset };
        let _ = writeln!(text, "{name}: {n} samples in {clusters} groups");
        let _ = writeln!(
            text,
            "  {:<28} {:>7} {:>7} {:>7}  {:>8} {:>18} {:>7}  flips +/-",
            "variant", "Acc", "F1", "MAE", "Δ Acc", "95 % interval", "p"
        );
        for variant in figures {
            let Some(f) = variant.subsets.get(subset) else { continue };
            let number = |x: Option<f64>, scale: f64, digits: usize| {
                x.map_or("-".to_owned(), |x| format!("{:.*}", digits, x * scale))
            };
            let interval = match f.delta.and_then(|d| Some((d.low?, d.high?))) {
                Some((low, high)) => format!("[{:+.2}, {:+.2}]", 100.0 * low, 100.0 * high),
                None => "-".to_owned(),
            };
            let _ = writeln!(
                text,
                "  {:<28} {:>7} {:>7} {:>7}  {:>8} {:>18} {:>7}  {}/{}",
                variant.name,
                number(f.acc, 100.0, 2),
                number(f.macro_f1, 100.0, 2),
                number(f.mae, 1.0, 3),
                f.delta.map_or("-".to_owned(), |d| format!("{:+.2}", 100.0 * d.value)),
                interval,
                number(f.delta.and_then(|d| d.p), 1.0, 4),
                f.wrong_to_right,
                f.right_to_wrong
            );
        }
    }
    text
}
