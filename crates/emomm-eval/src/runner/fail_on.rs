//! When a run should end because too much fails.

use std::fmt;
use std::str::FromStr;

/// A number of failed records, or a share of those that are done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FailOn {
    /// So many.
    Count(usize),
    /// So large a share, judged once [`FailOn::FEWEST`] records are done.
    Share(f64),
}

impl FailOn {
    /// Records before a share is judged.
    pub const FEWEST: usize = 20;

    /// Whether it is reached.
    pub fn is_reached(self, failed: usize, done: usize) -> bool {
        match self {
            Self::Count(most) => failed >= most,
            Self::Share(most) => done >= Self::FEWEST && failed as f64 >= most * done as f64,
        }
    }
}

impl fmt::Display for FailOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(n) => write!(f, "{n} failed records"),
            Self::Share(share) => write!(f, "a share of {share} failed records"),
        }
    }
}

impl FromStr for FailOn {
    type Err = String;

    /// A whole number is a count; a number with a decimal point, between 0 and 1, is a share.
    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let expected =
            || format!("found `{word}`, expected a count (10) or a share above 0 and up to 1 (0.05)");
        if word.contains('.') {
            let share: f64 = word.parse().map_err(|_| expected())?;
            return if share > 0.0 && share <= 1.0 { Ok(Self::Share(share)) } else { Err(expected()) };
        }
        let count: usize = word.parse().map_err(|_| expected())?;
        if count == 0 { Err(expected()) } else { Ok(Self::Count(count)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_shares() {
        assert_eq!("3".parse(), Ok(FailOn::Count(3)));
        assert_eq!("0.25".parse(), Ok(FailOn::Share(0.25)));
        assert_eq!("1.0".parse(), Ok(FailOn::Share(1.0)));
        for word in ["0", "-1", "0.0", "1.5", "nan", ".", "x", "10%"] {
            assert!(word.parse::<FailOn>().unwrap_err().contains(word), "{word}");
        }
        assert!(FailOn::Count(2).is_reached(2, 2) && !FailOn::Count(2).is_reached(1, 100));
        // A share says nothing of a handful.
        assert!(!FailOn::Share(0.5).is_reached(19, 19));
        assert!(FailOn::Share(0.5).is_reached(10, 20) && !FailOn::Share(0.5).is_reached(9, 20));
    }
}
