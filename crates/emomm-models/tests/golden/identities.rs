//! Identities that must hold whatever the weights and whatever the family: the seams of the decision row.

use candle_core::{DType, Device, Result, Tensor};
use emomm_dataset::ModalitySet;
use emomm_kernels::Isa;
use emomm_models::ComputeType;
use emomm_models::decoder::{DecisionHook, DecisionLayer, Decoder, Prefill};
use emomm_models::prompt_tree::{MediaEmbeddings, PromptRow, embed, token_floor, walk};
use emomm_models::qwen2_5_omni::Omni;
use emomm_models::weights::GGUF_DECODER;
use serde_json::Value;

use super::cases::{Case, golden_folder, max_difference, worst_difference};
use super::vita;

/// Sums in another order: products of one row against products of many.
const SAME: f32 = 1e-5;

/// Looks and does nothing.
struct Nothing;

impl DecisionHook for Nothing {
    fn attn_bias(&mut self, _layer: &DecisionLayer<'_>) -> Result<Option<Tensor>> {
        Ok(None)
    }
}

/// Adds `values[variant]` to the score of one key in one head of one layer.
struct OneKey {
    layer: usize,
    head: usize,
    key: usize,
    values: Vec<f32>,
}

impl DecisionHook for OneKey {
    fn attn_bias(&mut self, layer: &DecisionLayer<'_>) -> Result<Option<Tensor>> {
        if layer.layer != self.layer {
            return Ok(None);
        }
        let (variants, heads, keys) = layer.attn_scores.dims3()?;
        let mut bias = vec![0_f32; variants * heads * keys];
        for (variant, value) in self.values.iter().enumerate() {
            bias[(variant * heads + self.head) * keys + self.key] = *value;
        }
        Ok(Some(Tensor::from_vec(bias, (variants, heads, keys), layer.attn_scores.device())?))
    }
}

/// A checkpoint's decoder with the prompts of a clip: all that the identities need to know of a model.
struct Stage {
    name: &'static str,
    decoder: Decoder,
    media: MediaEmbeddings,
    rows: Vec<PromptRow>,
    /// Whether the media are long enough for the tree to save a quarter.
    is_long: bool,
}

impl Stage {
    /// Every golden checkpoint of every family.
    fn all() -> impl Iterator<Item = Self> {
        let omni = Case::all().map(|case| {
            let (media, shape) = case.media();
            let rows = case.rows(&shape);
            Self { name: case.name, decoder: case.model.decoder, media, rows, is_long: true }
        });
        let vita = vita::CASES.into_iter().map(|name| {
            let case = vita::Case::open(name);
            let media = case.media();
            let rows = case.rows(&media);
            Self { name, decoder: case.model.decoder, media, rows, is_long: false }
        });
        omni.chain(vita)
    }
}

/// Runs `check` on the full coalition's row and prefill of every checkpoint.
fn on_full_prompts(mut check: impl FnMut(&Decoder, &PromptRow, &Tensor, &Prefill) -> Result<()>) {
    for stage in Stage::all() {
        let (decoder, row) = (&stage.decoder, &stage.rows[7]);
        let token = embed(decoder, &[row.decision_token()], &stage.media).unwrap();
        let mut leaf = |_: usize, prefill: &Prefill| {
            check(decoder, row, &token, prefill)?;
            Ok(())
        };
        walk(decoder, std::slice::from_ref(row), &stage.media, &mut leaf).unwrap();
    }
}

fn values(tensor: &Tensor) -> Vec<u32> {
    tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().map(f32::to_bits).collect()
}

#[test]
fn no_hook_equals_a_hook_that_does_nothing_bit_for_bit() {
    on_full_prompts(|decoder, row, token, prefill| {
        let without = decoder.decide(prefill, token, row.decision_position(), None).unwrap();
        let with = decoder.decide(prefill, token, row.decision_position(), Some(&mut Nothing)).unwrap();
        assert_eq!(values(&without.logits), values(&with.logits));
        Ok(())
    });
}

#[test]
fn zero_bias_equals_no_hook_bit_for_bit() {
    on_full_prompts(|decoder, row, token, prefill| {
        let without = decoder.decide(prefill, token, row.decision_position(), None).unwrap();
        let mut zero = OneKey { layer: 1, head: 0, key: 3, values: vec![0.0] };
        let with = decoder.decide(prefill, token, row.decision_position(), Some(&mut zero)).unwrap();
        assert_eq!(values(&without.logits), values(&with.logits));
        Ok(())
    });
}

