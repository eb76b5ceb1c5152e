//! Training of the router on cached features (Algorithm 1, stage 1): the model stays frozen and is not run.

use candle_core::DType;
use serde::{Deserialize, Serialize};

use crate::adamw::AdamW;
use crate::calibration::Calibration;
use crate::error::{ChaseError, Result};
use crate::loss::{LossOptions, row_loss};
use crate::preference::flags;
use crate::rng::Rng;
use crate::router::{Router, outputs};
use crate::router_shape::RouterShape;
use crate::training_set::TrainingSet;

/// Whether layers are summed, as Eq. (10) is written, or averaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayerReduction {
    /// As written.
    #[default]
    Sum,
    /// Divided by the number of layers.
    Mean,
}

/// Which epoch's parameters are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeepEpoch {
    /// The one of the least validation loss; the last one without a validation set.
    #[default]
    Best,
    /// The last one.
    Last,
}

/// Type of the parameters while they are trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 32-bit floats.
    #[default]
    F32,
    /// 64-bit floats.
    F64,
}

impl Precision {
    /// The engine's name for it.
    pub fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::F64 => DType::F64,
        }
    }
}

/// How to train. The defaults are the paper's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainOptions {
    /// AdamW's learning rate.
    pub learning_rate: f64,
    /// AdamW's weight decay.
    pub weight_decay: f64,
    /// Samples of a batch; all layers of a sample are in it.
    pub batch_size: usize,
    /// Passes over the samples.
    pub epochs: usize,
    /// λ1, weight of the KL term of the gate.
    pub lambda_gate: f64,
    /// λ2, weight of the cross-entropy of the conflict.
    pub lambda_conflict: f64,
    /// ε of Eq. (19) and (20).
    pub epsilon: f64,
    /// Weight of samples with p* = 1.
    pub positive_weight: f64,
    /// Sum or mean over layers.
    pub layer_reduction: LayerReduction,
    /// Which epoch is kept.
    pub keep: KeepEpoch,
    /// Type of the parameters.
    pub precision: Precision,
    /// Seed of the initial parameters and of the order of samples.
    pub seed: u64,
}

impl Default for TrainOptions {
    fn default() -> Self {
        Self {
            learning_rate: 1e-4,
            weight_decay: 0.01,
            batch_size: 32,
            epochs: 10,
            lambda_gate: 1.0,
            lambda_conflict: 1.0,
            epsilon: 1e-8,
            positive_weight: 1.0,
            layer_reduction: LayerReduction::Sum,
            keep: KeepEpoch::Best,
            precision: Precision::F32,
            seed: 0,
        }
    }
}

impl TrainOptions {
    /// Checks the numbers.
    pub fn check(&self) -> Result<()> {
        let positive = [
            ("learning_rate", self.learning_rate),
            ("epsilon", self.epsilon),
            ("positive_weight", self.positive_weight),
        ];
        for (field, value) in positive {
            if !(value.is_finite() && value > 0.0) {
                return Err(ChaseError::setting(field, value, "a positive number"));
            }
        }
        let others = [
            ("weight_decay", self.weight_decay),
            ("lambda_gate", self.lambda_gate),
            ("lambda_conflict", self.lambda_conflict),
        ];
        for (field, value) in others {
            if !(value.is_finite() && value >= 0.0) {
                return Err(ChaseError::setting(field, value, "0 or a positive number"));
            }
        }
        for (field, value) in [("batch_size", self.batch_size), ("epochs", self.epochs)] {
            if value == 0 {
                return Err(ChaseError::setting(field, value, "at least 1"));
            }
        }
        Ok(())
    }

    fn loss(&self) -> LossOptions {
        LossOptions {
            lambda_gate: self.lambda_gate,
            lambda_conflict: self.lambda_conflict,
            epsilon: self.epsilon,
            positive_weight: self.positive_weight,
        }
    }
}

/// What an epoch left behind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Counted from 1.
    pub epoch: usize,
    /// Mean over the batches of the loss before each step.
    pub train_loss: f64,
    /// Loss on the validation samples; null without them.
    pub valid_loss: Option<f64>,
    /// Calibration of p on the validation samples, one row for each sample and layer.
    pub valid_conflict: Option<Calibration>,
    /// Share of validation rows, among those with a right modality, whose gate prefers a right one.
    pub valid_gate_top1: Option<f64>,
}

