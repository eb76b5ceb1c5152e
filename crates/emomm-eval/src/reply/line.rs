//! What one line of a reply states about letter and score.
//!
//! All five letters are treated alike, although only "A" is also an English word: a rule that were laxer for B to
//! E would lose more answers of one class than of the others.

use emomm_dataset::{GridScore, Sentiment};

use super::token::{Kind, Number, Token};
use super::words::{ClassWord, Word, class_of};

const SEVERAL: &str = "several letters are offered";
const CONTRADICTION: &str = "letter and class name contradict each other";
const DEFINITION: &str = "a letter before `=` is a definition, not an answer";
const GRADE: &str = "a dash at the letter leaves open what is meant";
const NOT_PLAIN: &str = "the score is not a single plain number";

/// What a line states.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Finding {
    /// One letter.
    Letter(Sentiment),
    /// A letter was meant, but which one cannot be decided.
    NoLetter(&'static str),
    /// A line begins with a letter that may as well be a word.
    Sentence,
    /// One number; `None` if it is not on the grid.
    Score(Option<GridScore>),
    /// A score was meant, but which one cannot be decided.
    NoScore(&'static str),
    /// Something worth a note.
    Remark(&'static str),
}

/// Reads one line and hands every finding to `found`.
pub(super) fn read(tokens: &[Token], is_first: bool, found: &mut dyn FnMut(Finding)) {
    let mut start = 0;
    let mut announced = false;
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at].kind == Kind::Word(Word::Score)
            && let Some((finding, next)) = read_score(tokens, at)
        {
            announced = true;
            read_letter(&tokens[start..at], is_first && start == 0, announced, found);
            if let Some(finding) = finding {
                found(finding);
            }
            start = next;
            at = next;
        } else {
            at += 1;
        }
    }
    read_letter(&tokens[start..], is_first && start == 0, announced, found);
}

/// The score announced at `heading`, and where the line goes on behind it. `None` if nothing is announced.
fn read_score(tokens: &[Token], heading: usize) -> Option<(Option<Finding>, usize)> {
    let mut separated = false;
    let mut dashes = 0;
    let after_remark = remark_end(&tokens[heading + 1..]).map_or(heading + 1, |length| heading + 1 + length);
    for (at, token) in tokens.iter().enumerate().skip(after_remark) {
        match token.kind {
            Kind::Mark(':' | '=') => separated = true,
            Kind::Mark('-') => dashes += 1,
            Kind::Mark(c) if is_decoration(c) => {}
            Kind::Word(Word::Filler) => {}
            Kind::Number(number) => {
                let plain = number.plain && ends_plainly(&tokens[at + 1..], number.score);
                let finding = match dashes {
                    0 if plain => Finding::Score(number.score),
                    // "Score: - 0.8" is negative; in "Score - 0.8" the dash may separate.
                    1 if plain && separated => Finding::Score(number.score.and_then(negated)),
                    _ => Finding::NoScore(NOT_PLAIN),
                };
                return Some((Some(finding), at + 1));
            }
            _ if separated => {
                let next = tokens[at..].iter().position(|t| matches!(t.kind, Kind::Mark(',' | ';')));
                let finding = Finding::NoScore("the score is not a number");
                return Some((Some(finding), next.map_or(tokens.len(), |offset| at + offset)));
            }
            _ => return None,
        }
    }
    Some((None, tokens.len()))
}

/// Length of a remark between heading and separator, as in "Score (-1 to 1): 0.4".
fn remark_end(tokens: &[Token]) -> Option<usize> {
    if tokens.first()?.kind != Kind::Mark('(') {
        return None;
    }
    // A remark is short; without the bound, many headings before a far bracket would take quadratic time.
    let close = tokens.iter().take(16).position(|t| t.kind == Kind::Mark(')'))?;
    matches!(tokens.get(close + 1)?.kind, Kind::Mark(':' | '=')).then_some(close + 1)
}

fn negated(score: GridScore) -> Option<GridScore> {
    GridScore::from_steps(-score.steps())
}

/// Whether what follows a number leaves it alone: no second number, no range, no unit.
fn ends_plainly(after: &[Token], score: Option<GridScore>) -> bool {
    for token in after {
        match token.kind {
            Kind::Mark('/') => return false,
            Kind::Mark(c) if is_decoration(c) => {}
            Kind::Number(other) => return other.score == score,
            Kind::Word(word) => return !matches!(word, Word::Range | Word::Connective),
            Kind::Mark(_) => return false,
            Kind::Letter(_) | Kind::Lower(_) => return true,
        }
    }
    true
}

/// Marks that may stand around an answer without changing it. Not among them: marks of doubt or arithmetic.
fn is_decoration(c: char) -> bool {
    !matches!(c, '?' | '¿' | '+' | '%' | '±' | '≈' | '~' | '^' | '@' | '$' | '¬' | '≠')
}

