//! Sums over some records or clips of a plan, from which the whole plan is estimated.

use std::collections::{BTreeMap, BTreeSet};

use emomm_dataset::ModalitySet;
use emomm_eval::runner::Candidate;

/// What some prompts took, by coalition.
#[derive(Debug, Default)]
pub(super) struct ByCoalition(BTreeMap<ModalitySet, (f64, usize)>);

impl ByCoalition {
    pub(super) fn add(&mut self, coalition: ModalitySet, amount: f64) {
        let sum = self.0.entry(coalition).or_default();
        *sum = (sum.0 + amount, sum.1 + 1);
    }

    /// Prompts that were added.
    pub(super) fn n(&self) -> usize {
        self.0.values().map(|(_, n)| n).sum()
    }

    /// The mean of each coalition, for every record of the plan; `None` where a coalition has no prompt among these.
    pub(super) fn for_all(&self, chosen: &[Candidate]) -> Option<f64> {
        let mut all = 0.0;
        for coalition in chosen.iter().flat_map(|c| &c.coalitions) {
            let (sum, n) = self.0.get(coalition)?;
            all += sum / *n as f64;
        }
        Some(all)
    }
}

/// At most so many of the clips, evenly spread, and one more for each coalition that none of them is asked under.
pub(super) fn spread(chosen: &[Candidate], most: usize) -> Vec<&Candidate> {
    let n = chosen.len().min(most);
    let mut found: Vec<&Candidate> = (0..n).map(|i| &chosen[i * chosen.len() / n]).collect();
    let mut shown: BTreeSet<ModalitySet> = found.iter().flat_map(|c| c.coalitions.iter().copied()).collect();
    for candidate in chosen {
        if candidate.coalitions.iter().any(|c| !shown.contains(c)) {
            shown.extend(candidate.coalitions.iter().copied());
            found.push(candidate);
        }
    }
    found
}
