//! Importances on disk: Gradient × Input is computed once a sample and coalition, whatever is steered with it afterwards.
//!
//! One small file for each, named by a digest of clip, coalition and the layer at whose input it is taken. The folder belongs to one model, benchmark and way to
//! decode: that of a [`crate::FeatureStore`]. A file that is damaged is computed again.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use emomm_dataset::ModalitySet;
use emomm_eval::run::hex;
use sha2::{Digest, Sha256};

use crate::error::{ChaseError, Result};

/// First bytes of a file: its version.
const MAGIC: &[u8; 8] = b"emomm-i1";
/// Bytes of the digest of what follows it.
const DIGEST: usize = 8;

/// Distinguishes the unfinished files of one process.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// A folder of importances.
#[derive(Debug, Clone)]
pub struct ImportanceCache {
    folder: PathBuf,
}

impl ImportanceCache {
    /// In a folder, which is made with the first file.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// The importance of the video tokens of a clip under a coalition at the input of a layer: kept, or computed now and kept.
    /// Without video there is nothing to keep.
    ///
    /// # Errors
    /// What `compute` returns, and a folder that cannot be written.
    pub fn kept(
        &self,
        clip: &str,
        (coalition, layer): (ModalitySet, usize),
        compute: impl FnOnce() -> Result<Option<Vec<f64>>>,
    ) -> Result<Option<Vec<f64>>> {
        let path = self.path(clip, coalition, layer);
        if let Some(values) = fs::read(&path).ok().and_then(|bytes| parse(&bytes)) {
            return Ok(Some(values));
        }
        let computed = compute()?;
        if let Some(values) = &computed {
            self.write(&path, values).map_err(|e| ChaseError::io(&path, e))?;
        }
        Ok(computed)
    }

    fn path(&self, clip: &str, coalition: ModalitySet, layer: usize) -> PathBuf {
        // Those of the input embeddings are named as they always were.
        let at = if layer == 0 { String::new() } else { format!("layer {layer}/") };
        let name = hex(&Sha256::digest(format!("{at}{coalition}/{clip}"))[..16]);
        self.folder.join(&name[..2]).join(format!("{name}.bin"))
    }

    fn write(&self, path: &Path, values: &[f64]) -> std::io::Result<()> {
        let body: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&Sha256::digest(&body)[..DIGEST]);
        bytes.extend(body);
        fs::create_dir_all(path.parent().unwrap_or(&self.folder))?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let beside = path.with_extension(format!("{}-{number}.part", std::process::id()));
        fs::write(&beside, bytes)?;
        fs::rename(&beside, path)
    }
}

fn parse(bytes: &[u8]) -> Option<Vec<f64>> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (digest, body) = rest.split_at_checked(DIGEST)?;
    let (numbers, left) = body.as_chunks::<8>();
    (left.is_empty() && Sha256::digest(body)[..DIGEST] == *digest)
        .then(|| numbers.iter().map(|n| f64::from_le_bytes(*n)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_importance_is_computed_once_and_damage_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let cache = ImportanceCache::new(folder.path());
        let tv = "TV".parse().unwrap();
        let mut computed = 0;
        let mut ask_at = |coalition, layer| {
            cache.kept("clip", (coalition, layer), || {
                computed += 1;
                Ok(Some(vec![0.25, 0.75]))
            })
        };
        for (coalition, layer) in [(tv, 0), (tv, 0), (ModalitySet::FULL, 0), (tv, 3), (tv, 3)] {
            assert_eq!(ask_at(coalition, layer).unwrap(), Some(vec![0.25, 0.75]));
        }
        let path = cache.path("clip", tv, 0);
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert_eq!(ask_at(tv, 0).unwrap(), Some(vec![0.25, 0.75]));
        assert_eq!(computed, 4);
        assert_eq!(cache.kept("none", (tv, 0), || Ok(None)).unwrap(), None);
        assert!(!cache.path("none", tv, 0).exists());
    }
}
