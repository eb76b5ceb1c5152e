//! Withheld modalities that keep their places in the prompt, against `tests/golden/missing`: a 4D attention mask, and blank
//! contents, for all eight coalitions.
//!
//! Tolerance: 1e-4 on logits and embeddings, as without. Leaving tokens out is exactly a mask; what remains is the order of sums.

use std::collections::HashMap;
use std::path::PathBuf;

use candle_core::Tensor;
use emomm_dataset::{Modality, ModalitySet};
use emomm_eval::MediaRecord;
use emomm_models::decoder::Prefill;
use emomm_models::front_end::{Encoded, FrontEnd, Regions};
use emomm_models::prompt_tree::{MediaEmbeddings, PromptRow, embed, token_floor, walk};
use emomm_models::withheld::Withhold;

use super::cases::{Case, device, max_difference};
use super::vita;

const SAME: f32 = 1e-4;

fn reference(case: &str) -> HashMap<String, Tensor> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/missing");
    candle_core::safetensors::load(folder.join(format!("{case}.safetensors")), &device()).unwrap()
}

/// What a coalition lacks.
fn lacking(coalition: ModalitySet) -> ModalitySet {
    ModalitySet::FULL.iter().filter(|m| !coalition.contains(*m)).collect()
}

/// The whole prompt under every coalition.
fn rows(whole: &PromptRow, how: Withhold) -> Vec<PromptRow> {
    ModalitySet::ALL.iter().map(|c| whole.withholding(lacking(*c), how)).collect()
}

/// Real media, and the blank ones behind them.
fn with_blank(real: &MediaEmbeddings, silence: &Tensor, black: &Tensor) -> MediaEmbeddings {
    let joined = |real: Option<&Tensor>, blank: &Tensor| Tensor::cat(&[real.unwrap(), blank], 0).unwrap();
    MediaEmbeddings {
        audio: Some(joined(real.audio.as_ref(), silence)),
        video: Some(joined(real.video.as_ref(), black)),
    }
}

fn encoded(embeddings: &Tensor, case: &Case) -> Encoded {
    let (_, shape) = case.media();
    let seconds = case.waveform.samples.len() as f64 / f64::from(case.waveform.sample_rate_hz);
    let record = MediaRecord { audio_seconds: Some(seconds), ..MediaRecord::default() };
    Encoded {
        embeddings: embeddings.clone(),
        grid: shape.grid,
        kept: None,
        suppressed: Vec::new(),
        regions: Regions::default(),
        record,
    }
}

fn check(case: &Case, rows: &[PromptRow], media: &MediaEmbeddings, kind: &str) {
    let expected = reference(case.name);
    let decoder = &case.model.decoder;
    let mut leaves = 0;
    let mut leaf = |i: usize, prefill: &Prefill| {
        leaves += 1;
        let (coalition, row) = (ModalitySet::ALL[i], &rows[i]);
        assert_eq!(prefill.len() + 1, row.tokens.len());
        let token = embed(decoder, &[row.decision_token()], media)?;
        let decision = decoder.decide(prefill, &token, row.decision_position(), None)?;
        let theirs = &expected[&format!("{kind}.{coalition}.logits")];
        let difference = max_difference(&decision.logits.get(0)?, theirs);
        assert!(difference < SAME, "{} {kind} {coalition}: logits differ by {difference}", case.name);
        Ok(())
    };
    let cost = walk(decoder, rows, media, &mut leaf).unwrap();
    assert_eq!(leaves, 8);
    assert_eq!(cost.read + rows.len(), token_floor(rows), "{} {kind}", case.name);
}

#[test]
fn a_masked_modality_is_what_a_4d_mask_makes_of_it() {
    for case in Case::all() {
        let (_, shape) = case.media();
        let whole = &case.rows(&shape)[7];
        let theirs: Vec<i64> = reference(case.name)["text_tokens"].to_vec1().unwrap();
        let of_transcript =
            |at: &usize| whole.layout.class(*at) == Some(Modality::Text) || whole.layout.straddles(*at);
        let ours: Vec<i64> = (0..whole.tokens.len()).filter(of_transcript).map(|at| at as i64).collect();
        assert_eq!(ours, theirs, "{}", case.name);
        check(&case, &rows(whole, Withhold::Mask), &case.reference_media(), "mask");
    }
}

#[test]
fn a_blank_modality_is_what_black_frames_silence_and_spaces_make_of_it() {
    for case in Case::all() {
        let expected = reference(case.name);
        let (_, shape) = case.media();
        let whole = &case.rows(&shape)[7];
        let real = case.reference_media();
        let black = case.model.black(&encoded(real.video.as_ref().unwrap(), &case)).unwrap();
        let silence = case.model.silence(&encoded(real.audio.as_ref().unwrap(), &case)).unwrap();
        for (ours, what) in [(&black, "blank_video_embeddings"), (&silence, "blank_audio_embeddings")] {
            let difference = max_difference(ours, &expected[what]);
            assert!(difference < SAME, "{}: {what} differ by {difference}", case.name);
        }
        let token = case.model.blank_token().unwrap();
        assert_eq!(vec![i64::from(token)], expected["blank_token"].to_vec1::<i64>().unwrap());
        let media = with_blank(&real, &silence, &black);
        check(&case, &rows(whole, Withhold::Blank { token }), &media, "blank");
    }
}

/// The other family: what is masked is gone, what is blank has the length of its own, nothing moves, and both are what
/// transformers' decoder makes of a mask and of blank inputs.
#[test]
fn the_other_family_withholds_alike() {
    for name in vita::CASES {
        let case = vita::Case::open(name);
        let media = case.media();
        let whole = &case.rows(&media)[7];
        let token = case.model.blank_token().unwrap();
        let of = |x: Option<&Tensor>, grid, seconds| Encoded {
            embeddings: x.unwrap().clone(),
            grid,
            kept: None,
            suppressed: Vec::new(),
            regions: Regions::default(),
            record: MediaRecord { audio_seconds: Some(seconds), ..MediaRecord::default() },
        };
        let black = case.model.black(&of(media.video.as_ref(), Some(case.grid()), 0.0)).unwrap();
        let silence = case.model.silence(&of(media.audio.as_ref(), None, case.seconds())).unwrap();
        for (ours, what) in [(&black, "blank_video_embeddings"), (&silence, "blank_audio_embeddings")] {
            let difference = max_difference(ours, case.expect(what));
            assert!(difference < SAME, "{name}: {what} differ by {difference}");
        }
        let decoder = &case.model.decoder;
        let both = with_blank(&media, &silence, &black);
        for (how, kind) in [(Withhold::Mask, "mask"), (Withhold::Blank { token }, "blank")] {
            let rows = rows(whole, how);
            let mut leaf = |i: usize, prefill: &Prefill| {
                let (row, coalition) = (&rows[i], ModalitySet::ALL[i]);
                let token = embed(decoder, &[row.decision_token()], &both)?;
                let decision = decoder.decide(prefill, &token, row.decision_position(), None)?;
                let theirs = case.expect(&format!("{kind}.{coalition}.logits"));
                let difference = max_difference(&decision.logits.get(0)?, theirs);
                assert!(difference < SAME, "{name} {kind} {coalition}: {difference}");
                assert_eq!(row.decision_position(), whole.decision_position());
                Ok(())
            };
            walk(decoder, &rows, &both, &mut leaf).unwrap();
            let of_whole = rows.iter().filter(|row| row.tokens.len() == whole.tokens.len()).count();
            assert_eq!(of_whole, if how == Withhold::Mask { 1 } else { 8 });
        }
    }
}
