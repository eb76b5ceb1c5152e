//! What is done to a clip's picture before the model sees it: the subtitle band, and readings of the person alone
//! (App. C.2).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use emomm_eval::run::hex;
use emomm_eval::{PersonRecord, PictureRecord};
use emomm_media::{PersonMask, RgbImage, SubtitleBand, SubtitleTreatment, Window};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::error::{ModelError, Result};
use crate::front_end::Regions;

/// A visual token shows the person if the mean probability in its cell is above this; so does a pixel.
pub const PERSON_THRESHOLD: f32 = 0.5;

/// Background pixels of a blanked frame: grey, near the mean of the towers' normalisation.
const BLANK: [u8; 3] = [122, 116, 104];

/// How the person alone is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PersonReading {
    /// Visual tokens of the background are left out after the tower; positions of the others stay.
    Drop,
    /// Pixels of the background are grey before the tower.
    Blank,
    /// The decision row attends to no visual token of the background.
    Suppress,
    /// The whole picture as it is: where the person is, is only recorded.
    Observe,
}

impl PersonReading {
    /// The word on the command line and in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Blank => "blank",
            Self::Suppress => "suppress",
            Self::Observe => "observe",
        }
    }
}

impl FromStr for PersonReading {
    type Err = ModelError;

    fn from_str(word: &str) -> Result<Self> {
        let all = [Self::Drop, Self::Blank, Self::Suppress, Self::Observe];
        all.into_iter().find(|r| r.name() == word).ok_or_else(|| {
            let expected = "expected drop, blank, suppress or observe";
            ModelError::request(format!("unknown reading of the person `{word}`"), expected)
        })
    }
}

/// Where the person is known from.
#[derive(Debug, Clone, Default)]
pub enum PersonSource {
    /// The network of `emomm-media`.
    #[default]
    Network,
    /// Masks that are known, as of the synthetic world.
    Truth(Arc<TruthMasks>),
}

impl PersonSource {
    fn name(&self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Truth(_) => "truth",
        }
    }
}

/// A person-only reading and its masks.
#[derive(Debug, Clone)]
pub struct PersonView {
    /// How the person is shown.
    pub reading: PersonReading,
    /// Where the person is known from.
    pub source: PersonSource,
}

/// What is done to pictures. By default nothing.
#[derive(Debug, Clone, Default)]
pub struct PictureView {
    /// The subtitle band; it goes first.
    pub subtitles: SubtitleBand,
    /// The person-only reading; `None` for the whole picture.
    pub person: Option<PersonView>,
}

impl PictureView {
    /// Whether pictures stay as they are.
    pub fn is_plain(&self) -> bool {
        self.subtitles.treatment == SubtitleTreatment::Keep && self.person.is_none()
    }

    /// All of it in words, for the names of what is kept; empty where pictures stay as they are.
    pub(crate) fn treatment(&self) -> String {
        if self.is_plain() {
            return String::new();
        }
        let person = self.person.as_ref().map(|view| match &view.source {
            PersonSource::Network => format!("{} by the network", view.reading.name()),
            PersonSource::Truth(masks) => format!("{} by masks {}", view.reading.name(), masks.sha256),
        });
        format!("{}, rows {:?}, person {person:?}", self.subtitles.treatment.name(), self.subtitles.rows())
    }

    /// The record of a clip of which `shown` of the visual tokens show the person; `None` where nothing was done.
    pub(crate) fn record(&self, shown: &PersonTokens) -> Option<PictureRecord> {
        (!self.is_plain()).then(|| PictureRecord {
            subtitle_band: self.subtitles.treatment.name().to_owned(),
            subtitle_rows: self.subtitles.rows(),
            person: self.person.as_ref().map(|view| PersonRecord {
                reading: view.reading.name().to_owned(),
                source: view.source.name().to_owned(),
                tokens: shown.person.len(),
                person_tokens: shown.person.iter().filter(|is| **is).count(),
            }),
        })
    }
}

