//! Which variant a word names: a preset, a comparator, the tuned settings of a router, or a steering file.

use std::path::Path;
use std::sync::Arc;

use emomm_chase::{
    Fusion, HeadSelection, LoadedRouter, PRESETS, SteeringConfig, Variant, VariantKind, preset,
    with_overrides,
};

use super::words::toml_table;
use crate::exit_status::{ExitStatus, Failure};

/// The tuned settings, beside the router.
pub(super) const TUNED_FILE: &str = "tuned.toml";
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
    if let Some(fusion) = Fusion::of_name(word) {
        return Ok(Variant { name: word.to_owned(), kind: VariantKind::Fused(fusion) });
    }
    let is_file = Path::new(word).extension().is_some_and(|e| e == "toml");
    let (name, mut config) = if is_file {
        let path = Path::new(word);
        let name = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        (name, read_file(path)?.0)
    } else if word == "tuned" || word.starts_with("tuned+") {
        let Some((folder, _)) = router else {
            return Err(Failure::new(ExitStatus::Usage, "variant `tuned` needs --router"));
        };
        let path = folder.join(TUNED_FILE);
        if !path.is_file() {
            let message = format!("variant `tuned`: found no {}", path.display());
            return Err(Failure::new(ExitStatus::Usage, message)
                .with_hint("`emomm chase sweep --tune --router ROUTER` writes it, on the validation split"));
        }
        let mut config = read_file(&path)?.0;
        if let Some(rest) = word.strip_prefix("tuned+") {
            config = on_base(&config, rest)?;
        }
        word.clone_into(&mut config.preset);
        (word.to_owned(), config)
    } else {
        let mut config = preset(word).map_err(|e| {
            let names: Vec<&str> =
                PRESETS.iter().map(|(n, _)| *n).chain(Fusion::ALL.iter().map(|(n, _)| *n)).collect();
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
        Some("tuned") => {
            let mut config = preset("paper")?;
            "tuned".clone_into(&mut config.preset);
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
