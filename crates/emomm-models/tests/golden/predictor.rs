//! The predictor around a front end: hooks per coalition act, and what is recorded is what was used.

use candle_core::{Device, Result, Tensor};
use emomm_dataset::{Corpus, Modality, ModalitySet};
use emomm_eval::{
    AttentionDetail, Clip, Missingness, PredictError, PredictOptions, Prediction, Predictor, in_order,
};
use emomm_media::{DecodeLimits, SamplingMode};
use emomm_models::decoder::{DecisionHook, DecisionLayer};
use emomm_models::front_end::MediaReader;
use emomm_models::predictor::ClipPredictor;
use emomm_models::qwen2_5_omni::Omni;
use emomm_models::white_box::{DecisionPoint, Steering, WhiteBox};

use super::cases::golden_folder;

fn predictor() -> ClipPredictor<Omni> {
    let checkpoint = golden_folder().join("gqa/checkpoint");
    let model = Omni::load(&checkpoint, &Device::Cpu, candle_core::DType::F32).unwrap();
    ClipPredictor::new(model, MediaReader::new(SamplingMode::Qwen, DecodeLimits::default()))
}

fn clip() -> Clip {
    let text = Some("我很喜欢 this movie, really!".to_owned());
    Clip { id: "words".to_owned(), text, audio: None, video: None, corpus: Corpus::ChSims }
}

/// The clip's predictions with a hook.
fn steered(
    model: &mut ClipPredictor<Omni>,
    coalitions: &[ModalitySet],
    steering: &mut Steering<'_>,
) -> Vec<std::result::Result<Prediction, PredictError>> {
    in_order(coalitions.len(), |deliver| {
        model.predict_steered_each(&clip(), coalitions, &RECORD, steering, deliver);
    })
}

const RECORD: PredictOptions = PredictOptions {
    attention: AttentionDetail::Summary,
    importance: false,
    generate: true,
    max_new_tokens: 4,
};

/// Hides the transcript from the decision row.
struct Deaf(Vec<std::ops::Range<usize>>);

impl DecisionHook for Deaf {
    fn attn_bias(&mut self, layer: &DecisionLayer<'_>) -> Result<Option<Tensor>> {
        let (variants, heads, keys) = layer.attn_scores.dims3()?;
        let hidden = |key: usize| self.0.iter().any(|s| s.contains(&key));
        let row: Vec<f32> = (0..keys).map(|k| if hidden(k) { f32::NEG_INFINITY } else { 0.0 }).collect();
        let bias = Tensor::from_vec(row, (1, 1, keys), layer.attn_scores.device())?;
        Ok(Some(bias.broadcast_as((variants, heads, keys))?.contiguous()?))
    }
}

#[test]
fn no_hook_is_the_plain_prediction() {
    let coalitions = ["none".parse().unwrap(), "T".parse().unwrap()];
    let mut model = predictor();
    let plain = model.predict(&clip(), &coalitions, &RECORD);
    let steered = steered(&mut model, &coalitions, &mut |_| Ok(None));
    for (a, b) in plain.into_iter().zip(steered) {
        let (mut a, b) = (a.unwrap(), b.unwrap());
        a.ms = b.ms;
        assert_eq!(a, b);
    }
}

#[test]
fn a_hook_acts_on_its_own_coalition_and_is_seen_in_the_record() {
    let coalitions: [ModalitySet; 2] = ["none".parse().unwrap(), "T".parse().unwrap()];
    let mut model = predictor();
    let plain: Vec<_> =
        model.predict(&clip(), &coalitions, &RECORD).into_iter().map(|p| p.unwrap()).collect();
    let mut asked = Vec::new();
    let mut steer = |point: &DecisionPoint<'_>| -> emomm_models::Result<Option<Box<dyn DecisionHook>>> {
        asked.push(point.coalition());
        let spans = point.layout().spans(Modality::Text).to_vec();
        Ok(if spans.is_empty() { None } else { Some(Box::new(Deaf(spans))) })
    };
    let steered: Vec<_> =
        steered(&mut model, &coalitions, &mut steer).into_iter().map(|p| p.unwrap()).collect();
    asked.sort();
    assert_eq!(asked, coalitions);
    assert_eq!(plain[0].letter_logits, steered[0].letter_logits);
    assert_ne!(plain[1].letter_logits, steered[1].letter_logits);
    let mass = |p: &emomm_eval::Prediction| -> f32 {
        let table = p.attention.clone().unwrap().mass.text.unwrap();
        table.into_iter().flatten().sum()
    };
    assert!(mass(&plain[1]) > 0.1);
    assert_eq!(mass(&steered[1]).to_bits(), 0);
}

