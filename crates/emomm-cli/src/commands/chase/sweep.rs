//! `emomm chase sweep`: a grid or a list of settings, all of them as one batch of variants on one prefill a sample.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use emomm_chase::{ClipKnowledge, Steerer, SteeringConfig, SubsetFigures, Variant, VariantKind, by_subset};
use emomm_dataset::Sentiment;
use emomm_dataset::build::Split;
use serde_json::{Value, json};

use super::eval::{open_router, write_json};
use super::figures::metric;
use super::points::{Point, points};
use super::session::Session;
use super::variants::{Tuned, variant};
use super::words::{SampleArgs, WhereArgs, from_word, in_order};
use crate::exit_status::{ExitStatus, Failure};
use crate::interrupt::Interrupts;
use crate::printer::Printer;

#[derive(Debug, Args)]
pub(crate) struct SweepArgs {
    #[command(flatten)]
    pub(crate) place: WhereArgs,
    /// Router folder that `emomm chase train` wrote
    #[arg(long, value_name = "ROUTER")]
    pub(crate) router: PathBuf,
    /// What the points begin with: a preset or a steering file
    #[arg(long, value_name = "NAME", default_value = "paper")]
    pub(crate) base: String,
    /// TOML: lists under the names of a steering file; every combination is a point
    #[arg(long, value_name = "TOML|FILE", conflicts_with = "list")]
    pub(crate) grid: Option<String>,
    /// TOML file with a list `[[point]]` of settings
    #[arg(long, value_name = "FILE")]
    pub(crate) list: Option<PathBuf>,
    /// Keep the point of the best balanced accuracy on Align and Conflict beside the router: settings (the variant
    /// `tuned`) or static_bias (the control of that name); on the valid split alone
    #[arg(
        long,
        value_name = "WHAT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "settings",
        value_parser = from_word::<Tuned>
    )]
    pub(crate) tune: Option<Tuned>,
    /// The whole benchmark is for development, the evidence comes from another: --tune may also choose on its test split
    #[arg(long, requires = "tune")]
    pub(crate) development: bool,
    #[command(flatten)]
    pub(crate) samples: SampleArgs,
    /// File for the figures, JSON; a CSV of the same name beside it
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// A choice is made where the router has not learnt and nothing is measured afterwards.
fn check_splits(args: &SweepArgs) -> Result<(), Failure> {
    let splits = &args.samples.split;
    if !args.development && splits != &[Split::Valid] {
        let message = "--tune chooses on the validation split alone, expected --split valid";
        return Err(Failure::new(ExitStatus::Usage, message)
            .with_hint("choose on valid, then measure on test with `emomm chase eval`"));
    }
    if splits.contains(&Split::Train) {
        let message =
            "--tune on the train split, where the router knows the answers; expected valid, or valid,test";
        return Err(Failure::new(ExitStatus::Usage, message).with_hint("give --split valid,test"));
    }
    Ok(())
}

pub(crate) fn run(args: &SweepArgs, printer: &Printer) -> Result<ExitStatus, Failure> {
    if args.tune.is_some() {
        check_splits(args)?;
    }
    let mut session = Session::open(&args.place, printer)?;
    let router = open_router(&args.router, &session)?;
    // A static bias stands alone.
    let base = if args.tune == Some(Tuned::StaticBias) { "baseline" } else { &args.base };
    let base = variant(("--base", base), Some((&args.router, &router)), args.samples.seed)?;
    let VariantKind::Steered(base) = &base.kind else {
        return Err(Failure::new(ExitStatus::Usage, format!("--base {}: expected a steering", args.base)));
    };
    let points = points(args, base, &router.1)?;
    if args.tune.is_some() && points.iter().any(|p| p.config.needs_labels()) {
        let message =
            "--tune among points that are told the labels (`oracle`): what is chosen would be no setting";
        return Err(Failure::new(ExitStatus::Usage, message)
            .with_hint("leave those points out, or sweep without --tune"));
    }
    for point in &points {
        point.config.layers(session.white_box.shape(), Some(router.1.first_layer))?;
    }
    let mut list = vec![variant(("--base", "baseline"), None, 0)?];
    list.extend(points.iter().enumerate().map(|(i, point)| Variant {
        name: format!("{:03}", i + 1),
        kind: VariantKind::Steered(Arc::new(point.config.clone())),
    }));
    let mut steerer = Steerer::new(list, Some(Arc::clone(&router)))?;
    steerer.traces = false;
    steerer.importances = Some(session.importances(&router)?);
    if steerer.needs_shuffled() {
        let message = "a sweep cannot shuffle the router's outputs; use `emomm chase eval`";
        return Err(Failure::new(ExitStatus::Usage, message));
    }
    let (figures, n_failed) = steer(&mut session, &steerer, args, printer)?;
    let object = object(args, &session, &points, &figures, n_failed);
    if let Some(path) = &args.out {
        write_json(path, &object)?;
        let csv = path.with_extension("csv");
        std::fs::write(&csv, csv_of(&points, &figures))
            .map_err(|e| Failure::new(ExitStatus::Usage, format!("{}: {e}", csv.display())))?;
    }
    let best = best(&figures);
    if let Some(what) = args.tune {
        keep(what, args, &points[best - 1], &figures[best], &object, printer)?;
    }
    if args.json {
        printer.json(&object)?;
    } else {
        printer.data(&text(&points, &figures, best))?;
    }
    Ok(if n_failed > 0 { ExitStatus::Partial } else { ExitStatus::Done })
}

