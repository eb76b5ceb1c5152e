//! The points of a sweep: every combination of a grid, the entries of a list, or the searches behind `tuned` and
//! `static_bias`.

use emomm_chase::{SteeringConfig, with_overrides};

use super::sweep::SweepArgs;
use super::variants::Tuned;
use super::words::toml_table;
use crate::exit_status::{ExitStatus, Failure};

/// Most points of a sweep: one batch of decision rows.
const MAX_POINTS: usize = 512;
/// The search behind `tuned` without `--grid`.
const TUNING_GRID: &str = "\
conflict_threshold = [0.3, 0.5, 0.7]
max_steering = [0.6, 1.0]
n_heads_steered = [2, 4, \"all\"]
inter_strength = [1.0, 1.4]
intra_strength = [0.0, 0.5]
router_read = [\"online\", \"clean_mean\"]
";

/// Biases that the search behind `static_bias` tries for each modality.
const STATIC_BIASES: [f64; 5] = [-1.5, -0.75, 0.0, 0.75, 1.5];
/// The word for the router's own first layer in that search.
const ROUTERS_LAYER: &str = "router";

/// A point: what differs from the base, and the settings.
pub(super) struct Point {
    pub(super) overrides: toml::Table,
    pub(super) config: SteeringConfig,
}

/// The points of a grid, of a list, or of the search behind `tuned`.
pub(super) fn points(args: &SweepArgs, base: &SteeringConfig) -> Result<Vec<Point>, Failure> {
    let read = |option: &str, path: &std::path::Path| {
        std::fs::read_to_string(path)
            .map_err(|e| Failure::new(ExitStatus::Usage, format!("{option} {}: {e}", path.display())))
    };
    let tables = if let Some(path) = &args.list {
        let mut table = toml_table("--list", &read("--list", path)?)?;
        match table.remove("point") {
            Some(toml::Value::Array(points)) if table.is_empty() => points
                .into_iter()
                .map(|p| match p {
                    toml::Value::Table(table) => Ok(table),
                    other => Err(Failure::new(
                        ExitStatus::Usage,
                        format!("--list: found {other}, expected [[point]]"),
                    )),
                })
                .collect::<Result<Vec<_>, _>>()?,
            _ => {
                return Err(Failure::new(
                    ExitStatus::Usage,
                    "--list: expected a list [[point]] and nothing else",
                ));
            }
        }
    } else {
        let text = match &args.grid {
            None if args.tune == Some(Tuned::StaticBias) => static_grid(),
            None => TUNING_GRID.to_owned(),
            Some(text) if text.contains('=') => text.replace(';', "\n"),
            Some(path) => read("--grid", path.as_ref())?,
        };
        combinations(&toml_table("--grid", &text)?)
    };
    if tables.is_empty() || tables.len() > MAX_POINTS {
        let message = format!("{} points, expected 1 to {MAX_POINTS}", tables.len());
        return Err(Failure::new(ExitStatus::Usage, message));
    }
    tables
        .into_iter()
        .map(|mut overrides| {
            if overrides.get("steer_first_layer").and_then(toml::Value::as_str) == Some(ROUTERS_LAYER) {
                overrides.remove("steer_first_layer");
            }
            let mut config = with_overrides(base, &overrides)?;
            // Clean readings may steer from the first layer on; online ones cannot.
            if args.grid.is_none()
                && args.list.is_none()
                && config.router_read == emomm_chase::RouterRead::CleanMean
            {
                config.steer_first_layer = Some(1);
            }
            Ok(Point { overrides, config })
        })
        .collect()
}

/// Biases of each modality, from the first layer on and from the router's: the search behind `static_bias`.
fn static_grid() -> String {
    let mut biases = Vec::new();
    for text in STATIC_BIASES {
        for audio in STATIC_BIASES {
            for video in STATIC_BIASES {
                biases.push(format!("{{ text = {text:?}, audio = {audio:?}, video = {video:?} }}"));
            }
        }
    }
    format!("static_bias = [{}]\nsteer_first_layer = [1, \"{ROUTERS_LAYER}\"]", biases.join(", "))
}

/// Every combination of one value of each list; a value that is no list is one.
fn combinations(grid: &toml::Table) -> Vec<toml::Table> {
    let mut all = vec![toml::Table::new()];
    for (name, values) in grid {
        let values = match values {
            toml::Value::Array(values) if name != "heads" && name != "intervention" => values.clone(),
            one => vec![one.clone()],
        };
        all = all
            .into_iter()
            .flat_map(|table| {
                values.iter().map(move |value| {
                    let mut table = table.clone();
                    table.insert(name.clone(), value.clone());
                    table
                })
            })
            .collect();
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_is_every_combination() {
        let grid = "a = [1, 2]\nb = [\"x\", \"y\", \"z\"]\nc = 0.5\nheads = [[1, 2]]".parse().unwrap();
        let all = combinations(&grid);
        assert_eq!(all.len(), 6);
        assert!(all.iter().all(|t| t["c"].as_float() == Some(0.5) && t["heads"].as_array().is_some()));
        assert_eq!(combinations(&TUNING_GRID.parse().unwrap()).len(), 144);
        assert_eq!(combinations(&static_grid().parse().unwrap()).len(), 250);
    }
}
