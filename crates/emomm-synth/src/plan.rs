//! The plan of a world: which clips there are, who speaks in them, what is true of them. No media yet.

use std::fmt;
use std::str::FromStr;

use emomm_dataset::{Corpus, Modality, PerModality};
use serde::{Deserialize, Serialize};

use crate::draw::Draw;
use crate::error::SynthError;
use crate::ids::{clip_ids, video_ids};
use crate::parameters::{DEFAULT_MIX, FRAME_RATE, FRAMES, GROUP_SPREAD, STRENGTH_NOISE, groups_of, strength};
use crate::speaker::Speaker;
use crate::text::sentence;
use crate::truth::{Stratum, Truth};

/// Most clips of a corpus.
pub const MOST_CLIPS: usize = 100_000;

/// Weights of the strata; zero leaves one out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mix {
    /// Some modality has another polarity than the ground truth.
    pub conflict: f64,
    /// All classes are the same.
    pub equal: f64,
    /// All polarities are the same, some class is not.
    pub same_polarity: f64,
}

impl Default for Mix {
    /// The counts of CH-SIMS v2.
    fn default() -> Self {
        let [conflict, equal, same_polarity] = DEFAULT_MIX;
        Self { conflict, equal, same_polarity }
    }
}

impl Mix {
    /// The default without conflicts.
    pub fn aligned_only() -> Self {
        Self { conflict: 0.0, ..Self::default() }
    }

    fn weights(self) -> [f64; 3] {
        [self.conflict, self.equal, self.same_polarity]
    }

    fn check(self) -> Result<(), SynthError> {
        let weights = self.weights();
        let sum: f64 = weights.iter().sum();
        if sum.is_finite() && sum > 0.0 && weights.iter().all(|w| *w >= 0.0) {
            return Ok(());
        }
        let expected = "weights of at least 0, one of them greater";
        Err(SynthError::Option { option: "mix", found: self.to_string(), expected })
    }
}

/// As `--mix` takes it.
impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { conflict, equal, same_polarity } = self;
        write!(f, "conflict={conflict},equal={equal},same-polarity={same_polarity}")
    }
}

/// Reads `conflict=46,equal=26,same-polarity=28`; what is not named is 0.
impl FromStr for Mix {
    type Err = SynthError;

    fn from_str(text: &str) -> Result<Self, SynthError> {
        let bad = || SynthError::Option {
            option: "mix",
            found: format!("`{text}`"),
            expected: "weights such as conflict=46,equal=26,same-polarity=28",
        };
        let mut mix = Self { conflict: 0.0, equal: 0.0, same_polarity: 0.0 };
        for part in text.split(',') {
            let (name, weight) = part.split_once('=').ok_or_else(bad)?;
            let weight: f64 = weight.trim().parse().map_err(|_| bad())?;
            match name.trim() {
                "conflict" => mix.conflict = weight,
                "equal" => mix.equal = weight,
                "same-polarity" => mix.same_polarity = weight,
                _ => return Err(bad()),
            }
        }
        mix.check()?;
        Ok(mix)
    }
}

/// What a world is a function of.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorldSettings {
    /// Clips of each corpus.
    pub clips: usize,
    /// The seed.
    pub seed: u64,
    /// Proportions of the strata.
    pub mix: Mix,
    /// Whether CMU-MOSI is also written in its original layout.
    pub original_layout: bool,
}

/// One clip to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct ClipPlan {
    /// Its corpus.
    pub corpus: Corpus,
    /// Its place in the label file, from 0; part of the name of its chance streams.
    pub index: usize,
    /// Its video, which is also its group and its speaker.
    pub video_id: String,
    /// Its name within the video.
    pub clip_id: String,
    /// Number of its speaker within the corpus.
    pub speaker: usize,
    /// `train`, `valid` or `test`: the split that the label file states.
    pub mode: &'static str,
    /// The transcript.
    pub text: String,
    /// What is true of it.
    pub truth: Truth,
    /// How it relates to its ground truth.
    pub stratum: Stratum,
    /// Strengths of expression of voice and face, noise included; that of the text is without noise.
    pub strength: PerModality<f64>,
    /// Frames of its picture.
    pub n_frames: usize,
}

impl ClipPlan {
    /// Length in seconds.
    pub fn duration_s(&self) -> f64 {
        self.n_frames as f64 * f64::from(FRAME_RATE.1) / f64::from(FRAME_RATE.0)
    }
}

/// All clips of a world.
#[derive(Debug, Clone)]
pub struct Plan {
    settings: WorldSettings,
    clips: Vec<ClipPlan>,
    speakers: [Vec<Speaker>; 2],
}