type Figures = Vec<BTreeMap<&'static str, SubsetFigures>>;

/// Runs all points; the baseline comes first.
fn steer(
    session: &mut Session,
    steerer: &Steerer,
    args: &SweepArgs,
    printer: &Printer,
) -> Result<(Figures, usize), Failure> {
    let coalitions = in_order(&args.samples.coalitions);
    let clips = session.clips(&args.samples.split, &coalitions)?;
    let interrupts = Interrupts::listen(|line| Printer::new().talk(line));
    let spinner = printer.spinner("sweeping");
    let rules = steerer.router_rules();
    let mut judged = Vec::new();
    let mut answers: Vec<Vec<Option<Sentiment>>> = vec![Vec::new(); steerer.variants().len()];
    let mut n_failed = 0;
    for (at, candidate) in clips.iter().enumerate() {
        if interrupts.stop.asked() > 0 {
            return Err(Failure::new(
                ExitStatus::Interrupted,
                format!("interrupted after {at} clips; nothing is kept"),
            ));
        }
        spinner.set_message(format!("sweeping {at}/{}", clips.len()));
        let id = &candidate.clip.id;
        let (truth, unimodal) = (session.truth(id), session.unimodal(id));
        let knowledge = ClipKnowledge {
            target: &|coalition| rules.and_then(|r| r.target(truth, unimodal, coalition)),
            other: &|_| None,
        };
        for (coalition, result) in
            steerer.run(session.white_box.as_mut(), &candidate.clip, &candidate.coalitions, &knowledge)
        {
            let answered = result.and_then(|all| all.into_iter().collect::<Result<Vec<_>, _>>());
            match answered {
                Ok(results) => {
                    judged.push(session.judged(id, coalition));
                    for (list, answer) in answers.iter_mut().zip(results) {
                        list.push(answer.prediction.label);
                    }
                }
                Err(error) => {
                    n_failed += 1;
                    printer.talk(&format!("warning: {id}, {coalition}: {error}"));
                }
            }
        }
    }
    spinner.finish_and_clear();
    if judged.is_empty() {
        return Err(Failure::new(ExitStatus::Data, "no sample could be answered"));
    }
    let figures = answers
        .iter()
        .map(|list| by_subset(&judged, list, &answers[0], args.samples.seed).map_err(metric))
        .collect::<Result<Figures, _>>()?;
    Ok((figures, n_failed))
}

/// Mean of the accuracies on Align and Conflict, whichever occur; all samples where neither does.
fn balanced(figures: &BTreeMap<&'static str, SubsetFigures>) -> f64 {
    let parts: Vec<f64> = ["align", "conflict"].iter().filter_map(|s| figures.get(s)?.acc).collect();
    if parts.is_empty() {
        return figures.get(emomm_chase::ALL).and_then(|f| f.acc).unwrap_or(0.0);
    }
    parts.iter().sum::<f64>() / parts.len() as f64
}

/// The best point, counted from 1; ties go to the earlier one.
fn best(figures: &Figures) -> usize {
    (1..figures.len())
        .fold(1, |best, at| if balanced(&figures[at]) > balanced(&figures[best]) { at } else { best })
}

