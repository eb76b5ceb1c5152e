//! Which samples belong together: those of one speaker, of one video, or of one clip and its masked copies.
//!
//! Samples of a cluster resemble each other. Resampling that ignores it gives intervals that are too narrow and
//! p-values that are too small.

use std::collections::BTreeMap;

/// A partition of the samples 0, 1, …, n − 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clusters {
    members: Vec<Vec<usize>>,
    n: usize,
}

impl Clusters {
    /// One cluster for each distinct key; the key of sample i is the i-th.
    ///
    /// Clusters stand in the order of their keys, so that resamples do not depend on the order of the samples.
    ///
    /// ```
    /// use emomm_metrics::Clusters;
    ///
    /// let clusters = Clusters::by_key(["video_2", "video_1", "video_2"]);
    /// assert_eq!(clusters.members(), [vec![1], vec![0, 2]]);
    /// ```
    pub fn by_key<K: Ord>(keys: impl IntoIterator<Item = K>) -> Self {
        let mut groups: BTreeMap<K, Vec<usize>> = BTreeMap::new();
        let mut n = 0;
        for (index, key) in keys.into_iter().enumerate() {
            groups.entry(key).or_default().push(index);
            n = index + 1;
        }
        Self { members: groups.into_values().collect(), n }
    }

    /// Every one of `n` samples on its own.
    pub fn singletons(n: usize) -> Self {
        Self { members: (0..n).map(|i| vec![i]).collect(), n }
    }

    /// The indices of the samples of each cluster, ascending.
    pub fn members(&self) -> &[Vec<usize>] {
        &self.members
    }

    /// Number of clusters.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is no cluster.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Number of samples.
    pub fn n_samples(&self) -> usize {
        self.n
    }

    /// Whether every cluster holds one sample: only then do McNemar's assumptions hold.
    pub fn are_singletons(&self) -> bool {
        self.n == self.members.len()
    }

    /// The sum of a value over the samples of each cluster.
    pub(crate) fn sums(&self, values: &[f64]) -> Vec<f64> {
        self.members.iter().map(|cluster| cluster.iter().map(|i| values[*i]).sum()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_is_in_one_cluster() {
        let clusters = Clusters::by_key([3, 1, 3, 2]);
        assert_eq!(clusters.members(), [vec![1], vec![3], vec![0, 2]]);
        assert_eq!((clusters.len(), clusters.n_samples(), clusters.are_singletons()), (3, 4, false));
        assert_eq!(clusters.sums(&[1.0, 2.0, 4.0, 8.0]), [2.0, 8.0, 5.0]);
    }

    #[test]
    fn no_samples_are_no_clusters() {
        assert!(Clusters::by_key::<u8>([]).is_empty());
        assert_eq!(Clusters::singletons(2), Clusters::by_key([0, 1]));
    }
}
