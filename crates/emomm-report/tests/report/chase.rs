//! Variants of CHASE as runs: Table 6 by hand, gain by conflict pattern, kinds of variants.

use emomm_dataset::{ModalitySet, PerModality};
use emomm_eval::run::{Record, RecordStatus, SteeredLayer, SteeringTrace};
use emomm_eval::score::ScoreOptions;
use emomm_metrics::Unparsed;
use emomm_report::analysis::Analysis;
use emomm_report::chase::{Beside, chase_content};
use emomm_report::table::Table;

use crate::by_hand::{always_right, first_shown, options};
use crate::made_up::{MadeUp, manifest, study, ten_clips};

/// A layer with a gate, steered or not.
fn layer(number: usize, gate: [f64; 3], steered: bool) -> SteeredLayer {
    let [text, audio, video] = gate.map(Some);
    let even = PerModality { text: Some(0.5), audio: Some(0.3), video: Some(0.2) };
    SteeredLayer {
        layer: number,
        conflict_prob: Some(if steered { 0.9 } else { 0.1 }),
        gate: PerModality { text, audio, video },
        steered,
        heads: vec![0, 2],
        greatest_bias: steered.then_some(1.5),
        heads_below_target: steered.then_some(1),
        greatest_mass_after: steered.then_some(0.75),
        preference_before: even,
        preference_after: PerModality { text: Some(0.4), ..even },
        steered_heads_before: steered.then_some(even),
        steered_heads_after: steered.then_some(PerModality { text: Some(0.25), video: Some(0.5), ..even }),
    }
}

/// Every full clip is steered in three layers: two gates point to the text, one strongly to the video. c1 is not steered.
pub(crate) fn steered(records: Vec<Record>) -> Vec<Record> {
    let trace = |sample: &str| {
        let on = !sample.ends_with("c1");
        let layers = vec![
            layer(13, [0.4, 0.3, 0.3], on),
            layer(14, [0.4, 0.3, 0.3], on),
            layer(15, [0.0, 0.0, 1.0], on),
        ];
        // Two frames of two patches by two, merged to one token each.
        SteeringTrace { variant: "tuned".to_owned(), layers, importance: Some(vec![0.75, 0.25]) }
    };
    let with = |r: Record| {
        let steering = (r.coalition == ModalitySet::FULL).then(|| trace(&r.sample));
        Record { steering, grid_thw: Some([2, 2, 2]), ..r }
    };
    records.into_iter().map(with).collect()
}

fn content() -> Vec<Table> {
    let clips = ten_clips();
    let runs = [("baseline", first_shown(&clips)), ("tuned", steered(always_right(&clips)))];
    let study = study(&clips, &runs);
    let analysis = Analysis::of(&study, options()).unwrap();
    chase_content(&study, &analysis, &options(), &Beside::default()).unwrap().unwrap().tables
}

fn line(tables: &[Table], name: &str, begins: &str) -> String {
    let csv = tables.iter().find(|t| t.name == name).unwrap().csv();
    csv.lines().find(|l| l.starts_with(begins)).unwrap_or_else(|| panic!("{begins} in {csv}")).to_owned()
}

/// By class, six clips conflict: a2, whose voice is weaker than the truth, and c1 to c5. In c5 nothing is right; c1 is not
/// steered. The mean gate points to the video, two of three layers to the text. Video is right in a2, c2, c3 and c4, text in
/// a2 and c3. The four others are steered, too. By polarity a2 is no conflict.
#[test]
fn the_three_readings_of_table_6_by_hand() {
    let tables = content();
    // Steered with a target: a2, c2, c3, c4. The mean gate is right in all four, the majority in a2 and c3. Pairs of sample
    // and layer: 3, 1, 3 and 1 of 12 that were steered, of 15 that were read. Joint: over the five that have a target.
    let fields = |level: &str| -> Vec<f64> {
        let row = line(&tables, "chase-detection", &format!("tuned,test,{level},"));
        row.split(',').skip(3).map(|f| f.parse().unwrap()).collect()
    };
    let close = |level: &str, expected: &[f64]| {
        let found = fields(level);
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found_one, expected) in found.iter().zip(expected) {
            assert!((found_one - expected).abs() < 1e-12, "{level}: {found:?}");
        }
    };
    let (by_class, joint) =
        ([6.0, 1.0, 4.0, 5.0 / 6.0, 1.0, 1.0, 0.5, 8.0 / 12.0], [4.0 / 5.0, 2.0 / 5.0, 8.0 / 15.0]);
    close("class", &[&by_class[..], &joint[..]].concat());
    // Five conflicts, of which c5 has no target; a2 is among the others.
    let polarity = fields("polarity");
    assert_eq!(polarity[..3], [5.0, 1.0, 5.0], "{polarity:?}");
    assert!((polarity[3] - 0.8).abs() < 1e-12 && (polarity[4] - 1.0).abs() < 1e-12, "{polarity:?}");
    assert!(line(&tables, "chase-detection", "\"paper, Table 6\",test,").contains("0.8965"));
}

