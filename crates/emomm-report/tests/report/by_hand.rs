//! Ten clips whose figures can be worked out on paper.
//!
//! The predictor answers the label of the first modality that it is shown, in the order T, A, V; neutral without evidence.

use emomm_dataset::{Corpus, GridScore, ModalitySet, Sentiment};
use emomm_eval::LetterMass;
use emomm_eval::run::{Record, RecordStatus};
use emomm_eval::score::{Interval, ScoreOptions};
use emomm_metrics::{BootstrapOptions, Unparsed};
use emomm_report::analysis::{Analysis, Condition};
use emomm_report::content::{answer, study_trust, tables, trust};

use crate::made_up::{MadeUp, attention, record, study, ten_clips};

pub(crate) fn options() -> ScoreOptions {
    ScoreOptions {
        bootstrap: BootstrapOptions { n_resamples: 60, ..Default::default() },
        ..Default::default()
    }
}

fn label(clip: &MadeUp, source: usize) -> Sentiment {
    let corpus: Corpus = clip.corpus.parse().unwrap();
    corpus.class_of(GridScore::from_steps(clip.steps[source]).unwrap())
}

/// One record for each coalition, with attention T : A : V = 4 : 2 : 1 per token in three layers.
pub(crate) fn first_shown(clips: &[MadeUp]) -> Vec<Record> {
    let mut records = Vec::new();
    for clip in clips {
        for coalition in ModalitySet::ALL {
            let said = coalition.iter().next().map_or(Sentiment::Neutral, |m| label(clip, m.index() + 1));
            let attention = (!coalition.is_empty()).then(|| attention(coalition, [0.4, 0.2, 0.1], 3));
            records.push(Record { attention, ..record(clip, coalition, said) });
        }
    }
    records
}

pub(crate) fn always_right(clips: &[MadeUp]) -> Vec<Record> {
    clips.iter().flat_map(|c| ModalitySet::ALL.map(|s| record(c, s, label(c, 0)))).collect()
}

fn near(found: Option<Interval>, expected: f64) {
    let found = found.expect("a figure").value;
    assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
}

#[test]
fn every_coalition_has_its_accuracy_on_align_and_conflict() {
    let clips = ten_clips();
    let study = study(&clips, &[("run", first_shown(&clips))]);
    let analysis = Analysis::of(&study, options()).unwrap();
    let found = &analysis.runs[0].coalitions;
    let expected = [
        ("none", 0.2, 0.2),
        ("T", 1.0, 0.4),
        ("A", 0.8, 0.4),
        ("V", 1.0, 0.6),
        ("TA", 1.0, 0.4),
        ("TV", 1.0, 0.4),
        ("AV", 0.8, 0.4),
        ("TAV", 1.0, 0.4),
    ];
    assert_eq!(found.len(), 8);
    for (c, (word, align, conflict)) in found.iter().zip(expected) {
        assert_eq!(c.coalition.to_string(), word);
        near(c.align, align);
        near(c.conflict, conflict);
        near(c.drop, align - conflict);
    }
    near(analysis.runs[0].row("all", "overall", "all").unwrap().acc, 27.0 / 40.0);
    near(analysis.runs[0].missing.as_ref().unwrap().acc, 20.0 / 30.0);
}

#[test]
fn contribution_preference_and_gain_are_those_worked_out() {
    let clips = ten_clips();
    let study = study(&clips, &[("run", first_shown(&clips))]);
    let analysis = Analysis::of(&study, options()).unwrap();
    let run = &analysis.runs[0];
    let psmv = &run.scores.psmv.as_ref().unwrap().all;
    near(psmv.values.text, 0.2);
    near(psmv.values.audio, 0.1);
    near(psmv.values.video, 0.2);
    // Exactly one modality is wrong in c1 (V), c2 (T) and c3 (A); the model follows the text.
    let table = tables(&study, &analysis).into_iter().find(|t| t.name == "gtar").unwrap();
    let lines: Vec<String> =
        table.csv().lines().filter(|l| l.contains(",conflict,")).map(str::to_owned).collect();
    assert!(lines[0].starts_with("run,conflict,text,2,2,1,"), "{lines:?}");
    assert!(lines[1].starts_with("run,conflict,audio,1,2,0.5,"), "{lines:?}");
    assert!(lines[2].starts_with("run,conflict,video,1,2,0.5,"), "{lines:?}");
    let delta = run.delta_v.as_ref().unwrap();
    assert_eq!((delta.n, delta.picture.as_str()), (5, "original"));
    near(delta.acc5, 0.0);
}

#[test]
fn attention_is_averaged_over_the_samples_of_its_condition() {
    let clips = ten_clips();
    let study = study(&clips, &[("run", first_shown(&clips))]);
    let analysis = Analysis::of(&study, options()).unwrap();
    let profile = analysis.runs[0].profile(Condition::Conflict(ModalitySet::FULL)).unwrap();
    assert_eq!((profile.n, profile.layers.len()), (5, 3));
    let second = &profile.layers[1];
    near(second.share.text, 4.0 / 7.0);
    near(second.share.video, 1.0 / 7.0);
    assert!((second.nmas.text.unwrap() - 0.8).abs() < 1e-12);
    assert!((second.mass.audio.unwrap() - 4.0).abs() < 1e-12);
    let pair = analysis.runs[0].profile(Condition::Conflict("AV".parse().unwrap())).unwrap();
    // c1 (V), c3 (A), c4 (A) and c5 (both); c2 shows two that agree.
    assert_eq!(pair.n, 4);
    assert_eq!(pair.layers[0].share.text, None);
    near(pair.layers[0].share.audio, 2.0 / 3.0);
    // nMAS falls from T to V while GTAR is 1, 1/2, 1/2 under TAV: they go together.
    let coupling = &analysis.runs[0].coupling[0];
    assert!(coupling.points.iter().all(|p| p.n_right <= p.n));
}

