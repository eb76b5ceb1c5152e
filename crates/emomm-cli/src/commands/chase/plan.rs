//! `emomm chase eval --plan FILE`: variants, splits and coalitions of an experiment, read from a TOML file.

use std::path::Path;
use std::str::FromStr;

use emomm_dataset::ModalitySet;
use emomm_dataset::build::Split;
use serde::Deserialize;

use super::words::SampleArgs;
use crate::exit_status::{ExitStatus, Failure};

/// A larger experiment file is none.
const MAX_BYTES: u64 = 1 << 20;

/// The words of an experiment file; they are those of the command line.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    /// What the experiment is for; only said.
    #[expect(dead_code, reason = "read by people")]
    about: String,
    variants: Vec<String>,
    split: Option<Vec<String>>,
    coalitions: Option<Vec<String>>,
    seed: Option<u64>,
}

/// The variants of a file, and its samples over the command's defaults.
pub(super) fn read(path: &Path, defaults: &SampleArgs) -> Result<(Vec<String>, SampleArgs), Failure> {
    let usage = |message: String| Failure::new(ExitStatus::Usage, format!("{}: {message}", path.display()));
    let size = std::fs::metadata(path).map_err(|e| usage(e.to_string()))?.len();
    if size > MAX_BYTES {
        return Err(usage(format!("found {size} bytes, expected an experiment file")));
    }
    let text = std::fs::read_to_string(path).map_err(|e| usage(e.to_string()))?;
    let words: Words = toml::from_str(&text).map_err(|e| {
        usage(e.to_string().trim_end().to_owned())
            .with_hint("keys are about, variants, split, coalitions and seed; see docs/contract.md")
    })?;
    if words.variants.is_empty() {
        return Err(usage("`variants` is empty, expected names of variants".to_owned()));
    }
    let mut samples = defaults.clone();
    if let Some(list) = words.split {
        samples.split = parsed::<Split>(&list).map_err(|word| usage(format!("split `{word}` is unknown")))?;
    }
    if let Some(list) = words.coalitions {
        samples.coalitions = parsed::<ModalitySet>(&list)
            .map_err(|word| usage(format!("coalition `{word}` is unknown, expected words such as TAV")))?;
    }
    samples.seed = words.seed.unwrap_or(samples.seed);
    Ok((words.variants, samples))
}

fn parsed<T: FromStr>(list: &[String]) -> Result<Vec<T>, String> {
    list.iter().map(|word| word.parse().map_err(|_| word.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::chase::variants::variants;

    fn defaults() -> SampleArgs {
        SampleArgs { split: vec![Split::Test], coalitions: vec![ModalitySet::FULL], seed: 3 }
    }

    #[test]
    fn every_experiment_of_the_repository_can_be_read_and_its_presets_exist() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments/chase");
        let mut n = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let (list, samples) = read(&path, &defaults()).unwrap_or_else(|f| panic!("{}", f.message));
            assert_eq!(samples.split, [Split::Test], "{path:?}");
            // What needs a router is another's; all else is known.
            let alone: Vec<String> = list
                .into_iter()
                .filter(|v| !v.contains("tuned") && !v.contains("static_bias") && !v.contains("fixed_heads"))
                .collect();
            variants(("--plan", &alone), None, 0).unwrap_or_else(|f| panic!("{path:?}: {}", f.message));
            n += 1;
        }
        assert!(n >= 2);
    }

    #[test]
    fn what_is_unknown_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.toml");
        for (text, told) in [
            ("about = \"x\"\nvariants = []", "empty"),
            ("about = \"x\"\nvariants = [\"paper\"]\nsplits = [\"test\"]", "splits"),
            ("about = \"x\"\nvariants = [\"paper\"]\nsplit = [\"tests\"]", "`tests`"),
            ("about = \"x\"\nvariants = [\"paper\"]\ncoalitions = [\"XYZ\"]", "`XYZ`"),
        ] {
            std::fs::write(&path, text).unwrap();
            let failure = read(&path, &defaults()).unwrap_err();
            assert!(failure.message.contains(told), "{}", failure.message);
        }
    }
}
