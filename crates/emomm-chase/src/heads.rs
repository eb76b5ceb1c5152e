//! Which heads of a layer are steered, Eq. (11).

use crate::config::{HeadSelection, SteeringConfig};
use crate::divergence::jsd;
use crate::rng::Rng;

/// JSD(π^{ℓ,h} ‖ g^ℓ) of each head.
pub fn divergences(preferences: &[[f64; 3]], gate: [f64; 3], config: &SteeringConfig) -> Vec<f64> {
    preferences.iter().map(|p| jsd(*p, gate, config.epsilon_divergence, config.smoothing)).collect()
}

/// 𝓗^ℓ: the heads of one layer, ascending.
///
/// `layer` counts from 0; `sample` names the sample for random draws; `group` is the number of query heads that share a
/// key head. The global selection is made beforehand and is not known here.
pub fn select_heads(
    divergences: &[f64],
    layer: usize,
    sample: &str,
    group: usize,
    config: &SteeringConfig,
) -> Vec<usize> {
    let n_heads = divergences.len();
    let k = config.n_heads_steered.of(n_heads);
    let mut heads: Vec<usize> = match config.head_selection {
        HeadSelection::TopK | HeadSelection::TopKGlobal => ranked(divergences).into_iter().take(k).collect(),
        HeadSelection::KvGroups => {
            let mean = |g: &[f64]| g.iter().sum::<f64>() / g.len() as f64;
            let means: Vec<f64> = divergences.chunks(group.max(1)).map(mean).collect();
            let groups = ranked(&means).into_iter().take(k.div_ceil(group.max(1)));
            groups.flat_map(|g| g * group..((g + 1) * group).min(n_heads)).collect()
        }
        HeadSelection::Threshold => {
            (0..n_heads).filter(|h| divergences[*h] >= config.head_threshold).collect()
        }
        HeadSelection::Fixed => {
            config.heads.iter().filter(|[l, _]| *l == layer + 1).map(|[_, head]| *head).collect()
        }
        HeadSelection::Random => {
            let mut all: Vec<usize> = (0..n_heads).collect();
            Rng::named(config.seed, &format!("heads/{sample}/{layer}")).shuffle(&mut all);
            all.truncate(k);
            all
        }
    };
    heads.sort_unstable();
    heads.dedup();
    heads
}

/// Indices by descending value; ties go to the lower index.
pub(crate) fn ranked(values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*b].total_cmp(&values[*a]).then(a.cmp(b)));
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::HeadCount;
    use crate::presets::preset;

    const JSD: [f64; 6] = [0.1, 0.4, 0.1, 0.3, 0.4, 0.0];

    fn heads(head_selection: HeadSelection, k: usize) -> Vec<usize> {
        let paper = preset("paper").unwrap();
        let n_heads_steered = HeadCount::Count(k);
        let heads = vec![[3, 5], [2, 1], [3, 0]];
        let config = SteeringConfig { head_selection, n_heads_steered, head_threshold: 0.3, heads, ..paper };
        select_heads(&JSD, 2, "clip/TAV", 2, &config)
    }

    #[test]
    fn ties_go_to_the_lower_head() {
        assert_eq!(heads(HeadSelection::TopK, 1), [1]);
        assert_eq!(heads(HeadSelection::TopK, 4), [0, 1, 3, 4]);
        assert_eq!(heads(HeadSelection::TopK, 99), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn other_selections() {
        assert_eq!(heads(HeadSelection::Threshold, 1), [1, 3, 4]);
        assert_eq!(heads(HeadSelection::Fixed, 1), [0, 5]);
        // Means of pairs: 0.25, 0.2, 0.2.
        assert_eq!(heads(HeadSelection::KvGroups, 2), [0, 1]);
        assert_eq!(heads(HeadSelection::KvGroups, 3), [0, 1, 2, 3]);
        let random = heads(HeadSelection::Random, 3);
        assert_eq!((random.len(), heads(HeadSelection::Random, 3)), (3, random.clone()));
    }
}