impl Plan {
    /// Plans a world.
    ///
    /// # Errors
    /// [`SynthError::Option`] if there are no clips, or proportions that cannot be.
    pub fn new(settings: WorldSettings) -> Result<Self, SynthError> {
        if !(1..=MOST_CLIPS).contains(&settings.clips) {
            let found = settings.clips.to_string();
            return Err(SynthError::Option { option: "clips", found, expected: "a number from 1 to 100000" });
        }
        settings.mix.check()?;
        let mut clips = Vec::with_capacity(2 * settings.clips);
        let speakers = Corpus::ALL.map(|corpus| {
            plan_corpus(&settings, corpus, &mut clips);
            (0..groups_of(settings.clips) as u64).map(|i| Speaker::draw(settings.seed, corpus, i)).collect()
        });
        Ok(Self { settings, clips, speakers })
    }

    /// What the world is a function of.
    pub fn settings(&self) -> &WorldSettings {
        &self.settings
    }

    /// The clips: those of CH-SIMS, then those of CMU-MOSI, each in the order of its label file.
    pub fn clips(&self) -> &[ClipPlan] {
        &self.clips
    }

    /// The clips of a corpus.
    pub fn clips_of(&self, corpus: Corpus) -> &[ClipPlan] {
        let (first, second) = self.clips.split_at(self.settings.clips);
        match corpus {
            Corpus::ChSims => first,
            Corpus::CmuMosi => second,
        }
    }

    pub(crate) fn speaker(&self, clip: &ClipPlan) -> &Speaker {
        &self.speakers[usize::from(clip.corpus == Corpus::CmuMosi)][clip.speaker]
    }
}

fn plan_corpus(settings: &WorldSettings, corpus: Corpus, clips: &mut Vec<ClipPlan>) {
    let mut draw = Draw::named(settings.seed, &format!("{corpus}/plan"), settings.clips as u64);
    let sizes = group_sizes(&mut draw, settings.clips);
    let truths = truths(&mut draw, corpus, settings);
    let owners = owners(&mut draw, &sizes);
    // Truths are in the order of classes, owners spread over it: every group has a part of every class.
    let mut of_group: Vec<Vec<Truth>> = vec![Vec::new(); sizes.len()];
    for (truth, owner) in truths.into_iter().zip(owners) {
        of_group[owner].push(truth);
    }
    let videos = video_ids(&mut draw, corpus, sizes.len());
    let group_modes: Vec<&str> = sizes.iter().map(|_| mode(&mut draw)).collect();
    let mut index = 0;
    for (speaker, mut truths) in of_group.into_iter().enumerate() {
        draw.shuffle(&mut truths);
        let ids = clip_ids(&mut draw, corpus, &videos[speaker], truths.len());
        for (truth, clip_id) in truths.into_iter().zip(ids) {
            // The official split of CH-SIMS divides videos, that of CMU-MOSI does not.
            let mode = match corpus {
                Corpus::ChSims => mode(&mut draw),
                Corpus::CmuMosi => group_modes[speaker],
            };
            let mut own = Draw::named(settings.seed, &format!("{corpus}/clip"), index as u64);
            clips.push(ClipPlan {
                corpus,
                index,
                video_id: videos[speaker].clone(),
                clip_id,
                speaker,
                mode,
                text: sentence(settings.seed, corpus, index as u64, truth.scores.text),
                truth,
                stratum: Stratum::of(corpus, &truth.scores, truth.ground_truth()),
                strength: PerModality::from_fn(|m| {
                    let noise = STRENGTH_NOISE * own.normal().clamp(-2.0, 2.0);
                    strength(corpus, *truth.scores.get(m)) + if m == Modality::Text { 0.0 } else { noise }
                }),
                n_frames: FRAMES.0 + own.below(FRAMES.1 - FRAMES.0 + 1),
            });
            index += 1;
        }
    }
}

fn mode(draw: &mut Draw) -> &'static str {
    ["train", "valid", "test"][draw.weighted(&[2722.0, 647.0, 1034.0])]
}

/// Sizes of the groups: at least one clip each, log-normal beyond that.
fn group_sizes(draw: &mut Draw, clips: usize) -> Vec<usize> {
    let n = groups_of(clips);
    let weights: Vec<f64> = (0..n).map(|_| libm::exp(GROUP_SPREAD * draw.normal())).collect();
    let mut sizes = quotas(&weights, clips - n);
    for size in &mut sizes {
        *size += 1;
    }
    sizes
}

