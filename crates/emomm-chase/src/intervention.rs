//! A user's own biases on the decision row: layers, heads, a modality or a span of tokens, and a number or −∞.

use emomm_dataset::Modality;
use emomm_models::white_box::DecoderShape;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{ChaseError, Result};
use crate::token_sets::TokenSets;

/// One entry of a steering file's list `[[intervention]]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intervention {
    /// Layers, counted from 1; all where empty.
    #[serde(default)]
    pub layers: Vec<usize>,
    /// Heads, counted from 0; all where empty.
    #[serde(default)]
    pub heads: Vec<usize>,
    /// `text`, `audio` or `video`; this or `tokens`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modality: Option<ModalityWord>,
    /// First token and the one after the last, counted from 0; this or `modality`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<[usize; 2]>,
    /// What is added to the scores.
    pub bias: BiasValue,
}

/// A modality by its JSON word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModalityWord {
    /// The transcript.
    Text,
    /// The voice.
    Audio,
    /// The picture.
    Video,
}

impl ModalityWord {
    /// The modality.
    pub fn modality(self) -> Modality {
        match self {
            Self::Text => Modality::Text,
            Self::Audio => Modality::Audio,
            Self::Video => Modality::Video,
        }
    }
}

/// A finite number, or −∞ as the word `-inf`, which removes the tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BiasValue(pub f64);

impl Serialize for BiasValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 == f64::NEG_INFINITY {
            serializer.serialize_str("-inf")
        } else {
            serializer.serialize_f64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for BiasValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Whole(i64),
            Number(f64),
            Word(String),
        }
        match Form::deserialize(deserializer)? {
            Form::Whole(number) => Ok(Self(number as f64)),
            Form::Number(number) => Ok(Self(number)),
            Form::Word(word) if word == "-inf" => Ok(Self(f64::NEG_INFINITY)),
            Form::Word(word) => {
                Err(D::Error::custom(format!("bias is \"{word}\", expected a number or \"-inf\"")))
            }
        }
    }
}

impl Intervention {
    /// Checks what does not depend on a model.
    pub fn check(&self) -> Result<()> {
        // Scores are f32: beyond its range a number is no number any more.
        if self.bias.0 != f64::NEG_INFINITY && !(self.bias.0 as f32).is_finite() {
            let expected = format!("a number from -{0:e} to {0:e}, or \"-inf\"", f32::MAX);
            return Err(ChaseError::setting("intervention.bias", self.bias.0, expected));
        }
        match (self.modality, self.tokens) {
            (Some(_), None) => Ok(()),
            (None, Some([start, end])) if start < end => Ok(()),
            (None, Some(span)) => {
                Err(ChaseError::setting("intervention.tokens", format!("{span:?}"), "a start before its end"))
            }
            _ => Err(ChaseError::setting("intervention", "both or none", "either `modality` or `tokens`")),
        }
    }

    /// Checks layers and heads against a model.
    pub fn check_model(&self, shape: DecoderShape) -> Result<()> {
        if let Some(layer) = self.layers.iter().find(|l| !(1..=shape.n_layers).contains(l)) {
            let expected = format!("layers from 1 to {}", shape.n_layers);
            return Err(ChaseError::setting("intervention.layers", layer, expected));
        }
        if let Some(head) = self.heads.iter().find(|h| **h >= shape.n_heads) {
            let expected = format!("heads from 0 to {}", shape.n_heads - 1);
            return Err(ChaseError::setting("intervention.heads", head, expected));
        }
        Ok(())
    }

    /// Refuses a span of tokens that lies wholly beyond a prompt of `n_keys` tokens: it would do nothing without a word.
    pub fn check_prompt(&self, n_keys: usize) -> Result<()> {
        match self.tokens {
            Some([start, end]) if start >= n_keys => Err(ChaseError::setting(
                "intervention.tokens",
                format!("[{start}, {end}]"),
                format!("a start below {n_keys}, the tokens of the prompt"),
            )),
            _ => Ok(()),
        }
    }

    /// Whether it acts in a layer, counted from 0.
    pub fn acts_in(&self, layer: usize) -> bool {
        self.layers.is_empty() || self.layers.contains(&(layer + 1))
    }

    /// Adds the bias to one variant's rows. The row's own key is never removed, so that a softmax remains; a span that
    /// reaches beyond the prompt ends with it.
    ///
    /// # Shapes
    /// `rows [head · key]`
    pub fn add_to(&self, rows: &mut [f32], n_keys: usize, sets: &TokenSets) {
        let span: Vec<usize>;
        let tokens: &[usize] = match (self.modality, self.tokens) {
            (Some(word), _) => sets.of_modality(word.modality()),
            (None, Some([start, end])) => {
                span = (start..end.min(n_keys)).collect();
                &span
            }
            (None, None) => &[],
        };
        for (head, row) in rows.chunks_mut(n_keys).enumerate() {
            if self.heads.is_empty() || self.heads.contains(&head) {
                for token in tokens {
                    if *token + 1 < n_keys || self.bias.0.is_finite() {
                        row[*token] += self.bias.0 as f32;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Intervention, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn numbers_and_the_word_are_read() {
        assert_eq!(parse("modality = \"audio\"\nbias = -2").unwrap().bias, BiasValue(-2.0));
        assert_eq!(parse("tokens = [3, 5]\nbias = 0.5").unwrap().tokens, Some([3, 5]));
        assert_eq!(parse("modality = \"text\"\nbias = \"-inf\"").unwrap().bias, BiasValue(f64::NEG_INFINITY));
        for bad in
            ["modality = \"text\"\nbias = \"inf\"", "modality = \"smell\"\nbias = 1", "bias = 1\nhed = [1]"]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn either_modality_or_span() {
        for bad in ["bias = 1", "modality = \"text\"\ntokens = [1, 2]\nbias = 1", "tokens = [5, 5]\nbias = 1"]
        {
            assert!(parse(bad).unwrap().check().is_err(), "{bad}");
        }
        let shape = DecoderShape { n_layers: 2, n_heads: 2, n_kv_heads: 1, hidden_size: 4 };
        let far = parse("layers = [3]\nmodality = \"text\"\nbias = 1").unwrap();
        assert!(far.check_model(shape).unwrap_err().to_string().contains("1 to 2"));
    }

    #[test]
    fn a_bias_that_f32_cannot_hold_is_refused() {
        for bad in ["1e39", "-1e39", "nan", "inf"] {
            let error = parse(&format!("modality = \"text\"\nbias = {bad}")).unwrap().check().unwrap_err();
            assert!(error.to_string().starts_with("`intervention.bias` is"), "{error}");
        }
        assert!(parse("modality = \"text\"\nbias = -3e38").unwrap().check().is_ok());
    }

    #[test]
    fn a_span_beyond_the_prompt_is_refused_and_one_that_reaches_beyond_ends_with_it() {
        let span = |text: &str| parse(&format!("tokens = {text}\nbias = 1")).unwrap();
        let error = span("[12, 14]").check_prompt(12).unwrap_err().to_string();
        assert!(error.contains("is [12, 14], expected a start below 12"), "{error}");
        assert!(span("[11, 14]").check_prompt(12).is_ok());
        let mut layout = emomm_models::layout::Layout::default();
        layout.push(None, 12);
        let sets = TokenSets::of(&layout, crate::token_sets::TextScope::Transcript, 0);
        let mut rows = vec![0.0; 12];
        span("[11, 14]").add_to(&mut rows, 12, &sets);
        assert_eq!(rows.iter().filter(|b| **b > 0.0).count(), 1);
    }
}
