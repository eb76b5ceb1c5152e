//! `emomm demo`: everything from a fresh clone in one command, on the embedded model and a test clip.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

use emomm_dataset::{Corpus, ModalitySet};
use emomm_eval::{AttentionDetail, Clip, PredictOptions};
use emomm_media::{DecodeLimits, Ffmpeg, SamplingMode};
use emomm_models::{ComputeType, DeviceKind, LoadOptions};

use crate::cli::DemoArgs;
use crate::commands::predict;
use crate::exit_status::{ExitStatus, Failure};
use crate::model_source;
use crate::printer::Printer;

const OUT_HINT: &str = "--out takes a folder that may be written; it is made if need be";
const TRANSCRIPT: &str = "I won't give up.";

pub(crate) fn run(args: &DemoArgs, printer: &Printer) -> Result<ExitStatus, Failure> {
    let ffmpeg = Ffmpeg::locate()?;
    std::fs::create_dir_all(&args.out).map_err(|e| {
        Failure::new(ExitStatus::Usage, format!("{}: {e}", args.out.display())).with_hint(OUT_HINT)
    })?;

    let checkpoint = args.out.join("model");
    model_source::unpack(&checkpoint, OUT_HINT, printer)?;
    let seconds = if args.quick { 1 } else { 4 };
    let video = args.out.join(format!("clip-{seconds}s.mp4"));
    if !video.is_file() {
        printer.talk(&format!("writing a test clip of {seconds} s to {}", video.display()));
        write_clip(&ffmpeg, &video, seconds)?;
    }

    let load = LoadOptions {
        device: DeviceKind::Cpu,
        dtype: ComputeType::F32,
        sampling: SamplingMode::Qwen,
        limits: DecodeLimits::default(),
    };
    let clip = Clip {
        id: "demo".to_owned(),
        text: Some(TRANSCRIPT.to_owned()),
        audio: Some(video.clone()),
        video: Some(video.clone()),
        corpus: Corpus::ChSims,
    };
    let options = PredictOptions { attention: AttentionDetail::Summary, ..PredictOptions::default() };
    let spinner = printer.spinner("answering under eight coalitions");
    let mut predictor = emomm_models::open(&checkpoint, &load)?;
    let results = predictor.predict(&clip, &ModalitySet::ALL, &options);
    spinner.finish_and_clear();
    let status = predict::show(results, args.json, printer)?;
    printer.talk(&format!(
        "\nEach line is the same question with another part of the evidence; the attention columns say how much of the\n\
         decision's attention went to each modality, in all and per token. The model knows only synthetic clips and\n\
         this is a test picture, so letters mean nothing here. With a real checkpoint:\n\n  emomm predict --model DIR --video {0} --audio {0} \
         --text \"{TRANSCRIPT}\" --all-coalitions --attention",
        video.display()
    ));
    Ok(status)
}

/// A moving test picture with a gliding tone, as H.264 and AAC in one mp4.
fn write_clip(ffmpeg: &Ffmpeg, path: &Path, seconds: u32) -> Result<(), Failure> {
    let picture = format!("testsrc2=size=320x240:rate=25:duration={seconds}");
    let tone = format!("aevalsrc='0.3*sin(2*PI*(180+40*sin(3*t))*t)':sample_rate=44100:duration={seconds}");
    let unfinished = path.with_extension("tmp.mp4");
    let output = Command::new(ffmpeg.program())
        .args(["-hide_banner", "-nostdin", "-loglevel", "error", "-y"])
        .args(["-f", "lavfi", "-i", &picture, "-f", "lavfi", "-i", &tone])
        .args(["-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-bf", "0", "-pix_fmt", "yuv420p"])
        .args(["-c:a", "aac", "-b:a", "64k", "-movflags", "+faststart"])
        .arg(file_argument(&unfinished))
        .stdin(Stdio::null())
        .output()
        .map_err(|e| Failure::new(ExitStatus::Usage, format!("{}: {e}", ffmpeg.program().display())))?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        let message = format!("ffmpeg could not write {}: {}", path.display(), reason.trim());
        return Err(
            Failure::new(ExitStatus::Usage, message).with_hint("`emomm doctor` lists ffmpeg's encoders")
        );
    }
    std::fs::rename(&unfinished, path)
        .map_err(|e| Failure::new(ExitStatus::Usage, format!("{}: {e}", path.display())))
}

/// A path that begins with `-` or holds `:` is a path for ffmpeg, too.
fn file_argument(path: &Path) -> OsString {
    let mut argument = OsString::from("file:");
    argument.push(path);
    argument
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In the working folder, because only a relative path can look like an option or an address.
    #[test]
    fn a_clip_s_path_may_look_like_an_option_or_an_address() {
        let ffmpeg = Ffmpeg::locate().unwrap();
        for prefix in ["-x", "a:b"] {
            let folder = tempfile::Builder::new().prefix(prefix).tempdir_in(".").unwrap();
            let relative = Path::new(folder.path().file_name().unwrap()).join("clip.mp4");
            write_clip(&ffmpeg, &relative, 1).unwrap();
            assert!(relative.is_file(), "{}", relative.display());
        }
    }
}
