//! Every written form of every table and figure is read back and compared with the others, cell by cell.
//!
//! CSV and JSON are the machine's numbers; a reader's number in Markdown and LaTeX is one of these, rounded at its last decimal.
//! The numbers that a figure's marks state are those of its data. None of the writers' own code is used.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use emomm_report::study::Study;
use serde_json::Value;

use crate::by_hand::{always_right, first_shown};
use crate::chase::steered;
use crate::made_up::{manifest, study, ten_clips, write_run};
use crate::pages::{two_runs, written};

/// Half a unit of the last decimal, and what doubles lose.
fn is_rounded(words: &str, value: f64) -> bool {
    let decimals = words.split_once('.').map_or(0, |(_, d)| d.len());
    let shown: f64 = words.replace('\u{2212}', "-").parse().unwrap_or(f64::NAN);
    (shown - value).abs() <= 0.5 * 10_f64.powi(-(decimals as i32)) + 1e-9
}

/// A table as one of its forms holds it: heads, and the cells of each row as text.
struct Grid {
    heads: Vec<String>,
    rows: Vec<Vec<String>>,
}

fn markdown(text: &str) -> Grid {
    let mut lines = text.lines().filter(|l| l.starts_with('|')).map(|line| {
        let (mut cells, mut cell, mut chars) = (Vec::new(), String::new(), line.chars().skip(1));
        while let Some(c) = chars.next() {
            match c {
                '\\' => cell.extend(chars.next()),
                '|' => cells.push(std::mem::take(&mut cell).trim().to_owned()),
                c => cell.push(c),
            }
        }
        cells
    });
    let heads = lines.next().unwrap();
    Grid { heads, rows: lines.skip(1).collect() }
}

fn latex(text: &str) -> Grid {
    let body = text.split_once("\\toprule\n").unwrap().1.split_once("\\bottomrule").unwrap().0;
    let mut lines = body.lines().filter(|l| *l != "\\midrule").map(|line| {
        let line = line.strip_suffix(" \\\\").unwrap_or_else(|| panic!("{line}"));
        let cells = line.replace("\\&", "\u{1}");
        cells.split(" & ").map(|cell| plain(&cell.replace('\u{1}', "&"))).collect::<Vec<String>>()
    });
    let heads = lines.next().unwrap();
    Grid { heads, rows: lines.collect() }
}

/// What LaTeX prints.
fn plain(cell: &str) -> String {
    let commands = [
        ("\\textbackslash{}", "\u{2}"),
        ("\\textasciitilde{}", "~"),
        ("\\textasciicircum{}", "^"),
        ("\\textbar{}", "|"),
        ("$<$", "<"),
        ("$>$", ">"),
        ("$\\Delta$", "Δ"),
        ("$\\rho$", "ρ"),
        ("$\\tau$", "τ"),
        ("$\\kappa$", "κ"),
        ("$\\alpha$", "α"),
        ("$\\gamma$", "γ"),
        ("$\\beta$", "β"),
        ("$\\eta$", "η"),
        ("$\\psi$", "ψ"),
        ("$\\hat{\\psi}$", "ψ\u{302}"),
        ("$\\geq$", "≥"),
        ("$\\leq$", "≤"),
        ("$\\emptyset$", "∅"),
        ("$\\times$", "×"),
    ];
    let mut out = commands.iter().fold(cell.to_owned(), |text, (from, to)| text.replace(from, to));
    for special in ['%', '$', '#', '_', '{', '}'] {
        out = out.replace(&format!("\\{special}"), &special.to_string());
    }
    let out = out.replace('\u{2}', "\\");
    if out == "--" { "–".to_owned() } else { out }
}

/// All tables of a folder; gives how many cells were compared.
fn tables_agree(folder: &Path) -> usize {
    let mut n = 0;
    for path in files(&folder.join("tables"), "csv") {
        n += table_agrees(&path);
    }
    n
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == extension))
        .collect();
    found.sort();
    found
}

