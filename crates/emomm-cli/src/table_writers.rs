//! One model of a table and its four forms: for a terminal, CSV, LaTeX, Markdown. All hold the same values.

use std::fmt::Write;

use emomm_report::table::latex_escaped;

/// A value of a table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Cell {
    /// A number of things.
    Count(usize),
    /// A coefficient, given to four decimals as in Table 4.
    Coefficient(f64),
    /// There is no such value.
    Absent,
}

impl Cell {
    fn text(self, absent: &str) -> String {
        match self {
            Self::Count(n) => n.to_string(),
            Self::Coefficient(value) => format!("{value:.4}"),
            Self::Absent => absent.to_owned(),
        }
    }
}

/// A table with a head for every row and column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Table {
    /// The corpus that it describes.
    pub(crate) corpus: String,
    /// What it holds, in one word.
    pub(crate) name: &'static str,
    /// What it holds, for readers.
    pub(crate) caption: String,
    /// Heads of the columns.
    pub(crate) columns: Vec<String>,
    /// Head and values of each row.
    pub(crate) rows: Vec<(String, Vec<Cell>)>,
}

/// Aligned columns.
pub(crate) fn terminal(tables: &[Table]) -> String {
    let mut blocks = Vec::new();
    for table in tables {
        let mut block = format!("{}\n", table.caption);
        let head = table.rows.iter().map(|(head, _)| head.chars().count()).max().unwrap_or(0);
        let width = |column: &str| column.chars().count().max(6);
        let _ = write!(block, "{:head$}", "");
        for column in &table.columns {
            let _ = write!(block, "  {column:>width$}", width = width(column));
        }
        block.push('\n');
        for (row, cells) in &table.rows {
            let _ = write!(block, "{row:<head$}");
            for (column, cell) in table.columns.iter().zip(cells) {
                let _ = write!(block, "  {:>width$}", cell.text("-"), width = width(column));
            }
            block.push('\n');
        }
        blocks.push(block);
    }
    blocks.join("\n")
}

/// One value a line, so that tables of different shape share a file.
pub(crate) fn csv(tables: &[Table]) -> String {
    let mut out = "corpus,table,row,column,value\n".to_owned();
    for table in tables {
        for (row, cells) in &table.rows {
            for (column, cell) in table.columns.iter().zip(cells) {
                let fields = [&table.corpus, table.name, row, column].map(csv_field);
                let _ = writeln!(out, "{},{}", fields.join(","), cell.text(""));
            }
        }
    }
    out
}

/// RFC 4180.
fn csv_field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text.to_owned()
}

/// `table` environments with rules of booktabs.
pub(crate) fn latex(tables: &[Table]) -> String {
    let mut blocks = Vec::new();
    for table in tables {
        let mut block = "\\begin{table}\n\\centering\n".to_owned();
        let _ = writeln!(block, "\\caption{{{}}}", latex_escaped(&table.caption));
        let _ = writeln!(block, "\\begin{{tabular}}{{l{}}}\n\\toprule", "r".repeat(table.columns.len()));
        for column in &table.columns {
            let _ = write!(block, " & {}", latex_escaped(column));
        }
        block.push_str(" \\\\\n\\midrule\n");
        for (row, cells) in &table.rows {
            block.push_str(&latex_escaped(row));
            for cell in cells {
                let _ = write!(block, " & {}", cell.text("--"));
            }
            block.push_str(" \\\\\n");
        }
        block.push_str("\\bottomrule\n\\end{tabular}\n\\end{table}\n");
        blocks.push(block);
    }
    blocks.join("\n")
}

/// Tables of GitHub's Markdown, each under a line with its caption.
pub(crate) fn markdown(tables: &[Table]) -> String {
    let mut blocks = Vec::new();
    for table in tables {
        let mut block = format!("**{}**\n\n|", markdown_text(&table.caption));
        for column in &table.columns {
            let _ = write!(block, " | {}", markdown_text(column));
        }
        let _ = writeln!(block, " |\n|---{}|", "|---:".repeat(table.columns.len()));
        for (row, cells) in &table.rows {
            let _ = write!(block, "| {}", markdown_text(row));
            for cell in cells {
                let _ = write!(block, " | {}", cell.text("–"));
            }
            block.push_str(" |\n");
        }
        blocks.push(block);
    }
    blocks.join("\n")
}

fn markdown_text(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace('*', "\\*").replace('_', "\\_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables() -> Vec<Table> {
        let table = |name, columns: &[&str], rows: Vec<(&str, Vec<Cell>)>| Table {
            corpus: "a_b,c".to_owned(),
            name,
            caption: format!("{name}, a_b|c"),
            columns: columns.iter().map(|c| (*c).to_owned()).collect(),
            rows: rows.into_iter().map(|(head, cells)| (head.to_owned(), cells)).collect(),
        };
        vec![
            table(
                "classes",
                &["N", "P"],
                vec![("GT", vec![Cell::Count(1), Cell::Count(23)]), ("T", vec![Cell::Absent, Cell::Absent])],
            ),
            table("consistency", &["GT"], vec![("T", vec![Cell::Coefficient(0.799_84)])]),
        ]
    }

    /// Values of lines that begin with a head of a row, without it.
    fn values(text: &str, separator: &str, end: &str, absent: &str) -> Vec<String> {
        let cells = |line: &str| -> Vec<String> {
            let line = line.trim_start_matches('|').trim_end_matches(end).trim();
            line.split(separator).map(|c| c.trim().replace(absent, "")).collect()
        };
        text.lines()
            .map(cells)
            .filter(|c| ["GT", "T"].contains(&c[0].as_str()))
            .flat_map(|c| c[1..].to_vec())
            .collect()
    }

    #[test]
    fn all_four_forms_hold_the_same_values() {
        let tables = tables();
        let expected = ["1", "23", "", "", "0.7998"];
        let of_csv: Vec<String> = csv(&tables)
            .lines()
            .skip(1)
            .map(|line| line.rsplit(',').next().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(of_csv, expected);
        assert_eq!(values(&latex(&tables), " & ", "\\\\", "--"), expected);
        assert_eq!(values(&markdown(&tables), " | ", "|", "–"), expected);
        // Columns of the terminal are two spaces apart, filled with more.
        let text = terminal(&tables);
        let of_terminal: Vec<String> = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .filter(|words| words.len() > 1 && (words[0] == "GT" || words[0] == "T"))
            .flat_map(|words| words[1..].iter().map(|w| w.replace('-', "")).collect::<Vec<_>>())
            .collect();
        assert_eq!(of_terminal, expected);
    }

    #[test]
    fn special_characters_are_escaped() {
        let tables = tables();
        assert!(csv(&tables).contains("\"a_b,c\",classes,GT,N,1\n"));
        assert!(latex(&tables).contains("\\caption{classes, a\\_b\\textbar{}c}"));
        assert!(markdown(&tables).contains("**classes, a\\_b\\|c**"));
    }
}
