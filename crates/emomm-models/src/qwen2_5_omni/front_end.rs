//! Qwen2.5-Omni as a front end of the shared predictor.

use std::path::Path;

use candle_core::Tensor;
use emomm_eval::MediaRecord;
use emomm_eval::prompt::Prompt;
use emomm_media::{FloatImage, Waveform};

use super::Omni;
use super::chat::{MediaShape, prompt_row, render};
use super::outline::{chosen, scaled, sound};
use super::processor::{log_mel, patchify};
use crate::decoder::Decoder;
use crate::error::{ModelError, Result};
use crate::front_end::{Encoded, Evidence, FrontEnd, MediaReader};
use crate::media_cache::MediaCache;
use crate::picture::Viewer;
use crate::prompt_tree::PromptRow;
use crate::vision::Grid;

impl FrontEnd for Omni {
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
        self.config.vision.spatial_merge_size
    }

    fn max_tokens(&self) -> usize {
        self.config.max_tokens
    }

    fn see(&self, reader: &MediaReader, video: &Path) -> Result<Encoded> {
        let settings = &self.processor.video;
        let ffmpeg = reader.ffmpeg()?;
        let (scan, indices) = chosen(&self.processor, reader, video)?;

        // The grid is known before a frame is decoded: a clip that can never fit is refused here.
        let (scale, grid) = scaled(&self.config, &self.processor, reader, &scan, indices.len(), video)?;
        let merge = self.config.vision.spatial_merge_size;
        let mut viewer = Viewer::new(&reader.picture, video, &indices, (grid.h / merge, grid.w / merge))?;
        let tokens = grid.patches() / self.config.vision.merge_unit();
        if tokens > self.config.max_tokens {
            let message = format!(
                "{}: {} frames make {tokens} video tokens, expected at most {} (`max_position_embeddings`)",
                video.display(),
                indices.len(),
                self.config.max_tokens
            );
            return Err(ModelError::request(message, "cut the clip into shorter ones"));
        }

        let mut frames = Vec::with_capacity(indices.len());
        let complaints = reader.frames(video, &scan, &indices, |frame| {
            frames.push(scale.apply(&viewer.show(frame)));
        })?;
        let person = viewer.person_tokens(self.config.vision.temporal_patch_size);
        let patches = patchify(&frames, &self.processor, &self.config.vision)?;
        drop(frames);
        let mut warnings = scan.warnings;
        warnings.extend(complaints.into_iter().filter(|c| !warnings.contains(c)).collect::<Vec<_>>());
        warnings.extend(person.complaint(video));
        let (min_pixels, max_pixels) = settings.frame_bounds(indices.len());
        let record = MediaRecord {
            frame_times: Some(indices.iter().map(|i| scan.times_seconds[*i]).collect()),
            frame_size: Some(patches.frame_size),
            frame_pixel_bounds: Some([min_pixels, max_pixels]),
            sampling: Some(reader.sampling.name().to_owned()),
            picture: reader.picture.record(&person),
            ffmpeg: Some(ffmpeg.version().to_owned()),
            warnings,
            ..MediaRecord::default()
        };
        let encoded = Encoded::whole(self.encode_video(&patches)?, Some(patches.grid), record);
        Ok(encoded.reading_person(reader.picture.person.as_ref().map(|p| p.reading), &person)?)
    }

    fn hear(&self, reader: &MediaReader, audio: &Path) -> Result<Encoded> {
        let rate = self.processor.sample_rate_hz;
        let ffmpeg = reader.ffmpeg()?;
        let used_seconds = self.processor.max_samples as f64 / f64::from(rate);
        let waveform = sound(&self.processor, reader, audio)?;
        let mel = log_mel(&waveform, &self.processor)?;
        let mut warnings = waveform.warnings;
        let have = waveform.samples.len();
        if have > self.processor.max_samples {
            warnings.push(format!("{}: sound cut to the first {used_seconds:.1} s", audio.display()));
        }
        let record = MediaRecord {
            audio_seconds: Some(have.min(self.processor.max_samples) as f64 / f64::from(rate)),
            ffmpeg: Some(ffmpeg.version().to_owned()),
            warnings,
            ..MediaRecord::default()
        };
        let embeddings = self.encode_audio(&mel.data, mel.n_frames).map_err(|e| e.in_file(audio))?;
        Ok(Encoded::whole(embeddings, None, record))
    }

    fn look_ahead(&self, reader: &MediaReader, video: &Path) -> Result<()> {
        let (scan, indices) = chosen(&self.processor, reader, video)?;
        if MediaCache::keeps(&scan, indices.len()) {
            reader.frames(video, &scan, &indices, drop)?;
        }
        Ok(())
    }

    fn listen_ahead(&self, reader: &MediaReader, audio: &Path) -> Result<()> {
        sound(&self.processor, reader, audio).map(drop)
    }

    fn blank_token(&self) -> Result<u32> {
        self.tokenizer.blank()
    }

    fn black(&self, like: &Encoded) -> Result<Tensor> {
        let vit = &self.config.vision;
        let grid = like.grid.unwrap_or(Grid { t: 0, h: 0, w: 0 });
        let (width, height) = (grid.w * vit.patch_size, grid.h * vit.patch_size);
        let black = FloatImage { width, height, data: vec![0.0; width * height * 3] };
        let frames = vec![black; grid.t * vit.temporal_patch_size];
        self.encode_video(&patchify(&frames, &self.processor, vit)?)
    }

    fn silence(&self, like: &Encoded) -> Result<Tensor> {
        let rate = self.processor.sample_rate_hz;
        let samples = like.record.audio_seconds.unwrap_or(0.0) * f64::from(rate);
        let mel = log_mel(&silent(samples.round() as usize, rate), &self.processor)?;
        self.encode_audio(&mel.data, mel.n_frames)
    }

    fn render(&self, prompt: &Prompt) -> String {
        render(prompt)
    }

    fn row(&self, prompt: &Prompt, evidence: Evidence<'_>) -> Result<PromptRow> {
        let audio_tokens = match evidence.audio {
            Some(audio) => audio.embeddings.dim(0)?,
            None => 0,
        };
        let shape =
            MediaShape { grid: evidence.video.and_then(|v| v.grid), audio_tokens, ..self.media_shape() };
        prompt_row(prompt, &self.tokenizer, &shape)
    }
}

/// A sound without sound.
fn silent(samples: usize, rate: u32) -> Waveform {
    Waveform {
        samples: vec![0.0; samples],
        sample_rate_hz: rate,
        source_rate_hz: rate,
        source_channels: 1,
        warnings: Vec::new(),
    }
}
