//! Random names that say nothing, and hashes.

use sha2::{Digest, Sha256};

use crate::error::AnnotateError;

/// Characters of ids and tokens: 32 that are not mistaken for each other, five bits each.
const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789-";

/// 130 random bits as 26 characters: the id of an assignment, the name of a derivative, an invitation, a session.
///
/// # Errors
/// Where the operating system has no randomness.
pub fn random_id() -> Result<String, AnnotateError> {
    let mut bytes = [0_u8; 26];
    getrandom::fill(&mut bytes).map_err(|e| AnnotateError::Randomness { message: e.to_string() })?;
    // 256 is a multiple of 32, so every character is as likely as any other.
    let mut id: String = bytes.iter().map(|b| char::from(ALPHABET[usize::from(b % 32)])).collect();
    // No command line takes it for an option.
    if id.starts_with('-') {
        id.replace_range(..1, "a");
    }
    Ok(id)
}

/// SHA-256, as it is stored of tokens: whoever reads the database cannot use them.
pub(crate) fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut out, b| {
        out.push(char::from_digit(u32::from(b >> 4), 16).unwrap_or('0'));
        out.push(char::from_digit(u32::from(b & 15), 16).unwrap_or('0'));
        out
    })
}

/// A number in 0..`bound` that follows from a seed and words; for orders that must be the same when made again.
pub(crate) fn seeded_key(seed: u64, words: &[&str]) -> u64 {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    for word in words {
        hash.update((word.len() as u64).to_le_bytes());
        hash.update(word.as_bytes());
    }
    let bytes: [u8; 32] = hash.finalize().into();
    u64::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_are_plain() {
        let ids: std::collections::BTreeSet<String> = (0..1000).map(|_| random_id().unwrap()).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|id| id.len() == 26 && !id.starts_with('-')));
    }

    #[test]
    fn the_digest_is_sha_256() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex(&digest(b"abc")), expected);
    }

    #[test]
    fn keys_depend_on_seed_and_on_the_borders_of_words() {
        assert_ne!(seeded_key(0, &["a"]), seeded_key(1, &["a"]));
        assert_ne!(seeded_key(0, &["ab", "c"]), seeded_key(0, &["a", "bc"]));
    }
}
