//! Which variant a word names: a preset, a comparator, the tuned settings of a router, or a steering file.

use std::path::Path;
use std::sync::Arc;

use emomm_chase::{
    ChaseError, Fusion, HeadSelection, LoadedRouter, PRESETS, SteeringConfig, Variant, VariantKind, preset,
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
    pub(super) fn of_word(word: &str) -> Option<Self> {
        let base = word.split(['+', '@']).next();
        [Self::Settings, Self::StaticBias].into_iter().find(|t| base == Some(t.name()))
    }
}

/// The variant that asks in words.
const PROMPT_HINT: &str = "prompt_hint";
/// A larger steering file is none.
const MAX_BYTES: u64 = 1 << 20;

/// The variants of a list of words that an option gave; `baseline` is put first where it is missing.
pub(super) fn variants(
    (option, list): (&str, &[String]),
    router: Option<(&Path, &LoadedRouter)>,
    seed: u64,
) -> Result<Vec<Variant>, Failure> {
    let mut all = vec![variant((option, "baseline"), router, seed)?];
    for word in list.iter().filter(|w| *w != "baseline") {
        let next = variant((option, word), router, seed)?;
        if all.iter().any(|v| v.name == next.name) {
            let message = format!("{option} names `{}` twice", next.name);
            return Err(Failure::new(ExitStatus::Usage, message));
        }
        all.push(next);
    }
    Ok(all)
}

/// One variant, named by the word that an option gave.
pub(super) fn variant(
    (option, word): (&str, &str),
    router: Option<(&Path, &LoadedRouter)>,
    seed: u64,
) -> Result<Variant, Failure> {
    if word == PROMPT_HINT {
        return Ok(Variant { name: word.to_owned(), kind: VariantKind::Hinted });
    }
    if let Some(fusion) = Fusion::of_name(word) {
        return Ok(Variant { name: word.to_owned(), kind: VariantKind::Fused(fusion) });
    }
    let asked = format!("{option} {word}");
    let heads = router.map_or(&[][..], |(_, r)| &r.1.fixed_heads);
    let (name, mut config) = if let Some((path, rest)) = of_file(word) {
        let own = name_of(path, &asked)?;
        let config = read_file(path)?.0;
        match rest {
            "" => (own, config),
            rest => {
                let name = format!("{own}{rest}");
                let config = placed_on(&config, &name, (rest, seed), heads, &asked)?;
                (name, config)
            }
        }
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
        let rest = word.strip_prefix(name).unwrap_or_default();
        let config = placed_on(&read_file(&path)?.0, word, (rest, seed), heads, &asked)?;
        (word.to_owned(), config)
    } else {
        let config = seeded_preset(word, seed).map_err(|e| {
            let names: Vec<&str> = PRESETS
                .iter()
                .map(|(n, _)| *n)
                .chain(Fusion::ALL.iter().map(|(n, _)| *n))
                .chain([PROMPT_HINT])
                .collect();
            Failure::new(ExitStatus::Usage, format!("{asked}: {e}"))
                .with_hint(format!("known: {}; or a file that ends in .toml", names.join(", ")))
        })?;
        (word.to_owned(), config)
    };
    if config.head_selection == HeadSelection::Fixed && config.heads.is_empty() {
        config.heads = heads.to_vec();
        if config.heads.is_empty() {
            let message = format!("variant `{name}` needs the offline profile of heads of a router");
            return Err(Failure::new(ExitStatus::Usage, message)
                .with_hint("give --router with one that was trained on conflicts of full clips"));
        }
    }
    config.check()?;
    Ok(Variant { name, kind: VariantKind::Steered(Arc::new(config)) })
}

/// A preset; with this seed where its name gives none.
pub(super) fn seeded_preset(name: &str, seed: u64) -> Result<SteeringConfig, ChaseError> {
    let config = preset(name)?;
    Ok(if name.contains('@') { config } else { SteeringConfig { seed, ..config } })
}

/// Settings over a base. Heads that are to be chosen beforehand and are named nowhere are the router's.
pub(super) fn with_heads(
    base: &SteeringConfig,
    overrides: &toml::Table,
    heads: &[[usize; 2]],
) -> Result<SteeringConfig, ChaseError> {
    let is_fixed = overrides
        .get("head_selection")
        .map_or(base.head_selection == HeadSelection::Fixed, |s| s.as_str() == Some("fixed"));
    if is_fixed && base.heads.is_empty() {
        return with_overrides(&SteeringConfig { heads: heads.to_vec(), ..base.clone() }, overrides);
    }
    with_overrides(base, overrides)
}

/// A steering file, alone or as `FILE.toml+NAME` or `FILE.toml@SEED`, with what stands behind it.
pub(super) fn of_file(word: &str) -> Option<(&Path, &str)> {
    if Path::new(word).extension().is_some_and(|e| e == "toml") {
        return Some((Path::new(word), ""));
    }
    let end = [".toml+", ".toml@"].iter().filter_map(|m| word.rfind(m)).max()? + ".toml".len();
    Some((Path::new(&word[..end]), &word[end..]))
}

/// The name of a steering file's variant: that of the file without its end, or with it where another variant is called so
/// (`paper.toml`): a report would take it for that one, for a placebo or a bound, say. `tuned` and `static_bias` are files
/// themselves.
pub(super) fn name_of(path: &Path, asked: &str) -> Result<String, Failure> {
    let of = |part: Option<&std::ffi::OsStr>| part.map(|p| p.to_string_lossy().into_owned());
    let stem = of(path.file_stem()).unwrap_or_default();
    if stem.contains(['+', '@']) {
        let message =
            format!("{asked}: the variant would be named `{stem}`, as one that is made of known ones");
        return Err(Failure::new(ExitStatus::Usage, message)
            .with_hint("give the steering file a name without + and @"));
    }
    let is_known = preset(&stem).is_ok() || Fusion::of_name(&stem).is_some() || stem == PROMPT_HINT;
    Ok(if is_known { of(path.file_name()).unwrap_or(stem) } else { stem })
}

