//! `emomm eval`: a predictor over the benchmark, under every coalition, resumable.

mod by_coalition;
mod cost;
mod dry_run;
mod model;
mod session;
mod summary;
mod watch;
mod words;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use emomm_api::KeptReplies;
use emomm_dataset::manifest::Manifest;
use emomm_eval::run::{
    BenchId, LOG_FILE, LogWriter, Places, Plan, Record, RecordStatus, RunHeader, Selection,
};
use emomm_eval::runner::{Candidate, RunnerOptions, WorkItem, candidates, check_pairs, keyed};
use emomm_eval::{AttentionDetail, PredictOptions};

pub(crate) use model::{CacheFolder, HowToAsk, HowToLoad, Model};
pub(crate) use session::{Session, left_over};
pub(crate) use summary::Summary;
pub(crate) use words::{EvalArgs, Seconds, word};

use words::Words;

use crate::commands::verify::{read_benchmark, unreadable};
use crate::exit_status::{ExitStatus, Failure};
use crate::model_source;
use crate::printer::Printer;
use crate::served_args;

/// Workers without `--jobs`: one decodes while the other computes.
const JOBS: u32 = 2;

/// Bound of the encoder cache without `--cache-size`.
const CACHE_GIGABYTES: u64 = 20;

/// Tokens of a reply without `--max-new-tokens`.
const MAX_NEW_TOKENS: u32 = 32;

pub(crate) fn run(args: &EvalArgs, printer: &Printer) -> Result<ExitStatus, Failure> {
    let words = Words::resolved(args)?;
    let bench = Words::required(words.bench.as_ref(), "bench")?;
    let out = Words::required(words.out.as_ref(), "out")?;
    let name = Words::required(words.model.as_ref(), "model")?;
    let manifest = read_benchmark(bench)?;
    let roots = Manifest::read_roots(bench).map_err(unreadable)?;
    let coalitions = words.coalitions();
    if !out.join(LOG_FILE).exists() {
        check_pairs(&words.subset, &coalitions)?;
    }
    let chosen = candidates(&manifest, &roots, &words.rows(), &coalitions)?;
    let is_served = served_args::name_of(name)?.is_some();
    if is_served {
        refuse_white_box(&words)?;
    }
    let cache = if is_served {
        None
    } else {
        encoder_cache(words.cache.as_deref(), words.cache_size)?.filter(|_| !args.dry_run)
    };
    let how = HowToLoad {
        device: words.device,
        dtype: words.dtype,
        sampling: words.sampling,
        picture: words.picture(),
        missing: words.missing.unwrap_or_default(),
        cache,
        served: Some(HowToAsk {
            condition: words.served.condition(words.seed),
            access: words.access.access(jobs(&words, is_served), KeptReplies::All),
            coalitions: coalitions.clone(),
            run: out.to_owned(),
            asks: !args.dry_run,
        }),
    };
    let mut model = Model::find(name, &how, printer)?;
    match (&words.steer, &words.router) {
        (Some(file), router) => model.steer(file, router.as_deref(), printer)?,
        (None, Some(_)) => {
            return Err(Failure::new(ExitStatus::Usage, "--router is given without --steer")
                .with_hint("name a steering file with --steer; see `emomm chase` for variants"));
        }
        (None, None) => {}
    }
    let options = predict_options(&words, is_served);
    if options.importance && options.attention != AttentionDetail::Full {
        return Err(Failure::new(ExitStatus::Usage, "--importance without --attention full")
            .with_hint("importance is kept by token: add --attention full"));
    }
    let header = header(&words, &model, &options, &manifest, bench, &chosen);
    if args.dry_run {
        return dry_run::run(&words, &model, &options, &chosen, &header, args.json, printer);
    }
    let truths = chosen.iter().map(|c| (c.clip.id.clone(), c.truth)).collect();
    let items = keyed(chosen, &header);
    let wanted: BTreeSet<&str> = items.iter().flat_map(|i| &i.wanted).map(|w| w.key.as_str()).collect();
    let is_selected = |record: &Record| wanted.contains(record.key.as_str());
    let (writer, records) = LogWriter::resume_selected(out, &header, args.accept_changes, &is_selected)?;
    let (reused, items) = left_over(items, &records, |r| !r.status.is_transient());
    let session = Session { out, header: &header, model: &model, truths, manifest: &manifest };
    let runner = runner_options(&words, options, &model, is_served);
    // What was answered before has shown that something can be.
    let tries_first = !words.no_preflight && reused.iter().all(|r| r.status != RecordStatus::Ok);
    let outcome = session.run(writer, items, &reused, &runner, tries_first, printer)?;
    session.finish(&outcome, reused.len(), args.json, printer)
}

