//! The part of HDF5 that files of the CMU Multimodal SDK are written in: groups with symbol tables, contiguous, compact or
//! chunked arrays of floats, whole numbers and text, deflated or not.
//!
//! This is what the HDF5 library writes by default up to version 1.14, with a superblock of version 0 or 1. Newer forms are
//! refused by name. Nothing that the file says about sizes is believed: every place is checked against the file's length, and
//! what is visited and unpacked is counted.

mod bytes;
mod object;
mod values;

use std::cell::Cell;
use std::collections::BTreeMap;

pub(crate) use values::{Array, Elements};

use bytes::Bytes;

/// What is wrong with a file, without its name.
pub(crate) type Fault = String;

/// First bytes of a file.
const SIGNATURE: &[u8] = b"\x89HDF\r\n\x1a\n";

/// Most nodes, messages, chunks and texts that are looked at. The files that are read have 93 videos of two arrays each.
const MOST_NODES: usize = 1 << 24;

/// Most bytes of values, and of text, that are held over a whole file.
const MOST_BYTES: usize = 128 << 20;

/// Deepest tree of nodes; one of level 8 could hold more than any file.
const MOST_LEVELS: u8 = 8;

/// An open file.
pub(crate) struct Hdf5 {
    bytes: Bytes,
    root: u64,
    budget: Budget,
}

/// What may still be looked at.
struct Budget {
    nodes: Cell<usize>,
    bytes: Cell<usize>,
}

impl Budget {
    fn node(&self) -> Result<(), Fault> {
        take(&self.nodes, 1).ok_or_else(|| format!("more than {MOST_NODES} parts"))
    }

    fn bytes(&self, n: usize) -> Result<(), Fault> {
        take(&self.bytes, n).ok_or_else(|| format!("more than {MOST_BYTES} bytes of values"))
    }
}

fn take(left: &Cell<usize>, n: usize) -> Option<()> {
    left.set(left.get().checked_sub(n)?);
    Some(())
}

impl Hdf5 {
    /// Reads the superblock.
    ///
    /// # Errors
    /// What is no HDF5 file, and one whose superblock is newer than version 1.
    pub(crate) fn open(content: Vec<u8>) -> Result<Self, Fault> {
        let bytes = Bytes::new(content);
        if bytes.slice(0, SIGNATURE.len() as u64)? != SIGNATURE {
            return Err("no HDF5 file".to_owned());
        }
        let version = bytes.u8(8)?;
        let entry = match version {
            0 => 24 + 4 * 8,
            1 => 28 + 4 * 8,
            _ => return Err(format!("a superblock of version {version}, expected 0 or 1")),
        };
        let (offsets, lengths) = (bytes.u8(13)?, bytes.u8(14)?);
        if (offsets, lengths) != (8, 8) {
            return Err(format!("offsets of {offsets} and lengths of {lengths} bytes, expected 8"));
        }
        if bytes.u64(entry - 4 * 8)? != 0 {
            return Err("a base address other than 0".to_owned());
        }
        let root = bytes.u64(entry + 8)?;
        let budget = Budget { nodes: Cell::new(MOST_NODES), bytes: Cell::new(MOST_BYTES) };
        Ok(Self { bytes, root, budget })
    }

    /// Address of the root group.
    pub(crate) fn root(&self) -> u64 {
        self.root
    }

    /// Name and address of what a group holds, sorted by name.
    pub(crate) fn children(&self, group: u64) -> Result<BTreeMap<String, u64>, Fault> {
        let header = self.header(group)?;
        let (tree, heap) = header.symbol_table.ok_or("expected a group with a symbol table")?;
        if self.bytes.slice(heap, 4)? != b"HEAP" {
            return Err(format!("no names at {heap}"));
        }
        let (size, data) = (self.bytes.u64(heap + 8)?, self.bytes.u64(heap + 24)?);
        let names = self.bytes.slice(data, size)?;
        let mut children = BTreeMap::new();
        self.collect(tree, names, MOST_LEVELS, &mut children)?;
        Ok(children)
    }

    /// Entries below a node of a group's tree.
    fn collect(
        &self,
        at: u64,
        names: &[u8],
        levels: u8,
        children: &mut BTreeMap<String, u64>,
    ) -> Result<(), Fault> {
        self.budget.node()?;
        if self.bytes.slice(at, 4)? == b"SNOD" {
            let n = u64::from(self.bytes.u16(at + 6)?);
            for entry in (0..n).map(|i| at + 8 + 40 * i) {
                self.budget.node()?;
                let (name, object) = (self.bytes.u64(entry)?, self.bytes.u64(entry + 8)?);
                if self.bytes.u32(entry + 16)? == 2 {
                    return Err("a soft link".to_owned());
                }
                let name = usize::try_from(name).ok().and_then(|start| names.get(start..));
                let name = name.ok_or("a name outside of its heap")?;
                let end = name.iter().position(|b| *b == 0).ok_or("a name without an end")?;
                let name = std::str::from_utf8(&name[..end]).map_err(|_| "a name that is not UTF-8")?;
                self.budget.bytes(name.len())?;
                children.insert(name.to_owned(), object);
            }
            return Ok(());
        }
        let node = self.tree_node(at, 0, levels)?;
        for i in 0..node.entries {
            // A key of 8 bytes before each child.
            let child = self.bytes.u64(at + 24 + 16 * i + 8)?;
            self.collect(child, names, levels - 1, children)?;
        }
        Ok(())
    }

    /// The head of a node of a tree, version 1.
    fn tree_node(&self, at: u64, kind: u8, levels: u8) -> Result<TreeNode, Fault> {
        if self.bytes.slice(at, 4)? != b"TREE" || self.bytes.u8(at + 4)? != kind {
            return Err(format!("no node of a tree at {at}"));
        }
        let level = self.bytes.u8(at + 5)?;
        if level >= levels {
            return Err(format!("a tree of more than {MOST_LEVELS} levels"));
        }
        Ok(TreeNode { level, entries: u64::from(self.bytes.u16(at + 6)?) })
    }
}

struct TreeNode {
    /// 0 for the lowest nodes.
    level: u8,
    entries: u64,
}