fn table_agrees(csv: &Path) -> usize {
    let text = |extension: &str| std::fs::read_to_string(csv.with_extension(extension)).unwrap();
    let json: Value = serde_json::from_str(&text("json")).unwrap();
    let columns = json["columns"].as_array().unwrap();
    let mut reader = csv::Reader::from_path(csv).unwrap();
    let keys: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let objects = json["rows"].as_array().unwrap();
    let readers = [markdown(&text("md")), latex(&text("tex"))];
    assert_eq!(rows.len(), objects.len(), "{}", csv.display());
    for grid in &readers {
        let heads: Vec<&str> = columns.iter().map(|c| c["head"].as_str().unwrap()).collect();
        assert_eq!(grid.heads, heads, "{}", csv.display());
        assert_eq!(grid.rows.len(), rows.len(), "{}", csv.display());
    }
    let mut n = 0;
    for (place, (row, object)) in rows.iter().zip(objects).enumerate() {
        let object = object.as_object().unwrap();
        assert_eq!((row.len(), object.len()), (keys.len(), keys.len()), "{}", csv.display());
        for (key, field) in keys.iter().zip(row) {
            match &object[key] {
                Value::Null => assert_eq!(field, "", "{key}"),
                Value::String(words) => assert_eq!(field, words, "{key}"),
                value => {
                    let (csv, json) = (field.parse::<f64>().unwrap(), value.as_f64().unwrap());
                    // The reader of JSON may be off by one in the last digit; the files hold the same digits.
                    assert!((csv - json).abs() <= 1e-15 * csv.abs(), "{key}: {csv} {json}");
                }
            }
        }
        for (at, column) in columns.iter().enumerate() {
            let key = column["key"].as_str().unwrap();
            let [first, second] = [0, 1].map(|form| readers[form].rows[place][at].as_str());
            assert_eq!(first, second, "Markdown and LaTeX of {} in {}", key, csv.display());
            // Shares and their differences are told times 100.
            let factor = if column["form"] == "percent" { 100.0 } else { 1.0 };
            let of = |key: &str| object.get(key).and_then(Value::as_f64).map(|v| factor * v);
            let told = || format!("{key} of row {place} in {}: {first}, {}", csv.display(), object[key]);
            match &object[key] {
                Value::Null => assert_eq!(first, "–", "{}", told()),
                Value::String(words) => assert_eq!(first, words.replace(['\n', '\r'], " "), "{}", told()),
                _ if first == "< 0.001" => assert!(of(key).unwrap() < 0.001, "{}", told()),
                _ => {
                    let parts: Vec<&str> =
                        first.split([' ', '[', ',', ']']).filter(|p| !p.is_empty()).collect();
                    let mut values = vec![of(key)];
                    values.extend(["_low", "_high"].map(|end| of(&format!("{key}{end}"))));
                    let values: Vec<f64> = values.into_iter().flatten().collect();
                    assert_eq!(parts.len(), values.len(), "{}", told());
                    for (part, value) in parts.iter().zip(values) {
                        assert!(is_rounded(part, value), "{} against {value}", told());
                        // A share or a mean is not told as a whole number.
                        assert!(part.contains('.') || value.fract() == 0.0, "{}", told());
                    }
                }
            }
            n += 1;
        }
    }
    n
}

/// Every number that the marks of a figure state is in its data; gives how many were compared.
fn figures_agree(folder: &Path) -> usize {
    let mut n = 0;
    for path in files(&folder.join("figures"), "svg") {
        let mut reader = csv::Reader::from_path(path.with_extension("csv")).unwrap();
        let data: Vec<f64> = reader
            .records()
            .flat_map(|r| r.unwrap().iter().filter_map(|f| f.parse().ok()).collect::<Vec<f64>>())
            .collect();
        assert!(path.with_extension("png").is_file(), "{}", path.display());
        let svg = std::fs::read_to_string(&path).unwrap();
        for part in svg.split("<g><title>").skip(1) {
            let said = part.split_once("</title>").unwrap().0;
            // What stands behind the last colon are values; before it are names.
            let values = said.rsplit_once(": ").map_or("", |(_, values)| values);
            let words: Vec<&str> =
                values.split([' ', '[', ']', ',', ';', '(', ')']).filter(|w| !w.is_empty()).collect();
            let number = |at: usize| words.get(at)?.replace('\u{2212}', "-").parse::<f64>().ok();
            let told = |word: &str| format!("{}: `{said}`, expected `{word}` in its data", path.display());
            for (at, word) in words.iter().enumerate() {
                if number(at).is_none() || at.checked_sub(1).is_some_and(|before| words[before] == "of") {
                    continue;
                }
                let is_percent = values
                    .split_once(word)
                    .is_some_and(|(_, rest)| rest.trim_start_matches([']', ' ']).starts_with('%'));
                let factor = if is_percent || words.contains(&"points") { 100.0 } else { 1.0 };
                // "1 of 4, 25.0 %": the share of two numbers, of which the data hold the first.
                let share = match (number(0), words.get(1), number(2)) {
                    (Some(part), Some(&"of"), Some(whole)) if at == 3 => Some(part / whole),
                    _ => None,
                };
                let is_there = share.map_or_else(
                    || data.iter().any(|v| is_rounded(word, factor * v)),
                    |share| is_rounded(word, factor * share),
                );
                assert!(is_there, "{}", told(word));
                n += 1;
            }
        }
    }
    n
}

