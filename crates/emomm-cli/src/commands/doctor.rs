//! `emomm doctor`: what is there, what is missing, and what a checkpoint takes.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use emomm_media::Ffmpeg;
use emomm_models::{ComputeType, DeviceKind, ModelSummary};
use serde::Serialize;

use crate::cli::DoctorArgs;
use crate::exit_status::{ExitStatus, Failure};
use crate::model_source;
use crate::printer::Printer;

/// What `emomm doctor --json` prints.
#[derive(Debug, Serialize)]
struct Report {
    /// Version of this program.
    version: &'static str,
    /// ffmpeg, or why there is none.
    ffmpeg: FfmpegReport,
    /// Usable processor cores.
    cpu_cores: usize,
    /// Bytes of main memory; null where the system does not say.
    memory: Option<Memory>,
    /// NVIDIA GPUs that `nvidia-smi` names.
    gpus: Vec<Gpu>,
    /// Devices that this build can use.
    devices: Vec<&'static str>,
    /// The checkpoint of `--model`, or why it cannot be used.
    model: Option<ModelOutcome>,
}

#[derive(Debug, Serialize)]
struct FfmpegReport {
    program: Option<String>,
    version: Option<String>,
    libx264: Option<bool>,
    aac: Option<bool>,
    problem: Option<String>,
    hint: Option<String>,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Memory {
    total_bytes: u64,
    available_bytes: u64,
}

#[derive(Debug, Serialize)]
struct Gpu {
    name: String,
    total_bytes: u64,
    free_bytes: u64,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum ModelOutcome {
    Usable(Box<ModelReport>),
    Unusable(ModelProblem),
}

#[derive(Debug, Serialize)]
struct ModelProblem {
    folder: String,
    problem: String,
    hint: Option<String>,
}

#[derive(Debug, Serialize)]
struct ModelReport {
    folder: String,
    model_type: String,
    parameters: u64,
    stored_bytes: u64,
    layers: usize,
    heads: usize,
    hidden_size: usize,
    /// Weights in main memory by compute type, on the processor.
    weight_bytes: Sizes,
    /// Keys and values of a prompt of 2,000 tokens by compute type, on the processor.
    cache_bytes_2000_tokens: Sizes,
    /// Weights by compute type, on a GPU.
    gpu_weight_bytes: Sizes,
    /// Keys and values of a prompt of 2,000 tokens by compute type, on a GPU.
    gpu_cache_bytes_2000_tokens: Sizes,
}

#[derive(Debug, Serialize)]
struct Sizes {
    f32: u64,
    bf16: u64,
    f16: u64,
    /// Blocks are for the processor alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    q8_0: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    q4_k: Option<u64>,
}

impl Sizes {
    fn of(device: DeviceKind, size: impl Fn(DeviceKind, ComputeType) -> u64) -> Self {
        let blocks = |t| (device == DeviceKind::Cpu).then(|| size(device, t));
        let size = |t| size(device, t);
        Self {
            f32: size(ComputeType::F32),
            bf16: size(ComputeType::Bf16),
            f16: size(ComputeType::F16),
            q8_0: blocks(ComputeType::Q8_0),
            q4_k: blocks(ComputeType::Q4K),
        }
    }
}

pub(crate) fn run(args: &DoctorArgs, printer: &Printer) -> Result<ExitStatus, Failure> {
    let report = Report {
        version: env!("CARGO_PKG_VERSION"),
        ffmpeg: ffmpeg_report(),
        cpu_cores: std::thread::available_parallelism().map_or(1, usize::from),
        memory: memory(),
        gpus: gpus(),
        devices: devices(),
        model: args.model.as_deref().map(|path| model_outcome(path, printer)),
    };
    if args.json {
        printer.json(&report)?;
    } else {
        printer.data(&text(&report))?;
    }
    let sound = report.ffmpeg.problem.is_none() && !matches!(report.model, Some(ModelOutcome::Unusable(_)));
    Ok(if sound { ExitStatus::Done } else { ExitStatus::Partial })
}

fn ffmpeg_report() -> FfmpegReport {
    match Ffmpeg::locate().and_then(|f| f.capabilities().map(|c| (f, c))) {
        Ok((ffmpeg, can)) => FfmpegReport {
            program: Some(ffmpeg.program().display().to_string()),
            version: Some(ffmpeg.version().to_owned()),
            libx264: Some(can.libx264),
            aac: Some(can.aac),
            problem: None,
            hint: None,
        },
        Err(error) => FfmpegReport {
            program: None,
            version: None,
            libx264: None,
            aac: None,
            problem: Some(error.to_string()),
            hint: error.hint(),
        },
    }
}

/// From `/proc/meminfo`; other systems do not say.
fn memory() -> Option<Memory> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let field = |name: &str| {
        let line = text.lines().find(|l| l.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
    };
    Some(Memory { total_bytes: field("MemTotal:")?, available_bytes: field("MemAvailable:")? })
}

/// From `nvidia-smi`, where there is one.
fn gpus() -> Vec<Gpu> {
    let query = ["--query-gpu=name,memory.total,memory.free", "--format=csv,noheader,nounits"];
    let Ok(output) = Command::new("nvidia-smi").args(query).output() else { return Vec::new() };
    let text = String::from_utf8_lossy(&output.stdout);
    let gpu = |line: &str| {
        let mut fields = line.rsplitn(3, ',').map(str::trim);
        let mib = |field: Option<&str>| field?.parse::<u64>().ok().map(|m| m << 20);
        let (free_bytes, total_bytes) = (mib(fields.next())?, mib(fields.next())?);
        Some(Gpu { name: fields.next()?.to_owned(), total_bytes, free_bytes })
    };
    text.lines().filter_map(gpu).collect()
}

fn devices() -> Vec<&'static str> {
    let mut devices = vec!["cpu"];
    if cfg!(feature = "cuda") {
        devices.push("cuda");
    }
    if cfg!(feature = "metal") {
        devices.push("metal");
    }
    devices
}

/// A checkpoint that cannot be read is part of the report, not the end of it.
fn model_outcome(path: &Path, printer: &Printer) -> ModelOutcome {
    let inspected = model_source::resolve(path, printer)
        .and_then(|folder| Ok(model_report(&folder, &emomm_models::inspect(&folder)?)));
    match inspected {
        Ok(report) => ModelOutcome::Usable(Box::new(report)),
        Err(Failure { message: problem, hint, .. }) => {
            ModelOutcome::Unusable(ModelProblem { folder: path.display().to_string(), problem, hint })
        }
    }
}

fn model_report(folder: &Path, summary: &ModelSummary) -> ModelReport {
    let weights = |device, dtype| summary.weight_bytes(device, dtype);
    let cache = |device, dtype| summary.cache_bytes(device, dtype, 2000);
    ModelReport {
        folder: folder.display().to_string(),
        model_type: summary.model_type.clone(),
        parameters: summary.parameters,
        stored_bytes: summary.stored_bytes,
        layers: summary.n_layers,
        heads: summary.n_heads,
        hidden_size: summary.hidden_size,
        weight_bytes: Sizes::of(DeviceKind::Cpu, weights),
        cache_bytes_2000_tokens: Sizes::of(DeviceKind::Cpu, cache),
        gpu_weight_bytes: Sizes::of(DeviceKind::Cuda, weights),
        gpu_cache_bytes_2000_tokens: Sizes::of(DeviceKind::Cuda, cache),
    }
}

fn text(report: &Report) -> String {
    let mut out = format!("emomm      {}\n", report.version);
    let ffmpeg = &report.ffmpeg;
    match (&ffmpeg.problem, &ffmpeg.version, &ffmpeg.program) {
        (None, Some(version), Some(program)) => {
            let _ = writeln!(out, "ffmpeg     {version} ({program})");
            let known = [("libx264", ffmpeg.libx264), ("aac", ffmpeg.aac)];
            let list: Vec<String> = known
                .iter()
                .map(|(name, there)| format!("{name} {}", if *there == Some(true) { "yes" } else { "no" }))
                .collect();
            let _ = writeln!(out, "           {}", list.join(", "));
        }
        (problem, ..) => {
            let _ = writeln!(out, "ffmpeg     MISSING: {}", problem.as_deref().unwrap_or("unknown"));
            if let Some(hint) = &ffmpeg.hint {
                let _ = writeln!(out, "           hint: {hint}");
            }
        }
    }
    let _ = writeln!(out, "cores      {}", report.cpu_cores);
    if let Some(memory) = report.memory {
        let (total, available) = (gigabytes(memory.total_bytes), gigabytes(memory.available_bytes));
        let _ = writeln!(out, "memory     {total}, {available} available");
    }
    let _ = writeln!(out, "devices    {}", report.devices.join(", "));
    for gpu in &report.gpus {
        let (total, free) = (gigabytes(gpu.total_bytes), gigabytes(gpu.free_bytes));
        let _ = writeln!(out, "gpu        {}: {total}, {free} free", gpu.name);
    }
    match &report.model {
        Some(ModelOutcome::Usable(model)) => model_text(&mut out, model),
        Some(ModelOutcome::Unusable(ModelProblem { folder, problem, hint })) => {
            let _ = writeln!(out, "model      {folder} UNUSABLE: {problem}");
            if let Some(hint) = hint {
                let _ = writeln!(out, "           hint: {hint}");
            }
        }
        None => {}
    }
    out
}

fn model_text(out: &mut String, model: &ModelReport) {
    let _ = writeln!(out, "model      {} ({})", model.folder, model.model_type);
    let _ = writeln!(
        out,
        "           {} parameters, {} in the files; {} layers, {} heads, width {}",
        model.parameters,
        gigabytes(model.stored_bytes),
        model.layers,
        model.heads,
        model.hidden_size
    );
    let rows = [
        ("cpu", &model.weight_bytes, &model.cache_bytes_2000_tokens),
        ("gpu", &model.gpu_weight_bytes, &model.gpu_cache_bytes_2000_tokens),
    ];
    for (device, w, c) in rows {
        let types = [
            ("f32", Some((w.f32, c.f32))),
            ("bf16", Some((w.bf16, c.bf16))),
            ("f16", Some((w.f16, c.f16))),
            ("q8_0", w.q8_0.zip(c.q8_0)),
            ("q4_k", w.q4_k.zip(c.q4_k)),
        ];
        for (name, sizes) in types {
            let Some((weights, cache)) = sizes else { continue };
            let (weights, cache) = (gigabytes(weights), gigabytes(cache));
            let _ = writeln!(
                out,
                "           {device} --dtype {name:<4}  weights {weights}, 2,000 tokens {cache}"
            );
        }
    }
}

fn gigabytes(bytes: u64) -> String {
    match bytes {
        0..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unusable_checkpoint_is_reported_beside_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.json"), "{").unwrap();
        for path in [folder.path().to_owned(), folder.path().join("missing")] {
            let args = DoctorArgs { model: Some(path.clone()), json: false };
            assert_eq!(run(&args, &Printer::new()), Ok(ExitStatus::Partial));
            let outcome = model_outcome(&path, &Printer::new());
            let json = serde_json::to_value(&outcome).unwrap();
            assert_eq!(json["folder"], path.display().to_string());
            assert!(json["problem"].is_string() && json["hint"].is_string(), "{json}");
            assert_eq!(json.as_object().unwrap().len(), 3, "{json}");
        }
    }
}
