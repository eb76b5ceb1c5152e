//! Our side of `benches/peer`: holds a decoder and answers each line of JSON with times and memory.
//!
//! `peer FOLDER f32|bf16|f16|q8_0|q4_k`, or `peer random f32` for twelve layers of random weights. Linux only.

mod measure;
mod prompt;
mod steering;

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::num::NonZeroUsize;
use std::path::Path;

use candle_core::{Device, Tensor};
use emomm_chase::LoadedRouter;
use emomm_dataset::ModalitySet;
use emomm_models::ComputeType;
use emomm_models::attention_summary::AttentionRecorder;
use emomm_models::decoder::{Decoder, DecoderConfig, GradientPlace, Keep, Positions, Prefill, TargetLogit};
use emomm_models::layout::{Layout, N_GROUPS};
use emomm_models::prompt_tree::{MediaEmbeddings, PromptRow, token_floor, walk};
use emomm_models::weights::Weights;
use emomm_models::white_box::{DecisionPoint, DecoderShape};
use measure::{Failure, measured, status_mb};
use serde_json::{Value, json};

const LETTERS: [u32; 5] = [32, 33, 34, 35, 36];

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, dtype] = arguments.as_slice() else {
        return Err("peer FOLDER f32|bf16|f16|q8_0|q4_k".into());
    };
    let kept: ComputeType = dtype.parse()?;
    let decoder = if folder == "random" {
        Decoder::load(&Weights::random(1), shape(4096, 12), N_GROUPS)?
    } else {
        load(Path::new(folder), kept)?
    };
    let router = steering::router(DecoderShape::of(&decoder))?;
    let mut worker = Worker { decoder, kept, router, prefills: BTreeMap::new() };
    for line in std::io::stdin().lock().lines() {
        let request: Value = serde_json::from_str(&line?)?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", worker.answer(&request)?)?;
        out.flush()?;
    }
    Ok(())
}

/// A decoder of 0.5B shape.
fn shape(vocab_size: usize, n_layers: usize) -> DecoderConfig {
    DecoderConfig {
        vocab_size,
        hidden_size: 896,
        intermediate_size: 4864,
        n_layers,
        n_heads: 14,
        n_kv_heads: 2,
        head_dim: 64,
        rms_norm_eps: 1e-6,
        rope_theta: 1e6,
        rope_sections: vec![32],
        qkv_bias: true,
        qk_norm: false,
        tied_embeddings: false,
    }
}

fn load(folder: &Path, kept: ComputeType) -> Result<Decoder, Failure> {
    let json: Value = serde_json::from_slice(&std::fs::read(folder.join("config.json"))?)?;
    let size = |name: &str| json[name].as_u64().map(|n| n as usize).ok_or(format!("no `{name}`"));
    let config = shape(size("vocab_size")?, size("num_hidden_layers")?);
    let weights = Weights::open(folder, &Device::Cpu, kept.kept(), |name| Some(name.to_owned()))?;
    Decoder::load(&weights, config.clone(), N_GROUPS)?;
    Ok(Decoder::load(&weights.check()?, config, N_GROUPS)?)
}

struct Worker {
    decoder: Decoder,
    kept: ComputeType,
    router: LoadedRouter,
    /// The last prefill that was asked for.
    prefills: BTreeMap<usize, Prefill>,
}

impl Worker {
    fn answer(&mut self, request: &Value) -> Result<Value, Failure> {
        let number = |name: &str| request[name].as_u64().unwrap_or(1) as usize;
        let tokens = number("tokens");
        match request["what"].as_str() {
            Some("ready") => Ok(json!({})),
            Some("describe") => self.describe(),
            Some("logits") => self.logits(tokens),
            Some("prefill") => measured(|| Ok(self.read(tokens).map(drop)?)),
            Some("decide") => {
                let rows = self.rows(number("variants"))?;
                let prefill = self.prefill(tokens)?;
                measured(|| Ok(self.decoder.decide(&prefill, &rows, [tokens as u32; 3], None).map(drop)?))
            }
            Some("record") => {
                let rows = self.rows(1)?;
                let prefill = self.prefill(tokens)?;
                let mut layout = Layout::default();
                layout.push(None, tokens + 1);
                measured(|| {
                    let mut recorder = AttentionRecorder::new(&layout);
                    self.decoder.decide(&prefill, &rows, [tokens as u32; 3], Some(&mut recorder))?;
                    Ok(())
                })
            }
            Some("gradient") => self.gradient(tokens, number("keep")),
            Some("gradient_after") => self.gradient_after(tokens),
            Some("plain") => self.chase(tokens, &[], false),
            Some("chase") => self.chase(tokens, &["paper"], false),
            Some("two_pass") => self.chase(tokens, &["two_pass"], true),
            Some("ablation") => self.chase(tokens, &steering::ABLATION, true),
            Some("coalitions") => self.coalitions(tokens),
            other => Err(format!("unknown request {other:?}").into()),
        }
    }

