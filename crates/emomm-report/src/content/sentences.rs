//! Sentences made from the data: what was run and how far it can be trusted, and the answer in three sentences.

use emomm_dataset::{Modality, PerModality};
use emomm_eval::LetterMass;
use emomm_eval::score::{Interval, PsmvFigures, ScoreOptions};
use emomm_metrics::Unparsed;

use super::percent;
use super::readings::conflicting;
use crate::analysis::{Analysis, Paired, RunAnalysis};
use crate::study::{Study, StudyRun};

/// What limits the trust in a run; empty where nothing does.
pub fn trust(run: &StudyRun, unparsed: Unparsed) -> Vec<String> {
    let mut found = Vec::new();
    let (n, planned) = (run.run.records().len(), run.n_planned());
    if n < planned {
        found.push(format!(
            "The run is not complete: {n} of {planned} records. Every figure is of what is there."
        ));
    }
    let failed = n - run.n_answered();
    if failed > 0 {
        let share = percent(failed as f64 / n.max(1) as f64);
        let they = match unparsed {
            Unparsed::Wrong => "count as wrong",
            Unparsed::Excluded => "are left out of the scores",
        };
        found.push(format!("{failed} of {n} records ({share}) have no answer; they {they}."));
    }
    if run.n_unknown > 0 {
        found.push(format!(
            "{} records are of clips that the benchmark does not hold; they are left out.",
            run.n_unknown
        ));
    }
    if run.run.is_torn() {
        found.push("The log ends in a line that was never acknowledged; it is left out.".to_owned());
    }
    found.extend(letter_spelling(run).filter(|spelling| spelling.is_doubtful).map(|spelling| spelling.words));
    found
}

/// Below this mean part of the next token's probability the bare letters say little.
const LITTLE_ON_LETTERS: f64 = 0.9;

/// From this greatest part on, the spelling that is not read may hold another answer.
const MUCH_SPACED: f64 = 0.01;

/// What a run says of how its letters are spelt.
pub(crate) struct LetterSpelling {
    /// In words.
    pub(crate) words: String,
    /// Whether it limits the trust in the answers.
    pub(crate) is_doubtful: bool,
}

/// A share that is not zero is not told as 0.0 %.
fn small(share: f64) -> String {
    if share > 0.0 && share < 5e-4 { "less than 0.1 %".to_owned() } else { percent(share) }
}

/// How much of the letters' probability is on the spelling that is not read; `None` where the run does not say.
pub(crate) fn letter_spelling(run: &StudyRun) -> Option<LetterSpelling> {
    let masses: Vec<LetterMass> = run.run.records().iter().filter_map(|r| r.letter_mass).collect();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let shares: Vec<f64> = masses.iter().filter_map(LetterMass::spaced_share).collect();
    if shares.is_empty() {
        return None;
    }
    let bare: Vec<f64> = masses.iter().map(|m| m.bare).collect();
    let most = shares.iter().copied().fold(0.0, f64::max);
    let is_doubtful = mean(&bare) < LITTLE_ON_LETTERS || most >= MUCH_SPACED;
    let words = format!(
        "Answers are read from the bare letters, which have {} of the next token's probability on average. Of the \
         probability of both spellings, letters with a space before them have {} on average and {} at most ({} record{}).",
        percent(mean(&bare)),
        small(mean(&shares)),
        small(most),
        shares.len(),
        if shares.len() == 1 { "" } else { "s" }
    );
    Some(LetterSpelling { words, is_doubtful })
}

/// Below that many groups intervals by group are wide and rough.
pub(crate) const FEW_GROUPS: usize = 20;

/// What limits the trust in every figure of a study.
pub fn study_trust(study: &Study) -> Vec<String> {
    let mut found = Vec::new();
    let groups: std::collections::BTreeSet<(&str, &str)> =
        study.clips.iter().map(|c| (c.corpus.name.as_str(), c.group.as_str())).collect();
    match groups.len() {
        1 => found.push("All clips are of one group: there are no intervals.".to_owned()),
        2..FEW_GROUPS => {
            found.push(format!("There are {} groups: intervals by group are wide and rough.", groups.len()));
        }
        _ => {}
    }
    found
}

/// Three sentences about a run: how good, what it owes to whom, whom it follows.
pub fn answer(study: &Study, analysis: &Analysis, run: usize) -> Vec<String> {
    let (Some(of), Some(analysed)) = (study.runs.get(run), analysis.runs.get(run)) else { return Vec::new() };
    // A run among others is called by its name.
    let subject = if study.runs.len() > 1 { format!("Run {}", of.name) } else { "The model".to_owned() };
    if of.n_answered() == 0 {
        return vec![format!("{subject} gave no answer to any question, so the figures say nothing of it.")];
    }
    let options = &analysis.options;
    [how_good(&subject, analysed), what_each_adds(analysed), whom_it_follows(&subject, analysed, options)]
        .into_iter()
        .flatten()
        .collect()
}

