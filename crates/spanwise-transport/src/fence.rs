//! Values whose drop must not unwind into our code.

use spanwise_worker::catch_panic;

/// A value of the user's, whose panic on drop is caught.
#[derive(Debug, Clone)]
pub(crate) struct Fenced<T>(Option<T>);

impl<T> Fenced<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Some(value))
    }

    /// The value; `None` only during the drop.
    pub(crate) fn get(&self) -> Option<&T> {
        self.0.as_ref()
    }

    /// The value, unfenced.
    pub(crate) fn into_inner(mut self) -> Option<T> {
        self.0.take()
    }
}

impl<T> Drop for Fenced<T> {
    fn drop(&mut self) {
        if let Some(value) = self.0.take() {
            let _panic_on_drop = catch_panic(|| drop(value));
        }
    }
}
