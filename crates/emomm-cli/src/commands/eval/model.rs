//! The model of a run: what identifies it, and how a worker opens one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use emomm_api::{Access, Condition, ServedName, Server};
use emomm_dataset::ModalitySet;
use emomm_eval::fake::{FakePredictor, FakeSettings};
use emomm_eval::import::IMPORTED_DEVICE;
use emomm_eval::run::{DigestMemo, ModelId, RunHeader, Settings};
use emomm_eval::runner::OpenPredictor;
use emomm_eval::{Missingness, PredictError, PredictErrorKind, PredictOptions};
use emomm_media::{DecodeLimits, Ffmpeg, SamplingMode};
use emomm_models::content_store::ContentStore;
use emomm_models::encoder_cache::EncoderCache;
use emomm_models::media_cache::MediaCache;
use emomm_models::picture::PictureView;
use emomm_models::prompt_size::PromptSizer;
use emomm_models::white_box::WhiteBox;
use emomm_models::{ComputeType, DeviceKind, LoadOptions, ModelError, ModelSummary};
use serde_json::{Value, json};

use crate::commands::chase::steer::SteerFile;
use crate::exit_status::{ExitStatus, Failure};
use crate::model_source;
use crate::picture_args::PictureArgs;
use crate::printer::Printer;
use crate::served_args::name_of;

/// The key under which settings say what is done to pictures.
const PICTURE: &str = "picture";

/// How a model that is none is named.
const FAKE: &str = "fake:";

/// The file of the cache's folder in which digests of checkpoints' files are remembered.
const DIGESTS: &str = "digests.json";

/// The folder of the cache's folder in which decoded media lie.
const MEDIA: &str = "media";

/// A model that workers can open.
pub(crate) struct Model {
    pub(crate) id: ModelId,
    /// What `--model` was, made absolute: enough to open it again.
    pub(crate) place: PathBuf,
    pub(crate) media: BTreeMap<String, Value>,
    pub(crate) open: Arc<OpenPredictor>,
    /// `None` for a fake.
    pub(crate) summary: Option<ModelSummary>,
    pub(crate) dtype: ComputeType,
    /// What steers the decision rows, for the header.
    steering: Option<Value>,
    /// How its files are loaded and its pictures are shown; `None` for a fake and for a served model.
    load: Option<(LoadOptions, View)>,
    /// What is shared of files; `None` for nothing.
    pub(crate) caches: Option<Caches>,
    /// Who is asked; `None` for a model on this machine.
    pub(crate) server: Option<Arc<Server>>,
}

/// How a served model is asked.
#[derive(Debug, Clone)]
pub(crate) struct HowToAsk {
    pub(crate) condition: Condition,
    pub(crate) access: Access,
    /// What will be shown.
    pub(crate) coalitions: Vec<ModalitySet>,
    /// The folder of the run.
    pub(crate) run: PathBuf,
    /// Whether the server may be asked what it can do.
    pub(crate) asks: bool,
}

/// Where and how to compute, and how frames are chosen.
#[derive(Debug, Clone, Default)]
pub(crate) struct HowToLoad {
    pub(crate) device: Option<DeviceKind>,
    pub(crate) dtype: Option<ComputeType>,
    pub(crate) sampling: Option<SamplingMode>,
    pub(crate) picture: PictureArgs,
    /// How modalities that a coalition lacks are kept from the model.
    pub(crate) missing: Missingness,
    /// Where encoder outputs are kept; `None` for nowhere.
    pub(crate) cache: Option<CacheFolder>,
    /// How a served model is asked.
    pub(crate) served: Option<HowToAsk>,
}

/// What workers share of files.
#[derive(Debug, Clone)]
pub(crate) struct Caches {
    encodings: Arc<EncoderCache>,
    media: MediaCache,
}

impl Caches {
    /// Lets a model keep and find there what it makes of files.
    pub(crate) fn lend_to(&self, model: &mut dyn WhiteBox) {
        model.keep_encodings(Arc::clone(&self.encodings));
        model.keep_media(self.media.clone());
    }
}

/// A folder for encoder outputs and decoded media, and its bound.
#[derive(Debug, Clone)]
pub(crate) struct CacheFolder {
    pub(crate) folder: PathBuf,
    pub(crate) limit_bytes: u64,
}

