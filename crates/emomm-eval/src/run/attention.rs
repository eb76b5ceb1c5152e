//! The attention of a record: what of the decision row's attention stands in the log itself, by layer.

use emomm_dataset::{Modality, PerModality};
use serde::{Deserialize, Serialize};

use crate::predictor::AttentionSummary;
use crate::token_maps::{TokenMaps, relative_entropy, share_inside};

/// Attention of the decision row by layer: means over heads. A modality that was not shown is null.
///
/// By head and by token it is only kept under `--attention full`, in the tensors beside the log.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LayerAttention {
    /// nMAS, Eq. (5), `[layer]`: mean over heads of the attention per token.
    pub nmas: PerModality<Option<Vec<f64>>>,
    /// Attention mass, `[layer]`: mean over heads of the sum over tokens.
    pub mass: PerModality<Option<Vec<f64>>>,
    /// `[layer]`: mean over heads of nMAS as a share of the sum over the modalities shown (Fig. 9b, 10). Heads whose
    /// sum is zero are left out; null where all of a layer's are.
    pub share: PerModality<Option<Vec<Option<f64>>>>,
    /// Where in the picture the attention on video lies; absent unless attention was kept by token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spatial: Option<SpatialAttention>,
    /// File under `RUN/attention` that holds the tensors of this record by head and by token; null unless they were kept.
    #[serde(default)]
    pub tensors: Option<String>,
}

/// How the attention on video is spread over its tokens (Sec. 4.3), of the mean over heads.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SpatialAttention {
    /// Visual tokens that were shown.
    pub tokens: usize,
    /// `[layer]`: entropy of the attention over visual tokens as a share of that of an even spread; null where there is no
    /// attention.
    pub entropy: Vec<Option<f64>>,
    /// The same of Î_k; null unless importance was asked for.
    pub importance_entropy: Option<f64>,
    /// What the person takes; null where nobody looked for it.
    pub person: Option<RegionAttention>,
    /// What the face takes; null where it is not known.
    pub face: Option<RegionAttention>,
}

/// What a region of the picture takes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RegionAttention {
    /// Share of the visual tokens that show the region: what an even spread would give it.
    pub tokens: f64,
    /// `[layer]`: share of the attention on video.
    pub attention: Vec<Option<f64>>,
    /// Share of Î_k; null unless importance was asked for.
    pub importance: Option<f64>,
}

impl SpatialAttention {
    /// From maps by token; `None` without visual tokens.
    pub fn of(maps: &TokenMaps) -> Option<Self> {
        let layers = maps.attention.video.as_ref()?;
        let tokens = layers.first().map_or(0, Vec::len);
        let region = |inside: &Option<Vec<bool>>| {
            let inside = inside.as_ref().filter(|list| list.len() == tokens && tokens > 0)?;
            Some(RegionAttention {
                tokens: inside.iter().filter(|is| **is).count() as f64 / tokens as f64,
                attention: layers.iter().map(|layer| share_inside(layer, inside)).collect(),
                importance: maps.importance.as_ref().and_then(|values| share_inside(values, inside)),
            })
        };
        let places = maps.places.as_ref();
        (tokens > 0).then(|| Self {
            tokens,
            entropy: layers.iter().map(|layer| relative_entropy(layer)).collect(),
            importance_entropy: maps.importance.as_ref().and_then(|values| relative_entropy(values)),
            person: places.and_then(|p| region(&p.person)),
            face: places.and_then(|p| region(&p.face)),
        })
    }
}

impl LayerAttention {
    /// Means over heads.
    pub fn of(summary: &AttentionSummary) -> Self {
        let means = |table: &PerModality<Option<Vec<Vec<f32>>>>| {
            PerModality::from_fn(|m| {
                table.get(m).as_ref().map(|layers| layers.iter().map(|heads| mean(heads)).collect())
            })
        };
        Self {
            nmas: means(&summary.nmas),
            mass: means(&summary.mass),
            share: shares(&summary.nmas),
            spatial: None,
            tensors: None,
        }
    }
}

fn mean(heads: &[f32]) -> f64 {
    heads.iter().map(|v| f64::from(*v)).sum::<f64>() / heads.len().max(1) as f64
}

fn shares(nmas: &PerModality<Option<Vec<Vec<f32>>>>) -> PerModality<Option<Vec<Option<f64>>>> {
    let at = |m: Modality, layer: usize, head: usize| {
        nmas.get(m).as_ref().and_then(|t| t.get(layer)?.get(head)).map(|v| f64::from(*v))
    };
    PerModality::from_fn(|m| {
        let table = nmas.get(m).as_ref()?;
        let layer_share = |(layer, heads): (usize, &Vec<f32>)| {
            let (mut sum, mut n) = (0.0, 0_usize);
            for (head, own) in heads.iter().enumerate() {
                let all: f64 = Modality::ALL.into_iter().filter_map(|other| at(other, layer, head)).sum();
                if all > 0.0 {
                    sum += f64::from(*own) / all;
                    n += 1;
                }
            }
            (n > 0).then(|| sum / n as f64)
        };
        Some(table.iter().enumerate().map(layer_share).collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_taken_by_head_before_the_mean() {
        let nmas = PerModality {
            text: Some(vec![vec![0.3, 0.0], vec![0.0, 0.0]]),
            audio: None,
            video: Some(vec![vec![0.1, 0.2], vec![0.0, 0.0]]),
        };
        let mass = PerModality { text: Some(vec![vec![0.5, 0.25]]), audio: None, video: None };
        let attention = LayerAttention::of(&AttentionSummary { nmas, mass });
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-6, "{a} {b}");
        let text = attention.share.text.unwrap();
        // (0.75 + 0) / 2, not 0.15 / 0.3.
        close(text[0].unwrap(), 0.375);
        assert_eq!(text[1], None);
        close(attention.share.video.unwrap()[0].unwrap(), 0.625);
        assert_eq!(attention.share.audio, None);
        close(attention.nmas.text.unwrap()[0], 0.15);
        assert_eq!(attention.mass.text, Some(vec![0.375]));
    }

    #[test]
    fn a_region_is_compared_with_its_share_of_the_tokens() {
        let maps = TokenMaps {
            attention: PerModality {
                text: None,
                audio: None,
                video: Some(vec![vec![0.2, 0.1, 0.05, 0.05], vec![0.0; 4]]),
            },
            places: Some(crate::token_maps::TokenPlaces {
                grid: [1, 2, 2],
                numbers: vec![0, 1, 2, 3],
                person: Some(vec![true, false, false, false]),
                face: None,
            }),
            importance: Some(vec![0.25; 4]),
        };
        let spatial = SpatialAttention::of(&maps).unwrap();
        let close =
            |found: Option<f64>, wanted: f64| assert!((found.unwrap() - wanted).abs() < 1e-6, "{found:?}");
        close(spatial.entropy[0], 0.875);
        assert_eq!((spatial.tokens, spatial.entropy[1], spatial.face), (4, None, None));
        close(spatial.importance_entropy, 1.0);
        let person = spatial.person.unwrap();
        close(Some(person.tokens), 0.25);
        close(person.attention[0], 0.5);
        close(person.importance, 0.25);
        assert_eq!(person.attention[1], None);
        assert_eq!(SpatialAttention::of(&TokenMaps::default()), None);
    }
}
