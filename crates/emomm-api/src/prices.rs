//! What tokens cost, by a table with a date.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use emomm_dataset::{civil_date, day_of};
use emomm_eval::ServedUsage;
use serde::{Deserialize, Serialize};

use crate::error::ApiError;

/// The table that comes with the tool.
const BUILT_IN: &str = include_str!("prices.toml");

/// A larger file is no price table.
const MOST_BYTES: u64 = 1 << 20;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    as_of: String,
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    price: Vec<Price>,
}

/// Prices of one model, US dollars for a million tokens.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Price {
    model: String,
    input: f64,
    output: f64,
    /// Of sound, where it differs.
    audio_input: Option<f64>,
    /// Prompts of more tokens have the long prices.
    long_from: Option<u64>,
    long_input: Option<f64>,
    long_output: Option<f64>,
    /// The last day of these prices, `YYYY-MM-DD`, and what follows.
    until: Option<String>,
    then_input: Option<f64>,
    then_output: Option<f64>,
    /// Bounds for what a question may cost before it is asked: tokens of a frame, of a second of video and of sound.
    tokens_per_frame: Option<u64>,
    tokens_per_video_second: Option<u64>,
    tokens_per_audio_second: Option<u64>,
}

/// The prices of a model, and where they come from.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelPrices {
    price: Price,
    /// The day on which they were read.
    pub as_of: String,
    /// Where they were read.
    pub source: Option<String>,
}

impl ModelPrices {
    /// The prices of a model: of a file, or of the built-in table. `None` where the table does not know it.
    ///
    /// # Errors
    /// A file that is no price table.
    pub fn find(model: &str, file: Option<&Path>) -> Result<Option<Self>, ApiError> {
        let table = match file {
            None => {
                read(BUILT_IN).map_err(|message| ApiError::Prices { path: "prices.toml".into(), message })?
            }
            Some(path) => {
                let fault = |message: String| ApiError::Prices { path: path.to_owned(), message };
                let size = std::fs::metadata(path).map_err(|e| fault(e.to_string()))?.len();
                if size > MOST_BYTES {
                    return Err(fault(format!("found {size} bytes, expected a price table")));
                }
                let text = std::fs::read_to_string(path).map_err(|e| fault(e.to_string()))?;
                read(&text).map_err(fault)?
            }
        };
        let model = model.strip_prefix("models/").unwrap_or(model);
        // Whoever writes a table knows what its beginnings stand for. Of the built-in one a name is followed by a version at
        // most: models for images, speech or live talk begin as others do and cost more.
        let is_version = |rest: &str| {
            let word = |w: &str| {
                w.bytes().all(|b| b.is_ascii_digit())
                    || ["preview", "latest", "exp", "experimental"].contains(&w)
            };
            rest.is_empty() || (rest.starts_with(['-', '@']) && rest.split(['-', '@']).all(word))
        };
        let fits = |p: &Price| {
            model.strip_prefix(p.model.as_str()).is_some_and(|rest| file.is_some() || is_version(rest))
        };
        let fitting = table.price.into_iter().filter(fits);
        let best = fitting.max_by_key(|p| p.model.len());
        Ok(best.map(|price| Self { price, as_of: table.as_of, source: table.source }))
    }

    /// Input and output for a prompt of so many tokens, US dollars a token.
    fn rates(&self, prompt: u64, today: &str) -> (f64, f64) {
        let p = &self.price;
        let is_over = p.until.as_deref().is_some_and(|until| today > until);
        let (mut input, mut output) = (p.input, p.output);
        if is_over {
            (input, output) = (p.then_input.unwrap_or(input), p.then_output.unwrap_or(output));
        }
        if p.long_from.is_some_and(|from| prompt > from) {
            (input, output) = (p.long_input.unwrap_or(input), p.long_output.unwrap_or(output));
        }
        (input / 1e6, output / 1e6)
    }

    /// What a reply cost. What a server had kept is counted in full: discounts differ too much.
    pub fn cost(&self, usage: &ServedUsage) -> f64 {
        self.cost_on(usage, &today())
    }

