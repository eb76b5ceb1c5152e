//! The checkpoint that comes with the program: a small Qwen2.5-Omni thinker that was trained on the synthetic clip world.
//!
//! Its files are compiled in, so that an installed binary has them, and are written to a folder to be used: the loaders
//! know only folders. Data, recipe and accuracy stand in its model card, `crates/emomm-models/embedded/README.md`.

use std::path::Path;

use crate::error::{ModelError, Result};

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_bytes!(concat!("../embedded/", $name)))),*]
    };
}

/// Every file of the checkpoint: name and content.
pub const FILES: &[(&str, &[u8])] = files![
    "README.md",
    "chat_template.jinja",
    "config.json",
    "emomm_settings.json",
    "model.safetensors",
    "preprocessor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
];

/// Name of this very checkpoint: `embedded-` and a hash of its files.
pub fn name() -> String {
    // FNV-1a: it tells versions apart and needs to resist nobody.
    let hash = FILES.iter().flat_map(|(name, content)| name.bytes().chain(content.iter().copied()));
    let hash = hash.fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    format!("embedded-{hash:016x}")
}

/// Whether `folder` holds every file as it is here.
pub fn is_whole(folder: &Path) -> bool {
    FILES.iter().all(|(name, content)| std::fs::read(folder.join(name)).is_ok_and(|found| found == *content))
}

/// Writes the checkpoint into `folder`, which is created if need be.
///
/// # Errors
/// [`ModelError::Io`] where a file cannot be written.
pub fn write(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|e| ModelError::io(folder, e))?;
    for (name, content) in FILES {
        let path = folder.join(name);
        std::fs::write(&path, content).map_err(|e| ModelError::io(&path, e))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checkpoint_is_written_whole_and_loads() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_whole(folder.path()));
        write(folder.path()).unwrap();
        assert!(is_whole(folder.path()));
        let summary = crate::inspect(folder.path()).unwrap();
        assert_eq!((summary.n_layers, summary.n_heads), (8, 14));
        assert!(summary.stored_bytes <= 10 << 20, "{} bytes", summary.stored_bytes);
        std::fs::write(folder.path().join("config.json"), "{}").unwrap();
        assert!(!is_whole(folder.path()));
    }
}
