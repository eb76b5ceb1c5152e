//! Writes a report: one HTML file, or a folder with the page, its data and the files of tables and figures.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::ReportError;
use crate::page::{Content, Files, page, parts_of};

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
    let mut n_files = 0;
    let mut tables = content.tables.clone();
    tables.extend(parts_of(&content.tables));
    let mut figures = content.figures.clone();
    if let Some(chase) = &content.chase {
        tables.extend(chase.tables.iter().cloned());
        figures.extend(chase.figures.iter().cloned());
    }
    for table in &tables {
        for extension in ["csv", "tex", "md", "json"] {
            let path = folder.join("tables").join(format!("{}.{extension}", table.name));
            put(&path, table.form(extension).as_bytes())?;
            n_files += 1;
        }
    }
    for figure in &figures {
        figure.write(&folder.join("figures"))?;
        n_files += 3;
    }
    for (number, chunk) in split.chunks.iter().enumerate() {
        put(&folder.join("data").join(format!("chunk-{number}.js")), chunk.as_bytes())?;
        n_files += 1;
    }
    // The page comes last: it never stands there without its files.
    put(page_file, split.html.as_bytes())?;
    Ok(Written { page: page_file.to_owned(), page_bytes: split.html.len(), n_files, notes: Vec::new() })
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
