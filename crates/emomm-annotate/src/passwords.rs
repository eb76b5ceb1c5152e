//! Passwords: Argon2id, computed by few threads at a time.

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;

use crate::error::AnnotateError;

/// Fewest characters of a password.
pub(crate) const MIN_LENGTH: usize = 10;
/// Most bytes of a password.
const MAX_BYTES: usize = 256;
/// Hashes computed at a time: each takes 19 MiB and some 20 ms.
const AT_A_TIME: usize = 2;
/// Hashes that may wait; more are refused.
const MAX_WAITING: usize = 64;

/// Words that begin too many passwords.
const COMMON: [&str; 12] = [
    "password",
    "123456789",
    "qwertyuiop",
    "annotator",
    "emomm",
    "letmein",
    "iloveyou",
    "administrator",
    "welcome",
    "0123456789",
    "1234567890",
    "abcdefghij",
];

/// Computes and checks hashes.
#[derive(Debug, Clone)]
pub(crate) struct Passwords {
    free: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    /// Checked when there is no such account, so that the answer takes as long.
    decoy: Arc<String>,
}

impl Passwords {
    /// Argon2id with 19 MiB, two passes, one lane (RFC 9106's and OWASP's second choice).
    pub(crate) fn new() -> Result<Self, AnnotateError> {
        Ok(Self {
            free: Arc::new(Semaphore::new(AT_A_TIME)),
            waiting: Arc::new(Semaphore::new(MAX_WAITING)),
            decoy: Arc::new(hash(&crate::opaque::random_id()?)?),
        })
    }

    /// The hash of a password in PHC form.
    pub(crate) async fn hash(&self, password: String) -> Result<String, AnnotateError> {
        self.compute(move || hash(&password)).await?
    }

    /// Whether a password belongs to a stored hash; without one a hash is computed all the same.
    pub(crate) async fn verify(
        &self,
        password: String,
        stored: Option<String>,
    ) -> Result<bool, AnnotateError> {
        let decoy = Arc::clone(&self.decoy);
        self.compute(move || {
            let known = stored.is_some();
            let stored = stored.unwrap_or_else(|| decoy.as_ref().clone());
            known & is_of(&password, &stored)
        })
        .await
    }

    async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, AnnotateError> {
        let busy = || AnnotateError::refused("passwords", "too many at a time", "a little patience");
        let _place = self.waiting.try_acquire().map_err(|_| busy())?;
        let permit = Arc::clone(&self.free).acquire_owned().await.map_err(|_| busy())?;
        tokio::task::spawn_blocking(move || {
            // Held until the work is done, even if the one who asked went away.
            let _permit = permit;
            work()
        })
        .await
        .map_err(|_| busy())
    }
}

/// What is wrong with a new password, as a key of the words; `None` if nothing is.
pub(crate) fn weakness(password: &str, login: &str) -> Option<&'static str> {
    let lower = password.to_lowercase();
    if password.chars().count() < MIN_LENGTH {
        return Some("password.short");
    }
    if password.len() > MAX_BYTES {
        return Some("password.long");
    }
    let distinct: std::collections::BTreeSet<char> = lower.chars().collect();
    let is_login = login.chars().count() >= 4 && lower.contains(&login.to_lowercase());
    if distinct.len() < 4 || is_login || COMMON.iter().any(|word| lower.starts_with(word)) {
        return Some("password.common");
    }
    None
}

fn hash(password: &str) -> Result<String, AnnotateError> {
    Argon2::default()
        .hash_password(password.as_bytes())
        .map(|hash| hash.to_string())
        .map_err(|e| AnnotateError::Randomness { message: e.to_string() })
}

fn is_of(password: &str, stored: &str) -> bool {
    if password.len() > MAX_BYTES {
        return false;
    }
    PasswordHash::new(stored)
        .is_ok_and(|parsed| Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_belongs_to_its_password_only() {
        let passwords = Passwords::new().unwrap();
        let stored = passwords.hash("correct horse".to_owned()).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(passwords.verify("correct horse".to_owned(), Some(stored.clone())).await.unwrap());
        assert!(!passwords.verify("correct horsf".to_owned(), Some(stored)).await.unwrap());
        assert!(!passwords.verify("anything".to_owned(), None).await.unwrap());
        assert!(!passwords.verify("anything".to_owned(), Some("no hash".to_owned())).await.unwrap());
    }

    #[test]
    fn weak_passwords_are_named() {
        assert_eq!(weakness("short", "kim"), Some("password.short"));
        assert_eq!(weakness("aaaaaaaaaaaa", "kim"), Some("password.common"));
        assert_eq!(weakness("Password12345", "kim"), Some("password.common"));
        assert_eq!(weakness("my kimberley house", "Kimberley"), Some("password.common"));
        assert_eq!(weakness(&"ab c".repeat(80), "kim"), Some("password.long"));
        assert_eq!(weakness("three blind mice", "kim"), None);
    }
}
