//! The reply parser against tables of replies, against itself on generated text, and against the kept fuzz corpus.

use std::path::Path;

use emomm_dataset::{Corpus, Sentiment};
use emomm_eval::reply::{Reply, parse};
use proptest::prelude::*;

/// Letter and score of a reply on CH-SIMS.
fn read(reply: &str) -> (Option<char>, Option<f64>) {
    let parsed = parse(reply, Corpus::ChSims);
    (parsed.reply_letter, parsed.reply_score)
}

#[track_caller]
fn check(table: &[(&str, Option<char>, Option<f64>)]) {
    for (reply, letter, score) in table {
        assert_eq!(
            read(reply),
            (*letter, *score),
            "{reply:?}: {:?}",
            parse(reply, Corpus::ChSims).reply_notes
        );
    }
}

#[test]
fn the_exact_form_gives_no_note() {
    for corpus in Corpus::ALL {
        for class in Sentiment::ALL {
            for score in corpus.score_set(class) {
                let text = format!("{}\nScore: {score}", class.letter());
                let parsed = parse(&text, corpus);
                assert_eq!(parsed.reply_letter, Some(class.letter()));
                assert_eq!(parsed.reply_score, Some(score.value()));
                assert_eq!(parsed.reply_notes, Vec::<String>::new(), "{text}");
                assert_eq!(parsed.class(), Some(class));
            }
        }
    }
}

#[test]
fn decorated_letters() {
    check(&[
        ("A", Some('A'), None),
        (" \n\tA  ", Some('A'), None),
        ("**E**", Some('E'), None),
        ("(E)", Some('E'), None),
        ("<A>\nScore: <-0.8>", Some('A'), Some(-0.8)),
        ("E.", Some('E'), None),
        ("`E`", Some('E'), None),
        ("\"E\"", Some('E'), None),
        ("- E", Some('E'), None),
        ("1. E\n2. Score: 0.8", Some('E'), Some(0.8)),
        ("1) E\n2) Score: 1.0", Some('E'), Some(1.0)),
        ("__E__", Some('E'), None),
        ("### E", Some('E'), None),
        ("E ✅", Some('E'), None),
        ("```\nE\nScore: 0.8\n```", Some('E'), Some(0.8)),
        ("```text\nE\n```", Some('E'), None),
        ("\u{FEFF}E", Some('E'), None),
        ("E\r\nScore: 0.8\r\n", Some('E'), Some(0.8)),
    ]);
}

#[test]
fn lower_case_counts_only_alone_on_the_first_line() {
    check(&[
        ("e", Some('E'), None),
        ("**a**\nScore: -0.8", Some('A'), Some(-0.8)),
        ("a score: -0.8", None, Some(-0.8)),
        ("Score: -0.8\na", None, Some(-0.8)),
        ("a clip", None, None),
    ]);
}

#[test]
fn announced_letters() {
    check(&[
        ("Letter: E", Some('E'), None),
        ("Answer: E", Some('E'), None),
        ("Sentiment label: B", Some('B'), None),
        ("The answer is E", Some('E'), None),
        ("The correct answer is B.", Some('B'), None),
        ("I think the answer is A, since he frowns.", Some('A'), None),
        ("Final answer = D", Some('D'), None),
        ("{\"letter\": \"A\", \"score\": -0.8}", Some('A'), Some(-0.8)),
        ("{\"score\": -0.8, \"letter\": \"A\"}", Some('A'), Some(-0.8)),
        ("{\"score\": null, \"letter\": \"A\"}", Some('A'), None),
        ("情感: A", Some('A'), None),
        ("情感：Ａ，分数：－０．８", Some('A'), Some(-0.8)),
        ("答案是E", Some('E'), None),
        ("答案不是E", None, None),
        ("我认为答案是E，因为他在笑", Some('E'), None),
        ("最终答案：【B】", Some('B'), None),
        ("我选择D选项", Some('D'), None),
        ("选D", Some('D'), None),
        ("Assistant: D", Some('D'), None),
    ]);
}

