//! The points of a sweep: every combination of a grid, the entries of a list, or the searches behind `tuned` and
//! `static_bias`.

use emomm_chase::{ChaseError, RouterCard, SteeringConfig};

use super::sweep::SweepArgs;
use super::variants::{Tuned, seeded_preset, with_heads};
use super::words::toml_table;
use crate::exit_status::{ExitStatus, Failure};

/// Most points of a sweep: one batch of decision rows.
const MAX_POINTS: usize = 512;
/// The search behind `tuned` without `--grid`; clean readings are tried with two first layers, see [`search`].
const TUNING_GRID: &str = "\
conflict_threshold = [0.3, 0.7]
max_steering = [0.6, 1.0]
n_heads_steered = [2, 4, \"all\"]
inter_strength = [1.0, 1.4]
intra_strength = [0.0, 0.5]
gate_sharpness = [1.0, 3.0, 8.0]
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

/// The points of a grid, of a list, or of the search behind `tuned`, for a router.
pub(super) fn points(
    args: &SweepArgs,
    base: &SteeringConfig,
    card: &RouterCard,
) -> Result<Vec<Point>, Failure> {
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
        match &args.grid {
            None if args.tune == Some(Tuned::StaticBias) => {
                combinations(&toml_table("--grid", &static_grid())?)
            }
            None => search(&toml_table("--grid", TUNING_GRID)?, card.first_layer),
            Some(text) if text.contains('=') => {
                combinations(&toml_table("--grid", &text.replace(';', "\n"))?)
            }
            Some(path) => combinations(&toml_table("--grid", &read("--grid", path.as_ref())?)?),
        }
    };
    if tables.is_empty() || tables.len() > MAX_POINTS {
        let message = format!("{} points, expected 1 to {MAX_POINTS}", tables.len());
        return Err(Failure::new(ExitStatus::Usage, message));
    }
    let option = if args.list.is_some() { "--list" } else { "--grid" };
    tables
        .into_iter()
        .enumerate()
        .map(|(at, overrides)| {
            point(base, overrides, &card.fixed_heads).map_err(|error| {
                // A steering file is named by what it is here.
                let message = match &error {
                    ChaseError::SteeringFile { message, .. } => message.clone(),
                    other => other.to_string(),
                };
                let failure = Failure::from(error);
                Failure { message: format!("{option}, point {}: {message}", at + 1), ..failure }
            })
        })
        .collect()
}

/// A point over the base, or over the preset that it names, which then begins it as it begins a steering file. `heads` are
/// the router's, chosen beforehand.
fn point(
    base: &SteeringConfig,
    mut overrides: toml::Table,
    heads: &[[usize; 2]],
) -> Result<Point, ChaseError> {
    if overrides.get("steer_first_layer").and_then(toml::Value::as_str) == Some(ROUTERS_LAYER) {
        overrides.remove("steer_first_layer");
    }
    let begun = match overrides.get("preset").and_then(toml::Value::as_str) {
        Some(name) => &seeded_preset(name, base.seed)?,
        None => base,
    };
    let config = with_heads(begun, &overrides, heads)?;
    Ok(Point { overrides, config })
}

/// The combinations of the search behind `tuned`. Clean readings may steer before the router's first layer, which online ones
/// cannot: from the first layer on, and from halfway to the router's.
fn search(grid: &toml::Table, router_first: usize) -> Vec<toml::Table> {
    let mut first_layers = vec![1, (1 + router_first).div_ceil(2)];
    first_layers.dedup();
    combinations(grid)
        .into_iter()
        .flat_map(|table| {
            let clean = table.get("router_read").and_then(toml::Value::as_str) == Some("clean_mean");
            let firsts = if clean { first_layers.iter().copied().map(Some).collect() } else { vec![None] };
            firsts.into_iter().map(move |first| {
                let mut table = table.clone();
                if let Some(first) = first {
                    table.insert("steer_first_layer".to_owned(), toml::Value::Integer(first as i64));
                }
                table
            })
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
    use emomm_chase::{HeadSelection, preset};

    use super::*;

    #[test]
    fn a_grid_is_every_combination() {
        let grid = "a = [1, 2]\nb = [\"x\", \"y\", \"z\"]\nc = 0.5\nheads = [[1, 2]]".parse().unwrap();
        let all = combinations(&grid);
        assert_eq!(all.len(), 6);
        assert!(all.iter().all(|t| t["c"].as_float() == Some(0.5) && t["heads"].as_array().is_some()));
        assert_eq!(combinations(&static_grid().parse().unwrap()).len(), 250);
    }

    /// A preset begins a point; its name alone would leave the base's settings under another name.
    #[test]
    fn a_point_that_names_a_preset_begins_with_its_settings() {
        let base = SteeringConfig { seed: 4, ..preset("paper").unwrap() };
        let of = |text: &str| point(&base, text.parse().unwrap(), &[]);
        let found = of("preset = \"two_pass\"\nconflict_threshold = 0.1").unwrap().config;
        let two_pass = preset("two_pass").unwrap();
        assert_eq!(found, SteeringConfig { conflict_threshold: 0.1, seed: 4, ..two_pass });
        assert_eq!(
            of("max_steering = 0.5").unwrap().config,
            SteeringConfig { max_steering: 0.5, ..base.clone() }
        );
        for bad in ["preset = \"tuned\"", "preset = \"nonsense\"", "preset = 3"] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_point_has_the_seed_that_its_preset_names_and_the_heads_of_the_router() {
        let base = SteeringConfig { seed: 4, ..preset("paper").unwrap() };
        let of = |text: &str, heads: &[[usize; 2]]| point(&base, text.parse().unwrap(), heads);
        let seeds = ["preset = \"random_gate@7\"", "preset = \"random_gate@7\"\nseed = 9", "seed = 9"];
        assert_eq!(seeds.map(|text| of(text, &[]).unwrap().config.seed), [7, 9, 9]);
        for text in ["preset = \"fixed_heads\"", "head_selection = \"fixed\""] {
            let found = of(text, &[[2, 1]]).unwrap().config;
            assert_eq!((found.head_selection, found.heads), (HeadSelection::Fixed, vec![[2, 1]]));
            let own = of(&format!("{text}\nheads = [[3, 0]]"), &[[2, 1]]).unwrap().config;
            assert_eq!(own.heads, [[3, 0]]);
            assert!(of(text, &[]).is_err());
        }
        assert!(of("preset = \"random_gate\"", &[[2, 1]]).unwrap().config.heads.is_empty());
    }

    #[test]
    fn the_search_steers_clean_readings_from_two_layers_on() {
        let grid = TUNING_GRID.parse().unwrap();
        let points = search(&grid, 13);
        assert_eq!(points.len(), 432);
        let firsts = |read: &str| -> std::collections::BTreeSet<Option<i64>> {
            let of = points.iter().filter(|p| p["router_read"].as_str() == Some(read));
            of.map(|p| p.get("steer_first_layer").and_then(toml::Value::as_integer)).collect()
        };
        assert_eq!(firsts("online"), [None].into());
        assert_eq!(firsts("clean_mean"), [Some(1), Some(7)].into());
        assert_eq!(search(&grid, 1).len(), 288);
    }
}
