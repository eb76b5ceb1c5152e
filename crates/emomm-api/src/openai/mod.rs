//! OpenAI's chat format, and what vLLM adds to it.
//!
//! A server is taken as it is: what it can do is found by asking ([`probe`]), because servers silently leave out what they
//! do not know.

mod probe;
mod reply;

use serde_json::{Map, Value, json};

use crate::ask::{Ask, AskPart, WireReply};
use crate::capability::{AudioForm, Capabilities};
use crate::medium::{Medium, MediumKind, PictureForm, Place};
use crate::options::{Condition, VideoForm};
use crate::secret::Secret;
use crate::wire::{Rejection, Wire};

pub(crate) use probe::probe;

/// Tokens whose probabilities are asked for at each place: the most that OpenAI gives.
const TOP_LOGPROBS: usize = 20;

/// Frames without `--video-frames`.
pub(crate) const FRAMES: usize = 8;

/// A model behind a server of this form.
#[derive(Debug, Clone)]
pub(crate) struct OpenAi {
    pub(crate) base_url: String,
    pub(crate) model: String,
    pub(crate) condition: Condition,
    pub(crate) can: Capabilities,
}

impl OpenAi {
    fn part(&self, part: &AskPart, place: &dyn Fn(&Medium) -> Place) -> Value {
        let medium = match part {
            AskPart::Text(text) => return json!({ "type": "text", "text": text }),
            AskPart::Medium(medium) => medium,
        };
        let content = match place(medium) {
            Place::Inline(content) | Place::Stored(content) => content,
        };
        let address = format!("data:{};base64,{content}", medium.mime);
        match medium.kind {
            MediumKind::Video => json!({ "type": "video_url", "video_url": { "url": address } }),
            MediumKind::Frame => json!({ "type": "image_url", "image_url": { "url": address } }),
            MediumKind::Audio => match self.can.audio.unwrap_or_default() {
                AudioForm::InputAudio => {
                    json!({ "type": "input_audio", "input_audio": { "data": content, "format": "wav" } })
                }
                AudioForm::AudioUrl => json!({ "type": "audio_url", "audio_url": { "url": address } }),
            },
        }
    }

    /// Frames of a video: what was asked for, or none where the server chooses.
    fn n_frames(&self) -> usize {
        self.condition.frames.unwrap_or(FRAMES)
    }
}

impl Wire for OpenAi {
    fn url(&self) -> String {
        format!("{}/chat/completions", self.base_url)
    }

    fn headers(&self, key: Option<&Secret>) -> Vec<(&'static str, String)> {
        key.map(|key| ("authorization", format!("Bearer {}", key.expose()))).into_iter().collect()
    }

    fn body(&self, ask: &Ask, place: &dyn Fn(&Medium) -> Place) -> Value {
        // Servers of text alone take no list of parts.
        let content = match ask.parts.as_slice() {
            [AskPart::Text(text)] => json!(text),
            parts => Value::Array(parts.iter().map(|p| self.part(p, place)).collect()),
        };
        let mut body = Map::new();
        let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
        put("model", json!(self.model));
        put(
            "messages",
            json!([{ "role": "system", "content": ask.system }, { "role": "user", "content": content }]),
        );
        put(self.can.length_field.name(), json!(ask.max_tokens));
        if let Some(temperature) = self.condition.temperature {
            put("temperature", json!(temperature));
        }
        if let Some(seed) = ask.seed {
            put("seed", json!(seed));
        }
        if self.can.logprobs {
            put("logprobs", json!(true));
            match &self.can.letter_ids {
                Some(ids) => put("logprob_token_ids", json!(ids)),
                None => put("top_logprobs", json!(TOP_LOGPROBS)),
            };
        }
        if !ask.choices.is_empty() {
            put("structured_outputs", json!({ "choice": ask.choices }));
        }
        let sends_video = ask.media().any(|m| m.kind == MediumKind::Video);
        if let Some(frames) = self.condition.frames.filter(|_| sends_video) {
            put("media_io_kwargs", json!({ "video": { "num_frames": frames } }));
        }
        Value::Object(body)
    }

    fn read(&self, reply: &Value) -> Result<WireReply, String> {
        reply::read(reply)
    }

    fn rejection(&self, status: u16, body: &str) -> Rejection {
        let says = |words: &[&str]| words.iter().any(|w| body.contains(w));
        match status {
            // Gemini's servers of this form say of a minute's quota what OpenAI says of money.
            429 if says(&["PerMinute", "per minute", "retryDelay"]) && !says(&["PerDay"]) => {
                Rejection::Overloaded
            }
            429 | 402 | 403
                if says(&["insufficient_quota", "billing_hard_limit", "exceeded your current quota"]) =>
            {
                Rejection::Exhausted
            }
            402 => Rejection::Exhausted,
            401 | 403 => Rejection::Closed,
            404 if !says(&["multimodal", "image", "video", "audio"]) => Rejection::Closed,
            408 | 409 | 429 | 500.. => Rejection::Overloaded,
            400 | 413 | 415 | 422 if says(&["image", "video", "audio", "multimodal", "media", "base64"]) => {
                Rejection::Medium
            }
            413 | 415 => Rejection::Medium,
            _ => Rejection::Request,
        }
    }