fn with_interval(interval: Interval, write: impl Fn(f64) -> String) -> String {
    match interval.low.zip(interval.high) {
        Some((low, high)) if low >= high => format!("{} [in every resample]", write(interval.value)),
        Some((low, high)) => format!("{} [{}, {}]", write(interval.value), write(low), write(high)),
        None => write(interval.value),
    }
}

fn points(value: f64) -> String {
    crate::table::rounded(value, crate::table::Form::Percent(1)).replace('-', "\u{2212}")
}

fn how_good(name: &str, analysed: &RunAnalysis) -> Option<String> {
    let full = |subset: &str| analysed.row("all", "TAV", subset).and_then(|r| r.acc);
    let overall = analysed.row("all", "overall", "all").and_then(|r| r.acc);
    match (full("align"), full("conflict")) {
        (Some(align), Some(conflict)) => Some(format!(
            "{name} names the right one of five classes for {} of clips whose modalities agree and for {} of clips whose \
             modalities conflict (n = {} and {}; chance is 20 %).",
            with_interval(align, percent),
            with_interval(conflict, percent),
            align.n,
            conflict.n
        )),
        _ => overall.map(|acc| {
            format!(
                "{name} names the right one of five classes in {} of {} samples.",
                with_interval(acc, percent),
                acc.n
            )
        }),
    }
}

fn what_each_adds(analysed: &RunAnalysis) -> Option<String> {
    let report = analysed.scores.psmv.as_ref()?;
    let order = ordered(report.all.values.map(|v| v.map(|i| i.value)));
    let listed: Vec<String> = order
        .iter()
        .map(|(m, _)| {
            let value = report.all.values.get(*m).map_or(String::new(), |i| with_interval(i, points));
            format!("{} adds {value}", m.name())
        })
        .collect();
    let mut sentence = format!("In points of accuracy, {}", listed.join(", "));
    let share = |f: &Option<PsmvFigures>| f.as_ref().and_then(|f| f.shares.video);
    let value = |f: &Option<PsmvFigures>| f.as_ref().and_then(|f| f.values.video);
    let parts = &report.subsets;
    let rest = if let (Some(align), Some(conflict)) = (share(&parts.align), share(&parts.conflict)) {
        format!(
            "; the picture's share is {} on Align and {} on Conflict.",
            with_interval(align, percent),
            with_interval(conflict, percent)
        )
    } else if let (Some(align), Some(conflict)) = (value(&parts.align), value(&parts.conflict)) {
        format!(
            "; the picture is worth {} on Align and {} on Conflict.",
            with_interval(align, points),
            with_interval(conflict, points)
        )
    } else {
        ".".to_owned()
    };
    sentence.push_str(&rest);
    Some(sentence)
}

fn whom_it_follows(name: &str, analysed: &RunAnalysis, options: &ScoreOptions) -> Option<String> {
    let [missing, full] = analysed.gtar().map(|(_, figures)| figures);
    let (fields, order, place) = [(full, "on Conflict"), (missing, "on Missing-Conflict")]
        .into_iter()
        .filter_map(|(figures, place)| {
            let order = ordered(figures?.rates.map(|r| r.map(|i| i.value)));
            Some((figures?, order, place))
        })
        .find(|(_, order, _)| !order.is_empty())?;
    let listed: Vec<String> = order
        .iter()
        .filter_map(|(m, _)| {
            Some(format!("{} {}", m.name(), with_interval((*fields.rates.get(*m))?, |v| format!("{v:.3}"))))
        })
        .collect();
    Some(format!(
        "Where {} modality is wrong ({place}), {} is right together with {}{}.",
        conflicting(options),
        in_sentence(name),
        listed.join(", "),
        doubt(&order, &fields.rates)
    ))
}

/// A subject that does not begin its sentence.
fn in_sentence(subject: &str) -> String {
    let mut letters = subject.chars();
    let first: String = letters.next().map(|c| c.to_lowercase().collect()).unwrap_or_default();
    first + letters.as_str()
}

/// What speaks against an order; nothing where there is none, or where the interval of the first lies above that of the last.
fn doubt(order: &[(Modality, f64)], rates: &PerModality<Option<Interval>>) -> &'static str {
    let (Some((first, most)), Some((last, least))) = (order.first(), order.last()) else { return "" };
    if first == last {
        return "";
    }
    if most <= least {
        return if order.len() == 2 { "; both alike" } else { "; all alike" };
    }
    let low = rates.get(*first).and_then(|i| i.low);
    let high = rates.get(*last).and_then(|i| i.high);
    match low.zip(high) {
        Some((low, high)) if low > high => "",
        Some(_) => "; the intervals overlap, so this order is not certain",
        None => "; there are no intervals, so this order is not certain",
    }
}

