//! `emomm predict`: one clip, one or all coalitions.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use emomm_api::{KeptReplies, ServedName, ServedPredictor, Server};
use emomm_chase::{ClipKnowledge, DecisionRecord};
use emomm_dataset::ModalitySet;
use emomm_eval::run::ModelId;
use emomm_eval::{
    AttentionDetail, Clip, PredictError, PredictErrorKind, PredictOptions, Prediction, Predictor, ServedEnd,
    prompt,
};
use emomm_media::{DecodeLimits, check_file};
use emomm_models::LoadOptions;
use emomm_models::decoder::DecisionHook;
use emomm_models::white_box::WhiteBox;

use crate::cli::PredictArgs;
use crate::commands::chase::steer::SteerFile;
use crate::exit_status::{ExitStatus, Failure};
use crate::interrupt::Interrupts;
use crate::model_source;
use crate::printer::Printer;
use crate::served_args;
use crate::table;

/// Tokens of a reply without `--max-new-tokens`.
const MAX_NEW_TOKENS: u32 = 32;

/// How often an interrupt is looked for while a server is asked.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A transcript file longer than this is not one.
const MAX_TEXT_BYTES: u64 = 4 << 20;

pub(crate) fn run(args: &PredictArgs, printer: &Printer) -> Result<ExitStatus, Failure> {
    let clip = clip(args)?;
    let coalitions = coalitions(args, &clip)?;
    let served = served_args::name_of(&args.model)?;
    let most = if served.is_some() { served_args::SERVED_TOKENS } else { MAX_NEW_TOKENS };
    let options = PredictOptions {
        attention: if args.attention { AttentionDetail::Summary } else { AttentionDetail::None },
        importance: false,
        generate: args.generate || served.is_some(),
        max_new_tokens: args.max_new_tokens.unwrap_or(most) as usize,
    };
    if let Some(name) = served {
        return ask(args, &name, &clip, &coalitions, &options, printer);
    }
    let picture = args.picture.view()?;
    let folder = model_source::resolve(&args.model, printer)?;
    let load = LoadOptions {
        device: args.compute.device,
        dtype: args.compute.dtype,
        sampling: args.sampling,
        limits: DecodeLimits::default(),
    };
    let spinner = printer.spinner("loading the model");
    let mut model = emomm_models::open_with_picture(&folder, &load, picture)?;
    model.set_missing(args.missing);
    let steering = steering(args, &folder, printer)?;
    if let Some(file) = &steering {
        file.check_shape(model.shape())?;
    }
    if let Some(path) = &args.decision_out {
        write_decisions(model.as_mut(), steering.as_ref(), &clip, &coalitions, (path, args.all_coalitions))?;
    }
    let mut predictor: Box<dyn Predictor> = match steering {
        Some(file) => Box::new(file.wrap(model)?),
        None => model,
    };
    if let Some(path) = &args.prompt_out {
        write_prompts(predictor.as_ref(), &clip, &coalitions, path, args.all_coalitions)?;
    }
    spinner.set_message("decoding and answering");
    let results = predictor.predict(&clip, &coalitions, &options);
    spinner.finish_and_clear();
    show(results, args.json, printer)
}

/// Asks a served model.
fn ask(
    args: &PredictArgs,
    name: &ServedName,
    clip: &Clip,
    coalitions: &[ModalitySet],
    options: &PredictOptions,
    printer: &Printer,
) -> Result<ExitStatus, Failure> {
    let white_box = [
        ("--attention", args.attention),
        ("--decision-out", args.decision_out.is_some()),
        ("--steer", args.steer.is_some()),
        ("--person", args.picture.person.is_some()),
        ("--missing", !args.missing.is_omit()),
    ];
    if let Some((option, _)) = white_box.into_iter().find(|(_, is_asked)| *is_asked) {
        return Err(served_args::not_available(option));
    }
    let access = args.access.access(1, KeptReplies::All);
    let spinner = printer.spinner("asking what the server can do");
    let server = Server::find(name, args.served.condition(None), access, coalitions, None, true)?;
    for note in server.notes() {
        printer.talk(&format!("note: {note}"));
    }
    let predictor = server.open()?;
    if let Some(path) = &args.prompt_out {
        write_prompts(&predictor, clip, coalitions, path, args.all_coalitions)?;
    }
    spinner.set_message("asking");
    let results = answers(&predictor, clip, coalitions, options);
    spinner.finish_and_clear();
    let Some(results) = results else {
        printer.talk("interrupted: what was stored on the server is removed");
        return Ok(ExitStatus::Interrupted);
    };
    show(results, args.json, printer)
}

