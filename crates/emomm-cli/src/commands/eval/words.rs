//! The words of `emomm eval`, on the command line and in an experiment file alike.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use emomm_dataset::build::Split;
use emomm_dataset::{ModalitySet, Subset};
use emomm_eval::runner::{FailOn, RowKind, Shard};
use emomm_eval::{AttentionDetail, Missingness};
use emomm_media::{SamplingMode, SubtitleTreatment};
use emomm_models::picture::PersonReading;
use emomm_models::{ComputeType, DeviceKind};
use serde::{Deserialize, Deserializer};

use crate::exit_status::{ExitStatus, Failure};
use crate::picture_args::{PictureArgs, Rows};
use crate::served_args::{AccessArgs, ConditionArgs};

/// A larger experiment file is none.
const MAX_PLAN_BYTES: u64 = 1 << 20;

#[derive(Debug, Clone, Args)]
pub(crate) struct EvalArgs {
    /// Read the options from a TOML file with the same words; options given here go before it
    #[arg(long, value_name = "FILE")]
    pub(crate) plan: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) words: Words,
    /// Go on although the plan differs from that of the run: what it cannot use is computed again
    #[arg(long)]
    pub(crate) accept_changes: bool,
    /// Say what would be computed, and compute nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// What decides a run. The keys of an experiment file are the same words.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Words {
    /// What the experiment is for; only said, in experiment files
    #[arg(skip)]
    pub(crate) about: Option<String>,
    /// Checkpoint folder in the Hugging Face layout, `embedded`, gemini:MODEL or openai:BASE_URL#MODEL
    #[arg(long, value_name = "DIR")]
    pub(crate) model: Option<PathBuf>,
    /// Folder of the benchmark
    #[arg(long, value_name = "BENCH")]
    pub(crate) bench: Option<PathBuf>,
    /// Folder of the run: new, or one to go on with
    #[arg(long, value_name = "RUN")]
    pub(crate) out: Option<PathBuf>,
    /// Coalitions to show: all (default), or a list as TAV,TA,none
    #[arg(long, value_name = "LIST")]
    #[serde(deserialize_with = "word")]
    pub(crate) coalitions: Option<Coalitions>,
    /// Subsets: align, conflict, equal, same-polarity, missing-align, missing-conflict; all without it
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    #[serde(deserialize_with = "words")]
    pub(crate) subset: Vec<Subset>,
    /// Splits: train, valid, test; all without it
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    #[serde(deserialize_with = "words")]
    pub(crate) split: Vec<Split>,
    /// At most so many clips
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Clips by id, as corpus/video/clip; may be repeated
    #[arg(long, value_name = "ID")]
    #[serde(deserialize_with = "words")]
    pub(crate) sample_id: Vec<String>,
    /// The i-th of n parts of the clips, counted from 1
    #[arg(long, value_name = "i/n")]
    #[serde(deserialize_with = "word")]
    pub(crate) shard: Option<Shard>,
    /// Attention of the decision row: none (default), summary by layer, or full by head and by token
    #[arg(long, value_name = "HOW")]
    #[serde(deserialize_with = "word")]
    pub(crate) attention: Option<AttentionDetail>,
    /// Also the importance of every visual token (Eq. 25), a way back through the model; needs --attention full
    #[arg(long)]
    pub(crate) importance: bool,
    /// Let the model write its reply and parse it
    #[arg(long)]
    pub(crate) generate: bool,
    /// Most tokens of a reply; without this option 32, or 1024 of a served model
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) max_new_tokens: Option<u32>,
    /// Workers, which share the weights: 2 without this option; requests at a time of a served model: 8
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) jobs: Option<u32>,
    /// Folder for encoder outputs, which runs share, or off; in the user's cache without it
    #[arg(long, value_name = "DIR|off")]
    pub(crate) cache: Option<PathBuf>,
    /// Most gigabytes of that folder; 20 without this option
    #[arg(long, value_name = "GB")]
    pub(crate) cache_size: Option<u64>,
    /// Longest time for one clip, all its coalitions together, in seconds; no limit without it
    #[arg(long, value_name = "SECONDS")]
    #[serde(deserialize_with = "word")]
    pub(crate) timeout: Option<Seconds>,
    /// End the run when so many records failed (10), or so large a share of them (0.05)
    #[arg(long, value_name = "F")]
    #[serde(deserialize_with = "word")]
    pub(crate) fail_on_error: Option<FailOn>,
    /// Begin with all clips at once, without trying one of each coalition first
    #[arg(long)]
    pub(crate) no_preflight: bool,
    /// Seed of whatever draws numbers; 0 without this option
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// How frames are chosen: qwen (default) or time
    #[arg(long, value_name = "MODE", value_parser = crate::cli::sampling_mode)]
    pub(crate) sampling: Option<SamplingMode>,
    /// What is done about subtitles in the picture: keep (default), crop (cut the band off) or mask (black)
    #[arg(long, value_name = "NAME", value_parser = crate::picture_args::treatment)]
    #[serde(deserialize_with = "word")]
    pub(crate) subtitle_band: Option<SubtitleTreatment>,
    /// The band as shares of the height from the top, 0.8-1 without this option; it reaches one edge of the frame
    #[arg(long, value_name = "FROM-TO")]
    #[serde(deserialize_with = "word")]
    pub(crate) subtitle_rows: Option<Rows>,
    /// Show the person alone: drop (the background's tokens), blank (its pixels) or suppress (attention to it);
    /// observe only records where the person is
    #[arg(long, value_name = "READING", value_parser = crate::picture_args::reading)]
    #[serde(deserialize_with = "word")]
    pub(crate) person: Option<PersonReading>,
    /// Masks of persons that are known, as `emomm synth` writes them; without it a network looks for the person
    #[arg(long, value_name = "FILE")]
    pub(crate) person_masks: Option<PathBuf>,
    /// How modalities that a coalition lacks are kept from the model: omit (default), blank or mask
    #[arg(long, value_name = "HOW")]
    #[serde(deserialize_with = "word")]
    pub(crate) missing: Option<Missingness>,
    /// Where to compute: cpu (default), cuda or metal
    #[arg(long, value_name = "NAME")]
    #[serde(deserialize_with = "word")]
    pub(crate) device: Option<DeviceKind>,
    /// In which type: f32 (default), bf16, f16, q8_0 or q4_k
    #[arg(long, value_name = "NAME")]
    #[serde(deserialize_with = "word")]
    pub(crate) dtype: Option<ComputeType>,
    /// Steer every decision row as this TOML file says
    #[arg(long, value_name = "FILE")]
    pub(crate) steer: Option<PathBuf>,
    /// Router of --steer, where the file names none
    #[arg(long, value_name = "ROUTER")]
    pub(crate) router: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) served: ConditionArgs,
    #[command(flatten)]
    pub(crate) access: AccessArgs,
}

