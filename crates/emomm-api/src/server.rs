//! A served model that is ready to be asked: its key, its budget, what it can do.

mod quote;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use emomm_dataset::{FolderLock, Modality, ModalitySet};
use emomm_eval::run::{ModelId, hex, lock_run};
use emomm_media::Ffmpeg;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::caller::Caller;
use crate::capability::{Capabilities, Wanted};
use crate::error::ApiError;
use crate::gemini::{self, Gemini};
use crate::ledger::{LEDGER_FILE, Ledger, TRIALS_FILE, spent_apart};
use crate::name::{GEMINI_BASE_URL, ServedName, WireFormat, is_local, is_url};
use crate::openai::{self, OpenAi};
use crate::options::{Access, Condition, VideoForm};
use crate::pace::Pace;
use crate::paid::Till;
use crate::predictor::ServedPredictor;
use crate::prices::ModelPrices;
use crate::retry::Patience;
use crate::secret::Secret;
use crate::service::Service;
use crate::transport::Transport;
use crate::wire::Wire;

/// The variable whose key goes to whatever server is named.
const ANY_KEY: &str = "EMOMM_API_KEY";

/// A model behind a server.
#[derive(Debug)]
pub struct Server {
    name: ServedName,
    base_url: String,
    condition: Condition,
    access: Access,
    /// The folder of the run, for its ledger; `None` for none.
    run: Option<PathBuf>,
    can: Capabilities,
    prices: Option<ModelPrices>,
    ffmpeg: Option<Ffmpeg>,
    key: Option<Secret>,
    pace: Arc<Pace>,
    /// US dollars that its trials cost in this session.
    trials_cost: f64,
    service: Mutex<Option<Arc<Service>>>,
    notes: Vec<String>,
}

impl Server {
    /// Makes ready to ask about `coalitions`. With `probes` the server is asked what it can do, unless an earlier session
    /// of `run` has asked.
    ///
    /// # Errors
    /// No key or consent, options that make no sense, or a server that cannot do what is wanted.
    pub fn find(
        name: &ServedName,
        condition: Condition,
        access: Access,
        coalitions: &[ModalitySet],
        run: Option<&Path>,
        probes: bool,
    ) -> Result<Self, ApiError> {
        let base_url = base_url(name, &access)?;
        check(name.format, &condition, &access)?;
        let shown = coalitions.iter().flat_map(|c| c.iter()).collect::<ModalitySet>();
        let proxy = access.proxy.as_deref().filter(|p| *p != "off");
        let stays_here = is_local(&base_url) && proxy.is_none_or(is_local);
        if !stays_here && !shown.is_empty() && !access.consent && probes {
            let url = proxy.filter(|_| is_local(&base_url)).map_or(base_url.clone(), str::to_owned);
            return Err(ApiError::Consent { url });
        }
        let mut notes = Vec::new();
        let key = key(name.format, &base_url, &access)?;
        if key.is_none() && name.format == WireFormat::Gemini && !is_local(&base_url) && probes {
            return Err(ApiError::Key { message: "no key for Gemini".to_owned() });
        }
        if key.is_some() && base_url.starts_with("http://") && !is_local(&base_url) {
            notes.push(format!("the key goes to {base_url} without encryption"));
        }
        let prices = ModelPrices::find(&name.model, access.prices.as_deref())?;
        match (&prices, access.max_cost) {
            (None, Some(_)) => {
                return Err(ApiError::option(
                    format!("--max-cost: the price table does not know {}", name.model),
                    "give a table with this model by --prices",
                ));
            }
            (Some(p), _) => notes.push(format!(
                "prices are of {}{}; --prices replaces them",
                p.as_of,
                p.source.as_ref().map(|s| format!(" ({s})")).unwrap_or_default()
            )),
            (None, None) => {}
        }
        let media = shown.contains(Modality::Audio) || shown.contains(Modality::Video);
        let ffmpeg = if media {
            Some(
                Ffmpeg::locate()
                    .map_err(|e| ApiError::option(e.to_string(), e.hint().unwrap_or_default()))?,
            )
        } else {
            None
        };
        let pace = Pace::new(access.most_at_once, access.requests_per_minute, access.tokens_per_minute);
        let pace = Arc::new(pace);
        let mut server = Self {
            name: name.clone(),
            base_url,
            condition,
            access,
            run: run.map(Path::to_owned),
            can: Capabilities::default(),
            prices,
            ffmpeg,
            key,
            pace,
            trials_cost: 0.0,
            service: Mutex::new(None),
            notes,
        };
        if probes {
            server.look(shown)?;
        } else if let Some(kept) = run.and_then(|run| Capabilities::kept(run, &server.wanted(shown))) {
            server.can = kept;
        }
        Ok(server)
    }

