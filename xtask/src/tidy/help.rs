//! Every option that `emomm` prints in its help stands in the contract, under the heading of its command.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Finding;
use super::tree::Tree;
use crate::process::cargo;

const CONTRACT: &str = "docs/contract.md";

/// Options that clap adds to every command.
const EVERYWHERE: [&str; 2] = ["--help", "--version"];

/// Builds `emomm`, asks every command for its help and compares with the contract.
pub(super) fn check(root: &Path, tree: &Tree) -> Result<Vec<Finding>> {
    let contract = tree.files().iter().find(|f| f.path == Path::new(CONTRACT));
    let contract = &contract.with_context(|| format!("{CONTRACT} does not exist"))?.text;
    let status = cargo().args(["build", "-q", "-p", "emomm-cli"]).current_dir(root).status()?;
    if !status.success() {
        bail!("emomm does not build");
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    let program = target.join("debug").join(format!("emomm{}", std::env::consts::EXE_SUFFIX));
    let mut findings = Vec::new();
    let mut open = vec![Vec::new()];
    while let Some(command) = open.pop() {
        let help = help_of(&program, &command)?;
        findings.extend(missing(&command, &help, contract));
        for sub in subcommands(&help) {
            open.push([command.as_slice(), &[sub]].concat());
        }
    }
    Ok(findings)
}

fn help_of(program: &Path, command: &[String]) -> Result<String> {
    let output = Command::new(program)
        .args(command)
        .arg("--help")
        .output()
        .with_context(|| format!("cannot start {}", program.display()))?;
    if !output.status.success() {
        bail!("`emomm {} --help` ended with {}", command.join(" "), output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The options of one command's help that its part of the contract does not name, and the command itself.
fn missing(command: &[String], help: &str, contract: &str) -> Vec<Finding> {
    let path = Path::new(CONTRACT);
    let name = command.join(" ");
    let Some((line, section)) = section(contract, command) else {
        return vec![Finding::error(path, 1, format!("no heading for the command `{name}`"))];
    };
    options(help)
        .into_iter()
        .filter(|option| !EVERYWHERE.contains(&option.as_str()) && !names(section, option))
        .map(|option| {
            Finding::error(path, line, format!("`emomm {name}` has {option}, which is not documented here"))
        })
        .collect()
}

/// Whether a text names an option, and not only a longer one that begins with it.
fn names(text: &str, option: &str) -> bool {
    text.match_indices(option).any(|(at, _)| {
        !text[at + option.len()..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-')
    })
}

/// The part of the contract under the heading of a command, with the heading's line. The tool itself has the
/// whole document.
fn section<'a>(contract: &'a str, command: &[String]) -> Option<(usize, &'a str)> {
    let Some(name) = command.first() else { return Some((1, contract)) };
    let mut at = 0;
    for (index, line) in contract.lines().enumerate() {
        let title = line.strip_prefix("## ").unwrap_or_default().trim_matches('`');
        if title.strip_prefix("emomm ").unwrap_or(title) == name {
            let rest = &contract[at + line.len()..];
            return Some((index + 1, rest.split("\n## ").next().unwrap_or(rest)));
        }
        at += line.len() + 1;
    }
    None
}

/// The long options that a help text lists: those that begin a line, after a short form perhaps.
fn options(help: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in help.lines() {
        let line = line.trim_start();
        let after_short = match line.as_bytes() {
            [b'-', short, b',', b' ', ..] if *short != b'-' => &line[4..],
            _ => line,
        };
        if let Some(name) = after_short.strip_prefix("--") {
            let end = name.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).unwrap_or(name.len());
            if end > 0 {
                found.push(format!("--{}", &name[..end]));
            }
        }
    }
    found
}

/// The commands that a help text lists, without clap's own `help`.
fn subcommands(help: &str) -> Vec<String> {
    help.lines()
        .skip_while(|line| line.trim() != "Commands:")
        .skip(1)
        .take_while(|line| !line.trim().is_empty())
        // A description that is wrapped goes on far to the right.
        .filter(|line| line.len() - line.trim_start().len() <= 4)
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELP: &str = "Answer one clip\n\nUsage: emomm predict [OPTIONS]\n\nCommands:\n  predict  Answer\n           wrapped\n  \
                        help     Print this\n\nOptions:\n  -m, --model <DIR>   Weights\n      --all-coalitions  See --coalition\n  \
                        -h, --help          Print help\n";

    #[test]
    fn options_and_commands_are_read_from_help() {
        assert_eq!(options(HELP), ["--model", "--all-coalitions", "--help"]);
        assert_eq!(subcommands(HELP), ["predict"]);
    }

    #[test]
    fn an_option_must_stand_under_its_command() {
        let contract = "# Contract\n\n## `emomm predict`\n`--model DIR`\n\n## demo\n`--all-coalitions`\n";
        let found = missing(&["predict".to_owned()], HELP, contract);
        let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            ["docs/contract.md:3: `emomm predict` has --all-coalitions, which is not documented here"]
        );
        assert_eq!(missing(&["gone".to_owned()], HELP, contract).len(), 1);
        assert!(missing(&[], HELP, contract).is_empty());
    }

    #[test]
    fn a_longer_option_does_not_stand_for_a_shorter_one() {
        assert!(!names("`--text-file`", "--text"));
        assert!(names("`--text-file`, `--text S`", "--text"));
    }
}