#[test]
fn gains_are_told_by_what_conflicts() {
    let tables = content();
    // Only the text is wrong in c2, which the baseline answers wrongly and the variant rightly.
    assert!(line(&tables, "chase-patterns", "tuned,T,").starts_with("tuned,T,1,0,1,1,"));
    assert!(line(&tables, "chase-patterns", "tuned,none,").starts_with("tuned,none,5,1,1,0,"));
    let budget = line(&tables, "chase-budget", "tuned,13,");
    assert!(budget.starts_with("tuned,13,10,0.9,0.5,0."), "{budget}");
    assert!(budget.ends_with(",1.5,0.75,0.5"), "{budget}");
    let of_heads = line(&tables, "chase-budget-steered", "tuned,13,");
    // Nine of the ten clips are steered; T, A, V before and after.
    assert!(of_heads.starts_with("tuned,13,9,1,0.5,0.25,"), "{of_heads}");
    let variant = line(&tables, "chase-variants", "tuned,method,conflict,");
    assert!(variant.starts_with("tuned,method,conflict,5,1,"), "{variant}");
}

/// Three runs: the method, its placebo and its bound. Of five conflicts the baseline answers c1 and c3 rightly.
#[test]
fn what_holds_and_what_does_not_is_said_in_words() {
    let clips = ten_clips();
    let runs = [
        ("baseline", first_shown(&clips)),
        ("paper", steered(always_right(&clips))),
        ("random_gate", steered(first_shown(&clips))),
        ("oracle_gate", steered(always_right(&clips))),
        ("two_pass", steered(first_shown(&clips))),
        ("two_pass+random_gate", steered(first_shown(&clips))),
    ];
    let study = study(&clips, &runs);
    let analysis = Analysis::of(&study, options()).unwrap();
    let content = chase_content(&study, &analysis, &options(), &Beside::default()).unwrap().unwrap();
    let about = |name: &str| content.words.iter().find(|w| w.starts_with(name)).unwrap().clone();
    let paper = about("paper: ");
    assert!(
        paper.contains("100.0 % are reached") && paper.contains("On 5 aligned clips 0.0 points"),
        "{paper}"
    );
    let two_pass = about("two_pass: ");
    assert!(
        two_pass.contains("no gain is shown") && two_pass.contains("does not stand out from: random gate")
    );
    assert!(content.words.iter().all(|w| !w.starts_with("random_gate")), "{:?}", content.words);
    assert!(content.words.iter().any(|w| w.contains("Only 5 conflicts")), "{:?}", content.words);
    let outputs = line(&content.tables, "chase-outputs", "TAV,");
    assert!(outputs.starts_with("TAV,4,"), "{outputs}");
    assert!(content.figures.iter().any(|f| f.name == "chase-heads"));
    let importance = content.figures.iter().find(|f| f.name == "chase-importance").unwrap();
    let csv = importance.data.csv();
    assert!(
        csv.lines().any(|l| l.ends_with(",1,1,1,0.75")) && csv.lines().any(|l| l.ends_with(",2,1,1,0.25")),
        "{csv}"
    );
}

/// So many times ten clips, five of them aligned, each ten in groups of their own.
fn many(times: usize) -> Vec<MadeUp> {
    let copy =
        |i: usize| ten_clips().into_iter().map(move |c| MadeUp { group: format!("{}-{i}", c.group), ..c });
    (0..times).flat_map(copy).collect()
}

fn words(clips: &[MadeUp], runs: &[(&str, Vec<Record>)], beside: &Beside) -> Vec<String> {
    let study = study(clips, runs);
    let analysis = Analysis::of(&study, options()).unwrap();
    chase_content(&study, &analysis, &options(), beside).unwrap().unwrap().words
}

/// An interval of no width on few clips is no proof: none of 200 put wrong goes together with two in a hundred.
#[test]
fn a_loss_is_excluded_only_by_as_many_clips_as_that_takes() {
    // Two of five aligned clips are of one group: seven in five, on average over clips.
    for (times, in_three, expected) in [
        (
            40,
            false,
            "On 200 aligned clips 0.0 points [0.0, 0.0]: in 160 groups they count as 166 independent ones, and \
          fewer than 368 cannot exclude a loss of more than 1 point, even where none is put wrong.",
        ),
        (
            80,
            true,
            "On 400 aligned clips 0.0 points [0.0, 0.0]: in 3 groups they count as 5 independent ones",
        ),
        (90, false, "On 450 aligned clips 0.0 points [0.0, 0.0]: a loss of more than 1 point is excluded."),
    ] {
        let mut clips = many(times);
        if in_three {
            for (at, clip) in clips.iter_mut().enumerate() {
                (clip.corpus, clip.group, clip.name) =
                    ("ch-sims", format!("g{}", at % 3), format!("{}-{at}", clip.name));
            }
        }
        let runs = [("baseline", first_shown(&clips)), ("paper", steered(always_right(&clips)))];
        let words = words(&clips, &runs, &Beside::default());
        assert!(words.iter().any(|w| w.contains(expected)), "{words:?}");
    }
}

