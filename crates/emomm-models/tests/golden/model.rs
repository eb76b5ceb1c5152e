//! Prompts, positions, logits, attention, hidden states and replies of all eight coalitions.
//!
//! Tolerances: 1e-4 on logits and hidden states, 1e-5 on attention. Both sides compute in f32; what remains is the
//! order of sums in matrix products and of the softmax, which is of the order of 1e-6 at these widths and grows with
//! the depth of the tiny models.

use candle_core::{Result, Tensor};
use emomm_dataset::{Modality, ModalitySet};
use emomm_models::attention_summary::AttentionRecorder;
use emomm_models::decoder::{DecisionHook, DecisionLayer, Prefill};
use emomm_models::prompt_tree::{MediaEmbeddings, PromptToken, embed, walk};
use emomm_models::qwen2_5_omni::render;

use super::cases::{Case, max_difference};

const LOGITS: f32 = 1e-4;
const ATTENTION: f32 = 1e-5;

fn integers(tensor: &Tensor) -> Vec<i64> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn prompts_are_those_of_the_chat_template() {
    for case in Case::all() {
        for coalition in ModalitySet::ALL {
            let expected = case.expect_json(coalition)["prompt"].as_str().unwrap();
            assert_eq!(render(&case.prompt(coalition)), expected, "{} {coalition}", case.name);
        }
    }
}

#[test]
fn letters_are_the_reference_s() {
    for case in Case::all() {
        assert_eq!(serde_json::json!(case.model.tokenizer.letters), case.json["letter_ids"], "{}", case.name);
    }
}

#[test]
fn tokens_positions_and_classes_agree() {
    for case in Case::all() {
        let (_, shape) = case.media();
        for (coalition, row) in ModalitySet::ALL.into_iter().zip(case.rows(&shape)) {
            let label = format!("{} {coalition}", case.name);
            let ids: Vec<i64> = row
                .tokens
                .iter()
                .map(|t| match t {
                    PromptToken::Id(id) => i64::from(*id),
                    PromptToken::Media(Modality::Audio, _) => i64::from(case.model.config.audio_token),
                    PromptToken::Media(_, _) => i64::from(case.model.config.video_token),
                })
                .collect();
            assert_eq!(ids, integers(case.expect(coalition, "input_ids")), "{label}");

            let positions = row.positions.as_slice();
            let by_row: Vec<i64> =
                (0..3).flat_map(|r| positions.iter().map(move |p| i64::from(p[r]))).collect();
            assert_eq!(by_row, integers(case.expect(coalition, "position_ids")), "{label}");
            let delta = i64::from(row.positions.max().unwrap()) + 1 - positions.len() as i64;
            assert_eq!(delta, case.expect_json(coalition)["rope_delta"].as_i64().unwrap(), "{label}");

            for modality in coalition.iter() {
                let ours: Vec<i64> =
                    row.layout.spans(modality).iter().cloned().flatten().map(|i| i as i64).collect();
                let theirs = integers(case.expect(coalition, &format!("token_index_{modality}")));
                assert_eq!(ours, theirs, "{label} {modality}");
            }
            let counts = serde_json::to_value(row.layout.token_counts()).unwrap();
            assert_eq!(counts, case.expect_json(coalition)["tokens"], "{label}");
        }
    }
}

/// Keeps the input of every layer.
#[derive(Default)]
struct Inputs(Vec<Tensor>);

impl DecisionHook for Inputs {
    fn attn_bias(&mut self, layer: &DecisionLayer<'_>) -> Result<Option<Tensor>> {
        self.0.push(layer.resid_pre.get(0)?);
        Ok(None)
    }
}

