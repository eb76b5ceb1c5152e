//! Sound track to a mono waveform.
//!
//! ffmpeg decodes at the native rate with the native channels; the mix and the change of rate are done here. ffmpeg's own
//! `-ac 1` is not used: for stereo in float it is louder than the mean by √2. The steps are those of the reference
//! (16-bit samples, mean over channels, soxr at high quality), without its rounding to 16 bits.

use std::path::Path;

use crate::child::ChildTask;
use crate::error::{MediaError, StreamKind};
use crate::ffmpeg::Ffmpeg;
use crate::input::{check_file, input_arguments, words};
use crate::limits::{Deadline, DecodeLimits};
use crate::report::{Report, shortfall};
use crate::resample::resample_while;
use crate::wav::{WavFormat, WavHeader};

/// Rates outside this are a damaged header.
const PLAUSIBLE_RATES_HZ: std::ops::RangeInclusive<u32> = 1_000..=768_000;

/// Sound decoded behind what is used, so that the last used samples are filtered as in the whole track. The filter
/// looks ahead 94 samples of the lower rate, 0.1 s at 1000 Hz.
const MARGIN_SECONDS: f64 = 1.0;

/// More than this is no length of a clip.
const LONGEST_SECONDS: f64 = 1e6;

/// A mono waveform.
///
/// # Shapes
/// `samples` has `ceil(n · sample_rate_hz / source_rate_hz)` values for `n` decoded samples per channel, or the first
/// `ceil(max_output_seconds · sample_rate_hz)` of them if that is fewer.
#[derive(Debug, Clone, PartialEq)]
pub struct Waveform {
    /// The samples, full scale ±1.
    pub samples: Vec<f32>,
    /// The rate of `samples`.
    pub sample_rate_hz: u32,
    /// The rate in the file.
    pub source_rate_hz: u32,
    /// The number of channels in the file.
    pub source_channels: u16,
    /// What ffmpeg complained of, and whether the track goes on. Not empty for a file that is cut short.
    pub warnings: Vec<String>,
}

impl Waveform {
    /// The samples as a WAV file of 16 bits, with nothing in it but format and samples.
    pub fn to_wav(&self) -> Vec<u8> {
        let n_bytes = (self.samples.len() * 2) as u32;
        let rate = self.sample_rate_hz;
        let mut file = Vec::with_capacity(44 + self.samples.len() * 2);
        file.extend_from_slice(b"RIFF");
        file.extend_from_slice(&(36 + n_bytes).to_le_bytes());
        file.extend_from_slice(b"WAVEfmt ");
        file.extend_from_slice(&16_u32.to_le_bytes());
        // PCM, one channel.
        file.extend_from_slice(&1_u16.to_le_bytes());
        file.extend_from_slice(&1_u16.to_le_bytes());
        file.extend_from_slice(&rate.to_le_bytes());
        file.extend_from_slice(&(rate * 2).to_le_bytes());
        file.extend_from_slice(&2_u16.to_le_bytes());
        file.extend_from_slice(&16_u16.to_le_bytes());
        file.extend_from_slice(b"data");
        file.extend_from_slice(&n_bytes.to_le_bytes());
        for sample in &self.samples {
            let value = (f64::from(*sample) * 32768.0).round().clamp(-32768.0, 32767.0) as i16;
            file.extend_from_slice(&value.to_le_bytes());
        }
        file
    }
}

/// Decodes the sound of a file to mono at `sample_rate_hz`.
///
/// With several sound tracks it is the one ffmpeg takes by default (most channels), as in the reference. Samples are
/// limited to ±1 before the mean over channels, because the reference's 16-bit samples are. Decoding stops at
/// [`DecodeLimits::max_output_seconds`]. Some ffmpeg versions keep the
/// padding at the end of AAC tracks and others do not, so lengths may differ between versions by up to two AAC frames.
///
/// # Errors
/// [`MediaError::NotAMediaFile`] for a missing or empty file, [`MediaError::NoStream`] without sound,
/// [`MediaError::EmptyStream`] for a track of length 0, [`MediaError::LimitExceeded`], [`MediaError::TimedOut`] or
/// [`MediaError::Decode`].
pub fn decode_audio(
    ffmpeg: &Ffmpeg,
    path: &Path,
    sample_rate_hz: u32,
    limits: &DecodeLimits,
) -> Result<Waveform, MediaError> {
    check_arguments(sample_rate_hz, limits)?;
    let deadline = Deadline::after(limits.timeout);
    check_file(path)?;
    let mut arguments = input_arguments(path, limits);
    arguments.extend(words(&["-vn", "-sn", "-dn", "-c:a", "pcm_f32le", "-fflags", "+bitexact"]));
    if let Some(seconds) = limits.max_output_seconds {
        // `-t` would go by the file's own clock, which need not begin at 0 nor run evenly.
        let stop = format!("asetpts=N/SR/TB,atrim=duration={:.3}", seconds + MARGIN_SECONDS);
        arguments.extend(words(&["-af", &stop]));
    }
    arguments.extend(words(&["-f", "wav", "pipe:1"]));
    let task = ChildTask {
        program: ffmpeg.program(),
        arguments: &arguments,
        path,
        deadline,
        max_memory_bytes: limits.max_memory_bytes,
    };
    let mut mixer =
        Mixer { path, limits, format: None, pending: Vec::new(), bytes: 0, mono: Vec::new(), odd: 0 };
    let finished = task.run(|chunk| mixer.push(chunk))?;
    let report = Report::read(&finished.stderr);
    if report.no_stream {
        return Err(MediaError::NoStream { path: path.to_owned(), kind: StreamKind::Audio });
    }
    let format = mixer.format.filter(|_| !mixer.mono.is_empty());
    let Some(format) = format else {
        let detail = report.detail();
        return Err(if finished.status.success() {
            MediaError::EmptyStream { path: path.to_owned(), kind: StreamKind::Audio, detail }
        } else {
            MediaError::Decode { path: path.to_owned(), detail: format!("{detail} ({})", finished.status) }
        });
    };
    let mut warnings = report.problems.clone();
    if !finished.status.success() {
        warnings.push(format!("ffmpeg ended with {}", finished.status));
    }
    if mixer.odd > 0 {
        warnings.push(format!("{} samples are not finite numbers and were taken as 0", mixer.odd));
    }
    let seconds = mixer.mono.len() as f64 / f64::from(format.rate_hz);
    let used = limits.max_output_seconds.filter(|&used| seconds > used);
    warnings.extend(match used {
        Some(used) => Some(format!("only the first {used} s of sound are used, the track is longer")),
        None => shortfall("audio", seconds, report.duration_seconds),
    });
    let most = used.map_or(usize::MAX, |used| (used * f64::from(sample_rate_hz)).ceil() as usize);
    let in_time = || if deadline.left().is_zero() { Err(deadline.passed(path)) } else { Ok(()) };
    Ok(Waveform {
        samples: resample_while(&mixer.mono, format.rate_hz, sample_rate_hz, most, in_time)?,
        sample_rate_hz,
        source_rate_hz: format.rate_hz,
        source_channels: format.channels,
        warnings,
    })
}

