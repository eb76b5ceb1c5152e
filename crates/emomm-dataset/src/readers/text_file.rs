//! Label files as text: size limit, encoding, digest.
//!
//! The files that circulate are UTF-8, UTF-8 with a mark, or GBK. The encoding is found out, never assumed, and
//! anything but plain UTF-8 is reported.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use encoding_rs::{Encoding, GB18030};
use sha2::{Digest, Sha256};

use crate::error::DatasetError;

/// Largest label file that is read. The largest known has 1.5 MB.
pub(crate) const MAX_BYTES: u64 = 256 << 20;

/// The content of a text file.
pub(crate) struct TextFile {
    /// As UTF-8, without a mark.
    pub(crate) text: String,
    /// The encoding, where it was not plain UTF-8.
    pub(crate) decoded_from: Option<&'static str>,
    /// See [`digest_of_lines`].
    pub(crate) digest: String,
}

/// Reads a file of at most [`MAX_BYTES`].
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>, DatasetError> {
    let io = |source| DatasetError::Io { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let read = File::open(path).map_err(io)?.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(io)?;
    if read as u64 > MAX_BYTES {
        return Err(DatasetError::TooLarge { path: path.to_owned(), what: "bytes", limit: MAX_BYTES });
    }
    Ok(bytes)
}

/// Reads and decodes a text file.
pub(crate) fn read_text(path: &Path) -> Result<TextFile, DatasetError> {
    let bytes = read_bytes(path)?;
    let digest = digest_of_lines(&bytes);
    let (text, decoded_from) =
        decode(bytes).ok_or_else(|| DatasetError::Encoding { path: path.to_owned() })?;
    Ok(TextFile { text, decoded_from, digest })
}

/// UTF-8 as it is, else by a mark, else GB18030 (a superset of GBK); `None` if none of them fits.
fn decode(bytes: Vec<u8>) -> Option<(String, Option<&'static str>)> {
    if let Some((encoding, mark)) = Encoding::for_bom(&bytes) {
        let text = encoding.decode_without_bom_handling_and_without_replacement(&bytes[mark..])?;
        let name =
            if encoding == encoding_rs::UTF_8 { "UTF-8 with a byte order mark" } else { encoding.name() };
        return Some((text.into_owned(), Some(name)));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Some((text, None)),
        Err(error) => {
            let text = GB18030.decode_without_bom_handling_and_without_replacement(error.as_bytes())?;
            Some((text.into_owned(), Some("GB18030")))
        }
    }
}

/// SHA-256 of the lines of a file, sorted by their bytes: what `LC_ALL=C sort FILE | sha256sum` prints.
///
/// It says which rows a benchmark was built from and, like the manifest, does not depend on their order.
pub(crate) fn digest_of_lines(bytes: &[u8]) -> String {
    let mut lines: Vec<&[u8]> = bytes.split(|b| *b == b'\n').collect();
    if lines.last().is_some_and(|l| l.is_empty()) {
        lines.pop();
    }
    lines.sort_unstable();
    let mut hash = Sha256::new();
    for line in lines {
        hash.update(line);
        hash.update(b"\n");
    }
    hex(&hash.finalize())
}

/// SHA-256 of bytes, in lower-case hexadecimal digits.
pub fn digest_of_bytes(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [b >> 4, b & 15]).map(|d| char::from(DIGITS[usize::from(d)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_utf8_is_not_reported() {
        assert_eq!(decode("你好".as_bytes().to_vec()), Some(("你好".to_owned(), None)));
    }

    #[test]
    fn a_mark_is_taken_off_and_reported() {
        let (text, from) = decode("\u{feff}video_id".as_bytes().to_vec()).unwrap();
        assert_eq!((text.as_str(), from), ("video_id", Some("UTF-8 with a byte order mark")));
        let (text, from) = decode(vec![0xff, 0xfe, 0x60, 0x4f]).unwrap();
        assert_eq!((text.as_str(), from), ("你", Some("UTF-16LE")));
    }

    #[test]
    fn gbk_is_decoded_and_reported() {
        let (text, from) = decode(vec![0xc4, 0xe3, 0xba, 0xc3]).unwrap();
        assert_eq!((text.as_str(), from), ("你好", Some("GB18030")));
    }

    #[test]
    fn other_bytes_are_no_text() {
        assert_eq!(decode(vec![0x80, 0xff, 0xff]), None);
    }

    /// `printf 'b\na\n' | LC_ALL=C sort | sha256sum`
    #[test]
    fn the_digest_does_not_depend_on_the_order_of_lines() {
        let expected = "911169ddaaf146aff539f58c26c489af3b892dff0fe283c1c264c65ae5aa59a2";
        assert_eq!(expected, digest_of_lines(b"a\nb\n"));
        assert_eq!(digest_of_lines(b"a\nb\n"), digest_of_lines(b"b\na"));
        assert_ne!(digest_of_lines(b"a\nb\n"), digest_of_lines(b"a\nc\n"));
    }
}
