//! Whole numbers near a fractional answer: rounding, then a seeded search over single steps and exchanges.
//!
//! Branch and bound proves well and finds slowly: its first answers to a problem with hundreds of exchangeable unknowns
//! can be far off. The relaxed answer rounded down misses each condition by a little, and a walk over exchanges of one
//! clip for another closes the rest. Integer arithmetic throughout.

use crate::seeded::Seeded;

/// Steps of the walk.
const STEPS: usize = 400_000;

/// Costs remembered by late acceptance.
const MEMORY: usize = 50;

/// Conditions that an assignment may miss, at a cost of one for each unit.
pub(super) struct Conditions<'a> {
    /// For each kind the conditions that weigh it, with the weight.
    of_kind: Vec<Vec<(usize, i64)>>,
    /// Least and greatest sum of each condition.
    bounds: Vec<(i64, i64)>,
    /// How many of each kind there are.
    sizes: &'a [usize],
}

impl<'a> Conditions<'a> {
    /// `conditions` are the weights of all kinds, the least sum and the greatest sum.
    pub(super) fn new(sizes: &'a [usize], conditions: &[(&[i64], i64, i64)]) -> Self {
        let mut of_kind = vec![Vec::new(); sizes.len()];
        for (condition, (weights, _, _)) in conditions.iter().enumerate() {
            for (kind, weight) in weights.iter().enumerate().filter(|(_, w)| **w != 0) {
                of_kind[kind].push((condition, *weight));
            }
        }
        Self { of_kind, bounds: conditions.iter().map(|(_, low, high)| (*low, *high)).collect(), sizes }
    }

    fn miss(&self, condition: usize, sum: i64) -> i64 {
        let (low, high) = self.bounds[condition];
        (low - sum).max(sum - high).max(0)
    }

    /// Changes the number taken of a kind and returns the change in cost.
    fn step(&self, sums: &mut [i64], counts: &mut [usize], kind: usize, up: bool) -> i64 {
        let sign = if up { 1 } else { -1 };
        counts[kind] = if up { counts[kind] + 1 } else { counts[kind] - 1 };
        let mut change = 0;
        for (condition, weight) in &self.of_kind[kind] {
            let sum = &mut sums[*condition];
            change -= self.miss(*condition, *sum);
            *sum += sign * weight;
            change += self.miss(*condition, *sum);
        }
        change
    }

    /// The cost of an assignment.
    pub(super) fn cost(&self, counts: &[usize]) -> i64 {
        self.sums(counts).iter().enumerate().map(|(condition, sum)| self.miss(condition, *sum)).sum()
    }

    fn sums(&self, counts: &[usize]) -> Vec<i64> {
        let mut sums = vec![0; self.bounds.len()];
        for (kind, count) in counts.iter().enumerate() {
            for (condition, weight) in &self.of_kind[kind] {
                sums[*condition] += weight * *count as i64;
            }
        }
        sums
    }

    /// The nearest assignment met on a walk from `start`.
    pub(super) fn walk(&self, start: Vec<usize>, seed: u64) -> Vec<usize> {
        let n = self.sizes.len();
        let mut chance = Seeded::new(seed);
        let mut counts = start;
        let mut sums = self.sums(&counts);
        let mut cost = self.cost(&counts);
        let mut best = (cost, counts.clone());
        let mut memory = [cost; MEMORY];
        for step in 0..STEPS {
            if best.0 == 0 || n < 2 {
                break;
            }
            // Most steps exchange one clip for another; every fourth takes or leaves one.
            let (a, b) = (chance.below(n), chance.below(n));
            let mut moves = [(a, true), (b, false)];
            let moves = match step % 8 {
                0 => &mut moves[..1],
                4 => &mut moves[1..],
                _ => &mut moves[..],
            };
            let is_possible = a != b
                && moves.iter().all(|(k, up)| if *up { counts[*k] < self.sizes[*k] } else { counts[*k] > 0 });
            if !is_possible {
                continue;
            }
            let change: i64 = moves.iter().map(|(k, up)| self.step(&mut sums, &mut counts, *k, *up)).sum();
            let slot = step % MEMORY;
            if change > 0 && cost + change > memory[slot] {
                for (kind, up) in moves.iter() {
                    self.step(&mut sums, &mut counts, *kind, !*up);
                }
            } else {
                cost += change;
                if cost < best.0 {
                    best = (cost, counts.clone());
                }
            }
            memory[slot] = memory[slot].min(cost);
        }
        best.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_closes_what_rounding_leaves() {
        let sizes = [5, 5, 5];
        let conditions: [(&[i64], i64, i64); 3] =
            [(&[1, 1, 1], 6, 6), (&[1, 0, 0], 1, 1), (&[0, 1, 3], 9, 9)];
        let conditions = Conditions::new(&sizes, &conditions);
        assert_eq!(conditions.cost(&[0, 0, 0]), 16);
        assert_eq!(conditions.walk(vec![0, 0, 0], 0), [1, 3, 2]);
    }
}
