//! The server of the tests by itself, for trying other clients against it: prints its address and runs until its input ends.

#[path = "../tests/mock/mod.rs"]
mod mock;

use std::io::{Read, Write};

fn main() {
    let server = mock::Mock::new(mock::Skills::default());
    let mut out = std::io::stdout();
    // A reader that is gone needs no address.
    let _ = writeln!(out, "{}", server.base_url()).and_then(|()| out.flush());
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}