/// Truths by quota of strata, in the order of ground-truth class and stratum.
fn truths(draw: &mut Draw, corpus: Corpus, settings: &WorldSettings) -> Vec<Truth> {
    let counts = quotas(&settings.mix.weights(), settings.clips);
    let mut truths: Vec<(Stratum, Truth)> = Vec::with_capacity(settings.clips);
    for (stratum, count) in Stratum::ALL.into_iter().zip(counts) {
        truths.extend((0..count).map(|_| (stratum, Truth::draw(draw, corpus, stratum))));
    }
    truths.sort_by_key(|(stratum, truth)| (truth.ground_truth(), *stratum));
    truths.into_iter().map(|(_, truth)| truth).collect()
}

/// The group of each clip, so that any stretch of clips holds groups in proportion to their sizes.
fn owners(draw: &mut Draw, sizes: &[usize]) -> Vec<usize> {
    let mut slots: Vec<(f64, usize)> = Vec::new();
    for (group, size) in sizes.iter().enumerate() {
        let offset = draw.unit();
        slots.extend((0..*size).map(|i| ((i as f64 + offset) / *size as f64, group)));
    }
    slots.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    slots.into_iter().map(|(_, group)| group).collect()
}

/// Divides `total` in proportion to weights, by greatest remainders.
fn quotas(weights: &[f64], total: usize) -> Vec<usize> {
    let sum: f64 = weights.iter().sum();
    let exact: Vec<f64> = weights.iter().map(|w| w / sum * total as f64).collect();
    let mut quotas: Vec<usize> = exact.iter().map(|e| e.floor() as usize).collect();
    let mut order: Vec<usize> = (0..weights.len()).filter(|i| weights[*i] > 0.0).collect();
    order.sort_by(|a, b| {
        let remainder = |i: usize| exact[i] - exact[i].floor();
        remainder(*b).total_cmp(&remainder(*a)).then(a.cmp(b))
    });
    let missing = total - quotas.iter().sum::<usize>();
    for index in order.into_iter().cycle().take(missing) {
        quotas[index] += 1;
    }
    quotas
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn plan(clips: usize, mix: Mix) -> Plan {
        Plan::new(WorldSettings { clips, seed: 5, mix, original_layout: false }).unwrap()
    }

    #[test]
    fn quotas_are_exact() {
        assert_eq!(quotas(&[1.0, 1.0, 1.0], 10), [4, 3, 3]);
        assert_eq!(quotas(&[0.0, 1.0, 2.0], 4), [0, 1, 3]);
    }

    #[test]
    fn strata_have_the_proportions_of_ch_sims() {
        let plan = plan(1000, Mix::default());
        for corpus in Corpus::ALL {
            let count = |s| plan.clips_of(corpus).iter().filter(|c| c.stratum == s).count();
            assert_eq!(Stratum::ALL.map(count), [463, 258, 279]);
            let gt = |class| {
                let of = |c: &&ClipPlan| corpus.class_of(c.truth.ground_truth()) == class;
                plan.clips_of(corpus).iter().filter(of).count()
            };
            for class in emomm_dataset::Sentiment::ALL {
                assert!(gt(class) > 70, "{corpus} {class}: {}", gt(class));
            }
        }
    }

    #[test]
    fn aligned_worlds_hold_no_conflict() {
        let plan = plan(50, Mix::aligned_only());
        assert!(plan.clips().iter().all(|c| c.stratum != Stratum::Conflict));
    }

    #[test]
    fn groups_are_uneven_and_hold_many_classes() {
        let plan = plan(600, Mix::default());
        for corpus in Corpus::ALL {
            let clips = plan.clips_of(corpus);
            let mut sizes = vec![0; groups_of(600)];
            let mut classes = vec![BTreeSet::new(); sizes.len()];
            for clip in clips {
                sizes[clip.speaker] += 1;
                classes[clip.speaker].insert(corpus.class_of(clip.truth.ground_truth()));
            }
            let (least, most) = (sizes.iter().min().unwrap(), sizes.iter().max().unwrap());
            assert!(*least >= 1 && *most > 3 * least, "{sizes:?}");
            for (size, classes) in sizes.iter().zip(&classes) {
                assert!(*size < 12 || classes.len() == 5, "{size} clips, {classes:?}");
            }
            let ids: BTreeSet<_> = clips.iter().map(|c| (&c.video_id, &c.clip_id)).collect();
            assert_eq!(ids.len(), clips.len());
        }
    }

    #[test]
    fn bad_options_are_named() {
        let bad = |clips, mix| Plan::new(WorldSettings { clips, seed: 0, mix, original_layout: false });
        assert!(bad(0, Mix::default()).unwrap_err().to_string().starts_with("clips: found 0"));
        let none = Mix { conflict: 0.0, equal: 0.0, same_polarity: 0.0 };
        assert!(bad(3, none).unwrap_err().to_string().starts_with("mix: found"));
        assert!(
            Plan::new(WorldSettings { clips: 1, seed: 0, mix: Mix::default(), original_layout: false })
                .is_ok()
        );
    }
}
