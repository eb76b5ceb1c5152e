//! English sentences, about films as in CMU-MOSI.

use super::Force;
use crate::draw::Draw;

/// Subject and its verb.
const SUBJECTS: [(&str, &str); 12] = [
    ("the movie", "is"),
    ("this film", "is"),
    ("the story", "is"),
    ("the ending", "is"),
    ("the music", "is"),
    ("the acting", "is"),
    ("the main character", "is"),
    ("the first half", "is"),
    ("the dialogue", "is"),
    ("the actors", "are"),
    ("the songs", "are"),
    ("the jokes", "are"),
];

/// Words of feeling of one polarity.
struct Lexicon {
    strong: [&'static str; 8],
    weak: [&'static str; 8],
    strong_verb: [&'static str; 2],
    weak_verb: [&'static str; 2],
    extreme: [&'static str; 3],
}

const POSITIVE: Lexicon = Lexicon {
    strong: [
        "amazing",
        "fantastic",
        "brilliant",
        "wonderful",
        "perfect",
        "outstanding",
        "beautiful",
        "incredible",
    ],
    weak: ["good", "nice", "pleasant", "decent", "enjoyable", "likable", "solid", "sweet"],
    strong_verb: ["love", "adore"],
    weak_verb: ["like", "enjoy"],
    extreme: ["absolutely", "completely", "totally"],
};
const NEGATIVE: Lexicon = Lexicon {
    strong: [
        "terrible",
        "awful",
        "horrible",
        "disgusting",
        "dreadful",
        "pathetic",
        "unbearable",
        "ridiculous",
    ],
    weak: ["bad", "boring", "weak", "slow", "dull", "flat", "annoying", "messy"],
    strong_verb: ["hate", "despise"],
    weak_verb: ["don't like", "dislike"],
    extreme: ["absolutely", "completely", "totally"],
};
const VERY: [&str; 2] = ["really", "truly"];
const QUITE: [&str; 2] = ["quite", "rather"];
const SLIGHTLY: [&str; 3] = ["a bit", "kind of", "slightly"];

const OPENERS: [&str; 6] = ["so", "well", "um", "you know", "okay", "I mean"];
const FACTS: [&str; 14] = [
    "it is about two hours long",
    "I saw it on {day}",
    "we watched it with my {relative}",
    "it is set in {city}",
    "it is the second part of the series",
    "it came out in {month}",
    "the director is from {city}",
    "my {relative} bought the tickets",
    "it is based on a book",
    "he plays a teacher from {city}",
    "they show it again on {day}",
    "it was filmed in {city}",
    "she plays the mother",
    "there are three of them",
];
const DAYS: [&str; 5] = ["Monday", "Tuesday", "Friday", "Saturday", "Sunday"];
const RELATIVES: [&str; 5] = ["brother", "sister", "friend", "mother", "cousin"];
const CITIES: [&str; 6] = ["Boston", "London", "Chicago", "Paris", "Texas", "New York"];
const MONTHS: [&str; 5] = ["January", "March", "June", "August", "October"];

pub(super) fn sentence(draw: &mut Draw, force: Option<Force>, is_positive: bool) -> String {
    let Some(force) = force else {
        let first = fact(draw);
        return match draw.below(3) {
            0 => format!("{} {first}", draw.word(&OPENERS)),
            1 => first,
            _ => joined(draw, &first, None),
        };
    };
    let clause = clause(draw, force, is_positive);
    match draw.below(4) {
        0 => clause,
        1 => format!("{} {clause}", draw.word(&OPENERS)),
        2 => {
            let fact = fact(draw);
            joined(draw, &fact, Some(&clause))
        }
        _ => joined(draw, &clause, None),
    }
}

/// `first`, and then `second` or a fact.
fn joined(draw: &mut Draw, first: &str, second: Option<&str>) -> String {
    let second = second.map_or_else(
        || {
            let mut other = fact(draw);
            while other == first {
                other = fact(draw);
            }
            other
        },
        str::to_owned,
    );
    let link = draw.word(&[" and ", ", ", ", and "]);
    format!("{first}{link}{second}")
}

fn fact(draw: &mut Draw) -> String {
    draw.word(&FACTS)
        .replace("{day}", draw.word(&DAYS))
        .replace("{relative}", draw.word(&RELATIVES))
        .replace("{city}", draw.word(&CITIES))
        .replace("{month}", draw.word(&MONTHS))
}

fn clause(draw: &mut Draw, force: Force, is_positive: bool) -> String {
    let (words, opposite) = if is_positive { (&POSITIVE, &NEGATIVE) } else { (&NEGATIVE, &POSITIVE) };
    let (subject, verb) = *draw.pick(&SUBJECTS);
    let by_verb = draw.chance(0.3);
    match force {
        Force::Extreme if by_verb => {
            format!("I {} {} {subject}", draw.word(&words.extreme), draw.word(&words.strong_verb))
        }
        Force::Extreme => {
            format!("{subject} {verb} {} {}", draw.word(&words.extreme), draw.word(&words.strong))
        }
        Force::Very if by_verb => {
            format!("I {} {} {subject}", draw.word(&VERY), draw.word(&words.strong_verb))
        }
        Force::Very => format!("{subject} {verb} {} {}", draw.word(&VERY), draw.word(&words.strong)),
        Force::Strong if by_verb => format!("I {} {subject}", draw.word(&words.strong_verb)),
        Force::Strong => format!("{subject} {verb} {}", draw.word(&words.strong)),
        Force::Quite => format!("{subject} {verb} {} {}", draw.word(&QUITE), draw.word(&words.weak)),
        Force::Weak if by_verb => format!("I {} {subject}", draw.word(&words.weak_verb)),
        Force::Weak => format!("{subject} {verb} {}", draw.word(&words.weak)),
        Force::Slight if draw.chance(0.4) => {
            format!("{subject} {verb} not {}", draw.word(&opposite.weak))
        }
        Force::Slight => format!("{subject} {verb} {} {}", draw.word(&SLIGHTLY), draw.word(&words.weak)),
    }
}
