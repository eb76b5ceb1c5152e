//! Elements of an array: gathered from where they lie, unpacked, converted.

use std::io::Read;

use flate2::read::ZlibDecoder;

use super::object::{ElementType, Filter, Header, Storage};
use super::{Fault, Hdf5, MOST_LEVELS};

/// An array.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Array {
    /// Its sides.
    pub(crate) shape: Vec<usize>,
    /// Row by row.
    pub(crate) elements: Elements,
}

/// What an array holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Elements {
    /// Single precision, in which 0.6 is not the 0.6 of double precision.
    Single(Vec<f32>),
    /// Double precision, and whole numbers.
    Double(Vec<f64>),
    /// Text without the zeros or blanks that fill it up.
    Text(Vec<String>),
}

/// An array of bytes with the places of its chunks.
struct Gathered<'a> {
    shape: &'a [u64],
    sides: &'a [u64],
    size: usize,
    filters: &'a [Filter],
    bytes: Vec<u8>,
}

impl Hdf5 {
    /// Reads a whole array.
    pub(crate) fn array(&self, at: u64) -> Result<Array, Fault> {
        let header = self.header(at)?;
        let (Some(shape), Some(element), Some(_)) = (&header.shape, header.element, &header.storage) else {
            return Err(format!("no array at {at}"));
        };
        let size = element.size();
        let n = shape.iter().try_fold(size as u64, |n, side| n.checked_mul(*side));
        let n = n.and_then(|n| usize::try_from(n).ok()).ok_or("an array without bounds")?;
        self.budget.bytes(n)?;
        let bytes = self.gather(&header, size, n)?;
        let elements = self.convert(element, &bytes)?;
        // None is larger than the product, which fits.
        Ok(Array { shape: shape.iter().map(|side| *side as usize).collect(), elements })
    }

    /// The bytes of all elements in order.
    fn gather(&self, header: &Header, size: usize, n: usize) -> Result<Vec<u8>, Fault> {
        let shape = header.shape.as_deref().unwrap_or_default();
        match &header.storage {
            Some(Storage::Compact { address } | Storage::Contiguous { address: Some(address) }) => {
                Ok(self.bytes.slice(*address, n as u64)?.to_vec())
            }
            Some(Storage::Chunked { tree, sides }) => {
                if sides.len() != shape.len() || sides.contains(&0) {
                    return Err("chunks of another number of sides than the array".to_owned());
                }
                let bytes = vec![0; n];
                let mut gathered = Gathered { shape, sides, size, filters: &header.filters, bytes };
                if let Some(tree) = tree {
                    self.chunks(*tree, MOST_LEVELS, &mut gathered)?;
                }
                Ok(gathered.bytes)
            }
            _ => Ok(vec![0; n]),
        }
    }

    /// Puts the chunks below a node into their places.
    fn chunks(&self, at: u64, levels: u8, gathered: &mut Gathered<'_>) -> Result<(), Fault> {
        self.budget.node()?;
        let node = self.tree_node(at, 1, levels)?;
        let key = 8 + 8 * (gathered.shape.len() as u64 + 1);
        for i in 0..node.entries {
            let entry = at + 24 + i * (key + 8);
            let child = self.bytes.u64(entry + key)?;
            if node.level > 0 {
                self.chunks(child, levels - 1, gathered)?;
                continue;
            }
            self.budget.node()?;
            let (length, skipped) = (self.bytes.u32(entry)?, self.bytes.u32(entry + 4)?);
            let place: Vec<u64> = (0..gathered.shape.len() as u64)
                .map(|i| self.bytes.u64(entry + 8 + 8 * i))
                .collect::<Result<_, _>>()?;
            let packed = self.bytes.slice(child, u64::from(length))?;
            let chunk = self.unpacked(packed, skipped, gathered)?;
            gathered.put(&place, &chunk);
        }
        Ok(())
    }

    /// Undoes the filters of a chunk, the last first.
    fn unpacked(&self, packed: &[u8], skipped: u32, of: &Gathered<'_>) -> Result<Vec<u8>, Fault> {
        let n = of.sides.iter().try_fold(of.size as u64, |n, side| n.checked_mul(*side));
        let n = n.and_then(|n| usize::try_from(n).ok()).ok_or("chunks without bounds")?;
        self.budget.bytes(n)?;
        let mut bytes = packed.to_vec();
        for (i, filter) in of.filters.iter().enumerate().rev() {
            if i < 32 && skipped & (1 << i) != 0 {
                continue;
            }
            bytes = match filter {
                Filter::Deflate => {
                    // As much as a chunk and a check sum can hold, and one byte to see that it was more.
                    let mut unpacked = Vec::new();
                    let read = ZlibDecoder::new(&*bytes).take(n as u64 + 5).read_to_end(&mut unpacked);
                    read.map_err(|e| format!("a chunk that cannot be unpacked: {e}"))?;
                    unpacked
                }
                Filter::Shuffle => unshuffled(&bytes, of.size),
                Filter::CheckSum => {
                    bytes.truncate(bytes.len().saturating_sub(4));
                    bytes
                }
            };
        }
        if bytes.len() != n {
            return Err(format!("a chunk of {} bytes, expected {n}", bytes.len()));
        }
        Ok(bytes)
    }

