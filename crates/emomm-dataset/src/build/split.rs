//! Train, valid and test at 7:1:2 by group, each as like the whole as the groups allow (Sec. 6.1).
//!
//! Groups are very uneven, and a group cannot be divided, so this is a search: late acceptance hill climbing (Burke
//! and Bykov 2017) over moves and swaps of groups, several times from a seeded start, with integer costs. Nothing
//! depends on the order of the input, on floating point or on threads.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::VocabularyError;
use crate::seeded::Seeded;

/// A part of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Seven tenths.
    Train,
    /// One tenth.
    Valid,
    /// Two tenths.
    Test,
}

impl Split {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Train, Self::Valid, Self::Test];

    /// Tenths of each in [`Split::ALL`].
    pub const TENTHS: [i64; 3] = [7, 1, 2];

    /// The word used in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Valid => "valid",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Split {
    type Err = VocabularyError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|s| s.name() == word)
            .ok_or_else(|| VocabularyError::new("split", word, "train, valid or test"))
    }
}

/// Weight of the whole's ratio against one stratum's.
const WEIGHT_OF_RATIO: i64 = 16;

/// 14 / tenths: the squared error of a part counts in proportion to one over its share, as in Pearson's χ².
const WEIGHT_OF_SPLIT: [i64; 3] = [2, 14, 7];

/// Scale of the integer weights.
const WEIGHT_UNIT: i64 = 1 << 20;

/// Searches from different starts.
const N_STARTS: u64 = 4;

/// Steps of one search for each group, and their bounds.
const STEPS_PER_GROUP: usize = 500;
const MIN_STEPS: usize = 20_000;
const MAX_STEPS: usize = 500_000;

/// Costs remembered by late acceptance.
const MEMORY: usize = 200;

/// The split of every item, given its group and its stratum. Items of one group share a split.
pub fn assign_splits<'a>(items: impl IntoIterator<Item = (&'a str, &'a str)>, seed: u64) -> Vec<Split> {
    let items: Vec<(&str, &str)> = items.into_iter().collect();
    // Index 0 of the features is the number of items; the others count the strata.
    let strata: BTreeMap<&str, usize> = numbered(items.iter().map(|(_, stratum)| *stratum), 1);
    let groups: BTreeMap<&str, usize> = numbered(items.iter().map(|(group, _)| *group), 0);
    let mut counts: Vec<BTreeMap<usize, i64>> = vec![BTreeMap::new(); groups.len()];
    for (group, stratum) in &items {
        let counts = &mut counts[groups[group]];
        *counts.entry(0).or_default() += 1;
        *counts.entry(strata[stratum]).or_default() += 1;
    }
    let problem = Problem::new(counts, strata.len() + 1);
    let best = (0..N_STARTS)
        .map(|start| problem.search(seed.wrapping_mul(N_STARTS).wrapping_add(start)))
        .min()
        .unwrap_or_default();
    items.iter().map(|(group, _)| Split::ALL[best.1[groups[group]]]).collect()
}

/// Distinct words in their order, numbered from `first`.
fn numbered<'a>(words: impl Iterator<Item = &'a str>, first: usize) -> BTreeMap<&'a str, usize> {
    let mut numbers: BTreeMap<&str, usize> = words.map(|w| (w, 0)).collect();
    for (index, number) in numbers.values_mut().enumerate() {
        *number = first + index;
    }
    numbers
}

/// Groups with their counts of each feature.
struct Problem {
    groups: Vec<Vec<(usize, i64)>>,
    totals: Vec<i64>,
    weights: Vec<i64>,
}

/// Where the groups are.
struct State {
    split_of: Vec<usize>,
    /// Count of each feature in each split.
    counts: Vec<[i64; 3]>,
    cost: i64,
}

impl Problem {
    fn new(groups: Vec<BTreeMap<usize, i64>>, n_features: usize) -> Self {
        let mut totals = vec![0; n_features];
        for (feature, n) in groups.iter().flatten() {
            totals[*feature] += n;
        }
        let weight = |(feature, total): (usize, &i64)| {
            let unit = if feature == 0 { WEIGHT_UNIT * WEIGHT_OF_RATIO } else { WEIGHT_UNIT };
            unit / (*total).max(1)
        };
        let weights = totals.iter().enumerate().map(weight).collect();
        let groups = groups.into_iter().map(|g| g.into_iter().collect()).collect();
        Self { groups, totals, weights }
    }

    /// Cost of having `n` of a feature in a split.
    fn part(&self, feature: usize, split: usize, n: i64) -> i64 {
        let error = 10 * n - Split::TENTHS[split] * self.totals[feature];
        self.weights[feature] * WEIGHT_OF_SPLIT[split] * error * error
    }

