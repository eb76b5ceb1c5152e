//! Modalities T, A, V and their coalitions: the players and the subsets of Eq. (2).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::VocabularyError;

/// One of the three sources of evidence, the set 𝓜 = {T, A, V} of the paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Modality {
    /// The transcript.
    Text,
    /// The voice.
    Audio,
    /// The picture.
    Video,
}

impl Modality {
    /// All three, in the paper's order T, A, V. [`Modality::index`] counts in this order.
    pub const ALL: [Self; 3] = [Self::Text, Self::Audio, Self::Video];

    /// Position in [`Modality::ALL`].
    pub fn index(self) -> usize {
        match self {
            Self::Text => 0,
            Self::Audio => 1,
            Self::Video => 2,
        }
    }

    /// The paper's letter: `T`, `A` or `V`.
    pub fn letter(self) -> char {
        match self {
            Self::Text => 'T',
            Self::Audio => 'A',
            Self::Video => 'V',
        }
    }

    /// The word used in JSON: `text`, `audio` or `video`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Audio => "audio",
            Self::Video => "video",
        }
    }
}

impl fmt::Display for Modality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A coalition 𝓢 ⊆ 𝓜: the modalities that a model is shown.
///
/// A missing modality is a member that is absent here, never an empty string or a zero tensor.
/// The written form is `none`, `T`, `A`, `V`, `TA`, `TV`, `AV` or `TAV`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct ModalitySet(u8);

impl ModalitySet {
    /// The coalition without evidence, ∅.
    pub const NONE: Self = Self(0);
    /// The full coalition, TAV.
    pub const FULL: Self = Self(0b111);
    /// All eight coalitions, from ∅ to TAV: `none`, `T`, `A`, `V`, `TA`, `TV`, `AV`, `TAV`.
    pub const ALL: [Self; 8] = [
        Self(0b000),
        Self(0b001),
        Self(0b010),
        Self(0b100),
        Self(0b011),
        Self(0b101),
        Self(0b110),
        Self(0b111),
    ];

    const WORDS: &'static str = "one of none, T, A, V, TA, TV, AV, TAV";

    /// Whether `modality` is a member.
    pub fn contains(self, modality: Modality) -> bool {
        self.0 & (1 << modality.index()) != 0
    }

    /// This coalition with `modality` added.
    #[must_use]
    pub fn with(self, modality: Modality) -> Self {
        Self(self.0 | 1 << modality.index())
    }

    /// This coalition with `modality` removed, 𝓢 \ {m} of Eq. (2).
    #[must_use]
    pub fn without(self, modality: Modality) -> Self {
        Self(self.0 & !(1 << modality.index()))
    }

    /// Whether every member of `self` is a member of `other`.
    pub fn is_subset_of(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// Number of members, |𝓢|.
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether this is the coalition without evidence.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The members in the order T, A, V.
    pub fn iter(self) -> impl Iterator<Item = Modality> {
        Modality::ALL.into_iter().filter(move |m| self.contains(*m))
    }

    /// Every coalition whose members are all in `self`, in the order of [`ModalitySet::ALL`].
    pub fn subsets(self) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |s| s.is_subset_of(self))
    }
}

impl FromIterator<Modality> for ModalitySet {
    fn from_iter<I: IntoIterator<Item = Modality>>(members: I) -> Self {
        members.into_iter().fold(Self::NONE, Self::with)
    }
}

impl fmt::Display for ModalitySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.pad("none");
        }
        let letters: String = self.iter().map(Modality::letter).collect();
        f.pad(&letters)
    }
}

impl FromStr for ModalitySet {
    type Err = VocabularyError;

    /// Reads `none` or a string of the letters T, A and V, each at most once, in any order and case.
    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let unknown = || VocabularyError::new("coalition", word, Self::WORDS);
        if word.eq_ignore_ascii_case("none") {
            return Ok(Self::NONE);
        }
        let mut set = Self::NONE;
        for letter in word.chars() {
            let modality = Modality::ALL
                .into_iter()
                .find(|m| m.letter() == letter.to_ascii_uppercase())
                .ok_or_else(unknown)?;
            if set.contains(modality) {
                return Err(unknown());
            }
            set = set.with(modality);
        }
        if set.is_empty() { Err(unknown()) } else { Ok(set) }
    }
}

impl Serialize for ModalitySet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ModalitySet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        word.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eight_coalitions_have_the_contract_s_words() {
        let words: Vec<String> = ModalitySet::ALL.iter().map(ToString::to_string).collect();
        assert_eq!(words, ["none", "T", "A", "V", "TA", "TV", "AV", "TAV"]);
        for (word, set) in words.iter().zip(ModalitySet::ALL) {
            assert_eq!(word.parse::<ModalitySet>().unwrap(), set);
        }
    }

    #[test]
    fn any_order_and_case_is_read() {
        assert_eq!("vat".parse::<ModalitySet>().unwrap(), ModalitySet::FULL);
        assert_eq!("NONE".parse::<ModalitySet>().unwrap(), ModalitySet::NONE);
    }

    #[test]
    fn other_words_are_refused() {
        for word in ["", "X", "TT", "T A", "text", "0"] {
            let error = word.parse::<ModalitySet>().unwrap_err();
            assert!(error.to_string().contains("coalition"), "{error}");
        }
    }

    #[test]
    fn subsets_of_a_pair_are_four() {
        let pair: ModalitySet = "TV".parse().unwrap();
        let words: Vec<String> = pair.subsets().map(|s| s.to_string()).collect();
        assert_eq!(words, ["none", "T", "V", "TV"]);
    }

    #[test]
    fn json_form_is_the_word() {
        let json = serde_json::to_string(&ModalitySet::FULL).unwrap();
        assert_eq!(json, "\"TAV\"");
        assert_eq!(serde_json::from_str::<ModalitySet>(&json).unwrap(), ModalitySet::FULL);
    }
}
