//! The filters of the list of samples.

use std::collections::BTreeSet;

use emomm_dataset::ModalitySet;
use emomm_eval::run::RecordStatus;
use serde_json::{Value, json};

use super::data;
use crate::study::{Study, StudyClip};

pub(super) fn filters(study: &Study) -> Vec<Value> {
    let option = |value: &str, words: &str| json!({ "value": value, "words": words });
    let field = |name: &str, label: &str, options: Vec<Value>| json!({ "name": name, "label": label, "options": options });
    let any = || option("", "any");
    let runs: Vec<Value> = study.runs.iter().map(|r| option(&r.name, &r.name)).collect();
    let words = |options: &[(&str, &str)]| -> Vec<Value> {
        std::iter::once(any()).chain(options.iter().map(|(v, w)| option(v, w))).collect()
    };
    let distinct = |of: fn(&StudyClip) -> &str| -> Vec<Value> {
        let found: BTreeSet<&str> = study.clips.iter().map(of).collect();
        std::iter::once(any()).chain(found.into_iter().map(|w| option(w, w))).collect()
    };
    let classes = [
        ("N", "negative"),
        ("WN", "weakly negative"),
        ("Neu", "neutral"),
        ("WP", "weakly positive"),
        ("P", "positive"),
    ];
    let mut fields = Vec::new();
    if study.runs.len() > 1 {
        let mut first = vec![option("", &study.runs[0].name)];
        first.extend(runs.iter().skip(1).cloned());
        fields.push(field("run", "Run", first));
    }
    let mut coalitions = vec![option("any", "any"), option("overall", "TAV and its pairs")];
    coalitions.extend(ModalitySet::ALL.iter().rev().map(|s| {
        let word = s.to_string();
        option(&word, if s.is_empty() { "nothing" } else { &word })
    }));
    fields.push(field("coalition", "Shown", coalitions));
    fields.push(field(
        "subset",
        "Subset",
        words(&[
            ("align", "align"),
            ("equal", "align: equal"),
            ("same-polarity", "align: same polarity"),
            ("conflict", "conflict"),
            ("missing", "missing"),
            ("missing-align", "missing-align"),
            ("missing-conflict", "missing-conflict"),
        ]),
    ));
    fields.push(field("corpus", "Corpus", distinct(|c| &c.corpus.name)));
    fields.push(field("language", "Language", distinct(|c| &c.language)));
    fields.push(field("truth", "True class", words(&classes)));
    fields.push(field("answer", "Answer", words(&classes)));
    let mut results = vec![
        any(),
        option("right", "right"),
        option("wrong", "wrong"),
        option("answered", "any answer"),
        option("none", "no answer"),
    ];
    let statuses: BTreeSet<RecordStatus> = study
        .runs
        .iter()
        .flat_map(|r| r.run.statuses().into_keys())
        .filter(|s| *s != RecordStatus::Ok)
        .collect();
    results.extend(statuses.into_iter().map(|s| option(s.name(), &format!("status {s}"))));
    fields.push(field("result", "Result", results));
    let differs: Vec<(&str, String)> = data::modality_options();
    let differs: Vec<(&str, &str)> = differs.iter().map(|(v, w)| (*v, w.as_str())).collect();
    fields.push(field("wrong", "Conflict pattern", words(&differs)));
    fields.push(field(
        "sure",
        "Probability",
        words(&[("50", "at least 50 %"), ("80", "at least 80 %"), ("95", "at least 95 %")]),
    ));
    if study.runs.len() > 1 {
        let mut against = vec![option("", "the other run")];
        against.extend(runs);
        fields.push(field("against", "Compared with", against));
        let flips = [
            ("gained", "only this run right"),
            ("lost", "only the other right"),
            ("changed", "answers differ"),
        ];
        fields.push(field("flip", "Flip", words(&flips)));
    }
    fields
}
