//! Tables 7 and 8 of the paper in shape: can attention budgets like the printed ones come of Eq. (12) and (13) at all?
//!
//! The paper does not say what a budget is. If it is the mean share of nMAS over all 28 heads, of which four move to π̂ with η = 0.6
//! at p = 0.9, then each printed pair of rows implies one gate. These gates must be distributions, and the biases of this crate
//! must lead from the first row to the second. The literal softmax of nMAS cannot: its budgets are nearly even.

use emomm_chase::{PreferenceForm, PreferenceOptions, inter_bias};

/// Heads of the model, and K.
const HEADS: (f64, f64) = (28.0, 4.0);
/// η p
const STRENGTH: f64 = 0.6 * 0.9;
/// Four decimals are printed, and one row sums to 1.0004.
const PRINTED: f64 = 5e-4;

type Row = [f64; 3];

/// T, A, V before and after, in the layers 13, 17, 21, 26 and 28.
const CONFLICT: [[Row; 2]; 5] = [
    [[0.7436, 0.2319, 0.0245], [0.7069, 0.2470, 0.0461]],
    [[0.8324, 0.1584, 0.0092], [0.7875, 0.1802, 0.0323]],
    [[0.8555, 0.1356, 0.0089], [0.8039, 0.1633, 0.0328]],
    [[0.7032, 0.2842, 0.0126], [0.6582, 0.3047, 0.0370]],
    [[0.8300, 0.1481, 0.0220], [0.7758, 0.1751, 0.0495]],
];
const MISSING: [[Row; 2]; 5] = [
    [[0.9809, 0.0, 0.0191], [0.9347, 0.0, 0.0653]],
    [[0.9861, 0.0, 0.0139], [0.9389, 0.0, 0.0611]],
    [[0.9895, 0.0, 0.0105], [0.9415, 0.0, 0.0585]],
    [[0.9641, 0.0, 0.0359], [0.9216, 0.0, 0.0784]],
    [[0.9888, 0.0, 0.0112], [0.9515, 0.0, 0.0485]],
];

/// The gate that a pair of rows implies: after = (1 − λ) before + λ g with λ = K η p / H.
fn implied_gate([before, after]: [Row; 2]) -> Row {
    let lambda = HEADS.1 / HEADS.0 * STRENGTH;
    [0, 1, 2].map(|m| (after[m] - (1.0 - lambda) * before[m]) / lambda)
}

/// The budget after K heads like the mean one are steered by the biases of Eq. (13), γ = 1 and ε_a = 0.
fn steered(before: Row, gate: Row) -> Row {
    let present = before.map(|share| share > 0.0);
    let bias = inter_bias(before, gate, STRENGTH, 0.0, present);
    let weighted = [0, 1, 2].map(|m| before[m] * bias[m].exp());
    let sum: f64 = weighted.iter().sum();
    [0, 1, 2].map(|m| ((HEADS.0 - HEADS.1) * before[m] + HEADS.1 * weighted[m] / sum) / HEADS.0)
}

#[test]
fn the_printed_budgets_imply_gates_and_follow_from_them() {
    for (at, rows) in CONFLICT.into_iter().chain(MISSING).enumerate() {
        let gate = implied_gate(rows);
        let slack = 28.0 / 4.0 / STRENGTH * PRINTED;
        assert!(gate.iter().all(|g| (-slack..=1.0 + slack).contains(g)), "row {at}: {gate:?}");
        assert!((gate.iter().sum::<f64>() - 1.0).abs() < slack, "row {at}: {gate:?}");
        let after = steered(rows[0], gate);
        for m in 0..3 {
            assert!((after[m] - rows[1][m]).abs() < PRINTED, "row {at}: {after:?}, expected {:?}", rows[1]);
        }
    }
}

/// In the case with a missing sound the implied gates lean on the video; in the other they put the sound first, though only
/// the video is right: a fact about the printed figures, not about this program.
#[test]
fn the_implied_gates_are_those_of_the_design() {
    for rows in MISSING {
        let [text, audio, video] = implied_gate(rows);
        assert!((0.45..0.65).contains(&video) && audio.abs() < 0.01 && text > 0.3, "{text} {audio} {video}");
    }
    for rows in CONFLICT {
        let [_, audio, video] = implied_gate(rows);
        assert!(audio > video && (0.25..0.45).contains(&video), "{audio} {video}");
    }
}

#[test]
fn the_literal_softmax_gives_no_such_budgets() {
    let literal = PreferenceOptions { form: PreferenceForm::SoftmaxRaw, temperature: 1.0 };
    // Means of attention over some hundred tokens of a modality.
    let nmas = [3e-3, 1e-3, 1e-4];
    let found = literal.of_scores(nmas, [0.3, 0.1, 0.05], [true; 3], 800);
    assert!(found.iter().all(|share| (share - 1.0 / 3.0).abs() < 1e-3), "{found:?}");
    let share = PreferenceOptions::default().of_scores(nmas, [0.3, 0.1, 0.05], [true; 3], 800);
    assert!(share[0] > 0.7 && share[2] < 0.03, "{share:?}");
}