#[test]
fn a_bias_acts() {
    on_full_prompts(|decoder, row, token, prefill| {
        let without = decoder.decide(prefill, token, row.decision_position(), None).unwrap();
        let mut hook = OneKey { layer: 1, head: 0, key: 3, values: vec![8.0] };
        let with = decoder.decide(prefill, token, row.decision_position(), Some(&mut hook)).unwrap();
        assert!(max_difference(&without.logits, &with.logits) > 1e-3);
        Ok(())
    });
}

#[test]
fn prefill_and_decision_step_equal_one_full_forward() {
    for Stage { name, decoder, media, rows, .. } in Stage::all() {
        let decoder = &decoder;
        let mut leaf = |i: usize, prefill: &Prefill| {
            let row = &rows[i];
            let token = embed(decoder, &[row.decision_token()], &media)?;
            let step = decoder.decide(prefill, &token, row.decision_position(), None)?;
            let all = embed(decoder, &row.tokens, &media)?;
            let full = decoder.full_forward(&all, row.positions.as_slice(), row.tokens.len() - 1)?;
            let difference = max_difference(&step.logits.get(0)?, &full);
            assert!(difference < SAME, "{} {}: {difference}", name, ModalitySet::ALL[i]);
            Ok(())
        };
        walk(decoder, &rows, &media, &mut leaf).unwrap();
    }
}

#[test]
fn batched_variants_equal_single_ones() {
    on_full_prompts(|decoder, row, token, prefill| {
        let strengths = [0.0, 1.5, -3.0, f32::NEG_INFINITY, 6.0];
        let rows = token.broadcast_as((strengths.len(), token.dim(1)?))?.contiguous()?;
        let hook = |values: &[f32]| OneKey { layer: 1, head: 1, key: 40, values: values.to_vec() };
        let batch =
            decoder.decide(prefill, &rows, row.decision_position(), Some(&mut hook(&strengths))).unwrap();
        // The next token must keep the variants apart, too.
        let next = decoder.embed(&[7; 5]).unwrap();
        let position = [row.positions.max().unwrap() + 1; 3];
        let batch2 = decoder.resume(prefill, &batch, &next, position, None).unwrap();
        for (i, strength) in strengths.into_iter().enumerate() {
            let single = decoder
                .decide(prefill, token, row.decision_position(), Some(&mut hook(&[strength])))
                .unwrap();
            assert!(max_difference(&batch.logits.get(i)?, &single.logits.get(0)?) < SAME);
            let next = decoder.embed(&[7]).unwrap();
            let single2 = decoder.resume(prefill, &single, &next, position, None).unwrap();
            assert!(max_difference(&batch2.logits.get(i)?, &single2.logits.get(0)?) < SAME);
        }
        Ok(())
    });
}

/// A bias of −∞ takes a key out of the pattern and the others share its attention.
#[test]
fn minus_infinity_is_a_masked_key() {
    struct Masked {
        inner: OneKey,
        plain: Option<Tensor>,
        seen: Option<Tensor>,
    }
    impl DecisionHook for Masked {
        fn attn_bias(&mut self, layer: &DecisionLayer<'_>) -> Result<Option<Tensor>> {
            if layer.layer == self.inner.layer {
                self.plain = Some(candle_nn::ops::softmax_last_dim(layer.attn_scores)?);
            }
            self.inner.attn_bias(layer)
        }
        fn observe_pattern(&mut self, layer: usize, pattern: &Tensor) -> Result<()> {
            if layer == self.inner.layer {
                self.seen = Some(pattern.clone());
            }
            Ok(())
        }
    }
    on_full_prompts(|decoder, row, token, prefill| {
        let inner = OneKey { layer: 0, head: 1, key: 5, values: vec![f32::NEG_INFINITY] };
        let mut hook = Masked { inner, plain: None, seen: None };
        decoder.decide(prefill, token, row.decision_position(), Some(&mut hook)).unwrap();
        let plain: Vec<f32> = hook.plain.unwrap().get(0)?.get(1)?.to_vec1()?;
        let seen: Vec<f32> = hook.seen.unwrap().get(0)?.get(1)?.to_vec1()?;
        assert_eq!(seen[5].to_bits(), 0);
        for (key, (before, after)) in plain.iter().zip(&seen).enumerate().filter(|(key, _)| *key != 5) {
            let expected = before / (1.0 - plain[5]);
            assert!((after - expected).abs() < SAME, "key {key}: {after}, expected {expected}");
        }
        Ok(())
    });
}