    /// What has to be known of it.
    fn wanted(&self, shown: ModalitySet) -> Wanted {
        let is_openai = self.name.format == WireFormat::OpenAi;
        Wanted {
            server: format!("{} {}", self.base_url, self.name.model),
            video: shown.contains(Modality::Video),
            // Gemini takes videos and nothing else.
            form: if is_openai { self.condition.video } else { VideoForm::Auto },
            frames: is_openai && self.condition.frames.is_some() && shown.contains(Modality::Video),
            audio: shown.contains(Modality::Audio),
            choice: self.condition.constrain,
        }
    }

    /// Learns what the server can do. What that costs stands in a ledger of its own, and is part of the budget.
    fn look(&mut self, shown: ModalitySet) -> Result<(), ApiError> {
        let wanted = self.wanted(shown);
        let kept = self.run.as_deref().and_then(|run| Capabilities::kept(run, &wanted));
        let can = if let Some(kept) = kept {
            kept
        } else {
            // Two processes that ask at once would not know of each other's spending.
            let _lock = self.run.as_deref().map(lock).transpose()?;
            let questions = self.run.as_deref().map_or(0.0, |run| spent_apart(run).0);
            let cap = self.access.max_cost.map(|cap| cap - questions);
            let till = self.till(match &self.run {
                Some(run) => Ledger::open(run, TRIALS_FILE, cap)?,
                None => Ledger::in_memory(cap),
            })?;
            let found = match self.name.format {
                WireFormat::OpenAi => openai::probe(&self.openai(), &till, &wanted),
                WireFormat::Gemini => gemini::probe(&self.gemini(), &till, &wanted),
            };
            self.trials_cost = till.ledger.spent();
            let mut can = found?;
            can.cost_usd = self.prices.as_ref().map(|_| self.trials_cost);
            if let Some(run) = &self.run {
                can.keep(run)?;
            }
            can
        };
        if self.condition.constrain && can.choice != Some(true) {
            return Err(ApiError::option(
                format!(
                    "{}: the server does not hold replies to a choice, and says nothing of it",
                    self.base_url
                ),
                "leave out --constrain",
            ));
        }
        self.notes.extend(can.notes.iter().cloned());
        self.can = can;
        Ok(())
    }

    /// Requests within a budget; all of a server keep one pace.
    fn till(&self, ledger: Ledger) -> Result<Till, ApiError> {
        let usual = match self.name.format {
            WireFormat::OpenAi => Patience::OPENAI,
            WireFormat::Gemini => Patience::GEMINI,
        };
        let caller = Caller {
            transport: Transport::new(&self.access, is_local(&self.base_url))?,
            key: self.key.clone(),
            patience: usual.with_retries(self.access.retries),
        };
        Ok(Till { caller, ledger, prices: self.prices.clone(), pace: Arc::clone(&self.pace) })
    }

    fn wire(&self) -> Box<dyn Wire> {
        match self.name.format {
            WireFormat::OpenAi => Box::new(self.openai()),
            WireFormat::Gemini => Box::new(self.gemini()),
        }
    }

    fn openai(&self) -> OpenAi {
        OpenAi {
            base_url: self.base_url.clone(),
            model: self.name.model.clone(),
            condition: self.condition.clone(),
            can: self.can.clone(),
        }
    }