#[test]
fn a_missing_medium_fails_its_coalitions_alone() {
    let results = predictor().predict(&clip(), &ModalitySet::ALL, &PredictOptions::default());
    for (coalition, result) in ModalitySet::ALL.into_iter().zip(results) {
        let possible = coalition.is_subset_of("T".parse().unwrap());
        assert_eq!(result.is_ok(), possible, "{coalition}");
    }
}

#[test]
fn a_prompt_beyond_the_model_s_context_is_refused() {
    let mut long = clip();
    // Four-byte characters outside the tiny vocabulary's merges: one token for each byte.
    long.text = Some("𝕬".repeat(9_000));
    let results = predictor().predict(&long, &["T".parse().unwrap()], &PredictOptions::default());
    let error = results[0].as_ref().unwrap_err();
    assert!(error.message.contains("expected at most 32768"), "{error}");
}

/// The checkpoint with another `max_position_embeddings`.
fn with_context(most: usize) -> ClipPredictor<Omni> {
    let (from, to) = (golden_folder().join("gqa/checkpoint"), tempfile::tempdir().unwrap());
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.path().join(file.file_name())).unwrap();
    }
    let path = to.path().join("config.json");
    let mut config: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    config["text_config"]["max_position_embeddings"] = most.into();
    std::fs::write(&path, config.to_string()).unwrap();
    let model = Omni::load(to.path(), &Device::Cpu, candle_core::DType::F32).unwrap();
    ClipPredictor::new(model, MediaReader::new(SamplingMode::Qwen, DecodeLimits::default()))
}

/// A masked transcript leaves its positions behind: they must fit, not only the tokens that are left.
#[test]
fn positions_beyond_the_model_s_context_are_refused_and_no_reply_runs_beyond_it() {
    let none = [ModalitySet::default()];
    let ask = |mut model: ClipPredictor<Omni>, max_new_tokens: usize| {
        model.set_missing(Missingness::Mask);
        let options = PredictOptions { max_new_tokens, ..RECORD };
        model.predict(&clip(), &none, &options).remove(0)
    };
    let free = ask(predictor(), 4).unwrap();
    let whole = predictor().predict(&clip(), &["T".parse().unwrap()], &RECORD).remove(0).unwrap();
    let (tokens, positions) = (free.tokens.unwrap().total, whole.tokens.unwrap().total);
    assert!(tokens + 4 < positions, "{tokens} {positions}");
    let error = ask(with_context(positions - 1), 4).unwrap_err();
    let expected = format!("the prompt has {positions} tokens, expected at most {}", positions - 1);
    assert!(error.message.contains(&expected), "{error}");
    // Two positions are left, so that the reply is that of two tokens.
    let reply = |p: Prediction| p.reply.unwrap().reply;
    let (two, four) = (reply(ask(predictor(), 2).unwrap()), reply(free));
    assert_ne!(two, four);
    assert_eq!(reply(ask(with_context(positions + 2), 4).unwrap()), two);
}

/// One visit of a clip serves plain and steered rows: variants of one batch, on the prefix that a prediction reads.
#[test]
fn a_visit_gives_the_letters_of_the_prediction_and_variants_as_rows() {
    let coalitions = ["none".parse().unwrap(), "T".parse().unwrap(), "V".parse().unwrap()];
    let mut model = predictor();
    let plain = model.predict(&clip(), &coalitions, &PredictOptions::default());
    let mut seen = Vec::new();
    let results = model.visit(&clip(), &coalitions, &mut |point| {
        let decision = point.decide(3, None)?;
        seen.push((point.coalition(), point.letter_logits(&decision)?));
        Ok(())
    });
    assert!(results[0].is_ok() && results[1].is_ok());
    assert!(results[2].as_ref().unwrap_err().message.contains("the clip has none"));
    assert_eq!(seen.len(), 2);
    for (coalition, rows) in seen {
        let at = coalitions.iter().position(|c| *c == coalition).unwrap();
        let expected = plain[at].as_ref().unwrap().letter_logits.unwrap();
        assert_eq!(rows.len(), 3);
        for (ours, theirs) in rows.iter().flatten().zip(expected.iter().cycle()) {
            assert!((ours - theirs).abs() < 1e-5, "{coalition}: {ours} {theirs}");
        }
    }
    assert!(
        model.visit(&clip(), &coalitions[..1], &mut |point| point.decide(0, None).map(|_| ()))[0].is_err()
    );
}
