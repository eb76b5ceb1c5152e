//! A benchmark of 100,000 rows: how long `emomm build`, `verify`, `stats` and `score` take, and how much memory.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::process::shown;

/// Clips; with their three masked copies they are 100,000 rows.
const CLIPS: usize = 25_000;

/// Clips of a video, about as many as CH-SIMS has.
const CLIPS_OF_A_VIDEO: usize = 30;

/// How often the memory of a process is looked at.
const POLL: Duration = Duration::from_millis(2);

/// Writes invented label files below `scratch` and times the commands on them.
pub(super) fn run(program: &Path, scratch: &Path) -> Result<()> {
    if scratch.exists() {
        fs::remove_dir_all(scratch).with_context(|| format!("cannot empty {}", scratch.display()))?;
    }
    fs::create_dir_all(scratch).with_context(|| format!("cannot make {}", scratch.display()))?;
    let (labels, predictions) = invented();
    fs::write(scratch.join("meta.csv"), labels)?;
    fs::write(scratch.join("predictions.csv"), predictions)?;
    let bench = scratch.join("bench");
    let on = |arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments);
        command
    };
    let (from, to) = (scratch.to_string_lossy().into_owned(), bench.to_string_lossy().into_owned());
    let given = scratch.join("predictions.csv").to_string_lossy().into_owned();
    println!("a benchmark of {CLIPS} clips, {} rows, from label files alone", 4 * CLIPS);
    for arguments in [
        &["build", "--ch-sims", &from, "--out", &to, "--curate", "all", "--labels-only"][..],
        &["verify", &to],
        &["stats", &to, "--json"],
        &["score", &given, "--bench", &to, "--json"],
    ] {
        let (time, peak) = timed(&mut on(arguments))?;
        let memory = peak.map_or_else(|| "unknown".to_owned(), |kb| format!("{} MB", kb / 1000));
        println!("  emomm {:<7} {:>7.2} s, {memory}", arguments[0], time.as_secs_f64());
    }
    Ok(())
}

/// The label file, and one prediction for each clip and each of its masked copies.
fn invented() -> (String, String) {
    let mut labels = "video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode\n".to_owned();
    let mut predictions = "id,coalition,label\n".to_owned();
    // Any whole numbers that wander over the grid will do.
    let step = |clip: usize, source: usize| ((clip * 7919 + source * 104_729) / 13 % 11) as f64 / 5.0 - 1.0;
    for clip in 0..CLIPS {
        let video = format!("video_{:04}", clip / CLIPS_OF_A_VIDEO);
        let scores = [0, 1, 2, 3].map(|source| format!("{:.1}", step(clip, source)));
        // Writing to a string cannot fail.
        let _ = writeln!(labels, "{video},{clip:05},invented transcript {clip},{},,train", scores.join(","));
        for (index, coalition) in ["TAV", "TA", "TV", "AV"].iter().enumerate() {
            let letter = char::from(b'A' + (clip * 31 / 7 + index) as u8 % 5);
            let _ = writeln!(predictions, "ch-sims/{video}/{clip:05},{coalition},{letter}");
        }
    }
    (labels, predictions)
}

/// Wall time of a process, and the most memory it held in kB, where the system says so.
fn timed(command: &mut Command) -> Result<(Duration, Option<u64>)> {
    let shown = shown(command);
    let start = Instant::now();
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start `{shown}`"))?;
    let status_file = format!("/proc/{}/status", child.id());
    let mut peak = None;
    loop {
        // The high-water mark never falls, so the last look is at most one poll behind.
        peak = fs::read_to_string(&status_file).ok().and_then(|text| high_water(&text)).or(peak);
        match child.try_wait()? {
            Some(status) if status.success() => return Ok((start.elapsed(), peak)),
            Some(status) => bail!("`{shown}` ended with {status}"),
            None => thread::sleep(POLL),
        }
    }
}

/// The value of `VmHWM` in kB.
fn high_water(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_high_water_mark_is_read() {
        assert_eq!(high_water("Name:\tx\nVmHWM:\t  12345 kB\nVmRSS:\t1 kB\n"), Some(12_345));
        assert_eq!(high_water("Name:\tx\n"), None);
    }

    #[test]
    fn every_clip_has_a_row_and_four_predictions() {
        let (labels, predictions) = invented();
        assert_eq!((labels.lines().count(), predictions.lines().count()), (CLIPS + 1, 4 * CLIPS + 1));
        let scores: Vec<f64> =
            labels.lines().nth(1).unwrap().split(',').skip(3).take(4).map(|x| x.parse().unwrap()).collect();
        assert!(scores.iter().all(|x| (-1.0..=1.0).contains(x)), "{scores:?}");
    }
}
