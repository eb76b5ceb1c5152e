//! Numbers at places of a file, each place checked.

use super::Fault;

/// The content of a file. Numbers are little-endian.
pub(super) struct Bytes(Vec<u8>);

impl Bytes {
    pub(super) fn new(content: Vec<u8>) -> Self {
        Self(content)
    }

    pub(super) fn slice(&self, at: u64, length: u64) -> Result<&[u8], Fault> {
        let range =
            usize::try_from(at).ok().zip(at.checked_add(length).and_then(|end| usize::try_from(end).ok()));
        range
            .and_then(|(start, end)| self.0.get(start..end))
            .ok_or_else(|| format!("{length} bytes at {at}, but the file has {}", self.0.len()))
    }

    fn array<const N: usize>(&self, at: u64) -> Result<[u8; N], Fault> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.slice(at, N as u64)?);
        Ok(bytes)
    }

    pub(super) fn u8(&self, at: u64) -> Result<u8, Fault> {
        self.array::<1>(at).map(|[byte]| byte)
    }

    pub(super) fn u16(&self, at: u64) -> Result<u16, Fault> {
        self.array(at).map(u16::from_le_bytes)
    }

    pub(super) fn u32(&self, at: u64) -> Result<u32, Fault> {
        self.array(at).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&self, at: u64) -> Result<u64, Fault> {
        self.array(at).map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_outside_are_refused() {
        let bytes = Bytes::new(vec![1, 2, 3, 4]);
        assert_eq!((bytes.u16(2).unwrap(), bytes.slice(4, 0).unwrap()), (0x0403, &[][..]));
        for (at, length) in [(3, 2), (5, 0), (u64::MAX, 1), (1, u64::MAX)] {
            assert!(bytes.slice(at, length).unwrap_err().contains("the file has 4"), "{at} {length}");
        }
    }
}
