//! The reply parser must read any text without panic and say why where it reads nothing.
//!
//! The inputs under `fuzz/corpus/reply` are replayed by a normal test in `crates/emomm-eval/tests/reply.rs`.
#![no_main]

use emomm_dataset::Corpus;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    for corpus in Corpus::ALL {
        let parsed = emomm_eval::reply::parse(&text, corpus);
        assert!(parsed.reply_letter.is_none_or(|l| ('A'..='E').contains(&l)));
        assert!(parsed.reply_score.is_none_or(|s| s.abs() <= 1.0));
        if parsed.reply_letter.is_none() || parsed.reply_score.is_none() {
            assert!(!parsed.reply_notes.is_empty());
        }
    }
});
