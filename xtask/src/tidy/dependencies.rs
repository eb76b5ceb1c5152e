//! Dependencies between the crates point one way, and only two crates name the tensor engine.

use super::Finding;
use super::tree::Tree;

/// Our crates and those of ours that each may depend on. A new crate is added here first.
const DIRECTION: [(&str, &[&str]); 12] = [
    ("emomm-dataset", &[]),
    ("emomm-metrics", &["emomm-dataset"]),
    ("emomm-media", &[]),
    ("emomm-eval", &["emomm-dataset", "emomm-metrics"]),
    ("emomm-kernels", &[]),
    ("emomm-api", &["emomm-dataset", "emomm-eval", "emomm-media"]),
    ("emomm-models", &["emomm-dataset", "emomm-eval", "emomm-kernels", "emomm-media"]),
    ("emomm-chase", &["emomm-dataset", "emomm-eval", "emomm-metrics", "emomm-models"]),
    ("emomm-report", &["emomm-dataset", "emomm-eval", "emomm-media", "emomm-metrics"]),
    ("emomm-annotate", &["emomm-dataset", "emomm-media", "emomm-metrics"]),
    ("emomm-synth", &["emomm-dataset", "emomm-media"]),
    (
        "emomm-cli",
        &[
            "emomm-annotate",
            "emomm-api",
            "emomm-chase",
            "emomm-dataset",
            "emomm-eval",
            "emomm-media",
            "emomm-metrics",
            "emomm-models",
            "emomm-report",
            "emomm-synth",
        ],
    ),
];

/// Packages whose name begins so are the tensor engine.
const ENGINE: &str = "candle";

/// The crates that may name the tensor engine.
const ENGINE_CRATES: [&str; 2] = ["emomm-models", "emomm-chase"];

/// Checks the manifest of every crate under `crates`.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files().iter().filter(|f| f.path.starts_with("crates") && f.path.ends_with("Cargo.toml"))
    {
        let Some(name) = file.path.parent().and_then(|p| p.file_name()).and_then(|n| n.to_str()) else {
            continue;
        };
        let Some((_, allowed)) = DIRECTION.iter().find(|(known, _)| *known == name) else {
            findings.push(Finding::error(
                &file.path,
                1,
                format!("crate {name} has no place in the direction of dependencies; add it to the table in xtask/src/tidy/dependencies.rs"),
            ));
            continue;
        };
        for (line, dependency) in dependencies(&file.text) {
            if dependency.starts_with("emomm-")
                && dependency != name
                && !allowed.contains(&dependency.as_str())
            {
                let allowed = if allowed.is_empty() { "none of ours".to_owned() } else { allowed.join(", ") };
                findings.push(Finding::error(
                    &file.path,
                    line,
                    format!("{name} depends on {dependency}, allowed: {allowed}"),
                ));
            }
            if dependency.starts_with(ENGINE) && !ENGINE_CRATES.contains(&name) {
                let allowed = ENGINE_CRATES.join(" and ");
                findings.push(Finding::error(
                    &file.path,
                    line,
                    format!("{name} names the tensor engine ({dependency}); only {allowed} may"),
                ));
            }
        }
    }
    findings
}

/// The dependencies of a manifest with their lines: of every kind and target, renamed ones under both names.
fn dependencies(manifest: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut in_table = false;
    for (index, line) in manifest.lines().enumerate() {
        let line_number = index + 1;
        let line = line.trim();
        if let Some(section) = line.strip_prefix('[').and_then(|l| l.split(']').next()) {
            in_table = section.ends_with("dependencies");
            // `[dependencies.name]`
            if let Some((table, name)) = section.rsplit_once('.')
                && table.ends_with("dependencies")
            {
                found.push((line_number, name.to_owned()));
            }
            continue;
        }
        if let Some((_, rest)) = line.split_once("package = \"")
            && let Some((name, _)) = rest.split_once('"')
        {
            found.push((line_number, name.to_owned()));
        }
        let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_')).unwrap_or(0);
        if in_table && end > 0 {
            found.push((line_number, line[..end].to_owned()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::tree::tree_of;
    use super::*;

    fn messages(files: &[(&str, &str)]) -> Vec<String> {
        check(&tree_of(files)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_arrow_against_the_direction_is_found() {
        let manifest =
            "[package]\nname = \"x\"\n\n[dependencies]\nserde = \"1\"\nemomm-models.workspace = true\n";
        assert_eq!(
            messages(&[("crates/emomm-eval/Cargo.toml", manifest)]),
            [
                "crates/emomm-eval/Cargo.toml:6: emomm-eval depends on emomm-models, allowed: emomm-dataset, emomm-metrics"
            ]
        );
    }

    #[test]
    fn every_kind_of_dependency_table_is_read() {
        let manifest = "[dev-dependencies]\na = \"1\"\n[target.'cfg(unix)'.dependencies]\nb = { version = \"1\" }\n\
                        [dependencies.c]\nversion = \"1\"\n[features]\nd = []\n[dependencies]\ne = { package = \"f\" }\n";
        let names: Vec<String> = dependencies(manifest).into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["a", "b", "c", "f", "e"]);
    }

    #[test]
    fn the_engine_is_named_by_two_crates_only() {
        let manifest = "[dependencies]\ncandle-core = \"0.11\"\n";
        assert!(messages(&[("crates/emomm-models/Cargo.toml", manifest)]).is_empty());
        let found = messages(&[("crates/emomm-media/Cargo.toml", manifest)]);
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("emomm-media names the tensor engine (candle-core)"), "{found:?}");
    }

    #[test]
    fn an_unknown_crate_is_found() {
        assert!(messages(&[("crates/emomm-misc/Cargo.toml", "")])[0].contains("has no place"));
    }

    /// The table itself: every arrow points to a crate that stands above, so there is no cycle.
    #[test]
    fn the_table_has_no_cycle() {
        let mut order: Vec<&str> = Vec::new();
        let mut rest: Vec<_> = DIRECTION.to_vec();
        while !rest.is_empty() {
            let before = rest.len();
            rest.retain(|(name, allowed)| {
                let ready = allowed.iter().all(|a| order.contains(a));
                if ready {
                    order.push(name);
                }
                !ready
            });
            assert!(rest.len() < before, "cycle among {rest:?}");
        }
    }
}