    fn describe(&self) -> Result<Value, Failure> {
        Ok(json!({
            "threads": rayon::current_num_threads(),
            "instructions": emomm_models::instructions(),
            "weights": self.kept.to_string(),
            "resident_mb": status_mb("VmRSS")?.round(),
        }))
    }

    /// Logits after a prompt, to compare types of weights.
    fn logits(&mut self, tokens: usize) -> Result<Value, Failure> {
        let prefill = self.prefill(tokens)?;
        let decision = self.decoder.decide(&prefill, &self.rows(1)?, [tokens as u32; 3], None)?;
        Ok(json!({ "logits": decision.logits.get(0)?.to_vec1::<f32>()? }))
    }

    fn gradient(&self, tokens: usize, keep: usize) -> Result<Value, Failure> {
        let keep = match NonZeroUsize::new(keep) {
            Some(stride) if stride.get() > 1 => Keep::EveryNthInput(stride),
            _ => Keep::LayerInputs,
        };
        let embeddings = self.decoder.embed(&self.ids(tokens))?;
        let positions = Positions::sequential(0, tokens);
        let target = TargetLogit::Token(7);
        measured(|| {
            self.decoder.input_gradient(
                &embeddings,
                positions.as_slice(),
                target,
                &GradientPlace::embeddings(0..tokens),
                keep,
            )?;
            Ok(())
        })
    }

    fn gradient_after(&self, tokens: usize) -> Result<Value, Failure> {
        let root = self.decoder.root_keeping_inputs();
        let embedded = self.decoder.embed(&self.ids(tokens - 1))?;
        let positions = Positions::sequential(0, tokens - 1);
        let groups = vec![Vec::new(); N_GROUPS];
        let prefill = self.decoder.prefill(&root, &embedded, positions.as_slice(), &groups)?;
        let (row, position) = (self.rows(1)?, [tokens as u32 - 1; 3]);
        measured(|| {
            self.decoder.input_gradient_after(
                &prefill,
                &row,
                position,
                TargetLogit::Token(7),
                &GradientPlace::embeddings(0..tokens),
            )?;
            Ok(())
        })
    }

    /// Prefill and decision step of a clip's prompt: plain without presets, else steered, after a clean step if `clean`.
    fn chase(&self, tokens: usize, presets: &[&str], clean: bool) -> Result<Value, Failure> {
        let row = self.row(tokens, ModalitySet::ALL[7]);
        let media = MediaEmbeddings::default();
        let before = tokens - 1;
        let groups =
            if presets.is_empty() { vec![Vec::new(); N_GROUPS] } else { row.layout.group_spans(0..before) };
        measured(|| {
            let embedded = self.decoder.embed(&prompt::ids(&row)[..before])?;
            let positions = &row.positions.as_slice()[..before];
            let prefill = self.decoder.prefill(&self.decoder.root(), &embedded, positions, &groups)?;
            let point =
                DecisionPoint::new(ModalitySet::ALL[7], &self.decoder, &row, &prefill, &media, LETTERS)?;
            if presets.is_empty() {
                point.letter_logits(&point.decide(1, None)?)?;
                return Ok(());
            }
            steering::steer(&point, &self.router, presets, clean)
        })
    }

    /// All coalitions of a clip by the prompt tree.
    fn coalitions(&self, tokens: usize) -> Result<Value, Failure> {
        let rows: Vec<PromptRow> = ModalitySet::ALL.iter().map(|c| self.row(tokens, *c)).collect();
        let media = MediaEmbeddings::default();
        let mut read = 0;
        let mut answer = measured(|| {
            let mut leaf = |i: usize, prefill: &Prefill| {
                let coalition = ModalitySet::ALL[i];
                let point = DecisionPoint::new(coalition, &self.decoder, &rows[i], prefill, &media, LETTERS)?;
                point.letter_logits(&point.decide(1, None)?)?;
                Ok(())
            };
            read = walk(&self.decoder, &rows, &media, &mut leaf)?.read + rows.len();
            Ok(())
        })?;
        answer["read"] = json!(read);
        answer["floor"] = json!(token_floor(&rows));
        answer["separate"] = json!(rows.iter().map(|r| r.tokens.len()).sum::<usize>());
        Ok(answer)
    }

    fn row(&self, tokens: usize, shown: ModalitySet) -> PromptRow {
        prompt::row(tokens, shown, self.decoder.config().vocab_size)
    }

    fn read(&self, tokens: usize) -> emomm_models::Result<Prefill> {
        let embedded = self.decoder.embed(&self.ids(tokens))?;
        let positions = Positions::sequential(0, tokens);
        let groups = vec![Vec::new(); N_GROUPS];
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

    /// The prompt that `torch_side.py` has, too.
    fn ids(&self, tokens: usize) -> Vec<u32> {
        let vocabulary = self.decoder.config().vocab_size;
        (0..tokens).map(|i| (i * 97 % vocabulary) as u32).collect()
    }
}
