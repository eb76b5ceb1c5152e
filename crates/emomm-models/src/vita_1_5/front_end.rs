//! VITA-1.5 as a front end of the shared predictor.

use std::path::Path;

use candle_core::Tensor;
use emomm_eval::MediaRecord;
use emomm_eval::prompt::Prompt;
use emomm_media::RgbImage;

use super::chat::{MediaTokens, prompt_row, render};
use super::outline::{MOST_SECONDS, grid, sound, used, visual_tokens};
use super::processor::{frame_indices, patchify, visible};
use super::{SHUFFLE, Vita};
use crate::decoder::Decoder;
use crate::error::{ModelError, Result};
use crate::front_end::{Encoded, Evidence, FrontEnd, MediaReader};
use crate::media_cache::MediaCache;
use crate::picture::Viewer;
use crate::prompt_tree::PromptRow;

/// Name of the frame rule in records.
const SAMPLING: &str = "vita";

impl FrontEnd for Vita {
    fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    fn folder(&self) -> &Path {
        self.folder()
    }

    fn letters(&self) -> [u32; 5] {
        self.tokenizer.letters
    }

    fn spaced_letters(&self) -> [Option<u32>; 5] {
        self.tokenizer.spaced_letters
    }

    fn stop_tokens(&self) -> &[u32] {
        &self.tokenizer.stop
    }

    fn text(&self, ids: &[u32]) -> Result<String> {
        self.tokenizer.decode(ids)
    }

    fn patches_per_side(&self) -> usize {
        SHUFFLE
    }

    fn max_tokens(&self) -> usize {
        self.config.max_tokens
    }

    fn see(&self, reader: &MediaReader, video: &Path) -> Result<Encoded> {
        let ffmpeg = reader.ffmpeg()?;
        let scan = reader.scan(video)?;
        let indices = frame_indices(scan.total_frames(), scan.avg_fps);
        let tokens = indices.len() * self.tokens_of_frame();
        if tokens > self.config.max_tokens {
            let message = format!(
                "{}: {} frames make {tokens} video tokens, expected at most {}",
                video.display(),
                indices.len(),
                self.config.max_tokens
            );
            return Err(ModelError::request(message, "cut the clip into shorter ones"));
        }
        let vit = &self.config.vision;
        let mut patches = Vec::with_capacity(indices.len() * vit.patches() * vit.patch_dim());
        let shown_height = reader.picture.subtitles.visible_height(scan.height);
        let side = vit.side() / SHUFFLE;
        let mut viewer = Viewer::new(&reader.picture, video, &indices, (side, side))?.seeing(visible(
            scan.width,
            shown_height,
            vit,
        ));
        let complaints = reader.frames(video, &scan, &indices, |frame| {
            patches.extend(patchify(&viewer.show(frame), vit));
        })?;
        // A token covers one frame.
        let person = viewer.person_tokens(1);
        let mut warnings = scan.warnings;
        warnings.extend(complaints.into_iter().filter(|c| !warnings.contains(c)).collect::<Vec<_>>());
        warnings.extend(person.complaint(video));
        let record = MediaRecord {
            frame_times: Some(indices.iter().map(|i| scan.times_seconds[*i]).collect()),
            frame_size: Some([vit.image_size; 2]),
            sampling: Some(SAMPLING.to_owned()),
            picture: reader.picture.record(&person),
            ffmpeg: Some(ffmpeg.version().to_owned()),
            warnings,
            ..MediaRecord::default()
        };
        let grid = grid(&self.config, indices.len());
        debug_assert_eq!(visual_tokens(grid), tokens);
        let embeddings = self.encode_video(&patches)?;
        let encoded = Encoded::whole(embeddings, Some(grid), record);
        Ok(encoded.reading_person(reader.picture.person.as_ref().map(|p| p.reading), &person)?)
    }

    fn hear(&self, reader: &MediaReader, audio: &Path) -> Result<Encoded> {
        let rate = self.config.sample_rate_hz;
        let ffmpeg = reader.ffmpeg()?;
        let waveform = sound(&self.config, reader, audio)?;
        let shown = used(&self.config, &waveform);
        let mut warnings = waveform.warnings.clone();
        if shown.len() < waveform.samples.len() {
            warnings.push(format!("{}: sound cut to the first {MOST_SECONDS:.1} s", audio.display()));
        }
        let features = self.features(shown)?;
        let record = MediaRecord {
            audio_seconds: Some(shown.len() as f64 / f64::from(rate)),
            ffmpeg: Some(ffmpeg.version().to_owned()),
            warnings,
            ..MediaRecord::default()
        };
        let embeddings = self.encode_audio(&features).map_err(|e| e.in_file(audio))?;
        Ok(Encoded::whole(embeddings, None, record))
    }

    fn look_ahead(&self, reader: &MediaReader, video: &Path) -> Result<()> {
        let scan = reader.scan(video)?;
        let indices = frame_indices(scan.total_frames(), scan.avg_fps);
        if MediaCache::keeps(&scan, indices.len()) {
            reader.frames(video, &scan, &indices, drop)?;
        }
        Ok(())
    }

    fn listen_ahead(&self, reader: &MediaReader, audio: &Path) -> Result<()> {
        sound(&self.config, reader, audio).map(drop)
    }

    fn blank_token(&self) -> Result<u32> {
        self.tokenizer.blank()
    }

    fn black(&self, like: &Encoded) -> Result<Tensor> {
        let vit = &self.config.vision;
        let side = vit.image_size;
        let black = patchify(&RgbImage::new(side, side, vec![0; side * side * 3])?, vit);
        self.encode_video(&black.repeat(like.grid.map_or(0, |g| g.t)))
    }

    fn silence(&self, like: &Encoded) -> Result<Tensor> {
        let samples = like.record.audio_seconds.unwrap_or(0.0) * f64::from(self.config.sample_rate_hz);
        self.encode_audio(&self.features(&vec![0.0; samples.round() as usize])?)
    }

    fn render(&self, prompt: &Prompt) -> String {
        render(prompt, self.config.settings)
    }

    fn row(&self, prompt: &Prompt, evidence: Evidence<'_>) -> Result<PromptRow> {
        // All tokens of the grid, though embeddings may be left of a part of them.
        let video = evidence.video.and_then(|v| v.grid).map_or(0, visual_tokens);
        let audio = evidence.audio.map_or(Ok(0), |sound| sound.embeddings.dim(0))?;
        let media = MediaTokens { video, audio };
        prompt_row(prompt, &self.tokenizer, media, self.config.settings)
    }
}