impl Words {
    /// These words, and those of a file where these are silent.
    fn or(self, file: Self) -> Self {
        fn list<T>(own: Vec<T>, other: Vec<T>) -> Vec<T> {
            if own.is_empty() { other } else { own }
        }
        Self {
            about: self.about.or(file.about),
            model: self.model.or(file.model),
            bench: self.bench.or(file.bench),
            out: self.out.or(file.out),
            coalitions: self.coalitions.or(file.coalitions),
            subset: list(self.subset, file.subset),
            split: list(self.split, file.split),
            limit: self.limit.or(file.limit),
            sample_id: list(self.sample_id, file.sample_id),
            shard: self.shard.or(file.shard),
            attention: self.attention.or(file.attention),
            importance: self.importance || file.importance,
            generate: self.generate || file.generate,
            max_new_tokens: self.max_new_tokens.or(file.max_new_tokens),
            jobs: self.jobs.or(file.jobs),
            cache: self.cache.or(file.cache),
            cache_size: self.cache_size.or(file.cache_size),
            timeout: self.timeout.or(file.timeout),
            fail_on_error: self.fail_on_error.or(file.fail_on_error),
            no_preflight: self.no_preflight || file.no_preflight,
            seed: self.seed.or(file.seed),
            sampling: self.sampling.or(file.sampling),
            subtitle_band: self.subtitle_band.or(file.subtitle_band),
            subtitle_rows: self.subtitle_rows.or(file.subtitle_rows),
            person: self.person.or(file.person),
            person_masks: self.person_masks.or(file.person_masks),
            missing: self.missing.or(file.missing),
            device: self.device.or(file.device),
            dtype: self.dtype.or(file.dtype),
            steer: self.steer.or(file.steer),
            router: self.router.or(file.router),
            served: self.served.or(file.served),
            access: self.access.or(file.access),
        }
    }

