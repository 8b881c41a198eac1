//! The observer of certificate files that are read again.

use std::fmt;
use std::sync::Arc;

use spanwise_worker::catch_panic;

use crate::BuildError;
use crate::fence::Fenced;

type Function = dyn Fn(Result<(), &BuildError>) + Send + Sync;

/// The user's observer of certificate files; its panics are caught.
#[derive(Clone)]
pub(crate) struct ReloadObserver(Fenced<Arc<Function>>);

impl ReloadObserver {
    pub(crate) fn new(function: impl Fn(Result<(), &BuildError>) + Send + Sync + 'static) -> Self {
        Self(Fenced::new(Arc::new(function)))
    }

    #[cfg_attr(not(feature = "blocking-tls"), expect(dead_code, reason = "only TLS reads files"))]
    pub(crate) fn notify(&self, reloaded: Result<(), &BuildError>) {
        if let Some(function) = self.0.get() {
            // The observer is the only receiver of reports, so its own panic has none.
            let _observer_panicked = catch_panic(|| function(reloaded));
        }
    }
}

impl fmt::Debug for ReloadObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReloadObserver")
    }
}