    fn cost_on(&self, usage: &ServedUsage, today: &str) -> f64 {
        let (input, output) = self.rates(usage.prompt, today);
        let audio = usage.by_modality.get("audio").copied().unwrap_or(0).min(usage.prompt);
        let of_audio = self.price.audio_input.map_or(input, |p| p / 1e6);
        (usage.prompt - audio) as f64 * input
            + audio as f64 * of_audio
            + usage.reply.saturating_add(usage.thoughts) as f64 * output
    }

    /// The most that a question can cost.
    pub(crate) fn bound(&self, question: &Bound) -> f64 {
        let prompt = question.tokens(&self.price);
        let today = today();
        let (input, output) = self.rates(prompt, &today);
        let input = self.price.audio_input.map_or(input, |a| input.max(a / 1e6));
        prompt as f64 * input + question.reply_tokens as f64 * output
    }
}

/// What bounds the tokens of a question.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Bound {
    /// Bytes of all text: no tokenizer in use makes more tokens than bytes.
    pub(crate) text_bytes: u64,
    pub(crate) frames: u64,
    pub(crate) video_seconds: f64,
    /// Frames a second that are taken of a video.
    pub(crate) fps: f64,
    pub(crate) audio_seconds: f64,
    /// Most tokens of the reply, thoughts included.
    pub(crate) reply_tokens: u64,
}

/// Markers of roles and media.
const MARKERS: u64 = 200;
/// A frame of Gemini is 258 tokens at most (older models). An image of 448 rows is below 1,600 in most that is known; models
/// that count images dearer (gpt-4o-mini) need `tokens_per_frame` in their table.
const PER_VIDEO_FRAME: u64 = 300;
const PER_IMAGE: u64 = 1600;
/// Gemini counts 32 a second, Qwen2.5-Omni 25, others up to 50.
const PER_AUDIO_SECOND: u64 = 60;

impl Bound {
    fn tokens(&self, price: &Price) -> u64 {
        let per_second =
            price.tokens_per_video_second.map_or(self.fps * PER_VIDEO_FRAME as f64, |t| t as f64);
        let video = if self.video_seconds > 0.0 { (self.video_seconds + 1.0) * per_second } else { 0.0 };
        let per_audio = price.tokens_per_audio_second.unwrap_or(PER_AUDIO_SECOND) as f64;
        let audio = if self.audio_seconds > 0.0 { (self.audio_seconds + 1.0) * per_audio } else { 0.0 };
        let images = self.frames * price.tokens_per_frame.unwrap_or(PER_IMAGE);
        self.text_bytes + MARKERS + images + (video + audio).ceil() as u64
    }

    /// Tokens of prompt and reply, roughly, for limits of tokens a minute.
    pub(crate) fn rough(&self) -> u64 {
        let without_bytes = Self { text_bytes: self.text_bytes / 3, ..*self };
        without_bytes.tokens(&Price::default()) + self.reply_tokens.min(256)
    }
}

fn read(text: &str) -> Result<Table, String> {
    let table: Table = toml::from_str(text).map_err(|e| e.to_string().trim_end().to_owned())?;
    let dates = table.price.iter().filter_map(|p| p.until.as_ref()).chain([&table.as_of]);
    for date in dates {
        // With leading zeros: days are compared as texts.
        if day_of(date).is_none() {
            return Err(format!("found the day `{date}`, expected a day of the calendar as YYYY-MM-DD"));
        }
    }
    for price in &table.price {
        let usual = [Some(price.input), Some(price.output), price.audio_input];
        let other = [price.long_input, price.long_output, price.then_input, price.then_output];
        let all = usual.into_iter().chain(other);
        if all.flatten().any(|p| !p.is_finite() || p < 0.0) || price.model.is_empty() {
            return Err(format!("model `{}`: expected a name, and prices of 0 or more", price.model));
        }
    }
    Ok(table)
}

/// The day, UTC.
pub(crate) fn today() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    day(seconds / 86_400)
}

