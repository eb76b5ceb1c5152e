//! Where the clips of a benchmark come from: recordings, or the synthetic world, which must be called so wherever its
//! figures appear.

use std::path::{Path, PathBuf};

use emomm_dataset::manifest::Manifest;

/// Name of the file that the synthetic world writes beside its corpora.
const WORLD_FILE: &str = "world.json";

/// The origin of the clips.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// Whether the clips are synthetic.
    pub is_synthetic: bool,
    /// The benchmark's folder; empty where it is not known.
    pub bench: PathBuf,
    /// Roots of the media by corpus.
    pub roots: std::collections::BTreeMap<String, PathBuf>,
}

/// Looks beside the corpora of a benchmark.
pub fn origin_of(bench: &Path) -> Origin {
    let roots = Manifest::read_roots(bench).unwrap_or_default();
    let is_synthetic = roots.values().any(|root| {
        let world = |folder: &Path| folder.join(WORLD_FILE).is_file();
        world(root) || root.parent().is_some_and(world)
    });
    Origin { is_synthetic, bench: bench.to_owned(), roots }
}
