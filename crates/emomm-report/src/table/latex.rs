//! LaTeX: a `table` environment with rules of booktabs.

use std::fmt::Write;

use super::Table;

impl Table {
    /// The table as LaTeX; it needs the package booktabs.
    pub fn latex(&self) -> String {
        let mut out = "\\begin{table}\n\\centering\n".to_owned();
        let _ = writeln!(out, "\\caption{{{}}}\n\\label{{tab:{}}}", latex_escaped(&self.title), self.name);
        let columns = 0..self.columns.len();
        let alignment: String =
            columns.map(|column| if self.is_numeric(column) { 'r' } else { 'l' }).collect();
        let _ = writeln!(out, "\\begin{{tabular}}{{{alignment}}}\n\\toprule");
        let heads: Vec<String> = self.columns.iter().map(|c| latex_escaped(&c.head)).collect();
        let _ = writeln!(out, "{} \\\\\n\\midrule", heads.join(" & "));
        for row in &self.rows {
            let cells = self
                .columns
                .iter()
                .zip(row)
                .map(|(column, cell)| latex_escaped(&cell.words(column.form, "--")));
            let cells = cells.collect::<Vec<_>>().join(" & ");
            // At the beginning of a row these would belong to the `\\` of the row before.
            let guard = if cells.starts_with(['[', '*']) { "{}" } else { "" };
            let _ = writeln!(out, "{guard}{cells} \\\\");
        }
        out.push_str("\\bottomrule\n\\end{tabular}\n");
        if !self.note.is_empty() {
            let _ = writeln!(out, "\\par\\smallskip\\footnotesize {}", latex_escaped(&self.note));
        }
        out.push_str("\\end{table}\n");
        out
    }
}

/// Text whose special characters LaTeX prints as they are.
pub fn latex_escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => out.extend(['\\', c]),
            '\\' => out.push_str("\\textbackslash{}"),
            '~' => out.push_str("\\textasciitilde{}"),
            '^' => out.push_str("\\textasciicircum{}"),
            '|' => out.push_str("\\textbar{}"),
            '<' => out.push_str("$<$"),
            '>' => out.push_str("$>$"),
            'Δ' => out.push_str("$\\Delta$"),
            'ρ' => out.push_str("$\\rho$"),
            'τ' => out.push_str("$\\tau$"),
            'κ' => out.push_str("$\\kappa$"),
            'α' => out.push_str("$\\alpha$"),
            'β' => out.push_str("$\\beta$"),
            'γ' => out.push_str("$\\gamma$"),
            'π' => out.push_str("$\\pi$"),
            'η' => out.push_str("$\\eta$"),
            'ψ' if rest.next_if_eq(&'\u{302}').is_some() => out.push_str("$\\hat{\\psi}$"),
            'ψ' => out.push_str("$\\psi$"),
            '≥' => out.push_str("$\\geq$"),
            '≤' => out.push_str("$\\leq$"),
            '∅' => out.push_str("$\\emptyset$"),
            '×' => out.push_str("$\\times$"),
            '−' => out.push('-'),
            c => out.push(c),
        }
    }
    out
}
