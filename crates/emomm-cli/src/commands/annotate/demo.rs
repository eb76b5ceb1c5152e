//! `emomm annotate demo`: a small project of invented clips, ready to click.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;
use emomm_annotate::import::{Source, read_source};
use emomm_annotate::{Project, Settings};
use emomm_media::Ffmpeg;
use serde_json::json;

use super::init::fill;
use super::serve::{ReachArgs, serve_until_interrupted};
use crate::exit_status::{ExitStatus, Failure};
use crate::printer::Printer;

/// Clips of the demo.
const N_CLIPS: usize = 20;

/// Words, and their label: what a speaker might say.
const LINES: [(&str, &str); 10] = [
    ("I could watch this every day, it makes me so happy.", "1.0"),
    ("The train leaves at ten past eight from platform two.", "0.0"),
    ("You never listen, and I am tired of asking.", "-0.8"),
    ("It was all right, I suppose, nothing special.", "0.2"),
    ("They cancelled it without a word. Unbelievable.", "-1.0"),
    ("Thank you, that is the kindest thing anybody did today.", "0.8"),
    ("The box is on the second shelf, next to the lamp.", "0.0"),
    ("I had hoped for a bit more, to be honest.", "-0.4"),
    ("Look at that, we actually made it!", "1.0"),
    ("I do not want to talk about it any more.", "-0.6"),
];

#[derive(Debug, Args)]
pub(crate) struct DemoProjectArgs {
    /// Folder for clips and project
    #[arg(long, value_name = "DIR", default_value = "emomm-annotate-demo")]
    out: PathBuf,
    /// Number of annotators
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=20))]
    annotators: u32,
    /// Make the project, but do not serve it
    #[arg(long)]
    no_serve: bool,
    #[command(flatten)]
    reach: ReachArgs,
    /// Print one JSON object before serving
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &DemoProjectArgs, printer: &Printer) -> Result<ExitStatus, Failure> {
    let ffmpeg = Ffmpeg::locate()?;
    let corpus = args.out.join("corpus");
    let folder = args.out.join("project");
    let (project, invitations) = if folder.join(emomm_annotate::DATABASE).is_file() {
        printer.talk(&format!("{}: the project of an earlier demo is used again", folder.display()));
        let project = Project::open(&folder)?;
        // Links are not stored; new ones are made for accounts that nobody has taken yet.
        let waiting = project.store().read_now(emomm_annotate::accounts::all)?;
        let invitations = waiting
            .iter()
            .filter(|a| a.state == emomm_annotate::accounts::AccountState::Invited)
            .map(|a| project.invite(&a.pseudonym))
            .collect::<Result<Vec<_>, _>>()?;
        (project, invitations)
    } else {
        write_corpus(&ffmpeg, &corpus)?;
        let settings = Settings {
            min_gap_minutes: 0,
            repeat_share: 0.1,
            repeat_distance: 4,
            gold_share: 0.1,
            training: 2,
            calibration: 2,
            calibration_pass: 0.5,
            ..Settings::default()
        };
        let clips = read_source(&Source::ChSims(corpus))?;
        let project = Project::create(&folder, &settings)?;
        let filled = fill(&project, &ffmpeg, clips, None, args.annotators as usize, printer)?;
        (project, filled.invitations)
    };
    if args.json {
        printer.json(&json!({ "project": folder.display().to_string(), "invitations": invitations }))?;
    }
    if args.no_serve {
        if !args.json {
            let mut text = String::new();
            for invitation in &invitations {
                let _ = writeln!(text, "{:<5}{:<11}{}", invitation.account, invitation.role, invitation.path);
            }
            printer.data(&text)?;
        }
        return Ok(ExitStatus::Done);
    }
    printer.talk("Open a link, choose a name and a password. Invented clips; the sounds are tones.");
    serve_until_interrupted(project, &args.reach, &invitations, printer)
}

/// Invented clips in the layout of CH-SIMS: moving shapes and gliding tones, whose colour and melody go with the label.
fn write_corpus(ffmpeg: &Ffmpeg, folder: &Path) -> Result<(), Failure> {
    let io = |e: std::io::Error| Failure::new(ExitStatus::Usage, format!("{}: {e}", folder.display()));
    let mut table = "video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode\n".to_owned();
    for i in 0..N_CLIPS {
        let (video, clip) = (format!("demo_{:02}", i / 4), format!("{:04}", i % 4));
        let (text, label) = LINES[i % LINES.len()];
        let label_a = LINES[(i * 3 + i / LINES.len()) % LINES.len()].1;
        let label_v = LINES[(i * 7 + 2) % LINES.len()].1;
        let _ = writeln!(table, "{video},{clip},\"{text}\",{label},{label},{label_a},{label_v},,train");
        let path = folder.join("Raw").join(&video).join(format!("{clip}.mp4"));
        std::fs::create_dir_all(path.parent().unwrap_or(folder)).map_err(io)?;
        write_clip(ffmpeg, &path, i, label_a, label_v)?;
    }
    std::fs::write(folder.join("meta.csv"), table).map_err(io)
}

fn write_clip(ffmpeg: &Ffmpeg, path: &Path, index: usize, audio: &str, video: &str) -> Result<(), Failure> {
    let value = |label: &str| label.parse::<f64>().unwrap_or(0.0);
    let hue = 200.0 - 140.0 * value(video);
    let picture = format!("testsrc2=size=480x360:rate=25:duration=2,hue=h={hue:.0}:s=0.6");
    let base = 200.0 + 60.0 * value(audio) + index as f64;
    let tone = format!(
        "aevalsrc='0.3*sin(2*PI*({base:.0}+{:.0}*t)*t)':sample_rate=44100:duration=2",
        40.0 * value(audio)
    );
    let mut target = std::ffi::OsString::from("file:");
    target.push(path);
    let output = Command::new(ffmpeg.program())
        .args(["-hide_banner", "-nostdin", "-loglevel", "error", "-y"])
        .args(["-f", "lavfi", "-i", &picture, "-f", "lavfi", "-i", &tone])
        .args(["-c:v", "libx264", "-preset", "veryfast", "-crf", "24", "-pix_fmt", "yuv420p", "-c:a", "aac"])
        .arg(target)
        .stdin(Stdio::null())
        .output()
        .map_err(|e| Failure::new(ExitStatus::Usage, format!("{}: {e}", ffmpeg.program().display())))?;
    if output.status.success() {
        return Ok(());
    }
    let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Failure::new(ExitStatus::Usage, format!("ffmpeg could not write {}: {reason}", path.display()))
        .with_hint("`emomm doctor` lists ffmpeg's encoders"))
}
