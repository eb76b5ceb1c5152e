//! The source of chance for resampling: SplitMix64, whole-number arithmetic only, the same on every machine.
//!
//! G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.

/// Increment of the state, 2⁶⁴ divided by the golden ratio.
const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// A stream of numbers that follows from a seed.
#[derive(Debug, Clone)]
pub(crate) struct ResampleRng(u64);

impl ResampleRng {
    /// The stream of resample number `resample` under `seed`. Every resample has a stream of its own, so that its
    /// content does not depend on which others are drawn, or in which order.
    pub(crate) fn new(seed: u64, resample: usize) -> Self {
        Self(mix(seed).wrapping_add(mix((resample as u64).wrapping_add(GOLDEN_GAMMA))))
    }

    /// The next 64 bits.
    pub(crate) fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN_GAMMA);
        mix(self.0)
    }

    /// A number in 0..`bound`, each with the same probability. `bound` is at least 1.
    ///
    /// D. Lemire, "Fast random integer generation in an interval" (2019): the upper half of a product, where draws
    /// in the incomplete part of the range are repeated.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let bound = bound as u64;
        let incomplete = bound.wrapping_neg() % bound;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(bound);
            if product as u64 >= incomplete {
                return (product >> 64) as usize;
            }
        }
    }
}

/// The finalizer of SplitMix64.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// First outputs of the reference implementation for the state 1234567.
    #[test]
    fn splitmix64_is_the_published_one() {
        let mut rng = ResampleRng(1_234_567);
        let found: Vec<u64> = (0..3).map(|_| rng.next_u64()).collect();
        assert_eq!(found, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    /// 60,000 draws in six cells of 10,000: the standard deviation of a cell is 91, the bound is five of them.
    #[test]
    fn every_number_below_the_bound_is_equally_likely() {
        let mut counts = [0_i32; 6];
        for resample in 0..6000 {
            let mut rng = ResampleRng::new(7, resample);
            for _ in 0..10 {
                counts[rng.below(6)] += 1;
            }
        }
        assert!(counts.iter().all(|c| (c - 10_000).abs() < 456), "{counts:?}");
    }

    #[test]
    fn streams_differ_by_seed_and_by_resample() {
        let first = |seed, resample| ResampleRng::new(seed, resample).next_u64();
        assert_ne!(first(0, 0), first(0, 1));
        assert_ne!(first(0, 0), first(1, 0));
        assert_ne!(first(0, 1), first(1, 0));
        assert_eq!(first(3, 4), first(3, 4));
    }
}
