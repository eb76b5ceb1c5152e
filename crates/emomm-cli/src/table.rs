//! Predictions as a table for people.

use std::fmt::Write;

use emomm_dataset::{Modality, Sentiment};
use emomm_eval::Prediction;

/// One line for each coalition: tokens, logits, letter, label and, if recorded, where the attention went.
pub(crate) fn predictions(predictions: &[Prediction]) -> String {
    let mut out = String::new();
    let attention = predictions.iter().any(|p| p.attention.is_some());
    let generated = predictions.iter().any(|p| p.reply.is_some());
    out.push_str("coalition  tokens T    A     V  other    logit A      B      C      D      E  letter  label          ");
    if attention {
        out.push_str("  attention T     A     V  per token T       A       V");
    }
    if generated {
        out.push_str("  reply");
    }
    trim_line(&mut out);
    for p in predictions {
        let _ = write!(out, "{:<9}  ", p.coalition);
        match &p.tokens {
            Some(t) => {
                let _ = write!(out, "{:>8} {:>4} {:>5}  {:>5}", t.text, t.audio, t.video, t.other);
            }
            None => out.push_str(&" ".repeat(26)),
        }
        out.push_str("    ");
        match p.letter_logits {
            Some(logits) => logits.iter().for_each(|l| {
                let _ = write!(out, "{l:>7.3}");
            }),
            None => out.push_str(&" ".repeat(35)),
        }
        let _ = write!(out, "  {:<6}", p.letter.map(String::from).unwrap_or_default());
        let _ = write!(out, "  {:<15}", p.label.map(Sentiment::name).unwrap_or_default());
        if let Some(attention) = &p.attention {
            out.push_str("       ");
            for m in Modality::ALL {
                let share = attention.mass.get(m).as_deref().map(|t| mean(t) * 100.0);
                let _ = write!(out, " {:>5}", share.map_or_else(|| "-".to_owned(), |s| format!("{s:.1}%")));
            }
            out.push_str("      ");
            for m in Modality::ALL {
                let density = attention.nmas.get(m).as_deref().map(mean);
                let _ = write!(out, " {:>7}", density.map_or_else(|| "-".to_owned(), |d| format!("{d:.5}")));
            }
        }
        if let Some(reply) = &p.reply {
            let _ = write!(out, "  {:?}", reply.reply);
        }
        trim_line(&mut out);
    }
    out
}

/// Mean over layers and heads.
fn mean(table: &[Vec<f32>]) -> f64 {
    let values: Vec<f64> = table.iter().flatten().map(|v| f64::from(*v)).collect();
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn trim_line(out: &mut String) {
    out.truncate(out.trim_end_matches(' ').len());
    out.push('\n');
}
