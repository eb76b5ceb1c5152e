//! Seeded numbers: the same seed gives the same draws on every machine.

/// SplitMix64 (Steele, Lea, Flood 2014): a counter through a mixing function, so that any key can be a seed.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// A stream of its own for each seed.
    pub fn new(seed: u64) -> Self {
        Self(mix(seed ^ 0x6368_6173_655f_7631))
    }

    /// A stream for a seed and a name, for example a clip and its coalition: draws do not depend on the order in which
    /// samples are visited.
    pub fn named(seed: u64, name: &str) -> Self {
        let hash = name.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
        });
        Self::new(mix(seed) ^ hash)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform in {0, …, n − 1}; 0 where n is 0.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }

    /// Puts a list into random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }

    /// A point of Dirichlet(1, …, 1) over the members of `present`; 0 elsewhere.
    pub fn dirichlet(&mut self, present: [bool; 3]) -> [f64; 3] {
        let drawn = present.map(|here| if here { -(1.0 - self.unit()).ln() } else { 0.0 });
        let sum: f64 = drawn.iter().sum();
        if sum > 0.0 { drawn.map(|x| x / sum) } else { drawn }
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_in_range_and_repeat() {
        let draw = |seed| {
            let mut rng = Rng::new(seed);
            (0..100).map(|_| rng.unit()).collect::<Vec<f64>>()
        };
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
        assert!(draw(3).iter().all(|x| (0.0..1.0).contains(x)));
        let mean = draw(5).iter().sum::<f64>() / 100.0;
        assert!((0.35..0.65).contains(&mean), "{mean}");
    }

    #[test]
    fn a_dirichlet_point_is_a_distribution_over_what_is_present() {
        let mut rng = Rng::named(1, "clip/TA");
        for _ in 0..50 {
            let point = rng.dirichlet([true, false, true]);
            assert!((point.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            assert_eq!(point[1].to_bits(), 0);
        }
        assert_eq!(rng.dirichlet([false; 3]).map(f64::to_bits), [0; 3]);
    }

    #[test]
    fn shuffling_keeps_all() {
        let mut items: Vec<usize> = (0..50).collect();
        Rng::new(9).shuffle(&mut items);
        assert_ne!(items, (0..50).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<Vec<_>>());
    }
}