/// Looks at the frames of one clip as they are decoded.
pub(crate) struct Viewer<'a> {
    view: &'a PictureView,
    truth: Option<&'a ClipMasks>,
    /// Numbers of the frames that come, in order, repeated frames included.
    indices: &'a [usize],
    /// Rows and columns of visual tokens.
    grid: (usize, usize),
    /// The part of a shown frame that the grid lies over.
    window: Window,
    seen: usize,
    /// For each frame the mean probability of the person in each cell.
    cells: Vec<Vec<f32>>,
    /// The same of the face, where masks of it are known.
    face_cells: Vec<Vec<f32>>,
}

impl<'a> Viewer<'a> {
    /// For the frames `indices` of `video`, whose tokens lie in rows and columns `grid`.
    ///
    /// # Errors
    /// Known masks that do not know this clip or one of its frames.
    pub(crate) fn new(
        view: &'a PictureView,
        video: &Path,
        indices: &'a [usize],
        grid: (usize, usize),
    ) -> Result<Self> {
        let truth = match view.person.as_ref().map(|p| &p.source) {
            Some(PersonSource::Truth(masks)) => Some(masks.of(video, indices)?),
            _ => None,
        };
        Ok(Self {
            view,
            truth,
            indices,
            grid,
            window: Window::WHOLE,
            seen: 0,
            cells: Vec::new(),
            face_cells: Vec::new(),
        })
    }

    /// For a tower that sees a part of each frame.
    #[must_use]
    pub(crate) fn seeing(self, window: Window) -> Self {
        Self { window, ..self }
    }

    /// The next frame as the model is to see it.
    pub(crate) fn show(&mut self, frame: RgbImage) -> RgbImage {
        let index = self.indices.get(self.seen).copied().unwrap_or_default();
        self.seen += 1;
        let frame = self.view.subtitles.apply(frame);
        let Some(person) = &self.view.person else { return frame };
        let mask = match self.truth {
            // A known mask is of the whole frame.
            Some(truth) => {
                let [from, to] = self.view.subtitles.visible();
                if let Some(face) = truth.face(index) {
                    self.face_cells.push(face.rows(from, to).cells_in(self.window, self.grid.0, self.grid.1));
                }
                truth.person(index).rows(from, to)
            }
            None => PersonMask::of(&frame),
        };
        self.cells.push(mask.cells_in(self.window, self.grid.0, self.grid.1));
        // A frame that shows nobody stays as it is: a grey one would say nothing at all.
        let is_somebody = mask.is_anybody_in(self.window, PERSON_THRESHOLD);
        match person.reading {
            PersonReading::Blank if is_somebody => mask.blank_background(&frame, PERSON_THRESHOLD, BLANK),
            _ => frame,
        }
    }

    /// Which visual tokens show the person and the face. A token covers `depth` frames; the last frame is repeated.
    pub(crate) fn person_tokens(&self, depth: usize) -> PersonTokens {
        let mean = |frames: &[Vec<f32>]| -> Vec<bool> {
            let n_cells = frames.first().map_or(0, Vec::len);
            // Missing frames of the last token are its last one again.
            let last = frames.last();
            let padded = || frames.iter().chain(last.into_iter().cycle()).take(depth);
            (0..n_cells)
                .map(|cell| padded().map(|f| f[cell]).sum::<f32>() / depth as f32 > PERSON_THRESHOLD)
                .collect()
        };
        let tokens = |cells: &[Vec<f32>]| cells.chunks(depth.max(1)).flat_map(mean).collect();
        PersonTokens { person: tokens(&self.cells), face: tokens(&self.face_cells) }
    }
}

/// For each visual token whether it shows the person, in the order of the tower's output; empty where nobody looked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PersonTokens {
    person: Vec<bool>,
    /// The face; empty where it is not known.
    face: Vec<bool>,
}

