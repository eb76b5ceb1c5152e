//! `emomm chase trace`: for each window of layers and each modality, what the right letter loses when the decision row may
//! not look there.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use emomm_chase::{KnockOut, TextScope, TokenSets, TraceHook, TraceMode};
use emomm_dataset::{Modality, ModalitySet};
use serde_json::json;

use super::eval::write_json;
use super::session::Session;
use super::words::{SampleArgs, WhereArgs, from_word, in_order};
use crate::exit_status::{ExitStatus, Failure};
use crate::interrupt::Interrupts;
use crate::printer::Printer;

#[derive(Debug, Args)]
pub(crate) struct TraceArgs {
    #[command(flatten)]
    pub(crate) place: WhereArgs,
    /// Layers of a window
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) window: usize,
    /// block (the modality is hidden in the window alone) or restore (hidden everywhere else)
    #[arg(long, value_name = "HOW", default_value = "block", value_parser = from_word::<TraceMode>)]
    pub(crate) mode: TraceMode,
    /// Which tokens are the text: transcript, with_instruction or all_text
    #[arg(long, value_name = "SCOPE", default_value = "transcript", value_parser = from_word::<TextScope>)]
    pub(crate) text_scope: TextScope,
    #[command(flatten)]
    pub(crate) samples: SampleArgs,
    /// File for the map, JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Sums over samples of one group under one window.
#[derive(Default, Clone, Copy)]
struct Effect {
    n: usize,
    logit: f64,
    margin: f64,
    lost: usize,
    won: usize,
}

type Map = BTreeMap<String, BTreeMap<KnockOut, Effect>>;

pub(crate) fn run(args: &TraceArgs, printer: &Printer) -> Result<ExitStatus, Failure> {
    let mut session = Session::open(&args.place, printer)?;
    let n_layers = session.white_box.shape().n_layers;
    if !(1..=n_layers).contains(&args.window) {
        let message = format!("--window {}: expected 1 to {n_layers} layers", args.window);
        return Err(Failure::new(ExitStatus::Usage, message));
    }
    let coalitions = in_order(&args.samples.coalitions);
    let clips = session.clips(&args.samples.split, &coalitions)?;
    let interrupts = Interrupts::listen(|line| Printer::new().talk(line));
    let spinner = printer.spinner("tracing");
    let (mut map, mut n_failed) = (Map::new(), 0);
    for (at, candidate) in clips.iter().enumerate() {
        if interrupts.stop.asked() > 0 {
            return Err(Failure::new(
                ExitStatus::Interrupted,
                format!("interrupted after {at} clips; nothing is kept"),
            ));
        }
        spinner.set_message(format!("tracing {at}/{}", clips.len()));
        let id = candidate.clip.id.clone();
        let truth = session.truth(&id).index();
        let mut seen: Vec<(ModalitySet, Vec<KnockOut>, Vec<[f32; 5]>)> = Vec::new();
        let results = session.white_box.visit(&candidate.clip, &candidate.coalitions, &mut |point| {
            let sets = Arc::new(TokenSets::of(point.layout(), args.text_scope, 0));
            let windows = KnockOut::all(n_layers, args.window, sets.present());
            let mut hook = TraceHook::new(sets, windows.clone(), args.mode);
            let decision = point.decide(hook.n_rows(), Some(&mut hook))?;
            seen.push((point.coalition(), windows, point.letter_logits(&decision)?));
            Ok(())
        });
        for error in results.into_iter().filter_map(Result::err) {
            n_failed += 1;
            printer.talk(&format!("warning: {id}: {error}"));
        }
        for (shown, windows, logits) in seen {
            for group in groups(&session, &id, shown) {
                let effects = map.entry(group).or_default();
                for (window, changed) in windows.iter().zip(&logits[1..]) {
                    effects.entry(*window).or_default().add(truth, &logits[0], changed);
                }
            }
        }
    }
    spinner.finish_and_clear();
    let object = object(args, n_layers, &map, n_failed);
    if let Some(path) = &args.out {
        write_json(path, &object)?;
    }
    if args.json {
        printer.json(&object)?;
    } else {
        printer.data(&text(args, &map))?;
    }
    Ok(if n_failed > 0 { ExitStatus::Partial } else { ExitStatus::Done })
}

/// The groups of a sample: all, its subsets, and which modality alone is right.
fn groups(session: &Session, id: &str, shown: ModalitySet) -> Vec<String> {
    let mut groups = vec![format!("{shown} all")];
    groups.extend(session.judged(id, shown).subsets.iter().map(|s| format!("{shown} {s}")));
    let (truth, labels) = (session.truth(id), session.unimodal(id));
    let right: Vec<Modality> = shown.iter().filter(|m| labels[m.index()] == Some(truth)).collect();
    if let [only] = right.as_slice()
        && shown.len() > 1
    {
        groups.push(format!("{shown} only {only} right"));
    }
    groups
}

impl Effect {
    fn add(&mut self, truth: usize, plain: &[f32; 5], changed: &[f32; 5]) {
        let margin = |logits: &[f32; 5]| {
            let others = (0..5).filter(|i| *i != truth).map(|i| logits[i]).fold(f32::NEG_INFINITY, f32::max);
            f64::from(logits[truth] - others)
        };
        let right = |logits: &[f32; 5]| emomm_models::white_box::greatest(logits) == truth;
        self.n += 1;
        self.logit += f64::from(changed[truth] - plain[truth]);
        self.margin += margin(changed) - margin(plain);
        self.lost += usize::from(right(plain) && !right(changed));
        self.won += usize::from(!right(plain) && right(changed));
    }
}

fn object(args: &TraceArgs, n_layers: usize, map: &Map, n_failed: usize) -> serde_json::Value {
    let group = |(name, effects): (&String, &BTreeMap<KnockOut, Effect>)| {
        let mut by_modality = serde_json::Map::new();
        for modality in Modality::ALL {
            let rows: Vec<_> = effects
                .iter()
                .filter(|(w, _)| w.modality == modality.index())
                .map(|(w, e)| {
                    json!({
                        "first_layer": w.first + 1,
                        "last_layer": w.first + w.width,
                        "logit": e.logit / e.n as f64,
                        "margin": e.margin / e.n as f64,
                        "right_to_wrong": e.lost,
                        "wrong_to_right": e.won,
                    })
                })
                .collect();
            let value = if rows.is_empty() { serde_json::Value::Null } else { json!(rows) };
            by_modality.insert(modality.name().to_owned(), value);
        }
        let n = effects.values().next().map_or(0, |e| e.n);
        json!({ "group": name, "n": n, "modalities": by_modality })
    };
    json!({
        "mode": args.mode,
        "window": args.window,
        "n_layers": n_layers,
        "n_failed": n_failed,
        "groups": map.iter().map(group).collect::<Vec<_>>(),
    })
}

fn text(args: &TraceArgs, map: &Map) -> String {
    let mut out =
        String::from("mean change of the right letter's margin; rows: modality, columns: first layer\n");
    for (name, effects) in map {
        let n = effects.values().next().map_or(0, |e| e.n);
        let _ = writeln!(out, "{name}: {n} samples, window {}", args.window);
        for modality in Modality::ALL {
            let of: Vec<_> = effects.iter().filter(|(w, _)| w.modality == modality.index()).collect();
            if of.is_empty() {
                continue;
            }
            let _ = write!(out, "  {:<6}", modality.name());
            for (window, effect) in of {
                let _ = write!(out, " L{}:{:+.3}", window.first + 1, effect.margin / effect.n as f64);
            }
            out.push('\n');
        }
    }
    out
}
