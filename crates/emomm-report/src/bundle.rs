//! Writes a report: one HTML file, or a folder with the page, its data and the files of tables and figures.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::ReportError;
use crate::figure::Figure;
use crate::page::{Content, Files, page, parts_of};
use crate::study::PARTIAL;
use crate::table::Table;

/// A larger single file is split: bodies of the case cards move to a folder beside it.
pub const MAX_SINGLE: usize = 10 << 20;
/// A larger page is refused unless it is forced: browsers fail on it.
pub const MAX_PAGE: usize = 50 << 20;

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The page.
    pub page: PathBuf,
    /// Its size in bytes.
    pub page_bytes: usize,
    /// Files beside it.
    pub n_files: usize,
    /// What was left out because it could not be read.
    pub notes: Vec<String>,
}

/// Writes the report to `out`: a file if its name ends in `.html` or `.htm`, else a folder with `index.html`.
///
/// A single file that would be larger than [`MAX_SINGLE`] keeps its name; its details go to `<name>_files` beside it.
pub fn write(content: &Content<'_>, out: &Path, force: bool) -> Result<Written, ReportError> {
    let is_file =
        out.extension().is_some_and(|e| e.eq_ignore_ascii_case("html") || e.eq_ignore_ascii_case("htm"));
    if is_file {
        let whole = page(content, Files::Inside, None)?;
        if whole.html.len() <= MAX_SINGLE {
            if let Some(folder) = out.parent().filter(|p| !p.as_os_str().is_empty()) {
                make_folder(folder)?;
            }
            put(out, whole.html.as_bytes())?;
            return Ok(Written {
                page: out.to_owned(),
                page_bytes: whole.html.len(),
                n_files: 0,
                notes: Vec::new(),
            });
        }
        let stem = out.file_stem().map_or_else(|| "report".to_owned(), |s| s.to_string_lossy().into_owned());
        let beside = format!("{stem}_files");
        let folder = out.parent().unwrap_or(Path::new("")).join(&beside);
        return write_split(
            content,
            out,
            &folder,
            &format!("{}/", crate::page::path_encoded(&beside)),
            force,
        );
    }
    write_split(content, &out.join("index.html"), out, "", force)
}

fn write_split(
    content: &Content<'_>,
    page_file: &Path,
    folder: &Path,
    prefix: &str,
    force: bool,
) -> Result<Written, ReportError> {
    let split = page(content, Files::Beside(prefix), Some(&format!("{prefix}data/chunk-")))?;
    if split.html.len() > MAX_PAGE && !force {
        let (found, expected) = (split.html.len(), MAX_PAGE);
        return Err(ReportError::TooLarge { path: page_file.to_owned(), found, expected });
    }
    for name in ["data", "figures", "tables"] {
        make_folder(&folder.join(name))?;
    }
    // The page that stands there still names the files of the report that it belongs to.
    let earlier =
        fs::read_to_string(page_file).map_or_else(|_| BTreeSet::new(), |html| linked(&html, prefix, folder));
    let mut own = content.tables.clone();
    own.extend(parts_of(&content.tables));
    let mark = content.study.mark();
    let mut names = BTreeSet::new();
    put_all(&own, &content.figures, &|_| &mark, folder, &mut names)?;
    if let Some(chase) = &content.chase {
        put_all(&chase.tables, &chase.figures, &|name| chase.mark_of(name), folder, &mut names)?;
    }
    let mut n_files = names.len();
    forget_partial(folder, &names)?;
    for path in earlier.difference(&names).filter(|path| path.is_file()) {
        fs::remove_file(path).map_err(|source| ReportError::Io { path: path.clone(), source })?;
    }
    for (number, chunk) in split.chunks.iter().enumerate() {
        put(&folder.join("data").join(format!("chunk-{number}.js")), chunk.as_bytes())?;
        n_files += 1;
    }
    forget_chunks(&folder.join("data"), split.chunks.len())?;
    // The page comes last: it never stands there without its files.
    put(page_file, split.html.as_bytes())?;
    Ok(Written { page: page_file.to_owned(), page_bytes: split.html.len(), n_files, notes: Vec::new() })
}

/// Writes the files of tables and figures, with a mark behind the name of each, and notes their paths.
fn put_all<'a>(
    tables: &[Table],
    figures: &[Figure],
    mark: &dyn Fn(&str) -> &'a str,
    folder: &Path,
    names: &mut BTreeSet<PathBuf>,
) -> Result<(), ReportError> {
    for table in tables {
        let mark = mark(&table.name);
        for extension in ["csv", "tex", "md", "json"] {
            let path = folder.join("tables").join(format!("{}{mark}.{extension}", table.name));
            put(&path, table.form(extension).as_bytes())?;
            names.insert(path);
        }
    }
    let figures_in = folder.join("figures");
    for figure in figures {
        let mark = mark(&figure.name);
        figure.write(&figures_in, mark)?;
        names.extend(["svg", "png", "csv"].map(|e| figures_in.join(format!("{}{mark}.{e}", figure.name))));
    }
    Ok(())
}

/// Removes what an earlier report on other records left: files whose names say so, and those of the complete runs that it was
/// on where these are not.
fn forget_partial(folder: &Path, written: &BTreeSet<PathBuf>) -> Result<(), ReportError> {
    let complete = |path: &PathBuf| {
        let (stem, rest) = path.file_name()?.to_str()?.split_once(PARTIAL)?;
        Some(path.with_file_name(format!("{stem}.{}", rest.rsplit_once('.')?.1)))
    };
    let twins: BTreeSet<PathBuf> = written.iter().filter_map(complete).collect();
    for name in ["figures", "tables"] {
        let folder = folder.join(name);
        let failed = |source| ReportError::Io { path: folder.clone(), source };
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let is_partial = path.file_name().is_some_and(|n| n.to_string_lossy().contains(PARTIAL));
            if (is_partial || twins.contains(&path)) && !written.contains(&path) {
                fs::remove_file(&path).map_err(failed)?;
            }
        }
    }
    Ok(())
}

/// The files of tables and figures that a page links to.
fn linked(html: &str, prefix: &str, folder: &Path) -> BTreeSet<PathBuf> {
    let hrefs = html.split("href=\"").skip(1).filter_map(|part| part.split_once('"'));
    hrefs
        .filter_map(|(href, _)| {
            let (place, name) = href.strip_prefix(prefix)?.split_once('/')?;
            let is_ours = ["tables", "figures"].contains(&place) && !name.contains(['/', '\\']);
            is_ours.then(|| folder.join(place).join(name))
        })
        .collect()
}

/// Removes the chunks of an earlier report that had more of them.
fn forget_chunks(data: &Path, n_chunks: usize) -> Result<(), ReportError> {
    let failed = |source| ReportError::Io { path: data.to_owned(), source };
    for entry in fs::read_dir(data).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let number = name.strip_prefix("chunk-").and_then(|n| n.strip_suffix(".js")).map(str::parse::<usize>);
        if number.is_some_and(|n| n.is_ok_and(|n| n >= n_chunks)) {
            fs::remove_file(&path).map_err(failed)?;
        }
    }
    Ok(())
}

fn make_folder(path: &Path) -> Result<(), ReportError> {
    fs::create_dir_all(path).map_err(|source| ReportError::Io { path: path.to_owned(), source })
}

/// Written beside its place and then renamed, so that no half of a file is ever there.
fn put(path: &Path, bytes: &[u8]) -> Result<(), ReportError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    fs::write(&beside, bytes)
        .and_then(|()| fs::rename(&beside, path))
        .map_err(|source| ReportError::Io { path: path.to_owned(), source })
}
