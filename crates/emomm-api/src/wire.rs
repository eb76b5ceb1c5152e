//! What a form of requests has to say for itself. Both forms are asked through it, and a third would be.

use emomm_dataset::{Modality, ModalitySet};
use emomm_eval::{PredictError, PredictErrorKind, ServedUsage};
use serde_json::Value;

use crate::ask::{Ask, WireReply};
use crate::caller::Caller;
use crate::medium::{Medium, PictureForm, Place};
use crate::secret::Secret;

/// What a reply with a bad status means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rejection {
    /// It may pass.
    Overloaded,
    /// A quota of a day, or money, is used up: it does not pass soon.
    Exhausted,
    /// The key or the model is wrong: no request will do.
    Closed,
    /// This medium is not taken.
    Medium,
    /// This request is wrong.
    Request,
}

/// A form of requests and replies.
pub(crate) trait Wire: Send + Sync + std::fmt::Debug {
    /// Where questions go.
    fn url(&self) -> String;

    /// The headers that show the key.
    fn headers(&self, key: Option<&Secret>) -> Vec<(&'static str, String)>;

    /// The question, with media where `place` puts them.
    fn body(&self, ask: &Ask, place: &dyn Fn(&Medium) -> Place) -> Value;

    /// Reads a reply with a good status.
    ///
    /// # Errors
    /// What is missing: the reply was cut, or is of another form.
    fn read(&self, reply: &Value) -> Result<WireReply, String>;

    /// What a bad status means.
    fn rejection(&self, status: u16, body: &str) -> Rejection;

    /// How pictures are sent.
    fn picture(&self) -> PictureForm;

    /// How the server chooses frames of a video, in words for the record.
    fn sampling(&self) -> String;

    /// Frames a second of a video, for bounds of cost.
    fn frames_per_second(&self) -> f64;

    /// Whether media that are too large for a request can be stored on the server first.
    fn stores(&self) -> bool {
        false
    }

    /// Stores a medium and waits until it can be used: gives its address. `note` is told each name before something may be
    /// stored under it.
    ///
    /// # Errors
    /// The server does not take it, or does not finish with it; or the name could not be noted.
    fn store(
        &self,
        _caller: &Caller,
        _medium: &Medium,
        _note: &dyn Fn(&str) -> Result<(), PredictError>,
    ) -> Result<String, PredictError> {
        Err(PredictError {
            kind: PredictErrorKind::Request,
            message: "the server stores no media".to_owned(),
            hint: None,
        })
    }

    /// Removes a stored medium; whether it is gone.
    fn remove(&self, _caller: &Caller, _name: &str) -> bool {
        true
    }
}

/// A modality that the server counted although the coalition does not hold it.
pub(crate) fn leaked(usage: &ServedUsage, coalition: ModalitySet) -> Option<(Modality, u64)> {
    let count = |names: &[&str]| names.iter().filter_map(|n| usage.by_modality.get(*n)).sum::<u64>();
    let counted = [(Modality::Audio, count(&["audio"])), (Modality::Video, count(&["video", "image"]))];
    counted.into_iter().find(|(modality, n)| *n > 0 && !coalition.contains(*modality))
}

/// A modality of the coalition that the server did not count although it counts by modality.
pub(crate) fn unseen(usage: &ServedUsage, coalition: ModalitySet) -> Option<Modality> {
    // Counts of text alone are what a server gives that counts nothing else.
    let counts = |names: &[&str]| names.iter().any(|n| usage.by_modality.get(*n).is_some_and(|n| *n > 0));
    let media = [(Modality::Audio, counts(&["audio"])), (Modality::Video, counts(&["video", "image"]))];
    let any = media.iter().any(|(_, is_counted)| *is_counted);
    media.into_iter().find(|(m, is_counted)| any && coalition.contains(*m) && !is_counted).map(|(m, _)| m)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leak_is_a_modality_outside_the_coalition() {
        let usage = |pairs: &[(&str, u64)]| ServedUsage {
            by_modality: pairs.iter().map(|(n, c)| ((*n).to_owned(), *c)).collect(),
            ..ServedUsage::default()
        };
        let all = usage(&[("text", 200), ("audio", 128), ("video", 1032)]);
        let coalition = |word: &str| word.parse::<ModalitySet>().unwrap();
        assert_eq!(leaked(&all, coalition("TAV")), None);
        assert_eq!(leaked(&all, coalition("TV")), Some((Modality::Audio, 128)));
        assert_eq!(leaked(&all, coalition("TA")), Some((Modality::Video, 1032)));
        assert_eq!(leaked(&usage(&[("image", 5)]), coalition("T")), Some((Modality::Video, 5)));
        assert_eq!(leaked(&usage(&[("text", 9), ("audio", 0)]), coalition("none")), None);
        assert_eq!(unseen(&usage(&[("text", 9), ("video", 7)]), coalition("AV")), Some(Modality::Audio));
        assert_eq!(unseen(&usage(&[("text", 9)]), coalition("AV")), None);
    }
}
