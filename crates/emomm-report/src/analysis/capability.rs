//! Table 5: what related benchmarks support, and where this tool does the same.
//!
//! What is said of the peers is what the paper states in its Table 5, about their canonical design; what is said of this tool
//! names the command that does it.

use crate::table::{Cell, Column, Table};

/// Capability, MER-UniBench, CA-MER, MissRAG, EmoMM, and where this tool has it.
const ROWS: [(&str, [bool; 4], &str); 6] = [
    (
        "Unified MLLM evaluation protocol",
        [true, true, true, true],
        "emomm eval: one prompt, one parser, one log for every model",
    ),
    (
        "Explicit modality-conflict split",
        [false, true, false, true],
        "emomm build: subsets align and conflict; emomm verify proves them",
    ),
    (
        "Explicit modality-missingness split",
        [false, false, true, true],
        "emomm build: three masked copies of every clip",
    ),
    (
        "Joint missingness × conflict setting",
        [false, false, false, true],
        "subset missing-conflict of build, eval and report",
    ),
    (
        "Attention-level mechanism diagnosis",
        [false, true, false, true],
        "eval --attention: nMAS and mass by layer and head, attention and importance by token; report",
    ),
    (
        "Quantitative modality contribution or reliance",
        [false, true, true, true],
        "PSMV, GTAR and ΔV with intervals: score, report",
    ),
];

const SOURCES: &str = "Peers as in Table 5 of the paper, which judges their canonical design: MER-UniBench (Lian et al., ICML 2025), \
                       CA-MER (Han et al., ACM MM 2025, arXiv:2508.01181), MissRAG (Pipoli et al., ICCV 2025).";

/// The table.
pub fn capabilities() -> Table {
    let columns = vec![
        Column::plain("capability", "Capability"),
        Column::plain("mer_unibench", "MER-UniBench"),
        Column::plain("ca_mer", "CA-MER"),
        Column::plain("missrag", "MissRAG"),
        Column::plain("emomm", "EmoMM"),
        Column::plain("here", "In this tool"),
    ];
    let mut table =
        Table::new("table5", "Capabilities of related benchmarks (Table 5)", columns).with_note(SOURCES);
    for (capability, peers, here) in ROWS {
        let mut cells = vec![Cell::text(capability)];
        cells.extend(peers.map(|has| Cell::text(if has { "yes" } else { "no" })));
        cells.push(Cell::text(here));
        table.push(cells);
    }
    table
}
