//! Attention and importance over the picture, by clip: what heat over frames is drawn from.

use std::collections::BTreeMap;

use emomm_dataset::{Modality, ModalitySet};
use emomm_eval::run::Record;
use emomm_eval::{TokenMaps, TokenPlaces};

use super::{Study, position};

/// Clips whose maps are read; those in conflict go first.
const MAX_CLIPS: usize = 2_000;

/// Values over the picture of one record. A token that was dropped has none.
#[derive(Debug, Clone, PartialEq)]
pub struct Heat {
    /// Steps of time, rows and columns.
    pub grid: [usize; 3],
    /// Attention of the decision row by token, mean over heads and over the last third of the layers, in the order of reading.
    pub attention: Vec<Option<f32>>,
    /// Î_k of Eq. (25); `None` unless the run computed it.
    pub importance: Option<Vec<Option<f32>>>,
    /// The tokens that show the person; `None` where nobody looked.
    pub person: Option<Vec<bool>>,
}

/// The maps of a study.
#[derive(Debug, Default)]
pub struct Heats {
    maps: BTreeMap<(usize, usize, usize), Heat>,
    /// Files that could not be read.
    pub problems: Vec<String>,
}

impl Heat {
    /// From the maps of a record; `None` without places or without attention on video.
    pub fn of(maps: &TokenMaps) -> Option<Self> {
        let places = maps.places.as_ref()?;
        let layers = maps.attention.video.as_ref()?;
        let late = layers.get(2 * layers.len() / 3..).filter(|late| !late.is_empty())?;
        let mean = |token: usize| {
            let sum: f64 = late.iter().map(|layer| layer.get(token).map_or(0.0, |v| f64::from(*v))).sum();
            (sum / late.len() as f64) as f32
        };
        let attention: Vec<f32> = (0..places.numbers.len()).map(mean).collect();
        let marks = places.person.as_ref().map(|marks| {
            let values: Vec<f32> = marks.iter().map(|is| f32::from(u8::from(*is))).collect();
            flat(places, &values).into_iter().map(|v| v == Some(1.0)).collect()
        });
        Some(Self {
            grid: places.grid,
            attention: flat(places, &attention),
            importance: maps.importance.as_ref().map(|values| flat(places, values)),
            person: marks,
        })
    }

    /// Steps of time that stand for `n` even parts of the clip: as a clip's pictures are taken.
    pub fn steps(&self, n: usize) -> Vec<usize> {
        let steps = self.grid[0];
        let mut found: Vec<usize> = (0..n).map(|i| (2 * i + 1) * steps / (2 * n.max(1))).collect();
        found.dedup();
        found.retain(|step| *step < steps);
        found
    }

    /// The part of a list over the whole grid that belongs to a step.
    pub fn step<'a, T>(&self, values: &'a [T], step: usize) -> &'a [T] {
        let cells = self.grid[1] * self.grid[2];
        values.get(step * cells..(step + 1) * cells).unwrap_or_default()
    }
}

fn flat(places: &TokenPlaces, values: &[f32]) -> Vec<Option<f32>> {
    places.on_grid(values).into_iter().flatten().flatten().collect()
}

impl Heats {
    /// Reads the maps of the study's runs, of at most `MAX_CLIPS` clips. What cannot be read is left out and told.
    pub fn read(study: &Study) -> Self {
        let mut order: Vec<usize> = (0..study.clips.len()).collect();
        order.sort_by_key(|clip| study.clips[*clip].is_conflict() != Some(true));
        order.truncate(MAX_CLIPS);
        let with_video = || ModalitySet::ALL.into_iter().filter(|s| s.contains(Modality::Video));
        let mut heats = Self::default();
        for (at, run) in study.runs.iter().enumerate() {
            let mut places: BTreeMap<*const Record, (usize, usize)> = BTreeMap::new();
            let mut wanted: Vec<&Record> = Vec::new();
            for clip in &order {
                for coalition in with_video() {
                    let record = run.record(*clip, coalition);
                    let kept = |r: &&Record| r.attention.as_ref().is_some_and(|a| a.spatial.is_some());
                    if let Some(record) = record.filter(kept) {
                        places.insert(std::ptr::from_ref(record), (*clip, position(coalition)));
                        wanted.push(record);
                    }
                }
            }
            let maps = &mut heats.maps;
            let read = run.run.visit_kept_attention(wanted, &mut |record, kept| {
                let heat = kept.tokens.as_ref().and_then(Heat::of);
                if let (Some(heat), Some((clip, coalition))) = (heat, places.get(&std::ptr::from_ref(record)))
                {
                    maps.insert((at, *clip, *coalition), heat);
                }
            });
            heats.problems.extend(read.err().map(|e| format!("{}: {e}", run.name)));
        }
        heats
    }

    /// The map of a run, a clip and a coalition.
    pub fn of(&self, run: usize, clip: usize, coalition: ModalitySet) -> Option<&Heat> {
        self.maps.get(&(run, clip, position(coalition)))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.maps.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use emomm_dataset::PerModality;

    #[test]
    fn heat_is_the_mean_over_the_last_third_of_the_layers_on_the_grid() {
        let layer = |x: f32| vec![x, 2.0 * x];
        let maps = TokenMaps {
            attention: PerModality {
                text: None,
                audio: None,
                video: Some(vec![layer(9.0), layer(1.0), layer(3.0)]),
            },
            places: Some(TokenPlaces {
                grid: [4, 1, 1],
                numbers: vec![1, 3],
                person: Some(vec![false, true]),
                face: None,
            }),
            importance: None,
        };
        let heat = Heat::of(&maps).unwrap();
        assert_eq!(heat.attention, [None, Some(3.0), None, Some(6.0)]);
        assert_eq!(heat.person, Some(vec![false, false, false, true]));
        assert_eq!((heat.steps(4), heat.steps(2), heat.steps(9).len()), (vec![0, 1, 2, 3], vec![1, 3], 4));
        assert_eq!(heat.step(&heat.attention, 3), [Some(6.0)]);
        assert_eq!(Heat::of(&TokenMaps::default()), None);
    }
}
