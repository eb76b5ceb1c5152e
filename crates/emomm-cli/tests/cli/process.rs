//! Runs the binary and judges what it said.

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// What a finished process left.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The binary with a home and a cache of its own.
pub(crate) fn emomm() -> Command {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("home");
    let mut command = Command::new(env!("CARGO_BIN_EXE_emomm"));
    command.env("HOME", &home).env("EMOMM_CACHE", home.join("cache")).env_remove("XDG_CACHE_HOME");
    command.stdin(Stdio::null());
    command
}

/// Runs the binary with arguments.
pub(crate) fn run<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Outcome {
    finish(emomm().args(arguments))
}

/// Runs a prepared command.
pub(crate) fn finish(command: &mut Command) -> Outcome {
    let output = command.output().expect("the binary starts");
    Outcome {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit {:?}\n--- stdout\n{}\n--- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}

impl Outcome {
    /// The lines of stderr that begin with a word.
    fn lines(&self, word: &str) -> Vec<&str> {
        self.stderr.lines().filter(|l| l.trim_start().starts_with(word)).collect()
    }

    /// The one error on stderr holds every part, a hint follows it, and nobody panicked.
    #[track_caller]
    pub(crate) fn one_error(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{self}");
        let errors = self.lines("error:");
        assert_eq!(errors.len(), 1, "expected one error\n{self}");
        assert!(!self.stderr.contains("panicked"), "{self}");
        assert_eq!(self.lines("hint:").len(), 1, "expected one hint\n{self}");
        for part in parts {
            assert!(self.stderr.contains(part), "expected `{part}`\n{self}");
        }
    }

    /// As [`Outcome::one_error`], the first of the parts in the error's first line, with nothing on stdout.
    #[track_caller]
    pub(crate) fn refused(&self, code: i32, parts: &[&str]) {
        self.one_error(code, parts);
        assert!(self.lines("error:")[0].contains(parts[0]), "expected `{}` in the error\n{self}", parts[0]);
        assert_eq!(self.stdout, "", "{self}");
    }

    /// A wrong command line: one error and how to get help, nothing on stdout.
    #[track_caller]
    pub(crate) fn misused(&self, part: &str) {
        assert_eq!(self.code, Some(2), "{self}");
        let errors = self.lines("error:");
        assert!(errors.len() == 1 && errors[0].contains(part), "expected one error with `{part}`\n{self}");
        assert!(self.stderr.contains("--help") || self.lines("hint:").len() == 1, "{self}");
        assert_eq!(self.stdout, "", "{self}");
    }

    /// Done without an error; the objects on stdout.
    #[track_caller]
    pub(crate) fn objects(&self) -> Vec<Value> {
        assert_eq!(self.code, Some(0), "{self}");
        assert!(self.lines("error:").is_empty(), "{self}");
        self.printed()
    }

    /// As [`Outcome::objects`], without the time they took.
    #[track_caller]
    pub(crate) fn answers(&self) -> Vec<Value> {
        let mut objects = self.objects();
        for object in &mut objects {
            object.as_object_mut().and_then(|o| o.remove("ms")).expect("an object with a time");
        }
        objects
    }

    /// The objects on stdout, one for each line.
    #[track_caller]
    pub(crate) fn printed(&self) -> Vec<Value> {
        let object = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        self.stdout.lines().map(object).collect()
    }
}
