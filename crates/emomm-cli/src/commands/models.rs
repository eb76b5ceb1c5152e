//! `emomm models`: the architectures that can be loaded.

use std::fmt::Write;

use emomm_api::SERVED;
use emomm_models::SUPPORTED;
use serde_json::json;

use crate::cli::ModelsArgs;
use crate::exit_status::{ExitStatus, Failure};
use crate::printer::Printer;

pub(crate) fn run(args: &ModelsArgs, printer: &Printer) -> Result<ExitStatus, Failure> {
    if args.json {
        for m in SUPPORTED {
            printer.json(&json!({ "model_type": m.model_type, "name": m.name, "access": m.access }))?;
        }
        for m in SERVED {
            printer.json(&json!({ "model_type": m.word, "name": m.name, "access": m.access }))?;
        }
        return Ok(ExitStatus::Done);
    }
    let mut out = format!("{:<22}  {:<48}  access\n", "model_type", "model");
    for m in SUPPORTED {
        let _ = writeln!(out, "{:<22}  {:<48}  {}", m.model_type, m.name, m.access);
    }
    for m in SERVED {
        let _ = writeln!(out, "{:<22}  {:<48}  {}", m.word, m.name, m.access);
    }
    printer.data(&out)?;
    printer.talk("`emomm doctor --model DIR` reads a checkpoint's headers and says what it takes in memory");
    Ok(ExitStatus::Done)
}
