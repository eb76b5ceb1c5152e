//! The one source of chance: numbers that follow from a named seed, the same on every machine.
//!
//! SplitMix64 (Steele, Lea and Flood 2014) is thirty characters of integer arithmetic and passes BigCrush; nothing
//! here needs more. Keys of ids let a choice depend on what a clip is called, never on where its row stands.

/// A stream of numbers from a seed.
#[derive(Debug, Clone)]
pub(crate) struct Seeded(u64);

impl Seeded {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number in 0..`bound`, from the upper bits of a product; the bias is below 2⁻³² for bounds below 2³².
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }
}

/// A key of `word` under `seed`: sorting by it is a seeded shuffle that does not depend on the order of the input.
pub(crate) fn key(seed: u64, word: &str) -> u64 {
    // FNV-1a, then the finalizer of SplitMix64.
    let hash = word
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3));
    mix(hash ^ mix(seed))
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// First outputs for seed 0 of the reference implementation (prng.di.unimi.it/splitmix64.c).
    #[test]
    fn splitmix64_is_the_published_one() {
        let mut stream = Seeded::new(0);
        assert_eq!(stream.next(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(stream.next(), 0x6e78_9e6a_a1b9_65f4);
    }

    #[test]
    fn numbers_stay_below_their_bound() {
        let mut stream = Seeded::new(7);
        let mut seen = [false; 5];
        for _ in 0..200 {
            seen[stream.below(5)] = true;
        }
        assert_eq!(seen, [true; 5]);
    }

    #[test]
    fn keys_depend_on_seed_and_word() {
        assert_ne!(key(0, "a"), key(1, "a"));
        assert_ne!(key(0, "a"), key(0, "b"));
    }
}