#[test]
fn letters_with_their_class() {
    check(&[
        ("E) Positive", Some('E'), None),
        ("E (Positive)", Some('E'), None),
        ("E: Positive", Some('E'), None),
        ("E - Positive", Some('E'), None),
        ("Positive (E)", Some('E'), None),
        ("B (Weakly Negative)\nScore: -0.4", Some('B'), Some(-0.4)),
        ("B, weakly-negative", Some('B'), None),
        ("Sentiment: Weakly Positive (D)", Some('D'), None),
        ("E（积极）", Some('E'), None),
        ("B 弱负面", Some('B'), None),
        ("E）积极情感", Some('E'), None),
        ("E (very positive)", Some('E'), None),
    ]);
}

#[test]
fn a_letter_that_contradicts_its_class_is_not_read() {
    for reply in
        ["E (Negative)", "A: Positive", "A (Weakly Negative)", "E 消极", "E. Negative mood of the man"]
    {
        let parsed = parse(reply, Corpus::ChSims);
        assert_eq!(parsed.reply_letter, None, "{reply}");
        assert_eq!(parsed.reply_notes[0], "letter and class name contradict each other", "{reply}");
    }
}

#[test]
fn a_definition_or_a_grade_is_no_answer() {
    for (reply, note) in [
        ("A (Negative) = {-1.0, -0.8}", "a letter before `=` is a definition, not an answer"),
        ("C (Neutral) = { 0.0}", "a letter before `=` is a definition, not an answer"),
        ("A=", "a letter before `=` is a definition, not an answer"),
        ("a =", "a letter before `=` is a definition, not an answer"),
        ("The answer is A = negative mood here", "a letter before `=` is a definition, not an answer"),
        ("A-", "a dash at the letter leaves open what is meant"),
        ("**A-**", "a dash at the letter leaves open what is meant"),
        ("Answer: A-.", "a dash at the letter leaves open what is meant"),
        ("I think the answer is A-.", "a dash at the letter leaves open what is meant"),
    ] {
        let parsed = parse(reply, Corpus::ChSims);
        assert_eq!((parsed.reply_letter, parsed.reply_score), (None, None), "{reply}");
        assert_eq!(parsed.reply_notes[0], note, "{reply}");
    }
    check(&[
        ("A (Negative) = {-1.0, -0.8}\nE\nScore: 0.8", Some('E'), Some(0.8)),
        ("A- he frowns", None, None),
        ("E-Positive", Some('E'), None),
        ("A\nScore = -0.8", Some('A'), Some(-0.8)),
        ("letter = A, score = -0.8", Some('A'), Some(-0.8)),
    ]);
}

#[test]
fn several_letters_are_not_read() {
    for reply in [
        "A or B",
        "A/B",
        "A, B",
        "A-E",
        "B and D",
        "A B C D E",
        "A 或 B",
        "Answer: A or B",
        "The answer is A or B.",
        "<ONE LETTER: A or B or C or D or E> please",
        "E. Or is it D?",
        "A (Negative) = {-1.0, -0.8}, B (Weakly Negative)",
    ] {
        let parsed = parse(reply, Corpus::ChSims);
        assert_eq!(parsed.reply_letter, None, "{reply}");
        assert_eq!(parsed.reply_notes[0], "several letters are offered", "{reply}");
    }
    let parsed = parse("A\nScore: -0.8\n\nB", Corpus::ChSims);
    assert_eq!((parsed.reply_letter, parsed.reply_score), (None, Some(-0.8)));
    assert_eq!(parsed.reply_notes, ["different letters on different lines"]);
}

#[test]
fn sentences_are_not_taken_for_letters() {
    check(&[
        ("A clip shows a man who frowns.", None, None),
        ("A person speaks.\nB roll follows.", None, None),
        ("A sentiment label", None, None),
        ("A negative mood", None, None),
        ("E.g. a smile", None, None),
        ("A?", None, None),
        ("A+", None, None),
        ("A-level results", None, None),
        ("The answer is not A.", None, None),
        ("If the answer is A, then", None, None),
        ("I don't think the answer is A.", None, None),
        ("The answer is a mix", None, None),
        ("Bébé", None, None),
        ("BÉBÉ", None, None),
        ("Answer: BÉBÉ", None, None),
        ("F", None, None),
        ("AB", None, None),
        ("I cannot tell.", None, None),
        ("", None, None),
        (" \n ", None, None),
    ]);
    let parsed = parse("A clip shows a man", Corpus::ChSims);
    assert_eq!(
        parsed.reply_notes,
        ["no letter is stated: the reply begins with one but goes on as a sentence", "no score is stated"]
    );
    assert_eq!(parse("", Corpus::ChSims).reply_notes[0], "the reply is empty");
    assert_eq!(parse("Positive", Corpus::ChSims).reply_notes[0], "a class is named without its letter");
}