/// What a server answers; `None` after an interrupt, when nothing of the clip lies on the server any more.
fn answers(
    predictor: &ServedPredictor,
    clip: &Clip,
    coalitions: &[ModalitySet],
    options: &PredictOptions,
) -> Option<Vec<Result<Prediction, PredictError>>> {
    let interrupts = Interrupts::listen(|_| {});
    let (mut asking, clip, coalitions, options) =
        (predictor.clone(), clip.clone(), coalitions.to_vec(), *options);
    let (sender, receiver) = channel();
    thread::spawn(move || {
        // Nobody listens after an interrupt.
        let _ = sender.send(asking.predict(&clip, &coalitions, &options));
    });
    loop {
        match receiver.recv_timeout(LOOK_EVERY) {
            Ok(results) => return Some(results),
            Err(RecvTimeoutError::Disconnected) => return Some(vec![Err(panicked())]),
            Err(RecvTimeoutError::Timeout) if interrupts.stop.asked() > 0 => {
                predictor.clean_up();
                return None;
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

fn panicked() -> PredictError {
    PredictError {
        kind: PredictErrorKind::Model,
        message: "asking the server panicked".to_owned(),
        hint: None,
    }
}

/// What steers, if that is asked for.
fn steering(args: &PredictArgs, folder: &Path, printer: &Printer) -> Result<Option<SteerFile>, Failure> {
    let Some(steer) = &args.steer else { return Ok(None) };
    let digest = || {
        ModelId::sha256_of(folder)
            .map_err(|e| Failure::new(ExitStatus::Model, format!("{}: {e}", folder.display())))
    };
    Ok(Some(SteerFile::read(steer, args.router.as_deref(), &digest, args.missing, printer)?))
}

/// Runs each decision row once and writes what is seen of it. A coalition that cannot be shown has no file; its prediction
/// says why.
fn write_decisions(
    model: &mut dyn WhiteBox,
    steering: Option<&SteerFile>,
    clip: &Clip,
    coalitions: &[ModalitySet],
    (path, many): (&Path, bool),
) -> Result<(), Failure> {
    let hint = "--decision-out takes a file in an existing folder, or with --all-coalitions a folder, that may be written";
    if many {
        std::fs::create_dir_all(path).map_err(|e| {
            Failure::new(ExitStatus::Usage, format!("{}: {e}", path.display())).with_hint(hint)
        })?;
    }
    let steerer = steering.map(SteerFile::steerer).transpose()?;
    let knowledge = ClipKnowledge { target: &|_| None, other: &|_| None };
    let mut failure = None;
    model.visit(clip, coalitions, &mut |point| {
        let file =
            if many { path.join(format!("{}.safetensors", point.coalition())) } else { path.to_owned() };
        let written = (|| {
            let mut hook = match &steerer {
                Some(steerer) => steerer.hook(point, clip, &knowledge)?.map(|(hook, _)| hook),
                None => None,
            };
            let hook = hook.as_mut().map(|h| &mut **h as &mut dyn DecisionHook);
            let about = [("clip", clip.id.clone()), ("coalition", point.coalition().to_string())];
            DecisionRecord::of(point, hook)?.write(&file, &about)
        })();
        if let Err(error) = written {
            failure.get_or_insert(error);
        }
        Ok(())
    });
    failure.map_or(Ok(()), |error| Err(Failure::from(error).with_hint(hint)))
}

/// Prints what succeeded on stdout and each distinct error once on stderr; the exit status is that of the first error.
pub(crate) fn show(
    results: Vec<Result<Prediction, PredictError>>,
    json: bool,
    printer: &Printer,
) -> Result<ExitStatus, Failure> {
    let (mut done, mut failures) = (Vec::new(), Vec::<Failure>::new());
    for result in results {
        match result {
            Ok(prediction) => {
                if let Some(failure) = withheld(&prediction)
                    && !failures.contains(&failure)
                {
                    failures.push(failure);
                }
                done.push(prediction);
            }
            Err(error) => {
                let failure = Failure::from(error);
                if !failures.contains(&failure) {
                    failures.push(failure);
                }
            }
        }
    }
    if json {
        for prediction in &done {
            printer.json(prediction)?;
        }
    } else if !done.is_empty() {
        printer.data(&table::predictions(&done))?;
    }
    let warnings: BTreeSet<&String> = done.iter().flat_map(|p| &p.media.warnings).collect();
    for warning in warnings {
        printer.talk(&format!("warning: {warning}"));
    }
    for failure in &failures {
        printer.failure(failure);
    }
    Ok(failures.first().map_or(ExitStatus::Done, |f| f.status))
}

/// Why a served model's reply is no answer; `None` where it is one, or where nobody kept it back.
fn withheld(prediction: &Prediction) -> Option<Failure> {
    let served = prediction.served.as_ref().filter(|s| s.ended != ServedEnd::Answered)?;
    let what = match served.ended {
        ServedEnd::Refused => "the model declined to answer",
        ServedEnd::Blocked => "the provider kept the answer back",
        ServedEnd::Cut if prediction.label.is_none() => "the reply was cut before a letter",
        ServedEnd::Empty => "the reply is empty",
        ServedEnd::Cut | ServedEnd::Answered => return None,
    };
    let reason = served.detail.as_ref().or(served.finish_reason.as_ref()).map(|r| format!(": {r}"));
    let message = format!("{}: {what}{}", prediction.coalition, reason.unwrap_or_default());
    Some(Failure::new(ExitStatus::Model, message))
}

fn clip(args: &PredictArgs) -> Result<Clip, Failure> {
    for path in [&args.video, &args.audio].into_iter().flatten() {
        check_file(path)?;
    }
    let text = match (&args.text, &args.text_file) {
        (Some(text), _) => Some(text.clone()),
        (None, Some(path)) => Some(read_text(path)?),
        (None, None) => None,
    };
    if let Some(text) = &text {
        let source = args.text_file.as_ref().map_or_else(|| "--text".to_owned(), |p| p.display().to_string());
        if prompt::is_blank(text) {
            let message = format!("{source}: the transcript is blank, expected words");
            let hint = "leave the option out if there is no transcript";
            return Err(Failure::new(ExitStatus::Data, message).with_hint(hint));
        }
        prompt::check_length(text)
            .map_err(|e| Failure::new(ExitStatus::Data, format!("{source}: {e}")).with_hint(e.hint()))?;
    }
    let named = args.video.as_ref().or(args.audio.as_ref()).or(args.text_file.as_ref());
    let id = named.map_or_else(|| "text".to_owned(), |p| p.display().to_string());
    Ok(Clip { id, text, audio: args.audio.clone(), video: args.video.clone(), corpus: args.corpus })
}

fn coalitions(args: &PredictArgs, clip: &Clip) -> Result<Vec<ModalitySet>, Failure> {
    let given = clip.available();
    if args.all_coalitions {
        return Ok(given.subsets().collect());
    }
    let coalition = args.coalition.unwrap_or(given);
    if !coalition.is_subset_of(given) {
        let message = format!("--coalition {coalition}: found evidence for {given} only");
        return Err(Failure::new(ExitStatus::Usage, message)
            .with_hint("T needs --text or --text-file, A needs --audio, V needs --video"));
    }
    Ok(vec![coalition])
}

fn read_text(path: &Path) -> Result<String, Failure> {
    let failure = |reason: String| {
        Failure::new(ExitStatus::Data, format!("{}: {reason}", path.display()))
            .with_hint("--text-file takes a file that holds the words of one clip, in UTF-8")
    };
    let mut bytes = Vec::new();
    // Opening a pipe waits for its writer, perhaps for ever.
    let metadata = std::fs::metadata(path).map_err(|e| failure(e.to_string()))?;
    if !metadata.is_file() {
        let found = if metadata.is_dir() { "a directory" } else { "a device or pipe" };
        return Err(failure(format!("found {found}, expected a regular file")));
    }
    let file = std::fs::File::open(path).map_err(|e| failure(e.to_string()))?;
    file.take(MAX_TEXT_BYTES + 1).read_to_end(&mut bytes).map_err(|e| failure(e.to_string()))?;
    if bytes.len() as u64 > MAX_TEXT_BYTES {
        return Err(failure(format!("more than {MAX_TEXT_BYTES} bytes, expected a transcript")));
    }
    let text = String::from_utf8(bytes).map_err(|e| {
        failure(format!("{e}, expected UTF-8")).with_hint("convert the file, for example with iconv")
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    // The line break that an editor puts at the end is not part of the transcript.
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn write_prompts(
    predictor: &dyn Predictor,
    clip: &Clip,
    coalitions: &[ModalitySet],
    path: &Path,
    many: bool,
) -> Result<(), Failure> {
    let failure = |path: &Path, e: std::io::Error| {
        Failure::new(ExitStatus::Usage, format!("{}: {e}", path.display())).with_hint(
            "--prompt-out takes a file in an existing folder, or with --all-coalitions a folder, that may be written",
        )
    };
    if many {
        std::fs::create_dir_all(path).map_err(|e| failure(path, e))?;
    }
    for coalition in coalitions {
        let text = predictor.render_prompt(clip, *coalition)?;
        let file = if many { path.join(format!("{coalition}.txt")) } else { path.to_owned() };
        std::fs::write(&file, text).map_err(|e| failure(&file, e))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_transcript_is_read_from_a_regular_file_only() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        for (path, found) in [
            (pipe.as_path(), "a device or pipe"),
            (Path::new("/dev/zero"), "a device or pipe"),
            (folder.path(), "a directory"),
        ] {
            let failure = read_text(path).unwrap_err();
            assert_eq!(failure.status, ExitStatus::Data);
            assert!(failure.message.contains(found) && failure.hint.is_some(), "{failure:?}");
        }
    }
}
