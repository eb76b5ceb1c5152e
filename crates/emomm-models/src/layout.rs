//! Which tokens of a prompt belong to which modality: the token sets K_m of Eq. (5).

use std::ops::Range;

use emomm_dataset::Modality;
use emomm_eval::{PerModality, TokenCounts};

/// Number of pooled groups: one for each modality, in the order of [`Modality::ALL`].
pub const N_GROUPS: usize = Modality::ALL.len();

/// One class for each token of a prompt: a modality, or none for system prompt, markers, heading and instruction.
///
/// Runs of equal class are kept as spans, so a modality may have several (interleaved media) or none (missing).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Layout {
    spans: PerModality<Vec<Range<usize>>>,
    /// Tokens of no modality that hold a part of the transcript, ascending.
    straddling: Vec<usize>,
    /// Tokens that stand where a modality is withheld, ascending.
    blank: Vec<usize>,
    total: usize,
}

impl Layout {
    /// Appends `count` tokens of one class.
    pub fn push(&mut self, class: Option<Modality>, count: usize) {
        let range = self.total..self.total + count;
        self.total += count;
        let Some(modality) = class.filter(|_| count > 0) else { return };
        let spans = match modality {
            Modality::Text => &mut self.spans.text,
            Modality::Audio => &mut self.spans.audio,
            Modality::Video => &mut self.spans.video,
        };
        match spans.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => spans.push(range),
        }
    }

    /// Appends a token of no modality that holds a part of the transcript beside other text.
    pub fn push_straddling(&mut self) {
        self.straddling.push(self.total);
        self.push(None, 1);
    }

    /// Appends a token of no modality that stands where a modality is withheld.
    pub fn push_blank(&mut self) {
        self.blank.push(self.total);
        self.push(None, 1);
    }

    /// Appends a token that is what one of `other` is.
    pub fn push_as(&mut self, other: &Self, token: usize) {
        if other.straddles(token) {
            self.push_straddling();
        } else if other.is_blank(token) {
            self.push_blank();
        } else {
            self.push(other.class(token), 1);
        }
    }

    /// Whether a token holds a part of the transcript and belongs to no modality.
    pub fn straddles(&self, token: usize) -> bool {
        self.straddling.binary_search(&token).is_ok()
    }

    /// Whether a token stands where a modality is withheld.
    pub fn is_blank(&self, token: usize) -> bool {
        self.blank.binary_search(&token).is_ok()
    }

    /// The token positions K_m of a modality, ascending and disjoint; empty when it is missing.
    pub fn spans(&self, modality: Modality) -> &[Range<usize>] {
        self.spans.get(modality)
    }

    /// |K_m|
    pub fn count(&self, modality: Modality) -> usize {
        self.spans(modality).iter().map(ExactSizeIterator::len).sum()
    }

    /// Number of tokens.
    pub fn total(&self) -> usize {
        self.total
    }

    /// Class of one token.
    pub fn class(&self, token: usize) -> Option<Modality> {
        Modality::ALL.into_iter().find(|m| self.spans(*m).iter().any(|s| s.contains(&token)))
    }

    /// The spans of every modality in the order of [`Modality::ALL`], cut to `window` and counted from its start.
    pub fn group_spans(&self, window: Range<usize>) -> Vec<Vec<Range<usize>>> {
        let cut = |s: &Range<usize>| {
            let (start, end) = (s.start.max(window.start), s.end.min(window.end));
            (start < end).then(|| start - window.start..end - window.start)
        };
        Modality::ALL.into_iter().map(|m| self.spans(m).iter().filter_map(cut).collect()).collect()
    }

    /// The counts as the JSON contract names them.
    pub fn token_counts(&self) -> TokenCounts {
        let [text, audio, video] = Modality::ALL.map(|m| self.count(m));
        TokenCounts { text, audio, video, other: self.total - text - audio - video, total: self.total }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_runs_of_one_class_are_one_span() {
        let mut layout = Layout::default();
        layout.push(None, 3);
        layout.push(Some(Modality::Video), 4);
        layout.push(Some(Modality::Video), 2);
        layout.push(None, 1);
        layout.push(Some(Modality::Text), 0);
        layout.push(Some(Modality::Audio), 2);
        assert_eq!(layout.spans(Modality::Video), std::slice::from_ref(&(3..9)));
        assert!(layout.spans(Modality::Text).is_empty());
        assert_eq!(layout.class(8), Some(Modality::Video));
        assert_eq!(layout.class(9), None);
        let counts = layout.token_counts();
        assert_eq!((counts.text, counts.audio, counts.video, counts.other, counts.total), (0, 2, 6, 4, 12));
    }

    #[test]
    fn spans_are_cut_to_a_window() {
        let mut layout = Layout::default();
        layout.push(Some(Modality::Video), 5);
        layout.push(None, 1);
        layout.push(Some(Modality::Text), 3);
        let groups = layout.group_spans(2..7);
        assert_eq!(groups, vec![vec![4..5], vec![], vec![0..3]]);
    }
}
