//! The kept inputs of the fuzz target `predictions`, with what the target asserts.

mod any_bytes;

use std::fs;
use std::path::Path;

/// Inputs whose name begins so must be read; all others may be refused.
const READABLE: &str = "read-";

#[test]
fn kept_predictions_are_scored_or_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/predictions");
    let mut n_readable = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let is_read = any_bytes::predictions(&fs::read(&path).unwrap());
        if name.starts_with(READABLE) {
            assert!(is_read, "{name} was refused");
            n_readable += 1;
        }
    }
    assert!(n_readable > 0);
}
