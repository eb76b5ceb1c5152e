//! Folds the many ways to write the same characters and removes what is not part of an answer.

/// The reply with folded characters, without reasoning block, state tokens and text after an end token.
pub(super) fn normalise(reply: &str) -> String {
    let folded: String = reply.chars().filter_map(fold).collect();
    without_tokens(without_reasoning(&folded))
}

/// One character in its plain form; `None` for characters without a shape.
fn fold(c: char) -> Option<char> {
    Some(match c {
        // Zero-width space and joiners, direction marks, word joiner, byte order mark, variation selectors.
        '\u{200B}'..='\u{200F}'
        | '\u{202A}'..='\u{202E}'
        | '\u{2060}'
        | '\u{FEFF}'
        | '\u{FE00}'..='\u{FE0F}' => {
            return None;
        }
        // Full-width ASCII lies at a constant distance from ASCII.
        '\u{FF01}'..='\u{FF5E}' => char::from(((c as u32) - 0xFEE0) as u8),
        '\u{3000}' | '\u{00A0}' | '\u{2000}'..='\u{200A}' | '\u{202F}' => ' ',
        // Line ends; and the state tokens of VITA: answer to a question, to noise, interrupting answer.
        '\r' | '\u{2028}' | '\u{2029}' | '\u{0085}' | '☞' | '☟' | '☜' => '\n',
        // Hyphens, dashes, minus signs.
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{FE58}' | '\u{FE63}' => '-',
        '。' => '.',
        '、' => ',',
        '【' | '〔' | '〖' | '「' | '『' | '《' | '〈' => '[',
        '】' | '〕' | '〗' | '」' | '』' | '》' | '〉' => ']',
        '“' | '”' | '„' | '«' | '»' => '"',
        '‘' | '’' | '‚' => '\'',
        _ => c,
    })
}

/// What follows a `<think>…</think>` block at the very start; a block that is not closed is kept.
fn without_reasoning(text: &str) -> &str {
    let Some(block) = text.trim_start().strip_prefix("<think>") else { return text };
    block.split_once("</think>").map_or(text, |(_, rest)| rest)
}

/// Replaces state tokens by line breaks and cuts the text at the first end token that follows something.
fn without_tokens(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('<') {
        let (before, from) = rest.split_at(open);
        out.push_str(before);
        let Some(token) = state_token(from) else {
            out.push('<');
            rest = &from[1..];
            continue;
        };
        if is_end(token) && !out.trim().is_empty() {
            return out;
        }
        out.push('\n');
        rest = &from[token.len()..];
        if token == "<|im_start|>" {
            // The role of the speaker stands on the token's own line.
            let role = rest.find('\n').unwrap_or(rest.len());
            if matches!(rest[..role].trim(), "assistant" | "model") {
                rest = &rest[role..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// The state token at the start of `text`, which begins with `<`.
fn state_token(text: &str) -> Option<&str> {
    if let Some(plain) = ["<s>", "</s>", "<pad>", "<unk>"].into_iter().find(|t| text.starts_with(t)) {
        return Some(plain);
    }
    let name = text.strip_prefix("<|")?;
    let length = name.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
    name[length..].starts_with("|>").then(|| &text[..length + 4])
}

fn is_end(token: &str) -> bool {
    matches!(token, "</s>" | "<|im_end|>" | "<|endoftext|>" | "<|end|>" | "<|eot_id|>" | "<|end_of_text|>")
}

#[cfg(test)]
mod tests {
    use super::normalise;

    #[test]
    fn characters_are_folded() {
        assert_eq!(normalise("Ａ，：（１）\u{3000}−0.8\u{200B}"), "A,:(1) -0.8");
        assert_eq!(normalise("“E”【C】"), "\"E\"[C]");
    }

    #[test]
    fn state_tokens_end_a_line_and_end_tokens_end_the_text() {
        assert_eq!(normalise("<|im_start|>assistant\nA<|im_end|>\n<|im_start|>user\nB").trim(), "A");
        assert_eq!(normalise("<s>A</s>B").trim(), "A");
        assert_eq!(normalise("☞A"), "\nA");
        assert_eq!(normalise("<A>"), "<A>");
        assert_eq!(normalise("<|not a token|>"), "<|not a token|>");
    }

    #[test]
    fn a_closed_reasoning_block_is_removed() {
        assert_eq!(normalise("<think>\nA or B?\n</think>\nB").trim(), "B");
        assert_eq!(normalise("<think>A"), "<think>A");
    }

    /// Every `<` is looked at once: no token name is scanned over and over.
    #[test]
    fn many_brackets_take_linear_time() {
        let text = "<|".repeat(500_000);
        assert_eq!(normalise(&text), text);
    }
}
