//! One model of a table and its forms.
//!
//! CSV and JSON are for machines: every number has all its digits, an interval is three numbers. LaTeX, Markdown and HTML
//! are for readers: numbers are rounded as the column says. All forms of one sort hold the same values, and a reader's
//! value is the machine's, rounded.

mod csv;
mod json;
mod latex;
mod markdown;

pub use latex::latex_escaped;

use serde::{Serialize, Serializer};

/// How the numbers of a column are written for readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "form", content = "decimals")]
pub enum Form {
    /// Words or counts.
    Plain,
    /// A number with so many decimals.
    Decimals(usize),
    /// A share: times 100, with so many decimals.
    Percent(usize),
    /// A probability: with three decimals, and `< 0.001` below that.
    PValue,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Column {
    /// Its name in CSV and JSON.
    pub key: String,
    /// Its head for readers.
    pub head: String,
    /// How its numbers are written.
    #[serde(flatten)]
    pub form: Form,
    /// Whether its numbers have intervals: in CSV the columns `<key>_low` and `<key>_high` follow.
    pub interval: bool,
}

impl Column {
    /// A column of words or counts.
    pub fn plain(key: &str, head: &str) -> Self {
        Self { key: key.to_owned(), head: head.to_owned(), form: Form::Plain, interval: false }
    }

    /// A column of numbers.
    pub fn number(key: &str, head: &str, form: Form) -> Self {
        Self { form, ..Self::plain(key, head) }
    }

    /// A column of numbers with intervals.
    pub fn interval(key: &str, head: &str, form: Form) -> Self {
        Self { interval: true, ..Self::number(key, head, form) }
    }
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Words.
    Text(String),
    /// A number of things.
    Count(usize),
    /// A number.
    Number(f64),
    /// A number with its interval, where there is one.
    Interval {
        /// The number.
        value: f64,
        /// The ends.
        ends: Option<(f64, f64)>,
    },
    /// There is no such value.
    Absent,
}

impl Cell {
    /// Words.
    pub fn text(words: impl Into<String>) -> Self {
        Self::Text(words.into())
    }

    /// A number, or none. What is not finite is none.
    pub fn number(value: Option<f64>) -> Self {
        value.filter(|v| v.is_finite()).map_or(Self::Absent, Self::Number)
    }

    /// A number with its interval, or none.
    pub fn interval(value: Option<f64>, low: Option<f64>, high: Option<f64>) -> Self {
        match value.filter(|v| v.is_finite()) {
            Some(value) => Self::Interval { value, ends: low.zip(high) },
            None => Self::Absent,
        }
    }

    /// For readers; `absent` where there is no value.
    pub fn words(&self, form: Form, absent: &str) -> String {
        match self {
            Self::Text(words) => words.clone(),
            Self::Count(n) => n.to_string(),
            Self::Number(value) | Self::Interval { value, ends: None } => rounded(*value, form),
            Self::Interval { value, ends: Some((low, high)) } => {
                format!("{} [{}, {}]", rounded(*value, form), rounded(*low, form), rounded(*high, form))
            }
            Self::Absent => absent.to_owned(),
        }
    }

    /// Whether it has an interval whose ends are the same.
    pub fn has_no_width(&self) -> bool {
        matches!(self, Self::Interval { ends: Some((low, high)), .. } if low >= high)
    }

    /// The number, for machines.
    fn value(&self) -> Option<f64> {
        match self {
            Self::Number(value) | Self::Interval { value, .. } => Some(*value),
            _ => None,
        }
    }
}

/// A number for readers.
pub fn rounded(value: f64, form: Form) -> String {
    let text = match form {
        Form::Plain => format!("{value}"),
        Form::Decimals(places) => format!("{value:.places$}"),
        Form::Percent(places) => format!("{:.places$}", 100.0 * value),
        Form::PValue if value < 0.001 => return "< 0.001".to_owned(),
        Form::PValue => format!("{value:.3}"),
    };
    let is_zero = text.chars().all(|c| matches!(c, '-' | '0' | '.'));
    if is_zero { text.trim_start_matches('-').to_owned() } else { text }
}

/// A table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Table {
    /// Its name in file names and addresses: words with `-` between them.
    pub name: String,
    /// Its title.
    pub title: String,
    /// What a reader must know: definitions, what was left out. May be empty.
    pub note: String,
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows: one cell for each column.
    #[serde(serialize_with = "objects_unknown")]
    pub rows: Vec<Vec<Cell>>,
}

