//! The paper's prompt (App. E), word for word, as pure functions.
//!
//! The prompt is returned as a list of [`Part`]s and not as one string, because every model writes media and
//! chat markers in its own way, and because the borders of the transcript's own text must be known: `|K_T|` of
//! Eq. (5) counts the transcript's tokens and nothing else.
//!
//! What the paper leaves open (line breaks, separators, spelling of the present modalities) is fixed in
//! `design/prompt-text.md` and in the golden files under `tests/golden/prompts`.

use emomm_dataset::{Corpus, GridScore, Modality, ModalitySet, Sentiment};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::run::hex;

/// Version of the prompt's text, recorded beside results. It changes whenever a golden file changes.
pub const PROMPT_VERSION: &str = "app-e-1";

/// Stands for the transcript in [`sha256`], as in the golden files.
const TRANSCRIPT_PLACE: &str = "<TRANSCRIPT_TEXT>";

/// SHA-256 of the prompt's text for both corpora under every coalition, in the neutral rendering with a zero byte after each: what
/// shows a change that [`PROMPT_VERSION`] forgot.
pub fn sha256() -> String {
    let mut hasher = Sha256::new();
    for corpus in Corpus::ALL {
        for coalition in ModalitySet::ALL {
            // A short transcript can always be put in.
            let text =
                build(corpus, coalition, Some(TRANSCRIPT_PLACE)).map(|p| p.plain_text()).unwrap_or_default();
            hasher.update(text.as_bytes());
            hasher.update([0]);
        }
    }
    hex(&hasher.finalize())
}

/// The order of the evidence in the user message: video, audio, transcript.
pub const PROMPT_ORDER: [Modality; 3] = [Modality::Video, Modality::Audio, Modality::Text];

const SYSTEM: &str = "You are a multimodal sentiment analysis assistant.\n\
    You may receive any subset of modalities (video, audio, transcript text).\n\
    Do not assume missing modalities or fabricate details not supported by the evidence.\n\
    Follow the required output format exactly and output nothing else.";

/// Longest transcript, in characters. Speech has about 15 in a second; this is more than twenty minutes of it.
pub const MAX_TRANSCRIPT_CHARACTERS: usize = 20_000;

const TRANSCRIPT_HEADING: &str = "Transcript (may contain ASR errors):\n";

/// The line break between the transcript and the instruction.
const TRANSCRIPT_TERMINATOR: &str = "\n";

/// One part of the user message. Parts follow each other without any separator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Here the model puts the video, between its own markers.
    Video,
    /// Here the model puts the sound, between its own markers.
    Audio,
    /// The transcript. Only `text` belongs to the modality; heading and terminator are prompt.
    Transcript {
        /// The line above the transcript, line break included.
        heading: &'static str,
        /// The transcript, unchanged.
        text: String,
        /// What ends the transcript: a line break.
        terminator: &'static str,
    },
    /// The instruction, always the last part.
    Instruction(String),
}

/// A system prompt and the parts of one user message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// The system prompt; it does not depend on the coalition.
    pub system: &'static str,
    /// The user message: the evidence in [`PROMPT_ORDER`], then the instruction.
    pub parts: Vec<Part>,
}

impl Prompt {
    /// The prompt in a neutral rendering that belongs to no model: the form of the golden files.
    ///
    /// A line `<system>` and the system prompt, a line `<user>` and the user message. The lines `<system>`,
    /// `<user>`, `<video>` and `<audio>`, with the line break after each, and the last line break of the file
    /// belong to the rendering; everything else is prompt.
    pub fn plain_text(&self) -> String {
        let mut out = format!("<system>\n{}\n<user>\n", self.system);
        for part in &self.parts {
            match part {
                Part::Video => out.push_str("<video>\n"),
                Part::Audio => out.push_str("<audio>\n"),
                Part::Transcript { heading, text, terminator } => {
                    out.push_str(heading);
                    out.push_str(text);
                    out.push_str(terminator);
                }
                Part::Instruction(text) => {
                    out.push_str(text);
                    out.push('\n');
                }
            }
        }
        out
    }
}

/// The line of the control `prompt_hint`: what CHASE does with attention, asked for in words.
pub const CONFLICT_HINT: &str = "Hint: the modalities may contradict each other. Decide which of them shows the true \
    sentiment, and follow that one.";

/// Stands above the form of the answer; a hint goes before it.
const OUTPUT_FORMAT: &str = "Output format (exactly):";

impl Prompt {
    /// The same prompt with a line of its own before the form of the answer.
    #[must_use]
    pub fn with_hint(mut self, hint: &str) -> Self {
        for part in &mut self.parts {
            if let Part::Instruction(text) = part {
                *text = text.replacen(OUTPUT_FORMAT, &format!("{hint}\n{OUTPUT_FORMAT}"), 1);
            }
        }
        self
    }
}

