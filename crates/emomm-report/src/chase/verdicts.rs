//! What the variants show, in sentences: does a form of the method gain, does it stand out from its placebos, how near does
//! it come to its own bound, and does it harm clips that need no help? What does not hold is said as plainly as what does.

use std::fmt::Write;

use emomm_dataset::ModalitySet;
use emomm_eval::score::Interval;
use emomm_metrics::BootstrapOptions;

use super::difference::{Difference, Samples, against_placebo, difference};
use super::variants::VariantKind;
use crate::error::ReportError;
use crate::study::{Study, StudyRun};
use crate::table::{Form, rounded};

/// Placebos that a form of the method is held against.
const PLACEBOS: [&str; 4] = ["random_gate", "random_heads", "shuffled_router", "no_router"];
/// The share of its bound's gain that it should reach.
const SHARE_OF_BOUND: f64 = 0.5;

/// One paragraph for each form of the method.
pub(super) fn verdicts(study: &Study, options: BootstrapOptions) -> Result<Vec<String>, ReportError> {
    let Some(baseline) = study.runs.first() else { return Ok(Vec::new()) };
    let mut words = Vec::new();
    for run in study.runs.iter().skip(1) {
        if VariantKind::of_run(run) == VariantKind::Method {
            words.extend(verdict(study, baseline, run, options)?);
        }
    }
    Ok(words)
}

fn verdict(
    study: &Study,
    baseline: &StudyRun,
    run: &StudyRun,
    options: BootstrapOptions,
) -> Result<Option<String>, ReportError> {
    let conflict = Samples::full(true);
    let Some(Difference { acc, delta: gain, .. }) = difference(study, (baseline, run), &conflict, options)?
    else {
        return Ok(None);
    };
    let mut text = format!(
        "{}: on {} conflicts {} instead of {}, {} points{}.",
        run.name,
        gain.n,
        percent(acc[1]),
        percent(acc[0]),
        signed(gain.value),
        match (gain.low, gain.high) {
            (Some(low), _) if low > 0.0 => format!(" {}: a gain", ends(&gain)),
            (_, Some(high)) if high < 0.0 => format!(" {}: a loss", ends(&gain)),
            (Some(_), Some(_)) => format!(" {}: no gain is shown, the interval holds 0", ends(&gain)),
            _ => String::new(),
        }
    );
    text += &against_placebos(study, run, options)?;
    if let Some(bound) = of_base(study, &run.name, "oracle_gate")
        && let Some(Difference { delta: most, .. }) =
            difference(study, (baseline, bound), &conflict, options)?
        && most.value > 0.0
    {
        let share = gain.value / most.value;
        _ = write!(
            text,
            " With a gate that is told the truth the same steering gains {} points, of which {} are reached{}.",
            signed(most.value),
            percent(share),
            if share >= SHARE_OF_BOUND { "" } else { ": less than half" }
        );
    }
    if let Some(Difference { delta: harm, groups, .. }) =
        difference(study, (baseline, run), &Samples::full(false), options)?
    {
        let verdict = super::harm::verdict(&harm, &groups);
        _ = write!(
            text,
            " On {} aligned clips {} points {}: {verdict}.",
            harm.n,
            signed(harm.value),
            ends(&harm)
        );
    }
    Ok(Some(text))
}

/// The method less each of its placebos, over the conflicts that the placebo has an answer to.
fn against_placebos(study: &Study, run: &StudyRun, options: BootstrapOptions) -> Result<String, ReportError> {
    let (mut above, mut not, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    let (mut same, mut only_heads) = (false, true);
    for placebo in PLACEBOS {
        let Some(other) = of_base(study, &run.name, placebo) else { continue };
        let (found, left_out) = against_placebo(study, (other, run), &Samples::full(true), options)?;
        let name = placebo.replace('_', " ");
        let Some(Difference { delta: lead, .. }) = found else {
            if left_out > 0 {
                failed.push(name);
            }
            continue;
        };
        if placebo == "random_heads" && steer_the_same_heads(study, other, run) {
            same = true;
            continue;
        }
        let mut told = format!("{name} {} {}", signed(lead.value), ends(&lead));
        if left_out > 0 {
            let all = left_out + lead.n;
            _ = write!(told, " ({left_out} of {all} conflicts left out, to which the placebo has no answer)");
        }
        if lead.low.is_some_and(|low| low > 0.0) {
            above.push(told);
        } else {
            not.push(told);
            only_heads &= placebo == "random_heads";
        }
    }
    let mut text = String::new();
    if !above.is_empty() {
        _ = write!(text, " It stands above its placebos: {}.", above.join(", "));
    }
    if !not.is_empty() {
        // Random heads are steered by what the router says.
        let source = if only_heads { "the choice of heads" } else { "what the router knows" };
        _ = write!(
            text,
            " It does not stand out from: {}; what it gains is not shown to come from {source}.",
            not.join(", ")
        );
    }
    if !failed.is_empty() {
        _ = write!(text, " It is not held against placebos without any answer: {}.", failed.join(", "));
    }
    if same {
        text += " Random heads are no placebo for it: the same heads are steered, for all of them are.";
    }
    Ok(text)
}

/// Whether two runs steered the same heads wherever they steered, and did steer: there was no choice of heads.
fn steer_the_same_heads(study: &Study, a: &StudyRun, b: &StudyRun) -> bool {
    let heads = |run: &StudyRun, index: usize| -> Option<Vec<(usize, Vec<usize>)>> {
        let layers = &run.record(index, ModalitySet::FULL)?.steering.as_ref()?.layers;
        Some(layers.iter().filter(|l| l.steered).map(|l| (l.layer, l.heads.clone())).collect())
    };
    let both = |index| Some((heads(a, index)?, heads(b, index)?));
    let found: Vec<_> = (0..study.clips.len()).filter_map(both).collect();
    found.iter().any(|(a, _)| !a.is_empty()) && found.iter().all(|(a, b)| a == b)
}

/// A placebo or bound on the same base: `paper` has the plain names, other bases stand before a `+`.
fn of_base<'a>(study: &'a Study, base: &str, part: &str) -> Option<&'a StudyRun> {
    let (folder, own) = base.rsplit_once('/').map_or(("", base), |(folder, own)| (folder, own));
    let wanted = if own == "paper" { part.to_owned() } else { format!("{own}+{part}") };
    let wanted = if folder.is_empty() { wanted } else { format!("{folder}/{wanted}") };
    study.runs.iter().find(|r| r.name.split('@').next() == Some(wanted.as_str()))
}

fn percent(value: f64) -> String {
    rounded(value, Form::Percent(1)) + " %"
}

fn signed(value: f64) -> String {
    let words = rounded(value, Form::Percent(1));
    if value > 0.0 && words != "0.0" { format!("+{words}") } else { words.replace('-', "\u{2212}") }
}

fn ends(interval: &Interval) -> String {
    match (interval.low, interval.high) {
        (Some(low), Some(high)) => format!("[{}, {}]", signed(low), signed(high)),
        _ => String::new(),
    }
}
