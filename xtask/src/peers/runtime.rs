//! A runtime for one future, of a case that needs no other.

use std::future::Future;

/// Runs `future` on a runtime of this thread.
///
/// # Errors
/// The runtime cannot be built.
pub(crate) fn block_on<F: Future>(future: F) -> Result<F::Output, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(runtime.map_err(|error| error.to_string())?.block_on(future))
}
