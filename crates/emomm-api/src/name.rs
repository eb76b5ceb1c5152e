//! What `--model` names when it names a model behind a server.

use std::fmt;
use std::str::FromStr;

/// Where Google serves Gemini.
pub const GEMINI_BASE_URL: &str = "https://generativelanguage.googleapis.com";

/// Which form requests and replies have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WireFormat {
    /// Google's `generateContent`.
    Gemini,
    /// OpenAI's `chat/completions`, with the additions of vLLM where a server takes them.
    OpenAi,
}

impl WireFormat {
    /// The word before the colon.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gemini => "gemini",
            Self::OpenAi => "openai",
        }
    }
}

/// `gemini:MODEL` or `openai:BASE_URL#MODEL`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedName {
    /// The form of requests.
    pub format: WireFormat,
    /// The server, without a slash at the end. `None` for Google's own.
    pub base_url: Option<String>,
    /// The model, as the server calls it.
    pub model: String,
}

impl ServedName {
    /// Whether a word names a model behind a server, well or badly.
    pub fn is_one(word: &str) -> bool {
        word.starts_with("gemini:") || word.starts_with("openai:")
    }
}

impl FromStr for ServedName {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let fault =
            |found: &str| Err(format!("found `{found}`, expected gemini:MODEL or openai:BASE_URL#MODEL"));
        if let Some(model) = word.strip_prefix("gemini:") {
            let model = model.strip_prefix("models/").unwrap_or(model);
            let is_name =
                !model.is_empty() && model.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
            if !is_name {
                return fault(word);
            }
            return Ok(Self { format: WireFormat::Gemini, base_url: None, model: model.to_owned() });
        }
        let Some((url, model)) = word.strip_prefix("openai:").and_then(|rest| rest.split_once('#')) else {
            return fault(word);
        };
        let url = url.trim_end_matches('/');
        if model.trim().is_empty() || !is_url(url) {
            return fault(word);
        }
        Ok(Self { format: WireFormat::OpenAi, base_url: Some(url.to_owned()), model: model.to_owned() })
    }
}

impl fmt::Display for ServedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.base_url {
            Some(url) if self.format == WireFormat::OpenAi => write!(f, "openai:{url}#{}", self.model),
            _ => write!(f, "{}:{}", self.format.name(), self.model),
        }
    }
}

/// Whether a text is the beginning of web addresses. Names and passwords in front of the host are refused: they would
/// stand in logs.
pub(crate) fn is_url(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        let host = rest.split('/').next().unwrap_or_default();
        !host.is_empty() && !host.contains('@') && !url.contains(['?', '#', ' '])
    })
}

/// Whether what is sent to a server stays on this machine.
pub(crate) fn is_local(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split('/').next().unwrap_or_default();
    if let Some(end) = host.strip_prefix("[::1]") {
        return end.is_empty() || end.starts_with(':');
    }
    let host = host.split(':').next().unwrap_or_default();
    let octets: Vec<Option<u8>> = host.split('.').map(|part| part.parse().ok()).collect();
    host == "localhost" || (octets.len() == 4 && octets.iter().all(Option::is_some) && octets[0] == Some(127))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_written() {
        for word in ["gemini:gemini-3-pro", "openai:http://127.0.0.1:8000/v1#Qwen/Qwen2.5-Omni-7B"] {
            assert_eq!(word.parse::<ServedName>().unwrap().to_string(), word);
        }
        let name: ServedName = "openai:https://host/v1/#a#b".parse().unwrap();
        assert_eq!((name.base_url.as_deref(), name.model.as_str()), (Some("https://host/v1"), "a#b"));
        assert_eq!("gemini:models/gemini-3-pro".parse::<ServedName>().unwrap().model, "gemini-3-pro");
    }

    #[test]
    fn bad_names_are_refused() {
        for word in [
            "gemini:",
            "gemini:a/../b",
            "gemini:a?key=b",
            "openai:http://host/v1",
            "openai:#m",
            "openai:ftp://h#m",
            "openai:http://h# ",
            "openai:http://user:secret@host/v1#m",
            "openai:http://h/v1?key=1#m",
        ] {
            assert!(word.parse::<ServedName>().unwrap_err().contains("expected"), "{word}");
        }
    }

    #[test]
    fn only_loopback_is_local() {
        for url in
            ["http://127.0.0.1:8000/v1", "http://localhost/v1", "http://[::1]:8/v1", "http://127.9.9.9"]
        {
            assert!(is_local(url), "{url}");
        }
        for url in [
            "https://127.0.0.1.example.com",
            "https://api.openai.com",
            "http://10.0.0.1",
            "http://localhost.evil",
        ] {
            assert!(!is_local(url), "{url}");
        }
    }
}