#[test]
fn coalitions_by_tree_equal_coalitions_from_scratch() {
    for Stage { name, decoder, media, rows, is_long } in Stage::all() {
        let decoder = &decoder;
        let decide = |row: &PromptRow, prefill: &Prefill| -> emomm_models::Result<Tensor> {
            let token = embed(decoder, &[row.decision_token()], &media)?;
            Ok(decoder.decide(prefill, &token, row.decision_position(), None)?.logits)
        };
        let mut by_tree = vec![None; rows.len()];
        let mut leaf = |i: usize, prefill: &Prefill| {
            by_tree[i] = Some((decide(&rows[i], prefill)?, prefill.pooled(1, 2)?));
            Ok(())
        };
        let cost = walk(decoder, &rows, &media, &mut leaf).unwrap();
        // The instruction after the media is never shared: the shorter the media, the less there is to save.
        let most = if is_long { cost.separate * 3 / 4 } else { cost.separate };
        assert!(cost.read < most, "{name}: {cost:?}");
        // Decision rows are read apart: the tree of all tokens is the floor, and at most a tenth is read beyond it.
        let (read, floor) = (cost.read + rows.len(), token_floor(&rows));
        assert!(floor <= read && read * 10 <= floor * 11, "{read} read, floor {floor}");
        for (i, row) in rows.iter().enumerate() {
            let (logits, pooled) = by_tree[i].clone().unwrap();
            let mut scratch = None;
            let mut leaf = |_: usize, prefill: &Prefill| {
                scratch = Some((decide(row, prefill)?, prefill.pooled(1, 2)?));
                Ok(())
            };
            let alone = walk(decoder, std::slice::from_ref(row), &media, &mut leaf).unwrap();
            assert_eq!(alone.read, alone.separate);
            let (logits2, pooled2) = scratch.unwrap();
            assert!(max_difference(&logits, &logits2) < SAME, "{} {}", name, ModalitySet::ALL[i]);
            assert_eq!(pooled.is_some(), pooled2.is_some());
            if let (Some(a), Some(b)) = (pooled, pooled2) {
                assert!(max_difference(&a, &b) < SAME);
            }
        }
    }
}

/// Matrices that are stored in two bytes are kept so, whether f32 or their own type is asked for; sums are f32 either way.
#[test]
fn the_type_of_a_checkpoint_s_matrices_is_kept_and_changes_no_bit() {
    for (name, stored) in [("full_prefixed", DType::BF16), ("no_settings", DType::F16)] {
        let case = Case::open(name);
        let kept = Omni::load(&golden_folder().join(name).join("checkpoint"), &Device::Cpu, stored).unwrap();
        assert_eq!(kept.decoder.dtype(), DType::F32);
        let logits = |decoder: &Decoder| values(&full_logits(&case, decoder));
        assert_eq!(logits(&case.model.decoder), logits(&kept.decoder), "{name}");
    }
}

/// What a decoder makes of the golden prompt of all modalities, in one full forward.
fn full_logits(case: &Case, decoder: &Decoder) -> Tensor {
    let (media, shape) = case.media();
    let row = &case.rows(&shape)[7];
    let all = embed(decoder, &row.tokens, &media).unwrap();
    decoder.full_forward(&all, row.positions.as_slice(), row.tokens.len() - 1).unwrap()
}

/// Rounding f32 weights to two bytes moves logits by about their relative precision, 2⁻⁹ and 2⁻¹².
#[test]
fn narrower_weights_move_logits_by_their_rounding() {
    let case = Case::open("gqa");
    let plain = full_logits(&case, &case.model.decoder);
    for (kept, least, most) in [(DType::BF16, 1e-4, 0.1), (DType::F16, 1e-5, 0.02)] {
        let model = Omni::load(&golden_folder().join("gqa/checkpoint"), &Device::Cpu, kept).unwrap();
        let difference = max_difference(&plain, &full_logits(&case, &model.decoder));
        assert!((least..most).contains(&difference), "{kept:?}: {difference}");
    }
}

/// Normal weights of scale σ reach 2.2 σ in a block of 32, so that 8 bits step by σ / 58, which errs by 0.005 σ, four times as much
/// as bf16; 4 bits step by 0.29 σ and err by 17 times as much as 8.
#[test]
fn weights_in_blocks_move_logits_by_their_rounding() {
    let case = Case::open("gqa");
    let plain = full_logits(&case, &case.model.decoder);
    let mut differences = Vec::new();
    for kept in [ComputeType::Q8_0, ComputeType::Q4K] {
        let model = Omni::load(&golden_folder().join("gqa/checkpoint"), &Device::Cpu, kept.kept()).unwrap();
        differences.push(max_difference(&plain, &full_logits(&case, &model.decoder)));
    }
    let [eight, four] = differences[..] else { panic!("{differences:?}") };
    assert!((1e-3..0.4).contains(&eight), "{eight}");
    assert!((4.0 * eight..40.0 * eight).contains(&four), "{eight} {four}");
}