#[test]
fn explanations_around_an_answer() {
    check(&[
        ("E. The speaker smiles.", Some('E'), None),
        ("A) The man frowns and shouts.", Some('A'), None),
        ("A: the voice is angry", Some('A'), None),
        ("A - the voice is angry", Some('A'), None),
        ("E\nScore: 0.8\n\nA man smiles.", Some('E'), Some(0.8)),
        ("E\nScore: 0.8\nThe score is 0.8 because he smiles.", Some('E'), Some(0.8)),
        ("Here is my assessment:\n\nB\nScore: -0.4", Some('B'), Some(-0.4)),
        ("<think>A or B?\nScore: 0.2</think>\nB\nScore: -0.4", Some('B'), Some(-0.4)),
        (
            "<|im_start|>assistant\nE\nScore: 0.8<|im_end|>\n<|im_start|>user\nA\nScore: -0.8",
            Some('E'),
            Some(0.8),
        ),
        ("☞E\nScore: 0.8", Some('E'), Some(0.8)),
        ("E</s>", Some('E'), None),
    ]);
}

/// A model that repeats the prompt has not answered; one that repeats it and then answers has.
#[test]
fn the_instruction_itself_states_nothing() {
    let instruction = emomm_eval::prompt::instruction(Corpus::ChSims, "TA".parse().unwrap());
    assert_eq!(read(&instruction), (None, None));
    assert_eq!(read(&format!("{instruction}\nD\nScore: 0.4")), (Some('D'), Some(0.4)));
    assert_eq!(read("<ONE LETTER: A or B or C or D or E>"), (None, None));
    assert_eq!(read("Score: <one value from the allowed set matching the letter>"), (None, None));
}

#[test]
fn ways_to_write_a_score() {
    check(&[
        ("A Score: -0.8", Some('A'), Some(-0.8)),
        ("A, Score: -0.8", Some('A'), Some(-0.8)),
        ("E\nScore：0.8", Some('E'), Some(0.8)),
        ("A\nScore: −0.8", Some('A'), Some(-0.8)),
        ("A\nScore: –0.8", Some('A'), Some(-0.8)),
        ("D\nScore: +0.6", Some('D'), Some(0.6)),
        ("E\nScore: .8", Some('E'), Some(0.8)),
        ("E\nScore: 0,8", Some('E'), Some(0.8)),
        ("E\nScore = 1", Some('E'), Some(1.0)),
        ("E\nscore 1.0", Some('E'), Some(1.0)),
        ("E\nScore -1.0", Some('E'), Some(-1.0)),
        ("E\n**Score:** 0.80", Some('E'), Some(0.8)),
        ("E\nScore: **0.8**", Some('E'), Some(0.8)),
        ("E\nSentiment Score: 0.8", Some('E'), Some(0.8)),
        ("E\nThe score is 0.8.", Some('E'), Some(0.8)),
        ("A\nScore: - 0.8", Some('A'), Some(-0.8)),
        ("E\nScore:\n0.8", Some('E'), Some(0.8)),
        ("C\nScore: { 0.0}", Some('C'), Some(0.0)),
        ("C\nScore: -0.0", Some('C'), Some(0.0)),
        ("E\nScore: 0.8 (Positive)", Some('E'), Some(0.8)),
        ("E\nScore: 0.8 - Positive", Some('E'), Some(0.8)),
        ("D\nSentiment score (−1 to 1): 0.4", Some('D'), Some(0.4)),
        ("E\nScore (0.8)", Some('E'), Some(0.8)),
        ("E\n得分：0.8分", Some('E'), Some(0.8)),
        ("E\n0.8", Some('E'), Some(0.8)),
        ("A -0.8", Some('A'), Some(-0.8)),
        ("A (-0.8)", Some('A'), Some(-0.8)),
        ("-0.8", None, Some(-0.8)),
    ]);
    assert!(parse("C\nScore: -0.0", Corpus::ChSims).reply_score.unwrap().is_sign_positive());
    assert_eq!(parse("E\n0.8", Corpus::ChSims).reply_notes, ["the score stands without its heading"]);
}