/// Rows are written by [`Table::json`], which knows the columns.
#[expect(clippy::ptr_arg, reason = "the signature is serde's")]
fn objects_unknown<S: Serializer>(rows: &Vec<Vec<Cell>>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(rows.len() as u64)
}

impl Table {
    /// A table without rows.
    pub fn new(name: &str, title: impl Into<String>, columns: Vec<Column>) -> Self {
        Self { name: name.to_owned(), title: title.into(), note: String::new(), columns, rows: Vec::new() }
    }

    /// The same with a note.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// The table as `csv`, `tex`, `md` or `json`.
    pub fn form(&self, extension: &str) -> String {
        match extension {
            "tex" => self.latex(),
            "md" => self.markdown(),
            "json" => self.json(),
            _ => self.csv(),
        }
    }

    /// Whether a column holds numbers only: they stand at its right.
    pub fn is_numeric(&self, column: usize) -> bool {
        let is_count = |row: &Vec<Cell>| matches!(row[column], Cell::Count(_) | Cell::Absent);
        self.columns[column].form != Form::Plain || self.rows.iter().all(is_count)
    }

    /// Adds a row.
    ///
    /// # Panics
    /// If it has not one cell for each column.
    pub fn push(&mut self, cells: Vec<Cell>) {
        assert_eq!(cells.len(), self.columns.len(), "cells of table {}", self.name);
        self.rows.push(cells);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn table() -> Table {
        let columns = vec![
            Column::plain("corpus", "Corpus"),
            Column::plain("n", "n"),
            Column::interval("acc", "Acc %", Form::Percent(2)),
            Column::number("mae", "MAE", Form::Decimals(3)),
            Column::number("p", "p", Form::PValue),
        ];
        let mut table = Table::new("main", "Results, 50 % & more_", columns).with_note("a <note>");
        table.push(vec![
            Cell::text("a_b,\"c\"|d"),
            Cell::Count(12),
            Cell::interval(Some(0.445_349), Some(0.4), Some(1.0 / 3.0 + 0.2)),
            Cell::number(Some(-0.0001)),
            Cell::number(Some(0.000_2)),
        ]);
        table.push(vec![
            Cell::text("-"),
            Cell::Count(0),
            Cell::interval(Some(1.0), None, None),
            Cell::Absent,
            Cell::number(Some(0.25)),
        ]);
        table
    }

    #[test]
    fn numbers_are_rounded_for_readers_and_zero_has_no_sign() {
        assert_eq!(rounded(0.44535, Form::Percent(1)), "44.5");
        assert_eq!(rounded(-0.0001, Form::Decimals(3)), "0.000");
        assert_eq!(rounded(-0.1, Form::Decimals(3)), "-0.100");
        assert_eq!(rounded(0.0002, Form::PValue), "< 0.001");
    }

    /// Counts stand at the right in Markdown, LaTeX and the page alike.
    #[test]
    fn counts_stand_at_the_right() {
        let columns = ["run", "clips", "mixed"].map(|key| Column::plain(key, key)).to_vec();
        let mut table = Table::new("t", "T", columns);
        table.push(vec![Cell::text("a"), Cell::Count(1), Cell::Count(2)]);
        table.push(vec![Cell::text("b"), Cell::Absent, Cell::text("none")]);
        assert!(table.markdown().contains("\n|---|---:|---|\n"), "{}", table.markdown());
        assert!(table.latex().contains("{tabular}{lrl}"), "{}", table.latex());
    }

    /// `\\` takes a bracket or a star that follows it for its own.
    #[test]
    fn a_row_of_latex_is_not_taken_for_an_argument() {
        let mut table = Table::new("t", "T", vec![Column::plain("run", "Run")]);
        for words in ["[a] | b", "*", "c [d]"] {
            table.push(vec![Cell::text(words)]);
        }
        let latex = table.latex();
        let rows: Vec<&str> = latex.lines().skip_while(|l| *l != "\\midrule").skip(1).take(3).collect();
        assert_eq!(rows, ["{}[a] \\textbar{} b \\\\", "{}* \\\\", "c [d] \\\\"]);
    }

    /// A letter that LaTeX does not know by itself stops it.
    #[test]
    fn symbols_are_set_as_formulas() {
        let words = "\u{394} \u{3b3} \u{3c8} \u{3c8}\u{302} \u{2265} \u{3c0}";
        let expected = r"$\Delta$ $\gamma$ $\psi$ $\hat{\psi}$ $\geq$ $\pi$";
        assert_eq!(latex_escaped(words), expected);
    }

    /// Words that Markdown would take for elements of HTML, entities, formulas or struck text.
    #[test]
    fn markdown_shows_words_as_they_are() {
        let mut table = Table::new("t", "T", vec![Column::plain("run", "Run")]);
        for words in [
            "<img src=x>",
            "a</td>",
            "<!-- x",
            "&lt;b&gt;",
            "&#60;",
            "$x$",
            "~~a~~",
            "a < b & c",
            "[a](b)",
            "![a][b]",
        ] {
            table.push(vec![Cell::text(words)]);
        }
        let expected = [
            r"| \<img src=x> |",
            r"| a\</td> |",
            r"| \<!-- x |",
            r"| \&lt;b\&gt; |",
            r"| \&#60; |",
            r"| \$x\$ |",
            r"| \~\~a\~\~ |",
            "| a < b & c |",
            r"| \[a\](b) |",
            r"| !\[a\]\[b\] |",
        ];
        let markdown = table.markdown();
        assert_eq!(markdown.lines().skip(4).collect::<Vec<&str>>(), expected);
    }

    #[test]
    fn what_is_not_finite_is_absent() {
        assert_eq!(Cell::number(Some(f64::NAN)), Cell::Absent);
        assert_eq!(Cell::interval(Some(f64::INFINITY), None, None), Cell::Absent);
    }

    /// Machine forms hold equal numbers; reader forms hold equal words, which are the machine's numbers rounded.
    #[test]
    fn all_forms_hold_the_same_values() {
        let table = table();
        let json: serde_json::Value = serde_json::from_str(&table.json()).unwrap();
        let text = table.csv();
        let mut reader = ::csv::Reader::from_reader(text.as_bytes());
        let heads: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
        assert_eq!(heads, ["corpus", "n", "acc", "acc_low", "acc_high", "mae", "p"]);
        let of_csv: Vec<Vec<String>> =
            reader.records().map(|r| r.unwrap().iter().map(str::to_owned).collect()).collect();
        for (row, cells) in table.rows.iter().enumerate() {
            let object = &json["rows"][row];
            for (column, cell) in table.columns.iter().zip(cells) {
                let at = heads.iter().position(|h| *h == column.key).unwrap();
                let csv = &of_csv[row][at];
                match cell {
                    Cell::Text(words) => {
                        assert_eq!((csv, object[&column.key].as_str()), (words, Some(words.as_str())));
                    }
                    Cell::Count(n) => {
                        assert_eq!((csv.parse(), &object[&column.key]), (Ok(*n), &serde_json::json!(n)));
                    }
                    Cell::Absent => assert!(csv.is_empty() && object[&column.key].is_null()),
                    Cell::Number(v) | Cell::Interval { value: v, .. } => {
                        assert_eq!(csv.parse::<f64>().unwrap().to_bits(), v.to_bits());
                        // The reader of JSON may be off by one in the last digit.
                        assert!((object[&column.key].as_f64().unwrap() - v).abs() <= 1e-15 * v.abs());
                    }
                }
            }
        }
        let words: Vec<Vec<String>> = table
            .rows
            .iter()
            .map(|r| r.iter().zip(&table.columns).map(|(cell, c)| cell.words(c.form, "–")).collect())
            .collect();
        let of_markdown: Vec<Vec<String>> = table
            .markdown()
            .lines()
            .filter(|l| l.starts_with("| ") && !l.contains("Corpus"))
            .map(|l| {
                let inner = l.trim_start_matches("| ").trim_end_matches(" |").replace("\\|", "\u{1}");
                let cells = inner.split(" | ").map(|c| c.replace('\u{1}', "|").replace('\\', ""));
                cells.collect()
            })
            .collect();
        assert_eq!(of_markdown, words);
        let of_latex: Vec<Vec<String>> = table
            .latex()
            .lines()
            .filter(|l| l.ends_with("\\\\") && !l.contains("Corpus"))
            .map(|l| {
                let cells = l.trim_end_matches(" \\\\").split(" & ");
                cells
                    .map(|c| {
                        c.replace("\\_", "_")
                            .replace("--", "–")
                            .replace("$<$", "<")
                            .replace("\\textbar{}", "|")
                    })
                    .collect()
            })
            .collect();
        assert_eq!(of_latex, words);
    }
}
