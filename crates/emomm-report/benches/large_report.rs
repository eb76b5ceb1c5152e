//! 100,000 records, from their log to a written report: at most 30 s and 1 GB.
//!
//! `cargo bench -p emomm-report --bench large_report`. The records are of 12,500 clips in 240 groups under all eight
//! coalitions, with attention of 28 layers. The log is written first, outside the time.

#[allow(dead_code, reason = "shared with the tests, which use all of it")]
#[path = "../tests/report/made_up.rs"]
mod made_up;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use emomm_dataset::{ModalitySet, Sentiment};
use emomm_eval::run::{Record, Run};
use emomm_report::chase::Beside;
use emomm_report::study::{Origin, Study};
use emomm_report::{ReportOptions, report};
use made_up::{MadeUp, attention, manifest, record, write_run};

const N_CLIPS: usize = 12_500;
const N_GROUPS: usize = 240;
const N_LAYERS: usize = 28;
const MAX_SECONDS: f64 = 30.0;
const MAX_KIB: u64 = 1_000_000_000 / 1024;

#[expect(clippy::print_stdout, reason = "a measurement says what it measured")]
fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let clips: Vec<MadeUp> = (0..N_CLIPS).map(clip).collect();
    write_log(&clips, folder.path());
    let manifest = manifest(&clips);
    drop(clips);
    reset_peak();
    let start = Instant::now();
    let run = Run::open(folder.path()).expect("a run");
    let read = start.elapsed().as_secs_f64();
    let study = Study::new(&manifest, vec![("run".to_owned(), run)], Origin::default()).expect("a study");
    let options = ReportOptions { version: "bench".to_owned(), ..ReportOptions::default() };
    let out = folder.path().join("report");
    let written =
        report(&study, None, &Beside::default(), BTreeMap::new(), &options, &out).expect("a report");
    let seconds = start.elapsed().as_secs_f64();
    let peak = peak_kib();
    println!(
        "{} records: {seconds:.1} s, of which {read:.1} s to read the log; peak {} MB; page {} kB and {} files",
        N_CLIPS * ModalitySet::ALL.len(),
        peak.map_or("unknown".to_owned(), |k| (k * 1024 / 1_000_000).to_string()),
        written.page_bytes / 1000,
        written.n_files
    );
    assert!(seconds < MAX_SECONDS, "{seconds} s, expected under {MAX_SECONDS}");
    assert!(peak.is_none_or(|k| k < MAX_KIB), "{peak:?} KiB, expected under {MAX_KIB}");
}

fn clip(i: usize) -> MadeUp {
    let steps = [(i % 11) as i8 - 5, (i % 7) as i8 - 3, (i % 5) as i8 - 2, (i % 3) as i8 - 1];
    let corpus = if i.is_multiple_of(2) { "ch-sims" } else { "cmu-mosi" };
    MadeUp::new(corpus, &format!("{i:05}"), &format!("g{:03}", i % N_GROUPS), steps)
}

fn write_log(clips: &[MadeUp], folder: &Path) {
    let mut records: Vec<Record> = Vec::with_capacity(clips.len() * 8);
    for (i, clip) in clips.iter().enumerate() {
        for (c, coalition) in ModalitySet::ALL.into_iter().enumerate() {
            let answer = Sentiment::ALL[(i * 7 + c * 3) % 5];
            let weights = [0.4, 0.2 + (i % 10) as f64 / 100.0, 0.1];
            let attention = (!coalition.is_empty()).then(|| attention(coalition, weights, N_LAYERS));
            records.push(Record { attention, ..record(clip, coalition, answer) });
        }
    }
    write_run(folder, &records, records.len(), Path::new(""));
}

/// Linux: writing 5 forgets the highest use of memory so far.
fn reset_peak() {
    // Elsewhere the figure includes what was needed to write the log.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The highest use of memory so far; `None` where the system does not say.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
