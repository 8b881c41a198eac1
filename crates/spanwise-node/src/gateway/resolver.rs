//! Finds out who the peers are, on a thread of its own.

mod dns;
mod file;
mod names;
mod source;

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use spanwise_worker::{catch_panic, mask_sigpipe};

use crate::settings::Resolver;
use dns::Dns;
pub(crate) use dns::{Lookup, system};
use file::PeerFile;
pub(crate) use names::endpoint_of;
pub(crate) use source::Source;

/// The resolutions so far.
#[derive(Debug, Default)]
pub(crate) struct Resolutions {
    pub(crate) succeeded: AtomicU64,
    pub(crate) failed: AtomicU64,
    /// Successful ones with other names than those before.
    pub(crate) updates: AtomicU64,
    /// The reason of the last one, if that failed.
    problem: Mutex<Option<String>>,
}

impl Resolutions {
    /// The reason why the last resolution failed, if it did.
    pub(crate) fn problem(&self) -> Option<String> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_problem(&self, problem: Option<String>) {
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }
}

/// The names of a source as they change.
pub(crate) struct Names {
    source: Box<dyn Source>,
    last: Vec<String>,
    resolutions: Arc<Resolutions>,
}

impl Names {
    pub(crate) fn new(source: Box<dyn Source>, resolutions: Arc<Resolutions>) -> Self {
        Self { source, last: Vec::new(), resolutions }
    }

    /// Asks the source. Returns the sorted names, if they are others than before.
    pub(crate) fn resolve(&mut self) -> Option<Vec<String>> {
        let names = self.source.names().and_then(names::checked);
        let (counter, problem) = match &names {
            Ok(_) => (&self.resolutions.succeeded, None),
            Err(problem) => (&self.resolutions.failed, Some(problem.clone())),
        };
        counter.fetch_add(1, Relaxed);
        self.resolutions.set_problem(problem);
        let names = names.ok().filter(|names| *names != self.last)?;
        self.last.clone_from(&names);
        self.resolutions.updates.fetch_add(1, Relaxed);
        Some(names)
    }
}

/// The source that the settings name, and the time between two looks; none for a list that does not change.
pub(crate) fn source(resolver: &Resolver, lookup: Lookup) -> (Box<dyn Source>, Option<Duration>) {
    match resolver {
        Resolver::Static(names) => (Box::new(List(names.clone())), None),
        Resolver::Dns { hostname, port, interval, timeout } => {
            (Box::new(Dns::new(hostname.clone(), *port, *timeout, lookup)), Some(*interval))
        }
        Resolver::File { path, interval } => {
            (Box::new(PeerFile { path: path.clone() }), Some(*interval))
        }
    }
}

/// The name of the resolver in metrics.
pub(crate) fn kind(resolver: &Resolver) -> &'static str {
    match resolver {
        Resolver::Static(_) => "static",
        Resolver::Dns { .. } => "dns",
        Resolver::File { .. } => "file",
    }
}

struct List(Vec<String>);

impl Source for List {
    fn names(&mut self) -> Result<Vec<String>, String> {
        Ok(self.0.clone())
    }
}

/// The thread that resolves; its drop ends it, and does not wait for it.
pub(crate) struct Resolving {
    _stop: mpsc::Sender<()>,
}

impl Resolving {
    /// Starts the thread, which calls `changed` with new names each time. It ends when `changed` returns false.
    ///
    /// # Errors
    /// The system has no thread.
    pub(crate) fn start(
        mut names: Names,
        interval: Duration,
        mut changed: impl FnMut(Vec<String>) -> bool + Send + 'static,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let interval = interval.max(MIN_INTERVAL);
        let run = move || {
            mask_sigpipe();
            while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                let goes_on = catch_panic(|| names.resolve().is_none_or(&mut changed));
                if matches!(goes_on, Ok(false)) {
                    break;
                }
            }
        };
        thread::Builder::new().name("spanwise-peers".to_owned()).spawn(run)?;
        Ok(Self { _stop: stop })
    }
}

/// A resolver that never waits would be busy.
const MIN_INTERVAL: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    struct Fake(mpsc::Receiver<Result<Vec<String>, String>>);

    impl Source for Fake {
        fn names(&mut self) -> Result<Vec<String>, String> {
            self.0.try_recv().unwrap_or_else(|_| Err("no answer".to_owned()))
        }
    }

    fn of(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_failure_leaves_the_last_names_and_is_counted() {
        let (send, fake) = mpsc::channel();
        let resolutions = Arc::new(Resolutions::default());
        let mut names = Names::new(Box::new(Fake(fake)), Arc::clone(&resolutions));
        assert_eq!(names.resolve(), None);
        assert_eq!(resolutions.problem().as_deref(), Some("no answer"));
        send.send(Ok(of(&["b:1", "a:1"]))).unwrap();
        assert_eq!(names.resolve(), Some(of(&["a:1", "b:1"])));
        assert_eq!(resolutions.problem(), None);
        // The same names in another order, an answer without names, and no answer.
        for answer in [Ok(of(&["a:1", "b:1"])), Ok(Vec::new()), Err("down".to_owned())] {
            send.send(answer).unwrap();
            assert_eq!(names.resolve(), None);
        }
        send.send(Ok(of(&["a:1"]))).unwrap();
        assert_eq!(names.resolve(), Some(of(&["a:1"])));
        let counts = [&resolutions.succeeded, &resolutions.failed, &resolutions.updates];
        assert_eq!(counts.map(|count| count.load(Relaxed)), [3, 3, 2]);
    }

    #[test]
    fn the_thread_reports_changes_until_it_is_stopped() {
        let (send, fake) = mpsc::channel();
        let names = Names::new(Box::new(Fake(fake)), Arc::default());
        let (report, reported) = mpsc::channel();
        let changed = move |names| report.send(names).is_ok();
        let resolving = Resolving::start(names, Duration::ZERO, changed).unwrap();
        for names in [of(&["a"]), of(&["a", "b"])] {
            send.send(Ok(names.clone())).unwrap();
            assert_eq!(reported.recv().unwrap(), names);
        }
        drop(resolving);
        // The thread ends, and drops its end of the channel.
        assert!(reported.recv().is_err());
    }
}
