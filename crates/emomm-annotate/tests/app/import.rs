//! Import by ffmpeg: every derivative holds one modality and nothing else.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use emomm_annotate::import::{Source, read_source};
use emomm_annotate::{Project, Settings};
use emomm_media::{DecodeLimits, Ffmpeg, ProbedKind, StreamKind, probe};

/// A clip with sound, subtitles, cover-like tags and chapters.
fn write_clip(ffmpeg: &Ffmpeg, folder: &Path, target: &Path) {
    let subtitles = folder.join("s.srt");
    std::fs::write(&subtitles, "1\n00:00:00,000 --> 00:00:01,000\nCANARY WORDS\n").unwrap();
    let status = Command::new(ffmpeg.program())
        .args([
            "-v",
            "error",
            "-nostdin",
            "-y",
            "-f",
            "lavfi",
            "-i",
            "testsrc2=size=160x120:rate=10:duration=1",
        ])
        .args(["-f", "lavfi", "-i", "sine=frequency=300:duration=1", "-i"])
        .arg(&subtitles)
        .args([
            "-map", "0:v", "-map", "1:a", "-map", "2:s", "-c:v", "libx264", "-c:a", "aac", "-c:s", "mov_text",
        ])
        .args(["-metadata", "title=CANARY TITLE", "-metadata:s:a:0", "language=chi"])
        .args(["-metadata:s:v:0", "handler_name=CANARY HANDLER"])
        .arg(target)
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn derivatives_hold_one_stream_and_no_tag() {
    let ffmpeg = Ffmpeg::locate().expect("these tests need ffmpeg");
    let folder = tempfile::tempdir().unwrap();
    let corpus = folder.path().join("corpus");
    let mut table = "video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode\n".to_owned();
    for i in 0..6 {
        let raw = corpus.join("Raw/v1");
        std::fs::create_dir_all(&raw).unwrap();
        writeln!(table, "v1,000{i},words {i},0.2,1.0,-0.4,0.0,,train").unwrap();
        // The last clip has no medium.
        if i < 5 {
            write_clip(&ffmpeg, folder.path(), &raw.join(format!("000{i}.mp4")));
        }
    }
    std::fs::write(corpus.join("meta.csv"), table).unwrap();
    let settings = Settings {
        training: 1,
        calibration: 0,
        crop_bottom: Some(0.2),
        low_pass_hz: Some(400),
        multimodal_pass: true,
        ..Settings::default()
    };
    let project = Project::create(&folder.path().join("project"), &settings).unwrap();
    let clips = read_source(&Source::ChSims(corpus)).unwrap();
    let filled = project.fill(&ffmpeg, clips, None, 2, &|_| {}).unwrap();
    assert_eq!((filled.main.n_clips, filled.practice.n_clips), (5, 1));
    let problems: Vec<_> = filled.main.problems.iter().chain(&filled.practice.problems).collect();
    assert_eq!(problems.len(), 3, "sound, picture and both of the missing file: {problems:?}");

    let limits = DecodeLimits::default();
    let mut n = 0;
    for entry in std::fs::read_dir(project.folder().join("blobs")).unwrap() {
        let path = entry.unwrap().path();
        let found = probe(&ffmpeg, &path, &limits).unwrap();
        let kinds: Vec<_> = found.streams.iter().map(|s| s.kind).collect();
        n += 1;
        match kinds.as_slice() {
            [ProbedKind::Audio] => assert_eq!(found.extras(StreamKind::Audio), Vec::<String>::new()),
            [ProbedKind::Video] => {
                assert_eq!(found.extras(StreamKind::Video), Vec::<String>::new());
                assert!(found.streams[0].description.contains("160x96"), "a fifth is cut off: {found:?}");
            }
            [ProbedKind::Video, ProbedKind::Audio] => {}
            other => panic!("{other:?}"),
        }
        let bytes = std::fs::read(&path).unwrap();
        let has = |text: &str| bytes.windows(text.len()).any(|w| w == text.as_bytes());
        assert!(!has("CANARY"), "{}", path.display());
        assert!(!path.file_name().unwrap().to_string_lossy().contains("000"), "no name of a clip");
    }
    assert_eq!(n, 15);
    // The training clip brought its references along.
    let count = |sql: &'static str| {
        project.store().read_now(|c| Ok(c.query_row(sql, [], |row| row.get::<_, i64>(0))?)).unwrap()
    };
    assert_eq!(count("SELECT count(*) FROM reference WHERE NOT is_gold"), 3);
    assert_eq!(count("SELECT count(*) FROM item WHERE condition = 'low-pass 400 Hz'"), 5);
    // Two annotators; five clips of four views and one of text alone.
    assert_eq!(count("SELECT count(*) FROM assignment"), 2 * (5 * 4 + 1));
    let checks = emomm_annotate::verify::verify(&project).unwrap();
    assert!(checks.iter().all(|c| c.failed == 0), "{checks:?}");
}