/// Settings with `+NAME`, `+NAME@SEED`, `@SEED` or nothing put on them, under the name of the whole.
fn placed_on(
    base: &SteeringConfig,
    name: &str,
    (rest, seed): (&str, u64),
    heads: &[[usize; 2]],
    asked: &str,
) -> Result<SteeringConfig, Failure> {
    let rest = rest.strip_prefix('+').unwrap_or(rest);
    let (part, seed) = match rest.split_once('@') {
        Some((part, number)) => (part, number.parse().ok()),
        None => (rest, Some(seed)),
    };
    let mut config = if part.is_empty() { base.clone() } else { on_base(base, part, heads)? };
    config.seed =
        seed.ok_or_else(|| Failure::new(ExitStatus::Usage, format!("{asked}: expected NAME@SEED")))?;
    name.clone_into(&mut config.preset);
    Ok(config)
}

/// Puts a preset's changes on another base: what the preset changes of the paper's settings.
fn on_base(base: &SteeringConfig, name: &str, heads: &[[usize; 2]]) -> Result<SteeringConfig, Failure> {
    let table = |config: &SteeringConfig| {
        toml::Table::try_from(config).map_err(|e| Failure::new(ExitStatus::Usage, e.to_string()))
    };
    let (paper, changed) = (table(&preset("paper")?)?, table(&preset(name)?)?);
    let differs = |(key, value): &(String, toml::Value)| key != "preset" && paper.get(key) != Some(value);
    let overrides: toml::Table = changed.into_iter().filter(differs).collect();
    Ok(with_heads(base, &overrides, heads)?)
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
        // Written whole by `sweep --tune`: the name alone stands for no settings.
        Some(name @ ("tuned" | "static_bias")) => {
            table.insert("preset".to_owned(), name.into());
            let config: SteeringConfig = table.try_into().map_err(|e: toml::de::Error| {
                failed(format!(
                    "preset = \"{name}\", but the file does not hold its settings: {}",
                    e.message()
                ))
                .with_hint(format!(
                    "give {name}.toml itself, which `emomm chase sweep --tune` wrote beside the router"
                ))
            })?;
            config.check()?;
            return Ok((config, router));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn written(name: &str, text: &str) -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        (folder, path.to_str().unwrap().to_owned())
    }

    fn steering(word: &str) -> Result<(String, SteeringConfig), String> {
        let variant = variant(("--variants", word), None, 7).map_err(|e| e.message)?;
        match &variant.kind {
            VariantKind::Steered(config) => Ok((variant.name, config.as_ref().clone())),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_file_has_placebos_and_ablations_as_presets_have() {
        let (_folder, file) =
            written("mine.toml", "preset = \"two_pass\"\nconflict_threshold = 0.2\nseed = 3\n");
        let (name, own) = steering(&file).unwrap();
        assert_eq!((name.as_str(), own.seed), ("mine", 3));
        let (name, placebo) = steering(&format!("{file}+random_gate@5")).unwrap();
        let expected = SteeringConfig {
            preset: "mine+random_gate@5".to_owned(),
            gate: emomm_chase::GateSource::Random,
            seed: 5,
            ..own.clone()
        };
        assert_eq!((name.as_str(), &placebo), ("mine+random_gate@5", &expected));
        let (_, ablated) = steering(&format!("{file}+no_intra")).unwrap();
        assert_eq!((ablated.intra_strength.to_bits(), ablated.seed), (0, 7));
        let (name, seeded) = steering(&format!("{file}@11")).unwrap();
        assert_eq!(
            (name.as_str(), &seeded),
            ("mine@11", &SteeringConfig { preset: name.clone(), seed: 11, ..own })
        );
        for bad in ["+nonsense", "+random_gate@x", "@x", "@"] {
            assert!(steering(&format!("{file}{bad}")).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_file_does_not_pass_for_another_variant() {
        for name in ["random_gate.toml", "paper.toml", "late_fusion.toml", "prompt_hint.toml"] {
            let (_folder, file) = written(name, "conflict_threshold = 0.2\n");
            assert_eq!(steering(&file).unwrap().0, name);
            assert_eq!(steering(&format!("{file}+no_inter")).unwrap().0, format!("{name}+no_inter"));
        }
        let (_folder, file) = written("a+random_gate.toml", "conflict_threshold = 0.2\n");
        assert!(steering(&file).unwrap_err().contains("would be named"));
    }

    /// `tuned` is no preset with settings of its own: a file that only names it would silently steer as the paper does.
    #[test]
    fn a_file_that_names_tuned_must_hold_its_settings() {
        let (_folder, file) = written("mine.toml", "preset = \"tuned\"\nconflict_threshold = 0.2\n");
        let error = steering(&file).unwrap_err();
        assert!(error.contains("does not hold its settings") && error.contains("missing field"), "{error}");
        let whole = SteeringConfig {
            preset: "tuned".to_owned(),
            conflict_threshold: 0.25,
            ..preset("two_pass").unwrap()
        };
        let (_folder, file) = written("tuned.toml", &toml::to_string(&whole).unwrap());
        assert_eq!(steering(&file).unwrap(), ("tuned".to_owned(), whole));
    }
}
