//! What ffmpeg says on stderr, read for what matters.
//!
//! ffmpeg ends with status 0 for files that are cut short, so its messages decide whether a clip gets a warning. They are
//! asked for with level tags (`-loglevel level+info`), which is the same text in versions 5 to 9.

/// Most messages kept of one run.
const MOST_MESSAGES: usize = 8;
/// Warnings that mean a damaged file; other warnings are about taste.
const DAMAGE: [&str; 4] = ["corrupt", "truncat", "prematurely", "partial"];
/// Complaints that follow from the way ffmpeg is called here and say nothing of the file.
const CONSEQUENCES: [&str; 4] =
    ["error opening output", "error opening input files", "error parsing options", "failed to set value"];

/// The messages of one run.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Errors and warnings of damage, without repetition and without memory addresses.
    pub(crate) problems: Vec<String>,
    /// The length of the whole file as the container states it.
    pub(crate) duration_seconds: Option<f64>,
    /// ffmpeg found no stream of the wanted kind.
    pub(crate) no_stream: bool,
}

impl Report {
    pub(crate) fn read(stderr: &str) -> Self {
        let mut report = Self::default();
        let mut more = 0;
        for line in stderr.lines() {
            let lower = line.to_ascii_lowercase();
            if lower.contains("matches no streams") || lower.contains("does not contain any stream") {
                report.no_stream = true;
            }
            if report.duration_seconds.is_none() {
                report.duration_seconds =
                    line.split_once("  Duration: ").and_then(|(_, rest)| duration(rest));
            }
            let error = ["[error]", "[fatal]", "[panic]"].iter().any(|tag| lower.contains(tag));
            let damage = lower.contains("[warning]") && DAMAGE.iter().any(|word| lower.contains(word));
            if !(error || damage) || CONSEQUENCES.iter().any(|words| lower.contains(words)) {
                continue;
            }
            let message = without_tags(line);
            if report.problems.contains(&message) {
                continue;
            }
            if report.problems.len() < MOST_MESSAGES { report.problems.push(message) } else { more += 1 }
        }
        if more > 0 {
            report.problems.push(format!("and {more} more messages"));
        }
        report
    }

    /// All problems in one line, for an error.
    pub(crate) fn detail(&self) -> String {
        self.problems.join("; ")
    }
}

/// Drops `[h264 @ 0x55d1847bd740] [error]` and the like from the start of a line.
fn without_tags(line: &str) -> String {
    let mut rest = line.trim();
    let mut source = "";
    while let Some((tag, after)) = rest.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        if let Some((name, _)) = tag.split_once(" @ ") {
            source = name;
        }
        rest = after.trim_start();
    }
    if source.is_empty() { rest.to_owned() } else { format!("{source}: {rest}") }
}

/// Seconds of `00:01:02.50, start: ...`; `None` for `N/A`.
fn duration(text: &str) -> Option<f64> {
    let mut parts = text.split(',').next()?.trim().split(':');
    let hours: f64 = parts.next()?.parse().ok()?;
    let minutes: f64 = parts.next()?.parse().ok()?;
    let seconds: f64 = parts.next()?.parse().ok()?;
    Some(hours * 3600.0 + minutes * 60.0 + seconds)
}

/// A warning when much less was decoded than the container announces.
pub(crate) fn shortfall(what: &str, decoded_seconds: f64, announced_seconds: Option<f64>) -> Option<String> {
    let announced = announced_seconds?;
    let missing = announced - decoded_seconds;
    (missing > 0.1 && missing > 0.02 * announced).then(|| {
        format!(
            "decoded {decoded_seconds:.2} s of {what}, the container announces {announced:.2} s: the file is cut short \
             or its tracks differ in length"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRUNCATED: &str = "\
[info]   Duration: 00:01:02.50, start: 0.000000, bitrate: 119 kb/s
[mov,mp4,m4a,3gp,3g2,mj2 @ 0x563b43b999c0] [error] stream 0, offset 0xec4e: partial file
[in#0/mov @ 0x1] [h264 @ 0x563b43bc9ac0] [error] Error splitting the input into NAL units.
[h264 @ 0x99] [error] Error splitting the input into NAL units.
[warning] Guessed Channel Layout for Input Stream #0.0 : mono
[warning] file:tr.avi: corrupt input packet in stream 0
";

    #[test]
    fn damage_is_kept_and_taste_is_not() {
        let report = Report::read(TRUNCATED);
        assert_eq!(report.duration_seconds, Some(62.5));
        assert!(!report.no_stream);
        assert_eq!(
            report.problems,
            [
                "mov,mp4,m4a,3gp,3g2,mj2: stream 0, offset 0xec4e: partial file",
                "h264: Error splitting the input into NAL units.",
                "file:tr.avi: corrupt input packet in stream 0",
            ]
        );
    }

    #[test]
    fn both_wordings_of_a_missing_stream_are_known() {
        for line in [
            "[fatal] Stream map '' matches no streams.",
            "[error] Output file #0 does not contain any stream",
        ] {
            assert!(Report::read(line).no_stream, "{line}");
        }
    }

    #[test]
    fn a_flood_of_messages_is_bounded() {
        let flood = (0..1000).map(|i| format!("[error] problem {i}")).collect::<Vec<_>>().join("\n");
        let report = Report::read(&flood);
        assert_eq!(report.problems.len(), MOST_MESSAGES + 1);
        assert_eq!(report.problems[MOST_MESSAGES], "and 992 more messages");
    }

    #[test]
    fn a_shortfall_is_relative() {
        assert!(shortfall("video", 9.9, Some(10.0)).is_none());
        assert!(shortfall("video", 9.0, Some(10.0)).is_some());
        assert!(shortfall("video", 9.0, None).is_none());
    }
}