impl CacheFolder {
    /// The caches of one model and one way to decode: all that decides an encoding beside the file. A quarter of the bound is for
    /// decoded media, which are only looked at where there is no encoding.
    fn open(&self, id: &ModelId, media: &BTreeMap<String, Value>) -> Result<Caches, Failure> {
        let settings = json!({ "emomm": env!("CARGO_PKG_VERSION"), "model": id, "media": media }).to_string();
        let of_media = self.limit_bytes / 4;
        let opened =
            EncoderCache::open(&self.folder, self.limit_bytes - of_media, &settings).and_then(|cache| {
                let store = ContentStore::open(&self.folder.join(MEDIA), of_media)?;
                Ok(Caches { encodings: Arc::new(cache), media: MediaCache::new(Arc::new(store)) })
            });
        opened.map_err(|e| {
            Failure::new(ExitStatus::Usage, format!("--cache {}: {e}", self.folder.display()))
                .with_hint("give a folder that may be written, or --cache off")
        })
    }
}

impl Model {
    /// Finds and identifies the model, without loading it.
    pub(crate) fn find(name: &Path, how: &HowToLoad, printer: &Printer) -> Result<Self, Failure> {
        if let Some(served) = name_of(name)? {
            let ask = how.served.as_ref().ok_or_else(|| {
                Failure::new(
                    ExitStatus::Usage,
                    format!("{served}: found a served model, expected a checkpoint"),
                )
                .with_hint("give --model a checkpoint folder")
            })?;
            return Self::served(&served, ask, printer);
        }
        if name.to_str().is_some_and(|n| n.starts_with(FAKE)) && !how.missing.is_omit() {
            let message = format!("--missing {}: the model is made up, expected a checkpoint", how.missing);
            return Err(Failure::new(ExitStatus::Usage, message)
                .with_hint("give --model a checkpoint folder, or leave --missing out"));
        }
        match name.to_str().and_then(|n| n.strip_prefix(FAKE)) {
            Some(words) => Self::fake(name, words, printer),
            None => Self::checkpoint(name, how, printer),
        }
    }

    fn served(name: &ServedName, ask: &HowToAsk, printer: &Printer) -> Result<Self, Failure> {
        let HowToAsk { condition, access, coalitions, run, asks } = ask.clone();
        let server = Server::find(name, condition, access, &coalitions, Some(&run), asks)?;
        for note in server.notes() {
            printer.talk(&format!("note: {note}"));
        }
        let (id, media) = (server.id(), server.settings());
        let server = Arc::new(server);
        let asked = Arc::clone(&server);
        let open: Arc<OpenPredictor> = Arc::new(move || {
            let opened = asked.open()?;
            Ok(Box::new(opened))
        });
        Ok(Self {
            id,
            place: PathBuf::from(name.to_string()),
            media,
            open,
            summary: None,
            dtype: ComputeType::F32,
            steering: None,
            load: None,
            caches: None,
            server: Some(server),
        })
    }

    /// The served model of a run that is there, asked as it was.
    pub(crate) fn ask_again(
        place: &Path,
        header: &RunHeader,
        run: &Path,
        access: Access,
        printer: &Printer,
    ) -> Result<Option<Self>, Failure> {
        let Some(name) = name_of(place)? else { return Ok(None) };
        let settings = &header.plan.settings;
        let unknown =
            || Failure::new(ExitStatus::Data, "the run does not say how its served model was asked");
        let (condition, url) = Server::condition_of(&settings.media).ok_or_else(unknown)?;
        let mut access = access;
        access.base_url = access.base_url.or(url);
        let coalitions = header.plan.coalitions.clone();
        let ask = HowToAsk { condition, access, coalitions, run: run.to_owned(), asks: true };
        let model = Self::served(&name, &ask, printer)?;
        model.is_that_of(settings)?;
        Ok(Some(model))
    }

    /// The model of a run that is there, computed as it was; a steered one with the router that the run was made with.
    pub(crate) fn again(
        place: &Path,
        router: Option<&Path>,
        settings: &Settings,
        printer: &Printer,
    ) -> Result<Self, Failure> {
        if settings.model.device == IMPORTED_DEVICE {
            let message = "the answers of this run were imported: there is no model to ask";
            return Err(
                Failure::new(ExitStatus::Data, message).with_hint("import them again where they changed")
            );
        }
        let word = |text: &str, what: &str| {
            Failure::new(ExitStatus::Data, format!("the run's {what} is `{text}`, which is unknown"))
        };
        let sampling = settings.media.get("sampling").and_then(Value::as_str);
        let how = HowToLoad {
            cache: None,
            served: None,
            device: Some(settings.model.device.parse().map_err(|_| word(&settings.model.device, "device"))?),
            dtype: Some(settings.model.dtype.parse().map_err(|_| word(&settings.model.dtype, "type"))?),
            sampling: sampling.and_then(|s| crate::cli::sampling_mode(s).ok()),
            picture: PictureArgs::of_settings(settings.media.get(PICTURE))
                .ok_or_else(|| word("not known", "treatment of pictures"))?,
            missing: settings.missing,
        };
        let mut model = Self::find(place, &how, printer)?;
        model.is_that_of(settings)?;
        match (&settings.steering, router) {
            (Some(steering), router) => {
                model.steer_by(SteerFile::of_settings(steering, router, &model.id.sha256)?)?;
                model.steering = Some(steering.clone());
            }
            (None, Some(_)) => {
                return Err(Failure::new(ExitStatus::Usage, "--router: the run is not steered")
                    .with_hint("leave --router out"));
            }
            (None, None) => {}
        }
        Ok(model)
    }

