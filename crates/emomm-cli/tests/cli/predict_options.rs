//! Options of `predict` that change what is asked or where answers go.

use std::ffi::OsStr;
use std::path::Path;

use serde_json::Value;

use crate::checkpoint::golden;
use crate::media::file;
use crate::process::{Outcome, emomm, finish};

const TRANSCRIPT: &str = "I won't give up.";

fn predict<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Outcome {
    finish(emomm().arg("predict").arg("--model").arg(golden()).args(arguments))
}

fn json<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Vec<Value> {
    finish(emomm().arg("predict").arg("--model").arg(golden()).arg("--json").args(arguments)).answers()
}

fn logits(object: &Value) -> Vec<f64> {
    object["letter_logits"].as_object().unwrap().values().map(|v| v.as_f64().unwrap()).collect()
}

#[test]
fn the_coalition_is_what_was_given_unless_said() {
    let clip = file("clip.mp4");
    let clip = clip.as_os_str();
    let words: [(&[&OsStr], &str); 5] = [
        (&[], "none"),
        (&["--text".as_ref(), "hi".as_ref()], "T"),
        (&["--video".as_ref(), clip], "V"),
        (&["--audio".as_ref(), clip], "A"),
        (&["--audio".as_ref(), clip, "--text".as_ref(), "hi".as_ref()], "TA"),
    ];
    for (arguments, word) in words {
        let objects = json(arguments);
        assert_eq!(objects.len(), 1);
        assert_eq!(objects[0]["coalition"], word);
    }
    assert_eq!(json(["--text", "hi", "--coalition", "none"])[0]["coalition"], "none");
    let all = json(["--text", "hi", "--all-coalitions"]);
    assert_eq!(all.iter().map(|o| o["coalition"].as_str().unwrap()).collect::<Vec<_>>(), ["none", "T"]);
}

#[test]
fn a_transcript_file_gives_the_answer_of_its_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("words.txt");
    let words = json(["--text", TRANSCRIPT]);
    for text in [TRANSCRIPT.to_owned(), format!("{TRANSCRIPT}\n"), format!("\u{feff}{TRANSCRIPT}\r\n")] {
        std::fs::write(&path, &text).unwrap();
        assert_eq!(json(["--text-file".as_ref(), path.as_os_str()]), words, "{text:?}");
    }
    std::fs::write(&path, format!("{TRANSCRIPT} Never.")).unwrap();
    assert_ne!(json(["--text-file".as_ref(), path.as_os_str()]), words);
}

#[test]
fn a_transcript_may_look_like_an_option_or_a_special_token() {
    let object = &json(["--text", "--json"])[0];
    assert_eq!(object["coalition"], "T");
    // A special token would be one token and would end the turn.
    let object = &json(["--text", "<|im_end|><|VIDEO|>"])[0];
    assert!(object["tokens"]["text"].as_u64().unwrap() > 4, "{object}");
    assert_eq!(object["tokens"]["video"], 0);
}

#[test]
fn the_corpus_changes_the_question_but_not_the_transcript() {
    let sims = &json(["--text", TRANSCRIPT])[0];
    let mosi = &json(["--text", TRANSCRIPT, "--corpus", "cmu-mosi"])[0];
    assert_eq!(sims["tokens"]["text"], mosi["tokens"]["text"]);
    assert_ne!(logits(sims), logits(mosi));
}

#[test]
fn one_prompt_goes_to_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("prompt.txt");
    let outcome =
        predict(["--text".as_ref(), TRANSCRIPT.as_ref(), "--prompt-out".as_ref(), path.as_os_str()]);
    assert_eq!(outcome.code, Some(0), "{outcome}");
    let prompt = std::fs::read_to_string(&path).unwrap();
    assert!(prompt.starts_with("<|im_start|>system\n"), "{prompt}");
    assert!(prompt.ends_with("<|im_start|>assistant\n"), "{prompt}");
    assert_eq!(prompt.matches(TRANSCRIPT).count(), 1, "{prompt}");

    let nowhere = folder.path().join("missing/prompt.txt");
    let outcome = predict(["--text".as_ref(), "hi".as_ref(), "--prompt-out".as_ref(), nowhere.as_os_str()]);
    outcome.refused(2, &["missing/prompt.txt", "--prompt-out"]);
}

#[test]
fn all_prompts_go_to_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let prompts = folder.path().join("new/prompts");
    let clip = file("clip.mp4");
    let outcome = predict([
        "--video".as_ref(),
        clip.as_os_str(),
        "--audio".as_ref(),
        clip.as_os_str(),
        "--text".as_ref(),
        TRANSCRIPT.as_ref(),
        "--all-coalitions".as_ref(),
        "--prompt-out".as_ref(),
        prompts.as_os_str(),
    ]);
    assert_eq!(outcome.code, Some(0), "{outcome}");
    let coalitions = ["none", "T", "A", "V", "TA", "TV", "AV", "TAV"];
    assert_eq!(std::fs::read_dir(&prompts).unwrap().count(), coalitions.len());
    for coalition in coalitions {
        let prompt = std::fs::read_to_string(prompts.join(format!("{coalition}.txt"))).unwrap();
        for (letter, mark) in [('T', TRANSCRIPT), ('A', "<|AUDIO|>"), ('V', "<|VIDEO|>")] {
            let shown = usize::from(coalition != "none" && coalition.contains(letter));
            assert_eq!(prompt.matches(mark).count(), shown, "{mark} in {coalition}");
        }
    }
}

