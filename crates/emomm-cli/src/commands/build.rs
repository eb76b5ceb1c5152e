//! `emomm build`: corpora to a benchmark on disk. Findings are talk; the summary is data.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use emomm_dataset::build::{
    Benchmark, BuildOptions, Shortfall, TableMatch, TargetTables, build_matching, read_target_tables,
};
use emomm_dataset::manifest::{CardDetails, HEADER_FILE, ManifestHeader};
use emomm_dataset::readers::{
    FolderOptions, Reading, Speakers, add_unimodal_labels, read_ch_sims, read_folder, read_mosi,
    read_speakers,
};
use emomm_dataset::{DatasetError, Finding, FindingKind, Policies, SubsetRules};
use emomm_metrics::ALL_CORPORA;
use serde_json::json;

use crate::cli::BuildArgs;
use crate::exit_status::{ExitStatus, Failure};
use crate::printer::Printer;

/// Findings of one kind that are named; all are counted.
const MAX_NAMED: usize = 5;

pub(crate) fn run(args: &BuildArgs, printer: &Printer) -> Result<ExitStatus, Failure> {
    check_arguments(args)?;
    let policies = policies(args)?;
    let spinner = printer.spinner("reading, hashing and splitting");
    let built = benchmark(args, policies);
    spinner.finish_and_clear();
    let mut benchmark = match built {
        Ok(benchmark) => benchmark,
        Err(error) => {
            if let DatasetError::Refused { findings } = &error {
                tell_findings(findings, printer);
            }
            return Err(error.into());
        }
    };
    tell_findings(&benchmark.findings, printer);
    tell_choice(&benchmark.manifest.header.shortfalls, &benchmark.manifest.header.table_matches, printer);
    for root in benchmark.roots.values_mut() {
        *root = absolute(root)?;
    }
    write(&benchmark, args)?;
    let header = &benchmark.manifest.header;
    if args.json {
        printer.json(&json!({
            "out": args.out.display().to_string(),
            "counts": header.counts,
            "findings": header.findings,
            "shortfalls": header.shortfalls,
            "table_matches": header.table_matches,
        }))?;
    } else {
        printer.data(&summary(header))?;
    }
    Ok(ExitStatus::Done)
}

/// The policies of the build, as the options change them.
fn policies(args: &BuildArgs) -> Result<Policies, Failure> {
    let mut policies = if args.labels_only { Policies::for_labels_only() } else { Policies::default() };
    policies.off_grid = args.off_grid;
    for (kind, policy) in &args.policy {
        policies.set(*kind, *policy).map_err(|e| {
            let message = format!("--policy {}={}: expected {}", kind.name(), policy.name(), e.expected);
            Failure::new(ExitStatus::Usage, message)
                .with_hint("docs/contract.md has a table of the kinds and what each may be")
        })?;
    }
    Ok(policies)
}

fn check_arguments(args: &BuildArgs) -> Result<(), Failure> {
    if args.ch_sims.is_none() && args.mosi.is_none() && args.folder.is_empty() {
        return Err(Failure::new(ExitStatus::Usage, "no corpus to build from")
            .with_hint("give --ch-sims, --mosi or --folder"));
    }
    if let Some(folder) = args.folder.iter().find(|f| f.file_name().is_some_and(|n| n == ALL_CORPORA)) {
        let message =
            format!("--folder {}: the name {ALL_CORPORA} stands for all corpora together", folder.display());
        return Err(Failure::new(ExitStatus::Usage, message).with_hint("rename the folder"));
    }
    if is_foreign(&args.out) {
        let message = format!("--out {}: neither empty nor a benchmark", args.out.display());
        return Err(Failure::new(ExitStatus::Usage, message).with_hint("name a new or an empty folder"));
    }
    Ok(())
}

/// Whether something is there that is no benchmark, and in which files might be overwritten.
fn is_foreign(out: &Path) -> bool {
    match std::fs::read_dir(out) {
        Ok(mut entries) => entries.next().is_some() && !out.join(HEADER_FILE).is_file(),
        Err(_) => std::fs::symlink_metadata(out).is_ok(),
    }
}

