//! Time and memory of a piece of work; Linux only, since it reads `/proc`.

use std::time::Instant;

use serde_json::{Value, json};

/// The error of this program.
pub(crate) type Failure = Box<dyn std::error::Error>;

/// Wall time, processor time of all threads, and the peak of resident memory above what was held before.
pub(crate) fn measured(action: impl FnOnce() -> Result<(), Failure>) -> Result<Value, Failure> {
    std::fs::write("/proc/self/clear_refs", "5")?;
    let before = status_mb("VmRSS")?;
    let (cpu, wall) = (cpu_s()?, Instant::now());
    action()?;
    let (wall, cpu) = (wall.elapsed().as_secs_f64(), cpu_s()? - cpu);
    Ok(json!({ "wall_s": wall, "cpu_s": cpu, "peak_mb": status_mb("VmHWM")? - before }))
}

/// A line of `/proc/self/status`, in MiB.
pub(crate) fn status_mb(name: &str) -> Result<f64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|l| l.starts_with(name)).ok_or(format!("no {name}"))?;
    let number = line.split_whitespace().nth(1).ok_or("no number")?;
    Ok(number.parse::<f64>()? / 1024.0)
}

/// Processor time of all threads, living and ended, in seconds: nanoseconds of `schedstat` for the living ones.
fn cpu_s() -> Result<f64, Failure> {
    let mut sum = 0.0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
        sum += text.split_whitespace().next().ok_or("no time")?.parse::<f64>()?;
    }
    Ok(sum / 1e9)
}
