//! Sums over some records or clips of a plan, from which the whole plan is estimated.

use std::collections::BTreeMap;

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

/// At most so many of the clips, evenly spread.
pub(super) fn spread(chosen: &[Candidate], most: usize) -> impl Iterator<Item = &Candidate> {
    let n = chosen.len().min(most);
    (0..n).map(move |i| &chosen[i * chosen.len() / n])
}