fn check_arguments(sample_rate_hz: u32, limits: &DecodeLimits) -> Result<(), MediaError> {
    let invalid = |what, found, expected: &str| {
        Err(MediaError::InvalidArgument { what, found, expected: expected.to_owned() })
    };
    if !PLAUSIBLE_RATES_HZ.contains(&sample_rate_hz) {
        return invalid("sample rate", sample_rate_hz.to_string(), "1000 to 768000 Hz");
    }
    if let Some(seconds) = limits.max_output_seconds
        && !(seconds > 0.0 && seconds <= LONGEST_SECONDS)
    {
        return invalid("max_output_seconds", seconds.to_string(), "above 0, at most 1000000");
    }
    Ok(())
}

/// Takes the piped file and mixes it as it comes.
struct Mixer<'a> {
    path: &'a Path,
    limits: &'a DecodeLimits,
    format: Option<WavFormat>,
    /// Bytes not used yet: the header until it is whole, then less than one sample of all channels.
    pending: Vec<u8>,
    bytes: u64,
    mono: Vec<f32>,
    /// Samples that are not finite.
    odd: usize,
}

impl Mixer<'_> {
    fn push(&mut self, chunk: &[u8]) -> Result<(), MediaError> {
        self.bytes += chunk.len() as u64;
        self.limit("bytes of sound", self.bytes as f64, self.limits.max_bytes as f64)?;
        self.pending.extend_from_slice(chunk);
        if self.format.is_none() {
            match WavHeader::read(&self.pending) {
                WavHeader::Incomplete => return Ok(()),
                WavHeader::Foreign => {
                    return Err(self.unreadable("its samples came without a readable header"));
                }
                WavHeader::Complete { format, samples_at } => {
                    if !PLAUSIBLE_RATES_HZ.contains(&format.rate_hz) {
                        return Err(self.unreadable(&format!("a sample rate of {} Hz", format.rate_hz)));
                    }
                    self.pending.drain(..samples_at);
                    self.format = Some(format);
                }
            }
        }
        if let Some(format) = self.format {
            self.mix(format);
            let seconds = self.mono.len() as f64 / f64::from(format.rate_hz);
            self.limit("seconds of sound", seconds, self.limits.max_seconds)?;
        }
        Ok(())
    }

    fn mix(&mut self, format: WavFormat) {
        let moment_bytes = usize::from(format.channels) * 4;
        let moments = self.pending.chunks_exact(moment_bytes);
        let used = self.pending.len() - moments.remainder().len();
        // ffmpeg was told to stop there, but begins to count anew where the format changes.
        let most = self.limits.max_output_seconds.map_or(usize::MAX, |seconds| {
            ((seconds + MARGIN_SECONDS) * f64::from(format.rate_hz)).ceil() as usize
        });
        for moment in moments.take(most.saturating_sub(self.mono.len())) {
            let mut sum = 0.0f32;
            for sample in moment.chunks_exact(4) {
                let sample = f32::from_le_bytes([sample[0], sample[1], sample[2], sample[3]]);
                if sample.is_finite() { sum += sample.clamp(-1.0, 1.0) } else { self.odd += 1 }
            }
            self.mono.push(sum / f32::from(format.channels));
        }
        self.pending.drain(..used);
    }

    fn limit(&self, what: &'static str, found: f64, limit: f64) -> Result<(), MediaError> {
        if found <= limit {
            return Ok(());
        }
        Err(MediaError::LimitExceeded { path: self.path.to_owned(), what, found, limit })
    }

    fn unreadable(&self, what: &str) -> MediaError {
        MediaError::Decode { path: self.path.to_owned(), detail: what.to_owned() }
    }
}
