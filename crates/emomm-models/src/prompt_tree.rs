//! Coalitions share prefixes: a tree over prompts whose common beginnings are read once.
//!
//! The prompt order is system, video, audio, transcript, instruction, so the eight coalitions of a clip read the
//! video once, the audio twice and the transcript four times. The last token of every prompt, the decision row,
//! stays outside the tree.

use candle_core::Tensor;
use emomm_dataset::Modality;

use crate::decoder::{Decoder, Positions, Prefill};
use crate::error::Result;
use crate::layout::Layout;

/// One token of a prompt: a word piece, or one row of a clip's encoded media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromptToken {
    /// Token id.
    Id(u32),
    /// Row of the media's embeddings.
    Media(Modality, usize),
}

/// A prompt, ready to be read.
#[derive(Debug, Clone)]
pub struct PromptRow {
    /// All tokens, the decision token last.
    pub tokens: Vec<PromptToken>,
    /// One position triple for each token.
    pub positions: Positions,
    /// Class of each token.
    pub layout: Layout,
}

impl PromptRow {
    /// Whether the prompts are the same at one place. Equal tokens of equal prefixes have equal positions.
    fn agrees(&self, other: &Self, at: usize) -> bool {
        self.tokens[at] == other.tokens[at]
            && self.positions.as_slice()[at] == other.positions.as_slice()[at]
            && self.layout.class(at) == other.layout.class(at)
    }

    /// The prompt with these visual tokens alone, by their number in the whole picture, in ascending order. Tokens that
    /// are left keep their positions, and the media's rows are counted anew.
    pub(crate) fn with_video_tokens(&self, kept: &[u32]) -> Self {
        let mut row =
            Self { tokens: Vec::new(), positions: Positions::new(Vec::new()), layout: Layout::default() };
        let mut positions = Vec::new();
        for (at, (token, position)) in self.tokens.iter().zip(self.positions.as_slice()).enumerate() {
            let token = match token {
                PromptToken::Media(Modality::Video, number) => match kept.binary_search(&(*number as u32)) {
                    Ok(place) => PromptToken::Media(Modality::Video, place),
                    Err(_) => continue,
                },
                other => *other,
            };
            row.tokens.push(token);
            positions.push(*position);
            row.layout.push_as(&self.layout, at);
        }
        Self { positions: Positions::new(positions), ..row }
    }

    /// Places of visual tokens, by their number in the whole picture.
    pub(crate) fn video_places(&self, numbers: &[u32]) -> Vec<usize> {
        let is_one = |token: &PromptToken| matches!(token, PromptToken::Media(Modality::Video, n) if numbers.binary_search(&(*n as u32)).is_ok());
        self.tokens.iter().enumerate().filter(|(_, token)| is_one(token)).map(|(at, _)| at).collect()
    }

    /// Tokens that both prompts begin with.
    fn common_beginning(&self, other: &Self) -> usize {
        let shorter = self.tokens.len().min(other.tokens.len());
        (0..shorter).take_while(|at| self.agrees(other, *at)).count()
    }

    /// Tokens or positions, whichever are more: what must fit into `max_position_embeddings`. Hidden tokens leave their
    /// positions behind, and a long video takes more positions than tokens.
    pub(crate) fn reach(&self) -> usize {
        self.tokens.len().max(self.positions.max().map_or(0, |last| last as usize + 1))
    }

    /// The token whose logits are the answer.
    pub fn decision_token(&self) -> PromptToken {
        self.tokens[self.tokens.len() - 1]
    }

    /// Position of the decision token.
    pub fn decision_position(&self) -> [u32; 3] {
        self.positions.as_slice()[self.tokens.len() - 1]
    }
}

/// Embeddings of a clip's media. Where a medium is withheld and its place is blank, the blank rows follow the real ones.
#[derive(Debug, Clone, Default)]
pub struct MediaEmbeddings {
    /// `[audio tokens, hidden]`
    pub audio: Option<Tensor>,
    /// `[video tokens, hidden]`
    pub video: Option<Tensor>,
}

/// Tokens read by the decoder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TreeCost {
    /// Tokens really read.
    pub read: usize,
    /// Tokens of all prompts together: what reading each on its own would cost.
    pub separate: usize,
}

/// Tokens of the tree of all prefixes of the rows, each once: the rows cannot be read with fewer.
pub fn token_floor(rows: &[PromptRow]) -> usize {
    let new = |(i, row): (usize, &PromptRow)| {
        let shared = rows[..i].iter().map(|earlier| row.common_beginning(earlier)).max().unwrap_or(0);
        row.tokens.len() - shared
    };
    rows.iter().enumerate().map(new).sum()
}

