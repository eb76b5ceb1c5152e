//! What holds of every file.

use emomm_eval::score::{ReadOptions, ScoreOptions, score};
use proptest::prelude::*;

use crate::read_as;

const HEAD: &str = "id,coalition,label,score,ground_truth,label_T,label_A,label_V,group,corpus\n";

/// Four labels, group, corpus, and an answer with a score for each coalition.
type Clip =
    (&'static str, &'static str, &'static str, &'static str, i32, bool, Vec<(&'static str, &'static str)>);

/// A file of full and masked clips, some without an answer.
fn lines() -> impl Strategy<Value = Vec<String>> {
    let label = || prop::sample::select(vec!["A", "B", "C", "D", "E"]);
    let answer = prop::sample::select(vec!["", "A", "B", "C", "D", "E"]);
    let score = prop::sample::select(vec!["", "-1.0", "-0.4", "0.0", "0.2", "0.5", "0.8"]);
    let clip = (
        label(),
        label(),
        label(),
        label(),
        0..5,
        prop::bool::ANY,
        prop::collection::vec((answer, score), 8),
    );
    prop::collection::vec(clip, 1..12).prop_map(|clips| {
        let coalitions = ["none", "T", "A", "V", "TA", "TV", "AV", "TAV"];
        let clip = |(i, clip): (usize, Clip)| {
            let (y, t, a, v, group, is_mosi, answers) = clip;
            let corpus = if is_mosi { "cmu-mosi" } else { "ch-sims" };
            // Every third clip lacks coalitions.
            let row = move |(c, (label, score)): (&str, (&str, &str))| {
                format!("c{i},{c},{label},{score},{y},{t},{a},{v},g{group},{corpus}")
            };
            coalitions
                .into_iter()
                .zip(answers)
                .skip(if i % 3 == 2 { 4 } else { 0 })
                .map(row)
                .collect::<Vec<_>>()
        };
        clips.into_iter().enumerate().flat_map(clip).collect()
    })
}

fn json(lines: &[String]) -> String {
    let file = format!("{HEAD}{}\n", lines.join("\n"));
    let answers = read_as("p.csv", file, &ReadOptions::default()).unwrap();
    let mut options = ScoreOptions::default();
    options.bootstrap.n_resamples = 10;
    serde_json::to_string(&score(&answers, &options).unwrap()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// To the last bit, intervals included.
    #[test]
    fn the_order_of_rows_changes_nothing(
        (lines, shuffled) in lines().prop_flat_map(|l| (Just(l.clone()), Just(l).prop_shuffle()))
    ) {
        prop_assert_eq!(json(&lines), json(&shuffled));
    }

    #[test]
    fn counts_add_up_and_figures_stay_in_range(lines in lines()) {
        let report: serde_json::Value = serde_json::from_str(&json(&lines)).unwrap();
        let rows = report["rows"].as_array().unwrap();
        let n = |corpus: &str, coalition: &str, subset: &str| {
            let found = rows.iter().find(|r| {
                r["corpus"] == corpus && r["coalition"] == coalition && r["subset"] == subset
            });
            found.map_or(0, |r| r["n"].as_u64().unwrap())
        };
        let coalitions = ["none", "T", "A", "V", "TA", "TV", "AV", "TAV"];
        prop_assert_eq!(coalitions.iter().map(|c| n("all", c, "all")).sum::<u64>(), lines.len() as u64);
        prop_assert_eq!(coalitions[4..].iter().map(|c| n("all", c, "all")).sum::<u64>(), n("all", "overall", "all"));
        prop_assert_eq!(n("ch-sims", "TAV", "all") + n("cmu-mosi", "TAV", "all"), n("all", "TAV", "all"));
        prop_assert_eq!(n("all", "TAV", "align") + n("all", "TAV", "conflict"), n("all", "TAV", "all"));
        prop_assert_eq!(n("all", "TAV", "equal") + n("all", "TAV", "same-polarity"), n("all", "TAV", "align"));
        prop_assert_eq!(n("all", "TA", "missing-align") + n("all", "TA", "missing-conflict"), n("all", "TA", "all"));
        for row in rows {
            prop_assert!(row["n_parsed"].as_u64() <= row["n"].as_u64());
            for (key, (low, high)) in [("acc", (0.0, 1.0)), ("macro_f1", (0.0, 1.0)), ("mae", (0.0, 2.0)), ("pearson", (-1.0, 1.0))] {
                for end in ["value", "low", "high"] {
                    if let Some(x) = row[key][end].as_f64() {
                        prop_assert!((low..=high).contains(&x), "{} {}: {}", key, end, x);
                    }
                }
            }
        }
    }

    /// No file makes the reader panic.
    #[test]
    fn any_text_is_read_or_refused(text in "[ -~\n\r\",;\u{feff}情]{0,200}") {
        for name in ["p.csv", "p.jsonl", "p"] {
            let _ = read_as(name, &text, &ReadOptions::default());
            let _ = read_as(name, format!("{HEAD}{text}"), &ReadOptions::default());
        }
    }
}