    /// Adds `sign` times a group to a split and returns the change in cost.
    fn add(&self, state: &mut State, group: usize, split: usize, sign: i64) -> i64 {
        let mut change = 0;
        for (feature, n) in &self.groups[group] {
            let count = &mut state.counts[*feature][split];
            change -= self.part(*feature, split, *count);
            *count += sign * n;
            change += self.part(*feature, split, *count);
        }
        state.cost += change;
        change
    }

    fn put(&self, state: &mut State, group: usize, split: usize) {
        let from = state.split_of[group];
        self.add(state, group, from, -1);
        self.add(state, group, split, 1);
        state.split_of[group] = split;
    }

    /// Largest groups first, each where it lowers the cost most; equal sizes in seeded order.
    fn start(&self, chance: &mut Seeded) -> State {
        let cost = (0..self.totals.len())
            .map(|feature| (0..3).map(|split| self.part(feature, split, 0)).sum::<i64>())
            .sum();
        let mut state =
            State { split_of: vec![0; self.groups.len()], counts: vec![[0; 3]; self.totals.len()], cost };
        let size = |group: usize| self.groups[group].first().map_or(0, |(_, n)| *n);
        let mut order: Vec<(i64, u64, usize)> =
            (0..self.groups.len()).map(|g| (-size(g), chance.next_u64(), g)).collect();
        order.sort_unstable();
        for (_, _, group) in order {
            let best = (0..3)
                .min_by_key(|split| {
                    let change = self.add(&mut state, group, *split, 1);
                    self.add(&mut state, group, *split, -1);
                    change
                })
                .unwrap_or(0);
            self.add(&mut state, group, best, 1);
            state.split_of[group] = best;
        }
        state
    }

    /// The lowest cost met on one walk, and where the groups were.
    fn search(&self, seed: u64) -> (i64, Vec<usize>) {
        let mut chance = Seeded::new(seed);
        let mut state = self.start(&mut chance);
        let mut best = (state.cost, state.split_of.clone());
        let n = self.groups.len();
        if n < 2 {
            return best;
        }
        let mut memory = vec![state.cost; MEMORY];
        let steps = (STEPS_PER_GROUP * n).clamp(MIN_STEPS, MAX_STEPS);
        for step in 0..steps {
            let before = state.cost;
            let (a, b) = (chance.below(n), chance.below(n));
            let (from_a, from_b) = (state.split_of[a], state.split_of[b]);
            let is_swap = step % 2 == 1 && from_a != from_b;
            if is_swap {
                self.put(&mut state, a, from_b);
                self.put(&mut state, b, from_a);
            } else {
                self.put(&mut state, a, (from_a + 1 + chance.below(2)) % 3);
            }
            let slot = step % MEMORY;
            if state.cost > before && state.cost > memory[slot] {
                self.put(&mut state, a, from_a);
                if is_swap {
                    self.put(&mut state, b, from_b);
                }
            } else if state.cost < best.0 {
                best = (state.cost, state.split_of.clone());
            }
            memory[slot] = memory[slot].min(state.cost);
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Groups of uneven sizes over six strata.
    fn items(n_groups: usize, seed: u64) -> Vec<(String, String)> {
        let mut chance = Seeded::new(seed);
        let mut items = Vec::new();
        for group in 0..n_groups {
            for _ in 0..=chance.below(1 + 4 * (group % 12)) {
                items.push((format!("g{group}"), format!("s{}", (group + chance.below(4)) % 6)));
            }
        }
        items
    }

    fn split(items: &[(String, String)], seed: u64) -> Vec<Split> {
        assign_splits(items.iter().map(|(g, s)| (g.as_str(), s.as_str())), seed)
    }

    #[test]
    fn a_group_has_one_split_and_the_ratios_hold() {
        let items = items(90, 1);
        let splits = split(&items, 0);
        let mut of_group: BTreeMap<&str, Split> = BTreeMap::new();
        for ((group, _), split) in items.iter().zip(&splits) {
            assert_eq!(of_group.entry(group).or_insert(*split), split);
        }
        for (part, tenths) in Split::ALL.into_iter().zip(Split::TENTHS) {
            let n = splits.iter().filter(|s| **s == part).count() as f64;
            assert!((n / items.len() as f64 - tenths as f64 / 10.0).abs() < 0.005, "{part}: {n}");
        }
    }

    #[test]
    fn the_order_of_items_does_not_matter() {
        let items = items(30, 2);
        let forward = split(&items, 5);
        let reversed: Vec<_> = items.iter().rev().cloned().collect();
        let mut backward = split(&reversed, 5);
        backward.reverse();
        assert_eq!(forward, backward);
    }

    #[test]
    fn few_groups_are_no_trouble() {
        assert!(split(&[], 0).is_empty());
        assert_eq!(split(&items(1, 3)[..1], 0), [Split::Train]);
        let three = ["a", "b", "c"].map(|g| (g.to_owned(), "s".to_owned()));
        assert!(split(&three, 0).contains(&Split::Train));
    }
}
