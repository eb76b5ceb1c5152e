//! What `--model` names: a checkpoint folder, or the word `embedded`.

use std::path::{Path, PathBuf};

use emomm_models::qwen2_5_omni::untrained;

use crate::exit_status::{ExitStatus, Failure};
use crate::printer::Printer;

/// The word for the built-in model.
const EMBEDDED: &str = "embedded";
/// Seed of the built-in random weights.
pub(crate) const UNTRAINED_SEED: u64 = 20_250_326;
/// Raised whenever the shape or the seed of the untrained model changes, so that an old copy is not used.
const UNTRAINED_VERSION: &str = "untrained-1";

/// The checkpoint folder that `--model` names. `embedded` is written into the user's cache on first use.
pub(crate) fn resolve(model: &Path, printer: &Printer) -> Result<PathBuf, Failure> {
    if model.as_os_str() != EMBEDDED {
        return match std::fs::metadata(model) {
            Ok(m) if m.is_dir() => Ok(model.to_owned()),
            Ok(_) => Err(not_a_folder(model, "a file")),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Err(not_a_folder(model, "nothing")),
            Err(e) => Err(Failure::new(ExitStatus::Model, format!("{}: {e}", model.display()))),
        };
    }
    printer.talk("note: the embedded model is untrained: random weights, its answers mean nothing");
    let folder = cache_folder()?.join(UNTRAINED_VERSION);
    if !folder.join("model.safetensors").is_file() {
        // Written under another name first, so that a killed process leaves no half checkpoint behind.
        let unfinished = folder.with_extension(format!("{}.tmp", std::process::id()));
        untrained::write(&unfinished, UNTRAINED_SEED)
            .map_err(|e| Failure::new(ExitStatus::Usage, e.to_string()).with_hint(CACHE_HINT))?;
        if std::fs::rename(&unfinished, &folder).is_err() {
            // Another process was faster.
            let _ = std::fs::remove_dir_all(&unfinished);
        }
    }
    Ok(folder)
}

const CACHE_HINT: &str = "set EMOMM_CACHE to a folder that may be written";

fn not_a_folder(model: &Path, found: &str) -> Failure {
    let message = format!("--model {}: found {found}, expected a checkpoint folder", model.display());
    Failure::new(ExitStatus::Model, message)
        .with_hint("give a folder with config.json, tokenizer.json and *.safetensors, or `embedded`")
}

fn cache_folder() -> Result<PathBuf, Failure> {
    let from = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let folder = from("EMOMM_CACHE")
        .or_else(|| from("XDG_CACHE_HOME").map(|p| p.join("emomm")))
        .or_else(|| from("HOME").map(|p| p.join(".cache/emomm")))
        .or_else(|| from("LOCALAPPDATA").map(|p| p.join("emomm")));
    folder.ok_or_else(|| {
        Failure::new(
            ExitStatus::Usage,
            "no cache folder: none of EMOMM_CACHE, XDG_CACHE_HOME and HOME is set",
        )
        .with_hint(CACHE_HINT)
    })
}
