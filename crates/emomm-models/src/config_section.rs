//! Fields of a JSON configuration, with messages that name the file, the field and what was expected.

use std::path::Path;

use serde_json::{Map, Value};

use crate::error::{ModelError, Result};

// A damaged config must not make the loader ask for absurd tensors, or for names of a billion layers. The bounds lie
// far above every released model, and any product of a tensor's sides stays within 64 bits.

/// Greatest width or number of heads.
pub(crate) const MOST_WIDTH: usize = 1 << 20;
/// Most layers of a tower or of the decoder.
pub(crate) const MOST_LAYERS: usize = 1 << 10;
/// Greatest side of a patch or merge group, and most frames of a patch.
pub(crate) const MOST_PATCH: usize = 1 << 10;
/// Greatest id, size of a vocabulary or length of a prompt.
pub(crate) const MOST_IDS: usize = u32::MAX as usize;

/// A JSON object together with its place in the file, so that messages can name the field.
pub(crate) struct Section<'a> {
    /// The file.
    pub(crate) path: &'a Path,
    /// Names of the objects around, joined by dots.
    pub(crate) name: String,
    /// The fields.
    pub(crate) object: &'a Map<String, Value>,
}

impl Section<'_> {
    pub(crate) fn child(&self, field: &str) -> Result<Self> {
        let name = self.field(field);
        let object = self.object.get(field).and_then(Value::as_object).ok_or_else(|| {
            ModelError::config(self.path, format!("no object `{name}`, expected the settings of that part"))
        })?;
        Ok(Self { path: self.path, name, object })
    }

    pub(crate) fn field(&self, field: &str) -> String {
        if self.name.is_empty() { field.to_owned() } else { format!("{}.{field}", self.name) }
    }

    pub(crate) fn missing(&self, field: &str, expected: &str) -> ModelError {
        let found = match self.object.get(field) {
            Some(value) => format!("`{}` is {value}", self.field(field)),
            None => format!("no field `{}`", self.field(field)),
        };
        ModelError::config(self.path, format!("{found}, expected {expected}"))
    }

    pub(crate) fn size(&self, field: &str) -> Result<usize> {
        self.size_up_to(field, MOST_WIDTH)
    }

    pub(crate) fn size_up_to(&self, field: &str, most: usize) -> Result<usize> {
        let found = self.object.get(field).and_then(Value::as_u64).map(|n| n as usize);
        found
            .filter(|n| *n <= most)
            .ok_or_else(|| self.missing(field, &format!("a whole number of at most {most}")))
    }

    pub(crate) fn size_or(&self, field: &str, default: usize) -> Result<usize> {
        self.size_up_to_or(field, MOST_WIDTH, default)
    }

    pub(crate) fn size_up_to_or(&self, field: &str, most: usize, default: usize) -> Result<usize> {
        match self.object.get(field) {
            None | Some(Value::Null) => Ok(default),
            Some(_) => self.size_up_to(field, most),
        }
    }

    pub(crate) fn number(&self, field: &str) -> Option<f64> {
        self.object.get(field).and_then(Value::as_f64)
    }

    pub(crate) fn flag_or(&self, field: &str, default: bool) -> bool {
        self.object.get(field).and_then(Value::as_bool).unwrap_or(default)
    }

    pub(crate) fn sizes(&self, field: &str) -> Option<Vec<usize>> {
        let list = self.object.get(field)?.as_array()?;
        list.iter().map(|v| v.as_u64().map(|n| n as usize).filter(|n| *n <= MOST_WIDTH)).collect()
    }

    pub(crate) fn expect_word(&self, field: &str, words: &[&str]) -> Result<()> {
        match self.object.get(field) {
            None | Some(Value::Null) => Ok(()),
            Some(Value::String(word)) if words.contains(&word.as_str()) => Ok(()),
            Some(_) => Err(self.missing(field, &format!("one of {}", words.join(", ")))),
        }
    }
}
