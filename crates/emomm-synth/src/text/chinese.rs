//! Chinese sentences, about everyday matters as in CH-SIMS.

use super::Force;
use crate::draw::Draw;

const SUBJECTS: [&str; 14] = [
    "这件事",
    "你的安排",
    "这顿饭",
    "他的表现",
    "这个结果",
    "今天的演出",
    "这份工作",
    "他说的话",
    "这个消息",
    "她的态度",
    "这次旅行",
    "这个办法",
    "你们的做法",
    "那个地方",
];

struct Lexicon {
    strong: [&'static str; 8],
    weak: [&'static str; 8],
    extreme: [&'static str; 3],
}

const POSITIVE: Lexicon = Lexicon {
    strong: ["精彩", "完美", "了不起", "幸福", "出色", "美好", "激动人心", "让人开心"],
    weak: ["不错", "顺利", "舒服", "有意思", "合适", "轻松", "靠谱", "好"],
    extreme: ["简直太", "实在太", "真是非常"],
};
const NEGATIVE: Lexicon = Lexicon {
    strong: ["糟糕", "可怕", "恶心", "绝望", "讨厌", "气人", "残忍", "让人崩溃"],
    weak: ["无聊", "麻烦", "别扭", "失望", "奇怪", "难受", "马虎", "差"],
    extreme: ["简直太", "实在太", "真是非常"],
};
/// Before a strong word.
const PLAINLY: [&str; 3] = ["真", "很", "太"];
/// Before a weak word, graded up.
const QUITE: [&str; 2] = ["比较", "挺"];
/// Before a weak word.
const WEAKLY: [&str; 2] = ["还算", "是"];
/// Before a weak word, toned down.
const SLIGHTLY: [&str; 2] = ["有点", "稍微有些"];

const OPENERS: [&str; 6] = ["那个", "其实", "嗯", "我跟你说", "好", "然后"];
const FACTS: [&str; 14] = [
    "我{time}去了{place}",
    "他{time}要开会",
    "我们先去{place}",
    "你把东西放在{place}",
    "她住在{place}旁边",
    "我们{time}见面",
    "他从{place}回来",
    "钥匙在桌子上",
    "一共有三个人",
    "我已经告诉他了",
    "车停在{place}",
    "她{time}打过电话",
    "他在{place}等我",
    "火车{time}到",
];
const TIMES: [&str; 6] = ["昨天", "今天下午", "明天", "上周", "晚上", "八点"];
const PLACES: [&str; 6] = ["公司", "学校", "医院", "家里", "车站", "北京"];

pub(super) fn sentence(draw: &mut Draw, force: Option<Force>, is_positive: bool) -> String {
    let Some(force) = force else {
        let first = fact(draw);
        return match draw.below(3) {
            0 => format!("{}{first}", draw.word(&OPENERS)),
            1 => first,
            _ => joined(draw, &first, None),
        };
    };
    let clause = clause(draw, force, is_positive);
    match draw.below(4) {
        0 => clause,
        1 => format!("{}{clause}", draw.word(&OPENERS)),
        2 => {
            let fact = fact(draw);
            joined(draw, &fact, Some(&clause))
        }
        _ => joined(draw, &clause, None),
    }
}

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
    // As in the corpus, some transcripts have an ASCII comma.
    let link = draw.word(&["，", "，", ","]);
    format!("{first}{link}{second}")
}

fn fact(draw: &mut Draw) -> String {
    draw.word(&FACTS).replace("{time}", draw.word(&TIMES)).replace("{place}", draw.word(&PLACES))
}

fn clause(draw: &mut Draw, force: Force, is_positive: bool) -> String {
    let (words, opposite) = if is_positive { (&POSITIVE, &NEGATIVE) } else { (&NEGATIVE, &POSITIVE) };
    let subject = draw.word(&SUBJECTS);
    match force {
        Force::Extreme => format!("{subject}{}{}了", draw.word(&words.extreme), draw.word(&words.strong)),
        Force::Very => format!("{subject}非常{}", draw.word(&words.strong)),
        Force::Strong => format!("{subject}{}{}", draw.word(&PLAINLY), draw.word(&words.strong)),
        Force::Quite => format!("{subject}{}{}", draw.word(&QUITE), draw.word(&words.weak)),
        Force::Weak => format!("{subject}{}{}的", draw.word(&WEAKLY), draw.word(&words.weak)),
        Force::Slight if draw.chance(0.4) => format!("{subject}不太{}", draw.word(&opposite.weak[1..])),
        Force::Slight => format!("{subject}{}{}", draw.word(&SLIGHTLY), draw.word(&words.weak)),
    }
}
