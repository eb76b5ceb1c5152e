//! Gradient × Input against PyTorch's autograd, Eq. (22) to (25), and what must hold of any gradient.
//!
//! Tolerance: 1e-4 of the greatest value of a prompt. Both sides compute in f32; the reference in f64 is up to 7.1e-6 away
//! (`tests/golden/saliency/README.md`), and two orders of summation may differ by a few times that.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use candle_core::{Device, Tensor};
use emomm_dataset::{Modality, ModalitySet};
use emomm_models::decoder::{Decoder, DecoderConfig, GradientPlace, Keep, Prefill, TargetLogit};
use emomm_models::importance::{TokenImportance, token_importance, token_importance_after};
use emomm_models::prompt_tree::{MediaEmbeddings, PromptRow, embed, walk_from};
use emomm_models::weights::Weights;

use super::cases::{Case, device, max_difference, worst_difference};

const RELATIVE: f32 = 1e-4;
/// Every how many tokens the reference's gradient is written.
const STRIDE: usize = 8;

const KEEPS: [Keep; 3] = [
    Keep::LayerInputs,
    Keep::EveryNthInput(NonZeroUsize::new(2).unwrap()),
    Keep::EveryNthInput(NonZeroUsize::new(64).unwrap()),
];

fn reference(case: &str) -> HashMap<String, Tensor> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/saliency");
    candle_core::safetensors::load(folder.join(format!("{case}.safetensors")), &device()).unwrap()
}

fn greatest(values: &Tensor) -> f32 {
    let values: Vec<f32> = values.flatten_all().unwrap().to_vec1().unwrap();
    values.into_iter().fold(0.0, |most, x| most.max(x.abs()))
}

/// One coalition of a case with what the reference makes of it.
struct Shown<'a> {
    case: &'a Case,
    coalition: ModalitySet,
    row: &'a PromptRow,
    media: &'a MediaEmbeddings,
    expected: &'a HashMap<String, Tensor>,
    label: String,
}

impl Shown<'_> {
    fn theirs(&self, what: &str) -> &Tensor {
        &self.expected[&format!("{}.{what}", self.coalition)]
    }

    fn importance(&self, layer: usize, keep: Keep) -> Option<TokenImportance> {
        let (decoder, letters) = (&self.case.model.decoder, &self.case.model.tokenizer.letters);
        token_importance(decoder, letters, self.row, self.media, Modality::Video, (layer, keep)).unwrap()
    }

    /// Holds the gradient at the video tokens' input of a layer against the reference's, which has every [`STRIDE`]th.
    fn check_gradient(&self, layer: usize, target: TargetLogit<'_>, what: &str) {
        let decoder = &self.case.model.decoder;
        let rows = self.row.layout.spans(Modality::Video)[0].clone();
        let every: Vec<u32> = (0..rows.len() as u32).step_by(STRIDE).collect();
        let every = Tensor::new(every.as_slice(), decoder.device()).unwrap();
        let all = embed(decoder, &self.row.tokens, self.media).unwrap();
        let (place, positions) = (GradientPlace { layer, rows }, self.row.positions.as_slice());
        let got = decoder.input_gradient(&all, positions, target, &place, Keep::LayerInputs).unwrap();
        let ours = got.gradient.index_select(&every, 0).unwrap();
        let theirs = self.theirs(what);
        let difference = max_difference(&ours, theirs) / greatest(theirs);
        assert!(difference < RELATIVE, "{}: the gradient differs by {difference}", self.label);
    }
}