/// The records with no answer to clips whose name is among these.
fn failed_on(records: Vec<Record>, names: &[&str]) -> Vec<Record> {
    let is_meant = |r: &Record| names.iter().any(|name| r.sample.ends_with(name));
    let fail = |r: Record| {
        if is_meant(&r) { Record { status: RecordStatus::Error, label: None, ..r } } else { r }
    };
    records.into_iter().map(fail).collect()
}

/// A placebo that could not be computed on some clips has not lost there.
#[test]
fn a_placebo_without_answers_is_not_outdone() {
    let clips = many(40);
    let told = |failing: &[&str]| {
        let runs = [
            ("baseline", first_shown(&clips)),
            ("paper", steered(always_right(&clips))),
            ("random_gate", failed_on(steered(always_right(&clips)), failing)),
        ];
        words(&clips, &runs, &Beside::default()).into_iter().find(|w| w.starts_with("paper: ")).unwrap()
    };
    let some = told(&["c3", "c4"]);
    let expected = "does not stand out from: random gate 0.0 [0.0, 0.0] (80 of 200 conflicts left out, to which the \
                    placebo has no answer)";
    assert!(some.contains(expected), "{some}");
    let none = told(&["c1", "c2", "c3", "c4", "c5"]);
    assert!(none.contains("It is not held against placebos without any answer: random gate."), "{none}");
    assert!(!none.contains("stand"), "{none}");
}

/// A method that fails on conflicts has lost them: against the baseline, its placebo, its bound, and on Align.
#[test]
fn a_missing_answer_of_the_method_or_the_baseline_is_wrong() {
    let clips = many(10);
    let method = || steered(always_right(&clips));
    // The baseline would be right on c1 and c3, and on all that is aligned.
    let runs = [
        ("baseline", failed_on(first_shown(&clips), &["c3"])),
        ("paper", failed_on(method(), &["a1", "c1", "c2", "c3"])),
        ("random_gate", method()),
        ("oracle_gate", failed_on(method(), &["c1", "c2"])),
    ];
    for unparsed in [Unparsed::Wrong, Unparsed::Excluded] {
        let options = ScoreOptions { unparsed, ..options() };
        let study = study(&clips, &runs);
        let analysis = Analysis::of(&study, options).unwrap();
        let content = chase_content(&study, &analysis, &options, &Beside::default()).unwrap().unwrap();
        let paper = content.words.iter().find(|w| w.starts_with("paper: ")).unwrap();
        for expected in [
            "on 50 conflicts 40.0 % instead of 20.0 %, +20.0 points",
            "does not stand out from: random gate \u{2212}60.0 [",
            "gains +40.0 points, of which 50.0 % are reached",
            "On 50 aligned clips \u{2212}20.0 points [",
        ] {
            assert!(paper.contains(expected), "{unparsed:?}: {expected} in {paper}");
        }
        let rows = manifest(&clips).rows;
        let copies = rows.iter().filter(|r| {
            r.coalition.to_string() == "TA" && r.subset == Some(emomm_dataset::Subset::MissingConflict)
        });
        let copies: Vec<&str> = copies.map(|r| r.clip_id.as_str()).collect();
        let right = copies.iter().filter(|c| !["a1", "c1", "c2", "c3"].contains(c)).count();
        assert!(right > 0 && right < copies.len());
        let missing = line(&content.tables, "chase-missing", "paper,TA,missing-conflict,");
        let fields: Vec<&str> = missing.split(',').collect();
        assert_eq!(fields[3], copies.len().to_string(), "{missing}");
        let share: f64 = fields[5].parse().unwrap();
        assert!((share - right as f64 / copies.len() as f64).abs() < 1e-12, "{missing}");
        let patterns = line(&content.tables, "chase-patterns", "paper,none,");
        assert!(patterns.starts_with("paper,none,50,1,0.8,"), "{patterns}");
        let said = "In paired differences a record without an answer is not right";
        let is_told = unparsed == Unparsed::Excluded;
        for name in ["chase-variants", "chase-patterns", "chase-missing"] {
            let table = content.tables.iter().find(|t| t.name == name).unwrap();
            assert_eq!(table.note.contains(said), is_told, "{name}: {}", table.note);
        }
        assert_eq!(content.words.iter().any(|w| w.contains(said)), is_told, "{:?}", content.words);
    }
}

