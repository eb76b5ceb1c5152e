//! The one source of chance: numbers that follow from a named seed, the same on every machine.
//!
//! SplitMix64 (G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014) is
//! thirty characters of integer arithmetic and passes BigCrush; nothing here needs more. Keys of ids let a choice
//! depend on what a clip is called, never on where its row stands.

/// Increment of the state, 2⁶⁴ divided by the golden ratio.
const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// A stream of numbers that follows from a seed.
#[derive(Debug, Clone)]
pub struct Seeded(u64);

impl Seeded {
    /// The stream of a seed: the reference implementation's.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The stream number `index` under `seed`. Every part of a work that draws from a stream of its own does not
    /// depend on which other parts are done, or in which order.
    pub fn stream(seed: u64, index: usize) -> Self {
        Self(mix(seed).wrapping_add(mix((index as u64).wrapping_add(GOLDEN_GAMMA))))
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN_GAMMA);
        mix(self.0)
    }

    /// A number in 0..`bound`, each with the same probability. `bound` is at least 1.
    ///
    /// D. Lemire, "Fast random integer generation in an interval" (2019): the upper half of a product, where draws
    /// in the incomplete part of the range are repeated.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = (bound as u64).max(1);
        let incomplete = bound.wrapping_neg() % bound;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(bound);
            if product as u64 >= incomplete {
                return (product >> 64) as usize;
            }
        }
    }
}

/// A key of `word` under `seed`: sorting by it is a seeded shuffle that does not depend on the order of the input.
pub fn seeded_key(seed: u64, word: &str) -> u64 {
    // FNV-1a, then the finalizer of SplitMix64.
    let hash = word
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3));
    mix(hash ^ mix(seed))
}

/// The finalizer of SplitMix64: for seeds that are made of several parts.
pub fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// First outputs of the reference implementation for the states 0 and 1234567
    /// (prng.di.unimi.it/splitmix64.c).
    #[test]
    fn splitmix64_is_the_published_one() {
        let mut stream = Seeded::new(0);
        assert_eq!([stream.next_u64(), stream.next_u64()], [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4]);
        let mut stream = Seeded::new(1_234_567);
        let found: Vec<u64> = (0..3).map(|_| stream.next_u64()).collect();
        assert_eq!(found, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    /// 60,000 draws in six cells of 10,000: the standard deviation of a cell is 91, the bound is five of them.
    #[test]
    fn every_number_below_the_bound_is_equally_likely() {
        let mut counts = [0_i32; 6];
        for index in 0..6000 {
            let mut stream = Seeded::stream(7, index);
            for _ in 0..10 {
                counts[stream.below(6)] += 1;
            }
        }
        assert!(counts.iter().all(|c| (c - 10_000).abs() < 456), "{counts:?}");
    }

    #[test]
    fn streams_differ_by_seed_and_by_index() {
        let first = |seed, index| Seeded::stream(seed, index).next_u64();
        assert_ne!(first(0, 0), first(0, 1));
        assert_ne!(first(0, 0), first(1, 0));
        assert_ne!(first(0, 1), first(1, 0));
        assert_eq!(first(3, 4), first(3, 4));
    }

    #[test]
    fn keys_depend_on_seed_and_word() {
        assert_ne!(seeded_key(0, "a"), seeded_key(1, "a"));
        assert_ne!(seeded_key(0, "a"), seeded_key(0, "b"));
    }
}
