//! Which variant a word names: a preset, a comparator, the tuned settings of a router, or a steering file.

use std::path::Path;
use std::sync::Arc;

use emomm_chase::{
    Fusion, HeadSelection, LoadedRouter, PRESETS, SteeringConfig, Variant, VariantKind, preset,
    with_overrides,
};

use super::words::toml_table;
use crate::exit_status::{ExitStatus, Failure};

/// What `sweep --tune` chooses; it stands beside the router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Tuned {
    /// The settings of the method.
    #[default]
    Settings,
    /// The control: one bias for each modality, whatever the sample.
    StaticBias,
}

impl Tuned {
    /// The variant's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Settings => "tuned",
            Self::StaticBias => "static_bias",
        }
    }

    /// Its steering file.
    pub(super) fn file(self) -> String {
        format!("{}.toml", self.name())
    }

    /// The search behind it.
    pub(super) fn search_file(self) -> String {
        format!("{}-search.json", self.name())
    }

    /// What a word names, the part before `+` counted.
    fn of_word(word: &str) -> Option<Self> {
        let base = word.split('+').next();
        [Self::Settings, Self::StaticBias].into_iter().find(|t| base == Some(t.name()))
    }
}

/// The variant that asks in words.
const PROMPT_HINT: &str = "prompt_hint";
/// A larger steering file is none.
const MAX_BYTES: u64 = 1 << 20;

/// The variants of a list of words; `baseline` is put first where it is missing.
pub(super) fn variants(
    list: &[String],
    router: Option<(&Path, &LoadedRouter)>,
    seed: u64,
) -> Result<Vec<Variant>, Failure> {
    let mut all = vec![variant("baseline", router, seed)?];
    for word in list.iter().filter(|w| *w != "baseline") {
        let next = variant(word, router, seed)?;
        if all.iter().any(|v| v.name == next.name) {
            let message = format!("--variants names `{}` twice", next.name);
            return Err(Failure::new(ExitStatus::Usage, message));
        }
        all.push(next);
    }
    Ok(all)
}

/// One variant.
pub(super) fn variant(
    word: &str,
    router: Option<(&Path, &LoadedRouter)>,
    seed: u64,
) -> Result<Variant, Failure> {
    if word == PROMPT_HINT {
        return Ok(Variant { name: word.to_owned(), kind: VariantKind::Hinted });
    }
    if let Some(fusion) = Fusion::of_name(word) {
        return Ok(Variant { name: word.to_owned(), kind: VariantKind::Fused(fusion) });
    }
    let is_file = Path::new(word).extension().is_some_and(|e| e == "toml");
    let (name, mut config) = if is_file {
        let path = Path::new(word);
        let name = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        (name, read_file(path)?.0)
    } else if let Some(tuned) = Tuned::of_word(word) {
        let name = tuned.name();
        let Some((folder, _)) = router else {
            return Err(Failure::new(ExitStatus::Usage, format!("variant `{name}` needs --router")));
        };
        let path = folder.join(tuned.file());
        if !path.is_file() {
            let message = format!("variant `{name}`: found no {}", path.display());
            return Err(Failure::new(ExitStatus::Usage, message)
                .with_hint("`emomm chase sweep --tune --router ROUTER` writes it, on the validation split"));
        }
        let mut config = read_file(&path)?.0;
        let (rest, own_seed) = match word.split_once('@') {
            Some((rest, number)) => (rest, number.parse().ok()),
            None => (word, Some(seed)),
        };
        if let Some(rest) = rest.strip_prefix(name).and_then(|r| r.strip_prefix('+')) {
            config = on_base(&config, rest)?;
        }
        config.seed = own_seed.ok_or_else(|| {
            Failure::new(ExitStatus::Usage, format!("--variants {word}: expected NAME@SEED"))
        })?;
        word.clone_into(&mut config.preset);
        (word.to_owned(), config)
    } else {
        let mut config = preset(word).map_err(|e| {
            let names: Vec<&str> = PRESETS
                .iter()
                .map(|(n, _)| *n)
                .chain(Fusion::ALL.iter().map(|(n, _)| *n))
                .chain([PROMPT_HINT])
                .collect();
            Failure::new(ExitStatus::Usage, format!("--variants {word}: {e}"))
                .with_hint(format!("known: {}; or a file that ends in .toml", names.join(", ")))
        })?;
        if !word.contains('@') {
            config.seed = seed;
        }
        (word.to_owned(), config)
    };
    if config.head_selection == HeadSelection::Fixed && config.heads.is_empty() {
        config.heads = router.map(|(_, r)| r.1.fixed_heads.clone()).unwrap_or_default();
        if config.heads.is_empty() {
            let message = format!("variant `{name}` needs the offline profile of heads of a router");
            return Err(Failure::new(ExitStatus::Usage, message)
                .with_hint("give --router with one that was trained on conflicts of full clips"));
        }
    }
    config.check()?;
    Ok(Variant { name, kind: VariantKind::Steered(Arc::new(config)) })
}

/// Puts a preset's changes on another base: what the preset changes of the paper's settings.
fn on_base(base: &SteeringConfig, name: &str) -> Result<SteeringConfig, Failure> {
    let table = |config: &SteeringConfig| {
        toml::Table::try_from(config).map_err(|e| Failure::new(ExitStatus::Usage, e.to_string()))
    };
    let (paper, changed) = (table(&preset("paper")?)?, table(&preset(name)?)?);
    let differs = |(key, value): &(String, toml::Value)| key != "preset" && paper.get(key) != Some(value);
    let overrides: toml::Table = changed.into_iter().filter(differs).collect();
    Ok(with_overrides(base, &overrides)?)
}

/// A steering file: its settings, and the router that it names, relative to itself.
pub(super) fn read_file(path: &Path) -> Result<(SteeringConfig, Option<std::path::PathBuf>), Failure> {
    let failed = |message: String| Failure::new(ExitStatus::Usage, format!("{}: {message}", path.display()));
    let size = std::fs::metadata(path).map_err(|e| failed(e.to_string()))?.len();
    if size > MAX_BYTES {
        return Err(failed(format!("{size} bytes, expected at most {MAX_BYTES}")));
    }
    let text = std::fs::read_to_string(path).map_err(|e| failed(e.to_string()))?;
    let mut table = toml_table(&path.display().to_string(), &text)?;
    let word = |table: &mut toml::Table, key: &str| match table.remove(key) {
        None => Ok(None),
        Some(toml::Value::String(word)) => Ok(Some(word)),
        Some(other) => Err(failed(format!("`{key}` is {other}, expected a text"))),
    };
    let router = word(&mut table, "router")?
        .map(|r| path.parent().map_or_else(|| r.clone().into(), |folder| folder.join(&r)));
    let base = match word(&mut table, "preset")?.as_deref() {
        None => preset("paper")?,
        // Written whole by `sweep --tune`.
        Some(name @ ("tuned" | "static_bias")) => {
            let mut config = preset("paper")?;
            name.clone_into(&mut config.preset);
            config
        }
        Some(name) => preset(name)?,
    };
    let config = with_overrides(&base, &table).map_err(|e| {
        Failure::from(match e {
            emomm_chase::ChaseError::SteeringFile { message, .. } => {
                emomm_chase::ChaseError::SteeringFile { path: path.to_owned(), message }
            }
            other => other,
        })
    })?;
    Ok((config, router))
}
