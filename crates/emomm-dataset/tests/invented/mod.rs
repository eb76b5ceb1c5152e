//! Invented corpora in the layouts of the real ones. No row of a real corpus is among them.
#![allow(dead_code, reason = "every test file uses a part of this")]

use std::fs;
use std::path::Path;

/// Columns of CH-SIMS and of the MMSA layout.
pub(crate) const HEADER: &str = "video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode";

/// One clip of the nine columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Clip {
    pub(crate) video_id: String,
    pub(crate) segment_id: String,
    pub(crate) text: String,
    /// GT, T, A, V.
    pub(crate) scores: [String; 4],
    pub(crate) annotation: String,
    pub(crate) mode: String,
}

impl Clip {
    /// A clip with scores as texts.
    pub(crate) fn new(video: &str, clip: &str, text: &str, scores: [&str; 4]) -> Self {
        let annotation = match scores[0].trim_start_matches('-') {
            "0.0" | "0" => "Neutral",
            _ if scores[0].starts_with('-') => "Negative",
            _ => "Positive",
        };
        Self {
            video_id: video.to_owned(),
            segment_id: clip.to_owned(),
            text: text.to_owned(),
            scores: scores.map(str::to_owned),
            annotation: annotation.to_owned(),
            mode: "train".to_owned(),
        }
    }

    /// The line of the clip in a file of nine columns.
    pub(crate) fn line(&self) -> String {
        let text = if self.text.contains([',', '"', '\n']) {
            format!("\"{}\"", self.text.replace('"', "\"\""))
        } else {
            self.text.clone()
        };
        let scores = self.scores.join(",");
        format!("{},{},{text},{scores},{},{}", self.video_id, self.segment_id, self.annotation, self.mode)
    }
}

/// A file of nine columns with header.
pub(crate) fn table(clips: &[Clip]) -> String {
    let lines: Vec<String> = clips.iter().map(Clip::line).collect();
    format!("{HEADER}\n{}\n", lines.join("\n"))
}

/// A small stream of numbers, so that tests need no dependency for chance.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    /// A score of the 0.2 grid.
    pub(crate) fn score(&mut self) -> i64 {
        self.below(11) as i64 - 5
    }
}

/// Text of a number of 0.2 steps.
pub(crate) fn score_text(steps: i64) -> String {
    format!("{:.1}", steps as f64 / 5.0)
}

/// Clips of `n_videos` videos of uneven length. About half are in Conflict.
pub(crate) fn corpus(n_videos: usize, seed: u64) -> Vec<Clip> {
    let mut chance = Chance(seed);
    let mut clips = Vec::new();
    for video in 0..n_videos {
        let n_clips = 2 + chance.below(3 + 2 * (video as u64 % 9));
        for clip in 0..n_clips {
            let truth = chance.score();
            let steps: Vec<i64> = (0..3)
                .map(|_| match chance.below(4) {
                    0 => chance.score(),
                    1 => truth.signum() * (1 + chance.below(5) as i64),
                    _ => truth,
                })
                .collect();
            let text = format!("invented words {}", chance.below(1_000_000));
            let scores = [truth, steps[0], steps[1], steps[2]].map(score_text);
            let id = if clip % 2 == 0 { format!("{clip:04}") } else { format!("{clip:05}_0") };
            clips.push(Clip::new(
                &format!("video_{video:04}"),
                &id,
                &text,
                [&scores[0], &scores[1], &scores[2], &scores[3]],
            ));
        }
    }
    clips
}

/// Writes `meta.csv` of CH-SIMS v2.
pub(crate) fn write_ch_sims(folder: &Path, clips: &[Clip]) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("meta.csv"), table(clips)).unwrap();
}

/// Writes a stand-in for the media of a clip at `Raw/<video>/<clip>.mp4`.
pub(crate) fn write_media(folder: &Path, clip: &Clip) {
    let path = folder.join("Raw").join(&clip.video_id);
    fs::create_dir_all(&path).unwrap();
    fs::write(
        path.join(format!("{}.mp4", clip.segment_id)),
        format!("{}/{}", clip.video_id, clip.segment_id),
    )
    .unwrap();
}