/// A line, or the part of it before or behind a score, as a statement about the letter.
#[derive(Default)]
struct Statement {
    letter: Option<Sentiment>,
    several: bool,
    class: Option<Sentiment>,
    classes_differ: bool,
    numbers: Vec<Number>,
    /// `=` stands somewhere behind the letter, as in the instruction's own "A (Negative) = {-1.0, -0.8}".
    defined: bool,
    /// A dash touches the letter from behind and joins it to nothing, as in "A-".
    graded: bool,
}

fn read_letter(part: &[Token], is_first: bool, score_announced: bool, found: &mut dyn FnMut(Finding)) {
    let part = without_list_marker(part);
    let Some(statement) = Statement::of(part, is_first, score_announced) else {
        return read_sentence(part, is_first, found);
    };
    match statement.letter {
        Some(_) if statement.several => found(Finding::NoLetter(SEVERAL)),
        Some(_) if statement.defined => return found(Finding::Remark(DEFINITION)),
        Some(_) if statement.graded => found(Finding::NoLetter(GRADE)),
        Some(letter) if statement.classes_differ || statement.class.is_some_and(|c| c != letter) => {
            found(Finding::NoLetter(CONTRADICTION));
        }
        Some(letter) => found(Finding::Letter(letter)),
        None if statement.class.is_some() => found(Finding::Remark("a class is named without its letter")),
        None => {}
    }
    if score_announced {
        return;
    }
    match statement.numbers[..] {
        [] => {}
        [number] if number.plain => {
            found(Finding::Score(number.score));
            found(Finding::Remark("the score stands without its heading"));
        }
        _ => found(Finding::NoScore(NOT_PLAIN)),
    }
}

/// Drops the `1.` or `2)` of a list item.
fn without_list_marker(part: &[Token]) -> &[Token] {
    match part {
        [
            Token { kind: Kind::Number(n), .. },
            Token { kind: Kind::Mark('.' | ')'), spaced: false },
            rest @ ..,
        ] if n.marker && rest.iter().any(|t| !matches!(t.kind, Kind::Mark(_))) => rest,
        _ => part,
    }
}

impl Statement {
    /// Reads a part that holds letters, class names, numbers, announcing words and decoration only; `None` for a
    /// sentence.
    fn of(part: &[Token], is_first: bool, score_announced: bool) -> Option<Self> {
        let mut statement = Self::default();
        let mut class_words = Vec::new();
        // Whether a mark stands between the letter and the present token: "A label" is English, "A, label" is not.
        let mut mark_since_letter = false;
        for (at, token) in part.iter().enumerate() {
            if !matches!(token.kind, Kind::Word(Word::Class(_)) | Kind::Mark('-')) {
                statement.add_class(&mut class_words)?;
            }
            match token.kind {
                Kind::Letter(letter) => {
                    statement.several |= statement.letter.is_some_and(|earlier| earlier != letter);
                    statement.letter = Some(letter);
                    statement.graded |= is_graded(&part[at + 1..]);
                    mark_since_letter = false;
                }
                Kind::Lower(letter) => {
                    let alone = part.iter().filter(|t| !matches!(t.kind, Kind::Mark(_))).count() == 1;
                    if !(is_first && alone && !score_announced) {
                        return None;
                    }
                    statement.letter = Some(letter);
                    statement.graded |= is_graded(&part[at + 1..]);
                }
                Kind::Number(mut number) => {
                    // In "A - 0.8" the dash may be a minus sign or a separator.
                    number.plain &= at == 0 || part[at - 1].kind != Kind::Mark('-');
                    number.plain &= ends_plainly(&part[at + 1..], number.score);
                    statement.numbers.push(number);
                }
                Kind::Mark(c) => {
                    if !is_decoration(c) {
                        return None;
                    }
                    statement.defined |= c == '=' && statement.letter.is_some();
                    mark_since_letter = true;
                }
                Kind::Word(Word::Label | Word::Filler) => {
                    // A word that touches the letter is Chinese: "D选项".
                    if statement.letter.is_some() && !mark_since_letter && token.spaced {
                        return None;
                    }
                }
                Kind::Word(Word::Connective) => statement.several |= statement.letter.is_some(),
                Kind::Word(Word::Class(word)) => class_words.push(word),
                Kind::Word(Word::Score | Word::Range | Word::Doubt | Word::Other) => return None,
            }
        }
        statement.add_class(&mut class_words)?;
        Some(statement)
    }

    /// Adds the class that a run of class words names and empties the run; `None` if the run names no class.
    fn add_class(&mut self, words: &mut Vec<ClassWord>) -> Option<()> {
        if words.is_empty() {
            return Some(());
        }
        let class = class_of(words)?;
        words.clear();
        self.classes_differ |= self.class.is_some_and(|earlier| earlier != class);
        self.class = Some(class);
        Some(())
    }
}

/// Whether a letter is followed by a dash of its own: "A-", not "A - Negative", "A-E" or "A-0.8".
fn is_graded(after: &[Token]) -> bool {
    let [Token { kind: Kind::Mark('-'), spaced: false }, rest @ ..] = after else { return false };
    rest.first().is_none_or(|t| match t.kind {
        Kind::Mark(_) => true,
        Kind::Word(word) => !matches!(word, Word::Class(_) | Word::Connective),
        Kind::Letter(_) | Kind::Lower(_) | Kind::Number(_) => false,
    })
}