impl PersonTokens {
    /// Numbers of the tokens that show the person, or of those that do not; `None` if no token shows it or all do.
    pub(crate) fn numbers(&self, of_person: bool) -> Option<Vec<u32>> {
        let is_mixed = self.person.iter().any(|is| *is) && self.person.iter().any(|is| !is);
        let wanted = self.person.iter().enumerate().filter(|(_, is)| **is == of_person);
        is_mixed.then(|| wanted.map(|(number, _)| number as u32).collect())
    }

    /// Whether somebody looked and found nobody.
    fn is_nobody(&self) -> bool {
        !self.person.is_empty() && !self.person.iter().any(|is| *is)
    }

    /// What is to be said then.
    pub(crate) fn complaint(&self, video: &Path) -> Option<String> {
        let text = || format!("{}: no person was found; the whole picture is shown", video.display());
        self.is_nobody().then(text)
    }

    /// Both, for what is kept of the picture.
    pub(crate) fn regions(&self) -> Regions {
        let known = |marks: &Vec<bool>| (!marks.is_empty()).then(|| marks.clone());
        Regions { person: known(&self.person), face: known(&self.face) }
    }
}

/// Known masks of many clips, from a file of JSON lines as `emomm synth` writes it (`truth.jsonl`).
///
/// Of each line `file` (path of the clip, as it ends), `frame_size`, `mask_cell` and `frames` with `person_mask`, and
/// `face_mask` where it is there, are read: the lengths of runs of cells outside and inside by turns, beginning outside.
#[derive(Debug, Clone, Default)]
pub struct TruthMasks {
    path: PathBuf,
    /// Of the file.
    sha256: String,
    clips: BTreeMap<String, ClipMasks>,
}

#[derive(Debug, Clone)]
struct ClipMasks {
    width: usize,
    height: usize,
    frames: Vec<Frame>,
}

#[derive(Deserialize)]
struct Line {
    file: String,
    frame_size: (usize, usize),
    mask_cell: usize,
    frames: Vec<Frame>,
}

#[derive(Debug, Clone, Deserialize)]
struct Frame {
    person_mask: Vec<u16>,
    face_mask: Option<Vec<u16>>,
}

impl Frame {
    /// Cells of its masks, where they do not fill the frame.
    fn misfit(&self, cells: usize) -> Option<usize> {
        let n = |runs: &Vec<u16>| runs.iter().map(|n| usize::from(*n)).sum::<usize>();
        let of_masks = std::iter::once(&self.person_mask).chain(&self.face_mask).map(n);
        of_masks.into_iter().find(|found| *found != cells || *found == 0)
    }
}

impl TruthMasks {
    /// Reads the file.
    ///
    /// # Errors
    /// A file that cannot be read, and a line whose masks do not fill its frame.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|source| ModelError::io(path, source))?;
        let mut clips = BTreeMap::new();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let wrong = |problem: String| {
                ModelError::request(
                    format!("{}, line {}: {problem}", path.display(), index + 1),
                    "give the truth.jsonl that `emomm synth` wrote",
                )
            };
            let line: Line = serde_json::from_str(line).map_err(|e| wrong(e.to_string()))?;
            let cell = line.mask_cell.max(1);
            let (width, height) = (line.frame_size.0 / cell, line.frame_size.1 / cell);
            let frames = line.frames;
            let misfit = frames.iter().enumerate().find_map(|(at, f)| Some((at, f.misfit(width * height)?)));
            if let Some((at, found)) = misfit {
                return Err(wrong(format!(
                    "the mask of frame {at} has {found} cells, expected {width} x {height}"
                )));
            }
            clips.insert(line.file, ClipMasks { width, height, frames });
        }
        Ok(Self { path: path.to_owned(), sha256: hex(&Sha256::digest(text.as_bytes())), clips })
    }

    /// The masks of a clip, by the end of its path.
    fn of(&self, video: &Path, indices: &[usize]) -> Result<&ClipMasks> {
        let missing = |what: String| {
            ModelError::request(
                format!("{} {what} of {}", self.path.display(), video.display()),
                "give the masks that belong to these clips, or take those of the network",
            )
        };
        let found = self.clips.iter().find(|(file, _)| video.ends_with(Path::new(file)));
        let (_, clip) = found.ok_or_else(|| missing("has no mask".to_owned()))?;
        let last = indices.iter().max().copied().unwrap_or_default();
        if last >= clip.frames.len() {
            let n = clip.frames.len();
            return Err(missing(format!("has {n} masks and none for frame {last}")));
        }
        Ok(clip)
    }
}

