//! A small world in all its layouts: probed by ffprobe, read and built by the real readers, and the same on every machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use emomm_dataset::build::{BuildOptions, Curation, build};
use emomm_dataset::manifest::verify;
use emomm_dataset::readers::{
    Reading, Speakers, add_unimodal_labels, read_ch_sims, read_mosi, read_speakers,
};
use emomm_dataset::{Corpus, Finding, FindingKind};
use emomm_media::Ffmpeg;
use emomm_synth::{
    ClipTruth, MOSI_LABELS_FILE, MOSI_ORIGINAL, Mix, Plan, SPEAKERS_FILE, SynthError, TRUTH_FILE,
    WorldSettings, parameters, read_truth, write_world,
};
use serde_json::Value;

const CLIPS: usize = 12;

fn settings(seed: u64) -> WorldSettings {
    WorldSettings { clips: CLIPS, seed, mix: Mix::default(), original_layout: true }
}

fn write(folder: &Path, seed: u64, jobs: usize) -> Result<emomm_synth::WorldProgress, SynthError> {
    write_world(folder, settings(seed), &Ffmpeg::locate().unwrap(), jobs, &|_| {})
}

/// What ffprobe says about a file.
fn probe(path: &Path) -> Value {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-of", "json", "-show_streams", "-show_format", "-count_frames"])
        .arg(path)
        .output()
        .expect("ffprobe runs");
    assert!(output.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_str().unwrap().parse().unwrap()
}

fn check_media(world: &Path, truth: &ClipTruth) {
    let path = world.join(&truth.file);
    let probed = probe(&path);
    let streams = probed["streams"].as_array().unwrap();
    assert_eq!(streams.len(), 2, "{}", truth.file);
    let (video, audio) = (&streams[0], &streams[1]);
    assert_eq!((&video["codec_name"], &audio["codec_name"]), (&Value::from("h264"), &Value::from("aac")));
    assert_eq!((video["width"].as_u64(), video["height"].as_u64()), (Some(320), Some(240)));
    assert_eq!((&video["pix_fmt"], &video["has_b_frames"]), (&Value::from("yuv420p"), &Value::from(0)));
    assert_eq!(video["avg_frame_rate"], "25/2");
    assert_eq!(number(&video["nb_read_frames"]) as usize, truth.frames.len());
    assert!((number(&video["duration"]) - truth.duration_s).abs() < 0.001);
    assert_eq!((&audio["sample_rate"], &audio["channels"]), (&Value::from("16000"), &Value::from(1)));
    assert!((number(&audio["duration"]) - truth.duration_s).abs() < 0.07, "{}", audio["duration"]);
    let bytes = std::fs::metadata(&path).unwrap().len();
    assert!((8_000..200_000).contains(&bytes), "{}: {bytes} bytes", truth.file);
}

fn check_truth(truth: &ClipTruth) {
    let frame = (truth.frame_size.0 * truth.frame_size.1) as f64;
    for place in &truth.frames {
        let [left, top, right, bottom] = place.face_box.expect("the face is in the picture");
        let person = place.person_box.unwrap();
        assert!(person[0] <= left && person[1] <= top && right <= person[2] && bottom <= person[3]);
        let area = |runs: &[u16]| {
            assert_eq!(runs.iter().map(|r| u32::from(*r)).sum::<u32>(), 80 * 60);
            let inside: u32 = runs.iter().skip(1).step_by(2).map(|r| u32::from(*r)).sum();
            f64::from(inside) * (truth.mask_cell * truth.mask_cell) as f64 / frame
        };
        let (person, face) = (area(&place.person_mask), area(&place.face_mask));
        assert!(face > 0.05 && face < person && person < 0.5, "{}: {face} {person}", truth.file);
    }
}

/// Findings that tell of a fault; that CMU-MOSI has no labels of modalities in its own file is no fault.
fn faults(findings: &[Finding]) -> Vec<String> {
    findings.iter().filter(|f| f.kind != FindingKind::AnnotationDisagrees).map(ToString::to_string).collect()
}

fn labelled_mosi(world: &Path, folder: &str) -> Reading {
    let mut reading = read_mosi(&world.join(folder)).unwrap();
    add_unimodal_labels(&mut reading, &world.join(MOSI_LABELS_FILE)).unwrap();
    reading
}

fn check_benchmark(readings: &[Reading], speakers: &Speakers, truths: &[ClipTruth]) {
    let options = BuildOptions { curate: Curation::All, ..BuildOptions::default() };
    let built = build(readings, speakers, &options).unwrap();
    assert_eq!(faults(&built.findings), [""; 0]);
    let full: Vec<_> = built.manifest.rows.iter().filter(|r| r.is_full()).collect();
    assert_eq!(full.len(), readings.len() * CLIPS);
    for check in verify(&built.manifest) {
        assert!(check.holds(), "{check:?}");
    }
    let by_name: BTreeMap<_, _> =
        truths.iter().map(|t| ((t.corpus.name(), &*t.video_id, &*t.clip_id), t)).collect();
    for row in full {
        let truth = by_name[&(&*row.corpus, &*row.video_id, &*row.clip_id)];
        assert_eq!(row.labels.ground_truth.class, truth.ground_truth_class, "{}", truth.file);
        for (modality, class) in truth.classes.iter() {
            assert_eq!(row.labels.modality(modality).map(|l| l.class), Some(*class), "{}", truth.file);
        }
    }
}

#[test]
fn a_world_is_written_probed_read_built_and_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let world = folder.path();
    let written = write(world, 3, 2).unwrap();
    assert_eq!((written.total, written.done, written.kept), (2 * CLIPS, 2 * CLIPS, 0));
    assert!(!world.join(".unfinished").exists());

    let truths = read_truth(&world.join(TRUTH_FILE)).unwrap();
    assert_eq!(truths.len(), 2 * CLIPS);
    for truth in &truths {
        check_media(world, truth);
        check_truth(truth);
    }
    let ch_sims = read_ch_sims(&world.join("ch-sims")).unwrap();
    assert_eq!(faults(&ch_sims.findings), [""; 0]);
    let speakers = read_speakers(&world.join(SPEAKERS_FILE)).unwrap();
    check_benchmark(&[ch_sims, labelled_mosi(world, "cmu-mosi")], &Speakers::default(), &truths);
    check_benchmark(&[labelled_mosi(world, MOSI_ORIGINAL)], &speakers, &truths);

    // The sound of the original layout is the source itself.
    let plan = Plan::new(settings(3)).unwrap();
    let clip = &plan.clips_of(Corpus::CmuMosi)[0];
    let wav = format!("{MOSI_ORIGINAL}/Raw/Audio/WAV_16000/Segmented/{}_{}.wav", clip.video_id, clip.clip_id);
    let bytes = std::fs::read(world.join(wav)).unwrap();
    let samples: Vec<u8> = plan.sound(clip).iter().flat_map(|s| s.to_le_bytes()).collect();
    assert_eq!(bytes[44..], samples);

    // A clip that is gone is made again, the same; the others are kept; another seed is refused.
    let (lost, truth_before) = (world.join(&truths[4].file), std::fs::read(world.join(TRUTH_FILE)).unwrap());
    let before = std::fs::read(&lost).unwrap();
    std::fs::remove_file(&lost).unwrap();
    let again = write(world, 3, 1).unwrap();
    assert_eq!((again.done, again.kept), (2 * CLIPS, 2 * CLIPS - 1));
    assert_eq!(std::fs::read(&lost).unwrap(), before);
    assert_eq!(std::fs::read(world.join(TRUTH_FILE)).unwrap(), truth_before);
    let refused = write(world, 4, 1).unwrap_err();
    assert!(refused.to_string().contains("holds a world with seed 3, asked for was 4"), "{refused}");
}