/// A sentence states a letter in two ways: "E. The speaker smiles" on the first line, or "… the answer is E.".
fn read_sentence(part: &[Token], is_first: bool, found: &mut dyn FnMut(Finding)) {
    let first = part.iter().position(|t| !matches!(t.kind, Kind::Mark(_)));
    if let Some(at) = first.filter(|_| is_first)
        && let Kind::Letter(letter) = part[at].kind
    {
        found(leading_letter(letter, &part[at + 1..]));
        return;
    }
    read_announced(part, found);
}

/// A letter at the start of a sentence counts if a closing mark and a blank separate it from the rest.
fn leading_letter(letter: Sentiment, rest: &[Token]) -> Finding {
    let marks = rest.iter().take_while(|t| matches!(t.kind, Kind::Mark(_))).count();
    let closed = rest[..marks].iter().any(|t| match t.kind {
        Kind::Mark('-') => t.spaced,
        Kind::Mark(c) => matches!(c, '.' | ':' | ';' | ')' | ']' | '>' | '*' | '"' | '`') && !t.spaced,
        _ => false,
    });
    let decorated =
        rest[..marks].iter().all(|t| matches!(t.kind, Kind::Mark(c) if is_decoration(c) && c != '='));
    if is_graded(rest) {
        return Finding::Sentence;
    }
    let rest = &rest[marks..];
    if !closed || !decorated || !rest.first().is_some_and(|t| t.spaced) {
        return Finding::Sentence;
    }
    if rest.iter().enumerate().any(|(at, t)| match t.kind {
        // "… not A man …": a letter that goes on into a word is a word of the sentence.
        Kind::Letter(other) => other != letter && !goes_on(&rest[at + 1..]),
        _ => false,
    }) {
        return Finding::NoLetter(SEVERAL);
    }
    if leading_class(rest).is_some_and(|class| class != letter) {
        return Finding::NoLetter(CONTRADICTION);
    }
    Finding::Letter(letter)
}

/// Whether the next token is a word that belongs to no alternative.
fn goes_on(rest: &[Token]) -> bool {
    rest.first().is_some_and(|t| matches!(t.kind, Kind::Word(word) if word != Word::Connective))
}

/// The class named by the class words at the start of `rest`.
fn leading_class(rest: &[Token]) -> Option<Sentiment> {
    let words: Vec<ClassWord> = rest
        .iter()
        .filter(|t| t.kind != Kind::Mark('-'))
        .map_while(|t| if let Kind::Word(Word::Class(word)) = t.kind { Some(word) } else { None })
        .collect();
    class_of(&words)
}

/// Finds "<label> <is or :> <letter> <end or mark>" in a sentence that neither negates nor doubts.
fn read_announced(part: &[Token], found: &mut dyn FnMut(Finding)) {
    let mut at = 0;
    while at < part.len() {
        let label = at;
        at += 1;
        match part[label].kind {
            Kind::Word(Word::Doubt) => return,
            Kind::Word(Word::Label) => {}
            _ => continue,
        }
        let mut announced = false;
        while let Some(token) = part.get(at) {
            match token.kind {
                Kind::Mark(':' | '=') | Kind::Word(Word::Filler) => announced = true,
                Kind::Mark(c) if is_decoration(c) => {}
                _ => break,
            }
            at += 1;
        }
        // In Chinese nothing separates the announcing word from the letter.
        let Some(Token { kind: Kind::Letter(letter), spaced }) = part.get(at).copied() else { continue };
        let adjacent = at == label + 1 && !spaced;
        at += 1;
        if (announced || adjacent)
            && let Some(finding) = announced_letter(letter, &part[at..])
        {
            found(finding);
        }
    }
}

/// The letter of an announcement, given what follows it.
fn announced_letter(letter: Sentiment, rest: &[Token]) -> Option<Finding> {
    let marks = rest.iter().take_while(|t| matches!(t.kind, Kind::Mark(_))).count();
    if rest[..marks]
        .iter()
        .any(|t| matches!(t.kind, Kind::Mark('/')) || !matches!(t.kind, Kind::Mark(c) if is_decoration(c)))
    {
        return Some(Finding::NoLetter(SEVERAL));
    }
    if rest[..marks].iter().any(|t| t.kind == Kind::Mark('=')) {
        return Some(Finding::Remark(DEFINITION));
    }
    if is_graded(rest) {
        return Some(Finding::NoLetter(GRADE));
    }
    match rest.get(marks).map(|t| t.kind) {
        None => Some(Finding::Letter(letter)),
        Some(Kind::Letter(_) | Kind::Word(Word::Connective)) => Some(Finding::NoLetter(SEVERAL)),
        Some(Kind::Word(Word::Class(_))) => match leading_class(&rest[marks..]) {
            Some(class) if class != letter => Some(Finding::NoLetter(CONTRADICTION)),
            Some(_) => Some(Finding::Letter(letter)),
            None => None,
        },
        Some(_) => (marks > 0).then_some(Finding::Letter(letter)),
    }
}
