//! A sentence or two about a case, made from its data: which modalities agree with the ground truth, what was answered, where
//! the attention went, and what a second run changed (App. F).

use std::fmt::Write;

use emomm_dataset::{Modality, ModalitySet};
use emomm_eval::run::{Record, RecordStatus};

use crate::analysis::{layer_shares, n_layers};
use crate::study::{Study, StudyClip, is_right};

/// The interpretation of a clip under a coalition by the first two runs; `None` where neither has a record of it.
pub(crate) fn interpretation(study: &Study, index: usize, coalition: ModalitySet) -> Option<String> {
    let clip = &study.clips[index];
    let records: Vec<(&str, &Record)> = study
        .runs
        .iter()
        .take(2)
        .filter_map(|run| Some((run.name.as_str(), run.record(index, coalition)?)))
        .collect();
    let (_, first) = *records.first()?;
    let mut out = pattern(clip, coalition);
    out.push(' ');
    let several = study.runs.len() > 1;
    for (position, (name, record)) in records.iter().enumerate() {
        let subject = if several { format!("Run {name}") } else { "The model".to_owned() };
        out.push_str(&verdict(clip, record, &subject));
        if position == 0 {
            out.push_str(
                &where_it_looked(record, coalition).map_or(String::new(), |words| format!(" {words}")),
            );
        } else {
            out.push_str(&moved(first, record, coalition).map_or(String::new(), |words| format!(" {words}")));
        }
        out.push(' ');
    }
    if let (true, Some((name, second))) = (records.len() == 2, records.get(1)) {
        let words = match (is_right(clip, first), is_right(clip, second)) {
            (false, true) => format!("Run {name} turns the wrong answer into the right one."),
            (true, false) => format!("Run {name} turns the right answer into a wrong one."),
            (true, true) => "Both are right.".to_owned(),
            (false, false) => "Both are wrong.".to_owned(),
        };
        out.push_str(&words);
    }
    Some(out.trim_end().to_owned())
}

fn listed(modalities: &[Modality]) -> String {
    let names: Vec<&str> = modalities.iter().map(|m| m.name()).collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [others @ .., last] => format!("{} and {last}", others.join(", ")),
    }
}

/// Who agrees with the ground truth.
fn pattern(clip: &StudyClip, coalition: ModalitySet) -> String {
    let of = |wanted: Option<bool>| -> Vec<Modality> {
        coalition.iter().filter(|m| clip.labels.is_aligned(*m, coalition) == wanted).collect()
    };
    let (agree, differ, unknown) = (of(Some(true)), of(Some(false)), of(None));
    let missing: Vec<Modality> = Modality::ALL.into_iter().filter(|m| !coalition.contains(*m)).collect();
    let mut out = String::new();
    if !missing.is_empty() {
        let _ = write!(out, "Without {}: ", listed(&missing));
    }
    let s = |found: &[Modality]| if found.len() == 1 { "s" } else { "" };
    let relation = match (agree.is_empty(), differ.is_empty()) {
        (true, true) => "no unimodal label says whether there is a conflict".to_owned(),
        (false, true) => format!("all that is labelled agrees with the ground truth ({})", listed(&agree)),
        (true, false) => {
            format!("{} contradict{} the ground truth, and nothing supports it", listed(&differ), s(&differ))
        }
        (false, false) => format!(
            "{} agree{} with the ground truth, {} contradict{} it",
            listed(&agree),
            s(&agree),
            listed(&differ),
            s(&differ)
        ),
    };
    out.push_str(&relation);
    if !(unknown.is_empty() || agree.is_empty() && differ.is_empty()) {
        let _ = write!(out, "; {} has no label", listed(&unknown));
    }
    let mut letters = out.chars();
    let first: String = letters.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

fn verdict(clip: &StudyClip, record: &Record, subject: &str) -> String {
    let (RecordStatus::Ok, Some(label)) = (record.status, record.label) else {
        return format!("{subject} gives no answer ({}).", record.status);
    };
    let words = label.title().to_lowercase();
    if is_right(clip, record) {
        return format!("{subject} answers {words}, which is right.");
    }
    let truth = clip.truth();
    let followed: Vec<Modality> = record
        .coalition
        .iter()
        .filter(|m| clip.labels.modalities.get(*m).is_some_and(|l| l.polarity() == label.polarity()))
        .filter(|m| clip.labels.is_aligned(*m, record.coalition) == Some(false))
        .collect();
    let how = if label.polarity() == truth.polarity() {
        "the right polarity, the wrong class".to_owned()
    } else if followed.is_empty() {
        "wrong".to_owned()
    } else {
        format!("wrong, with {}", listed(&followed))
    };
    format!("{subject} answers {words} instead of {}: {how}.", truth.title().to_lowercase())
}

/// Mean share of each modality over the last third of the layers.
fn late_shares(record: &Record, coalition: ModalitySet) -> Option<[f64; 3]> {
    let attention = record.attention.as_ref()?;
    let depth = n_layers(attention);
    let late: Vec<[f64; 3]> =
        (2 * depth / 3..depth).filter_map(|layer| layer_shares(attention, coalition, layer)).collect();
    let n = late.len() as f64;
    (n > 0.0).then(|| late.iter().fold([0.0; 3], |sum, s| [0, 1, 2].map(|i| sum[i] + s[i] / n)))
}

fn where_it_looked(record: &Record, coalition: ModalitySet) -> Option<String> {
    let shares = late_shares(record, coalition)?;
    let most = coalition.iter().max_by(|a, b| shares[a.index()].total_cmp(&shares[b.index()]))?;
    Some(format!(
        "Per token it attends most to {} in the last third of its layers ({:.0} %).",
        most.name(),
        100.0 * shares[most.index()]
    ))
}

/// Where the budget moved between two runs, in the last third of the layers.
fn moved(first: &Record, second: &Record, coalition: ModalitySet) -> Option<String> {
    let (before, after) = (late_shares(first, coalition)?, late_shares(second, coalition)?);
    let change = |m: Modality| after[m.index()] - before[m.index()];
    let most = coalition.iter().max_by(|a, b| change(*a).total_cmp(&change(*b)))?;
    if change(most) < 0.005 {
        return Some("The attention budget hardly moves.".to_owned());
    }
    Some(format!(
        "In the last third of the layers the budget moves towards {}: {:.1} to {:.1} %.",
        most.name(),
        100.0 * before[most.index()],
        100.0 * after[most.index()]
    ))
}