/// Where all heads are steered, random ones are the same: there was no choice, and no placebo.
#[test]
fn random_heads_that_are_the_same_heads_are_no_placebo() {
    let clips = ten_clips();
    let with_heads = |heads: &[usize]| -> Vec<Record> {
        let mut records = steered(always_right(&clips));
        for layer in records.iter_mut().filter_map(|r| r.steering.as_mut()).flat_map(|s| &mut s.layers) {
            layer.heads = heads.to_vec();
        }
        records
    };
    let told = |random: Vec<Record>| {
        let runs =
            [("baseline", first_shown(&clips)), ("paper", with_heads(&[0, 2])), ("random_heads", random)];
        words(&clips, &runs, &Beside::default()).into_iter().find(|w| w.starts_with("paper: ")).unwrap()
    };
    let same = told(with_heads(&[0, 2]));
    assert!(same.contains("Random heads are no placebo for it") && !same.contains("random heads"), "{same}");
    let other = told(with_heads(&[1, 3]));
    assert!(
        !other.contains("no placebo") && other.contains("does not stand out from: random heads"),
        "{other}"
    );
    assert!(other.contains("not shown to come from the choice of heads"), "{other}");
    // One clip with other heads is a choice.
    let mut once = with_heads(&[0, 2]);
    let first = once.iter_mut().find_map(|r| r.steering.as_mut()).unwrap();
    first.layers[0].heads = vec![1];
    assert!(!told(once).contains("no placebo"));
    // Nobody was steered: nothing is said of heads that were the same.
    let mut idle = with_heads(&[0, 2]);
    idle.iter_mut()
        .filter_map(|r| r.steering.as_mut())
        .flat_map(|s| &mut s.layers)
        .for_each(|l| l.steered = false);
    let runs = [("baseline", first_shown(&clips)), ("paper", idle.clone()), ("random_heads", idle)];
    assert!(words(&clips, &runs, &Beside::default()).iter().all(|w| !w.contains("no placebo")));
}

/// What the command warned of stands on the page, before the verdicts.
#[test]
fn caveats_of_the_variants_stand_on_the_page() {
    let folder = tempfile::tempdir().unwrap();
    let index = r#"{"variants": [], "caveats": ["`tuned` was chosen on the valid split: its figures are no evidence"]}"#;
    std::fs::write(folder.path().join("chase.json"), index).unwrap();
    let clips = ten_clips();
    let runs = [("baseline", first_shown(&clips)), ("tuned", steered(always_right(&clips)))];
    let words = words(&clips, &runs, &Beside::read(&[folder.path()]).unwrap());
    let at = |begins: &str| words.iter().position(|w| w.starts_with(begins)).unwrap();
    assert!(
        at("Caveat: tuned was chosen on the valid split: its figures are no evidence.") < at("tuned: "),
        "{words:?}"
    );
}

/// Wherever the folder stands among those that were given, and where its variants are named singly, each caveat once.
#[test]
fn caveats_are_those_of_all_folders_and_of_the_folders_of_runs() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    let index = |folder: &str, caveats: &[&str]| {
        std::fs::create_dir_all(path(folder)).unwrap();
        let text = serde_json::json!({ "variants": ["baseline"], "caveats": caveats }).to_string();
        std::fs::write(path(folder).join("chase.json"), text).unwrap();
    };
    index("ev_tr", &["first", "second"]);
    index("ev_other", &["second", "third"]);
    for run in ["run1", "ev_tr/baseline", "ev_tr/two_pass"] {
        std::fs::create_dir_all(path(run)).unwrap();
        std::fs::write(path(run).join("log.jsonl"), "").unwrap();
    }
    let of =
        |given: &[&str]| Beside::read(&given.iter().map(|g| path(g)).collect::<Vec<_>>()).unwrap().caveats;
    assert_eq!(of(&["run1"]), [""; 0]);
    assert_eq!(of(&["run1", "ev_tr"]), ["first", "second"]);
    assert_eq!(of(&["ev_tr/baseline", "ev_tr/two_pass"]), ["first", "second"]);
    assert_eq!(of(&["run1", "ev_tr/two_pass/log.jsonl"]), ["first", "second"]);
    assert_eq!(of(&["ev_other", "ev_tr/baseline", "ev_tr"]), ["second", "third", "first"]);
    // A folder beside a folder of variants is none of its runs.
    index("", &["of another"]);
    assert_eq!(of(&["ev_tr"]), ["first", "second"]);
}

#[test]
fn runs_without_steering_have_no_such_page() {
    let clips = ten_clips();
    let study = study(&clips, &[("run", first_shown(&clips))]);
    let analysis = Analysis::of(&study, options()).unwrap();
    assert!(chase_content(&study, &analysis, &options(), &Beside::default()).unwrap().is_none());
}
