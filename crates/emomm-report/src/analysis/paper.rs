//! The paper's own figures, to stand beside ours as a labelled reference: Tables 1, 2 and 6, and what the text says of
//! Figures 3 and 9.
//!
//! They were measured on other clips with other weights than a synthetic run's; a reference, no target.

/// A row of Table 1. Acc and F1 in percent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PaperRow {
    /// The model as the paper names it.
    pub model: &'static str,
    /// Acc, F1, MAE on Overall, Align, Conflict and Missing.
    pub figures: [[f64; 3]; 4],
}

/// Table 1.
#[expect(clippy::approx_constant, reason = "an error of 0.318 is no 1/π")]
pub const TABLE_1: [PaperRow; 8] = [
    PaperRow {
        model: "Video-LLaMA2.1-7B-AV",
        figures: [[22.46, 21.33, 0.579], [23.94, 21.12, 0.611], [25.84, 20.60, 0.527], [21.55, 21.52, 0.587]],
    },
    PaperRow {
        model: "MiniCPM-o 2.6-8B",
        figures: [[26.09, 15.06, 0.781], [27.59, 15.61, 0.723], [26.37, 14.47, 0.751], [25.86, 15.13, 0.794]],
    },
    PaperRow {
        model: "Video-SALMONN 2-7B",
        figures: [[41.47, 38.30, 0.380], [49.05, 43.94, 0.318], [41.25, 37.70, 0.367], [40.65, 37.78, 0.390]],
    },
    PaperRow {
        model: "Qwen2.5-Omni-7B",
        figures: [[44.53, 36.24, 0.384], [52.09, 44.28, 0.270], [46.47, 39.76, 0.356], [43.27, 34.55, 0.403]],
    },
    PaperRow {
        model: "Qwen2.5-Omni-7B + CHASE",
        figures: [[49.96, 39.87, 0.326], [53.23, 39.61, 0.256], [51.32, 46.47, 0.302], [49.30, 38.42, 0.339]],
    },
    PaperRow {
        model: "VITA-1.5-8B",
        figures: [[44.48, 43.83, 0.327], [53.05, 53.47, 0.277], [47.80, 47.18, 0.319], [42.80, 41.99, 0.335]],
    },
    PaperRow {
        model: "VITA-1.5-8B + CHASE",
        figures: [[49.56, 48.44, 0.291], [53.82, 54.23, 0.274], [52.96, 51.53, 0.292], [48.34, 47.12, 0.293]],
    },
    PaperRow {
        model: "Gemini 3 Pro",
        figures: [[56.41, 53.58, 0.236], [59.85, 59.07, 0.191], [56.23, 51.16, 0.236], [56.06, 53.47, 0.241]],
    },
];

/// Table 2: variant, Acc, F1 (percent) and MAE on Conflict, for Qwen2.5-Omni.
pub const TABLE_2: [(&str, [f64; 3]); 5] = [
    ("Full CHASE", [51.32, 46.47, 0.302]),
    ("w/o Router (Random Steering)", [45.63, 41.13, 0.362]),
    ("w/o Inter-modality Bias", [48.10, 43.15, 0.320]),
    ("w/o Intra-modality Bias", [50.15, 46.50, 0.298]),
    ("Original Baseline", [46.47, 39.76, 0.356]),
];

/// Table 6: split, conflict detection recall, target-modality top-1, joint success rate at τ = 0.7.
pub const TABLE_6: [(&str, [f64; 3]); 2] =
    [("valid", [0.9024, 0.7716, 0.7018]), ("test", [0.8965, 0.7790, 0.7055])];

/// Accuracy lost by T, A and V alone between Align and Conflict (Sec. 4.2), in percent.
pub const DROP_OF_SINGLES: [f64; 3] = [10.4, 9.8, 16.0];

/// What the paper prints as percent with two decimals at most, as a share: the double nearest to it.
pub fn share(percent: f64) -> f64 {
    (percent * 100.0).round() / 10_000.0
}

/// Share of the video in PSMV on Align and on Conflict (Sec. 4.2).
pub const VIDEO_SHARE: [f64; 2] = [0.333, 0.208];

/// GTAR of T and V that the text states (App. C.1): Missing-Conflict, then Conflict.
pub const GTAR: [[f64; 2]; 2] = [[0.806, 0.578], [0.857, 0.706]];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_have_the_digits_that_are_printed() {
        let words = [22.46, 38.30, 39.76, 10.4, 100.0].map(|percent| share(percent).to_string());
        assert_eq!(words, ["0.2246", "0.383", "0.3976", "0.104", "1"]);
    }
}
