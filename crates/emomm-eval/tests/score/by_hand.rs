//! Small files whose figures are computed by hand.

#![expect(clippy::float_cmp, reason = "both sides are the double nearest to one fraction")]

use std::fmt::Write;

use emomm_eval::score::{EmptyValue, ReadOptions, ScoreOptions, score};
use emomm_metrics::Unparsed;

use crate::{answers, read_as, row, scored};

/// Four clips of CH-SIMS: centres −0.9, −0.4, 0, 0.4, 0.9.
const FOUR: &str = "id,label,score,ground_truth,label_T,label_A,label_V,group\n\
                    c1,A,-1.0,-1.0,A,A,A,s1\n\
                    c2,B,-0.8,-0.2,B,A,B,s1\n\
                    c3,,,0.4,D,C,D,s2\n\
                    c4,E,0.8,0.6,E,D,D,s2\n";

#[test]
fn four_clips() {
    let report = scored(&answers("four.csv", FOUR));
    assert_eq!((report.n, report.n_parsed), (4, 3));
    let all = row(&report, "ch-sims", "TAV", "all");
    assert_eq!((all.n, all.n_parsed, all.n_clusters), (4, 3, 2));
    // c1 and c2 are right; c3 has no answer; c4 is weakly positive (0.6).
    let value = |figure: Option<emomm_eval::score::Interval>| {
        let figure = figure.unwrap();
        ((figure.value * 1e9).round() / 1e9, figure.n)
    };
    assert_eq!(value(all.acc), (0.5, 4));
    assert_eq!(value(all.acc3), (0.75, 4));
    assert_eq!(value(all.acc2), (0.75, 4));
    // Classes A: 1, B: 1, D: 0, E: 0.
    assert_eq!(value(all.macro_f1), (0.5, 4));
    // Recall of A: 1, B: 1, D: 0.
    assert_eq!(value(all.uar), (0.666_666_667, 4));
    // |−1 + 0.9|, |−0.2 + 0.4|, |0.6 − 0.9|.
    assert_eq!(value(all.mae), (0.2, 3));
    // −1.0 is stated; −0.8 belongs to A, so the centre of B stays; 0.8 is stated.
    assert_eq!(value(all.mae_reply), (0.133_333_333, 3));
    assert_eq!((all.n_stated, all.n_disagreeing), (2, 1));
    assert!(report.notes.iter().any(|n| n.contains("class centre for 1 scores")), "{:?}", report.notes);
    // c1 is equal, c2 and c4 share the polarity, c3 has a neutral voice.
    for (subset, n) in [("align", 3), ("equal", 1), ("same-polarity", 2), ("conflict", 1)] {
        assert_eq!(row(&report, "all", "overall", subset).n, n, "{subset}");
    }
    assert_eq!(row(&report, "all", "TAV", "align").acc.unwrap().value, 2.0 / 3.0);
    // In c3 audio alone disagrees, and there is no answer.
    let gtar = report.gtar.unwrap().all;
    assert_eq!((gtar.n_conflict, gtar.denominators.text, gtar.denominators.audio), (1, 1, 0));
    assert_eq!(gtar.rates.text.unwrap().value, 0.0);
    assert_eq!(gtar.rates.audio, None);
    assert_eq!(report.psmv, None);
    assert!(report.notes.iter().any(|n| n.contains("no PSMV") && n.contains("the file has TAV")));
}

#[test]
fn missing_answers_may_be_left_out() {
    let options = ScoreOptions { unparsed: Unparsed::Excluded, ..ScoreOptions::default() };
    let report = score(&answers("four.csv", FOUR), &options).unwrap();
    let all = row(&report, "all", "TAV", "all");
    assert_eq!((all.n, all.n_parsed, all.acc.unwrap().n), (4, 3, 3));
    assert_eq!(all.acc.unwrap().value, 2.0 / 3.0);
}

