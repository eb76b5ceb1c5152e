//! The files of the repository, without what is built, ignored or binary.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Folders that hold nothing written by hand.
const SKIPPED: [&str; 8] =
    [".git", "target", "out", "emomm-demo", ".venv", "__pycache__", "artifacts", "coverage"];

/// One text file that some rule reads.
pub(super) struct File {
    /// Relative to the root, with forward slashes.
    pub(super) path: PathBuf,
    pub(super) text: String,
}

/// All paths of the repository, and the text of its Rust, Markdown and manifest files.
#[derive(Default)]
pub(super) struct Tree {
    paths: BTreeSet<PathBuf>,
    files: Vec<File>,
}

impl Tree {
    /// Reads the tree under `root`.
    pub(super) fn read(root: &Path) -> Result<Self> {
        let mut tree = Self::default();
        tree.walk(root, Path::new(""))?;
        tree.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(tree)
    }

    fn walk(&mut self, root: &Path, folder: &Path) -> Result<()> {
        let absolute = root.join(folder);
        for entry in
            std::fs::read_dir(&absolute).with_context(|| format!("cannot list {}", absolute.display()))?
        {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            self.paths.insert(path.clone());
            if entry.file_type()?.is_dir() {
                if !SKIPPED.iter().any(|s| entry.file_name() == *s) {
                    self.walk(root, &path)?;
                }
            } else if path.extension().is_some_and(|e| e == "rs" || e == "md") || path.ends_with("Cargo.toml")
            {
                let absolute = entry.path();
                let text = std::fs::read_to_string(&absolute)
                    .with_context(|| format!("cannot read {}", absolute.display()))?;
                self.files.push(File { path, text });
            }
        }
        Ok(())
    }

    /// The text files, sorted by path.
    pub(super) fn files(&self) -> &[File] {
        &self.files
    }

    /// The Rust files.
    pub(super) fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|f| f.path.extension().is_some_and(|e| e == "rs"))
    }

    /// All paths, folders included.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.paths.iter().map(PathBuf::as_path)
    }

    /// Whether a file or folder exists.
    pub(super) fn holds(&self, path: &Path) -> bool {
        self.paths.contains(path)
    }
}

/// A tree made of the given files, for the tests of the rules.
#[cfg(test)]
pub(super) fn tree_of(files: &[(&str, &str)]) -> Tree {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    Tree::read(dir.path()).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_and_binary_files_are_not_read() {
        let tree = tree_of(&[
            ("src/lib.rs", ""),
            ("README.md", ""),
            ("target/debug/build.rs", ""),
            ("fuzz/target/x.rs", ""),
            ("clip.mp4", ""),
        ]);
        let read: Vec<_> = tree.files().iter().map(|f| f.path.to_str().unwrap()).collect();
        assert_eq!(read, ["README.md", "src/lib.rs"]);
        assert!(tree.holds(Path::new("clip.mp4")));
        assert!(tree.holds(Path::new("src")));
        assert!(!tree.holds(Path::new("target/debug")));
    }
}