impl ClipMasks {
    fn person(&self, frame: usize) -> PersonMask {
        self.mask(self.frames.get(frame).map_or(&[], |f| &f.person_mask))
    }

    fn face(&self, frame: usize) -> Option<PersonMask> {
        self.frames.get(frame)?.face_mask.as_ref().map(|runs| self.mask(runs))
    }

    fn mask(&self, runs: &[u16]) -> PersonMask {
        let cells = runs.iter().enumerate().flat_map(|(i, n)| {
            let value = if i % 2 == 1 { 1.0 } else { 0.0 };
            std::iter::repeat_n(value, usize::from(*n))
        });
        PersonMask { width: self.width, height: self.height, probability: cells.collect() }
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "the numbers are exact in binary, or are not computed")]
mod tests {
    use super::*;

    fn truth(lines: &str) -> Result<TruthMasks> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("truth.jsonl");
        std::fs::write(&path, lines).unwrap();
        TruthMasks::read(&path)
    }

    /// Two frames of 8 × 4 pixels: the right half, then nobody.
    const CLIP: &str = r#"{"file":"c/Raw/v/1.mp4","frame_size":[8,4],"mask_cell":4,"more":1,"frames":[{"person_mask":[1,1]},{"person_mask":[2]}]}"#;

    fn view(reading: PersonReading) -> PictureView {
        let source = PersonSource::Truth(Arc::new(truth(CLIP).unwrap()));
        PictureView { person: Some(PersonView { reading, source }), ..PictureView::default() }
    }

    fn frame() -> RgbImage {
        RgbImage::new(8, 4, vec![1; 96]).unwrap()
    }

    #[test]
    fn known_masks_become_tokens() {
        let view = view(PersonReading::Drop);
        let mut viewer = Viewer::new(&view, Path::new("/w/c/Raw/v/1.mp4"), &[0, 0, 0, 1], (1, 4)).unwrap();
        for _ in 0..4 {
            assert_eq!(viewer.show(frame()), frame());
        }
        // Two frames a token: the person; then half of the time the person, which is not more than a half.
        let tokens = viewer.person_tokens(2);
        assert_eq!(tokens.person, [false, false, true, true, false, false, false, false]);
        assert_eq!(tokens.numbers(true), Some(vec![2, 3]));
        assert_eq!(tokens.numbers(false), Some(vec![0, 1, 4, 5, 6, 7]));
        let record = view.record(&tokens).unwrap();
        let person = record.person.unwrap();
        assert_eq!((person.tokens, person.person_tokens, &*person.source), (8, 2, "truth"));
        // One frame a token, the last repeated to fill the depth.
        assert_eq!(viewer.person_tokens(3).person.len(), 8);
    }

    #[test]
    fn looking_changes_nothing_and_knows_the_face_where_the_masks_do() {
        let with_face =
            CLIP.replace(r#"{"person_mask":[1,1]}"#, r#"{"person_mask":[0,2],"face_mask":[1,1]}"#);
        let source = PersonSource::Truth(Arc::new(truth(&with_face).unwrap()));
        let person = Some(PersonView { reading: PersonReading::Observe, source });
        let view = PictureView { person, ..PictureView::default() };
        let mut viewer = Viewer::new(&view, Path::new("c/Raw/v/1.mp4"), &[0], (1, 2)).unwrap();
        assert_eq!(viewer.show(frame()), frame());
        let regions = viewer.person_tokens(1).regions();
        assert_eq!((regions.person, regions.face), (Some(vec![true, true]), Some(vec![false, true])));
        assert_eq!(PersonTokens::default().regions(), Regions::default());
        assert!(truth(&with_face.replace("[1,1]", "[1]")).is_err());
    }

    /// A tower that sees the left half sees nobody, one that sees the right half sees nobody else.
    #[test]
    fn a_tower_that_sees_a_part_has_its_tokens_there() {
        for (columns, expected) in [([0.0, 0.5], false), ([0.5, 1.0], true)] {
            let view = view(PersonReading::Blank);
            let viewer = Viewer::new(&view, Path::new("c/Raw/v/1.mp4"), &[0], (1, 2)).unwrap();
            let mut viewer = viewer.seeing(Window { columns, rows: [0.0, 1.0] });
            let shown = viewer.show(frame());
            assert_eq!(viewer.person_tokens(1).person, [expected; 2]);
            assert_eq!(shown.pixel(0, 0) == Some(BLANK), expected);
        }
    }

    #[test]
    fn the_background_is_grey_before_the_tower() {
        let view = view(PersonReading::Blank);
        let mut viewer = Viewer::new(&view, Path::new("c/Raw/v/1.mp4"), &[0], (1, 2)).unwrap();
        let shown = viewer.show(frame());
        assert_eq!(shown.pixel(0, 0), Some(BLANK));
        assert_eq!(shown.pixel(7, 3), Some([1, 1, 1]));
        let mut viewer = Viewer::new(&view, Path::new("c/Raw/v/1.mp4"), &[1], (1, 2)).unwrap();
        assert_eq!(viewer.show(frame()), frame());
    }

    #[test]
    fn nobody_is_told_apart_from_nobody_looked() {
        let view = view(PersonReading::Drop);
        let mut viewer = Viewer::new(&view, Path::new("c/Raw/v/1.mp4"), &[1], (1, 2)).unwrap();
        viewer.show(frame());
        let tokens = viewer.person_tokens(1);
        assert!(tokens.is_nobody() && tokens.numbers(true).is_none());
        assert!(!PersonTokens::default().is_nobody());
    }

    #[test]
    fn masks_that_do_not_fit_are_refused() {
        let view = view(PersonReading::Drop);
        for (video, indices) in [("c/Raw/v/2.mp4", [0]), ("x/Raw/v/1.mp4", [0]), ("c/Raw/v/1.mp4", [2])] {
            let error = Viewer::new(&view, Path::new(video), &indices, (1, 1)).err().unwrap();
            assert!(error.to_string().contains("truth.jsonl"), "{error}");
        }
        assert!(truth("{").is_err());
        let short = CLIP.replace("[1,1]", "[1]");
        assert!(truth(&short).unwrap_err().to_string().contains("expected 2 x 1"));
    }

    #[test]
    fn a_plain_view_leaves_no_record() {
        assert!(PictureView::default().record(&PersonTokens::default()).is_none());
        assert_eq!(PictureView::default().treatment(), "");
    }

    #[test]
    fn other_treatments_have_other_words() {
        let mut words: Vec<String> =
            [PersonReading::Drop, PersonReading::Observe].map(|r| view(r).treatment()).to_vec();
        let network = Some(PersonView { reading: PersonReading::Drop, source: PersonSource::Network });
        words.push(PictureView { person: network, ..PictureView::default() }.treatment());
        let crop = SubtitleBand::new(SubtitleTreatment::Crop, 0.8, 1.0).unwrap();
        words.push(PictureView { subtitles: crop, ..PictureView::default() }.treatment());
        let n = words.len();
        words.sort();
        words.dedup();
        assert_eq!((words.len(), words.iter().any(String::is_empty)), (n, false));
    }
}
