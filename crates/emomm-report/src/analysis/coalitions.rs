//! Figure 3, left: accuracy of every coalition on Align and on Conflict, and what it loses between them.
//!
//! Align and Conflict are those of the whole clip, so that every coalition is judged on the same clips.

use emomm_dataset::ModalitySet;
use emomm_eval::run::RecordStatus;
use emomm_eval::score::{Interval, ScoreOptions};
use emomm_metrics::Unparsed;

use super::sums::{ByCluster, add_fields, intervals, share};
use crate::error::ReportError;
use crate::study::{Study, StudyRun, is_right};

/// One coalition.
#[derive(Debug, Clone, PartialEq)]
pub struct CoalitionAccuracy {
    /// What was shown.
    pub coalition: ModalitySet,
    /// Accuracy on Align.
    pub align: Option<Interval>,
    /// Accuracy on Conflict.
    pub conflict: Option<Interval>,
    /// Accuracy on Align less that on Conflict: different clips, so the difference is not paired.
    pub drop: Option<Interval>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Hits {
    right: [usize; 2],
    n: [usize; 2],
}

add_fields!(Hits, right, n);

/// The coalitions that the run showed, in the order of [`ModalitySet::ALL`].
pub fn coalition_accuracies(
    study: &Study,
    run: &StudyRun,
    options: &ScoreOptions,
) -> Result<Vec<CoalitionAccuracy>, ReportError> {
    let mut found = Vec::new();
    for coalition in ModalitySet::ALL {
        let mut sums: ByCluster<'_, Hits> = ByCluster::default();
        for (index, clip) in study.clips.iter().enumerate() {
            let (Some(record), Some(conflict)) = (run.record(index, coalition), clip.is_conflict()) else {
                continue;
            };
            if options.unparsed == Unparsed::Excluded && record.status != RecordStatus::Ok {
                continue;
            }
            let sum = sums.of(clip);
            let at = usize::from(conflict);
            sum.n[at] += 1;
            sum.right[at] += usize::from(is_right(clip, record));
        }
        let clusters = sums.into_sums();
        if clusters.is_empty() {
            continue;
        }
        let [align, conflict, drop] =
            intervals(&clusters, options.bootstrap, "accuracy by coalition", |h: &Hits| {
                let [align, conflict] = [0, 1].map(|i| share(h.right[i] as f64, h.n[i]));
                let drop = align
                    .zip(conflict)
                    .map(|(a, c)| emomm_metrics::Figure { value: a.value - c.value, n: a.n + c.n });
                [align, conflict, drop]
            })?;
        found.push(CoalitionAccuracy { coalition, align, conflict, drop });
    }
    Ok(found)
}