/// What a single file offers to be saved is what a folder holds, byte by byte; gives how many files were compared.
fn offers_agree(html: &str, folder: &Path) -> usize {
    let mut offered: BTreeSet<(&str, &str)> = BTreeSet::new();
    for part in html.split("<a ").skip(1) {
        let tag = part.split_once('>').unwrap().0;
        let of = |name: &str| Some(tag.split_once(&format!("{name}=\""))?.1.split_once('"')?.0);
        if let (Some(name), Some(href)) = (of("download"), of("href")) {
            offered.insert((name, href.split_once("base64,").unwrap_or_else(|| panic!("{href}")).1));
        }
    }
    for (name, content) in &offered {
        let files = ["tables", "figures"].map(|place| std::fs::read(folder.join(place).join(name)).ok());
        let found: Vec<Vec<u8>> = files.into_iter().flatten().collect();
        assert_eq!(found.len(), 1, "{name} is the name of one file");
        assert_eq!(emomm_report::page::base64(&found[0]), *content, "{name}");
    }
    offered.len()
}

fn all_agree(study: &Study, least: [usize; 3]) {
    let folder = tempfile::tempdir().unwrap();
    let (split, whole) = (folder.path().join("split"), folder.path().join("whole.html"));
    written(study, &split);
    let html = written(study, &whole);
    let found = [tables_agree(&split), figures_agree(&split), offers_agree(&html, &split)];
    assert!(found.iter().zip(&least).all(|(found, least)| found >= least), "{found:?} of {least:?}");
}

#[test]
fn every_cell_of_every_table_is_the_same_in_all_forms() {
    let (clips, runs) = two_runs();
    all_agree(&study(&clips, &runs), [1000, 50, 50]);
}

#[test]
fn the_tables_and_figures_of_variants_are_the_same_in_all_forms() {
    let clips = ten_clips();
    let runs = [("baseline", first_shown(&clips)), ("tuned", steered(always_right(&clips)))];
    all_agree(&study(&clips, &runs), [1000, 50, 50]);
}

/// Of 80 records of one run 75 are there.
#[test]
fn files_of_incomplete_runs_say_so_in_their_names() {
    let clips = ten_clips();
    let folder = tempfile::tempdir().unwrap();
    let records = first_shown(&clips);
    let of = |n: usize| {
        let path = folder.path().join(n.to_string());
        write_run(&path, &records[..n], 80, Path::new(""));
        let run = emomm_eval::run::Run::open(&path).unwrap();
        Study::new(&manifest(&clips), vec![("run".to_owned(), run)], emomm_report::study::Origin::default())
            .unwrap()
    };
    let out = folder.path().join("report");
    let html = written(&of(75), &out);
    for name in ["tables/table1", "figures/fig3-left"] {
        let name = format!("{name}.partial-75-of-80.csv");
        assert!(out.join(&name).is_file() && html.contains(&name), "{name}");
    }
    assert!(tables_agree(&out) > 0);
    let all = |folder: &str| -> Vec<String> {
        let names = std::fs::read_dir(out.join(folder)).unwrap();
        names.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect()
    };
    for name in all("tables").iter().chain(&all("figures")) {
        assert!(name.contains(".partial-75-of-80."), "{name}");
    }
    for table in files(&out.join("tables"), "json") {
        let json: Value = serde_json::from_slice(&std::fs::read(&table).unwrap()).unwrap();
        // Table 5 is of tools, all others are of records.
        let note = json["note"].as_str().unwrap();
        assert!(json["name"] == "table5" || note.contains("Records: 75 of 80, not complete."), "{note}");
    }
    // The whole run leaves nothing of it behind.
    written(&of(80), &out);
    assert!(out.join("tables/table1.csv").is_file());
    assert!(all("tables").iter().chain(&all("figures")).all(|name| !name.contains("partial")));
    // Nor does the whole run stay beside a part.
    written(&of(75), &out);
    assert!(all("tables").iter().chain(&all("figures")).all(|name| name.contains(".partial-75-of-80.")));
}