/// Reads `rows` and calls `leaf` with each row's index and the prefill of all but its last token.
pub fn walk(
    decoder: &Decoder,
    rows: &[PromptRow],
    media: &MediaEmbeddings,
    leaf: &mut dyn FnMut(usize, &Prefill) -> Result<()>,
) -> Result<TreeCost> {
    walk_from(&decoder.root(), decoder, rows, media, leaf)
}

/// As [`walk`], from a root of one's own: with [`Decoder::root_keeping_inputs`] every prefill can be read backwards.
pub fn walk_from(
    root: &Prefill,
    decoder: &Decoder,
    rows: &[PromptRow],
    media: &MediaEmbeddings,
    leaf: &mut dyn FnMut(usize, &Prefill) -> Result<()>,
) -> Result<TreeCost> {
    let mut walker = Walker { decoder, rows, media, leaf, read: 0 };
    walker.descend(root, (0..rows.len()).collect())?;
    let (read, separate) = (walker.read, rows.iter().map(|r| r.tokens.len() - 1).sum());
    Ok(TreeCost { read, separate })
}

struct Walker<'a> {
    decoder: &'a Decoder,
    rows: &'a [PromptRow],
    media: &'a MediaEmbeddings,
    leaf: &'a mut dyn FnMut(usize, &Prefill) -> Result<()>,
    read: usize,
}

impl Walker<'_> {
    /// `members` agree on the tokens that `parent` has read.
    fn descend(&mut self, parent: &Prefill, mut members: Vec<usize>) -> Result<()> {
        let at = parent.len();
        members.retain(|m| self.rows[*m].tokens.len() > at);
        for member in members.extract_if(.., |m| self.rows[*m].tokens.len() == at + 1) {
            (self.leaf)(member, parent)?;
        }
        while let Some(&first) = members.first() {
            let row = &self.rows[first];
            let family: Vec<usize> = members.extract_if(.., |m| row.agrees(&self.rows[*m], at)).collect();
            let end = self.common_end(&family, at);
            let child = self.extend(parent, row, end)?;
            self.descend(&child, family)?;
        }
        Ok(())
    }

    /// First place at which the members differ, or at which one of them has only its decision token left.
    fn common_end(&self, family: &[usize], at: usize) -> usize {
        let row = &self.rows[family[0]];
        let longest = family.iter().map(|m| self.rows[*m].tokens.len() - 1).min().unwrap_or(at);
        let agree = |i: &usize| family.iter().all(|m| row.agrees(&self.rows[*m], *i));
        (at..longest).find(|i| !agree(i)).unwrap_or(longest)
    }

    fn extend(&mut self, parent: &Prefill, row: &PromptRow, end: usize) -> Result<Prefill> {
        let start = parent.len();
        let embeddings = embed(self.decoder, &row.tokens[start..end], self.media)?;
        self.read += end - start;
        let groups = row.layout.group_spans(start..end);
        self.decoder.prefill(parent, &embeddings, &row.positions.as_slice()[start..end], &groups)
    }
}

/// Embeddings of a run of tokens.
///
/// # Shapes
/// → `[tokens, hidden]`
pub fn embed(decoder: &Decoder, tokens: &[PromptToken], media: &MediaEmbeddings) -> Result<Tensor> {
    let mut parts = Vec::new();
    let mut start = 0;
    while start < tokens.len() {
        let kind = |t: &PromptToken| match t {
            PromptToken::Id(_) => None,
            PromptToken::Media(m, _) => Some(*m),
        };
        let this = kind(&tokens[start]);
        let count = tokens[start..].iter().take_while(|t| kind(t) == this).count();
        let run = &tokens[start..start + count];
        let source = match this {
            None | Some(Modality::Text) => None,
            Some(Modality::Audio) => media.audio.as_ref(),
            Some(Modality::Video) => media.video.as_ref(),
        };
        parts.push(if let (Some(source), PromptToken::Media(_, first)) = (source, &run[0]) {
            source.narrow(0, *first, count)?.to_dtype(decoder.dtype())?
        } else {
            let ids: Vec<u32> =
                run.iter().map(|t| if let PromptToken::Id(id) = t { *id } else { 0 }).collect();
            decoder.embed(&ids)?
        });
        start += count;
    }
    Ok(Tensor::cat(&parts, 0)?)
}
