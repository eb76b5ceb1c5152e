//! The words of the pages in English and Chinese. Labels are stored as codes, never as words.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Serialize;

/// A language of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
pub enum Language {
    /// English.
    #[default]
    #[serde(rename = "en")]
    English,
    /// Simplified Chinese.
    #[serde(rename = "zh")]
    Chinese,
}

impl Language {
    /// Both.
    pub const ALL: [Self; 2] = [Self::English, Self::Chinese];

    /// The word in the database and in cookies.
    pub fn name(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh",
        }
    }

    /// The tag in HTML.
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh-CN",
        }
    }

    /// The language of a word; English for what is not known.
    pub fn of(word: &str) -> Self {
        if word == "zh" { Self::Chinese } else { Self::English }
    }

    /// The first of the two that a browser's `Accept-Language` names.
    pub fn accepted(header: &str) -> Self {
        header
            .split(',')
            .find_map(|part| {
                let tag = part.trim().to_ascii_lowercase();
                if tag.starts_with("zh") {
                    Some(Self::Chinese)
                } else if tag.starts_with("en") {
                    Some(Self::English)
                } else {
                    None
                }
            })
            .unwrap_or_default()
    }

    fn words(self) -> &'static BTreeMap<String, String> {
        static ENGLISH: OnceLock<BTreeMap<String, String>> = OnceLock::new();
        static CHINESE: OnceLock<BTreeMap<String, String>> = OnceLock::new();
        let (cell, text) = match self {
            Self::English => (&ENGLISH, include_str!("en.json")),
            Self::Chinese => (&CHINESE, include_str!("zh.json")),
        };
        // A test reads both files, so an unreadable one cannot be released.
        cell.get_or_init(|| serde_json::from_str(text).unwrap_or_default())
    }

    /// The words under a key; the key itself where there are none.
    pub fn word(self, key: &str) -> &str {
        self.words().get(key).map_or("", String::as_str)
    }

    /// All words whose key begins with `prefix`, the prefix taken off: for scripts.
    pub(crate) fn with_prefix(self, prefix: &str) -> BTreeMap<&'static str, &'static str> {
        self.words()
            .iter()
            .filter_map(|(key, word)| Some((key.strip_prefix(prefix)?, word.as_str())))
            .collect()
    }

    /// The words under a key with values in place of `{name}`.
    pub(crate) fn filled(self, key: &str, values: &[(String, String)]) -> String {
        let mut text = self.word(key).to_owned();
        if text.is_empty() {
            // Seen at once by whoever looks at the page, and by the test of templates.
            return format!("⟦{key}⟧");
        }
        for (name, value) in values {
            text = text.replace(&format!("{{{name}}}"), value);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// `{name}` in a text.
    fn placeholders(text: &str) -> BTreeSet<String> {
        text.split('{')
            .skip(1)
            .filter_map(|rest| rest.split_once('}'))
            .map(|(name, _)| name.to_owned())
            .collect()
    }

    #[test]
    fn both_languages_have_the_same_keys_and_placeholders() {
        let (english, chinese) = (Language::English.words(), Language::Chinese.words());
        assert!(english.len() > 200, "{} keys", english.len());
        assert_eq!(english.keys().collect::<Vec<_>>(), chinese.keys().collect::<Vec<_>>());
        for (key, text) in english {
            assert!(!text.trim().is_empty() && !chinese[key].trim().is_empty(), "{key} is empty");
            assert_eq!(placeholders(text), placeholders(&chinese[key]), "{key}");
        }
    }

    /// Every key is used by a template, a script or code, and every key that is used is there.
    #[test]
    fn keys_are_used_and_used_keys_are_there() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut sources = String::new();
        let mut folders = vec![root];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|e| e == "rs" || e == "html" || e == "js") {
                    sources.push_str(&std::fs::read_to_string(&path).unwrap());
                }
            }
        }
        for key in Language::English.words().keys() {
            let is_used = sources.contains(&format!("\"{key}\""))
                || key.strip_prefix("js.").is_some_and(|k| sources.contains(&format!("words[\"{k}\"]")))
                // Keys that end in a code are put together: `"label.ternary." ~ code`.
                || key.rsplit_once('.').is_some_and(|(stem, _)| sources.contains(&format!("\"{stem}.\"")));
            assert!(is_used, "{key} is not used");
        }
        for used in sources.split("t(\"").skip(1).filter_map(|rest| rest.split_once('"')) {
            let (key, after) = used;
            if !key.ends_with('.') && key.contains('.') && !after.trim_start().starts_with('~') {
                assert!(Language::English.words().contains_key(key), "{key} is not there");
            }
        }
    }

    #[test]
    fn a_browser_s_first_known_language_is_taken() {
        assert_eq!(Language::accepted("zh-CN,zh;q=0.9,en;q=0.8"), Language::Chinese);
        assert_eq!(Language::accepted("de, en-GB;q=0.5, zh"), Language::English);
        assert_eq!(Language::accepted(""), Language::English);
    }
}