fn check_decisions(case: &Case, media: &MediaEmbeddings) {
    let (_, shape) = case.media();
    let rows = case.rows(&shape);
    let decoder = &case.model.decoder;
    let mut leaves = 0;
    let mut leaf = |i: usize, prefill: &Prefill| {
        leaves += 1;
        let coalition = ModalitySet::ALL[i];
        let label = format!("{} {coalition}", case.name);
        let row = &rows[i];
        let token = embed(decoder, &[row.decision_token()], media)?;
        let mut recorder = AttentionRecorder::new(&row.layout);
        let decision = decoder.decide(prefill, &token, row.decision_position(), Some(&mut recorder))?;

        let difference = max_difference(&decision.logits.get(0)?, case.expect(coalition, "logits"));
        assert!(difference < LOGITS, "{label}: logits differ by {difference}");
        let attention = Tensor::new(recorder.patterns().to_vec(), decoder.device())?;
        let difference = max_difference(&attention, case.expect(coalition, "attention"));
        assert!(difference < ATTENTION, "{label}: attention differs by {difference}");

        let summary = recorder.summary();
        for modality in Modality::ALL {
            for (name, table) in [("nmas", &summary.nmas), ("mass", &summary.mass)] {
                let table = table.get(modality);
                assert_eq!(table.is_some(), coalition.contains(modality), "{label} {name} {modality}");
                if let Some(table) = table {
                    let ours = Tensor::new(table.clone(), decoder.device())?;
                    let theirs = case.expect(coalition, &format!("{name}_{modality}"));
                    assert!(max_difference(&ours, theirs) < ATTENTION, "{label} {name} {modality}");
                }
            }
        }

        let mut inputs = Inputs::default();
        decoder.decide(prefill, &token, row.decision_position(), Some(&mut inputs))?;
        let theirs = case.expect(coalition, "hidden");
        for (layer, ours) in inputs.0.iter().enumerate() {
            let difference = max_difference(ours, &theirs.get(layer)?);
            assert!(difference < LOGITS, "{label}: input of layer {layer} differs by {difference}");
        }

        for modality in coalition.iter() {
            let theirs = case.expect(coalition, &format!("pooled_{modality}"));
            for layer in 0..decoder.config().n_layers {
                let ours = prefill.pooled(layer, modality.index())?.unwrap();
                let difference = max_difference(&ours, &theirs.get(layer)?);
                assert!(difference < LOGITS, "{label}: pooled {modality}, layer {layer}: {difference}");
            }
        }
        Ok(())
    };
    walk(decoder, &rows, media, &mut leaf).unwrap();
    assert_eq!(leaves, 8);
}

#[test]
fn decoder_agrees_on_the_reference_s_embeddings() {
    for case in Case::all() {
        check_decisions(&case, &case.reference_media());
    }
}

#[test]
fn whole_model_agrees_from_frames_and_waveform() {
    for case in Case::all() {
        let (media, _) = case.media();
        check_decisions(&case, &media);
    }
}

#[test]
fn greedy_replies_agree() {
    for case in Case::all() {
        let (media, shape) = case.media();
        let rows = case.rows(&shape);
        let decoder = &case.model.decoder;
        let mut leaf = |i: usize, prefill: &Prefill| {
            let coalition = ModalitySet::ALL[i];
            let row = &rows[i];
            let expected = integers(case.expect(coalition, "generated"));
            let token = embed(decoder, &[row.decision_token()], &media)?;
            let mut decision = decoder.decide(prefill, &token, row.decision_position(), None)?;
            let mut position = row.positions.max().unwrap() + 1;
            let mut ours = Vec::new();
            while ours.len() < expected.len() {
                let next: u32 = decision.logits.get(0)?.argmax(0)?.to_scalar()?;
                ours.push(i64::from(next));
                let embedded = decoder.embed(&[next])?;
                decision = decoder.resume(prefill, &decision, &embedded, [position; 3], None)?;
                position += 1;
            }
            assert_eq!(ours, expected, "{} {coalition}", case.name);
            Ok(())
        };
        walk(decoder, &rows, &media, &mut leaf).unwrap();
    }
}

/// A random bias in every layer and head at once, against a reference with a patched attention function.
#[test]
fn steered_logits_and_attention_agree() {
    struct Bias<'a>(&'a Tensor, Vec<Tensor>);
    impl DecisionHook for Bias<'_> {
        fn attn_bias(&mut self, layer: &DecisionLayer<'_>) -> Result<Option<Tensor>> {
            Ok(Some(self.0.get(layer.layer)?.unsqueeze(0)?))
        }
        fn observe_pattern(&mut self, _layer: usize, pattern: &Tensor) -> Result<()> {
            self.1.push(pattern.get(0)?);
            Ok(())
        }
    }
    let case = Case::open("gqa");
    let expected = super::cases::read_tensors("gqa/decoder.safetensors");
    let decoder = &case.model.decoder;
    let (_, shape) = case.media();
    let row = &case.rows(&shape)[7];
    let embeds = &expected["embeds"];
    let last = embeds.dim(0).unwrap() - 1;
    let groups = row.layout.group_spans(0..last);
    let prefix = embeds.narrow(0, 0, last).unwrap();
    let prefill =
        decoder.prefill(&decoder.root(), &prefix, &row.positions.as_slice()[..last], &groups).unwrap();
    let token = embeds.narrow(0, last, 1).unwrap();
    let mut hook = Bias(&expected["steered.bias"], Vec::new());
    let decision = decoder.decide(&prefill, &token, row.decision_position(), Some(&mut hook)).unwrap();
    let difference = max_difference(&decision.logits.get(0).unwrap(), &expected["steered.logits"]);
    assert!(difference < LOGITS, "{difference}");
    let attention = Tensor::stack(&hook.1, 0).unwrap();
    let difference = max_difference(&attention, &expected["steered.attention"]);
    assert!(difference < ATTENTION, "{difference}");
}