    /// The words of the command line over those of its file.
    pub(crate) fn resolved(args: &EvalArgs) -> Result<Self, Failure> {
        let file = args.plan.as_deref().map(read_file).transpose()?.unwrap_or_default();
        Ok(args.words.clone().or(file))
    }

    /// A word without which nothing can be done.
    pub(crate) fn required<'a>(value: Option<&'a PathBuf>, name: &str) -> Result<&'a Path, Failure> {
        value.map(PathBuf::as_path).ok_or_else(|| {
            Failure::new(ExitStatus::Usage, format!("--{name} is missing"))
                .with_hint(format!("give --{name}, or `{name}` in the file of --plan"))
        })
    }

    /// What is done to pictures.
    pub(crate) fn picture(&self) -> PictureArgs {
        PictureArgs {
            subtitle_band: self.subtitle_band,
            subtitle_rows: self.subtitle_rows,
            person: self.person,
            person_masks: self.person_masks.clone(),
        }
    }

    pub(crate) fn coalitions(&self) -> Vec<ModalitySet> {
        self.coalitions.clone().map_or_else(|| ModalitySet::ALL.to_vec(), |c| c.0)
    }

    pub(crate) fn rows(&self) -> RowKind {
        RowKind {
            subsets: sorted(&self.subset),
            splits: sorted(&self.split),
            sample_ids: sorted(&self.sample_id),
            limit: self.limit,
            shard: self.shard,
        }
    }
}

/// Ascending, each once: the order of words changes no plan.
fn sorted<T: Ord + Clone>(list: &[T]) -> Vec<T> {
    let mut list = list.to_vec();
    list.sort();
    list.dedup();
    list
}

fn read_file(path: &Path) -> Result<Words, Failure> {
    let usage = |message: String| Failure::new(ExitStatus::Usage, format!("{}: {message}", path.display()));
    let size = std::fs::metadata(path).map_err(|e| usage(e.to_string()))?.len();
    if size > MAX_PLAN_BYTES {
        return Err(usage(format!("found {size} bytes, expected an experiment file")));
    }
    let text = std::fs::read_to_string(path).map_err(|e| usage(e.to_string()))?;
    let words: Words = toml::from_str(&text).map_err(|e| {
        usage(e.to_string().trim_end().to_owned())
            .with_hint("the keys are the options of `emomm eval` without their dashes; see docs/contract.md")
    })?;
    // A steering file travels with the plan that names it.
    let steer = words.steer.map(|steer| beside(path, steer));
    Ok(Words { steer, ..words })
}

/// A path that a file names: beside the file, or, where nothing is there, as it stands.
fn beside(file: &Path, named: PathBuf) -> PathBuf {
    let candidate = file.parent().map(|folder| folder.join(&named));
    candidate.filter(|path| path.exists()).unwrap_or(named)
}

/// Coalitions in the order of [`ModalitySet::ALL`], each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Coalitions(pub(crate) Vec<ModalitySet>);

impl FromStr for Coalitions {
    type Err = String;

    fn from_str(words: &str) -> Result<Self, Self::Err> {
        if words == "all" {
            return Ok(Self(ModalitySet::ALL.to_vec()));
        }
        let mut asked = Vec::new();
        for word in words.split(',') {
            asked.push(word.trim().parse::<ModalitySet>().map_err(|e| format!("{e}, or all"))?);
        }
        Ok(Self(ModalitySet::ALL.into_iter().filter(|c| asked.contains(c)).collect()))
    }
}

/// A positive time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Seconds(pub(crate) Duration);

impl FromStr for Seconds {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let seconds = word.parse().ok().filter(|s: &f64| *s > 0.0);
        let time = seconds.and_then(|s| Duration::try_from_secs_f64(s).ok());
        time.map(Self).ok_or_else(|| format!("found `{word}`, expected seconds above 0"))
    }
}

/// A word, a number, or a list of words in TOML.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Integer(i64),
    Number(f64),
    List(Vec<String>),
}

impl Written {
    fn parts(self) -> Vec<String> {
        match self {
            Self::Text(text) => vec![text],
            Self::Integer(number) => vec![number.to_string()],
            Self::Number(number) => vec![format!("{number:?}")],
            Self::List(list) => list,
        }
    }
}