    fn gemini(&self) -> Gemini {
        Gemini {
            base_url: self.base_url.clone(),
            model: self.name.model.clone(),
            condition: self.condition.clone(),
            can: self.can.clone(),
            wait: self.access.request_timeout,
        }
    }

    /// What should be said to the user before anything is asked.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// What the server was found to do.
    pub fn capabilities(&self) -> &Capabilities {
        &self.can
    }

    /// The model of a run's header. No weights can be hashed: `sha256` is that of form, server and name.
    pub fn id(&self) -> ModelId {
        let named = format!("{}\n{}\n{}", self.name.format.name(), self.base_url, self.name.model);
        ModelId {
            name: self.name.model.clone(),
            model_type: self.name.format.name().to_owned(),
            sha256: hex(&Sha256::digest(named.as_bytes())),
            device: "remote".to_owned(),
            dtype: "unknown".to_owned(),
        }
    }

    /// What decides an answer beside model and prompt, for a run's header.
    pub fn settings(&self) -> BTreeMap<String, Value> {
        let c = &self.condition;
        let mut served = json!({
            "base_url": self.base_url,
            "temperature": c.temperature,
            "seed": c.seed,
            "constrain": c.constrain,
            "repeats": c.repeats,
        });
        let shows_video = self.ffmpeg.is_some();
        match self.name.format {
            WireFormat::Gemini => {
                served["video"] = json!("inline_or_file");
                served["fps"] = json!(c.fps);
                served["thinking"] = json!(c.thinking);
                served["resolution"] = json!(c.resolution);
            }
            WireFormat::OpenAi => {
                served["video"] = json!(self.can.video.map(VideoForm::name));
                served["audio"] = json!(self.can.audio);
                served["frames"] = json!(match self.can.video {
                    Some(VideoForm::Frames) => Some(c.frames.unwrap_or(openai::FRAMES)),
                    _ => c.frames,
                });
                if self.can.video == Some(VideoForm::Frames) {
                    served["frame_height"] = json!(c.frame_height);
                }
            }
        }
        let mut all = BTreeMap::from([("served".to_owned(), served)]);
        if shows_video {
            all.insert("ffmpeg".to_owned(), json!(self.ffmpeg.as_ref().map(Ffmpeg::version)));
        }
        all
    }

    /// The settings that [`Server::settings`] wrote, as a condition again.
    pub fn condition_of(settings: &BTreeMap<String, Value>) -> Option<(Condition, Option<String>)> {
        let served = settings.get("served")?;
        let number = |name: &str| served.get(name).and_then(Value::as_f64);
        let whole = |name: &str| served.get(name).and_then(Value::as_u64);
        let word = |name: &str| served.get(name).and_then(Value::as_str).map(str::to_owned);
        let usual = Condition::default();
        let video = match word("video").as_deref() {
            Some("video_url") => VideoForm::VideoUrl,
            Some("frames") => VideoForm::Frames,
            _ => VideoForm::Auto,
        };
        let condition = Condition {
            fps: number("fps").unwrap_or(usual.fps),
            video,
            frames: whole("frames").map(|n| n as usize),
            frame_height: whole("frame_height").map_or(usual.frame_height, |n| n as usize),
            temperature: number("temperature"),
            seed: whole("seed"),
            constrain: served.get("constrain").and_then(Value::as_bool).unwrap_or(false),
            repeats: whole("repeats").map_or(1, |n| n as usize),
            thinking: word("thinking"),
            resolution: word("resolution"),
        };
        Some((condition, word("base_url")))
    }

    /// A predictor; all of a server share its budget and its pace. The run's ledger is opened with the first one.
    ///
    /// # Errors
    /// The ledger cannot be read or written.
    pub fn open(&self) -> Result<ServedPredictor, ApiError> {
        let mut service = self.service.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = match service.as_ref() {
            Some(shared) => Arc::clone(shared),
            None => Arc::clone(service.insert(Arc::new(self.service()?))),
        };
        drop(service);
        Ok(ServedPredictor::new(
            shared,
            self.condition.clone(),
            self.ffmpeg.clone(),
            self.access.limits.clone(),
            self.access.inline_limit_bytes,
        ))
    }

