//! Whether a loss on Align can be excluded: what the interval says, and whether it can say anything.
//!
//! Groups are drawn for the interval. Where hardly any of them differs between the runs, resamples differ as little: the
//! interval has no or nearly no width because no loss was there to draw, not because there is none. Such an interval is held
//! against the exact chance of seeing so few losses.

use emomm_eval::score::Interval;

use super::difference::Group;
use crate::content::FEW_GROUPS;

/// What may be lost, in shares of 1.
const TOLERATED: f64 = 0.01;
/// Chance of an error that an interval of 95 % leaves at each side.
const TAIL: f64 = 0.025;
/// So many groups that differ leave a resample without any of them with a chance of e⁻⁵ = 0.7 %, less than [`TAIL`]: both ends
/// of the interval then come from groups that differ.
const ENOUGH_DIFFER: usize = 5;
/// How much clips of a group go together in being put wrong, as an intraclass correlation, where too few are to see it.
const TOGETHER: f64 = 0.5;

/// What can be said about a loss of more than a point, as the rest of a sentence.
pub(super) fn verdict(harm: &Interval, groups: &[Group]) -> String {
    let Some(low) = harm.low else { return "there are too few groups for an interval".to_owned() };
    if low <= -TOLERATED {
        return "a loss of more than 1 point is not excluded".to_owned();
    }
    let differ = groups.iter().filter(|g| g.right[0] != g.right[1]).count();
    if groups.len() >= FEW_GROUPS && differ >= ENOUGH_DIFFER {
        return "a loss of more than 1 point is excluded".to_owned();
    }
    let lose = groups.iter().filter(|g| g.right[1] < g.right[0]).count();
    let (found, needed) = (independent(groups), fewest_against_harm(lose));
    if found >= needed {
        return "a loss of more than 1 point is excluded".to_owned();
    }
    let count = if found < harm.n {
        format!("in {} groups they count as {found} independent ones, and ", groups.len())
    } else {
        String::new()
    };
    let losers = match lose {
        0 => "even where none is put wrong".to_owned(),
        1 => "where 1 group loses".to_owned(),
        n => format!("where {n} groups lose"),
    };
    format!("{count}fewer than {needed} cannot exclude a loss of more than 1 point, {losers}")
}

/// The effective number of clips, n ÷ (1 + (m − 1)·ρ), rounded down; m = Σ mᵢ² ÷ n is the size of the group that a clip is in,
/// on average over clips (L. Kish, "Survey Sampling", 1965, sec. 5.4 and 8.2).
///
/// ρ cannot be estimated where hardly any clip is put wrong. ρ = 0 would count clips as independent, ρ = 1 one for each group.
/// With ρ = ½ and equal groups n is the harmonic mean of clips and groups, less than twice the groups however many clips
/// they have: 400 clips in 3 groups count as 5, 3,068 in 240 as 444, and clips that are each a group as they are.
fn independent(groups: &[Group]) -> usize {
    let n: usize = groups.iter().map(|g| g.n[0]).sum();
    if n == 0 {
        return 0;
    }
    let squares: usize = groups.iter().map(|g| g.n[0] * g.n[0]).sum();
    let size = squares as f64 / n as f64;
    (n as f64 / (1.0 + (size - 1.0) * TOGETHER)) as usize
}

/// The fewest independent clips of which so few lost exclude a loss of more than the tolerated share: the least n with
/// P(X ≤ `lost`) < [`TAIL`] for X binomial of n and [`TOLERATED`], as the upper end of Clopper and Pearson. 368 for none.
fn fewest_against_harm(lost: usize) -> usize {
    let at_most = |n: usize| {
        let odds = TOLERATED / (1.0 - TOLERATED);
        let mut term = (n as f64 * (1.0 - TOLERATED).ln()).exp();
        let mut sum = term;
        for i in 0..lost.min(n) {
            term *= odds * (n - i) as f64 / (i + 1) as f64;
            sum += term;
        }
        sum
    };
    let mut n = lost + 1;
    while at_most(n) >= TAIL {
        n += 1;
    }
    n
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Groups of clips that the first run has all right, and how many of them the second has.
    fn groups(of: impl IntoIterator<Item = (usize, usize)>) -> Vec<Group> {
        of.into_iter().map(|(n, right)| Group { right: [n, right], n: [n] }).collect()
    }

    fn said(low: f64, groups: &[Group]) -> String {
        let n = groups.iter().map(|g| g.n[0]).sum();
        verdict(&Interval { value: 0.0, low: Some(low), high: Some(0.0), n, n_undefined: 0 }, groups)
    }

    /// The n from which on the upper end of Clopper and Pearson, `scipy.stats.beta.ppf(0.975, k + 1, n - k)`, is below 1 %.
    #[test]
    fn fewer_than_368_clips_exclude_no_loss_of_a_point() {
        assert_eq!([0, 1, 4].map(fewest_against_harm), [368, 555, 1022]);
        let n = fewest_against_harm(0) as f64;
        assert!(0.99_f64.powf(n) < 0.025 && 0.99_f64.powf(n - 1.0) > 0.025, "{n}");
    }

    #[test]
    fn clips_of_a_group_are_not_independent() {
        assert_eq!(independent(&groups(vec![(1, 1); 400])), 400);
        assert_eq!(independent(&groups([(134, 134), (133, 133), (133, 133)])), 5);
        // 188 groups of 13 clips and 52 of 12 are 3,068.
        let even = groups([vec![(13, 13); 188], vec![(12, 12); 52]].concat());
        assert_eq!(independent(&even), 444);
        assert_eq!(independent(&[]), 0);
    }

    #[test]
    fn an_interval_without_width_is_held_against_groups() {
        assert_eq!(
            said(0.0, &groups([(134, 134), (133, 133), (133, 133)])),
            "in 3 groups they count as 5 independent ones, and fewer than 368 cannot exclude a loss of more than 1 point, \
             even where none is put wrong"
        );
        assert_eq!(said(0.0, &groups(vec![(1, 1); 400])), "a loss of more than 1 point is excluded");
        // One of 400 lost: the bootstrap's end is three of 400, the exact one above 1 %.
        let one = groups([vec![(1, 1); 399], vec![(1, 0)]].concat());
        assert!(
            said(-0.0075, &one).ends_with("cannot exclude a loss of more than 1 point, where 1 group loses")
        );
    }

    #[test]
    fn an_interval_with_width_speaks_for_itself() {
        // 3,000 clips in 240 groups of which six lose a clip: the groups are too few for the exact rule, not for the interval.
        let six = groups([vec![(12, 11); 6], vec![(13, 13); 228]].concat());
        assert_eq!(said(-0.004, &six), "a loss of more than 1 point is excluded");
        assert_eq!(said(-0.012, &six), "a loss of more than 1 point is not excluded");
        // Every one of few groups gains: three groups have no trustworthy interval.
        let few = groups([(130, 131), (130, 132), (130, 131)]);
        assert!(said(0.005, &few).contains("in 3 groups they count as"));
    }
}