/// Where encoder outputs are kept, by the words of `--cache` and `--cache-size`.
pub(crate) fn encoder_cache(
    folder: Option<&Path>,
    gigabytes: Option<u64>,
) -> Result<Option<CacheFolder>, Failure> {
    let folder = match folder {
        Some(folder) if folder.as_os_str() == "off" => return Ok(None),
        Some(folder) => folder.to_owned(),
        None => model_source::cache_folder()?.join("encodings"),
    };
    let limit_bytes = gigabytes.unwrap_or(CACHE_GIGABYTES).saturating_mul(1_000_000_000);
    Ok(Some(CacheFolder { folder, limit_bytes }))
}

/// A served model writes, and shows nothing of its inside.
fn predict_options(words: &Words, is_served: bool) -> PredictOptions {
    let most = if is_served { served_args::SERVED_TOKENS } else { MAX_NEW_TOKENS };
    PredictOptions {
        attention: words.attention.unwrap_or_default(),
        importance: words.importance,
        generate: words.generate || is_served,
        max_new_tokens: words.max_new_tokens.unwrap_or(most) as usize,
    }
}

fn jobs(words: &Words, is_served: bool) -> usize {
    words.jobs.unwrap_or(if is_served { served_args::SERVED_JOBS } else { JOBS }) as usize
}

/// What needs the weights.
fn refuse_white_box(words: &Words) -> Result<(), Failure> {
    let asked = [
        ("--attention", words.attention.is_some_and(|a| a != AttentionDetail::None)),
        ("--importance", words.importance),
        ("--steer", words.steer.is_some()),
        ("--person", words.person.is_some()),
        ("--missing", words.missing.is_some_and(|m| !m.is_omit())),
        ("--subtitle-band", words.subtitle_band.is_some()),
        ("--sampling", words.sampling.is_some()),
        ("--device", words.device.is_some()),
        ("--dtype", words.dtype.is_some()),
    ];
    match asked.into_iter().find(|(_, is_asked)| *is_asked) {
        Some((option, _)) => Err(served_args::not_available(option)),
        None => Ok(()),
    }
}

fn runner_options(words: &Words, predict: PredictOptions, model: &Model, is_served: bool) -> RunnerOptions {
    let jobs = jobs(words, is_served);
    RunnerOptions {
        predict,
        jobs,
        // As far ahead as the workers can use at once.
        read_ahead: if model.reads_ahead() { jobs } else { 0 },
        timeout: words.timeout.map(|s| s.0),
        fail_on: words.fail_on_error,
        keeps_tensors: predict.attention == AttentionDetail::Full,
    }
}

fn header(
    words: &Words,
    model: &Model,
    options: &PredictOptions,
    manifest: &Manifest,
    bench: &Path,
    chosen: &[Candidate],
) -> RunHeader {
    let rows = words.rows();
    let names = |list: &[String]| list.to_vec();
    let plan = Plan {
        settings: model.settings(options),
        bench: bench_id(manifest),
        selection: Selection {
            subsets: rows.subsets.iter().map(ToString::to_string).collect(),
            splits: rows.splits.iter().map(ToString::to_string).collect(),
            sample_ids: names(&rows.sample_ids),
            limit: rows.limit,
            shard: rows.shard.map(|s| s.to_string()),
        },
        coalitions: words.coalitions(),
        seed: words.seed.unwrap_or(0),
        n_clips: chosen.len(),
        n_records: chosen.iter().map(|c| c.coalitions.len()).sum(),
    };
    let absolute = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    RunHeader::new(plan, Places { bench: absolute(bench), model: model.place.clone() }, git_revision())
}

/// The benchmark by content. A manifest's header holds the digest of its rows.
pub(crate) fn bench_id(manifest: &Manifest) -> BenchId {
    BenchId {
        manifest_sha256: manifest.header.parquet_sha256.clone(),
        created_by: manifest.header.created_by.clone(),
    }
}

/// The revision of the repository around the working directory, with `-dirty` if it differs; `None` outside of one.
pub(crate) fn git_revision() -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok().filter(|o| o.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let revision = git(&["rev-parse", "HEAD"]).filter(|r| !r.is_empty())?;
    let is_dirty = git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|s| !s.is_empty());
    Some(if is_dirty { format!("{revision}-dirty") } else { revision })
}

/// The items of a plan with their clips, for commands that ask again.
pub(crate) fn all_items(
    header: &RunHeader,
    manifest: &Manifest,
    bench: &Path,
) -> Result<Vec<WorkItem>, Failure> {
    let roots = Manifest::read_roots(bench).map_err(unreadable)?;
    let chosen = candidates(manifest, &roots, &session::rows_of(&header.plan)?, &header.plan.coalitions)?;
    Ok(keyed(chosen, header))
}
