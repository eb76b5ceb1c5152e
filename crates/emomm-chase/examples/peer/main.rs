//! Our side of `benches/peer`: holds a decoder and answers each line of JSON with times and memory.
//!
//! `peer FOLDER f32|bf16`, or `peer random f32` for twelve layers of random weights; Linux only, since it reads its memory from `/proc`.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Instant;

use candle_core::{DType, Device, Tensor};
use emomm_models::attention_summary::AttentionRecorder;
use emomm_models::decoder::{Decoder, DecoderConfig, Keep, Positions, Prefill, TargetLogit};
use emomm_models::layout::Layout;
use emomm_models::weights::Weights;
use serde_json::{Value, json};

const GROUPS: usize = 3;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, dtype] = arguments.as_slice() else { return Err("peer FOLDER f32|bf16".into()) };
    let dtype = if dtype == "bf16" { DType::BF16 } else { DType::F32 };
    let mut worker =
        if folder == "random" { Worker::random()? } else { Worker::load(Path::new(folder), dtype)? };
    for line in std::io::stdin().lock().lines() {
        let request: Value = serde_json::from_str(&line?)?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", worker.answer(&request)?)?;
        out.flush()?;
    }
    Ok(())
}

struct Worker {
    decoder: Decoder,
    prefills: BTreeMap<usize, Prefill>,
}

impl Worker {
    fn load(folder: &Path, dtype: DType) -> Result<Self, Box<dyn std::error::Error>> {
        let json: Value = serde_json::from_slice(&std::fs::read(folder.join("config.json"))?)?;
        let size = |name: &str| json[name].as_u64().map(|n| n as usize).ok_or(format!("no `{name}`"));
        let config = DecoderConfig {
            vocab_size: size("vocab_size")?,
            hidden_size: size("hidden_size")?,
            intermediate_size: size("intermediate_size")?,
            n_layers: size("num_hidden_layers")?,
            n_heads: size("num_attention_heads")?,
            n_kv_heads: size("num_key_value_heads")?,
            head_dim: size("hidden_size")? / size("num_attention_heads")?,
            rms_norm_eps: 1e-6,
            rope_theta: 1e6,
            rope_sections: vec![size("hidden_size")? / size("num_attention_heads")? / 2],
            qkv_bias: true,
            qk_norm: false,
            tied_embeddings: false,
        };
        let weights = Weights::open(folder, &Device::Cpu, dtype, |name| Some(name.to_owned()))?;
        Decoder::load(&weights, config.clone(), GROUPS)?;
        let decoder = Decoder::load(&weights.check()?, config, GROUPS)?;
        Ok(Self { decoder, prefills: BTreeMap::new() })
    }

    /// Twelve layers of 0.5B shape.
    fn random() -> emomm_models::Result<Self> {
        let config = DecoderConfig {
            vocab_size: 4096,
            hidden_size: 896,
            intermediate_size: 4864,
            n_layers: 12,
            n_heads: 14,
            n_kv_heads: 2,
            head_dim: 64,
            rms_norm_eps: 1e-6,
            rope_theta: 1e6,
            rope_sections: vec![32],
            qkv_bias: true,
            qk_norm: false,
            tied_embeddings: false,
        };
        let decoder = Decoder::load(&Weights::random(1), config, GROUPS)?;
        Ok(Self { decoder, prefills: BTreeMap::new() })
    }

