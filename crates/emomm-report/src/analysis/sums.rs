//! Sums by cluster and the intervals that follow from them.
//!
//! Whole clusters are drawn; what is known of each is added up.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use emomm_eval::score::{self, Interval};
use emomm_metrics::{BootstrapOptions, Figure};

use crate::error::ReportError;
use crate::study::StudyClip;

/// Sums of the clusters that occur, in the order of their keys.
#[derive(Debug)]
pub(crate) struct ByCluster<'a, T>(BTreeMap<(&'a str, &'a str), T>);

impl<T> Default for ByCluster<'_, T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<'a, T: Default> ByCluster<'a, T> {
    /// The sum of a clip's cluster: its speaker or video.
    pub(crate) fn of(&mut self, clip: &'a StudyClip) -> &mut T {
        self.0.entry((&clip.corpus.name, &clip.group)).or_default()
    }

    pub(crate) fn into_sums(self) -> Vec<T> {
        self.0.into_values().collect()
    }
}

/// Figures of the sum of all clusters with their intervals.
pub(crate) fn intervals<T, const S: usize>(
    clusters: &[T],
    options: BootstrapOptions,
    what: &'static str,
    figures: impl Fn(&T) -> [Option<Figure>; S],
) -> Result<[Option<Interval>; S], ReportError>
where
    T: Default + for<'a> AddAssign<&'a T>,
{
    score::intervals(clusters, options, figures).map_err(|source| ReportError::Metric { what, source })
}

/// A share as a figure; `None` of nothing.
pub(crate) fn share(numerator: f64, n: usize) -> Option<Figure> {
    (n > 0).then(|| Figure { value: numerator / n as f64, n })
}

/// Adds arrays of sums.
macro_rules! add_fields {
    ($type:ty, $($field:ident),+) => {
        impl std::ops::AddAssign<&$type> for $type {
            fn add_assign(&mut self, other: &Self) {
                $(for (sum, value) in self.$field.iter_mut().zip(&other.$field) {
                    *sum += *value;
                })+
            }
        }
    };
}
pub(crate) use add_fields;