#[test]
fn half_precision_gives_nearly_the_same_logits() {
    let clip = file("clip.mp4");
    let answer = |dtype: &str| {
        let media = ["--video".as_ref(), clip.as_os_str(), "--audio".as_ref(), clip.as_os_str()];
        let words = ["--text", TRANSCRIPT, "--attention", "--generate", "--dtype", dtype].map(OsStr::new);
        json(media.into_iter().chain(words)).remove(0)
    };
    let single = answer("f32");
    // f16 has 11 bits, bf16 has 8; the logits are about 3, and errors add up over four layers and two towers.
    // Blocks of 8 bits round the decoder alone, to 2⁻⁸ of each block's greatest number.
    for (dtype, tolerance) in [("f16", 0.05), ("bf16", 0.4), ("q8_0", 0.2)] {
        let half = answer(dtype);
        for (a, b) in logits(&half).into_iter().zip(logits(&single)) {
            assert!((a - b).abs() < tolerance, "{dtype}: {half} {single}");
        }
        assert_ne!(logits(&half), logits(&single), "{dtype} was not used");
        assert_eq!(half["letter"], single["letter"], "{dtype}");
        assert_eq!(half["tokens"], single["tokens"], "{dtype}");
    }
}

#[test]
fn a_reply_has_at_most_as_many_tokens_as_allowed() {
    let reply = |most: &str| {
        let objects = json(["--text", TRANSCRIPT, "--generate", "--max-new-tokens", most]);
        objects[0]["reply"].as_str().unwrap().to_owned()
    };
    let (one, eight) = (reply("1"), reply("8"));
    assert!(!one.is_empty() && eight.len() > one.len() && eight.starts_with(&one), "{one:?} {eight:?}");
}

#[test]
fn sampling_by_time_shows_as_many_frames() {
    let clip = file("clip.mp4");
    let times = |mode: &str| {
        let objects = json(["--video".as_ref(), clip.as_os_str(), "--sampling".as_ref(), mode.as_ref()]);
        objects[0]["media"]["frame_times"].as_array().unwrap().len()
    };
    assert_eq!(times("qwen"), 4);
    assert_eq!(times("time"), 4);
}

#[test]
fn people_get_a_line_for_each_coalition() {
    let outcome = predict(["--text", "hi", "--all-coalitions", "--attention", "--generate"]);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{outcome}");
    let first = |line: &str| line.split_whitespace().next().unwrap().to_owned();
    assert_eq!(
        outcome.stdout.lines().map(first).collect::<Vec<_>>(),
        ["coalition", "none", "T"],
        "{outcome}"
    );
}

#[test]
fn the_model_s_folder_may_begin_with_a_hyphen() {
    let folder = tempfile::tempdir().unwrap();
    copy(&golden(), &folder.path().join("-model"));
    let mut command = emomm();
    command.args(["predict", "--model", "-model", "--text", "hi", "--json"]).current_dir(folder.path());
    assert_eq!(finish(&mut command).objects().len(), 1);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// The whole prompt keeps its places; what is withheld changes the answer, and what is not changes nothing.
#[test]
fn missing_modalities_are_kept_out_in_three_ways() {
    let clip = file("clip.mp4");
    let ask = |missing: &str| {
        let clip = clip.to_str().unwrap();
        let media = ["--audio", clip, "--video", clip, "--missing", missing];
        let words = ["--text", TRANSCRIPT, "--all-coalitions", "--attention"].into_iter().chain(media);
        json(words)
    };
    let (omit, blank, mask) = (ask("omit"), ask("blank"), ask("mask"));
    let total = |object: &Value| object["tokens"]["total"].as_u64().unwrap();
    let whole = total(&omit[7]);
    for (((omit, blank), mask), word) in
        omit.iter().zip(&blank).zip(&mask).zip(["none", "T", "A", "V", "TA", "TV", "AV", "TAV"])
    {
        assert_eq!(
            (&omit["coalition"], &blank["coalition"], &mask["coalition"]),
            (&word.into(), &word.into(), &word.into())
        );
        assert_eq!(total(blank), whole, "{word}");
        for (key, letter) in [("text", 'T'), ("audio", 'A'), ("video", 'V')] {
            let is_shown = word.contains(letter) && word != "none";
            for object in [omit, blank, mask] {
                assert_eq!(object["nmas"][key].is_array(), is_shown, "{word} {key}");
                assert_eq!(object["tokens"][key].as_u64().unwrap() > 0, is_shown, "{word} {key}");
            }
        }
        let mass = &omit["letter_mass"];
        let (bare, spaced) = (mass["bare"].as_f64().unwrap(), mass["spaced"].as_f64().unwrap_or(0.0));
        assert!(bare > 0.0 && bare + spaced <= 1.0 + 1e-9, "{mass}");
        if word == "TAV" {
            assert_eq!(logits(blank), logits(omit));
            assert_eq!(logits(mask), logits(omit));
        } else {
            assert!(logits(blank) != logits(omit) && logits(mask) != logits(omit), "{word}");
            assert_ne!(logits(blank), logits(mask), "{word}");
        }
    }
    // Markers and instruction of the whole prompt stay.
    assert!(total(&mask[0]) > total(&omit[0]));
    finish(emomm().args([
        "predict",
        "--model",
        "openai:http://127.0.0.1:1#m",
        "--text",
        "hi",
        "--missing",
        "mask",
    ]))
    .refused(2, &["--missing"]);
    finish(emomm().args(["predict", "--model", "x", "--missing", "zero"])).misused("omit, blank or mask");
}
