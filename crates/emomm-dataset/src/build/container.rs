//! Whether an MP4 file is whole, as far as its outermost boxes tell: a download that broke off ends inside one.
//!
//! Only files that say they are of this family (`ftyp`) are looked at; decoding is not this crate's work.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// A file has about five outermost boxes, a fragmented one some for each second.
const MAX_BOXES: usize = 100_000;

/// What is wrong with the file at `path`; `None` if nothing is, or if it is of another family.
pub(super) fn damage(path: &Path) -> Option<String> {
    let mut file = File::open(path).ok()?;
    let length = file.metadata().ok().map(|m| m.len()).filter(|length| *length > 0)?;
    let mut at = 0;
    let mut has_index = false;
    for number in 0..MAX_BOXES {
        if at == length {
            break;
        }
        let Some((kind, size)) = read_box(&mut file, at, length) else {
            return (number > 0)
                .then(|| format!("cut short: byte {at} begins no box, and {length} is the end"));
        };
        if number == 0 && &kind != b"ftyp" {
            return None;
        }
        has_index |= &kind == b"moov";
        if size > length - at {
            let name = String::from_utf8_lossy(&kind).into_owned();
            return Some(format!("cut short: box {name} needs {size} bytes, {} are left", length - at));
        }
        at += size;
    }
    (!has_index).then(|| "without an index (moov)".to_owned())
}

/// Kind and size of the box at `at`; `None` if no whole header stands there.
fn read_box(file: &mut File, at: u64, length: u64) -> Option<([u8; 4], u64)> {
    let mut header = [0; 8];
    file.seek(SeekFrom::Start(at)).ok()?;
    file.read_exact(&mut header).ok()?;
    let [a, b, c, d, kind @ ..] = header;
    let size = match u32::from_be_bytes([a, b, c, d]) {
        // The rest of the file.
        0 => length - at,
        1 => {
            let mut long = [0; 8];
            file.read_exact(&mut long).ok()?;
            u64::from_be_bytes(long)
        }
        size => u64::from(size),
    };
    (size >= 8).then_some((kind, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &str, content: &[u8]) -> Vec<u8> {
        [&(8 + content.len() as u32).to_be_bytes(), kind.as_bytes(), content].concat()
    }

    fn of(bytes: &[u8]) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clip.mp4");
        std::fs::write(&path, bytes).unwrap();
        damage(&path)
    }

    #[test]
    fn a_whole_file_has_an_index_and_ends_with_a_box() {
        let long = [&1_u32.to_be_bytes(), &b"mdat"[..], &20_u64.to_be_bytes(), b"abcd"].concat();
        let whole = [boxed("ftyp", b"isom"), boxed("moov", b"index"), long].concat();
        assert_eq!(of(&whole), None);
        let to_the_end =
            [boxed("ftyp", b""), boxed("moov", b""), [0, 0, 0, 0].to_vec(), b"mdat and more".to_vec()];
        assert_eq!(of(&to_the_end.concat()), None);
    }

    #[test]
    fn a_file_that_breaks_off_is_told() {
        let whole = [boxed("ftyp", b"isom"), boxed("moov", b"index"), boxed("mdat", b"pictures")].concat();
        assert!(of(&whole[..whole.len() - 1]).unwrap().contains("box mdat needs 16 bytes, 15 are left"));
        assert!(of(&whole[..28]).unwrap().contains("cut short"));
        assert!(of(&boxed("ftyp", b"isom")).unwrap().contains("moov"));
        let zero = [boxed("ftyp", b""), vec![0, 0, 0, 2], b"free".to_vec()].concat();
        assert!(of(&zero).unwrap().contains("begins no box"));
    }

    #[test]
    fn other_files_are_not_looked_at() {
        for bytes in [&b"RIFF....WAVE"[..], b"medium 7", b"", b"x"] {
            assert_eq!(of(bytes), None, "{bytes:?}");
        }
    }
}