#[test]
fn scores_that_are_not_one_plain_number() {
    for score in [
        "0.8/1.0",
        "0.6 to 0.8",
        "0.6-0.8",
        "0.6, 0.8",
        "{ 0.8, 1.0}",
        "0.8 or 1.0",
        "80%",
        "1 out of 5",
        "8e-1",
        "0.8.1",
        "--0.8",
        "±0.8",
        "~0.8",
        "0x1",
        "1,000",
        "high",
        "A",
    ] {
        let parsed = parse(&format!("E\nScore: {score}"), Corpus::ChSims);
        assert_eq!((parsed.reply_letter, parsed.reply_score), (Some('E'), None), "{score}");
        assert_eq!(parsed.reply_notes.len(), 1, "{score}: {:?}", parsed.reply_notes);
    }
    for reply in ["E\nScore - 0.8", "E\nScore-0.8", "E - 0.8", "E-0.8", "E\n- 0.8"] {
        assert_eq!(read(reply), (Some('E'), None), "a dash that may separate: {reply}");
    }
}

#[test]
fn scores_off_the_grid_are_noted_and_not_read() {
    for score in ["0.5", "7", "1.2", "-3", "0.79", "99999999999999999999999999", "0.8000001"] {
        let parsed = parse(&format!("E\nScore: {score}"), Corpus::ChSims);
        assert_eq!(parsed.reply_score, None, "{score}");
        assert_eq!(parsed.reply_notes, ["the score is not on the grid -1.0, -0.8, …, 1.0"], "{score}");
    }
}

#[test]
fn a_score_outside_the_letter_s_set_is_read_and_noted() {
    let parsed = parse("E\nScore: 0.6", Corpus::ChSims);
    assert_eq!((parsed.reply_letter, parsed.reply_score), (Some('E'), Some(0.6)));
    assert_eq!(parsed.reply_notes, ["score 0.6 disagrees with its letter E, whose set is { 0.8, 1.0}"]);
    assert!(parse("E\nScore: 0.6", Corpus::CmuMosi).reply_notes.is_empty());
}

#[test]
fn two_different_scores_are_not_read() {
    let parsed = parse("E\nScore: 0.8\nScore: 1.0", Corpus::ChSims);
    assert_eq!((parsed.reply_letter, parsed.reply_score), (Some('E'), None));
    assert_eq!(parsed.reply_notes, ["different scores"]);
    assert_eq!(read("E\nScore: 0.8\nScore: 0.80"), (Some('E'), Some(0.8)));
}

/// All letters are treated alike: a reply that is read for one letter is read for every other.
#[test]
fn no_letter_is_read_more_readily_than_another() {
    let frames = [
        "@",
        "@.",
        "(@)",
        "@ or so",
        "@ because he smiles",
        "The answer is @ because",
        "The answer is @.",
        "@ clip",
        "@: he smiles",
        "I say @",
        "@, he smiles",
        "Option @",
        "@ is my answer",
    ];
    for frame in frames {
        let read: Vec<bool> = "ABCDE"
            .chars()
            .map(|letter| {
                parse(&frame.replace('@', &letter.to_string()), Corpus::ChSims).reply_letter.is_some()
            })
            .collect();
        assert!(read.iter().all(|r| *r == read[0]), "{frame}: {read:?}");
    }
}