    fn picture(&self) -> PictureForm {
        match self.can.video {
            Some(VideoForm::Frames) => {
                PictureForm::Frames { n: self.n_frames(), height: self.condition.frame_height }
            }
            _ => PictureForm::Video,
        }
    }

    fn sampling(&self) -> String {
        match self.condition.frames {
            Some(n) => format!("video_url, {n} frames asked for"),
            None => "video_url, frames as the server chooses".to_owned(),
        }
    }

    fn frames_per_second(&self) -> f64 {
        // vLLM takes up to 32 frames of a clip; nothing known takes more than two a second of a longer one.
        4.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    pub(super) fn server(can: Capabilities) -> OpenAi {
        OpenAi {
            base_url: "http://127.0.0.1:1/v1".to_owned(),
            model: "m".to_owned(),
            condition: Condition { temperature: Some(0.0), ..Condition::default() },
            can,
        }
    }

    fn medium(kind: MediumKind, mime: &'static str) -> AskPart {
        AskPart::Medium(Arc::new(Medium::new(kind, mime, vec![1, 2, 3], 1.0)))
    }

    fn ask(parts: Vec<AskPart>) -> Ask {
        Ask { parts, seed: Some(7), ..Ask::trial("?", 16) }
    }

    #[test]
    fn parts_have_vllm_s_names() {
        let parts = vec![
            medium(MediumKind::Video, "video/mp4"),
            medium(MediumKind::Audio, "audio/wav"),
            AskPart::Text("x".into()),
        ];
        let can = Capabilities {
            logprobs: true,
            letter_ids: Some(vec![32, 33, 34, 35, 36]),
            ..Capabilities::default()
        };
        let mut question = ask(parts);
        question.choices = vec!["A".to_owned()];
        let body = server(can).body(&question, &|m| Place::Inline(m.base64()));
        let content = &body["messages"][1]["content"];
        assert_eq!(
            content[0],
            json!({"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AQID"}})
        );
        assert_eq!(
            content[1],
            json!({"type": "input_audio", "input_audio": {"data": "AQID", "format": "wav"}})
        );
        assert_eq!(content[2], json!({"type": "text", "text": "x"}));
        assert_eq!(body["structured_outputs"], json!({"choice": ["A"]}));
        assert_eq!(
            (&body["logprobs"], &body["logprob_token_ids"]),
            (&json!(true), &json!([32, 33, 34, 35, 36]))
        );
        assert_eq!(
            (&body["max_tokens"], &body["temperature"], &body["seed"]),
            (&json!(16), &json!(0.0), &json!(7))
        );
        assert!(body.get("top_logprobs").is_none() && body.get("media_io_kwargs").is_none());
    }

    #[test]
    fn plain_openai_gets_frames_and_the_other_forms_are_kept_apart() {
        let can = Capabilities {
            video: Some(VideoForm::Frames),
            audio: Some(AudioForm::AudioUrl),
            ..Capabilities::default()
        };
        let wire = server(can);
        assert_eq!(wire.picture(), PictureForm::Frames { n: 8, height: 448 });
        let body = wire.body(
            &ask(vec![medium(MediumKind::Frame, "image/jpeg"), medium(MediumKind::Audio, "audio/wav")]),
            &Place::hash,
        );
        let content = body["messages"][1]["content"].as_array().unwrap();
        assert_eq!(content[0]["type"], "image_url");
        assert!(
            content[0]["image_url"]["url"].as_str().unwrap().starts_with("data:image/jpeg;base64,sha256:")
        );
        assert_eq!(content[1]["type"], "audio_url");
        // Text alone is no list.
        let text = wire.body(&Ask::trial("x", 1), &Place::hash);
        assert_eq!(text["messages"][1]["content"], "x");
    }

    #[test]
    fn bad_statuses_are_told_apart() {
        let wire = server(Capabilities::default());
        for (status, body, expected) in [
            (429, "rate limit reached", Rejection::Overloaded),
            (429, "{\"error\":{\"code\":\"insufficient_quota\"}}", Rejection::Exhausted),
            (429, "You exceeded your current quota, please check your plan", Rejection::Exhausted),
            (429, "You exceeded your current quota: RequestsPerMinute", Rejection::Overloaded),
            (429, "You exceeded your current quota: RequestsPerDay, retryDelay 9s", Rejection::Exhausted),
            (503, "", Rejection::Overloaded),
            (401, "bad key", Rejection::Closed),
            (404, "The model `m` does not exist", Rejection::Closed),
            (400, "At most 0 video(s) may be provided", Rejection::Medium),
            (413, "", Rejection::Medium),
            (400, "unknown parameter", Rejection::Request),
        ] {
            assert_eq!(wire.rejection(status, body), expected, "{status} {body}");
        }
    }
}
