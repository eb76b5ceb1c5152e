//! A part of the clips that depends on their ids alone, so that shards need no coordination.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

/// The i-th of n parts, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shard {
    /// 1 to `count`.
    pub index: u64,
    /// How many there are.
    pub count: u64,
}

impl Shard {
    /// Whether a clip is in it. A stable hash: the same on every machine and in every version.
    pub fn holds(self, id: &str) -> bool {
        let digest = Sha256::digest(id.as_bytes());
        let number = digest[..8].iter().fold(0_u64, |n, byte| n << 8 | u64::from(*byte));
        number % self.count == self.index - 1
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let expected = || format!("found `{word}`, expected i/n with i from 1 to n, for example 2/8");
        let (index, count) = word.split_once('/').ok_or_else(expected)?;
        let (index, count) = (index.parse().map_err(|_| expected())?, count.parse().map_err(|_| expected())?);
        if index == 0 || index > count { Err(expected()) } else { Ok(Self { index, count }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_clip_is_in_exactly_one_shard() {
        for count in [1, 2, 7] {
            let shards: Vec<Shard> = (1..=count).map(|index| Shard { index, count }).collect();
            for i in 0..200 {
                let id = format!("ch-sims/video_{i}/0001");
                assert_eq!(shards.iter().filter(|s| s.holds(&id)).count(), 1, "{id}");
            }
        }
    }

    /// The hash is a promise: shards of one run may be computed by different versions.
    #[test]
    fn the_hash_does_not_change() {
        let held: Vec<u32> =
            (0..12).filter(|i| Shard { index: 1, count: 3 }.holds(&format!("clip-{i}"))).collect();
        // hashlib: int.from_bytes(sha256(b"clip-N").digest()[:8], "big") % 3 == 0
        assert_eq!(held, [0, 1, 4, 6, 7, 11]);
    }

    #[test]
    fn words() {
        let shard: Shard = "2/8".parse().unwrap();
        assert_eq!((shard, shard.to_string().as_str()), (Shard { index: 2, count: 8 }, "2/8"));
        for word in ["0/3", "4/3", "1", "1/0", "a/b", "1/2/3", "-1/2"] {
            assert!(word.parse::<Shard>().is_err(), "{word}");
        }
    }
}