/// Bytes of everything below a folder but `world.json`, which names ffmpeg.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let bytes = std::fs::read(&path).unwrap();
                found.insert(path, bytes);
            }
        }
    }
    found
}

#[test]
fn the_number_of_threads_changes_no_file() {
    let one = tempfile::tempdir().unwrap();
    let three = tempfile::tempdir().unwrap();
    write(one.path(), 8, 1).unwrap();
    write(three.path(), 8, 3).unwrap();
    let relative = |folder: &Path| -> BTreeMap<PathBuf, Vec<u8>> {
        contents(folder)
            .into_iter()
            .map(|(path, bytes)| (path.strip_prefix(folder).unwrap().to_owned(), bytes))
            .collect()
    };
    let (a, b) = (relative(one.path()), relative(three.path()));
    assert!(a.keys().eq(b.keys()));
    for (path, bytes) in &a {
        assert!(*bytes == b[path], "{} differs", path.display());
    }
}

#[test]
fn a_folder_with_other_files_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("thesis.txt"), "mine").unwrap();
    let error = write(folder.path(), 0, 1).unwrap_err();
    assert!(matches!(error, SynthError::Foreign { .. }), "{error}");
    assert_eq!(contents(folder.path()).len(), 1);
}

/// The lock is of the file that is open, so that a second writer in the same process meets it as another process would.
#[test]
fn a_second_writer_is_refused_and_harms_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let alone = tempfile::tempdir().unwrap();
    let refusals = std::sync::atomic::AtomicUsize::new(0);
    let ffmpeg = Ffmpeg::locate().unwrap();
    let written = write_world(folder.path(), settings(11), &ffmpeg, 1, &|_| {
        let error = write(folder.path(), 11, 1).unwrap_err();
        assert!(matches!(error, SynthError::Busy { .. }), "{error}");
        assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
        refusals.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    });
    assert_eq!(written.unwrap().done, 2 * CLIPS);
    assert_eq!(refusals.into_inner(), 2 * CLIPS + 1);
    // The lock is free again, nothing was made twice, and the files are those of a world that one process made.
    assert_eq!(write(folder.path(), 11, 1).unwrap().kept, 2 * CLIPS);
    write(alone.path(), 11, 2).unwrap();
    let relative = |root: &Path| -> Vec<(PathBuf, Vec<u8>)> {
        let all = contents(root);
        all.into_iter().map(|(p, bytes)| (p.strip_prefix(root).unwrap().to_owned(), bytes)).collect()
    };
    assert!(relative(folder.path()) == relative(alone.path()));
}