#[test]
fn the_json_form_is_the_contract_s() {
    let exact = serde_json::to_string(&parse("A\nScore: -0.8", Corpus::ChSims)).unwrap();
    assert_eq!(exact, r#"{"reply":"A\nScore: -0.8","reply_letter":"A","reply_score":-0.8}"#);
    let unread = parse("?", Corpus::ChSims);
    let json = serde_json::to_string(&unread).unwrap();
    assert_eq!(
        json,
        r#"{"reply":"?","reply_letter":null,"reply_score":null,"reply_notes":["no letter is stated","no score is stated"]}"#
    );
    assert_eq!(serde_json::from_str::<Reply>(&json).unwrap(), unread);
}

/// Sizes at which an algorithm of quadratic time would take minutes. No time is asserted here.
#[test]
fn long_replies() {
    for piece in [
        "A", "A ", "answer: ", "Score: ", "<", "<|", "- ", "A or ", "0", "0.8 ", "{", "\n", "A\n", "弱",
        "n't ", "score (", "(A",
    ] {
        let text = piece.repeat(1_000_000 / piece.len());
        let parsed = parse(&text, Corpus::CmuMosi);
        assert!(parsed.reply_notes.len() < 8);
    }
    let essay = format!("E\nScore: 0.8\n{}", "The speaker smiles. ".repeat(50_000));
    assert_eq!(read(&essay), (Some('E'), Some(0.8)));
}

/// Inputs kept by the fuzzer and by hand; `fuzz/fuzz_targets/reply.rs` asserts the same.
#[test]
fn the_kept_fuzz_corpus() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/reply");
    let mut inputs = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert_sound(&String::from_utf8_lossy(&bytes));
        inputs += 1;
    }
    assert!(inputs >= 10, "{} holds {inputs} inputs", folder.display());
}

/// What holds for every text.
fn assert_sound(text: &str) {
    for corpus in Corpus::ALL {
        let parsed = parse(text, corpus);
        assert_eq!(parsed.reply, text);
        assert!(parsed.reply_letter.is_none_or(|l| ('A'..='E').contains(&l)));
        assert!(parsed.reply_score.is_none_or(|s| s.abs() <= 1.0));
        // Nothing is withheld without a reason.
        if parsed.reply_letter.is_none() || parsed.reply_score.is_none() {
            assert!(!parsed.reply_notes.is_empty());
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(text in any::<String>()) {
        assert_sound(&text);
    }

    #[test]
    fn text_made_of_the_parser_s_own_words(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "A", "B", "e", "Score", "score:", "-", "−0.8", "0.8", "1", ",", "or", "(", ")", "**", "\n", " ", "answer",
                "is", "Positive", "weakly", "not", "<|im_end|>", "<", "答案", "：", "或", "```", "Ａ", "1.", "'", ".",
            ]),
            0..24,
        )
    ) {
        assert_sound(&words.concat());
        assert_sound(&words.join(" "));
    }

    /// Blank space around a reply changes nothing.
    #[test]
    fn surrounding_blank_space_is_ignored(text in "[A-Ea-e:.\\- 0-9\\n]{0,20}") {
        prop_assert_eq!(read(&text), read(&format!("\n  {text}  \n")));
    }

    /// Letter and score are read whatever stands around them, in any combination of the tolerated forms.
    #[test]
    fn tolerated_forms_combine(
        class in prop::sample::select(Sentiment::ALL.to_vec()),
        steps in -5..=5_i8,
        frame in prop::sample::select(vec!["@", "**@**", "(@)", "<@>", "Letter: @", "情感：@", "The answer is @.", "# @"]),
        heading in prop::sample::select(vec!["Score: ", "score = ", "**Score:** ", "分数：", "Sentiment score: <"]),
        minus in prop::sample::select(vec!["-", "−", "－", "–"]),
        between in prop::sample::select(vec!["\n", "\n\n", " \r\n", ", "]),
        around in prop::sample::select(vec![("", ""), ("```\n", "\n```"), ("☞", ""), ("", "<|im_end|>")]),
    ) {
        let score = emomm_dataset::GridScore::from_steps(steps).unwrap();
        let number = score.to_string().replace('-', minus);
        let letter = frame.replace('@', &class.letter().to_string());
        let text = format!("{}{letter}{between}{heading}{number}{}", around.0, around.1);
        prop_assert_eq!(read(&text), (Some(class.letter()), Some(score.value())), "{}", text);
    }
}
