//! A question in no server's form: the paper's prompt with the media of one coalition, and how it may be answered.

use std::sync::Arc;

use emomm_dataset::{Corpus, Sentiment};
use emomm_eval::prompt::{Part, Prompt};
use emomm_eval::{ServedEnd, ServedUsage};
use std::collections::BTreeMap;

use crate::medium::{Medium, MediumKind};
use crate::prices::Bound;

/// One part of the user message.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum AskPart {
    Text(String),
    Medium(Arc<Medium>),
}

/// A question.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ask {
    pub(crate) system: String,
    pub(crate) parts: Vec<AskPart>,
    pub(crate) max_tokens: usize,
    pub(crate) seed: Option<u64>,
    /// The replies that are allowed; empty where all are.
    pub(crate) choices: Vec<String>,
}

impl Ask {
    /// The prompt with its media put in; texts that follow each other are one part.
    pub(crate) fn of(
        prompt: &Prompt,
        picture: &[Arc<Medium>],
        sound: Option<&Arc<Medium>>,
        max_tokens: usize,
    ) -> Self {
        let mut parts: Vec<AskPart> = Vec::new();
        let mut text = String::new();
        let flush = |text: &mut String, parts: &mut Vec<AskPart>| {
            if !text.is_empty() {
                parts.push(AskPart::Text(std::mem::take(text)));
            }
        };
        for part in &prompt.parts {
            match part {
                Part::Video => {
                    flush(&mut text, &mut parts);
                    parts.extend(picture.iter().cloned().map(AskPart::Medium));
                }
                Part::Audio => {
                    flush(&mut text, &mut parts);
                    parts.extend(sound.cloned().map(AskPart::Medium));
                }
                Part::Transcript { heading, text: words, terminator } => {
                    text.push_str(heading);
                    text.push_str(words);
                    text.push_str(terminator);
                }
                Part::Instruction(words) => text.push_str(words),
            }
        }
        flush(&mut text, &mut parts);
        Self { system: prompt.system.to_owned(), parts, max_tokens, seed: None, choices: Vec::new() }
    }

    /// A short question without media, to see what a server does.
    pub(crate) fn trial(text: &str, max_tokens: usize) -> Self {
        Self {
            system: "You answer with one letter.".to_owned(),
            parts: vec![AskPart::Text(text.to_owned())],
            max_tokens,
            seed: None,
            choices: Vec::new(),
        }
    }

    pub(crate) fn media(&self) -> impl Iterator<Item = &Arc<Medium>> {
        self.parts.iter().filter_map(|p| if let AskPart::Medium(m) = p { Some(m) } else { None })
    }

    /// Bytes that its media take in a request.
    pub(crate) fn media_bytes(&self) -> u64 {
        self.media().map(|m| m.bytes.len().div_ceil(3) as u64 * 4).sum()
    }

    /// What bounds its tokens, with so many frames a second of a video.
    pub(crate) fn bound(&self, fps: f64) -> Bound {
        let mut bound = Bound { fps, reply_tokens: self.max_tokens as u64, ..Bound::default() };
        bound.text_bytes = self.system.len() as u64;
        for part in &self.parts {
            match part {
                AskPart::Text(text) => bound.text_bytes += text.len() as u64,
                AskPart::Medium(medium) => match medium.kind {
                    MediumKind::Video => bound.video_seconds += medium.seconds,
                    MediumKind::Audio => bound.audio_seconds += medium.seconds,
                    MediumKind::Frame => bound.frames += 1,
                },
            }
        }
        bound
    }
}

/// Every reply that the prompt allows: each letter with each score of its set.
pub(crate) fn allowed_replies(corpus: Corpus) -> Vec<String> {
    let of = |class: &Sentiment| {
        let letter = class.letter();
        corpus
            .score_set(*class)
            .iter()
            .map(move |score| format!("{letter}\nScore: {score}"))
            .collect::<Vec<_>>()
    };
    Sentiment::ALL.iter().flat_map(of).collect()
}

/// What a server's reply says, in no server's form.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct WireReply {
    pub(crate) text: String,
    pub(crate) end: ServedEnd,
    pub(crate) finish_reason: Option<String>,
    pub(crate) detail: Option<String>,
    pub(crate) model_version: Option<String>,
    pub(crate) response_id: Option<String>,
    pub(crate) usage: Option<ServedUsage>,
    pub(crate) letter_logprobs: Option<BTreeMap<char, f64>>,
    /// Modalities that the server says it was shown, by its own count; `None` where it does not say.
    pub(crate) notes: Vec<String>,
}

/// The logs of the letters' probabilities among the tokens that a server lists for one place: a letter with a blank before
/// it is the letter, and probabilities of both are added.
pub(crate) fn letters_of<'a>(tokens: impl Iterator<Item = (&'a str, f64)>) -> Option<BTreeMap<char, f64>> {
    let mut sums: BTreeMap<char, f64> = BTreeMap::new();
    for (token, logprob) in tokens {
        let bare = token.trim_matches([' ', '\u{2581}', '\u{120}']);
        let mut letters = bare.chars();
        let (Some(letter), None) = (letters.next(), letters.next()) else { continue };
        if ('A'..='E').contains(&letter) && logprob.is_finite() {
            *sums.entry(letter).or_default() += logprob.exp();
        }
    }
    let logs: BTreeMap<char, f64> =
        sums.into_iter().filter(|(_, p)| *p > 0.0).map(|(letter, p)| (letter, p.ln())).collect();
    (!logs.is_empty()).then_some(logs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eleven_replies_are_allowed() {
        for corpus in [Corpus::ChSims, Corpus::CmuMosi] {
            let all = allowed_replies(corpus);
            assert_eq!(all.len(), 11);
            for reply in all {
                let read = emomm_eval::reply::parse(&reply, corpus);
                assert!(read.reply_notes.is_empty() && read.reply_score.is_some(), "{reply:?} {read:?}");
            }
        }
    }

    #[test]
    fn a_letter_with_a_blank_is_the_letter() {
        let half = 0.25_f64.ln();
        let letters = letters_of(
            [("A", half), (" A", half), ("AB", 0.0), ("B", half), ("a", half), ("F", half)].into_iter(),
        );
        let letters = letters.unwrap();
        assert!((letters[&'A'] - 0.5_f64.ln()).abs() < 1e-12 && (letters[&'B'] - half).abs() < 1e-12);
        assert_eq!(letters.len(), 2);
        assert_eq!(letters_of([("The", -1.0)].into_iter()), None);
    }
}
