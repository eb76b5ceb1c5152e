//! Splits a line of a reply into letters, numbers, words and marks.

use emomm_dataset::{GridScore, Sentiment};

use super::words::{Word, meaning};

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// A to E, standing alone.
    Letter(Sentiment),
    /// a to e, standing alone.
    Lower(Sentiment),
    Number(Number),
    Word(Word),
    /// Any other visible character.
    Mark(char),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Number {
    /// The score, `None` off the grid.
    pub(super) score: Option<GridScore>,
    /// Whether nothing is glued to the number that could change its value.
    pub(super) plain: bool,
    /// Whether it looks like the number of a list item.
    pub(super) marker: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// Whether a blank stands before the token.
    pub(super) spaced: bool,
}

/// The tokens of a line of normalised text.
pub(super) fn tokens(line: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut at = 0;
    let mut before = ' ';
    while let Some(c) = line[at..].chars().next() {
        let rest = &line[at..];
        let length = if c.is_whitespace() {
            c.len_utf8()
        } else {
            let (kind, length) = lex(rest, c, before);
            tokens.push(Token { kind, spaced: before.is_whitespace() });
            length
        };
        before = rest[..length].chars().next_back().unwrap_or(' ');
        at += length;
    }
    tokens
}

/// The token at the start of `rest`, whose first character is `c`, and its length in bytes.
fn lex(rest: &str, c: char, before: char) -> (Kind, usize) {
    let sign =
        matches!(c, '+' | '-') && !before.is_alphanumeric() && !matches!(before, '+' | '-' | ')' | '.');
    if (sign && starts_number(&rest[1..])) || (starts_number(rest) && !(c == '.' && before.is_alphanumeric()))
    {
        let digits = &rest[usize::from(sign)..];
        let length = number_length(digits);
        let after = &digits.as_bytes()[length..];
        let glued = after.first().is_some_and(u8::is_ascii_alphanumeric)
            || (after.first() == Some(&b'.') && after.get(1).is_some_and(u8::is_ascii_digit));
        let value: f64 = digits[..length].replace(',', ".").parse().unwrap_or(f64::NAN);
        let number = Number {
            score: grid(if c == '-' { -value } else { value }),
            plain: !glued && (sign || !matches!(before, '+' | '-')),
            marker: !sign && length <= 2 && digits[..length].bytes().all(|b| b.is_ascii_digit()),
        };
        return (Kind::Number(number), length + usize::from(sign));
    }
    if c.is_ascii_alphanumeric() {
        let length = ascii_word_length(rest);
        return (word(&rest[..length]), length);
    }
    if c.is_alphanumeric() {
        let length = rest.find(|c: char| !c.is_alphanumeric() || c.is_ascii()).unwrap_or(rest.len());
        return (Kind::Word(meaning(&rest[..length])), length);
    }
    (Kind::Mark(c), c.len_utf8())
}

fn starts_number(text: &str) -> bool {
    let mut bytes = text.bytes();
    match bytes.next() {
        Some(b'.') => bytes.next().is_some_and(|b| b.is_ascii_digit()),
        first => first.is_some_and(|b| b.is_ascii_digit()),
    }
}

/// Length of `12`, `0.8`, `.8` or `0,8`. A comma is decimal only behind a single 0 or 1 and before one or two
/// digits; elsewhere it separates.
fn number_length(text: &str) -> usize {
    let digits = |from: usize| text[from..].bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits(0);
    let fraction = match text.as_bytes().get(whole) {
        Some(b'.') => digits(whole + 1),
        Some(b',') if matches!(&text[..whole], "0" | "1") && digits(whole + 1) <= 2 => digits(whole + 1),
        _ => 0,
    };
    if fraction == 0 { whole } else { whole + 1 + fraction }
}

/// The grid score of a number; the tolerance covers the rounding of decimal fractions and nothing else.
fn grid(value: f64) -> Option<GridScore> {
    let steps = value * 5.0;
    let on_grid = steps.abs() <= 5.0 && (steps - steps.round()).abs() < 1e-9;
    on_grid.then(|| GridScore::from_steps(steps.round() as i8)).flatten()
}

/// Length of a run of ASCII letters and digits; an apostrophe between letters belongs to it.
fn ascii_word_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let inside = |i: usize| match bytes[i] {
        b'\'' => bytes.get(i + 1).is_some_and(u8::is_ascii_alphabetic),
        b => b.is_ascii_alphanumeric(),
    };
    (0..bytes.len()).find(|i| !inside(*i)).unwrap_or(bytes.len())
}

fn word(text: &str) -> Kind {
    if let [byte] = text.as_bytes() {
        let class = Sentiment::from_letter(char::from(byte.to_ascii_uppercase()));
        if let Some(class) = class {
            return if byte.is_ascii_uppercase() { Kind::Letter(class) } else { Kind::Lower(class) };
        }
    }
    Kind::Word(meaning(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(line: &str) -> Vec<(Option<i8>, bool)> {
        let number = |t: Token| {
            if let Kind::Number(n) = t.kind { Some((n.score.map(GridScore::steps), n.plain)) } else { None }
        };
        tokens(line).into_iter().filter_map(number).collect()
    }

    #[test]
    fn signs_belong_to_a_number_where_nothing_else_can_be_meant() {
        assert_eq!(numbers("-0.8 :+.6 (0,2)"), [(Some(-4), true), (Some(3), true), (Some(1), true)]);
        assert_eq!(numbers("0.6-0.8"), [(Some(3), true), (Some(4), false)]);
        assert_eq!(numbers("--0.8"), [(Some(4), false)]);
    }

    #[test]
    fn numbers_with_something_glued_to_them_are_not_plain() {
        assert_eq!(numbers("8e-1"), [(None, false), (Some(5), false)]);
        assert_eq!(numbers("0.8.1")[0], (Some(4), false));
        assert_eq!(numbers("0.8. 0.8分"), [(Some(4), true), (Some(4), true)]);
    }

    #[test]
    fn a_letter_is_a_letter_only_alone() {
        let letters = |line| tokens(line).iter().filter(|t| matches!(t.kind, Kind::Letter(_))).count();
        assert_eq!(letters("A 'B' (C) _D_ **E**"), 5);
        assert_eq!(letters("AB A1 A's é B2"), 0);
    }
}
