//! Splits of items that are named on standard input, one `group<TAB>stratum` a line: what `benches/peer` compares.
//!
//! `cargo run --release -p emomm-dataset --example assign_splits -- [SEED] < items.tsv`

use std::error::Error;
use std::io::{Write, read_to_string, stdin, stdout};

use emomm_dataset::build::assign_splits;

fn main() -> Result<(), Box<dyn Error>> {
    let seed = std::env::args().nth(1).map_or(Ok(0), |word| word.parse())?;
    let text = read_to_string(stdin())?;
    let items = text.lines().filter_map(|line| line.split_once('\t'));
    let mut out = stdout().lock();
    for split in assign_splits(items, seed) {
        writeln!(out, "{split}")?;
    }
    Ok(())
}
