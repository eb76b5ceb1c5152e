//! From a count in a table to the samples behind it: the address of a list that holds as many.

use std::collections::BTreeSet;

use emomm_metrics::Unparsed;

use crate::benchmark_figures::CLASSES;
use crate::content::BY_LANGUAGE;
use crate::study::Study;
use crate::table::{Cell, Table};

/// Tables whose counts are of records with attention, for which the list has no filter.
const OF_ATTENTION: [&str; 2] = ["attention", "spatial"];
/// Tables whose counts are of clips that have the records of several coalitions: the list cannot ask for that, and shows as many
/// only where no record is absent.
const OF_WHOLE_CLIPS: [&str; 2] = ["psmv", "delta-v"];

/// What links depend on besides their table.
#[derive(Debug)]
pub(super) struct Linking<'a> {
    /// With answers left out that are missing, counts of what accuracy is made of lead to the others.
    unparsed: Unparsed,
    /// Names of the runs that have all their records.
    complete: BTreeSet<&'a str>,
}

impl<'a> Linking<'a> {
    pub(super) fn of(study: &'a Study, unparsed: Unparsed) -> Self {
        let complete = study.runs.iter().filter(|run| run.run.is_complete());
        let complete = complete.map(|run| run.name.as_str()).collect();
        Self { unparsed, complete }
    }
}

/// The words of a row in a column; `None` where there are none.
pub(super) fn words_of<'a>(table: &Table, row: &'a [Cell], key: &str) -> Option<&'a str> {
    let at = table.columns.iter().position(|c| c.key == key)?;
    match &row[at] {
        Cell::Text(words) => Some(words.as_str()),
        _ => None,
    }
}

/// The address of the samples that a row counts in the column `key`; `None` where the list cannot show just them.
pub(super) fn samples(table: &Table, row: &[Cell], key: &str, linking: &Linking<'_>) -> Option<String> {
    let is_table = |name: &str| {
        table.name.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    if OF_ATTENTION.into_iter().any(is_table) {
        return None;
    }
    let of = |key: &str| words_of(table, row, key);
    let run = of("run");
    if OF_WHOLE_CLIPS.into_iter().any(is_table) && !run.is_some_and(|run| linking.complete.contains(run)) {
        return None;
    }
    let (mut subset, mut coalition) = (of("subset"), of("coalition"));
    let answer = CLASSES.iter().find(|c| **c == key).filter(|_| of("truth").is_some());
    let mut result = None;
    match key {
        "n" if is_table("runs") => coalition = Some("any"),
        "n" if is_table("delta-v") => (subset, coalition) = (Some("conflict"), Some("TAV")),
        "n" if of("status").is_some() => {
            // The list knows the status, not the kind.
            let same = |other: &&Vec<Cell>| {
                ["run", "status"].iter().all(|key| words_of(table, other, key) == of(key))
            };
            if table.rows.iter().filter(same).count() > 1 {
                return None;
            }
            (result, coalition) = (of("status"), Some("any"));
        }
        "n" => {}
        "n_parsed" => result = Some("answered"),
        // The matrices pool full clips and pairs.
        _ if answer.is_some() => {
            coalition = Some(if matches!(subset, Some("align" | "conflict")) { "TAV" } else { "overall" });
        }
        "align_n" | "conflict_n" => {
            subset = key.strip_suffix("_n");
            result = (linking.unparsed == Unparsed::Excluded).then_some("answered");
        }
        _ => return None,
    }
    run.or(coalition)?;
    // The table by language holds languages in the column of corpora.
    let part = of("corpus").filter(|part| *part != "all");
    let (corpus, language) = if is_table(BY_LANGUAGE) { (None, part) } else { (part, None) };
    let filters = [
        ("run", run),
        ("answer", answer.copied()),
        ("result", result),
        ("coalition", coalition),
        ("corpus", corpus),
        ("language", language),
        ("truth", of("truth")),
        ("subset", subset.filter(|s| !matches!(*s, "all" | "overall"))),
    ];
    let pairs: Vec<String> = filters
        .into_iter()
        .filter_map(|(key, value)| Some(format!("{key}={}", percent_encoded(value?))))
        .collect();
    Some(format!("#samples?{}", pairs.join("&")))
}

/// A value of an address: letters, digits, `-`, `_` and `.` stay.
pub(crate) fn percent_encoded(value: &str) -> String {
    use std::fmt::Write;
    value.bytes().fold(String::new(), |mut out, b| {
        if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.') {
            out.push(char::from(b));
        } else {
            let _ = write!(out, "%{b:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Column;

    fn href(table: &str, key: &str, words: &str, complete: bool) -> Option<String> {
        let columns = ["run", key, "n"].map(|key| Column::plain(key, key)).to_vec();
        let mut table = Table::new(table, "T", columns);
        table.push(vec![Cell::text("a"), Cell::text(words), Cell::Count(3)]);
        let complete = complete.then_some("a").into_iter().collect();
        samples(&table, &table.rows[0], "n", &Linking { unparsed: Unparsed::Wrong, complete })
    }

    #[test]
    fn counts_of_whole_clips_lead_nowhere_where_records_are_absent() {
        for (table, expected) in
            [("psmv", "#samples?run=a"), ("delta-v", "#samples?run=a&coalition=TAV&subset=conflict")]
        {
            assert_eq!(href(table, "picture", "original", true).as_deref(), Some(expected));
            assert_eq!(href(table, "picture", "original", false), None);
        }
        assert!(href("scores", "corpus", "ch-sims", false).is_some());
    }

    #[test]
    fn a_column_of_languages_is_no_filter_of_corpora() {
        assert_eq!(
            href("scores-by-language", "corpus", "de", true).as_deref(),
            Some("#samples?run=a&language=de")
        );
        assert_eq!(
            href("scores", "corpus", "ch-sims", true).as_deref(),
            Some("#samples?run=a&corpus=ch-sims")
        );
    }
}
