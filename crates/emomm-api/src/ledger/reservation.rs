//! Room within the budget for one request.

use super::Ledger;

/// Room for one request within the budget, until it is settled. One that is dropped unsettled counts at its most if the
/// request may have left, and at nothing if not.
#[derive(Debug)]
pub(crate) struct Reservation<'a> {
    pub(super) ledger: &'a Ledger,
    pub(super) request: String,
    /// The bound of its cost, and the most that it can cost by what earlier ones showed of bounds.
    pub(super) bound: f64,
    pub(super) most: f64,
    /// The number of its line; `None` before it is written.
    pub(super) number: Option<u64>,
    pub(super) is_settled: bool,
}

impl Reservation<'_> {
    /// The most that it can cost.
    pub(crate) fn most(&self) -> f64 {
        self.most
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if !self.is_settled {
            let cost = if self.number.is_some() { self.most } else { 0.0 };
            self.ledger.settle(&mut self.ledger.locked(), self, cost);
        }
    }
}

/// The budget does not allow another request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spent {
    pub(crate) so_far: f64,
    pub(crate) cap: f64,
    pub(crate) next: f64,
}

impl std::fmt::Display for Spent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { so_far, cap, next } = self;
        write!(f, "{so_far:.4} of {cap:.4} US dollars are spent, the next question may cost {next:.4}")
    }
}
