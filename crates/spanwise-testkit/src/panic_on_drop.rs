//! A panic payload that panics again.

/// A panic payload whose drop panics too, unless the thread is panicking already. Code that catches
/// a panic of the user's has to survive the drop of its payload:
///
/// ```
/// use std::panic::{catch_unwind, panic_any};
/// use spanwise_testkit::PanicOnDrop;
///
/// let payload = catch_unwind(|| panic_any(PanicOnDrop)).unwrap_err();
/// assert!(catch_unwind(std::panic::AssertUnwindSafe(|| drop(payload))).is_err());
/// ```
#[derive(Debug)]
pub struct PanicOnDrop;

impl Drop for PanicOnDrop {
    #[expect(clippy::panic, reason = "its purpose")]
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("the drop of a panic payload panics on purpose");
        }
    }
}
