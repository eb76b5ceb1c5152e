//! How a modality that a coalition lacks is kept from a model.

use std::fmt;
use std::str::FromStr;

use emomm_dataset::ModalitySet;
use serde::{Deserialize, Serialize};

/// How a modality that the clip has and the coalition lacks is kept from the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missingness {
    /// It is left out of the prompt, and the instruction names what is shown (App. E).
    #[default]
    Omit,
    /// The prompt is that of everything the clip has, as long as it is; the modality's contents are blank: black frames,
    /// silence, spaces.
    Blank,
    /// The prompt is that of everything the clip has; no later token of any layer attends to the modality's tokens.
    Mask,
}

impl Missingness {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Omit, Self::Blank, Self::Mask];

    /// The word of the command line: `omit`, `blank` or `mask`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Omit => "omit",
            Self::Blank => "blank",
            Self::Mask => "mask",
        }
    }

    /// Whether it is the paper's way. By reference, as `serde` asks.
    pub fn is_omit(&self) -> bool {
        *self == Self::Omit
    }

    /// The modalities that the prompt of a coalition has places for, of a clip that has `available`.
    pub fn laid_out(self, coalition: ModalitySet, available: ModalitySet) -> ModalitySet {
        if self.is_omit() { coalition } else { available }
    }
}

impl fmt::Display for Missingness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Missingness {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|m| m.name() == word);
        found.ok_or_else(|| format!("found `{word}`, expected omit, blank or mask"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back_and_only_omit_shortens_the_prompt() {
        for missing in Missingness::ALL {
            assert_eq!(missing.name().parse(), Ok(missing));
            assert_eq!(serde_json::to_value(missing).unwrap(), missing.name());
        }
        assert!("zero".parse::<Missingness>().unwrap_err().contains("omit, blank or mask"));
        let (ta, all) = ("TA".parse().unwrap(), ModalitySet::FULL);
        let laid_out = Missingness::ALL.map(|m| m.laid_out(ta, all));
        assert_eq!(laid_out, [ta, all, all]);
    }
}
