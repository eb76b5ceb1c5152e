//! Object headers, version 1: the messages that say what a group or an array is.

use super::{Fault, Hdf5};

/// Most dimensions of an array; sequences have two.
const MOST_DIMENSIONS: u8 = 8;

/// Type of the elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ElementType {
    /// IEEE, little-endian, of 4 or 8 bytes.
    Float(usize),
    /// Little-endian, of 1 to 8 bytes.
    Integer { size: usize, is_signed: bool },
    /// Text of a fixed number of bytes.
    FixedText(usize),
    /// Text in a global heap.
    Text,
}

impl ElementType {
    /// Bytes of an element in the array itself.
    pub(super) fn size(self) -> usize {
        match self {
            Self::Float(size) | Self::Integer { size, .. } | Self::FixedText(size) => size,
            // Length, address of the collection, number in it.
            Self::Text => 16,
        }
    }
}

/// Where the elements lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Storage {
    /// At an address; `None` where nothing was ever written.
    Contiguous { address: Option<u64> },
    /// In the header itself, at this address.
    Compact { address: u64 },
    /// In chunks of these sides, below a tree.
    Chunked { tree: Option<u64>, sides: Vec<u64> },
}

/// A step that chunks went through when they were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filter {
    /// Bytes of equal place in their elements were put together.
    Shuffle,
    Deflate,
    /// Four bytes of a check sum stand at the end.
    CheckSum,
}

/// What the messages of an object say, as far as it is read here.
#[derive(Debug, Default)]
pub(super) struct Header {
    /// Tree and heap of a group.
    pub(super) symbol_table: Option<(u64, u64)>,
    pub(super) shape: Option<Vec<u64>>,
    pub(super) element: Option<ElementType>,
    pub(super) storage: Option<Storage>,
    pub(super) filters: Vec<Filter>,
}

/// An address that says that there is nothing.
fn defined(address: u64) -> Option<u64> {
    (address != u64::MAX).then_some(address)
}

impl Hdf5 {
    /// Reads all messages of an object.
    pub(super) fn header(&self, at: u64) -> Result<Header, Fault> {
        self.budget.node()?;
        let version = self.bytes.u8(at)?;
        if version != 1 {
            return Err(format!("an object header of version {version} at {at}, expected 1"));
        }
        let n_messages = self.bytes.u16(at + 2)?;
        let mut header = Header::default();
        // Blocks of messages; the first follows the head, which is padded to 16 bytes.
        let mut blocks = vec![(at + 16, u64::from(self.bytes.u32(at + 8)?))];
        let mut left = n_messages;
        while let Some((start, length)) = blocks.pop() {
            self.bytes.slice(start, length)?;
            let mut at = 0;
            while left > 0 && at + 8 <= length {
                self.budget.node()?;
                let message = start + at;
                let (kind, size) = (self.bytes.u16(message)?, u64::from(self.bytes.u16(message + 2)?));
                let is_shared = self.bytes.u8(message + 4)? & 2 != 0;
                let body = message + 8;
                self.bytes.slice(body, size)?;
                match kind {
                    0x10 => blocks.push((self.bytes.u64(body)?, self.bytes.u64(body + 8)?)),
                    0x01 | 0x03 | 0x08 | 0x0B if is_shared => {
                        return Err("a shared message".to_owned());
                    }
                    _ => self.message(&mut header, kind, body)?,
                }
                left -= 1;
                at += 8 + size;
            }
        }
        Ok(header)
    }

    fn message(&self, header: &mut Header, kind: u16, body: u64) -> Result<(), Fault> {
        match kind {
            0x01 => header.shape = Some(self.shape(body)?),
            0x03 => header.element = Some(self.element(body)?),
            0x08 => header.storage = Some(self.storage(body)?),
            0x0B => header.filters = self.filters(body)?,
            0x11 => header.symbol_table = Some((self.bytes.u64(body)?, self.bytes.u64(body + 8)?)),
            _ => {}
        }
        Ok(())
    }

    fn shape(&self, body: u64) -> Result<Vec<u64>, Fault> {
        let (version, rank) = (self.bytes.u8(body)?, self.bytes.u8(body + 1)?);
        let first = match version {
            1 => body + 8,
            2 => body + 4,
            _ => return Err(format!("a dataspace of version {version}, expected 1 or 2")),
        };
        if rank > MOST_DIMENSIONS {
            return Err(format!("an array of {rank} dimensions, expected at most {MOST_DIMENSIONS}"));
        }
        (0..u64::from(rank)).map(|i| self.bytes.u64(first + 8 * i)).collect()
    }

    fn element(&self, body: u64) -> Result<ElementType, Fault> {
        let class = self.bytes.u8(body)? & 15;
        let bits = self.bytes.u8(body + 1)?;
        let size = self.bytes.u32(body + 4)? as usize;
        let is_little = bits & 1 == 0;
        match class {
            0 if is_little && (1..=8).contains(&size) => {
                Ok(ElementType::Integer { size, is_signed: bits & 8 != 0 })
            }
            1 if is_little && bits & 0x40 == 0 && (size == 4 || size == 8) => Ok(ElementType::Float(size)),
            3 if size > 0 => Ok(ElementType::FixedText(size)),
            9 if bits & 15 == 1 && size == 16 => Ok(ElementType::Text),
            _ => Err(format!(
                "elements of class {class} and {size} bytes, expected little-endian numbers or text"
            )),
        }
    }

    fn storage(&self, body: u64) -> Result<Storage, Fault> {
        let version = self.bytes.u8(body)?;
        if version != 3 {
            return Err(format!("a layout of version {version}, expected 3"));
        }
        match self.bytes.u8(body + 1)? {
            0 => Ok(Storage::Compact { address: body + 4 }),
            1 => Ok(Storage::Contiguous { address: defined(self.bytes.u64(body + 2)?) }),
            2 => {
                // One side more than the array has: the size of an element.
                let n = self.bytes.u8(body + 2)?;
                if n == 0 || n > MOST_DIMENSIONS + 1 {
                    return Err(format!("chunks of {n} sides"));
                }
                let side = |i: u64| self.bytes.u32(body + 11 + 4 * i).map(u64::from);
                let sides = (0..u64::from(n) - 1).map(side).collect::<Result<_, _>>()?;
                Ok(Storage::Chunked { tree: defined(self.bytes.u64(body + 3)?), sides })
            }
            class => Err(format!("a layout of class {class}, expected compact, contiguous or chunked")),
        }
    }

    fn filters(&self, body: u64) -> Result<Vec<Filter>, Fault> {
        let (version, n) = (self.bytes.u8(body)?, self.bytes.u8(body + 1)?);
        let mut at = body + if version == 1 { 8 } else { 2 };
        let mut filters = Vec::new();
        for _ in 0..n {
            let id = self.bytes.u16(at)?;
            // Version 2 leaves out the length of the name of a filter of the library's own.
            let (name, rest) =
                if version == 1 || id >= 256 { (self.bytes.u16(at + 2)?, at + 4) } else { (0, at + 2) };
            let values = u64::from(self.bytes.u16(rest + 2)?);
            let padding = if version == 1 { values % 2 } else { 0 };
            filters.push(match id {
                1 => Filter::Deflate,
                2 => Filter::Shuffle,
                3 => Filter::CheckSum,
                _ => return Err(format!("filter {id}, expected deflate, shuffle or the check sum")),
            });
            at = rest + 4 + u64::from(name) + 4 * (values + padding);
        }
        Ok(filters)
    }
}
