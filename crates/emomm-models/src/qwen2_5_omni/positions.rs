//! TMRoPE: time-aligned multimodal rotary positions of Qwen2.5-Omni, as a pure function on integers.
//!
//! Video and audio stand side by side (the paper's case: separate audio, muted video), so audio begins after the
//! greatest id of the video and the two are not aligned in time.

use crate::decoder::Positions;
use crate::vision::Grid;

/// Frame rate from which the published processor computes the time of a patch, whatever the true sampling rate was; the
/// model was trained this way.
const PROCESSOR_FPS: f64 = 2.0;

/// Seconds between two temporal patches.
pub fn seconds_per_grid(temporal_patch_size: usize) -> f64 {
    temporal_patch_size as f64 / PROCESSOR_FPS
}

/// A run of tokens of one kind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Run {
    /// Text tokens and single markers.
    Text(usize),
    /// Audio tokens, one id for each 40 ms.
    Audio(usize),
    /// Video tokens of a grid of patches; `merge` patches square become one token.
    Video {
        /// The grid, before merging.
        grid: Grid,
        /// Side of a merge group.
        merge: usize,
        /// Seconds between temporal patches.
        seconds_per_grid: f64,
    },
}

/// Assigns positions to a prompt: each run starts one after the greatest id so far.
pub fn tmrope(runs: &[Run], position_id_per_seconds: u32) -> Positions {
    let mut triples: Vec<[u32; 3]> = Vec::new();
    let mut next = 0;
    for run in runs {
        let before = triples.len();
        match *run {
            Run::Text(n) | Run::Audio(n) => triples.extend((next..).take(n).map(|p| [p; 3])),
            Run::Video { grid, merge, seconds_per_grid } => {
                for t in 0..grid.t {
                    // The reference multiplies in f32 and truncates.
                    let time = t as f32 * seconds_per_grid as f32 * position_id_per_seconds as f32;
                    for y in 0..grid.h / merge {
                        for x in 0..grid.w / merge {
                            triples.push([next + time as u32, next + y as u32, next + x as u32]);
                        }
                    }
                }
            }
        }
        next = triples[before..].iter().flatten().max().map_or(next, |m| m + 1);
    }
    Positions::new(triples)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The worked example of the reference: 3 text tokens, a marker, a video of 5 × 4 × 6 patches, markers, audio.
    #[test]
    fn separate_audio_begins_after_the_video() {
        let grid = Grid { t: 5, h: 4, w: 6 };
        let video = Run::Video { grid, merge: 2, seconds_per_grid: seconds_per_grid(2) };
        let runs =
            [Run::Text(3), Run::Text(1), video, Run::Text(1), Run::Text(1), Run::Audio(125), Run::Text(1)];
        let positions = tmrope(&runs, 25);
        let ids = positions.as_slice();
        let times: Vec<u32> = ids[4..34].iter().step_by(6).map(|p| p[0]).collect();
        assert_eq!(times, [4, 29, 54, 79, 104]);
        assert_eq!(ids[4..10].iter().map(|p| p[1]).collect::<Vec<_>>(), [4, 4, 4, 5, 5, 5]);
        assert_eq!(ids[4..10].iter().map(|p| p[2]).collect::<Vec<_>>(), [4, 5, 6, 4, 5, 6]);
        assert_eq!(ids[34], [105; 3]);
        assert_eq!(ids[35], [106; 3]);
        assert_eq!((ids[36], ids[160]), ([107; 3], [231; 3]));
        assert_eq!(ids[161], [232; 3]);
    }

    #[test]
    fn text_alone_counts_up() {
        assert_eq!(tmrope(&[Run::Text(4)], 25), Positions::sequential(0, 4));
    }

    #[test]
    fn a_wide_flat_video_moves_on_by_its_width() {
        let grid = Grid { t: 1, h: 2, w: 20 };
        let runs = [Run::Video { grid, merge: 2, seconds_per_grid: 1.0 }, Run::Text(1)];
        assert_eq!(tmrope(&runs, 25).as_slice().last(), Some(&[10; 3]));
    }
}
