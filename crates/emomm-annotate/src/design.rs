//! Who labels what, and in which order: computed from a seed before the work begins, stored, never improvised.
//!
//! Modalities of one clip are kept apart twice: here by position (the clips that end one pass do not begin the next)
//! and at work by time ([`Settings::min_gap`](crate::Settings::min_gap)).

use crate::error::AnnotateError;
use crate::opaque::seeded_key;
use crate::settings::{Design, Settings};

/// Most sets of annotators that a balanced design looks at for a clip.
const MAX_SETS: usize = 5000;

/// For each clip the annotators that label it, both by position.
///
/// # Errors
/// Where there are fewer annotators than labels wanted.
pub fn assign(
    settings: &Settings,
    n_clips: usize,
    n_annotators: usize,
) -> Result<Vec<Vec<usize>>, AnnotateError> {
    let all: Vec<usize> = (0..n_annotators).collect();
    if n_annotators == 0 {
        return too_few(n_annotators, "at least 1");
    }
    match settings.design {
        Design::Full => Ok(vec![all; n_clips]),
        Design::Ranges => {
            let teams = n_annotators / settings.votes;
            if teams == 0 {
                return too_few(n_annotators, &format!("at least {} for a team", settings.votes));
            }
            // Annotators that do not fill a team make the first teams larger.
            let team_of =
                |team: usize| -> Vec<usize> { all.iter().copied().filter(|a| a % teams == team).collect() };
            Ok((0..n_clips).map(|clip| team_of(clip * teams / n_clips.max(1))).collect())
        }
        Design::Balanced => {
            if settings.votes > n_annotators {
                return too_few(n_annotators, &format!("at least {}, the labels of a clip", settings.votes));
            }
            Ok(balanced(n_clips, n_annotators, settings.votes))
        }
    }
}

fn too_few<T>(found: usize, expected: &str) -> Result<T, AnnotateError> {
    Err(AnnotateError::Option {
        option: "annotators".to_owned(),
        found: found.to_string(),
        expected: expected.to_owned(),
    })
}

/// Takes for every clip the set of annotators that is needed least: by load, then by how often its pairs met.
fn balanced(n_clips: usize, n: usize, votes: usize) -> Vec<Vec<usize>> {
    let sets = sets(n, votes);
    let mut load = vec![0_usize; n];
    let mut met = vec![0_usize; n * n];
    let mut used = vec![0_usize; sets.len()];
    let mut design = Vec::with_capacity(n_clips);
    for clip in 0..n_clips {
        let cost = |(index, set): (usize, &Vec<usize>)| {
            let loads: usize = set.iter().map(|a| load[*a]).sum();
            let greatest = set.iter().map(|a| load[*a]).max().unwrap_or(0);
            let pairs: usize =
                set.iter().flat_map(|a| set.iter().map(move |b| (a, b))).map(|(a, b)| met[a * n + b]).sum();
            (loads, greatest, pairs, used[index], seeded_key(0, &[&clip.to_string(), &index.to_string()]))
        };
        let Some(best) = (0..sets.len()).min_by_key(|i| cost((*i, &sets[*i]))) else { break };
        used[best] += 1;
        for a in &sets[best] {
            load[*a] += 1;
            for b in &sets[best] {
                met[a * n + b] += usize::from(a != b);
            }
        }
        design.push(sets[best].clone());
    }
    design
}

/// All sets of `k` of `n` annotators, or so many of them as are looked at, spread evenly.
fn sets(n: usize, k: usize) -> Vec<Vec<usize>> {
    let mut sets = vec![Vec::new()];
    for _ in 0..k {
        sets = sets
            .iter()
            .flat_map(|set| {
                let from = set.last().map_or(0, |last: &usize| last + 1);
                (from..n).map(|a| [set.as_slice(), &[a]].concat())
            })
            .collect();
        if sets.len() > MAX_SETS {
            // Circles: every annotator stands in k of them.
            return (1..n)
                .flat_map(|stride| (0..n).map(move |start| (start, stride)))
                .map(|(start, stride)| {
                    let mut set: Vec<usize> = (0..k).map(|i| (start + i * stride) % n).collect();
                    set.sort_unstable();
                    set.dedup();
                    set
                })
                .filter(|set| set.len() == k)
                .collect();
        }
    }
    sets
}

/// The order in which an annotator sees `clips` in each of `n_passes` passes.
///
/// Shuffled for every annotator and pass. A clip of the last third of a pass is not in the first third of the next.
pub fn orders(seed: u64, annotator: &str, clips: &[i64], n_passes: usize) -> Vec<Vec<i64>> {
    let mut orders: Vec<Vec<i64>> = Vec::with_capacity(n_passes);
    for pass in 0..n_passes {
        let key = |clip: &i64| seeded_key(seed, &["order", annotator, &pass.to_string(), &clip.to_string()]);
        let mut order = clips.to_vec();
        order.sort_by_key(key);
        if let Some(before) = orders.last() {
            let late = &before[before.len() - before.len() / 3..];
            let (mut early, mut rest): (Vec<i64>, Vec<i64>) = order.iter().partition(|c| !late.contains(c));
            // The first third comes from those that were not late; everything else is shuffled behind it.
            let tail = early.split_off(clips.len() / 3);
            rest.extend(tail);
            rest.sort_by_key(key);
            early.extend(rest);
            order = early;
        }
        orders.push(order);
    }
    orders
}

