//! The decoder and the method name no model: what they know of one is a front end, token spans and a hook.
//!
//! The words are those of the model folders of `emomm-models`: a folder `whale_2_5_omni` forbids `whale` and `omni`, in code
//! and in comments.

use std::collections::BTreeSet;
use std::path::Path;

use super::Finding;
use super::imports::models;
use super::tree::Tree;

/// Where no model may be named. Tests and examples beside the sources may, since they need a checkpoint.
const BLIND: [&str; 2] = ["crates/emomm-chase/src", "crates/emomm-models/src/decoder"];

/// Shorter parts of a folder's name say nothing.
const SHORTEST: usize = 4;

/// Checks every file that may name no model.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let words = words(&models(tree));
    let mut findings = Vec::new();
    for file in tree.rust() {
        if !BLIND.iter().any(|folder| file.path.starts_with(Path::new(folder))) {
            continue;
        }
        for (index, line) in file.text.lines().enumerate() {
            let line = line.to_lowercase();
            if let Some(word) = words.iter().find(|word| names(&line, word)) {
                let message = format!("names the model `{word}`; decoder and method know no model");
                findings.push(Finding::error(&file.path, index + 1, message));
            }
        }
    }
    findings
}

/// The letters of each part of the folders' names.
fn words(folders: &[&str]) -> BTreeSet<String> {
    let parts = folders.iter().flat_map(|folder| folder.split('_'));
    let letters = parts.map(|part| part.trim_end_matches(|c: char| c.is_ascii_digit()).to_lowercase());
    letters.filter(|word| word.len() >= SHORTEST).collect()
}

/// Whether a line holds the word, not as a part of a longer one; digits may follow it.
fn names(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(char::is_alphabetic) && !after.is_some_and(char::is_alphabetic)
    })
}

#[cfg(test)]
mod tests {
    use super::super::tree::tree_of;
    use super::*;

    #[test]
    fn a_model_that_is_named_is_found() {
        let found = check(&tree_of(&[
            ("crates/emomm-models/src/whale_2_5_omni/mod.rs", "// whale"),
            ("crates/emomm-models/src/lib.rs", "mod whale_2_5_omni;"),
            ("crates/emomm-models/src/decoder/mod.rs", "/// Of the Whale2 family.\nlet omnipresent = 5;"),
            ("crates/emomm-chase/src/hook.rs", "use emomm_models::whale_2_5_omni::Omni;"),
            ("crates/emomm-chase/tests/hook.rs", "use emomm_models::whale_2_5_omni::Omni;"),
        ]));
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 2, "{found:?}");
        let has = |start: &str| found.iter().any(|line| line.starts_with(start));
        assert!(has("crates/emomm-models/src/decoder/mod.rs:1: names the model `whale`"), "{found:?}");
        assert!(has("crates/emomm-chase/src/hook.rs:1:"), "{found:?}");
    }

    #[test]
    fn numbers_are_no_names() {
        let found = words(&["qwen2_5_omni", "vita_1_5"]);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["omni", "qwen", "vita"]);
        assert!(names("of qwen2.", "qwen") && !names("vital", "vita") && !names("invita", "vita"));
    }
}