/// FNV-1a.
fn hash(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

/// Source arrays, truth and label files of a seed are pinned: a change here makes trained models and published figures
/// stale, and needs a higher `WORLD_VERSION`. The figures are our own; that they are right is for the outside checks.
#[test]
fn arrays_and_label_files_of_a_seed_are_pinned() {
    let plan = Plan::new(settings(20)).unwrap();
    let labels = plan.label_files().into_iter().flat_map(|(path, text)| (path + &text).into_bytes());
    let clips = [&plan.clips_of(Corpus::ChSims)[1], &plan.clips_of(Corpus::CmuMosi)[7]];
    let pictures = clips.map(|c| plan.picture(c));
    let found = [
        hash(labels),
        hash(pictures[0].rgb.iter().copied()),
        hash(pictures[1].rgb.iter().copied()),
        hash(serde_json::to_vec(&pictures.map(|p| p.frames)).unwrap()),
        hash(clips.into_iter().flat_map(|c| plan.sound(c)).flat_map(i16::to_le_bytes)),
    ];
    assert_eq!(
        found.map(|h| format!("{h:016x}")),
        ["099c56abfbd62a34", "58d1ebcfeafe5c7f", "26807aec11dc0871", "d421da75505e28b1", "9420115534089220"],
        "version {}",
        parameters::WORLD_VERSION
    );
}

#[test]
fn sound_neither_clips_nor_vanishes() {
    let plan = Plan::new(settings(9)).unwrap();
    for clip in plan.clips() {
        let sound = plan.sound(clip);
        let peak = sound.iter().map(|s| f64::from(s.unsigned_abs())).fold(0.0, f64::max) / 32768.0;
        let power = sound.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / sound.len() as f64;
        let level = 20.0 * (power.sqrt() / 32768.0).log10();
        assert!(peak <= parameters::PEAK + 1e-3, "{peak}");
        assert!((-42.0..-15.0).contains(&level), "{level} dB");
    }
}
