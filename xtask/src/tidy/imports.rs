//! Inside `emomm-models`: no model folder imports another's, and the shared parts import no model.

use std::path::Path;

use super::Finding;
use super::tree::Tree;

const SOURCE: &str = "crates/emomm-models/src";

/// Folders that every model may use. All other folders are models.
const SHARED: [&str; 4] = ["decoder", "vision", "audio", "weights"];

/// What the decoder must not know: front ends, modalities, corpora.
const UNKNOWN_TO_DECODER: [&str; 5] =
    ["crate::vision", "crate::audio", "crate::layout", "emomm_dataset", "emomm_eval"];

/// The folders of models, each as often as it has files.
pub(super) fn models(tree: &Tree) -> Vec<&str> {
    tree.paths()
        .filter_map(|p| p.strip_prefix(SOURCE).ok())
        .filter_map(|p| p.parent().filter(|parent| parent.components().count() == 1))
        .filter_map(Path::to_str)
        .filter(|folder| !SHARED.contains(folder))
        .collect()
}

/// Checks every file of the model crate.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let models = models(tree);
    let mut findings = Vec::new();
    for file in tree.rust() {
        let Ok(inside) = file.path.strip_prefix(SOURCE) else { continue };
        let mut components = inside.components();
        let first = components.next().and_then(|c| c.as_os_str().to_str()).unwrap_or_default();
        // The registry, `lib.rs` and its neighbours, names every model.
        if components.next().is_none() {
            continue;
        }
        for (index, line) in file.text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let other = models.iter().find(|m| **m != first && names_module(code, m));
            if let Some(other) = other {
                findings.push(Finding::error(
                    &file.path,
                    index + 1,
                    format!(
                        "{first} imports {other}; what both need belongs to one of {}",
                        SHARED.join(", ")
                    ),
                ));
            }
            if first == "decoder"
                && let Some(word) = UNKNOWN_TO_DECODER.iter().find(|w| code.contains(**w))
            {
                findings.push(Finding::error(
                    &file.path,
                    index + 1,
                    format!("the decoder knows no {word}; it offers a hook and sees positions and spans"),
                ));
            }
        }
    }
    findings.dedup();
    findings
}

/// Whether code names `crate::<module>` or a module beside its own.
fn names_module(code: &str, module: &str) -> bool {
    ["crate::", "super::super::"].iter().any(|prefix| {
        code.match_indices(&format!("{prefix}{module}")).any(|(at, matched)| {
            !code[at + matched.len()..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::tree::tree_of;
    use super::*;

    fn messages(files: &[(&str, &str)]) -> Vec<String> {
        check(&tree_of(files)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_model_that_imports_another_is_found() {
        let found = messages(&[
            ("crates/emomm-models/src/lib.rs", "mod vita;\nmod qwen;\nuse crate::vita::Model;\n"),
            ("crates/emomm-models/src/qwen/mod.rs", "use crate::decoder::Cache;\nuse crate::vita::Model;\n"),
            ("crates/emomm-models/src/vita/mod.rs", "use crate::vita::config::Config; // not crate::qwen\n"),
            ("crates/emomm-models/src/decoder/mod.rs", "use crate::error::ModelError;\n"),
        ]);
        assert_eq!(
            found,
            [
                "crates/emomm-models/src/qwen/mod.rs:2: qwen imports vita; what both need belongs to one of decoder, vision, audio, weights"
            ]
        );
    }

    #[test]
    fn a_longer_name_is_another_module() {
        assert!(names_module("use crate::qwen::x;", "qwen"));
        assert!(!names_module("use crate::qwen3::x;", "qwen"));
    }

    #[test]
    fn shared_parts_import_no_model_and_the_decoder_no_front_end() {
        let found = messages(&[
            ("crates/emomm-models/src/qwen/mod.rs", ""),
            ("crates/emomm-models/src/vision/vit.rs", "use crate::qwen::Config;"),
            (
                "crates/emomm-models/src/decoder/mod.rs",
                "use crate::vision::Vit;\nuse emomm_dataset::Modality;",
            ),
        ]);
        assert_eq!(found.len(), 3, "{found:?}");
    }
}
