//! The kept inputs of the fuzz targets of readers, with what the targets assert.

mod any_bytes;

use std::fs;
use std::path::Path;

/// Inputs whose name begins so must be read; all others may be refused.
const READABLE: &str = "read-";

#[test]
fn kept_inputs_are_read_or_refused() {
    for (target, read) in any_bytes::READERS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
        let mut n_readable = 0;
        for entry in fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let is_read = read(&fs::read(&path).unwrap());
            if name.starts_with(READABLE) {
                assert!(is_read, "{target}/{name} was refused");
                n_readable += 1;
            }
        }
        assert!(n_readable > 0, "{target} has no input that is read");
    }
}
