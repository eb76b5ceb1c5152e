//! The words that may stand beside a letter or a score, in English and Chinese.

use emomm_dataset::Sentiment;

/// What a word means to the parser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// Announces a letter: "answer", "label", "情感".
    Label,
    /// Fills a phrase such as "the final … is": allowed before a letter, announces nothing.
    Filler,
    /// Announces a score: "score", "分数".
    Score,
    /// Joins alternatives: "or", "或".
    Connective,
    /// Makes a number part of a range or ratio: "to", "out of".
    Range,
    /// Joins the name of a class: its strength or its sign.
    Class(ClassWord),
    /// Makes a sentence no statement: "not", "if", "perhaps".
    Doubt,
    /// Anything else.
    Other,
}

/// A word of a class name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClassWord {
    /// "weakly", "slightly", "弱".
    Weak,
    /// "strongly", "very": names the same class as the sign alone.
    Strong,
    /// "negative", "消极".
    Negative,
    /// "neutral", "中性".
    Neutral,
    /// "positive", "积极".
    Positive,
    /// "弱负面" and the like, in one word.
    Whole(Sentiment),
}

/// The longest word of the tables in bytes; longer words mean nothing.
const LONGEST: usize = 48;

/// The pieces of Chinese announcing words.
const PIECES: [(&str, Word); 23] = [
    ("情感", Word::Label),
    ("情绪", Word::Label),
    ("答案", Word::Label),
    ("标签", Word::Label),
    ("字母", Word::Label),
    ("选项", Word::Label),
    ("类别", Word::Label),
    ("分类", Word::Label),
    ("选择", Word::Label),
    ("选", Word::Label),
    ("倾向", Word::Label),
    ("最终", Word::Filler),
    ("结果", Word::Filler),
    ("预测", Word::Filler),
    ("的", Word::Filler),
    ("是", Word::Filler),
    ("我", Word::Filler),
    ("认为", Word::Filler),
    ("觉得", Word::Filler),
    ("为", Word::Filler),
    ("分数", Word::Score),
    ("得分", Word::Score),
    ("评分", Word::Score),
];

/// What `word` means; letter case is ignored.
pub(super) fn meaning(word: &str) -> Word {
    if word.len() > LONGEST {
        return Word::Other;
    }
    if !word.is_ascii() {
        return chinese(word);
    }
    let word = word.to_ascii_lowercase();
    match word.as_str() {
        "answer" | "label" | "letter" | "sentiment" | "option" | "choice" | "class" | "category"
        | "emotion" => Word::Label,
        "the" | "my" | "final" | "is" | "output" | "result" | "prediction" | "predicted" | "overall"
        | "assistant" => Word::Filler,
        "score" => Word::Score,
        "or" | "and" => Word::Connective,
        "to" | "out" | "of" | "percent" => Word::Range,
        "weakly" | "weak" | "slightly" | "mildly" => Word::Class(ClassWord::Weak),
        "strongly" | "strong" | "very" => Word::Class(ClassWord::Strong),
        "negative" => Word::Class(ClassWord::Negative),
        "neutral" => Word::Class(ClassWord::Neutral),
        "positive" => Word::Class(ClassWord::Positive),
        "not" | "no" | "never" | "cannot" | "neither" | "nor" | "if" | "whether" | "unless" | "maybe"
        | "perhaps" | "might" | "could" | "either" | "between" => Word::Doubt,
        w if w.ends_with("n't") => Word::Doubt,
        _ => Word::Other,
    }
}

/// A run of Chinese characters has no blanks: it is taken apart piece by piece, longest piece first.
fn chinese(word: &str) -> Word {
    match word {
        "到" | "至" => return Word::Range,
        "或" | "或者" | "和" | "与" | "还是" => return Word::Connective,
        _ => {}
    }
    if ["不", "非", "没", "如果", "可能", "也许", "或许"].iter().any(|doubt| word.contains(doubt))
    {
        return Word::Doubt;
    }
    if let Some(class) = chinese_class(word) {
        return Word::Class(class);
    }
    let mut rest = word;
    let mut kind = Word::Filler;
    while !rest.is_empty() {
        let Some((piece, meaning)) = PIECES.iter().find(|(piece, _)| rest.starts_with(piece)) else {
            return Word::Other;
        };
        // "情感分数是" announces a score: the strongest piece decides.
        kind = match (kind, *meaning) {
            (Word::Score, _) | (_, Word::Score) => Word::Score,
            (Word::Label, _) | (_, Word::Label) => Word::Label,
            _ => Word::Filler,
        };
        rest = &rest[piece.len()..];
    }
    kind
}

fn chinese_class(word: &str) -> Option<ClassWord> {
    let word = ["情感", "情绪"].into_iter().find_map(|suffix| word.strip_suffix(suffix)).unwrap_or(word);
    let (weak, sign) = ["轻微", "略微", "稍微", "弱", "偏"]
        .into_iter()
        .find_map(|prefix| word.strip_prefix(prefix))
        .map_or((false, word), |rest| (true, rest));
    let class = match (sign, weak) {
        ("", true) => ClassWord::Weak,
        ("消极" | "消極" | "负面" | "負面" | "负向", true) => {
            ClassWord::Whole(Sentiment::WeaklyNegative)
        }
        ("积极" | "積極" | "正面" | "正向", true) => ClassWord::Whole(Sentiment::WeaklyPositive),
        ("消极" | "消極" | "负面" | "負面" | "负向", false) => ClassWord::Negative,
        ("积极" | "積極" | "正面" | "正向", false) => ClassWord::Positive,
        ("中性" | "中立", false) => ClassWord::Neutral,
        _ => return None,
    };
    Some(class)
}

/// The class that a run of class words names, `None` if they name none or more than one.
pub(super) fn class_of(words: &[ClassWord]) -> Option<Sentiment> {
    match words {
        [ClassWord::Negative] | [ClassWord::Strong, ClassWord::Negative] => Some(Sentiment::Negative),
        [ClassWord::Weak, ClassWord::Negative] => Some(Sentiment::WeaklyNegative),
        [ClassWord::Neutral] => Some(Sentiment::Neutral),
        [ClassWord::Weak, ClassWord::Positive] => Some(Sentiment::WeaklyPositive),
        [ClassWord::Positive] | [ClassWord::Strong, ClassWord::Positive] => Some(Sentiment::Positive),
        [ClassWord::Whole(class)] => Some(*class),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prompt_s_class_names_are_known() {
        for class in Sentiment::ALL {
            let words: Vec<ClassWord> = class
                .title()
                .split(' ')
                .map(|w| match meaning(w) {
                    Word::Class(word) => word,
                    other => panic!("{w} is {other:?}"),
                })
                .collect();
            assert_eq!(class_of(&words), Some(class));
        }
    }

    #[test]
    fn chinese_words_are_taken_apart() {
        assert_eq!(meaning("情感标签"), Word::Label);
        assert_eq!(meaning("最终答案是"), Word::Label);
        assert_eq!(meaning("情感得分为"), Word::Score);
        assert_eq!(meaning("弱负面"), Word::Class(ClassWord::Whole(Sentiment::WeaklyNegative)));
        assert_eq!(meaning("情感丰富"), Word::Other);
    }

    #[test]
    fn negations_are_doubt() {
        for word in ["not", "isn't", "don't", "if", "不是", "答案不是"] {
            assert_eq!(meaning(word), Word::Doubt, "{word}");
        }
    }
}