fn object(
    args: &SweepArgs,
    session: &Session,
    points: &[Point],
    figures: &Figures,
    n_failed: usize,
) -> Value {
    let row = |(i, point): (usize, &Point)| {
        json!({
            "point": i + 1,
            "settings": point.overrides,
            "balanced_acc": balanced(&figures[i + 1]),
            "subsets": figures[i + 1],
        })
    };
    json!({
        "base": if args.tune == Some(Tuned::StaticBias) { "baseline" } else { args.base.as_str() },
        "manifest_sha256": session.manifest.header.parquet_sha256,
        "splits": args.samples.split.iter().map(|s| s.name()).collect::<Vec<_>>(),
        "coalitions": in_order(&args.samples.coalitions),
        "n_points": points.len(),
        "n_failed": n_failed,
        "baseline": { "balanced_acc": balanced(&figures[0]), "subsets": figures[0] },
        "best": best(figures),
        "points": points.iter().enumerate().map(row).collect::<Vec<_>>(),
    })
}

/// Writes the whole settings beside the router, and the search that chose them.
fn keep(
    what: Tuned,
    args: &SweepArgs,
    point: &Point,
    figures: &BTreeMap<&'static str, SubsetFigures>,
    search: &Value,
    printer: &Printer,
) -> Result<(), Failure> {
    let failed = |e: &dyn std::fmt::Display| Failure::new(ExitStatus::Usage, e.to_string());
    let config = SteeringConfig { preset: what.name().to_owned(), ..point.config.clone() };
    let body = toml::to_string(&config).map_err(|e| failed(&e))?;
    let path = args.router.join(what.file());
    let n = figures.get(emomm_chase::ALL).map_or(0, |f| f.n);
    let splits: Vec<&str> = args.samples.split.iter().map(|s| s.name()).collect();
    let text = format!(
        "# Chosen among {} points on {n} samples of the splits {}: balanced accuracy on Align and Conflict {:.4},\n\
         # baseline {:.4}. The whole search stands in {}.\n{body}",
        search["n_points"],
        splits.join(", "),
        balanced(figures),
        search["baseline"]["balanced_acc"].as_f64().unwrap_or(0.0),
        what.search_file()
    );
    std::fs::write(&path, text).map_err(|e| failed(&format!("{}: {e}", path.display())))?;
    write_json(&args.router.join(what.search_file()), search)?;
    printer.talk(&format!("settings in {}", path.display()));
    Ok(())
}

fn settings_of(point: &Point) -> String {
    point.overrides.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(" ")
}

fn text(points: &[Point], figures: &Figures, best: usize) -> String {
    let mut subsets: Vec<&str> = figures[0].keys().copied().collect();
    subsets.sort_unstable();
    let mut out = format!("{:>5}", "point");
    for subset in &subsets {
        let _ = write!(out, " {subset:>17}");
    }
    out.push_str("  settings\n");
    let mut row = |name: String, figures: &BTreeMap<&'static str, SubsetFigures>, settings: &str| {
        let _ = write!(out, "{name:>5}");
        for subset in &subsets {
            let acc = figures.get(subset).and_then(|f| f.acc);
            let _ = write!(out, " {:>17}", acc.map_or("-".to_owned(), |a| format!("{:.2}", 100.0 * a)));
        }
        let _ = writeln!(out, "  {settings}");
    };
    row("-".to_owned(), &figures[0], "baseline");
    for (i, point) in points.iter().enumerate() {
        row(format!("{}", i + 1), &figures[i + 1], &settings_of(point));
    }
    let _ = writeln!(out, "best balanced accuracy: point {best}");
    out
}

fn csv_of(points: &[Point], figures: &Figures) -> String {
    let mut out = String::from("point,subset,n,acc,macro_f1,mae,delta,low,high,p,settings\n");
    let number = |x: Option<f64>| x.map_or(String::new(), |x| x.to_string());
    for (at, figures) in figures.iter().enumerate() {
        let settings = at.checked_sub(1).map_or("baseline".to_owned(), |i| settings_of(&points[i]));
        for (subset, f) in figures {
            let _ = writeln!(
                out,
                "{at},{subset},{},{},{},{},{},{},{},{},\"{}\"",
                f.n,
                number(f.acc),
                number(f.macro_f1),
                number(f.mae),
                number(f.delta.map(|d| d.value)),
                number(f.delta.and_then(|d| d.low)),
                number(f.delta.and_then(|d| d.high)),
                number(f.delta.and_then(|d| d.p)),
                settings.replace('"', "\"\"")
            );
        }
    }
    out
}
