//! 100 steps of AdamW on Eq. (10), same data, same initial weights, same batches, both sides in f64.

use candle_core::{DType, Tensor};
use emomm_chase::{
    AdamW, BlockNorm, Precision, Router, RouterForm, RouterShape, Target, TrainOptions, TrainingSet,
    train_step,
};
use emomm_dataset::{Modality, ModalitySet};

use super::case::read_tensors;

#[test]
fn losses_agree_over_a_hundred_steps_in_every_form() {
    let golden = read_tensors("chase/training.safetensors");
    let list = |name: &str| -> Vec<f64> {
        golden[name].to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    };
    let conflict = list("conflict");
    let (gate, present) = (list("gate"), list("present"));
    let (mut shown, mut targets) = (Vec::new(), Vec::new());
    for (i, conflict) in conflict.iter().enumerate() {
        let here: ModalitySet =
            Modality::ALL.into_iter().filter(|m| present[3 * i + m.index()] > 0.5).collect();
        shown.push(here);
        let gate = [0, 1, 2].map(|m| gate[3 * i + m]);
        targets.push(Target { conflict: *conflict, gate, correct: [false; 3], has_gate: true });
    }
    let n_layers = golden["inputs"].dim(0).unwrap() / conflict.len();
    let samples = TrainingSet::new(golden["inputs"].clone(), n_layers, shown, targets).unwrap();
    let batches: Vec<Vec<i64>> = golden["batches"].to_vec2().unwrap();
    let options = TrainOptions {
        learning_rate: 1e-2,
        weight_decay: 0.01,
        precision: Precision::F64,
        ..TrainOptions::default()
    };
    for (name, form) in [
        ("shared_trunk", RouterForm::SharedTrunk),
        ("separate_trunks", RouterForm::SeparateTrunks),
        ("linear", RouterForm::Linear),
    ] {
        let shape = RouterShape { inner_size: 6, form, norm: BlockNorm::None, ..RouterShape::paper(3) };
        let parameters: Vec<Tensor> =
            shape.parameters().iter().map(|(p, _)| golden[&format!("{name}.{p}")].clone()).collect();
        let mut router = Router::from_parameters(shape, parameters).unwrap();
        let mut optimiser =
            AdamW::new(router.parameters(), options.learning_rate, options.weight_decay).unwrap();
        let theirs = list(&format!("{name}.losses"));
        assert_eq!((batches.len(), theirs.len()), (100, 100));
        for (step, (batch, expected)) in batches.iter().zip(theirs).enumerate() {
            let batch: Vec<usize> = batch.iter().map(|i| *i as usize).collect();
            let loss = train_step(&mut router, &mut optimiser, &samples, &batch, &options).unwrap();
            let relative = (loss - expected).abs() / expected;
            assert!(relative < 1e-8, "{name}, step {step}: {loss}, expected {expected}");
        }
    }
}
