//! One value for each modality, with the keys `text`, `audio` and `video` in JSON.

use serde::{Deserialize, Serialize};

use crate::modality::Modality;

/// One value for each modality. Where a modality may be absent, `T` is an `Option`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PerModality<T> {
    /// Of the transcript.
    pub text: T,
    /// Of the voice.
    pub audio: T,
    /// Of the picture.
    pub video: T,
}

impl<T> PerModality<T> {
    /// Builds the three values from a function of the modality.
    pub fn from_fn(mut value: impl FnMut(Modality) -> T) -> Self {
        Self { text: value(Modality::Text), audio: value(Modality::Audio), video: value(Modality::Video) }
    }

    /// The value of one modality.
    pub fn get(&self, modality: Modality) -> &T {
        match modality {
            Modality::Text => &self.text,
            Modality::Audio => &self.audio,
            Modality::Video => &self.video,
        }
    }

    /// The value of one modality, to be changed.
    pub fn get_mut(&mut self, modality: Modality) -> &mut T {
        match modality {
            Modality::Text => &mut self.text,
            Modality::Audio => &mut self.audio,
            Modality::Video => &mut self.video,
        }
    }

    /// The three values with a function applied to each.
    pub fn map<U>(self, mut f: impl FnMut(T) -> U) -> PerModality<U> {
        PerModality { text: f(self.text), audio: f(self.audio), video: f(self.video) }
    }

    /// The modalities and their values in the order T, A, V.
    pub fn iter(&self) -> impl Iterator<Item = (Modality, &T)> {
        Modality::ALL.into_iter().map(|m| (m, self.get(m)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_under_the_modality_s_name() {
        let mut letters = PerModality::from_fn(Modality::letter);
        assert_eq!(serde_json::to_string(&letters).unwrap(), r#"{"text":"T","audio":"A","video":"V"}"#);
        assert!(letters.iter().all(|(m, l)| *l == m.letter()));
        *letters.get_mut(Modality::Audio) = 'x';
        assert_eq!(letters.map(|l| l == 'x'), PerModality { text: false, audio: true, video: false });
    }
}