fn every_coalition(mut check: impl FnMut(&Shown<'_>)) {
    for case in Case::all() {
        let (expected, media) = (reference(case.name), case.reference_media());
        let (_, shape) = case.media();
        for (coalition, row) in ModalitySet::ALL.into_iter().zip(case.rows(&shape)) {
            let label = format!("{} {coalition}", case.name);
            check(&Shown { case: &case, coalition, row: &row, media: &media, expected: &expected, label });
        }
    }
}

#[test]
fn gradients_and_importance_equal_autograd_s_for_every_coalition_with_video() {
    let mut compared = 0;
    every_coalition(|shown| {
        let (label, letters) = (&shown.label, &shown.case.model.tokenizer.letters);
        let found = shown.importance(0, Keep::LayerInputs);
        assert_eq!(found.is_some(), shown.coalition.contains(Modality::Video), "{label}");
        let Some(found) = found else { return };
        let token: Vec<i64> = shown.theirs("token").to_vec1().unwrap();
        assert_eq!(i64::from(letters[found.letter.index()]), token[0], "{label}");
        assert_eq!(found.tokens, shown.row.layout.spans(Modality::Video)[0].clone().collect::<Vec<_>>());
        for (ours, what) in [(&found.raw, "importance"), (&found.normalised, "importance_normalised")] {
            let ours = Tensor::new(ours.as_slice(), &Device::Cpu).unwrap();
            let theirs = shown.theirs(what);
            let difference = max_difference(&ours, theirs) / greatest(theirs);
            assert!(difference < RELATIVE, "{label}: {what} differs by {difference}");
        }
        let sum: f32 = found.normalised.iter().sum();
        assert!((sum - 1.0).abs() < 1e-5, "{label}: {sum}");
        shown.check_gradient(0, TargetLogit::Token(token[0] as u32), "gradient");
        compared += 1;
    });
    assert_eq!(compared, 16);
}

/// With h_k the input of a later layer: the way back ends there. Differences count beside the greatest importance at the
/// embedding, for at the last layer there is none: a token acts on the decision row there through its normed state alone, which
/// does not change with the state's length, so the gradient is at right angles to the state.
#[test]
fn importance_at_every_layer_s_input_equals_autograd_s() {
    let mut compared = 0;
    every_coalition(|shown| {
        if !shown.coalition.contains(Modality::Video) {
            return;
        }
        let (label, n_layers) = (&shown.label, shown.case.model.decoder.config().n_layers);
        let theirs = shown.theirs("layer_importance");
        assert_eq!(theirs.dim(0).unwrap(), n_layers, "{label}");
        let size = greatest(&theirs.get(0).unwrap());
        for (layer, keep) in (0..n_layers).flat_map(|layer| KEEPS.map(|keep| (layer, keep))) {
            let found = shown.importance(layer, keep).unwrap();
            let ours = Tensor::new(found.raw.as_slice(), &Device::Cpu).unwrap();
            let difference = max_difference(&ours, &theirs.get(layer).unwrap()) / size;
            assert!(difference < RELATIVE, "{label} layer {layer} {keep:?}: {difference}");
            let share = greatest(&ours) / size;
            assert_eq!(share > 1e-3, layer + 1 < n_layers, "{label} layer {layer}: {share}");
            compared += 1;
        }
        let letters = &shown.case.model.tokenizer.letters;
        shown.check_gradient(1, TargetLogit::Greatest(letters), "layer_gradient");
    });
    // Four coalitions, three ways to keep, 4 + 3 + 3 + 2 layers.
    assert_eq!(compared, 4 * 3 * 12);
}

/// All input embeddings at once, against the gradient of the whole prompt TAV that the model's own fixture has.
#[test]
fn every_input_embedding_has_the_reference_s_gradient_and_none_is_zero() {
    let case = Case::open("gqa");
    let expected = super::cases::read_tensors("gqa/decoder.safetensors");
    let (_, shape) = case.media();
    let row = &case.rows(&shape)[7];
    let token: Vec<i64> = expected["gradient.token_id"].to_vec1().unwrap();
    let embeds = &expected["embeds"];
    for keep in KEEPS {
        let target = TargetLogit::Token(token[0] as u32);
        let all = GradientPlace::embeddings(0..row.tokens.len());
        let got =
            case.model.decoder.input_gradient(embeds, row.positions.as_slice(), target, &all, keep).unwrap();
        let theirs = &expected["gradient.embeds"];
        let difference = max_difference(&got.gradient, theirs) / greatest(theirs);
        assert!(difference < RELATIVE, "{keep:?}: {difference}");
        for (place, row) in got.gradient.to_vec2::<f32>().unwrap().iter().enumerate() {
            assert!(row.iter().any(|g| *g != 0.0), "{keep:?}: no gradient at token {place}");
        }
    }
}

#[test]
fn what_is_kept_and_which_rows_are_asked_for_change_no_gradient() {
    for case in Case::all() {
        let (media, shape) = case.media();
        let row = &case.rows(&shape)[7];
        let decoder = &case.model.decoder;
        let all = embed(decoder, &row.tokens, &media).unwrap();
        let target = TargetLogit::Greatest(&case.model.tokenizer.letters);
        let gradient = |rows: std::ops::Range<usize>, keep: Keep| {
            let place = GradientPlace::embeddings(rows);
            decoder.input_gradient(&all, row.positions.as_slice(), target, &place, keep).unwrap().gradient
        };
        let tokens = row.tokens.len();
        let whole = gradient(0..tokens, Keep::LayerInputs);
        let size = greatest(&whole);
        for keep in KEEPS {
            for rows in [20..70, tokens - 1..tokens] {
                let part = whole.narrow(0, rows.start, rows.len()).unwrap();
                let difference = max_difference(&gradient(rows.clone(), keep), &part) / size;
                assert!(difference < 1e-5, "{} {keep:?} {rows:?}: {difference}", case.name);
            }
        }
    }
}

#[test]
fn a_gradient_after_a_kept_prefix_equals_one_from_scratch() {
    for case in Case::all() {
        let (media, shape) = case.media();
        let rows = case.rows(&shape);
        let (decoder, letters) = (&case.model.decoder, &case.model.tokenizer.letters);
        let mut compared = 0;
        let mut leaf = |i: usize, prefill: &Prefill| {
            let row = &rows[i];
            let keep = Keep::LayerInputs;
            for layer in [0, decoder.config().n_layers - 2] {
                let video = Modality::Video;
                let after = token_importance_after(decoder, letters, row, prefill, &media, video, layer)?;
                let scratch = token_importance(decoder, letters, row, &media, video, (layer, keep))?;
                assert_eq!(after.is_some(), scratch.is_some());
                let (Some(after), Some(scratch)) = (after, scratch) else { return Ok(()) };
                assert_eq!((after.letter, &after.tokens), (scratch.letter, &scratch.tokens));
                let most = scratch.raw.iter().fold(0.0, |most: f32, x| most.max(*x));
                let difference = worst_difference(&after.raw, &scratch.raw) / most;
                // Two orders of summation, each as far from f64 as the reference.
                assert!(difference < 5e-5, "{} {}: {difference}", case.name, ModalitySet::ALL[i]);
                compared += 1;
            }
            Ok(())
        };
        walk_from(&decoder.root_keeping_inputs(), decoder, &rows, &media, &mut leaf).unwrap();
        assert_eq!(compared, 8);
        // A prefix that kept nothing says so.
        let mut leaf = |i: usize, prefill: &Prefill| {
            token_importance_after(decoder, letters, &rows[7 + i], prefill, &media, Modality::Video, 0)
                .map(drop)
        };
        let error = walk_from(&decoder.root(), decoder, &rows[7..], &media, &mut leaf);
        assert!(error.unwrap_err().to_string().contains("layer inputs were not kept"));
    }
}

/// A shape that no checkpoint here has: heads that are normed before rotation.
#[test]
fn a_gradient_through_normed_heads_equals_differences() {
    let config = DecoderConfig {
        vocab_size: 32,
        hidden_size: 16,
        intermediate_size: 24,
        n_layers: 3,
        n_heads: 4,
        n_kv_heads: 2,
        head_dim: 8,
        rms_norm_eps: 1e-6,
        rope_theta: 1e4,
        rope_sections: vec![4],
        qkv_bias: true,
        qk_norm: true,
        tied_embeddings: false,
    };
    let decoder = Decoder::load(&Weights::random(5), config, 0).unwrap();
    let embeds = decoder.embed(&[3, 9, 27, 17, 4, 30]).unwrap();
    let positions: Vec<[u32; 3]> = (0..6).map(|p| [p; 3]).collect();
    let token = 11;
    let target = TargetLogit::Token(token);
    let all = GradientPlace::embeddings(0..6);
    let found = decoder.input_gradient(&embeds, &positions, target, &all, Keep::LayerInputs).unwrap();
    let gradient = found.gradient.to_vec2::<f32>().unwrap();
    let logit = |embeds: &Tensor| -> f32 {
        decoder.full_forward(embeds, &positions, 5).unwrap().to_vec1::<f32>().unwrap()[token as usize]
    };
    let values = embeds.to_vec2::<f32>().unwrap();
    // Half a step of 1e-2 to both sides: the error of the difference is about 1e-4 of the greatest slope.
    let step = 5e-3;
    let size = greatest(&found.gradient);
    for (row, column) in (0..6).flat_map(|row| [0, 5, 15].map(|column| (row, column))) {
        let moved = |by: f32| {
            let mut values = values.clone();
            values[row][column] += by;
            logit(&Tensor::new(values, &Device::Cpu).unwrap())
        };
        let slope = (moved(step) - moved(-step)) / (2.0 * step);
        let difference = (slope - gradient[row][column]).abs() / size;
        assert!(difference < 3e-3, "{row} {column}: {slope}, expected {}", gradient[row][column]);
    }
}

#[test]
fn rows_and_targets_that_do_not_exist_are_refused() {
    let case = Case::open("gqa");
    let decoder = &case.model.decoder;
    let embeds = decoder.embed(&[3, 9, 27]).unwrap();
    let positions = [[0; 3], [1; 3], [2; 3]];
    let at = |target, place: &GradientPlace| {
        decoder.input_gradient(&embeds, &positions, target, place, Keep::LayerInputs)
    };
    let ask = |target, rows| at(target, &GradientPlace::embeddings(rows));
    let beyond = at(TargetLogit::Token(1), &GradientPlace { layer: 4, rows: 0..1 }).unwrap_err();
    assert!(beyond.to_string().contains("layer 4, expected one below 4"), "{beyond}");
    for (target, rows, message) in [
        (TargetLogit::Token(1), 1..1, "expected a part of 0..3"),
        (TargetLogit::Token(1), 1..4, "expected a part of 0..3"),
        (TargetLogit::Token(9_999), 0..1, "expected an id below 672"),
        (TargetLogit::Greatest(&[1, 9_999]), 0..1, "expected an id below 672"),
        (TargetLogit::Greatest(&[]), 0..1, "no target of the gradient"),
    ] {
        let error = ask(target, rows).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}