pub(crate) fn word<'de, D: Deserializer<'de>, T: FromStr<Err: fmt::Display>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let text = Written::deserialize(deserializer)?.parts().join(",");
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

fn words<'de, D: Deserializer<'de>, T: FromStr<Err: fmt::Display>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let parts = Written::deserialize(deserializer)?.parts();
    let each = parts.iter().flat_map(|p| p.split(',')).map(|p| p.trim().parse::<T>());
    each.collect::<Result<_, _>>().map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Result<Words, String> {
        toml::from_str(text).map_err(|e| e.to_string())
    }

    /// The plans of this repository can be used from any folder.
    #[test]
    fn a_steering_file_is_found_beside_its_plan() {
        let folder = tempfile::tempdir().unwrap();
        let (plan, steer) = (folder.path().join("plan.toml"), folder.path().join("mine.toml"));
        std::fs::write(&plan, "steer = 'mine.toml'").unwrap();
        let found = || read_file(&plan).unwrap().steer.unwrap();
        assert_eq!(found(), Path::new("mine.toml"), "neither is there");
        std::fs::write(&steer, "").unwrap();
        assert_eq!(found(), steer);
        // Before one of the folder in which the command is given.
        std::fs::write(&plan, "steer = 'src/main.rs'").unwrap();
        assert_eq!(found(), Path::new("src/main.rs"));
        std::fs::create_dir(folder.path().join("src")).unwrap();
        std::fs::write(folder.path().join("src/main.rs"), "").unwrap();
        assert_eq!(found(), folder.path().join("src/main.rs"));
        let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments/table1_chase.toml");
        assert!(read_file(&table).unwrap().steer.unwrap().exists());
    }

    #[test]
    fn a_file_has_the_words_of_the_command_line() {
        let words = file(
            "about = 'x'\nmodel = 'embedded'\ncoalitions = ['TAV', 'none']\nsubset = 'conflict'\nsplit = ['test']\n\
             fail-on-error = 0.5\nshard = '2/4'\nattention = 'full'\nimportance = true\nno-preflight = true\nlimit = 3\ntimeout = 7\ngenerate = true\n\
             sampling = 'time'\nmissing = 'mask'\nperson = 'drop'\nsubtitle-band = 'crop'\nsubtitle-rows = '0-0.2'\ndevice = 'cpu'\ndtype = 'bf16'\nsample-id = ['a/b/c']\n",
        )
        .unwrap();
        assert_eq!(words.coalitions(), [ModalitySet::NONE, ModalitySet::FULL]);
        assert_eq!(words.subset, [Subset::Conflict]);
        assert_eq!(words.fail_on_error, Some(FailOn::Share(0.5)));
        assert_eq!(words.timeout, Some(Seconds(Duration::from_secs(7))));
        assert_eq!(words.shard, Some(Shard { index: 2, count: 4 }));
        assert_eq!(words.attention, Some(AttentionDetail::Full));
        assert_eq!(words.missing, Some(Missingness::Mask));
        assert!(words.no_preflight);
        assert_eq!((words.person, words.subtitle_rows), (Some(PersonReading::Drop), Some(Rows(0.0, 0.2))));
    }

    #[test]
    fn unknown_words_are_refused() {
        for text in [
            "colour = 1",
            "coalitions = 'TX'",
            "split = 'dev'",
            "missing = 'zero'",
            "fail-on-error = 0",
            "timeout = -1",
        ] {
            assert!(file(text).is_err(), "{text}");
        }
        assert!(file("colour = 1").unwrap_err().contains("colour"));
    }

    #[test]
    fn the_command_line_goes_before_the_file() {
        let own = Words { limit: Some(1), split: vec![Split::Test], ..Words::default() };
        let other = Words { limit: Some(2), seed: Some(9), split: vec![Split::Train], ..Words::default() };
        let both = own.or(other);
        assert_eq!((both.limit, both.seed, both.split), (Some(1), Some(9), vec![Split::Test]));
    }

    #[test]
    fn every_experiment_of_the_repository_can_be_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments");
        let mut n = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|e| e == "toml") {
                let words = read_file(&path).unwrap_or_else(|f| panic!("{}", f.message));
                assert!(words.about.is_some_and(|a| a.contains("Table") || a.contains("Fig")), "{path:?}");
                n += 1;
            }
        }
        assert!(n > 0);
    }
}
