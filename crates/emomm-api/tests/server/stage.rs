//! Clips with marks in every corner, and runs of them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use emomm_api::{Access, Condition, ServedName, Server};
use emomm_dataset::{Corpus, ModalitySet};
use emomm_eval::run::{LogWriter, Places, Plan, Record, RecordSink, RecordStatus, Run, RunHeader, Settings};
use emomm_eval::runner::{
    InFlight, Observer, OpenPredictor, Outcome, RunnerOptions, Stop, Wanted, WorkItem, run,
};
use emomm_eval::{Clip, PredictOptions};

use crate::mock::{Mock, PRICES};

/// Stands in the transcript, and nowhere else.
pub(crate) const WORDS: &str = "CANARY-WORDS so he said that he was fine";

/// Stands in the tags, the subtitles and the chapters of the video's file.
pub(crate) const HIDDEN: &str = "CANARYTAG";

/// Both forms.
pub(crate) const FORMS: [&str; 2] = ["openai", "gemini"];

/// A clip whose video file also holds its sound, subtitles and tags. Made once.
pub(crate) fn clip(number: usize) -> Clip {
    static FILES: OnceLock<PathBuf> = OnceLock::new();
    let folder = FILES.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("served-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(
            folder.join("words.srt"),
            format!("1\n00:00:00,000 --> 00:00:01,000\n{HIDDEN} subtitle\n"),
        )
        .unwrap();
        let made = Command::new("ffmpeg")
            .args(["-v", "error", "-y", "-f", "lavfi", "-i", "testsrc=size=96x64:rate=10:duration=1.5"])
            .args(["-f", "lavfi", "-i", "sine=frequency=440:duration=1.5"])
            .arg("-i")
            .arg(folder.join("words.srt"))
            .args(["-map", "0:v", "-map", "1:a", "-map", "2:s", "-c:v", "libx264", "-pix_fmt", "yuv420p"])
            .args(["-c:a", "aac", "-c:s", "mov_text", "-metadata", &format!("title={HIDDEN} title")])
            .args(["-metadata:s:v", &format!("handler_name={HIDDEN} handler")])
            .arg(folder.join("clip.mp4"))
            .status()
            .unwrap();
        assert!(made.success());
        folder
    });
    Clip {
        id: format!("made-up/v/{number:04}"),
        text: Some(format!("{WORDS} {number}")),
        audio: Some(folder.join("clip.mp4")),
        video: Some(folder.join("clip.mp4")),
        corpus: Corpus::ChSims,
    }
}

pub(crate) fn name(form: &str, mock: &Mock) -> ServedName {
    if form == "gemini" { "gemini:mock-omni".parse().unwrap() } else { mock.openai().parse().unwrap() }
}

/// A fast and patient way to reach a mock.
pub(crate) fn access(mock: &Mock, folder: &Path) -> Access {
    let prices = folder.join("prices.toml");
    std::fs::write(&prices, PRICES).unwrap();
    Access {
        base_url: Some(mock.base_url()),
        proxy: Some("off".to_owned()),
        connect_timeout: Duration::from_secs(5),
        request_timeout: Duration::from_secs(20),
        prices: Some(prices),
        most_at_once: 4,
        ..Access::default()
    }
}

/// A stage: a mock, a folder, and how it is asked.
pub(crate) struct Stage {
    pub(crate) form: &'static str,
    pub(crate) mock: Mock,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) condition: Condition,
    pub(crate) access: Access,
    pub(crate) coalitions: Vec<ModalitySet>,
    pub(crate) jobs: usize,
    /// Whether records without an answer are asked for again, as `emomm retry` does.
    pub(crate) asks_again: bool,
}

impl Stage {
    pub(crate) fn new(form: &'static str, mock: Mock) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut access = access(&mock, folder.path());
        if form == "openai" {
            access.base_url = None;
        }
        let coalitions = ModalitySet::ALL.to_vec();
        Self {
            form,
            mock,
            folder,
            condition: Condition::default(),
            access,
            coalitions,
            jobs: 4,
            asks_again: false,
        }
    }

    /// Text alone, which needs no ffmpeg for each clip.
    pub(crate) fn of_words(form: &'static str, mock: Mock) -> Self {
        Self { coalitions: vec!["T".parse().unwrap(), ModalitySet::NONE], ..Self::new(form, mock) }
    }

    pub(crate) fn run_folder(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    pub(crate) fn server(&self) -> Result<Server, emomm_api::ApiError> {
        let name = name(self.form, &self.mock);
        let run = self.run_folder();
        Server::find(&name, self.condition.clone(), self.access.clone(), &self.coalitions, Some(&run), true)
    }

    /// A session of a run over so many clips: new, or going on.
    pub(crate) fn session(&self, n_clips: usize) -> Outcome {
        let server = Arc::new(self.server().unwrap());
        let settings = Settings { model: server.id(), media: server.settings(), ..Settings::default() };
        let plan = Plan {
            settings,
            coalitions: self.coalitions.clone(),
            n_clips,
            n_records: n_clips * self.coalitions.len(),
            ..Plan::default()
        };
        let header = RunHeader::new(plan, Places::default(), None);
        let (writer, records) = LogWriter::resume(&self.run_folder(), &header, true).unwrap();
        let mut items: Vec<WorkItem> = (0..n_clips).map(|i| self.item(&header, i)).collect();
        for item in &mut items {
            let is_final = |r: &Record| {
                if self.asks_again { r.status == RecordStatus::Ok } else { !r.status.is_transient() }
            };
            let is_done = |key: &str| records.iter().any(|r| r.key == key && is_final(r));
            item.wanted.retain(|w| !is_done(&w.key));
        }
        items.retain(|item| !item.wanted.is_empty());
        let opener = Arc::clone(&server);
        let open: Arc<OpenPredictor> = Arc::new(move || {
            let opened = opener.open()?;
            Ok(Box::new(opened))
        });
        let options = RunnerOptions {
            predict: PredictOptions { generate: true, max_new_tokens: 64, ..PredictOptions::default() },
            jobs: self.jobs,
            read_ahead: 0,
            timeout: None,
            fail_on: None,
            keeps_tensors: false,
        };
        run(items, &open, &mut RecordSink::new(writer), &options, &Stop::new(), &mut Nobody).unwrap()
    }

    fn item(&self, header: &RunHeader, number: usize) -> WorkItem {
        let clip = clip(number);
        let wanted = |c: &ModalitySet| Wanted { coalition: *c, key: header.key(&clip.id, *c, ["x"]) };
        let wanted = self.coalitions.iter().map(wanted).collect();
        WorkItem { clip, wanted }
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        Run::open(&self.run_folder()).unwrap().records().to_vec()
    }

    /// Lines of the log that are records, superseded ones included.
    pub(crate) fn n_lines(&self) -> usize {
        let log = std::fs::read_to_string(self.run_folder().join("log.jsonl")).unwrap();
        log.lines().filter(|l| l.starts_with("{\"key\"")).count()
    }
}

struct Nobody;

impl Observer for Nobody {
    fn recorded(&mut self, _: &[Record]) {}
    fn tick(&mut self, _: &dyn Fn() -> Vec<InFlight>) {}
}
