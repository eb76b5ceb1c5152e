//! Words in the picture, through the encoder and back.

use std::path::Path;
use std::process::Command;

use emomm_media::{DecodeLimits, Ffmpeg, find_subtitles};

const WIDTH: usize = 320;
const HEIGHT: usize = 240;

/// A soft picture as PPM, with a line of block letters from row `top` on.
fn ppm(top: Option<usize>) -> Vec<u8> {
    let mut file = format!("P6 {WIDTH} {HEIGHT} 255\n").into_bytes();
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            let background = (60 + x / 4 + y / 5) as u8;
            let value = match top {
                Some(top) if (top..top + 16).contains(&y) && (40..280).contains(&x) => {
                    let (column, row) = ((x - 40) % 12, y - top);
                    let is_stroke = (1..4).contains(&column) || (7..10).contains(&column) && row > 6;
                    if is_stroke && (2..14).contains(&row) { 245 } else { 10 }
                }
                _ => background,
            };
            file.extend([value; 3]);
        }
    }
    file
}

/// Two seconds: the first `n_first` of 20 frames from one picture, the rest from another.
fn encode(ffmpeg: &Ffmpeg, folder: &Path, first: &[u8], n_first: usize, second: &[u8]) -> std::path::PathBuf {
    for i in 0..20 {
        std::fs::write(folder.join(format!("{i:02}.ppm")), if i < n_first { first } else { second }).unwrap();
    }
    let target = folder.join("clip.mp4");
    let status = Command::new(ffmpeg.program())
        .args(["-v", "error", "-nostdin", "-y", "-framerate", "10", "-i"])
        .arg(folder.join("%02d.ppm"))
        .args(["-c:v", "libx264", "-crf", "28", "-pix_fmt", "yuv420p"])
        .arg(&target)
        .status()
        .unwrap();
    assert!(status.success());
    target
}

#[test]
fn a_line_of_letters_is_found_in_an_encoded_clip_and_not_without_one() {
    let ffmpeg = Ffmpeg::locate().expect("these tests need ffmpeg");
    let folder = tempfile::tempdir().unwrap();
    let limits = DecodeLimits::default();
    let (with, without) = (ppm(Some(206)), ppm(None));

    let clip = encode(&ffmpeg, folder.path(), &with, 12, &without);
    let rows = find_subtitles(&ffmpeg, &clip, &limits).unwrap().expect("letters in 12 of 20 frames");
    assert!((rows.from * 240.0 - 206.0).abs() < 5.0 && (rows.to * 240.0 - 222.0).abs() < 5.0, "{rows:?}");

    let clip = encode(&ffmpeg, folder.path(), &with, 2, &without);
    assert_eq!(find_subtitles(&ffmpeg, &clip, &limits).unwrap(), None, "letters for an instant");

    let clip = encode(&ffmpeg, folder.path(), &without, 20, &without);
    assert_eq!(find_subtitles(&ffmpeg, &clip, &limits).unwrap(), None);
}