/// Puts repeated items into an order: a share of it, each at least `distance` items after its first time. Where the order
/// is too short, as many as have room. The flag says whether it is the second time.
pub fn with_repeats(
    seed: u64,
    annotator: &str,
    order: &[i64],
    share: f64,
    distance: usize,
) -> Vec<(i64, bool)> {
    let n = order.len();
    let wanted = (n as f64 * share).round() as usize;
    let distance = distance.min(n / 2).max(1);
    let room = n.saturating_sub(distance);
    let mut chosen: Vec<usize> = (0..room).collect();
    chosen.sort_by_key(|i| seeded_key(seed, &["repeat", annotator, &order[*i].to_string()]));
    chosen.truncate(wanted);
    // Behind which position of the order each repeat comes.
    let mut behind: Vec<(usize, i64)> = chosen
        .into_iter()
        .map(|i| {
            let free = n - i - distance;
            let extra = seeded_key(seed, &["where", annotator, &order[i].to_string()]) as usize % free.max(1);
            (i + distance + extra, order[i])
        })
        .collect();
    behind.sort_unstable();
    let mut out = Vec::with_capacity(n + behind.len());
    let mut behind = behind.into_iter().peekable();
    for (i, clip) in order.iter().enumerate() {
        out.push((*clip, false));
        while let Some((_, repeated)) = behind.next_if(|(at, _)| *at <= i) {
            out.push((repeated, true));
        }
    }
    out.extend(behind.map(|(_, clip)| (clip, true)));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(design: Design, votes: usize) -> Settings {
        Settings { design, votes, ..Settings::default() }
    }

    #[test]
    fn full_gives_everything_to_everybody() {
        assert_eq!(assign(&settings(Design::Full, 5), 2, 3).unwrap(), vec![vec![0, 1, 2]; 2]);
        assert!(assign(&settings(Design::Full, 5), 2, 0).is_err());
    }

    #[test]
    fn ranges_cut_seq_into_one_piece_for_each_team() {
        let design = assign(&settings(Design::Ranges, 2), 10, 4).unwrap();
        assert!(
            design[..5].iter().all(|team| *team == [0, 2]) && design[5..].iter().all(|team| *team == [1, 3])
        );
        assert!(assign(&settings(Design::Ranges, 5), 10, 4).is_err());
    }

    #[test]
    fn balanced_loads_and_pairs_differ_by_little() {
        let design = assign(&settings(Design::Balanced, 3), 200, 5).unwrap();
        let mut load = [0; 5];
        let mut pairs = std::collections::BTreeMap::new();
        for set in &design {
            assert_eq!(set.len(), 3);
            for (i, a) in set.iter().enumerate() {
                load[*a] += 1;
                for b in &set[i + 1..] {
                    *pairs.entry((*a, *b)).or_insert(0) += 1;
                }
            }
        }
        assert_eq!(load, [120; 5]);
        // 200 clips of three pairs each over ten pairs.
        assert_eq!(pairs.len(), 10);
        assert!(pairs.values().all(|n| (59..=61).contains(n)), "{pairs:?}");
    }

    #[test]
    fn many_annotators_are_balanced_too() {
        let design = assign(&settings(Design::Balanced, 5), 300, 50).unwrap();
        let mut load = [0; 50];
        design.iter().flatten().for_each(|a| load[*a] += 1);
        assert!(load.iter().all(|n| (29..=31).contains(n)), "{load:?}");
    }

    #[test]
    fn the_end_of_a_pass_is_not_the_beginning_of_the_next() {
        let clips: Vec<i64> = (0..100).collect();
        let orders = orders(3, "A1", &clips, 3);
        for (before, after) in orders.iter().zip(&orders[1..]) {
            let mut sorted = after.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, clips);
            assert!(after[..33].iter().all(|c| !before[67..].contains(c)));
            assert_ne!(before, after);
        }
        assert_ne!(orders, super::orders(3, "A2", &clips, 3));
        assert_eq!(orders, super::orders(3, "A1", &clips, 3));
    }

    #[test]
    fn repeats_keep_their_distance() {
        let order: Vec<i64> = (0..200).collect();
        let with = with_repeats(1, "A1", &order, 0.05, 50);
        assert_eq!(with.iter().filter(|(_, again)| *again).count(), 10);
        for (second, (clip, again)) in with.iter().enumerate() {
            if *again {
                let first = with.iter().position(|(c, _)| c == clip).unwrap();
                assert!(second - first > 50, "{clip}: {first} and {second}");
            }
        }
        assert_eq!(with_repeats(1, "A1", &[], 0.5, 50), []);
        assert_eq!(with_repeats(1, "A1", &[7], 0.5, 50), [(7, false)]);
    }
}