    fn service(&self) -> Result<Service, ApiError> {
        let (ledger, trials) = match &self.run {
            Some(run) => (Ledger::open(run, LEDGER_FILE, self.access.max_cost)?, spent_apart(run).1),
            None => (Ledger::in_memory(self.access.max_cost), self.trials_cost),
        };
        ledger.spent_beside(trials, "asking what the server can do")?;
        let service = Service {
            wire: self.wire(),
            till: self.till(ledger)?,
            names_replies: self.can.names_replies,
            reuses: self.access.reuses,
        };
        // What a process that was killed left there.
        for name in service.till.ledger.left_on_server() {
            service.forget(&name);
        }
        Ok(service)
    }
}

/// Keeps other processes away from a run's folder.
fn lock(folder: &Path) -> Result<FolderLock, ApiError> {
    let fault = |message: String| ApiError::File { path: folder.to_owned(), message };
    std::fs::create_dir_all(folder).map_err(|e| fault(e.to_string()))?;
    lock_run(folder).map_err(|e| fault(e.to_string()))
}

fn base_url(name: &ServedName, access: &Access) -> Result<String, ApiError> {
    let named = access.base_url.as_deref().map(|url| url.trim_end_matches('/'));
    if let Some(url) = named
        && !is_url(url)
    {
        return Err(ApiError::option(
            format!("--base-url: found `{url}`, expected http://HOST or https://HOST"),
            "keys do not belong into addresses",
        ));
    }
    let own = name.base_url.as_deref().unwrap_or(GEMINI_BASE_URL);
    Ok(named.unwrap_or(own).to_owned())
}

fn check(format: WireFormat, condition: &Condition, access: &Access) -> Result<(), ApiError> {
    let fault = |message: &str, hint: &str| Err(ApiError::option(message, hint));
    if !(condition.fps > 0.0 && condition.fps <= 24.0) {
        return fault("--fps: expected more than 0 and at most 24 frames a second", "1 is Gemini's own");
    }
    if condition.temperature.is_some_and(|t| !(0.0..=2.0).contains(&t)) {
        return fault("--temperature: expected 0 to 2", "leave it out for the server's own");
    }
    if condition.repeats == 0 || condition.repeats > 100 {
        return fault("--repeats: expected 1 to 100", "1 without this option");
    }
    let last_seed = condition.seed.map(|seed| seed.saturating_add(condition.repeats as u64 - 1));
    if format == WireFormat::Gemini && last_seed.is_some_and(|seed| seed > i32::MAX as u64) {
        return fault(
            "--seed: expected at most 2147483647, less the number of repeats",
            "Gemini takes no more",
        );
    }
    if access.max_cost.is_some_and(|c| !c.is_finite() || c < 0.0) {
        return fault("--max-cost: expected US dollars, 0 or more", "for example 2.50");
    }
    Ok(())
}

/// The key for a server. Variables of a maker are for that maker's hosts; others get [`ANY_KEY`] or a file.
fn key(format: WireFormat, url: &str, access: &Access) -> Result<Option<Secret>, ApiError> {
    if let Some(path) = &access.key_file {
        return Secret::from_file(path).map(Some);
    }
    let host = url.split("://").nth(1).and_then(|r| r.split(['/', ':']).next()).unwrap_or_default();
    let is_of = |domain: &str| host == domain || host.ends_with(&format!(".{domain}"));
    let mut names = vec![ANY_KEY];
    match format {
        WireFormat::Gemini if is_of("googleapis.com") => names.extend(["GEMINI_API_KEY", "GOOGLE_API_KEY"]),
        WireFormat::OpenAi if is_of("openai.com") => names.push("OPENAI_API_KEY"),
        _ => {}
    }
    Secret::from_environment(&names)
}
