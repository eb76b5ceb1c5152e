//! What a model behind a server says beside its reply: how the reply ended, what it cost, what the server counted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How a server's reply ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServedEnd {
    /// It is whole.
    #[default]
    Answered,
    /// The model declined.
    Refused,
    /// The provider kept it back: a safety filter, a blocked prompt.
    Blocked,
    /// It was cut at its longest length. A letter before the cut counts.
    Cut,
    /// It holds no text.
    Empty,
}

impl ServedEnd {
    /// Whether nothing that stands in the reply is an answer.
    pub fn withholds(self) -> bool {
        matches!(self, Self::Refused | Self::Blocked)
    }
}

/// What the server counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServedUsage {
    /// Tokens of the prompt, media included.
    pub prompt: u64,
    /// Tokens of the reply, without thoughts.
    pub reply: u64,
    /// Tokens that the model thought with.
    #[serde(default)]
    pub thoughts: u64,
    /// Tokens of the prompt that the server had kept from earlier ones.
    #[serde(default)]
    pub cached: u64,
    /// Tokens of the prompt by modality, where the server says so: `text`, `audio`, `video`, `image`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub by_modality: BTreeMap<String, u64>,
}

/// No request has so many tokens; a greater count is none.
const MOST_TOKENS: u64 = 1 << 32;

impl ServedUsage {
    /// Tokens of prompt, reply and thoughts.
    pub fn total(&self) -> u64 {
        self.prompt.saturating_add(self.reply).saturating_add(self.thoughts)
    }

    /// These counts, unless one of them cannot be: sums of counts never overflow then.
    pub fn plausible(self) -> Option<Self> {
        let all = [self.prompt, self.reply, self.thoughts, self.cached];
        all.iter().chain(self.by_modality.values()).all(|n| *n <= MOST_TOKENS).then_some(self)
    }
}

/// One further asking of the same question.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ServedRepeat {
    /// How it ended.
    pub ended: ServedEnd,
    /// What the model wrote.
    pub reply: Option<String>,
    /// The letter read from it.
    pub reply_letter: Option<char>,
    /// The score read from it.
    pub reply_score: Option<f64>,
}

/// What a server said beside its reply. The field names are part of the contract of `log.jsonl`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Served {
    /// How the reply ended.
    pub ended: ServedEnd,
    /// The server's own word for it, whatever it is.
    pub finish_reason: Option<String>,
    /// Why it was blocked or refused, in the server's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The model and its version, as the server states it.
    pub model_version: Option<String>,
    /// The server's name for this reply.
    pub response_id: Option<String>,
    /// What was odd about how the reply came, beside how it ended; absent where nothing was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What the server counted.
    pub usage: Option<ServedUsage>,
    /// Log-probabilities of the letters A to E at the first token of the reply, those that the server stated; not
    /// renormalised. Absent where it stated none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub letter_logprobs: Option<BTreeMap<char, f64>>,
    /// Cost of all askings in US dollars by the price table; null without a price.
    pub cost_usd: Option<f64>,
    /// Requests that were sent for the first asking.
    pub attempts: usize,
    /// SHA-256 of the request, media by their hashes: the name of the kept reply.
    pub request_sha256: String,
    /// The second asking and those after it; the record's own answer is that of the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repeats: Vec<ServedRepeat>,
}

impl Served {
    /// The notes on a reply: those of the parser, then what the server's reply says of itself.
    pub fn with_notes(&self, mut parsed: Vec<String>) -> Vec<String> {
        if self.ended == ServedEnd::Cut {
            parsed.push("the reply was cut at its longest length".to_owned());
        }
        parsed.extend(self.notes.iter().cloned());
        parsed
    }

    /// Share of the pairs of askings whose letters differ, in [0, 1]; `first` is the letter of the first asking. An
    /// asking without a letter differs from every letter and equals another one without. `None` for a single asking.
    pub fn flip_rate(&self, first: Option<char>) -> Option<f64> {
        let mut letters: Vec<Option<char>> = self.repeats.iter().map(|r| r.reply_letter).collect();
        letters.push(first);
        let n = letters.len();
        let pairs = n * (n - 1) / 2;
        let different = (0..n)
            .flat_map(|i| (0..i).map(move |j| (i, j)))
            .filter(|(i, j)| letters[*i] != letters[*j])
            .count();
        (pairs > 0).then(|| different as f64 / pairs as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_that_cannot_be_are_none() {
        let usage = |n| ServedUsage { thoughts: n, ..ServedUsage::default() };
        assert_eq!(usage(1 << 20).plausible().map(|u| u.total()), Some(1 << 20));
        assert_eq!(usage(u64::MAX).plausible(), None);
        assert_eq!(ServedUsage { prompt: u64::MAX, reply: 1, ..ServedUsage::default() }.total(), u64::MAX);
        let by_modality = BTreeMap::from([("audio".to_owned(), u64::MAX)]);
        assert_eq!(ServedUsage { by_modality, ..ServedUsage::default() }.plausible(), None);
    }

    #[test]
    fn the_flip_rate_counts_pairs() {
        let with = |letters: &[Option<char>]| Served {
            repeats: letters
                .iter()
                .map(|l| ServedRepeat { reply_letter: *l, ..Default::default() })
                .collect(),
            ..Default::default()
        };
        assert_eq!(with(&[]).flip_rate(Some('A')), None);
        assert_eq!(with(&[Some('A')]).flip_rate(Some('A')), Some(0.0));
        // A A B: two of three pairs differ.
        assert_eq!(with(&[Some('A'), Some('B')]).flip_rate(Some('A')), Some(2.0 / 3.0));
        assert_eq!(with(&[None, None]).flip_rate(None), Some(0.0));
    }
}