/// Modalities by falling value.
fn ordered(values: PerModality<Option<f64>>) -> Vec<(Modality, f64)> {
    let mut found: Vec<(Modality, f64)> =
        Modality::ALL.into_iter().filter_map(|m| Some((m, (*values.get(m))?))).collect();
    found.sort_by(|a, b| b.1.total_cmp(&a.1));
    found
}

/// So many runs after the first have a sentence each; more are told together.
const MOST_TOLD: usize = 3;

/// What each run after the first changes overall: a sentence each, or one for all of them where they are many.
pub(crate) fn differences(analysis: &Analysis) -> Vec<String> {
    let Some(family) = &analysis.against_first else { return Vec::new() };
    let overall = family.comparisons.iter().filter(|c| c.subset == "overall" && c.delta.is_some());
    let found: Vec<&Paired> = overall.collect();
    if found.len() > MOST_TOLD { vec![together(&found)] } else { found.into_iter().map(alone).collect() }
}

fn alone(c: &Paired) -> String {
    let p = c.p_holm.map_or(String::new(), |p| {
        format!(", p = {} after Holm", crate::table::rounded(p, crate::table::Form::PValue))
    });
    format!(
        "Run {} changes accuracy by {} points against {} on {} samples ({} wrong to right, {} right to wrong{p}): {}.",
        c.second,
        c.delta.map_or(String::new(), |d| with_interval(d, points)),
        c.first,
        c.n,
        c.flips.wrong_to_right,
        c.flips.right_to_wrong,
        c.verdict()
    )
}

/// How many are better and worse, and the first three of each by the size of the change.
fn together(found: &[&Paired]) -> String {
    let change = |c: &Paired| c.delta.map_or(0.0, |d| d.value);
    let told = |verdict: &str| -> String {
        let mut of: Vec<&Paired> = found.iter().copied().filter(|c| c.verdict() == verdict).collect();
        of.sort_by(|a, b| change(b).abs().total_cmp(&change(a).abs()));
        let first = of.iter().take(MOST_TOLD).map(|c| format!("{} {}", c.second, points(change(c))));
        let first: Vec<String> = first.collect();
        match first.is_empty() {
            true => format!("none is {verdict}"),
            false if of.len() > MOST_TOLD => {
                format!("{} are {verdict} (before all {})", of.len(), first.join(", "))
            }
            false => format!(
                "{} {} {verdict} ({})",
                of.len(),
                if of.len() == 1 { "is" } else { "are" },
                first.join(", ")
            ),
        }
    };
    let count = |verdict: &str| found.iter().filter(|c| c.verdict() == verdict).count();
    let others: Vec<String> = [
        ("no difference shown", "show no difference"),
        ("underpowered", "are underpowered"),
        ("not tested", "could not be tested"),
    ]
    .into_iter()
    .filter_map(|(verdict, words)| Some(format!("{} {words}", Some(count(verdict)).filter(|n| *n > 0)?)))
    .collect();
    let others = if others.is_empty() { String::new() } else { format!("; {}", others.join(", ")) };
    format!(
        "Of {} further runs against {} over all samples, {} and {}, in points of accuracy after Holm{others}. The table of \
         paired tests has them all.",
        found.len(),
        found[0].first,
        told("better"),
        told("worse"),
    )
}

#[cfg(test)]
mod tests {
    use emomm_metrics::Flips;

    use super::*;

    #[test]
    fn many_runs_are_told_together() {
        let paired = |name: &str, value: f64, p: f64| Paired {
            first: "baseline".to_owned(),
            second: name.to_owned(),
            subset: "overall".to_owned(),
            n: 100,
            n_clusters: 10,
            first_acc: 0.5,
            second_acc: 0.5 + value,
            delta: Some(Interval { value, low: None, high: None, n: 100, n_undefined: 0 }),
            p: Some(p),
            p_holm: Some(p),
            flips: Flips::default(),
            detectable: Some(0.01),
        };
        let all = [
            paired("a", 0.02, 0.01),
            paired("b", 0.11, 0.01),
            paired("c", 0.03, 0.01),
            paired("d", 0.04, 0.01),
            paired("e", -0.05, 0.01),
            paired("f", 0.2, 0.5),
        ];
        let told = together(&all.iter().collect::<Vec<_>>());
        assert!(
            told.starts_with("Of 6 further runs against baseline over all samples, 4 are better"),
            "{told}"
        );
        assert!(told.contains("(before all b 11.0, d 4.0, c 3.0) and 1 is worse (e \u{2212}5.0)"), "{told}");
        assert!(told.contains("after Holm; 1 show no difference."), "{told}");
        let none = together(&all[..1].iter().collect::<Vec<_>>());
        assert!(
            none.contains("1 is better (a 2.0) and none is worse, in points of accuracy after Holm."),
            "{none}"
        );
    }
}
