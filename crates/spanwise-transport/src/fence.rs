//! Values of others, kept from unwinding into our code.

use spanwise_worker::catch_panic;

/// A value of others, whose drop does not unwind.
#[derive(Debug, Clone)]
pub(crate) struct Fenced<T>(Option<T>);

impl<T> Fenced<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Some(value))
    }

    /// The value; it is there until the drop.
    pub(crate) fn get(&self) -> Option<&T> {
        self.0.as_ref()
    }
}

impl<T> Drop for Fenced<T> {
    fn drop(&mut self) {
        if let Some(value) = self.0.take() {
            let _nobody_to_tell = catch_panic(|| drop(value));
        }
    }
}