#[test]
fn runs_are_compared_on_the_same_samples() {
    let clips = ten_clips();
    let runs = [("first", first_shown(&clips)), ("second", always_right(&clips))];
    let study = study(&clips, &runs);
    let analysis = Analysis::of(&study, options()).unwrap();
    let family = analysis.against_first.as_ref().unwrap();
    let of = |subset: &str| family.comparisons.iter().find(|c| c.subset == subset).unwrap();
    let overall = of("overall");
    assert_eq!((overall.n, overall.flips.wrong_to_right, overall.flips.right_to_wrong), (40, 13, 0));
    near(overall.delta, 13.0 / 40.0);
    near(of("conflict").delta, 0.6);
    assert_eq!(of("align").n, 5);
    assert!(family.comparisons.iter().all(|c| c.p_holm >= c.p));
    // Five groups: no p-value can be below 2/32.
    assert!(overall.p.unwrap() >= 2.0 / 32.0);
    assert_ne!(overall.verdict(), "better");
}

#[test]
fn what_is_missing_is_said_and_counts_as_wrong() {
    let clips = ten_clips();
    let mut records = first_shown(&clips);
    records.truncate(records.len() - 8);
    for record in records.iter_mut().filter(|r| r.sample.ends_with("a1")) {
        record.status = RecordStatus::Timeout;
    }
    let study = study(&clips, &[("run", records)]);
    let analysis = Analysis::of(&study, options()).unwrap();
    assert_eq!(study.clips.len(), 9);
    let trust = trust(&study.runs[0], Unparsed::Wrong).join(" ") + &study_trust(&study).join(" ");
    assert!(trust.contains("8 of 72 records (11.1 %) have no answer"), "{trust}");
    assert!(!trust.contains("with a space before them"), "{trust}");
    assert!(trust.contains("5 groups") || trust.contains("4 groups"), "{trust}");
    near(analysis.runs[0].row("all", "TAV", "align").unwrap().acc, 4.0 / 5.0);
    let table = tables(&study, &analysis).into_iter().find(|t| t.name == "errors").unwrap();
    assert!(table.csv().contains("run,timeout,,8,"), "{}", table.csv());
}

#[test]
fn the_spelling_that_is_not_read_is_told_with_mean_and_most() {
    let clips = ten_clips();
    let mut records = first_shown(&clips);
    for (at, record) in records.iter_mut().enumerate() {
        // Shares of 0.25 and 0.75; the third says nothing of it, and the others nothing at all.
        let spaced = [Some(0.1), Some(0.9), None];
        record.letter_mass = spaced.get(at).map(|spaced| LetterMass { bare: 0.3, spaced: *spaced });
    }
    let study = study(&clips, &[("run", records)]);
    let said = trust(&study.runs[0], Unparsed::Wrong).join(" ");
    assert!(said.contains("have 30.0 % of the next token's probability on average"), "{said}");
    assert!(said.contains("have 50.0 % on average and 75.0 % at most (2 records)"), "{said}");
    let mut records = first_shown(&clips);
    records[0].letter_mass = Some(LetterMass { bare: 0.8, spaced: Some(1e-6) });
    let study = crate::made_up::study(&clips, &[("run", records.clone())]);
    let said = trust(&study.runs[0], Unparsed::Wrong).join(" ");
    assert!(said.contains("less than 0.1 % on average and less than 0.1 % at most (1 record)"), "{said}");
    // Where letters have nearly everything there is nothing to doubt: it is a fact of the run beside others.
    records[0].letter_mass = Some(LetterMass { bare: 0.99, spaced: Some(1e-6) });
    let study = crate::made_up::study(&clips, &[("run", records)]);
    assert!(trust(&study.runs[0], Unparsed::Wrong).is_empty());
    let folder = tempfile::tempdir().unwrap();
    let page = crate::pages::written(&study, &folder.path().join("report.html"));
    assert!(page.contains("which have 99.0 % of the next token"), "{page}");
}

#[test]
fn the_answer_names_what_was_found() {
    let clips = ten_clips();
    let study = study(&clips, &[("run", first_shown(&clips))]);
    let analysis = Analysis::of(&study, options()).unwrap();
    let said = answer(&study, &analysis, 0);
    assert_eq!(said.len(), 3);
    assert!(
        said[0].contains("100.0 %") && said[0].contains("40.0 %") && said[0].contains("n = 5 and 5"),
        "{}",
        said[0]
    );
    assert!(said[1].contains("text adds 20.0") && said[1].contains("audio adds 10.0"), "{}", said[1]);
    assert!(said[2].contains("text 1.000") && said[2].contains("video 0.500"), "{}", said[2]);
}

/// A run with one coalition only, or none of whose clips conflict, still has its tables.
#[test]
fn little_data_gives_few_tables_and_no_panic() {
    let clips: Vec<MadeUp> = ten_clips().into_iter().take(2).collect();
    let records = clips.iter().map(|c| record(c, ModalitySet::FULL, label(c, 0))).collect();
    let study = study(&clips, &[("run", records)]);
    let analysis = Analysis::of(&study, options()).unwrap();
    assert!(analysis.runs[0].scores.psmv.is_none() && analysis.runs[0].delta_v.is_none());
    let names: Vec<String> = tables(&study, &analysis).into_iter().map(|t| t.name).collect();
    assert!(names.contains(&"table1".to_owned()) && !names.contains(&"psmv".to_owned()), "{names:?}");
    assert!(!answer(&study, &analysis, 0).is_empty());
}