    /// Refuses another model than that of a run.
    fn is_that_of(&self, settings: &Settings) -> Result<(), Failure> {
        if self.id == settings.model && self.media == settings.media {
            return Ok(());
        }
        let message = format!(
            "{}: the model or the way to decode is not that of the run any more (found {}, expected {})",
            self.place.display(),
            self.id.sha256,
            settings.model.sha256
        );
        Err(Failure::new(ExitStatus::Usage, message)
            .with_hint("put the model back where it was, or evaluate again with --accept-changes"))
    }

    /// Steers every decision row as a file says.
    pub(crate) fn steer(
        &mut self,
        file: &Path,
        router: Option<&Path>,
        printer: &Printer,
    ) -> Result<(), Failure> {
        let digest = || Ok(self.id.sha256.clone());
        let missing = self.load.as_ref().map_or(Missingness::Omit, |(_, view)| view.missing);
        let steering = SteerFile::read(file, router, &digest, missing, printer)?;
        self.steer_by(steering)
    }

    fn steer_by(&mut self, steering: SteerFile) -> Result<(), Failure> {
        let Some((load, view)) = self.load.clone() else {
            return Err(Failure::new(
                ExitStatus::Usage,
                "--steer: the model is made up, expected a checkpoint",
            )
            .with_hint("give --model a checkpoint folder"));
        };
        self.steering = Some(steering.settings()?);
        let open = white_boxes(self.place.clone(), load, view, self.caches.clone());
        self.open = Arc::new(move || {
            let steered = steering.wrap(open()?).map_err(|f| PredictError {
                kind: PredictErrorKind::Model,
                hint: f.hint,
                message: f.message,
            })?;
            Ok(Box::new(steered))
        });
        Ok(())
    }

    fn fake(name: &Path, words: &str, printer: &Printer) -> Result<Self, Failure> {
        let settings: FakeSettings = words.parse().map_err(|e: String| {
            Failure::new(ExitStatus::Usage, e).with_hint("for example fake:seed=3,media=0001")
        })?;
        printer.talk("note: the model is made up: its answers mean nothing");
        let id = ModelId {
            name: "fake".to_owned(),
            model_type: "fake".to_owned(),
            sha256: format!("seed {}", settings.seed),
            device: "cpu".to_owned(),
            dtype: "f32".to_owned(),
        };
        let open: Arc<OpenPredictor> = Arc::new(move || Ok(Box::new(FakePredictor::new(settings.clone()))));
        let place = name.to_owned();
        Ok(Self {
            id,
            place,
            media: BTreeMap::new(),
            open,
            summary: None,
            dtype: ComputeType::F32,
            steering: None,
            load: None,
            caches: None,
            server: None,
        })
    }

    fn checkpoint(name: &Path, how: &HowToLoad, printer: &Printer) -> Result<Self, Failure> {
        let folder = model_source::resolve(name, printer)?;
        let summary = emomm_models::inspect(&folder)?;
        let load = LoadOptions {
            device: how.device.unwrap_or(DeviceKind::Cpu),
            dtype: how.dtype.unwrap_or(ComputeType::F32),
            sampling: how.sampling.unwrap_or_default(),
            limits: DecodeLimits::default(),
        };
        let spinner = printer.spinner("hashing the model's files");
        let memo = how.cache.as_ref().map(|cache| DigestMemo::open(&cache.folder.join(DIGESTS)));
        let sha256 = ModelId::sha256_with(&folder, memo.as_ref())
            .map_err(|e| Failure::new(ExitStatus::Model, format!("{}: {e}", folder.display())))?;
        spinner.finish_and_clear();
        let own = folder.canonicalize().unwrap_or_else(|_| folder.clone());
        let id = ModelId {
            name: own.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default(),
            model_type: summary.model_type.clone(),
            sha256,
            device: load.device.to_string(),
            dtype: load.dtype.to_string(),
        };
        let mut media = media(&load);
        media.extend(how.picture.settings()?.map(|settings| (PICTURE.to_owned(), settings)));
        let picture = how.picture.view()?;
        let dtype = load.dtype;
        let view = View { picture, missing: how.missing };
        let kept = Some((load.clone(), view.clone()));
        let caches = how.cache.as_ref().map(|cache| cache.open(&id, &media)).transpose()?;
        let boxes = white_boxes(folder, load, view, caches.clone());
        let open: Arc<OpenPredictor> = Arc::new(move || Ok(boxes()?));
        let summary = Some(summary);
        Ok(Self {
            id,
            place: own,
            media,
            open,
            summary,
            dtype,
            steering: None,
            load: kept,
            caches,
            server: None,
        })
    }