/// Why a prompt could not be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PromptError {
    /// The coalition holds T and the clip has no transcript.
    #[error("coalition {coalition} shows the transcript, but the clip has none")]
    NoTranscript {
        /// The coalition that was asked for.
        coalition: ModalitySet,
    },
    /// The coalition holds T and the transcript has no visible character.
    #[error("coalition {coalition} shows the transcript, but the transcript is blank")]
    BlankTranscript {
        /// The coalition that was asked for.
        coalition: ModalitySet,
    },
    /// The transcript is far longer than a clip's words can be.
    #[error("the transcript has {characters} characters, expected at most {MAX_TRANSCRIPT_CHARACTERS}")]
    TranscriptTooLong {
        /// Its length.
        characters: usize,
    },
}

impl PromptError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NoTranscript { coalition } | Self::BlankTranscript { coalition } => {
                format!("give a transcript, or ask for coalition {}", coalition.without(Modality::Text))
            }
            Self::TranscriptTooLong { .. } => {
                "give the words of one clip; a whole file of transcripts has to be split first".to_owned()
            }
        }
    }
}

/// The system prompt.
pub fn system_prompt() -> &'static str {
    SYSTEM
}

/// The line above the transcript, line break included.
pub fn transcript_heading() -> &'static str {
    TRANSCRIPT_HEADING
}

/// The value of `<PRESENT_MODALITIES>`: for example `video, audio, transcript text`; `none` without evidence.
pub fn present_modalities(coalition: ModalitySet) -> String {
    if coalition.is_empty() {
        return "none".to_owned();
    }
    let names: Vec<&str> =
        PROMPT_ORDER.into_iter().filter(|m| coalition.contains(*m)).map(prompt_name).collect();
    names.join(", ")
}

/// The value of `<SET_A>` to `<SET_E>`, for example `{-1.0, -0.8}`.
///
/// App. E prints a blank before a first element that has no minus sign, so that the digits of the five sets
/// stand below each other: `{ 0.8, 1.0}`.
pub fn score_set(corpus: Corpus, class: Sentiment) -> String {
    let set = corpus.score_set(class);
    let blank = if set.first().is_some_and(|s| s.steps() >= 0) { " " } else { "" };
    let scores: Vec<String> = set.iter().map(GridScore::to_string).collect();
    format!("{{{blank}{}}}", scores.join(", "))
}

/// The instruction for one corpus and coalition.
pub fn instruction(corpus: Corpus, coalition: ModalitySet) -> String {
    let present = present_modalities(coalition);
    let [a, b, c, d, e] = Sentiment::ALL.map(|class| score_set(corpus, class));
    format!(
        "Task: Based on the provided modalities ({present}), assign a sentiment label and score.\n\
         Requirements:\n\
         Decision process:\n\
         1) First decide the Sentiment LETTER (A-E) based on all available modalities.\n\
         2) Then choose ONE Score from the allowed set of that LETTER that best reflects the sentiment intensity.\n\
         A (Negative) = {a}, B (Weakly Negative) = {b},\n\
         C (Neutral) = {c}, D (Weakly Positive) = {d}, E (Positive) = {e}\n\
         Output format (exactly):\n\
         <ONE LETTER: A or B or C or D or E>\n\
         Score: <one value from the allowed set matching the letter>"
    )
}

/// The prompt of one coalition. A transcript that the coalition does not show is ignored.
///
/// # Errors
/// The coalition holds T and the transcript is missing, blank or too long.
///
/// ```
/// use emomm_dataset::Corpus;
/// use emomm_eval::prompt::{build, Part};
///
/// let prompt = build(Corpus::ChSims, "TV".parse()?, Some("Hey, got a cigarette?"))?;
/// assert_eq!(prompt.parts[0], Part::Video);
/// assert!(matches!(prompt.parts[1], Part::Transcript { .. }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn build(
    corpus: Corpus,
    coalition: ModalitySet,
    transcript: Option<&str>,
) -> Result<Prompt, PromptError> {
    let mut parts = Vec::with_capacity(4);
    for modality in PROMPT_ORDER.into_iter().filter(|m| coalition.contains(*m)) {
        parts.push(match modality {
            Modality::Video => Part::Video,
            Modality::Audio => Part::Audio,
            Modality::Text => {
                let text = transcript.ok_or(PromptError::NoTranscript { coalition })?;
                if is_blank(text) {
                    return Err(PromptError::BlankTranscript { coalition });
                }
                check_length(text)?;
                Part::Transcript {
                    heading: TRANSCRIPT_HEADING,
                    text: text.to_owned(),
                    terminator: TRANSCRIPT_TERMINATOR,
                }
            }
        });
    }
    parts.push(Part::Instruction(instruction(corpus, coalition)));
    Ok(Prompt { system: SYSTEM, parts })
}

/// Characters that take no room: zero-width space, joiners, word joiner and byte order mark.
const ZERO_WIDTH: [char; 5] = ['\u{200B}', '\u{200C}', '\u{200D}', '\u{2060}', '\u{FEFF}'];

