//! Reads the letter and the score out of what a model wrote: tolerant in form, never guessing in substance.
//!
//! The prompt (App. E) asks for a letter on one line and `Score: x` on the next. Models add marks, labels, class
//! names, full-width punctuation and sentences. The parser reads all that states *one* letter or *one* score
//! without doubt; everything else stays `None`, with a note that says why.
//!
//! # Preparation
//! Full-width forms, minus signs, quotes and brackets are folded to ASCII; zero-width characters are dropped.
//! State tokens (`<|…|>`, `<s>`, `</s>`, `☞`, `☟`, `☜`) end a line, and text after an end token is ignored. A closed
//! `<think>…</think>` block at the start, lines of a code fence (` ``` `) and lines that repeat the instruction
//! are skipped.
//!
//! # Letter
//! | a line like | gives |
//! |---|---|
//! | `A`, `**E**`, `(E)`, `<A>`, `E.`, `- E`, `1. E`, `{"letter": "E"}` | the letter |
//! | `a`, alone on the first line | the letter |
//! | `Letter: E`, `The answer is E`, `情感: A`, `答案是E` | the letter |
//! | `E) Positive`, `E (Positive)`, `Positive (E)`, `E: 积极` | the letter, if class and letter agree |
//! | `A Score: -0.8`, `A -0.8` | the letter, and the score |
//! | `E. The speaker smiles.` | the letter: a closing mark and a blank follow it |
//! | `I think the answer is B.` | the letter, unless the sentence negates or doubts |
//! | `A clip shows a man`, `E.g. a smile`, `A?` | nothing: a sentence, an abbreviation, a question |
//! | `Positive` | nothing: a class name without its letter |
//! | `E (Negative)` | nothing: letter and class contradict each other |
//! | `A (Negative) = {-1.0, -0.8}`, `A=` | nothing: a definition, as in the instruction |
//! | `A-` | nothing: a grade of its own; `A - Negative` is read |
//! | `A or B`, `A/B`, or two lines with different letters | nothing: several letters |
//!
//! # Score
//! | written | gives |
//! |---|---|
//! | `Score: -0.8`, `Score：−0.8`, `Score = 1`, `Score: <+.8>`, `分数: 0,8` | the number |
//! | `-0.8` on a line of its own, or behind the letter | the number, with a note |
//! | on the grid −1.0, −0.8, …, 1.0, outside the letter's set | the number, with a note |
//! | off the grid (`0.5`, `7`) | nothing |
//! | `0.8/1.0`, `0.6 to 0.8`, `80%`, `1 out of 5`, `8e-1` | nothing: not a single plain number |
//! | two different scores | nothing |
//!
//! Letter and score are read apart from each other: one is kept when the other cannot be read. Time and memory
//! are linear in the length of the reply.

mod line;
mod normalise;
mod token;
mod words;

use emomm_dataset::{Corpus, GridScore, ModalitySet, Sentiment};
use serde::{Deserialize, Serialize};

use crate::prompt;
use line::Finding;

/// What a model wrote, and what could be read from it.
///
/// In JSON the fields stand in the prediction's own object; `null` means "could not be read".
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// The text as the model wrote it.
    pub reply: String,
    /// The letter A to E, `None` where none was stated without doubt.
    pub reply_letter: Option<char>,
    /// The score, one of −1.0, −0.8, …, 1.0; `None` where none was stated without doubt.
    pub reply_score: Option<f64>,
    /// What could not be read or looked odd, each note once. Empty for a reply in the exact form.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reply_notes: Vec<String>,
}

impl Reply {
    /// The class of [`Reply::reply_letter`].
    pub fn class(&self) -> Option<Sentiment> {
        self.reply_letter.and_then(Sentiment::from_letter)
    }
}

