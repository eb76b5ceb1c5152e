//! What single tokens take of the decision row's attention, and where visual tokens lie in the picture.

use emomm_dataset::{Modality, PerModality};
use emomm_eval::TokenPlaces;

use crate::front_end::Encoded;
use crate::layout::Layout;

/// Attention by token of each modality, mean over heads.
///
/// # Shapes
/// `patterns [layer][head][key]` → `[layer][token]`, the tokens in the order of the prompt; `None` for a modality without
/// tokens.
pub fn attention_by_token(patterns: &[Vec<Vec<f32>>], layout: &Layout) -> PerModality<Option<Vec<Vec<f32>>>> {
    PerModality::from_fn(|m: Modality| {
        let places: Vec<usize> = layout.spans(m).iter().cloned().flatten().collect();
        let mean = |heads: &Vec<Vec<f32>>| -> Vec<f32> {
            let of = |place: &usize| heads.iter().map(|row| f64::from(row[*place])).sum::<f64>();
            places.iter().map(|place| (of(place) / heads.len().max(1) as f64) as f32).collect()
        };
        (!places.is_empty()).then(|| patterns.iter().map(mean).collect())
    })
}

/// Where the tokens of an encoded picture lie, if `side · side` patches make one; `None` where it has no such grid.
pub fn token_places(video: &Encoded, side: usize) -> Option<TokenPlaces> {
    let grid = video.grid?;
    let grid = [grid.t, grid.h / side.max(1), grid.w / side.max(1)];
    let all = grid.iter().product::<usize>();
    let numbers = video.kept.clone().unwrap_or_else(|| (0..all as u32).collect());
    let shown = |marks: &Vec<bool>| {
        let of = |number: &u32| marks.get(*number as usize).copied().unwrap_or(false);
        numbers.iter().map(of).collect::<Vec<bool>>()
    };
    let person = video.regions.person.as_ref().map(shown);
    let face = video.regions.face.as_ref().map(shown);
    Some(TokenPlaces { grid, numbers, person, face })
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};
    use emomm_eval::MediaRecord;

    use super::*;
    use crate::front_end::Regions;
    use crate::vision::Grid;

    #[test]
    fn the_mean_is_over_heads_and_of_the_modality_s_own_tokens() {
        let mut layout = Layout::default();
        layout.push(None, 1);
        layout.push(Some(Modality::Video), 2);
        layout.push(None, 1);
        layout.push(Some(Modality::Text), 1);
        let patterns = [vec![vec![0.5, 0.25, 0.125, 0.0, 0.125], vec![0.0, 0.75, 0.125, 0.125, 0.0]]];
        let found = attention_by_token(&patterns, &layout);
        assert_eq!(found.video, Some(vec![vec![0.5, 0.125]]));
        assert_eq!(found.text, Some(vec![vec![0.0625]]));
        assert_eq!(found.audio, None);
    }

    #[test]
    fn places_are_those_of_what_is_left() {
        let mut video = Encoded {
            embeddings: Tensor::zeros((6, 2), candle_core::DType::F32, &Device::Cpu).unwrap(),
            grid: Some(Grid { t: 1, h: 4, w: 6 }),
            kept: None,
            suppressed: Vec::new(),
            regions: Regions { person: Some(vec![false, true, false, true, true, false]), face: None },
            record: MediaRecord::default(),
        };
        let all = token_places(&video, 2).unwrap();
        assert_eq!((all.grid, all.numbers.len()), ([1, 2, 3], 6));
        assert_eq!(all.person, video.regions.person);
        video.kept = Some(vec![1, 4, 5]);
        let left = token_places(&video, 2).unwrap();
        assert_eq!((left.numbers, left.person), (vec![1, 4, 5], Some(vec![true, true, false])));
        video.grid = None;
        assert_eq!(token_places(&video, 2), None);
    }
}