fn benchmark(args: &BuildArgs, policies: Policies) -> Result<Benchmark, DatasetError> {
    let mut readings: Vec<Reading> = Vec::new();
    if let Some(folder) = &args.ch_sims {
        readings.push(read_ch_sims(folder)?);
    }
    if let Some(folder) = &args.mosi {
        let mut reading = read_mosi(folder)?;
        if let Some(labels) = &args.mosi_labels {
            add_unimodal_labels(&mut reading, labels)?;
        }
        readings.push(reading);
    }
    for folder in &args.folder {
        // Absolute, so that `.` has a name too.
        let folder = std::path::absolute(folder)
            .map_err(|source| DatasetError::Io { path: folder.clone(), source })?;
        readings.push(read_folder(&folder, &FolderOptions::default())?);
    }
    let speakers = args.speakers.as_deref().map_or_else(|| Ok(Speakers::default()), read_speakers)?;
    let tables = args.match_tables.as_deref().map_or_else(|| Ok(TargetTables::new()), read_target_tables)?;
    let options = BuildOptions {
        seed: args.seed,
        curate: args.curate,
        vote_map: args.vote_map,
        rules: SubsetRules { conflict: args.conflict, equality: args.equality },
        polarity: args.polarity,
        policies,
        labels_only: args.labels_only,
    };
    build_matching(&readings, &speakers, &tables, &options)
}

/// The roots are used from other folders later.
fn absolute(root: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(root).map_err(|e| Failure::new(ExitStatus::Usage, format!("{}: {e}", root.display())))
}

fn write(benchmark: &Benchmark, args: &BuildArgs) -> Result<(), Failure> {
    let (manifest, out) = (&benchmark.manifest, &args.out);
    let details = CardDetails { date_published: args.date_published.clone(), ..CardDetails::default() };
    manifest.write(out, &benchmark.roots).and_then(|()| manifest.write_card(out, &details)).map_err(|error| {
        Failure::new(ExitStatus::Usage, error.to_string())
            .with_hint("give --out a folder that may be written")
    })
}

/// Findings grouped by kind, the first of each named.
fn tell_findings(findings: &[Finding], printer: &Printer) {
    let mut by_kind: BTreeMap<FindingKind, Vec<&Finding>> = BTreeMap::new();
    for finding in findings {
        by_kind.entry(finding.kind).or_default().push(finding);
    }
    for (kind, findings) in by_kind {
        printer.talk(&format!("finding: {}: {}", kind.name(), findings.len()));
        for finding in findings.iter().take(MAX_NAMED) {
            printer.talk(&format!("  {finding}"));
        }
        if findings.len() > MAX_NAMED {
            printer.talk(&format!("  and {} more", findings.len() - MAX_NAMED));
        }
    }
}

fn tell_choice(shortfalls: &[Shortfall], matches: &[TableMatch], printer: &Printer) {
    for s in shortfalls {
        printer.talk(&format!("shortfall: {} {}: {} of {}", s.corpus, s.stratum, s.taken, s.wanted));
    }
    for m in matches {
        let (missed, by_all) = (m.missed, m.missed_by_all);
        let outcome = match (m.is_exact, m.is_nearest) {
            (true, _) => "met exactly".to_owned(),
            (false, true) => format!("cannot be met; this is the nearest selection, off by {missed}"),
            (false, false) if by_all > 0 => {
                format!("cannot be met; this selection is off by {missed}, and none by less than {by_all}")
            }
            (false, false) => format!("not met; this selection is off by {missed}, a nearer one may exist"),
        };
        printer.talk(&format!("tables: {}: {outcome}", m.corpus));
        for d in &m.deviations {
            printer.talk(&format!("  {}: {} instead of {}", d.table, four(d.found), four(d.wanted)));
        }
    }
}

/// A count, or C_ij to the four decimals of Table 4.
fn four(figure: f64) -> f64 {
    (figure * 1e4).round() / 1e4
}

/// How much there is, by corpus, subset and split.
fn summary(header: &ManifestHeader) -> String {
    let counts = &header.counts;
    let mut out = String::new();
    let mut line = |name: &str, n: usize| {
        let _ = writeln!(out, "{name:<24}{n:>8}");
    };
    line("rows", counts.rows);
    line("clips", counts.clips);
    line("groups", counts.groups);
    let parts = [
        ("corpus", &counts.clips_by_corpus),
        ("subset", &counts.rows_by_subset),
        ("split", &counts.clips_by_split),
    ];
    for (part, counts) in parts {
        for (name, n) in counts {
            line(&format!("{part} {name}"), *n);
        }
    }
    out
}