/// `YYYY-MM-DD` of a day since 1970.
fn day(days: u64) -> String {
    let (year, month, date) = civil_date(days as i64);
    format!("{year:04}-{month:02}-{date:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(prompt: u64, reply: u64, thoughts: u64, audio: u64) -> ServedUsage {
        let by_modality = std::collections::BTreeMap::from([("audio".to_owned(), audio)]);
        ServedUsage { prompt, reply, thoughts, cached: 0, by_modality }
    }

    #[test]
    fn the_longest_beginning_counts() {
        let find = |m: &str| ModelPrices::find(m, None).unwrap();
        let of = |m: &str| find(m).unwrap().price.model;
        assert_eq!(of("gemini-3.5-flash-lite-001"), "gemini-3.5-flash-lite");
        assert_eq!(of("gemini-3.5-flash-001"), "gemini-3.5-flash");
        assert_eq!(of("gemini-2.5-flash-preview-05-20"), "gemini-2.5-flash");
        // What these cost is not known, and not that of the model whose name they begin with.
        for other in
            ["my-own-model", "gemini-3-pro-image-preview", "gemini-2.5-flash-preview-tts", "gemini-2.5-pro2"]
        {
            assert_eq!(find(other), None, "{other}");
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("prices.toml");
        std::fs::write(&file, "as_of = '2026-01-01'\n[[price]]\nmodel = 'my-'\ninput = 1\noutput = 2")
            .unwrap();
        assert!(ModelPrices::find("my-own-model", Some(&file)).unwrap().is_some());
    }

    #[test]
    fn costs_by_hand() {
        let prices = |m: &str| ModelPrices::find(m, None).unwrap().unwrap();
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        close(prices("gemini-3-pro-preview").cost_on(&usage(1000, 10, 90, 0), "2026-11-01"), 0.002 + 0.0012);
        close(prices("gemini-3-pro").cost_on(&usage(200_001, 1, 0, 0), "2026-11-01"), 0.800_004 + 0.000_018);
        close(prices("gemini-2.5-flash").cost_on(&usage(1000, 0, 0, 400), "2026-11-01"), 0.000_18 + 0.0004);
        close(prices("gemini-3.8-flash").cost_on(&usage(1_000_000, 0, 0, 0), "2026-12-31"), 0.75);
        close(prices("gemini-3.8-flash").cost_on(&usage(1_000_000, 0, 0, 0), "2027-01-01"), 1.5);
    }

    #[test]
    fn a_bound_is_not_below_the_cost() {
        let prices = ModelPrices::find("gemini-2.5-flash", None).unwrap().unwrap();
        let question = Bound {
            text_bytes: 1200,
            video_seconds: 4.0,
            fps: 1.0,
            audio_seconds: 4.0,
            reply_tokens: 1024,
            frames: 0,
        };
        // 400 tokens of text, 4 frames of 258, 4 s of sound of 32, and a reply at its longest.
        let cost = prices.cost(&usage(400 + 1032 + 128, 100, 924, 128));
        assert!(prices.bound(&question) >= cost);
    }

    #[test]
    fn a_bad_table_names_its_fault() {
        assert!(read("as_of = '2026-01-01'\n[[price]]\nmodel = 'm'\ninput = -1\noutput = 0").is_err());
        for line in ["then_input = -1", "then_output = nan", "long_input = inf", "audio_input = -0.1"] {
            let table =
                format!("as_of = '2026-01-01'\n[[price]]\nmodel = 'm'\ninput = 1\noutput = 0\n{line}");
            assert!(read(&table).unwrap_err().contains("prices of 0 or more"), "{line}");
        }
        let until = "as_of = '2026-01-01'\n[[price]]\nmodel = 'm'\ninput = 1\noutput = 0\nuntil = '2026-2-3'";
        assert!(read(until).unwrap_err().contains("YYYY-MM-DD"));
        for day in ["2026-13-05", "2026-02-29", "2026-00-10", "2026-01-00", "2026-01-45"] {
            let found = read(&format!("as_of = '{day}'")).unwrap_err();
            assert!(found.contains(day) && found.contains("a day of the calendar"), "{found}");
        }
        assert!(read("as_of = '2024-02-29'").is_ok());
        assert!(read("as_of = 'yesterday'").unwrap_err().contains("yesterday"));
        assert!(read("as_of = '2026-01-01'\ncolour = 1").unwrap_err().contains("colour"));
        assert_eq!(
            (day(0), day(19_782), day(20_786)),
            ("1970-01-01".into(), "2024-02-29".into(), "2026-11-29".into())
        );
    }
}
