//! The golden checkpoint, and copies of it that tests damage.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use tempfile::TempDir;

use crate::process::{Outcome, run};

/// The committed checkpoint: four layers of four heads.
pub(crate) fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/qwen2_5_omni/gqa/checkpoint")
}

/// Bytes of a safetensors file before its header.
const LENGTH_BYTES: usize = 8;

/// A copy that may be changed; it goes with its folder.
pub(crate) struct Checkpoint(TempDir);

impl Checkpoint {
    pub(crate) fn copy() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(golden()).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
        }
        Self(folder)
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, file: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path(file), bytes).unwrap();
    }

    pub(crate) fn remove(&self, file: &str) {
        std::fs::remove_file(self.path(file)).unwrap();
    }

    /// Reads a JSON file, lets it be changed, writes it back.
    pub(crate) fn edit(&self, file: &str, change: impl FnOnce(&mut Value)) {
        let mut json = serde_json::from_slice(&std::fs::read(self.path(file)).unwrap()).unwrap();
        change(&mut json);
        self.write(file, json.to_string());
    }

    /// Changes the header of the weights; the data stay as they are.
    pub(crate) fn edit_header(&self, change: impl FnOnce(&mut Map<String, Value>)) {
        let bytes = std::fs::read(self.path("model.safetensors")).unwrap();
        let (header, data) = split(&bytes);
        let mut header: Value = serde_json::from_slice(header).unwrap();
        change(header.as_object_mut().unwrap());
        let header = header.to_string();
        let mut changed = (header.len() as u64).to_le_bytes().to_vec();
        changed.extend_from_slice(header.as_bytes());
        changed.extend_from_slice(data);
        self.write("model.safetensors", changed);
    }

    /// Asks for a prediction on a transcript.
    pub(crate) fn predict(&self) -> Outcome {
        predict_text(self.folder())
    }
}

/// Header and data of a safetensors file.
pub(crate) fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    let length = u64::from_le_bytes(bytes[..LENGTH_BYTES].try_into().unwrap()) as usize;
    bytes[LENGTH_BYTES..].split_at(length)
}

/// Asks a checkpoint for a prediction on a transcript.
pub(crate) fn predict_text(folder: &Path) -> Outcome {
    run([
        "predict".as_ref(),
        "--model".as_ref(),
        folder.as_os_str(),
        "--text".as_ref(),
        "hi".as_ref(),
        "--json".as_ref(),
    ])
}
