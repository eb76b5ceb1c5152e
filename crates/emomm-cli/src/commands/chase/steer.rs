//! `--steer FILE` of `predict` and `eval`: a predictor that steers every decision row as a file says.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use emomm_chase::{
    ClipKnowledge, LoadedRouter, Steerer, SteeringConfig, TraceCell, Variant, VariantKind, load_router,
    router_digest,
};
use emomm_dataset::ModalitySet;
use emomm_eval::{
    Clip, Deliver, Missingness, PredictError, PredictOptions, Prediction, Predictor, TokenCost,
};
use emomm_models::white_box::{DecisionPoint, DecoderShape, WhiteBox};
use serde_json::{Value, json};

use super::eval::warn_of_missing;
use super::variants::read_file;
use crate::exit_status::{ExitStatus, Failure};
use crate::printer::Printer;

/// Settings and router of a steering file.
#[derive(Clone)]
pub(crate) struct SteerFile {
    config: Arc<SteeringConfig>,
    router: Option<(PathBuf, LoadedRouter)>,
}

impl SteerFile {
    /// Reads the file and the router that it or `--router` names.
    pub(crate) fn read(
        path: &Path,
        router: Option<&Path>,
        model_sha256: &dyn Fn() -> Result<String, Failure>,
        missing: Missingness,
        printer: &Printer,
    ) -> Result<Self, Failure> {
        let (config, named) = read_file(path)?;
        let router = match router.map(Path::to_owned).or(named) {
            Some(folder) => {
                let (router, card) = load_router(&folder)?;
                card.check_model(&folder, &model_sha256()?)?;
                warn_of_missing(&folder, &card, missing);
                config.warnings(card.n_heads).iter().for_each(|w| printer.talk(&format!("warning: {w}")));
                Some((folder, Arc::new((router, card))))
            }
            None => None,
        };
        let this = Self { config: Arc::new(config), router };
        this.checked(&path.display().to_string())
    }

    /// The steering that a run's header states, with the router that it was made with.
    ///
    /// # Errors
    /// The run is one of the variants of `emomm chase eval`, or the router is missing or another.
    pub(crate) fn of_settings(
        settings: &Value,
        router: Option<&Path>,
        model_sha256: &str,
    ) -> Result<Self, Failure> {
        let config: SteeringConfig = serde_json::from_value(settings["config"].clone()).map_err(|_| {
            Failure::new(
                ExitStatus::Usage,
                "the run is a variant of `emomm chase eval`, which asks again itself",
            )
            .with_hint("issue the command that made it again: it goes on where it stopped")
        })?;
        let expected = settings["router"].as_str();
        let router = match (expected, router) {
            (None, None) => None,
            (None, Some(folder)) => {
                let message = format!("--router {}: the run was steered without a router", folder.display());
                return Err(Failure::new(ExitStatus::Usage, message).with_hint("leave --router out"));
            }
            (Some(digest), None) => {
                let message = format!("the run was steered with router {digest}, expected --router");
                return Err(Failure::new(ExitStatus::Usage, message)
                    .with_hint("name the router's folder with --router"));
            }
            (Some(digest), Some(folder)) => {
                let found = router_digest(folder)?;
                if found != digest {
                    let message =
                        format!("{}: router {found}, expected {digest} as in the run", folder.display());
                    return Err(Failure::new(ExitStatus::Data, message)
                        .with_hint("name the router that the run was made with"));
                }
                let (router, card) = load_router(folder)?;
                card.check_model(folder, model_sha256)?;
                Some((folder.to_owned(), Arc::new((router, card))))
            }
        };
        Self { config: Arc::new(config), router }.checked("the run's steering")
    }

    /// Refuses what cannot be steered clip by clip.
    fn checked(self, place: &str) -> Result<Self, Failure> {
        let this = self;
        this.steerer()?;
        for (needs, what) in [
            (this.config.needs_labels(), "labels"),
            (this.config.needs_shuffled(), "router outputs of other samples"),
        ] {
            if needs {
                let message = format!("{place}: the steering needs {what}");
                return Err(Failure::new(ExitStatus::Usage, message)
                    .with_hint("such variants run under `emomm chase eval`"));
            }
        }
        Ok(this)
    }

    /// The settings as a variant that runs.
    pub(crate) fn steerer(&self) -> Result<Steerer, Failure> {
        let kind = VariantKind::Steered(Arc::clone(&self.config));
        let variant = Variant { name: self.config.preset.clone(), kind };
        Ok(Steerer::new(vec![variant], self.router.as_ref().map(|r| Arc::clone(&r.1)))?)
    }

    /// What decides a prediction, for a run's header.
    pub(crate) fn settings(&self) -> Result<Value, Failure> {
        let router = match &self.router {
            Some((folder, _)) => Value::from(router_digest(folder)?),
            None => Value::Null,
        };
        Ok(json!({ "variant": self.config.preset, "config": &*self.config, "router": router }))
    }

    /// Refuses a model whose layers or heads the settings do not fit.
    pub(crate) fn check_shape(&self, shape: DecoderShape) -> Result<(), Failure> {
        let trained_from = self.router.as_ref().map(|(_, loaded)| loaded.1.first_layer);
        self.config.layers(shape, trained_from)?;
        Ok(())
    }

    /// Wraps a model.
    pub(crate) fn wrap(&self, model: Box<dyn WhiteBox + Send>) -> Result<SteeredPredictor, Failure> {
        self.check_shape(model.shape())?;
        Ok(SteeredPredictor { model, steerer: self.steerer()? })
    }
}

/// A model whose decision rows are steered.
pub(crate) struct SteeredPredictor {
    model: Box<dyn WhiteBox + Send>,
    steerer: Steerer,
}

impl Predictor for SteeredPredictor {
    fn render_prompt(&self, clip: &Clip, coalition: ModalitySet) -> Result<String, PredictError> {
        self.model.render_prompt(clip, coalition)
    }

    fn read_ahead(&self, clip: &Clip, coalitions: &[ModalitySet]) {
        self.model.read_ahead(clip, coalitions);
    }

    fn token_cost(&self) -> Option<TokenCost> {
        self.model.token_cost()
    }

    fn predict_each(
        &mut self,
        clip: &Clip,
        coalitions: &[ModalitySet],
        options: &PredictOptions,
        deliver: &mut Deliver<'_>,
    ) {
        let knowledge = ClipKnowledge { target: &|_| None, other: &|_| None };
        let traces: RefCell<Vec<Option<TraceCell>>> = RefCell::new(vec![None; coalitions.len()]);
        let steerer = &self.steerer;
        let mut steering = |point: &DecisionPoint<'_>| {
            let found = steerer.hook(point, clip, &knowledge).map_err(emomm_chase::model_error)?;
            Ok(found.map(|(hook, cell)| {
                if let Some(at) = coalitions.iter().position(|c| *c == point.coalition()) {
                    traces.borrow_mut()[at] = Some(cell);
                }
                hook
            }))
        };
        let trace_of = |place: usize| {
            let cell = traces.borrow_mut().get_mut(place).and_then(Option::take)?;
            cell.lock().ok().and_then(|mut trace| trace.take())
        };
        let mut traced = |place: usize, result: Result<Prediction, PredictError>| {
            let steering = trace_of(place);
            deliver(place, result.map(|prediction| Prediction { steering, ..prediction }));
        };
        self.model.predict_steered_each(clip, coalitions, options, &mut steering, &mut traced);
    }
}
