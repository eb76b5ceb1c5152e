//! `emomm chase train`: a router from cached features.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use emomm_chase::{
    BlockNorm, KeepEpoch, LabelLevel, LayerReduction, NeutralPolarity, NoneCorrect, Precision,
    PreferenceForm, PreferenceOptions, RouterCard, RouterForm, RouterShape, RouterTiming, TargetKind,
    TargetRules, TextScope, TrainOptions, TrainingSet, save_router, train,
};
use emomm_dataset::ModalitySet;
use emomm_dataset::build::Split;
use serde_json::json;

use super::eval::write_json;
use super::labelled::{Labelled, draw, first_clips, fixed_heads, labelled, mean_gates};
use super::session::Session;
use super::words::{WhereArgs, from_word};
use crate::exit_status::{ExitStatus, Failure};
use crate::printer::Printer;

#[derive(Debug, Args)]
pub(crate) struct TrainArgs {
    #[command(flatten)]
    pub(crate) place: WhereArgs,
    /// Folder for the router: router.safetensors and its card
    #[arg(long, value_name = "ROUTER")]
    pub(crate) out: PathBuf,
    /// Who judges the modalities: unimodal_labels, or self_answers (the model's own answers to each alone)
    #[arg(long, value_name = "KIND", default_value = "unimodal_labels", value_parser = from_word::<TargetKind>)]
    pub(crate) targets: TargetKind,
    /// Seed of the initial parameters and of the order of samples
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Train on full clips alone, without their masked copies
    #[arg(long)]
    pub(crate) full_only: bool,
    /// First layer, counted from 1; 13 of 28 scaled to the depth without it
    #[arg(long, value_name = "N")]
    pub(crate) first_layer: Option<usize>,
    /// Most clips to train on, drawn by the seed
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) clips: Option<u64>,
    /// Also train on so many clips each and report the validation figures: a learning curve
    #[arg(long, value_name = "N", value_delimiter = ',')]
    pub(crate) curve: Vec<usize>,
    /// File for the learning curve, JSON; the report draws curve*.json of a folder of variants
    #[arg(long, value_name = "FILE", requires = "curve")]
    pub(crate) curve_out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) how: HowArgs,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Choices that the paper leaves open, and its hyper-parameters.
#[derive(Debug, Clone, Args)]
pub(crate) struct HowArgs {
    /// Passes over the samples
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) epochs: usize,
    /// AdamW's learning rate
    #[arg(long, value_name = "X", default_value_t = 1e-4)]
    pub(crate) learning_rate: f64,
    /// AdamW's weight decay
    #[arg(long, value_name = "X", default_value_t = 0.01)]
    pub(crate) weight_decay: f64,
    /// Samples of a batch
    #[arg(long, value_name = "N", default_value_t = 32)]
    pub(crate) batch_size: usize,
    /// Weight of the gate's divergence
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    pub(crate) lambda_gate: f64,
    /// Weight of the conflict's cross-entropy
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    pub(crate) lambda_conflict: f64,
    /// Weight of samples with a conflict
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    pub(crate) positive_weight: f64,
    /// Layers are added up or averaged: sum or mean
    #[arg(long, value_name = "HOW", default_value = "sum", value_parser = from_word::<LayerReduction>)]
    pub(crate) layers: LayerReduction,
    /// The epoch that is kept: best (least validation loss) or last
    #[arg(long, value_name = "WHICH", default_value = "best", value_parser = from_word::<KeepEpoch>)]
    pub(crate) keep: KeepEpoch,
    /// Type of the parameters: f32 or f64
    #[arg(long, value_name = "NAME", default_value = "f32", value_parser = from_word::<Precision>)]
    pub(crate) precision: Precision,
    /// Form of the router: shared_trunk, separate_trunks or linear
    #[arg(long, value_name = "FORM", default_value = "shared_trunk", value_parser = from_word::<RouterForm>)]
    pub(crate) form: RouterForm,
    /// Width of its hidden layer
    #[arg(long, value_name = "N", default_value_t = 128)]
    pub(crate) width: usize,
    /// Scaling of hidden states: rms, layer_norm or none
    #[arg(long, value_name = "NORM", default_value = "rms", value_parser = from_word::<BlockNorm>)]
    pub(crate) norm: BlockNorm,
    /// Factor on the preference in the router's input
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    pub(crate) preference_scale: f64,
    /// Tell the router which layer it reads, by an embedding of each
    #[arg(long)]
    pub(crate) layer_embedding: bool,
    /// Whose preference is read in a layer: same_layer, or one_layer_lag (that of the layer before)
    #[arg(long, value_name = "WHICH", default_value = "same_layer", value_parser = from_word::<RouterTiming>)]
    pub(crate) timing: RouterTiming,
    /// Form of the preference: share, softmax_raw, softmax_scaled or mass_share
    #[arg(long, value_name = "FORM", default_value = "share", value_parser = from_word::<PreferenceForm>)]
    pub(crate) preference: PreferenceForm,
    /// Temperature of softmax_scaled
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    pub(crate) preference_temperature: f64,
    /// Which tokens are the text: transcript, with_instruction or all_text
    #[arg(long, value_name = "SCOPE", default_value = "transcript", value_parser = from_word::<TextScope>)]
    pub(crate) text_scope: TextScope,
    /// First tokens of the prompt that belong to no modality
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) sinks: usize,
    /// Level at which a modality is right: class, polarity or ordinal
    #[arg(long, value_name = "LEVEL", default_value = "class", value_parser = from_word::<LabelLevel>)]
    pub(crate) correctness: LabelLevel,
    /// Level at which there is a conflict: class or polarity
    #[arg(long, value_name = "LEVEL", default_value = "class", value_parser = from_word::<LabelLevel>)]
    pub(crate) conflict: LabelLevel,
    /// Neutral among polarities: own or wildcard
    #[arg(long, value_name = "HOW", default_value = "own", value_parser = from_word::<NeutralPolarity>)]
    pub(crate) neutral: NeutralPolarity,
    /// A conflict of a masked modality counts, too
    #[arg(long)]
    pub(crate) conflict_over_all: bool,
    /// Smoothing of the target gate
    #[arg(long, value_name = "X", default_value_t = 0.1)]
    pub(crate) gate_epsilon: f64,
    /// The gate where no modality is right: uniform or skip
    #[arg(long, value_name = "HOW", default_value = "uniform", value_parser = from_word::<NoneCorrect>)]
    pub(crate) none_correct: NoneCorrect,
}