    fn answer(&mut self, request: &Value) -> Result<Value, Box<dyn std::error::Error>> {
        let number = |name: &str| request[name].as_u64().unwrap_or(1) as usize;
        let tokens = number("tokens");
        match request["what"].as_str() {
            Some("ready") => Ok(json!({})),
            Some("describe") => Ok(json!({
                "threads": rayon::current_num_threads(),
                "instructions": emomm_kernels::Isa::best().name(),
                "resident_mb": status_mb("VmRSS")?.round(),
            })),
            Some("prefill") => measured(|| self.read(tokens).map(drop)),
            Some("decide") => {
                let rows = self.rows(number("variants"))?;
                let prefill = self.prefill(tokens)?;
                let position = [tokens as u32; 3];
                measured(|| {
                    self.decoder.decide(&prefill, &rows, position, None)?;
                    Ok(())
                })
            }
            Some("record") => {
                let rows = self.rows(1)?;
                let prefill = self.prefill(tokens)?;
                let mut layout = Layout::default();
                layout.push(None, tokens + 1);
                let position = [tokens as u32; 3];
                measured(|| {
                    let mut recorder = AttentionRecorder::new(&layout);
                    self.decoder.decide(&prefill, &rows, position, Some(&mut recorder))?;
                    Ok(())
                })
            }
            Some("gradient_after") => {
                let root = self.decoder.root_keeping_inputs();
                let embedded = self.decoder.embed(&ids(tokens - 1, self.decoder.config().vocab_size))?;
                let positions = Positions::sequential(0, tokens - 1);
                let groups = vec![Vec::new(); GROUPS];
                let prefill = self.decoder.prefill(&root, &embedded, positions.as_slice(), &groups)?;
                let row = self.rows(1)?;
                let (position, target) = ([tokens as u32 - 1; 3], TargetLogit::Token(7));
                measured(|| {
                    self.decoder.input_gradient_after(&prefill, &row, position, target, 0..tokens)?;
                    Ok(())
                })
            }
            Some("gradient") => {
                let keep = match NonZeroUsize::new(number("keep")) {
                    Some(stride) if stride.get() > 1 => Keep::EveryNthInput(stride),
                    _ => Keep::LayerInputs,
                };
                let embeddings = self.decoder.embed(&ids(tokens, self.decoder.config().vocab_size))?;
                let positions = Positions::sequential(0, tokens);
                let target = TargetLogit::Token(7);
                measured(|| {
                    self.decoder.input_gradient(
                        &embeddings,
                        positions.as_slice(),
                        target,
                        0..tokens,
                        keep,
                    )?;
                    Ok(())
                })
            }
            other => Err(format!("unknown request {other:?}").into()),
        }
    }

    fn read(&self, tokens: usize) -> emomm_models::Result<Prefill> {
        let embedded = self.decoder.embed(&ids(tokens, self.decoder.config().vocab_size))?;
        let positions = Positions::sequential(0, tokens);
        let groups = vec![Vec::new(); GROUPS];
        self.decoder.prefill(&self.decoder.root(), &embedded, positions.as_slice(), &groups)
    }

    fn prefill(&mut self, tokens: usize) -> emomm_models::Result<Prefill> {
        if !self.prefills.contains_key(&tokens) {
            let prefill = self.read(tokens)?;
            self.prefills = BTreeMap::from([(tokens, prefill)]);
        }
        Ok(self.prefills[&tokens].clone())
    }

    fn rows(&self, variants: usize) -> emomm_models::Result<Tensor> {
        self.decoder.embed(&vec![7; variants])
    }
}

/// The prompt that `torch_side.py` has, too.
fn ids(tokens: usize, vocabulary: usize) -> Vec<u32> {
    (0..tokens).map(|i| (i * 97 % vocabulary) as u32).collect()
}

fn measured(action: impl FnOnce() -> emomm_models::Result<()>) -> Result<Value, Box<dyn std::error::Error>> {
    std::fs::write("/proc/self/clear_refs", "5")?;
    let before = status_mb("VmRSS")?;
    let (cpu, wall) = (cpu_s()?, Instant::now());
    action()?;
    let (wall, cpu) = (wall.elapsed().as_secs_f64(), cpu_s()? - cpu);
    Ok(json!({ "wall_s": wall, "cpu_s": cpu, "peak_mb": status_mb("VmHWM")? - before }))
}

/// A line of `/proc/self/status`, in MiB.
fn status_mb(name: &str) -> Result<f64, Box<dyn std::error::Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|l| l.starts_with(name)).ok_or(format!("no {name}"))?;
    let number = line.split_whitespace().nth(1).ok_or("no number")?;
    Ok(number.parse::<f64>()? / 1024.0)
}

/// Processor time of all threads, living and ended, in seconds: nanoseconds of `schedstat` for the living ones.
fn cpu_s() -> Result<f64, Box<dyn std::error::Error>> {
    let mut sum = 0.0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
        sum += text.split_whitespace().next().ok_or("no time")?.parse::<f64>()?;
    }
    Ok(sum / 1e9)
}
