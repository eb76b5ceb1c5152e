//! Invented folders of CH-SIMS and CMU-MOSI. No row of a real corpus is among them.

use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Clips of each invented corpus: this many videos of this many clips.
pub(crate) const N_VIDEOS: usize = 12;
const N_CLIPS: usize = 4;
pub(crate) const N: usize = N_VIDEOS * N_CLIPS;

/// Number `i` of a fixed sequence of 0.2 steps.
fn steps(i: usize) -> i64 {
    [5, -3, 0, 2, -5, 1, 4, -1, 0, 3, -2][i % 11]
}

fn score(i: usize) -> String {
    format!("{:.1}", steps(i) as f64 / 5.0)
}

fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// `meta.csv` of CH-SIMS v2, with stand-ins for media if asked for. Every third clip is in Conflict.
pub(crate) fn write_ch_sims(folder: &Path, with_media: bool) {
    let mut table = "video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode\n".to_owned();
    for i in 0..N {
        let (video, clip) = (format!("video_{:04}", i / N_CLIPS), format!("{:04}", i % N_CLIPS));
        let truth = score(i);
        let of_audio = if i % 3 == 0 { score(i + 1) } else { truth.clone() };
        let annotation = match steps(i).signum() {
            -1 => "Negative",
            0 => "Neutral",
            _ => "Positive",
        };
        let _ = writeln!(
            table,
            "{video},{clip},invented {i},{truth},{truth},{of_audio},{truth},{annotation},train"
        );
        if with_media {
            write(&folder.join(format!("Raw/{video}/{clip}.mp4")), &format!("medium {i}"));
        }
    }
    write(&folder.join("meta.csv"), &table);
}

/// CMU-MOSI in the original layout.
pub(crate) fn write_mosi(folder: &Path, with_media: bool) {
    let mut table = String::new();
    for video in 0..N_VIDEOS {
        let name = format!("_v-{video}");
        let mut transcript = String::new();
        for clip in 1..=N_CLIPS {
            let i = video * N_CLIPS + clip - 1;
            let truth = steps(i) as f64 * 3.0 / 5.0;
            let _ = write!(table, "{clip}.0,{clip}.5,{name},{clip},{truth:.6}\r\n");
            let _ = writeln!(transcript, "{clip}_DELIM_INVENTED WORDS {i}");
            if with_media {
                write(
                    &folder.join(format!("Raw/Video/Segmented/{name}_{clip}.mp4")),
                    &format!("picture {i}"),
                );
                let sound = format!("Raw/Audio/WAV_16000/Segmented/{name}_{clip}.wav");
                write(&folder.join(sound), &format!("sound {i}"));
            }
        }
        write(&folder.join(format!("Raw/Transcript/Segmented/{name}.annotprocessed")), &transcript);
    }
    write(&folder.join("OpinionLevelSentiment.csv"), &table);
}

/// Unimodal labels for [`write_mosi`]: all as the ground truth.
pub(crate) fn write_mosi_labels(path: &Path) {
    let mut table = "seq,clip,label_T,label_A,label_V\n".to_owned();
    for i in 0..N {
        let (video, clip, label) = (i / N_CLIPS, i % N_CLIPS + 1, score(i));
        let _ = writeln!(table, "{i},_v-{video}_{clip},{label},{label},{label}");
    }
    write(path, &table);
}
