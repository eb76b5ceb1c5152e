//! A small benchmark for runs, built once, and runs over it with a model that is none.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::invented_corpora::{write_ch_sims, write_mosi, write_mosi_labels};
use crate::process::{Outcome, emomm, finish};

/// Both invented corpora, labels only: 96 clips.
pub(crate) fn bench() -> &'static Path {
    static BENCH: OnceLock<PathBuf> = OnceLock::new();
    BENCH.get_or_init(|| {
        let folder =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("eval-bench-{}", std::process::id()));
        let (ch_sims, mosi) = (folder.join("ch-sims"), folder.join("mosi"));
        write_ch_sims(&ch_sims, false);
        write_mosi(&mosi, false);
        write_mosi_labels(&folder.join("labels.csv"));
        let bench = folder.join("bench");
        let built = finish(
            emomm()
                .arg("build")
                .args(["--labels-only", "--curate", "all", "--ch-sims"])
                .arg(&ch_sims)
                .arg("--mosi")
                .arg(&mosi)
                .arg("--mosi-labels")
                .arg(folder.join("labels.csv"))
                .arg("--out")
                .arg(&bench),
        );
        assert_eq!(built.code, Some(0), "{built}");
        bench
    })
}

/// Clips of it.
pub(crate) const CLIPS: usize = 2 * crate::invented_corpora::N;

/// `emomm eval` with a fake over the benchmark.
pub(crate) fn eval(model: &str, out: &Path) -> Command {
    let mut command = emomm();
    command.arg("eval").arg("--model").arg(model).arg("--bench").arg(bench()).arg("--out").arg(out);
    command
}

/// Lines of a log, the header first.
pub(crate) fn log(run: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(run.join("log.jsonl")).unwrap();
    text.lines().map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}"))).collect()
}

/// Runs a command of `emomm` on runs.
pub(crate) fn on_runs(command: &str, runs: &[&Path], more: &[&str]) -> Outcome {
    finish(emomm().arg(command).args(runs).args(more))
}
