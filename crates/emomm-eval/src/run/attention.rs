//! The attention of a record: what of the decision row's attention stands in the log itself, by layer.

use emomm_dataset::{Modality, PerModality};
use serde::{Deserialize, Serialize};

use crate::predictor::AttentionSummary;

/// Attention of the decision row by layer: means over heads. A modality that was not shown is null.
///
/// By head it is only kept under `--attention full`, in the tensors beside the log.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LayerAttention {
    /// nMAS, Eq. (5), `[layer]`: mean over heads of the attention per token.
    pub nmas: PerModality<Option<Vec<f64>>>,
    /// Attention mass, `[layer]`: mean over heads of the sum over tokens.
    pub mass: PerModality<Option<Vec<f64>>>,
    /// `[layer]`: mean over heads of nMAS as a share of the sum over the modalities shown (Fig. 9b, 10). Heads whose
    /// sum is zero are left out; null where all of a layer's are.
    pub share: PerModality<Option<Vec<Option<f64>>>>,
    /// File under `RUN/attention` that holds the tensors of this record by head; null unless they were kept.
    #[serde(default)]
    pub tensors: Option<String>,
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
}