    /// What decides a prediction, with this model.
    pub(crate) fn settings(&self, options: &PredictOptions) -> Settings {
        Settings {
            model: self.id.clone(),
            prompt: emomm_eval::prompt::PROMPT_VERSION.to_owned(),
            prompt_sha256: emomm_eval::prompt::sha256(),
            missing: self.load.as_ref().map_or(Missingness::Omit, |(_, view)| view.missing),
            media: self.media.clone(),
            attention: options.attention.name().to_owned(),
            importance: options.importance,
            generate: options.generate,
            max_new_tokens: options.max_new_tokens,
            steering: self.steering.clone(),
        }
    }

    /// What measures prompts without the weights; `None` for a fake and for a served model.
    pub(crate) fn sizer(&self) -> Option<Result<PromptSizer, ModelError>> {
        let (load, view) = self.load.as_ref()?;
        let sizer = PromptSizer::open(&self.place, load, view.picture.clone());
        Some(sizer.map(|sizer| sizer.with_missing(view.missing)))
    }

    /// Whether a predictor more costs no weights, and what it decodes is kept for the others.
    pub(crate) fn reads_ahead(&self) -> bool {
        self.caches.is_some()
    }

    /// Bytes of the weights, which all workers share.
    pub(crate) fn weight_bytes(&self) -> Option<u64> {
        let (load, _) = self.load.as_ref()?;
        self.summary.as_ref().map(|s| s.weight_bytes(load.device, self.dtype))
    }
}

/// What of a clip a model is shown, and how.
#[derive(Clone)]
struct View {
    picture: PictureView,
    missing: Missingness,
}

/// Opens a model whose decision rows can be steered.
type OpenWhiteBox = dyn Fn() -> Result<Box<dyn WhiteBox + Send>, PredictError> + Send + Sync;

/// Opens the model once; further workers share its weights, where the model allows it.
fn white_boxes(folder: PathBuf, load: LoadOptions, view: View, caches: Option<Caches>) -> Arc<OpenWhiteBox> {
    let first: Mutex<Option<Box<dyn WhiteBox + Send>>> = Mutex::new(None);
    Arc::new(move || -> Result<Box<dyn WhiteBox + Send>, PredictError> {
        let mut first = first.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = first.as_ref().and_then(|p| p.another_white_box()) {
            return Ok(other);
        }
        let mut model =
            emomm_models::open_with_picture(&folder, &load, view.picture.clone()).map_err(|e| {
                PredictError { kind: PredictErrorKind::Model, hint: e.hint(), message: e.to_string() }
            })?;
        model.set_missing(view.missing);
        if let Some(caches) = &caches {
            caches.lend_to(model.as_mut());
        }
        match model.another_white_box() {
            Some(other) => {
                *first = Some(model);
                Ok(other)
            }
            None => Ok(model),
        }
    })
}

/// How media are decoded: what changes the frames and samples that a model gets, and what makes a clip fail. The sizes
/// that the model's processor asks for are part of its files.
fn media(load: &LoadOptions) -> BTreeMap<String, Value> {
    let limits = &load.limits;
    let ffmpeg = Ffmpeg::locate().ok().map(|f| f.version().to_owned());
    BTreeMap::from([
        ("sampling".to_owned(), json!(load.sampling.name())),
        ("ffmpeg".to_owned(), json!(ffmpeg)),
        ("max_frames".to_owned(), json!(limits.max_frames)),
        ("max_pixels".to_owned(), json!(limits.max_pixels)),
        ("max_seconds".to_owned(), json!(limits.max_seconds)),
        ("timeout_seconds".to_owned(), json!(limits.timeout.as_secs_f64())),
    ])
}