/// Reads `reply`, whose prompt showed the score sets of `corpus`.
///
/// ```
/// use emomm_dataset::Corpus;
/// use emomm_eval::reply::parse;
///
/// let reply = parse("A\nScore: -0.8", Corpus::ChSims);
/// assert_eq!((reply.reply_letter, reply.reply_score), (Some('A'), Some(-0.8)));
/// assert!(reply.reply_notes.is_empty());
///
/// let reply = parse("A or B", Corpus::ChSims);
/// assert_eq!(reply.reply_letter, None);
/// assert_eq!(reply.reply_notes[0], "several letters are offered");
/// ```
pub fn parse(reply: &str, corpus: Corpus) -> Reply {
    let text = normalise::normalise(reply);
    let mut claims = Claims::default();
    for (index, line) in answer_lines(&text, corpus).enumerate() {
        line::read(&token::tokens(line), index == 0, &mut |finding| claims.add(finding));
    }
    if text.trim().is_empty() {
        claims.note("the reply is empty");
    }
    let letter = claims.letter();
    let score = claims.score(letter, corpus);
    Reply {
        reply: reply.to_owned(),
        reply_letter: letter.map(Sentiment::letter),
        reply_score: score.map(GridScore::value),
        reply_notes: claims.notes,
    }
}

/// The lines that may hold an answer: not blank, not a code fence, not a line of the instruction.
fn answer_lines(text: &str, corpus: Corpus) -> impl Iterator<Item = &str> {
    // Only the first line of the instruction depends on the coalition; it holds neither a letter nor a score.
    let instruction = normalise::normalise(&prompt::instruction(corpus, ModalitySet::FULL));
    text.lines().map(str::trim).filter(move |line| {
        !line.is_empty() && !line.starts_with("```") && !instruction.lines().any(|i| i == *line)
    })
}

/// All that the lines of one reply state.
#[derive(Default)]
struct Claims {
    letter: Stated<Sentiment>,
    score: Stated<GridScore>,
    /// The first line begins with a letter that may as well be a word.
    sentence: bool,
    notes: Vec<String>,
}

/// Nothing yet, one value (perhaps several times), or something that cannot be decided.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Stated<T> {
    #[default]
    Nothing,
    One(T),
    Undecided,
}

impl<T: PartialEq + Copy> Stated<T> {
    /// Adds a statement; false if it contradicts an earlier one.
    fn add(&mut self, value: T) -> bool {
        match *self {
            Self::Nothing => *self = Self::One(value),
            Self::One(earlier) if earlier != value => {
                *self = Self::Undecided;
                return false;
            }
            Self::One(_) | Self::Undecided => {}
        }
        true
    }

    fn one(self) -> Option<T> {
        if let Self::One(value) = self { Some(value) } else { None }
    }
}

impl Claims {
    fn add(&mut self, finding: Finding) {
        match finding {
            Finding::Letter(class) => {
                if !self.letter.add(class) {
                    self.note("different letters on different lines");
                }
            }
            Finding::NoLetter(why) => {
                self.letter = Stated::Undecided;
                self.note(why);
            }
            Finding::Score(Some(score)) => {
                if !self.score.add(score) {
                    self.note("different scores");
                }
            }
            Finding::Score(None) => {
                self.score = Stated::Undecided;
                self.note("the score is not on the grid -1.0, -0.8, …, 1.0");
            }
            Finding::NoScore(why) => {
                self.score = Stated::Undecided;
                self.note(why);
            }
            Finding::Sentence => self.sentence = true,
            Finding::Remark(why) => self.note(why),
        }
    }

    fn letter(&mut self) -> Option<Sentiment> {
        if self.letter == Stated::Nothing {
            self.note(if self.sentence {
                "no letter is stated: the reply begins with one but goes on as a sentence"
            } else {
                "no letter is stated"
            });
        }
        self.letter.one()
    }

    fn score(&mut self, letter: Option<Sentiment>, corpus: Corpus) -> Option<GridScore> {
        if self.score == Stated::Nothing {
            self.note("no score is stated");
        }
        let score = self.score.one()?;
        if let Some(letter) = letter
            && corpus.class_of(score) != letter
        {
            self.notes.push(format!(
                "score {score} disagrees with its letter {}, whose set is {}",
                letter.letter(),
                prompt::score_set(corpus, letter)
            ));
        }
        Some(score)
    }

    fn note(&mut self, why: &str) {
        if !self.notes.iter().any(|n| n == why) {
            self.notes.push(why.to_owned());
        }
    }
}