/// Whether a transcript has no visible character.
pub fn is_blank(transcript: &str) -> bool {
    transcript.chars().all(|c| c.is_whitespace() || ZERO_WIDTH.contains(&c))
}

/// Refuses what cannot be the words of one clip.
///
/// # Errors
/// [`PromptError::TranscriptTooLong`]
pub fn check_length(transcript: &str) -> Result<(), PromptError> {
    let characters = transcript.chars().count();
    if characters > MAX_TRANSCRIPT_CHARACTERS {
        return Err(PromptError::TranscriptTooLong { characters });
    }
    Ok(())
}

/// How the instruction spells a modality.
fn prompt_name(modality: Modality) -> &'static str {
    match modality {
        Modality::Video => "video",
        Modality::Audio => "audio",
        Modality::Text => "transcript text",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sets(corpus: Corpus) -> [String; 5] {
        Sentiment::ALL.map(|class| score_set(corpus, class))
    }

    #[test]
    fn a_hint_is_one_line_more_and_nothing_else() {
        let plain = build(Corpus::ChSims, "AV".parse().unwrap(), None).unwrap();
        let hinted = plain.clone().with_hint(CONFLICT_HINT).plain_text();
        let line = format!("{CONFLICT_HINT}\n");
        assert!(hinted.contains(&format!("{line}{OUTPUT_FORMAT}")), "{hinted}");
        assert_eq!(hinted.replacen(&line, "", 1), plain.plain_text());
    }

    #[test]
    fn a_transcript_has_a_longest_length() {
        let most = "爱".repeat(MAX_TRANSCRIPT_CHARACTERS);
        let text_only = "T".parse().unwrap();
        assert!(build(Corpus::ChSims, text_only, Some(&most)).is_ok());
        let error = build(Corpus::ChSims, text_only, Some(&format!("{most}a"))).unwrap_err();
        assert_eq!(error, PromptError::TranscriptTooLong { characters: MAX_TRANSCRIPT_CHARACTERS + 1 });
        assert!(error.hint().contains("one clip"));
    }

    /// App. E, "Score policy for CH-SIMSV2", as printed.
    #[test]
    fn score_sets_of_ch_sims() {
        assert_eq!(
            sets(Corpus::ChSims),
            ["{-1.0, -0.8}", "{-0.6, -0.4, -0.2}", "{ 0.0}", "{ 0.2, 0.4, 0.6}", "{ 0.8, 1.0}"]
        );
    }

    /// App. E, "Score policy for CMU-MOSI", as printed.
    #[test]
    fn score_sets_of_cmu_mosi() {
        assert_eq!(
            sets(Corpus::CmuMosi),
            ["{-1.0, -0.8, -0.6}", "{-0.4, -0.2}", "{ 0.0}", "{ 0.2, 0.4}", "{ 0.6, 0.8, 1.0}"]
        );
    }

    #[test]
    fn present_modalities_stand_in_prompt_order() {
        let spelled = ModalitySet::ALL.map(present_modalities);
        assert_eq!(
            spelled,
            [
                "none",
                "transcript text",
                "audio",
                "video",
                "audio, transcript text",
                "video, transcript text",
                "video, audio",
                "video, audio, transcript text"
            ]
        );
    }

    #[test]
    fn the_transcript_is_kept_unchanged_and_apart() {
        let text = "  我不会放弃。\n<|im_end|> ";
        let prompt = build(Corpus::ChSims, ModalitySet::FULL, Some(text)).unwrap();
        let [
            Part::Video,
            Part::Audio,
            Part::Transcript { heading, text: kept, terminator },
            Part::Instruction(_),
        ] = &prompt.parts[..]
        else {
            panic!("unexpected parts {:?}", prompt.parts)
        };
        assert_eq!((*heading, kept.as_str(), *terminator), (transcript_heading(), text, "\n"));
    }

    #[test]
    fn a_transcript_outside_the_coalition_is_ignored() {
        let with = build(Corpus::CmuMosi, "AV".parse().unwrap(), Some("unseen")).unwrap();
        let without = build(Corpus::CmuMosi, "AV".parse().unwrap(), None).unwrap();
        assert_eq!(with, without);
        assert!(!with.plain_text().contains("unseen"));
    }

    #[test]
    fn a_missing_or_blank_transcript_is_an_error_that_names_the_remedy() {
        let coalition: ModalitySet = "TA".parse().unwrap();
        let missing = build(Corpus::ChSims, coalition, None).unwrap_err();
        assert_eq!(missing.to_string(), "coalition TA shows the transcript, but the clip has none");
        for blank in ["", " \n\t", "\u{3000}", "\u{200B}\u{200C}\u{200D}", "\u{FEFF} \u{2060}"] {
            let error = build(Corpus::ChSims, coalition, Some(blank)).unwrap_err();
            assert_eq!(error, PromptError::BlankTranscript { coalition });
            assert_eq!(error.hint(), "give a transcript, or ask for coalition A");
        }
        assert!(!is_blank("\u{FEFF}爱\u{200D}"));
    }
}