/// A trained router and how it came about.
#[derive(Debug, Clone)]
pub struct Trained {
    /// Parameters of the kept epoch.
    pub router: Router,
    /// All epochs.
    pub history: Vec<EpochRecord>,
    /// The kept epoch, counted from 1.
    pub best_epoch: usize,
}

/// Trains a router.
pub fn train(
    shape: RouterShape,
    samples: &TrainingSet,
    valid: Option<&TrainingSet>,
    options: &TrainOptions,
) -> Result<Trained> {
    options.check()?;
    let mut router = Router::random(shape, options.seed, options.precision.dtype())?;
    let mut optimiser = AdamW::new(router.parameters(), options.learning_rate, options.weight_decay)?;
    let mut order: Vec<usize> = (0..samples.len()).collect();
    let (mut history, mut kept, mut best_epoch) = (Vec::new(), router.clone(), 0);
    let mut least = f64::INFINITY;
    for epoch in 1..=options.epochs {
        Rng::named(options.seed, &format!("epoch {epoch}")).shuffle(&mut order);
        let (mut sum, mut batches) = (0.0, 0_usize);
        for batch in order.chunks(options.batch_size) {
            sum += train_step(&mut router, &mut optimiser, samples, batch, options)?;
            batches += 1;
        }
        let mut record = EpochRecord {
            epoch,
            train_loss: sum / batches as f64,
            valid_loss: None,
            valid_conflict: None,
            valid_gate_top1: None,
        };
        if let Some(valid) = valid {
            measure(&router, valid, options, &mut record)?;
        }
        let loss = record.valid_loss.unwrap_or(f64::NEG_INFINITY);
        if options.keep == KeepEpoch::Last || loss < least || valid.is_none() {
            (least, best_epoch, kept) = (loss, epoch, router.clone());
        }
        history.push(record);
    }
    if history.iter().any(|e| !e.train_loss.is_finite()) {
        return Err(ChaseError::setting(
            "learning_rate",
            options.learning_rate,
            "one that keeps the loss finite",
        ));
    }
    Ok(Trained { router, history, best_epoch }.keeping(kept))
}

impl Trained {
    fn keeping(self, router: Router) -> Self {
        Self { router, ..self }
    }
}

/// One step on a batch of samples; the loss is that before the step.
pub fn train_step(
    router: &mut Router,
    optimiser: &mut AdamW,
    samples: &TrainingSet,
    batch: &[usize],
    options: &TrainOptions,
) -> Result<f64> {
    let inputs = samples.rows(batch)?;
    let forward = router.forward(&inputs)?;
    let layers = samples.n_layers();
    let scale = scale(batch.len(), layers, options);
    let (loss_options, mut loss) = (options.loss(), 0.0);
    let (mut conflict, mut gate) = (Vec::new(), Vec::new());
    for (row, logits) in forward.conflict_logits.iter().zip(&forward.gate_logits).enumerate() {
        let sample = batch[row / layers];
        let target = &samples.targets()[sample];
        let present = flags(samples.shown()[sample]);
        let gate_target = target.has_gate.then_some(target.gate);
        let one = row_loss((*logits.0, *logits.1), present, (target.conflict, gate_target), &loss_options);
        loss += one.value * scale;
        conflict.push(one.conflict_logit * scale);
        gate.push(one.gate_logits.map(|g| g * scale));
    }
    let gradients = router.backward(&inputs, &forward, &conflict, &gate)?;
    optimiser.step(router.parameters_mut(), &gradients)?;
    Ok(loss)
}

/// The mean over samples, and the sum or mean over layers.
fn scale(samples: usize, layers: usize, options: &TrainOptions) -> f64 {
    let by_layer = match options.layer_reduction {
        LayerReduction::Sum => 1.0,
        LayerReduction::Mean => layers as f64,
    };
    1.0 / (samples as f64 * by_layer)
}

/// Samples measured at once: bounds memory, changes nothing.
const MEASURED_AT_ONCE: usize = 256;

