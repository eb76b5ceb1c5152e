//! The RIFF header that ffmpeg writes in front of piped samples.
//!
//! It is the one place where ffmpeg states the native rate and the number of channels in a form made for machines. Written
//! to a pipe, the sizes of the outer chunk and of `data` are unknown and not looked at.

/// Rate and channels of a stream of 32-bit float samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WavFormat {
    pub(crate) rate_hz: u32,
    pub(crate) channels: u16,
}

/// What the bytes so far amount to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum WavHeader {
    /// More bytes are needed.
    Incomplete,
    /// The header ends at `samples_at`.
    Complete { format: WavFormat, samples_at: usize },
    /// This is not a header of 32-bit float samples.
    Foreign,
}

/// More than this before the samples is no header.
const LONGEST: usize = 1 << 20;

impl WavHeader {
    pub(crate) fn read(bytes: &[u8]) -> Self {
        if bytes.len() < 12 {
            return Self::Incomplete;
        }
        if &bytes[..4] != b"RIFF" || &bytes[8..12] != b"WAVE" {
            return Self::Foreign;
        }
        let mut at = 12;
        let mut format = None;
        while at < LONGEST {
            let Some(header) = bytes.get(at..at + 8) else { return Self::Incomplete };
            let size = word(header, 4) as usize;
            if &header[..4] == b"data" {
                return match format {
                    Some(format) => Self::Complete { format, samples_at: at + 8 },
                    None => Self::Foreign,
                };
            }
            let Some(end) = at.checked_add(8 + size + size % 2).filter(|&end| end <= LONGEST) else {
                return Self::Foreign;
            };
            let Some(body) = bytes.get(at + 8..end) else { return Self::Incomplete };
            if &header[..4] == b"fmt " {
                format = float_format(body);
            }
            at = end;
        }
        Self::Foreign
    }
}

/// Reads `fmt `: 32-bit float samples, plain (3) or extensible (0xFFFE).
fn float_format(body: &[u8]) -> Option<WavFormat> {
    if body.len() < 16 {
        return None;
    }
    let half = |at: usize| u16::from_le_bytes([body[at], body[at + 1]]);
    let tag = if half(0) == 0xFFFE && body.len() >= 26 { half(24) } else { half(0) };
    let format = WavFormat { rate_hz: word(body, 4), channels: half(2) };
    (tag == 3 && half(14) == 32 && format.channels > 0 && format.rate_hz > 0).then_some(format)
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(tag: u16, extra: &[u8]) -> Vec<u8> {
        let mut bytes = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0".to_vec();
        bytes.extend(tag.to_le_bytes());
        bytes.extend(2u16.to_le_bytes());
        bytes.extend(48_000u32.to_le_bytes());
        bytes.extend(384_000u32.to_le_bytes());
        bytes.extend(8u16.to_le_bytes());
        bytes.extend(32u16.to_le_bytes());
        bytes.extend(extra);
        bytes.extend(b"data\xff\xff\xff\xff");
        bytes
    }

    #[test]
    fn headers_are_read_when_whole() {
        let bytes = header(3, b"fact\x04\0\0\0abcd");
        let format = WavFormat { rate_hz: 48_000, channels: 2 };
        assert_eq!(WavHeader::read(&bytes), WavHeader::Complete { format, samples_at: bytes.len() });
        for cut in 0..bytes.len() {
            assert_eq!(WavHeader::read(&bytes[..cut]), WavHeader::Incomplete, "cut at {cut}");
        }
    }

    #[test]
    fn other_headers_are_foreign() {
        assert_eq!(WavHeader::read(&header(1, b"")), WavHeader::Foreign);
        assert_eq!(WavHeader::read(b"OggS........"), WavHeader::Foreign);
        assert_eq!(WavHeader::read(&header(3, b"LIST\xff\xff\xff\x7f")), WavHeader::Foreign);
    }
}
