//! A figure: panels, what they show in words, and the data behind them.

use std::fs;
use std::path::Path;

use crate::chart::palette::Theme;
use crate::chart::{Panel, in_theme, standalone};
use crate::error::ReportError;
use crate::png;
use crate::table::Table;

/// A figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Its name in file names and addresses.
    pub name: String,
    /// Its title.
    pub title: String,
    /// What it shows, for those who cannot see it: the finding, not the shapes.
    pub alt: String,
    /// What a reader must know: definitions, n, warnings. May be empty.
    pub note: String,
    /// The drawings, side by side where there is room.
    pub panels: Vec<Panel>,
    /// The data that is drawn.
    pub data: Table,
}

impl Figure {
    /// The figure as a file of SVG that follows the reader's theme.
    pub fn svg(&self) -> String {
        standalone(&self.panels, &self.title, &self.alt)
    }

    /// The figure as SVG in the colours of one theme, for programs that know no CSS variables.
    pub fn svg_in(&self, theme: Theme) -> String {
        in_theme(&self.panels, &self.title, &self.alt, theme)
    }

    /// The figure as PNG in the light theme, twice as many pixels as units.
    pub fn png(&self) -> Result<Vec<u8>, ReportError> {
        png::rendered(&self.svg_in(Theme::Light), &self.name)
    }

    /// Writes `<name><mark>.svg`, `.png` and `.csv` into a folder.
    pub fn write(&self, folder: &Path, mark: &str) -> Result<(), ReportError> {
        let write = |extension: &str, bytes: &[u8]| {
            let path = folder.join(format!("{}{mark}.{extension}", self.name));
            fs::write(&path, bytes).map_err(|source| ReportError::Io { path, source })
        };
        write("svg", self.svg().as_bytes())?;
        write("csv", self.data.csv().as_bytes())?;
        write("png", &self.png()?)
    }
}
