//! The prompt against sixteen golden files, one per corpus and coalition, written from the paper's text by
//! `tests/golden/prompts/export.py`, which shares nothing with the Rust code.

use std::path::{Path, PathBuf};

use emomm_dataset::{Corpus, ModalitySet};
use emomm_eval::prompt;
use sha2::{Digest, Sha256};

fn golden_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/prompts")
}

#[test]
fn every_coalition_and_corpus_equals_its_golden_file() {
    for corpus in Corpus::ALL {
        for coalition in ModalitySet::ALL {
            let path = golden_dir().join(corpus.name()).join(format!("{coalition}.txt"));
            let expected =
                std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            let built = prompt::build(corpus, coalition, Some("<TRANSCRIPT_TEXT>")).unwrap();
            assert_eq!(built.plain_text(), expected, "{}", path.display());
        }
    }
}

#[test]
fn the_digest_is_that_of_the_golden_files() {
    let mut all = Vec::new();
    for corpus in Corpus::ALL {
        for coalition in ["none", "T", "A", "V", "TA", "TV", "AV", "TAV"] {
            let path = golden_dir().join(corpus.name()).join(format!("{coalition}.txt"));
            all.extend(std::fs::read(&path).unwrap());
            all.push(0);
        }
    }
    assert_eq!(prompt::sha256(), emomm_eval::run::hex(&Sha256::digest(&all)));
}

#[test]
fn there_are_sixteen_golden_files_and_all_differ() {
    let mut texts = Vec::new();
    for corpus in Corpus::ALL {
        for entry in std::fs::read_dir(golden_dir().join(corpus.name())).unwrap() {
            texts.push(std::fs::read_to_string(entry.unwrap().path()).unwrap());
        }
    }
    assert_eq!(texts.len(), 16);
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), 16);
}