    fn convert(&self, element: ElementType, bytes: &[u8]) -> Result<Elements, Fault> {
        let each = bytes.chunks_exact(element.size());
        let low = |bytes: &[u8]| bytes.iter().rev().fold(0_u64, |n, byte| n << 8 | u64::from(*byte));
        Ok(match element {
            ElementType::Float(4) => Elements::Single(each.map(|b| f32::from_bits(low(b) as u32)).collect()),
            ElementType::Float(_) => Elements::Double(each.map(|b| f64::from_bits(low(b))).collect()),
            ElementType::Integer { size, is_signed } => {
                let unused = 64 - 8 * size as u32;
                let number = |b: &[u8]| {
                    let raised = low(b) << unused;
                    if is_signed { (raised as i64 >> unused) as f64 } else { (raised >> unused) as f64 }
                };
                Elements::Double(each.map(number).collect())
            }
            ElementType::FixedText(_) => Elements::Text(each.map(text).collect::<Result<_, _>>()?),
            ElementType::Text => Elements::Text(each.map(|b| self.heap_text(b)).collect::<Result<_, _>>()?),
        })
    }

    /// Text in a global heap: the element names its length, a collection, and its number there.
    fn heap_text(&self, element: &[u8]) -> Result<String, Fault> {
        let number = |from: usize, to: usize| {
            element[from..to].iter().rev().fold(0_u64, |n, byte| n << 8 | u64::from(*byte))
        };
        let (length, collection, wanted) = (number(0, 4), number(4, 12), number(12, 16));
        if length == 0 {
            return Ok(String::new());
        }
        if self.bytes.slice(collection, 4)? != b"GCOL" {
            return Err(format!("no collection of texts at {collection}"));
        }
        let size = self.bytes.u64(collection + 8)?;
        self.bytes.slice(collection, size)?;
        let mut at = 16;
        while at + 16 <= size {
            self.budget.node()?;
            let object = collection + at;
            let (index, bytes) = (u64::from(self.bytes.u16(object)?), self.bytes.u64(object + 8)?);
            if index == 0 {
                break;
            }
            if index == wanted {
                self.budget.bytes(length as usize)?;
                if length > bytes {
                    break;
                }
                return text(self.bytes.slice(object + 16, length)?);
            }
            at = bytes
                .checked_next_multiple_of(8)
                .and_then(|n| n.checked_add(at + 16))
                .unwrap_or(u64::MAX - 16);
        }
        Err(format!("no text {wanted} in the collection at {collection}"))
    }
}

impl Gathered<'_> {
    /// Copies the part of a chunk that lies in the array; chunks at the border reach over it.
    fn put(&mut self, place: &[u64], chunk: &[u8]) {
        if place.iter().zip(self.shape).any(|(at, side)| at >= side) {
            return;
        }
        let Some((last_at, last_side)) = place.last().zip(self.shape.last()) else {
            // An array without sides is one element.
            self.bytes.copy_from_slice(&chunk[..self.size]);
            return;
        };
        let run = self.sides[self.sides.len() - 1];
        let used = run.min(last_side - last_at) as usize * self.size;
        let run = run as usize * self.size;
        let rows = &self.sides[..self.sides.len() - 1];
        for (number, source) in chunk.chunks_exact(run).enumerate() {
            // Place of the row in the chunk, slowest side first, then in the array.
            let (mut rest, mut start, mut step) = (number as u64, *last_at, *last_side);
            let mut is_inside = true;
            for (i, side) in rows.iter().enumerate().rev() {
                let at = place[i] + rest % side;
                rest /= side;
                is_inside &= at < self.shape[i];
                start += at.min(self.shape[i]) * step;
                step *= self.shape[i];
            }
            if is_inside {
                let start = start as usize * self.size;
                self.bytes[start..start + used].copy_from_slice(&source[..used]);
            }
        }
    }
}

/// First bytes of all elements, then second bytes, and so on, back into elements; what is left over stays at the end.
fn unshuffled(bytes: &[u8], size: usize) -> Vec<u8> {
    let n = bytes.len() / size;
    let mut out: Vec<u8> = (0..n * size).map(|i| bytes[i % size * n + i / size]).collect();
    out.extend_from_slice(&bytes[n * size..]);
    out
}

fn text(bytes: &[u8]) -> Result<String, Fault> {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    let text = std::str::from_utf8(&bytes[..end]).map_err(|_| "a text that is not UTF-8")?;
    Ok(text.trim_end_matches(' ').to_owned())
}
