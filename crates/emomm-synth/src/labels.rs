//! Label files of exactly the corpora's form.
//!
//! `ch-sims/meta.csv` and `cmu-mosi/label.csv` have the nine columns; those of CMU-MOSI's modalities are empty, their
//! labels stand in `cmu-mosi-labels.csv` as the annotation app would export them. A score of CMU-MOSI is the mean of five
//! votes from −3 to 3, so it lies on a grid of 0.2 and, divided by 3, near the true score.

use std::fmt::Write;

use emomm_dataset::{Corpus, Modality};

use crate::draw::Draw;
use crate::plan::{ClipPlan, Plan};
use crate::truth_file::speaker_name;

const COLUMNS: &str = "video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode\n";

/// `meta.csv` of CH-SIMS v2.
pub(crate) fn ch_sims(plan: &Plan) -> String {
    let mut file = COLUMNS.to_owned();
    for clip in plan.clips_of(Corpus::ChSims) {
        let [t, a, v] = Modality::ALL.map(|m| clip.truth.scores.get(m).to_string());
        let labels = format!("{},{t},{a},{v}", clip.truth.ground_truth());
        line(&mut file, clip, &labels, clip.truth.ground_truth().steps());
    }
    file
}

/// `label.csv` of CMU-MOSI.
pub(crate) fn mosi(plan: &Plan) -> String {
    let mut file = COLUMNS.to_owned();
    for clip in plan.clips_of(Corpus::CmuMosi) {
        let fifths = mosi_fifths(plan.settings().seed, clip);
        line(&mut file, clip, &format!("{},,,", tenths(2 * fifths)), fifths);
    }
    file
}

/// Unimodal labels of CMU-MOSI.
pub(crate) fn mosi_modalities(plan: &Plan) -> String {
    let mut file = "seq,clip,label_T,label_A,label_V\n".to_owned();
    for clip in plan.clips_of(Corpus::CmuMosi) {
        let [t, a, v] = Modality::ALL.map(|m| clip.truth.scores.get(m).to_string());
        // Writing to a string cannot fail.
        let _ = writeln!(file, "{},{}_{},{t},{a},{v}", clip.index + 1, clip.video_id, clip.clip_id);
    }
    file
}

/// Who speaks in which video, for `emomm build --speakers`.
pub(crate) fn speakers(plan: &Plan) -> String {
    let mut file = "corpus,video_id,speaker\n".to_owned();
    let mut last = "";
    for clip in plan.clips() {
        if clip.video_id != last {
            let speaker = speaker_name(clip.corpus, clip.speaker);
            let _ = writeln!(file, "{},{},{speaker}", clip.corpus, clip.video_id);
            last = &clip.video_id;
        }
    }
    file
}

/// `OpinionLevelSentiment.csv` of the original layout: no header, CRLF, segments from 1.
pub(crate) fn mosi_original(plan: &Plan) -> String {
    let mut file = String::new();
    let (mut video, mut start) = ("", 0.0);
    for clip in plan.clips_of(Corpus::CmuMosi) {
        if clip.video_id != video {
            (video, start) = (&clip.video_id, 1.0);
        }
        let end = start + clip.duration_s();
        let score = tenths(2 * mosi_fifths(plan.settings().seed, clip));
        let _ = write!(file, "{start:.2},{end:.2},{},{},{score}\r\n", clip.video_id, clip.clip_id);
        start = end + 0.5;
    }
    file
}

/// Transcripts of the original layout by file name.
pub(crate) fn mosi_transcripts(plan: &Plan) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = Vec::new();
    for clip in plan.clips_of(Corpus::CmuMosi) {
        let name = format!("{}.annotprocessed", clip.video_id);
        if files.last().is_none_or(|(last, _)| *last != name) {
            files.push((name, String::new()));
        }
        if let Some((_, text)) = files.last_mut() {
            let _ = writeln!(text, "{}_DELIM_{}", clip.clip_id, clip.text.to_uppercase());
        }
    }
    files
}

/// The mean of five votes, in fifths of a vote: three times the score, moved by at most one fifth, which the division by 3
/// and the grid undo.
fn mosi_fifths(seed: u64, clip: &ClipPlan) -> i8 {
    let mut draw = Draw::named(seed, "cmu-mosi/votes", clip.index as u64);
    let exact = 3 * clip.truth.ground_truth().steps();
    (exact + draw.below(3) as i8 - 1).clamp(-15, 15)
}

fn line(file: &mut String, clip: &ClipPlan, labels: &str, sign: i8) {
    let annotation = match sign {
        ..0 => "Negative",
        0 => "Neutral",
        _ => "Positive",
    };
    let text = quoted(&clip.text);
    let _ = writeln!(file, "{},{},{text},{labels},{annotation},{}", clip.video_id, clip.clip_id, clip.mode);
}

/// A cell, in quotes if it needs them.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// A number of tenths with one decimal.
fn tenths(n: i8) -> String {
    format!("{:.1}", f64::from(n) / 10.0)
}

#[cfg(test)]
mod tests {
    use emomm_dataset::GridScore;

    use super::*;
    use crate::plan::{Mix, WorldSettings};

    #[test]
    fn a_mosi_score_lands_on_the_true_step() {
        let settings = WorldSettings { clips: 500, seed: 1, mix: Mix::default(), original_layout: true };
        let plan = Plan::new(settings).unwrap();
        for clip in plan.clips_of(Corpus::CmuMosi) {
            let label = f64::from(mosi_fifths(1, clip)) / 5.0;
            let steps = (label / 3.0 * 5.0).round_ties_even() as i8;
            assert_eq!(GridScore::from_steps(steps), Some(clip.truth.ground_truth()), "{label}");
        }
    }

    #[test]
    fn cells_with_commas_are_quoted() {
        assert_eq!(quoted("a, b"), "\"a, b\"");
        assert_eq!(quoted("她说"), "她说");
    }
}
