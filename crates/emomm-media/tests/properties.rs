//! Laws that hold for every clip.

use emomm_media::{FrameSampling, SamplingMode, resample, sample_frames};
use proptest::prelude::*;

proptest! {
    #[test]
    fn sampled_frames_are_in_order_and_even(
        total in 1usize..60_000,
        avg_fps in 0.1f64..240.0,
        fps in 0.1f64..30.0,
        min_frames in 1usize..20,
        more_frames in 0usize..800,
        by_time in any::<bool>(),
    ) {
        // Times are only made for shorter clips.
        let by_time = by_time && total < 2000;
        let mode = if by_time { SamplingMode::Time } else { SamplingMode::Qwen };
        let max_frames = min_frames + more_frames;
        let sampling = FrameSampling { mode, fps, min_frames, max_frames, frame_factor: 2 };
        let pts: Vec<f64> =
            if by_time { (0..total).map(|i| (i as f64 / avg_fps).powf(1.3)).collect() } else { Vec::new() };
        match sample_frames(total, avg_fps, &pts, &sampling) {
            Ok(chosen) => {
                prop_assert!(chosen.is_sorted());
                prop_assert_eq!(chosen[0], 0);
                prop_assert_eq!(chosen[chosen.len() - 1], total - 1);
                prop_assert_eq!(chosen.len() % 2, 0);
                prop_assert!(chosen.len() <= max_frames.min(total));
                prop_assert_eq!(chosen.len(), sampling.frame_count(total, avg_fps).expect("a count"));
            }
            Err(_) => prop_assert!(total < 2 || max_frames < 2),
        }
    }

    #[test]
    fn resampled_length_is_rounded_up(n in 0usize..300, from_hz in 1000u32..50_000, to_hz in 1000u32..50_000) {
        let resampled = resample(&vec![0.1; n], from_hz, to_hz);
        let expected = (n as u64 * u64::from(to_hz)).div_ceil(u64::from(from_hz));
        prop_assert_eq!(resampled.len() as u64, expected);
        prop_assert!(resampled.iter().all(|sample| sample.is_finite() && sample.abs() < 0.2));
    }
}