/// A decoder in a GGUF file takes the place of the one in the safetensors files, under llama.cpp's names and types.
#[test]
fn a_gguf_decoder_answers_as_transformers_with_its_numbers() {
    let checkpoint = golden_folder().join("gqa/checkpoint");
    let gguf = golden_folder().join("../gguf");
    let folder = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(&checkpoint).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
    }
    std::fs::copy(gguf.join("decoder.gguf"), folder.path().join(GGUF_DECODER)).unwrap();
    let decoder = Omni::load(folder.path(), &Device::Cpu, DType::F32).unwrap().decoder;
    let json: Value = serde_json::from_slice(&std::fs::read(gguf.join("decoder.json")).unwrap()).unwrap();
    let ids: Vec<u32> = serde_json::from_value(json["ids"].clone()).unwrap();
    let expected: Vec<f32> = serde_json::from_value(json["logits"].clone()).unwrap();
    let positions: Vec<[u32; 3]> = (0..ids.len() as u32).map(|p| [p; 3]).collect();
    let embedded = decoder.embed(&ids).unwrap();
    let found = decoder.full_forward(&embedded, &positions, ids.len() - 1).unwrap().to_vec1::<f32>().unwrap();
    // Q5_0 is kept in f16, with 11 bits; see the README of the data.
    let difference = worst_difference(&found, &expected);
    assert!(difference < 2e-3, "{difference}");

    std::fs::write(folder.path().join(GGUF_DECODER), b"GGUF but no more").unwrap();
    let error = Omni::load(folder.path(), &Device::Cpu, DType::F32).err().unwrap();
    assert!(error.to_string().contains(GGUF_DECODER), "{error}");
}

/// Instruction sets round products differently; a logit moves by less than 1e-4. Threads change no bit.
#[test]
fn instruction_sets_and_threads_move_no_logit_by_1e_4() {
    let program = std::env::current_exe().unwrap();
    let run = |isa: &str, threads: &str| -> Vec<f32> {
        let mut command = std::process::Command::new(&program);
        command.args(["--exact", "identities::logits_of_this_process", "--ignored", "--nocapture"]);
        command.env("EMOMM_ISA", isa).env("RAYON_NUM_THREADS", threads);
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (_, answer) = text.lines().find_map(|l| l.split_once("logits: ")).unwrap_or_else(|| {
            panic!("{isa} {threads}: {text}\n{}", String::from_utf8_lossy(&output.stderr))
        });
        let (name, numbers) = answer.split_once(' ').unwrap();
        assert_eq!(name, isa);
        serde_json::from_str(numbers).unwrap()
    };
    let sets = Isa::available();
    let reference = run(sets[0].name(), "1");
    assert!(reference.len() > 1000);
    for isa in sets {
        let one = run(isa.name(), "1");
        let difference = worst_difference(&one, &reference);
        assert!(difference < 1e-4, "{isa:?}: {difference}");
        for threads in ["2", "5"] {
            assert_eq!(one, run(isa.name(), threads), "{isa:?} with {threads} threads");
        }
    }
}

/// Prints what the test above compares: logits of every kind of run, with this process's instructions and threads.
#[test]
#[ignore = "run by instruction_sets_and_threads_move_no_logit_by_1e_4"]
fn logits_of_this_process() {
    let mut all = Vec::new();
    for case in Case::all() {
        let (media, shape) = case.media();
        for row in [&case.rows(&shape)[7], &case.rows(&shape)[0]] {
            let embedded = embed(&case.model.decoder, &row.tokens, &media).unwrap();
            let at = row.tokens.len() - 1;
            let logits = case.model.decoder.full_forward(&embedded, row.positions.as_slice(), at).unwrap();
            all.extend(logits.to_vec1::<f32>().unwrap());
        }
    }
    println!("logits: {} {}", Isa::best().name(), serde_json::to_string(&all).unwrap());
}

/// Causality: what comes later changes nothing before it, also across the borders of attention blocks.
#[test]
fn a_changed_future_token_leaves_earlier_logits_unchanged() {
    for Stage { name, decoder, .. } in Stage::all() {
        let ids: Vec<u32> = (0..300).map(|i| (i * 37) % 250).collect();
        let positions: Vec<[u32; 3]> = (0..300).map(|p| [p; 3]).collect();
        let logits = |ids: &[u32], at: usize| {
            values(&decoder.full_forward(&decoder.embed(ids).unwrap(), &positions, at).unwrap())
        };
        for border in [1, 127, 128, 129, 256, 299] {
            let mut changed = ids.clone();
            changed[border..].fill(3);
            assert_eq!(logits(&ids, border - 1), logits(&changed, border - 1), "{name} {border}");
            assert_ne!(logits(&ids, border), logits(&changed, border), "{name} {border}");
        }
    }
}
