//! Chance with names: every draw of the world comes from a stream that is named by seed, corpus, clip and purpose.
//!
//! A stream depends on nothing but its name, so clips can be made in any order, on any number of threads. The generator
//! is SplitMix64; logarithm and cosine come from `libm`, which is the same on every machine.

use std::f64::consts::TAU;

use emomm_dataset::{Seeded, mix};

/// A stream of draws.
#[derive(Debug, Clone)]
pub(crate) struct Draw {
    stream: Seeded,
}

impl Draw {
    /// The stream called `name` of item `index` in the world of `seed`.
    pub(crate) fn named(seed: u64, name: &str, index: u64) -> Self {
        let mut state = mix(seed ^ 0x6a09_e667_f3bc_c909);
        for byte in name.bytes() {
            state = mix(state ^ u64::from(byte));
        }
        Self { stream: Seeded::new(mix(state ^ index)) }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.stream.next_u64()
    }

    /// Evenly from [0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Evenly from [low, high).
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// As [`Draw::between`], in the precision of pictures.
    pub(crate) fn between_f32(&mut self, low: f32, high: f32) -> f32 {
        self.between(f64::from(low), f64::from(high)) as f32
    }

    /// Evenly from 0 to `n` − 1; `n` is at least 1.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        // The bias of the product is below n / 2^64.
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }

    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// From the standard normal distribution (Box and Muller).
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.unit()));
        radius * libm::cos(TAU * self.unit())
    }

    /// One of several; the slice is not empty.
    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// One of several words.
    pub(crate) fn word(&mut self, from: &[&'static str]) -> &'static str {
        from[self.below(from.len())]
    }

    /// An index with probability in proportion to its weight.
    pub(crate) fn weighted(&mut self, weights: &[f64]) -> usize {
        let mut left = self.unit() * weights.iter().sum::<f64>();
        for (index, weight) in weights.iter().enumerate() {
            left -= weight;
            if left < 0.0 {
                return index;
            }
        }
        weights.len() - 1
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_told_apart_by_every_part_of_their_name() {
        let first = |seed, name, index| Draw::named(seed, name, index).next();
        let all = [first(1, "a", 0), first(2, "a", 0), first(1, "b", 0), first(1, "a", 1)];
        for (i, x) in all.iter().enumerate() {
            assert!(all[..i].iter().all(|y| y != x));
        }
    }

    /// As a transcription into Python integers gives it: a changed generator would change every world.
    #[test]
    fn the_stream_is_pinned() {
        let mut draw = Draw::named(7, "ch-sims/text", 3);
        assert_eq!([draw.next(), draw.next()], [17_466_872_165_058_754_042, 13_138_666_052_807_517_112]);
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let mut draw = Draw::named(0, "moments", 0);
        let n = 20_000;
        let normals: Vec<f64> = (0..n).map(|_| draw.normal()).collect();
        let mean = normals.iter().sum::<f64>() / f64::from(n);
        let square = normals.iter().map(|x| x * x).sum::<f64>() / f64::from(n);
        assert!(mean.abs() < 0.03 && (square - 1.0).abs() < 0.04, "{mean} {square}");
        let mut counts = [0; 3];
        for _ in 0..n {
            counts[draw.weighted(&[1.0, 0.0, 3.0])] += 1;
        }
        assert_eq!(counts[1], 0);
        assert!((f64::from(counts[2]) / f64::from(n) - 0.75).abs() < 0.02);
    }
}