fn measure(
    router: &Router,
    samples: &TrainingSet,
    options: &TrainOptions,
    record: &mut EpochRecord,
) -> Result<()> {
    let layers = samples.n_layers();
    let scale = scale(samples.len(), layers, options);
    let loss_options = options.loss();
    let (mut loss, mut pairs, mut hits, mut judged) = (0.0, Vec::new(), 0_usize, 0_usize);
    let all: Vec<usize> = (0..samples.len()).collect();
    for chunk in all.chunks(MEASURED_AT_ONCE) {
        let forward = router.forward(&samples.rows(chunk)?)?;
        let present: Vec<[bool; 3]> =
            chunk.iter().flat_map(|s| std::iter::repeat_n(flags(samples.shown()[*s]), layers)).collect();
        for (row, output) in outputs(&forward, &present).into_iter().enumerate() {
            let sample = chunk[row / layers];
            let target = &samples.targets()[sample];
            let gate_target = target.has_gate.then_some(target.gate);
            let logits = (forward.conflict_logits[row], forward.gate_logits[row]);
            loss +=
                row_loss(logits, present[row], (target.conflict, gate_target), &loss_options).value * scale;
            pairs.push((output.conflict_prob, target.conflict));
            if let Some(hit) = target.hit(output.gate, samples.shown()[sample]) {
                judged += 1;
                hits += usize::from(hit);
            }
        }
    }
    record.valid_loss = Some(loss);
    record.valid_conflict = Calibration::of(&pairs);
    record.valid_gate_top1 = (judged > 0).then(|| hits as f64 / judged as f64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};
    use emomm_dataset::{ModalitySet, Sentiment};

    use super::*;
    use crate::router_shape::RouterForm;
    use crate::target::TargetRules;

    /// Samples whose conflict and right modality stand in the input.
    fn samples(n: usize, seed: u64) -> TrainingSet {
        let mut rng = Rng::new(seed);
        let (mut rows, mut targets) = (Vec::new(), Vec::new());
        for _ in 0..n {
            let right = rng.below(4);
            let label = |m: usize| {
                Some(if right == 3 || right == m { Sentiment::Positive } else { Sentiment::Negative })
            };
            let labels = [label(0), label(1), label(2)];
            let rules = TargetRules::default();
            targets.push(rules.target(Sentiment::Positive, labels, ModalitySet::FULL).unwrap());
            for _layer in 0..2 {
                let row: Vec<f64> =
                    (0..11).map(|i| if i == right { 2.0 } else { 0.0 } + 0.2 * (rng.unit() - 0.5)).collect();
                rows.extend(row);
            }
        }
        let inputs = Tensor::from_vec(rows, (2 * n, 11), &Device::Cpu).unwrap();
        TrainingSet::new(inputs, 2, vec![ModalitySet::FULL; n], targets).unwrap()
    }

    fn options() -> TrainOptions {
        TrainOptions { learning_rate: 1e-2, precision: Precision::F64, ..TrainOptions::default() }
    }

    fn shape() -> RouterShape {
        RouterShape { inner_size: 16, form: RouterForm::SharedTrunk, ..RouterShape::paper(2) }
    }

    #[test]
    fn a_rule_that_stands_in_the_input_is_learnt_and_a_seed_repeats() {
        let (learnt, checked) = (samples(200, 1), samples(80, 2));
        let run = |seed| {
            let options = TrainOptions { seed, ..options() };
            train(shape(), &learnt, Some(&checked), &options).unwrap()
        };
        let trained = run(5);
        let last = trained.history.last().unwrap();
        assert!(last.valid_conflict.unwrap().accuracy > 0.97, "{last:?}");
        assert!(last.valid_gate_top1.unwrap() > 0.97, "{last:?}");
        assert!(last.valid_loss.unwrap() < trained.history[0].valid_loss.unwrap());
        assert_eq!(trained.history, run(5).history);
        assert_ne!(trained.history, run(6).history);
        let best = trained.history.iter().map(|e| e.valid_loss.unwrap()).fold(f64::INFINITY, f64::min);
        assert_eq!(trained.history[trained.best_epoch - 1].valid_loss.unwrap().to_bits(), best.to_bits());
    }

    #[test]
    fn the_mean_over_layers_is_the_sum_over_their_number() {
        let set = samples(32, 3);
        let batch: Vec<usize> = (0..32).collect();
        let loss = |layer_reduction| {
            let options = TrainOptions { layer_reduction, ..options() };
            let mut router = Router::random(shape(), 1, DType::F64).unwrap();
            let mut optimiser = AdamW::new(router.parameters(), 1e-3, 0.0).unwrap();
            train_step(&mut router, &mut optimiser, &set, &batch, &options).unwrap()
        };
        assert!((loss(LayerReduction::Sum) - 2.0 * loss(LayerReduction::Mean)).abs() < 1e-12);
    }

    #[test]
    fn impossible_options_are_refused() {
        for bad in [
            TrainOptions { learning_rate: f64::NAN, ..options() },
            TrainOptions { batch_size: 0, ..options() },
            TrainOptions { lambda_gate: -1.0, ..options() },
        ] {
            assert!(bad.check().is_err());
        }
    }
}