/// T is worth 1 wherever it is added, A and V nothing.
#[test]
fn psmv_of_a_model_that_reads_only() {
    let mut file = "id,coalition,label,ground_truth,label_T,label_A,label_V\n".to_owned();
    for (id, truth, labels) in [("x", "E", "E,E,E"), ("y", "A", "A,E,A")] {
        for coalition in ["none", "T", "A", "V", "TA", "TV", "AV", ""] {
            let answer = if coalition.contains('T') || coalition.is_empty() { truth } else { "C" };
            let _ = writeln!(file, "{id},{coalition},{answer},{truth},{labels}");
        }
    }
    // A clip without the other coalitions takes no part.
    file.push_str("z,TAV,C,E,E,E,E\n");
    let report = scored(&answers("all.csv", file));
    let psmv = report.psmv.unwrap();
    let values = psmv.all.values.map(|v| v.unwrap().value);
    assert!((values.text - 1.0).abs() < 1e-12 && values.audio.abs() < 1e-12 && values.video.abs() < 1e-12);
    assert_eq!((psmv.all.n, psmv.all.total.unwrap().value), (2, 1.0));
    assert_eq!(psmv.all.shares.text, None);
    assert_eq!(psmv.all.positive_shares.text.unwrap().value, 1.0);
    assert_eq!(psmv.subsets.align.unwrap().n, 1);
    assert_eq!(psmv.subsets.conflict.unwrap().n, 1);
    assert!(
        report.notes.iter().any(|n| n.contains("the 2 clips that have all eight coalitions; 1 lack some"))
    );
}

/// Without rows of no evidence the notes ask for seven coalitions where seven are enough.
#[test]
fn notes_on_psmv_name_the_coalitions_that_are_needed() {
    let file = "id,coalition,label,ground_truth\nx,T,E,E\nx,TAV,E,E\n";
    let notes = |empty_value| {
        let options = ScoreOptions { empty_value, ..ScoreOptions::default() };
        score(&answers("few.csv", file), &options).unwrap().notes.join("\n")
    };
    assert!(notes(EmptyValue::Run).contains("all eight coalitions"));
    for empty in [EmptyValue::Majority, EmptyValue::Chance] {
        let notes = notes(empty);
        assert!(notes.contains("the seven coalitions with evidence") && !notes.contains("eight"), "{notes}");
    }
}

/// "Overall" is the full clip with its three masked copies; single modalities stay out.
#[test]
fn overall_pools_four_coalitions() {
    let file = "id,coalition,label,ground_truth\n\
                c,TAV,A,A\nc,TA,A,A\nc,TV,B,A\nc,AV,A,A\nc,T,B,A\nc,none,B,A\n";
    let report = scored(&answers("overall.csv", file));
    let overall = row(&report, "all", "overall", "all");
    assert_eq!((overall.n, overall.acc.unwrap().value), (4, 0.75));
    // One clip is one cluster: no interval.
    assert_eq!((overall.acc.unwrap().low, overall.acc.unwrap().high), (None, None));
}

#[test]
fn the_corpus_decides_centres_and_classes() {
    let file = "id,label,ground_truth,corpus\na,D,0.6,ch-sims\na,D,0.6,cmu-mosi\n";
    let report = scored(&answers("two.csv", file));
    assert_eq!(row(&report, "ch-sims", "TAV", "all").acc.unwrap().value, 1.0);
    // 0.6 is Positive in CMU-MOSI, and the centre of D is 0.3.
    let mosi = row(&report, "cmu-mosi", "TAV", "all");
    assert_eq!(mosi.acc.unwrap().value, 0.0);
    assert!((mosi.mae.unwrap().value - 0.3).abs() < 1e-12);
    assert_eq!(row(&report, "all", "TAV", "all").n, 2);
    // `--corpus` names that of rows without one.
    let options = ReadOptions { corpus: "cmu-mosi".to_owned(), ..ReadOptions::default() };
    let report = scored(&read_as("one.csv", "id,label,ground_truth\na,E,0.6\n", &options).unwrap());
    assert_eq!(row(&report, "cmu-mosi", "TAV", "all").acc.unwrap().value, 1.0);
}

#[test]
fn what_does_not_exist_is_null() {
    let report = scored(&answers("neutral.csv", "id,label,ground_truth\nc1,,C\n"));
    let json = serde_json::to_value(&report).unwrap();
    for key in ["acc2", "mae", "mae_reply", "pearson", "pearson_reply"] {
        assert!(json["rows"][0][key].is_null(), "{key}");
    }
    assert_eq!(json["rows"][0]["acc"]["value"], 0.0);
    assert!(json["rows"][0]["acc"]["low"].is_null());
    assert!(json["psmv"].is_null() && json["gtar"].is_null());
}