impl HowArgs {
    fn rules(&self) -> TargetRules {
        TargetRules {
            correctness: self.correctness,
            conflict: self.conflict,
            neutral: self.neutral,
            conflict_over_all: self.conflict_over_all,
            epsilon: self.gate_epsilon,
            none_correct: self.none_correct,
        }
    }

    fn options(&self, seed: u64) -> TrainOptions {
        TrainOptions {
            learning_rate: self.learning_rate,
            weight_decay: self.weight_decay,
            batch_size: self.batch_size,
            epochs: self.epochs,
            lambda_gate: self.lambda_gate,
            lambda_conflict: self.lambda_conflict,
            positive_weight: self.positive_weight,
            layer_reduction: self.layers,
            keep: self.keep,
            precision: self.precision,
            seed,
            ..TrainOptions::default()
        }
    }
}

/// The clips of some samples, each once, sorted.
fn contents(session: &Session, samples: &[Labelled]) -> Vec<String> {
    let all: BTreeSet<String> = samples.iter().map(|l| session.contents(&l.record.sample)).collect();
    all.into_iter().collect()
}

pub(crate) fn run(args: &TrainArgs, printer: &Printer) -> Result<ExitStatus, Failure> {
    let how = &args.how;
    let (rules, options) = (how.rules(), how.options(args.seed));
    rules.check()?;
    options.check()?;
    let preference = PreferenceOptions { form: how.preference, temperature: how.preference_temperature };
    preference.check()?;
    RouterShape { inner_size: how.width, preference_scale: how.preference_scale, ..RouterShape::paper(1) }
        .check()?;
    let mut session = Session::open(&args.place, printer)?;
    let model_shape = session.white_box.shape();
    let first_layer =
        args.first_layer.unwrap_or_else(|| emomm_chase::scaled_first_layer(model_shape.n_layers));
    if !(1..=model_shape.n_layers).contains(&first_layer) {
        let message =
            format!("--first-layer {first_layer}: expected a layer from 1 to {}", model_shape.n_layers);
        return Err(Failure::new(ExitStatus::Usage, message)
            .with_hint("layers are counted from 1; without the option it is 13 of 28, scaled to the depth"));
    }
    let mut store = session.store(how.text_scope, how.sinks)?;
    let (_, n_failed) = session.ensure_features(&mut store, &[Split::Train, Split::Valid], printer)?;
    let coalitions: Vec<ModalitySet> =
        if args.full_only { vec![ModalitySet::FULL] } else { super::session::words(&super::session::READ) };
    let (mut learnt, n_without_target) =
        labelled(&session, &store, &[Split::Train], &coalitions, args.targets, &rules)?;
    let (checked, _) = labelled(&session, &store, &[Split::Valid], &coalitions, args.targets, &rules)?;
    let n_all = draw(&mut learnt, args.seed, args.clips.map(|n| n as usize));

    let shape = RouterShape {
        hidden_size: model_shape.hidden_size,
        inner_size: how.width,
        form: how.form,
        norm: how.norm,
        preference_scale: how.preference_scale,
        layer_embedding: if how.layer_embedding { model_shape.n_layers } else { 0 },
        timing: how.timing,
    };
    let set = |records: &[&Labelled]| {
        let samples =
            records.iter().filter_map(|l| Some((l.record.features.as_ref()?, l.record.coalition, l.target)));
        TrainingSet::of_features(samples, &shape, preference, first_layer, how.precision.dtype())
    };
    let all: Vec<&Labelled> = learnt.iter().collect();
    let valid = if checked.is_empty() { None } else { Some(set(&checked.iter().collect::<Vec<_>>())?) };
    let spinner = printer.spinner("training");
    let trained = train(shape, &set(&all)?, valid.as_ref(), &options)?;
    let mut curve = Vec::new();
    for clips in &args.curve {
        let ids = first_clips(&learnt, *clips);
        let part: Vec<&Labelled> = learnt.iter().filter(|l| ids.contains(&l.record.sample)).collect();
        let small = train(shape, &set(&part)?, valid.as_ref(), &options)?;
        curve.push(json!({
            "n_clips": ids.len(),
            "n_samples": part.len(),
            "best": small.history.get(small.best_epoch.saturating_sub(1)),
        }));
    }
    spinner.finish_and_clear();
    let conflicts = learnt.iter().filter(|l| l.target.conflict > 0.5).count();
    let card = RouterCard {
        format_version: RouterCard::VERSION,
        model_sha256: session.model.id.sha256.clone(),
        model_name: session.model.id.name.clone(),
        shape,
        n_layers: model_shape.n_layers,
        n_heads: model_shape.n_heads,
        first_layer,
        preference: how.preference,
        preference_temperature: how.preference_temperature,
        missing: args.place.missing,
        text_scope: how.text_scope,
        n_sinks: how.sinks,
        targets: args.targets,
        rules,
        coalitions,
        options,
        manifest_sha256: session.manifest.header.parquet_sha256.clone(),
        corpora: args.place.corpus.clone(),
        n_train: learnt.len(),
        n_without_target,
        n_train_clips: n_all,
        train_clips: contents(&session, &learnt),
        n_valid: checked.len(),
        conflict_base_rate: conflicts as f64 / learnt.len().max(1) as f64,
        mean_gate: mean_gates(&learnt),
        fixed_heads: fixed_heads(&learnt, preference, first_layer),
        best_epoch: trained.best_epoch,
        history: trained.history.clone(),
    };
    save_router(&args.out, &trained.router, &card)?;
    if let Some(path) = &args.curve_out {
        write_json(path, &json!({ "targets": args.targets, "n_valid": checked.len(), "curve": curve }))?;
    }
    let best = &trained.history[trained.best_epoch.saturating_sub(1)];
    if args.json {
        printer.json(&json!({
            "out": args.out,
            "n_train": card.n_train,
            "n_train_clips": card.n_train_clips,
            "n_without_target": card.n_without_target,
            "n_valid": card.n_valid,
            "conflict_base_rate": card.conflict_base_rate,
            "best_epoch": card.best_epoch,
            "best": best,
            "history": card.history,
            "curve": curve,
        }))?;
    } else {
        let number = |x: Option<f64>| x.map_or("-".to_owned(), |x| format!("{x:.4}"));
        let conflict = best.valid_conflict;
        printer.data(&format!(
            "trained on {} samples of {} clips ({:.1} % conflicts); epoch {} of {} kept\nvalidation: loss {}, conflict \
             accuracy {} (base rate {}), Brier {}, ECE {}, gate top-1 {}\nrouter in {}\n",
            card.n_train,
            card.n_train_clips,
            100.0 * card.conflict_base_rate,
            card.best_epoch,
            card.history.len(),
            number(best.valid_loss),
            number(conflict.map(|c| c.accuracy)),
            number(conflict.map(|c| c.base_rate)),
            number(conflict.map(|c| c.brier)),
            number(conflict.map(|c| c.ece)),
            number(best.valid_gate_top1),
            args.out.display()
        ))?;
        for point in &curve {
            printer.data(&format!("curve: {point}\n"))?;
        }
    }
    Ok(if n_failed > 0 { ExitStatus::Partial } else { ExitStatus::Done })
}
