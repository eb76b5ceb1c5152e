//! What `--model` names: a checkpoint folder, or the word `embedded`.

use std::path::{Path, PathBuf};

use emomm_models::embedded;

use crate::exit_status::{ExitStatus, Failure};
use crate::printer::Printer;

/// The word for the built-in model.
const EMBEDDED: &str = "embedded";

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
    printer
        .talk("note: the embedded model knows only synthetic clips; what it says of real ones means nothing");
    let folder = cache_folder()?.join(embedded::name());
    unpack(&folder, CACHE_HINT, printer)?;
    Ok(folder)
}

/// Writes the embedded checkpoint into `folder` unless it is there whole. A failure to write carries `hint`.
///
/// It is written into a folder beside it and renamed, so that a killed process leaves no half checkpoint behind; what is
/// there and differs is replaced.
pub(crate) fn unpack(folder: &Path, hint: &str, printer: &Printer) -> Result<(), Failure> {
    if embedded::is_whole(folder) {
        return Ok(());
    }
    printer.talk(&format!("writing the embedded model to {}", folder.display()));
    let unfinished = folder.with_extension(format!("{}.tmp", std::process::id()));
    let written = embedded::write(&unfinished)
        .map_err(|e| e.to_string())
        .and_then(|()| put_in_place(&unfinished, folder).map_err(|e| format!("{}: {e}", folder.display())));
    written.map_err(|message| {
        // What cannot be removed was never made, or stays under a name that is not used.
        let _ = std::fs::remove_dir_all(&unfinished);
        Failure::new(ExitStatus::Usage, message).with_hint(hint)
    })
}

fn put_in_place(unfinished: &Path, folder: &Path) -> std::io::Result<()> {
    if std::fs::rename(unfinished, folder).is_ok() {
        return Ok(());
    }
    if embedded::is_whole(folder) {
        // Another process was faster.
        return std::fs::remove_dir_all(unfinished);
    }
    let damaged = unfinished.with_extension("old");
    if std::fs::symlink_metadata(folder).is_ok() {
        std::fs::rename(folder, &damaged)?;
    }
    std::fs::rename(unfinished, folder)?;
    // Left where it cannot be removed; its name is not used.
    let _ = std::fs::remove_dir_all(&damaged);
    Ok(())
}

const CACHE_HINT: &str = "set EMOMM_CACHE to a folder that may be written";

fn not_a_folder(model: &Path, found: &str) -> Failure {
    let message = format!("--model {}: found {found}, expected a checkpoint folder", model.display());
    Failure::new(ExitStatus::Model, message)
        .with_hint("give a folder with config.json, tokenizer.json and *.safetensors, or `embedded`")
}

/// The user's cache folder.
pub(crate) fn cache_folder() -> Result<PathBuf, Failure> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<std::ffi::OsString> {
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name()).collect()
    }

    #[test]
    fn a_half_written_checkpoint_is_written_again() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("checkpoint");
        let printer = Printer::new();
        unpack(&folder, "", &printer).unwrap();
        let weights = folder.join("model.safetensors");
        let whole = std::fs::read(&weights).unwrap();
        for half in [&whole[..whole.len() / 2], &whole[..whole.len() - 1], &[]] {
            std::fs::write(&weights, half).unwrap();
            unpack(&folder, "", &printer).unwrap();
            assert!(std::fs::read(&weights).unwrap() == whole);
        }
        std::fs::remove_file(&weights).unwrap();
        unpack(&folder, "", &printer).unwrap();
        assert!(std::fs::read(&weights).unwrap() == whole);
        assert_eq!(names(parent.path()), ["checkpoint"]);
    }

    #[test]
    fn a_whole_checkpoint_of_a_faster_process_stays() {
        let parent = tempfile::tempdir().unwrap();
        let (ours, theirs) = (parent.path().join("ours"), parent.path().join("theirs"));
        unpack(&theirs, "", &Printer::new()).unwrap();
        let written = std::fs::metadata(theirs.join("config.json")).unwrap().modified().unwrap();
        std::fs::create_dir(&ours).unwrap();
        put_in_place(&ours, &theirs).unwrap();
        assert_eq!(std::fs::metadata(theirs.join("config.json")).unwrap().modified().unwrap(), written);
        assert_eq!(names(parent.path()), ["theirs"]);
    }

    #[test]
    fn a_folder_that_cannot_be_made_or_renamed_is_a_failure_with_the_hint_given() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("file");
        std::fs::write(&file, "x").unwrap();
        let failure = unpack(&file.join("checkpoint"), CACHE_HINT, &Printer::new()).unwrap_err();
        assert_eq!((failure.status, failure.hint.as_deref()), (ExitStatus::Usage, Some(CACHE_HINT)));
        let nothing = parent.path().join("nothing");
        put_in_place(&nothing, &parent.path().join("checkpoint")).unwrap_err();
    }
}
