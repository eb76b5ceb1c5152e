//! The variants of one decision row as one batch; one by one where the batch fails, so that each fails for itself.

use emomm_models::white_box::DecisionPoint;

use crate::answers::LetterRead;
use crate::error::{ChaseError, Result};
use crate::features::check_logits;
use crate::hook::SteeringHook;
use crate::variant_run::{LoadedRouter, VariantRun};

/// What a steered row says of the letters, and the variant with what was done to it.
pub(crate) type SteeredRow = (LetterRead, VariantRun);

/// Steers a row for every variant, in their order.
///
/// One variant whose row holds no numbers any more ends the step of the whole batch: then each variant has a step of its own,
/// and those that end it are left with the error.
pub(crate) fn steered(
    point: &DecisionPoint<'_>,
    runs: Vec<VariantRun>,
    router: Option<&LoadedRouter>,
    records_after: bool,
) -> Vec<Result<SteeredRow>> {
    if runs.is_empty() {
        return Vec::new();
    }
    let hook = SteeringHook::new(runs, router.cloned());
    let mut hook = if records_after { hook } else { hook.without_after() };
    match letters(point, &mut hook) {
        Ok(read) => {
            let rows = read.into_iter().zip(hook.into_variants());
            rows.map(|(letters, run)| match check_logits(letters.0) {
                Ok(()) => Ok((letters, run)),
                Err(error) => Err(error.of_steered_row()),
            })
            .collect()
        }
        Err(error) if hook.variants().len() == 1 => vec![Err(error)],
        Err(_) => hook
            .variants()
            .iter()
            .flat_map(|run| steered(point, vec![run.afresh()], router, records_after))
            .collect(),
    }
}

/// One decode step of all rows of a hook.
fn letters(point: &DecisionPoint<'_>, hook: &mut SteeringHook) -> Result<Vec<LetterRead>, ChaseError> {
    let n = hook.variants().len();
    let decision = point.decide(n, Some(hook))?;
    let masses = point.letter_masses(&decision)?;
    Ok(point.letter_logits(&decision)?.into_iter().zip(masses.into_iter().map(Some)).collect())
}
