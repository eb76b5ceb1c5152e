//! Clips made by ffmpeg, once for all tests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use emomm_media::Ffmpeg;

/// A folder with `clip.mp4` (picture and sound, two seconds), `picture.mp4`, `sound.mp4` and damaged files.
pub(crate) fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("media");
        std::fs::create_dir_all(folder.join("folder.mp4")).unwrap();
        write(&folder);
        folder
    })
}

/// A file of that folder.
pub(crate) fn file(name: &str) -> PathBuf {
    folder().join(name)
}

fn write(folder: &Path) {
    let encode = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac"];
    let source = [
        ["-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25:duration=2"],
        ["-f", "lavfi", "-i", "sine=frequency=300:sample_rate=44100:duration=2"],
    ];
    ffmpeg(folder, "clip.mp4", source.as_flattened(), &encode);
    ffmpeg(folder, "picture.mp4", &["-i", "clip.mp4"], &["-an", "-c:v", "copy"]);
    ffmpeg(folder, "sound.mp4", &["-i", "clip.mp4"], &["-vn", "-c:a", "copy"]);
    let click = ["-f", "lavfi", "-i", "sine=frequency=300:sample_rate=16000:duration=0.02"];
    ffmpeg(folder, "click.wav", &click, &["-c:a", "pcm_s16le"]);
    let ribbon = ["-f", "lavfi", "-i", "testsrc2=size=2048x8:rate=25:duration=1"];
    ffmpeg(folder, "ribbon.mp4", &ribbon, &encode[..6]);

    let clip = std::fs::read(folder.join("clip.mp4")).unwrap();
    // The index of an mp4 stands at its end unless asked otherwise.
    put(folder, "cut.mp4", &clip[..clip.len() / 2]);
    put(folder, "text.mp4", b"This is not a film.\n");
    put(folder, "empty.mp4", b"");
    for (from, to) in [("clip.mp4", "-clip.mp4"), ("clip.mp4", "a:clip.mp4"), ("cut.mp4", "-cut.mp4")] {
        put(folder, to, &std::fs::read(folder.join(from)).unwrap());
    }
    put(folder, "a:cut.mp4", &clip[..clip.len() / 2]);
}

fn ffmpeg(folder: &Path, name: &str, input: &[&str], output: &[&str]) {
    let ffmpeg = Ffmpeg::locate().expect("these tests need ffmpeg");
    let unfinished = unfinished(name);
    let output = Command::new(ffmpeg.program())
        .args(["-v", "error", "-nostdin", "-y"])
        .args(input)
        .args(output)
        .arg(&unfinished)
        .current_dir(folder)
        .output()
        .expect("ffmpeg starts");
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    std::fs::rename(folder.join(unfinished), folder.join(name)).unwrap();
}

/// Writes under another name first: a second run of the tests may be reading the folder.
fn put(folder: &Path, name: &str, bytes: &[u8]) {
    let unfinished = folder.join(unfinished(name));
    std::fs::write(&unfinished, bytes).unwrap();
    std::fs::rename(unfinished, folder.join(name)).unwrap();
}

fn unfinished(name: &str) -> String {
    format!("unfinished-{}-{name}", std::process::id())
}
