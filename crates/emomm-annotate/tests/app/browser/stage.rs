//! What the browser looks at: a project of real media, served.

use std::path::Path;
use std::process::Command;

use emomm_annotate::import::{ImportOptions, PreparedClip, PreparedView, SourceClip, import_prepared};
use emomm_annotate::web::{ServeOptions, Server};
use emomm_annotate::work::Phase;
use emomm_annotate::{Project, Settings, View};
use emomm_dataset::{Corpus, GridScore};
use emomm_media::{AudioDerivative, DecodeLimits, Ffmpeg, VideoDerivative, derive_audio, derive_video};

use crate::support::TestProject;

/// A clip of less than a second, split as the import does it.
fn media(folder: &Path) -> (Vec<u8>, Vec<u8>) {
    let ffmpeg = Ffmpeg::locate().expect("these tests need ffmpeg");
    let source = folder.join("source.mp4");
    let status = Command::new(ffmpeg.program())
        .args(["-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i"])
        .arg("testsrc2=size=480x270:rate=25:duration=0.8")
        .args([
            "-f",
            "lavfi",
            "-i",
            "sine=frequency=330:duration=0.8",
            "-c:v",
            "libx264",
            "-pix_fmt",
            "yuv420p",
        ])
        .args(["-c:a", "aac"])
        .arg(&source)
        .status()
        .unwrap();
    assert!(status.success());
    let limits = DecodeLimits::default();
    let (sound, picture) = (folder.join("a.flac"), folder.join("v.mp4"));
    derive_audio(&ffmpeg, &source, &sound, AudioDerivative::default(), &limits).unwrap();
    derive_video(&ffmpeg, &source, &picture, VideoDerivative::default(), &limits).unwrap();
    (std::fs::read(sound).unwrap(), std::fs::read(picture).unwrap())
}

/// A project of real media.
pub(super) fn real_project(settings: &Settings, n_main: usize) -> TestProject {
    let folder = tempfile::tempdir().unwrap();
    let (sound, picture) = media(folder.path());
    let project = Project::create(&folder.path().join("project"), settings).unwrap();
    let lines = [
        "I never thought that it would end like this, after all that we went through together.",
        "We made it! Look at that, can you believe it?",
        "The second edition has forty pages more than the first.",
        "Well, it was not what I had hoped for, but it will do.",
        "你怎么到现在才告诉我？我等了你整整一个下午。",
    ];
    let clip = |index: usize| PreparedClip {
        clip: SourceClip {
            corpus: "cmu-mosi".to_owned(),
            class_map: Corpus::CmuMosi,
            video_id: format!("video{index}"),
            clip_id: "1".to_owned(),
            language: "en".to_owned(),
            text: String::new(),
            video: None,
            audio: None,
            scores: [GridScore::from_steps(0); 3],
        },
        views: vec![
            PreparedView { view: View::Text, text: Some(lines[index % lines.len()].to_owned()), file: None },
            PreparedView { view: View::Audio, text: None, file: Some((sound.clone(), "audio/flac")) },
            PreparedView { view: View::Video, text: None, file: Some((picture.clone(), "video/mp4")) },
        ],
    };
    let clips: Vec<PreparedClip> = (0..n_main + 2).map(clip).collect();
    for (phase, from, to) in [
        (Phase::Main, 0, n_main),
        (Phase::Training, n_main, n_main + 1),
        (Phase::Calibration, n_main + 1, n_main + 2),
    ] {
        let options = ImportOptions { phase, first_seq: from as i64 + 1 };
        import_prepared(&project, &clips[from..to], options).unwrap();
    }
    let invitations = project.invite_all(settings, 2).unwrap();
    TestProject { folder, project, invitations }
}

/// Serves a project on a free port until the test ends.
pub(super) struct Running {
    pub(super) url: String,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Running {
    pub(super) fn start(project: &Project) -> Self {
        let (tell, url) = std::sync::mpsc::channel();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let project = project.clone();
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let options = ServeOptions {
                    bind: "127.0.0.1:0".parse().unwrap(),
                    requests_per_second: 10_000,
                    ..ServeOptions::default()
                };
                let server = Server::bind(project, options, None).await.unwrap();
                tell.send(server.url()).unwrap();
                server
                    .run(async {
                        let _ = stopped.await;
                    })
                    .await;
            });
        });
        Self { url: url.recv().unwrap(), stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.stop.take().map(|stop| stop.send(()));
        let _ = self.thread.take().map(std::thread::JoinHandle::join);
    }
}
