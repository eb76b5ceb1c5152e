//! Panics of other people's code on damaged input, which are errors of the input: they are caught, and nothing is printed.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// Whether a panic of this thread is caught by [`caught`].
    static IS_QUIET: Cell<bool> = const { Cell::new(false) };
}

/// What `act` returns; `None` if it panicked. The process' panic hook, which prints message and backtrace, is not asked
/// about that panic. It goes on to be asked about all others, those of other threads included.
pub(crate) fn caught<T>(act: impl FnOnce() -> T) -> Option<T> {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let hook = take_hook();
        set_hook(Box::new(move |panic| {
            // A thread that is ending has no value any more.
            if !IS_QUIET.try_with(Cell::get).unwrap_or(false) {
                hook(panic);
            }
        }));
    });
    let before = IS_QUIET.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(act));
    IS_QUIET.set(before);
    outcome.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_none_and_later_ones_are_loud() {
        assert_eq!(caught(|| 7), Some(7));
        assert_eq!(
            caught(|| {
                assert_eq!(caught(|| -> u8 { panic!("made up, inside") }), None);
                assert!(IS_QUIET.get(), "the outer call goes on to be quiet");
                let is_quiet = std::thread::spawn(|| IS_QUIET.get()).join().unwrap();
                assert!(!is_quiet, "another thread is loud");
                panic!("made up")
            }),
            None::<u8>
        );
        assert!(!IS_QUIET.get());
    }
}
