//! Transcripts that are none, and coalitions that cannot be shown.

use std::ffi::OsStr;

use crate::checkpoint::golden;
use crate::process::{Outcome, emomm, finish};

const USAGE: i32 = 2;
const DATA: i32 = 3;
const MODEL: i32 = 4;

fn predict<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Outcome {
    finish(emomm().arg("predict").arg("--model").arg(golden()).arg("--json").args(arguments))
}

#[test]
fn a_blank_transcript_is_refused() {
    for blank in ["", " ", "\n\t \u{3000}\n"] {
        predict(["--text", blank])
            .refused(DATA, &["--text: the transcript is blank", "leave the option out"]);
    }
}

#[test]
fn a_transcript_file_must_hold_words_in_utf8() {
    let folder = tempfile::tempdir().unwrap();
    let cases: [(&str, &[u8], &str); 5] = [
        ("empty.txt", b"", "the transcript is blank"),
        ("blank.txt", b" \r\n\n", "the transcript is blank"),
        ("mark.txt", "\u{feff}\n".as_bytes(), "the transcript is blank"),
        ("latin1.txt", b"caf\xe9 au lait", "expected UTF-8"),
        ("utf16.txt", b"\xff\xfeh\0i\0", "expected UTF-8"),
    ];
    for (name, bytes, message) in cases {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let outcome = predict(["--text-file".as_ref(), path.as_os_str()]);
        outcome.refused(DATA, &[&format!("{name}: "), message]);
    }
    let missing = folder.path().join("missing.txt");
    predict(["--text-file".as_ref(), missing.as_os_str()]).refused(DATA, &["missing.txt: ", "--text-file"]);
    predict(["--text-file".as_ref(), folder.path().as_os_str()])
        .refused(DATA, &[&folder.path().display().to_string(), "--text-file"]);
}

#[test]
fn a_transcript_of_100000_characters_is_refused() {
    let long = "word ".repeat(20_000);
    predict(["--text", &long])
        .refused(DATA, &["--text: the transcript has 100000 characters", "the words of one clip"]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.txt");
    std::fs::write(&path, long).unwrap();
    predict(["--text-file".as_ref(), path.as_os_str()])
        .refused(DATA, &["long.txt: the transcript has 100000 characters", "the words of one clip"]);
    std::fs::write(&path, "x".repeat(5 << 20)).unwrap();
    predict(["--text-file".as_ref(), path.as_os_str()]).refused(DATA, &["long.txt: more than 4194304 bytes"]);
}

#[test]
fn a_prompt_longer_than_the_model_s_context_is_refused() {
    // Three bytes and, for this tokenizer, as many tokens each.
    let outcome = predict(["--text", &"爱".repeat(20_000)]);
    outcome.refused(DATA, &["coalition T: the prompt has ", "expected at most 32768", "shorten the clip"]);
}

#[test]
fn a_coalition_of_what_was_not_given_is_refused() {
    let outcome = predict(["--text", "hi", "--coalition", "TA"]);
    outcome.refused(USAGE, &["--coalition TA: found evidence for T only", "A needs --audio"]);
    let outcome = predict(["--coalition", "V"]);
    outcome.refused(USAGE, &["--coalition V: found evidence for none only", "V needs --video"]);
}

#[test]
fn unknown_words_are_refused_with_those_that_are_known() {
    for (option, word, known) in [
        ("--coalition", "XY", "TAV"),
        ("--corpus", "imdb", "cmu-mosi"),
        ("--sampling", "random", "qwen"),
        ("--device", "tpu", "cuda"),
        ("--dtype", "int8", "bf16"),
        ("--max-new-tokens", "0", "4096"),
    ] {
        let outcome = predict(["--text", "hi", option, word]);
        outcome.misused(option);
        assert!(outcome.stderr.contains(word) && outcome.stderr.contains(known), "{outcome}");
    }
    predict(["--text", "hi", "--text-file", "x"]).misused("--text-file");
    predict(["--text", "hi", "--coalition", "T", "--all-coalitions"]).misused("--all-coalitions");
}

#[test]
#[cfg(not(any(feature = "cuda", feature = "metal")))]
fn a_device_that_this_build_lacks_is_refused() {
    for device in ["cuda", "metal"] {
        let outcome = predict(["--text", "hi", "--device", device]);
        outcome.refused(MODEL, &[&format!("device `{device}` is not usable"), "--device cpu"]);
    }
}

#[test]
fn a_model_that_is_no_folder_is_refused() {
    let file = golden().join("config.json");
    for (path, found) in [(file, "a file"), (golden().join("missing"), "nothing")] {
        let outcome = finish(emomm().arg("predict").arg("--model").arg(&path));
        outcome.refused(MODEL, &[&format!("--model {}: found {found}", path.display()), "give a folder"]);
    }
}
