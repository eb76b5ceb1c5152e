//! Keys: where they come from, and that they are written nowhere.

use std::fmt;
use std::path::Path;

use crate::error::ApiError;

/// A longer file is no key.
const MOST_KEY_BYTES: u64 = 16 << 10;

/// Stands where a key stood.
const HIDDEN: &str = "[key]";

/// A key. It has no form that could be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// From text; blanks around it are not part of it.
    ///
    /// # Errors
    /// Nothing, or characters that no header may hold. The message does not repeat the text.
    pub fn new(text: &str, source: &str) -> Result<Self, ApiError> {
        let text = text.trim();
        if text.is_empty() || !text.bytes().all(|b| (0x21..0x7f).contains(&b)) {
            let found = if text.is_empty() { "nothing" } else { "blanks or characters outside ASCII" };
            return Err(ApiError::Key { message: format!("{source}: found {found}, expected one key") });
        }
        Ok(Self(text.to_owned()))
    }

    /// From a file that only its owner may read.
    ///
    /// # Errors
    /// No such file, one that others may read, or no key in it.
    pub fn from_file(path: &Path) -> Result<Self, ApiError> {
        let fault = |message: String| ApiError::Key { message: format!("{}: {message}", path.display()) };
        let metadata = std::fs::metadata(path).map_err(|e| fault(e.to_string()))?;
        if !metadata.is_file() || metadata.len() > MOST_KEY_BYTES {
            return Err(fault("expected a small regular file that holds one key".to_owned()));
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = metadata.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                return Err(fault(format!(
                    "found permissions {mode:03o}, expected 600 or less: others may read the key (chmod 600)"
                )));
            }
        }
        let text = std::fs::read_to_string(path).map_err(|e| fault(e.to_string()))?;
        Self::new(&text, &path.display().to_string())
    }

    /// The first of some environment variables that is set.
    ///
    /// # Errors
    /// It holds no key.
    pub fn from_environment(names: &[&str]) -> Result<Option<Self>, ApiError> {
        for name in names {
            if let Some(value) = std::env::var(name).ok().filter(|v| !v.trim().is_empty()) {
                return Self::new(&value, name).map(Some);
            }
        }
        Ok(None)
    }

    /// For the header of a request, and for nothing else.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// A text without the key in it.
    pub(crate) fn redact(&self, text: &str) -> String {
        text.replace(&self.0, HIDDEN)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_not_printed() {
        let key = Secret::new(" sk-abc \n", "test").unwrap();
        assert_eq!(format!("{key:?} {:?}", Some(&key)), "[key] Some([key])");
        assert_eq!(key.redact("Bearer sk-abc!"), "Bearer [key]!");
        let message = Secret::new("sk abc", "NAME").unwrap_err().to_string();
        assert!(message.contains("NAME") && !message.contains("abc"), "{message}");
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "sk-abc\n").unwrap();
        for (mode, is_safe) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(Secret::from_file(&path).is_ok(), is_safe, "{mode:o}");
        }
        assert!(Secret::from_file(folder.path()).is_err());
    }
}
