//! Finds out who the peers are, on a thread of its own.

mod dns;
mod file;
mod names;
mod source;

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use spanwise_worker::{catch_panic, mask_sigpipe};

use crate::settings::Resolver;
use crate::start_error::{ExitKind, StartError};
use dns::Dns;
pub(crate) use dns::{Lookup, system};
use file::PeerFile;
pub(crate) use names::{check_name, endpoint_of};
pub(crate) use source::Source;

/// The resolutions so far.
#[derive(Debug, Default)]
pub(crate) struct Resolutions {
    pub(crate) succeeded: AtomicU64,
    pub(crate) failed: AtomicU64,
    /// Successful ones with other names than those before.
    pub(crate) updates: AtomicU64,
    problems: Mutex<Problems>,
}

#[derive(Debug, Default)]
struct Problems {
    /// The reason why the last resolution failed, if it did.
    names: Option<String>,
    /// The reason why the members are not those of the last names.
    change: Option<StartError>,
    failures: u64,
    /// The last one, which may be over.
    last: Option<String>,
}

impl Resolutions {
    /// The reason why the members are not those that the source has now.
    pub(crate) fn problem(&self) -> Option<String> {
        let problems = self.problems();
        problems.change.as_ref().map(ToString::to_string).or_else(|| problems.names.clone())
    }

    /// As [`problem`](Self::problem), as an error of a start.
    pub(crate) fn start_error(&self) -> Option<StartError> {
        let problems = self.problems();
        let names = || Some(StartError::new(ExitKind::Settings, problems.names.clone()?));
        problems.change.clone().or_else(names)
    }

    /// The number of failures, and the last one.
    pub(crate) fn failures(&self) -> (u64, Option<String>) {
        let problems = self.problems();
        (problems.failures, problems.last.clone())
    }

    fn set_problem(&self, problem: Option<String>) {
        let mut problems = self.problems();
        problems.note(problem.clone());
        problems.names = problem;
    }

    /// The members were changed, or could not be.
    pub(crate) fn set_change(&self, problem: Option<StartError>) {
        let mut problems = self.problems();
        problems.note(problem.as_ref().map(ToString::to_string));
        problems.change = problem;
    }

    fn problems(&self) -> MutexGuard<'_, Problems> {
        self.problems.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Problems {
    fn note(&mut self, problem: Option<String>) {
        if problem.is_some() {
            self.failures += 1;
            self.last = problem;
        }
    }
}

/// The names of a source as they change.
pub(crate) struct Names {
    source: Box<dyn Source>,
    last: Vec<String>,
    /// Failures since the last success.
    failures: u32,
    resolutions: Arc<Resolutions>,
}

impl Names {
    pub(crate) fn new(source: Box<dyn Source>, resolutions: Arc<Resolutions>) -> Self {
        Self { source, last: Vec::new(), failures: 0, resolutions }
    }

    /// Asks the source. Returns the sorted names, if they are others than before.
    pub(crate) fn resolve(&mut self) -> Option<Vec<String>> {
        let names = self.source.names().and_then(names::checked);
        let (counter, problem) = match &names {
            Ok(_) => (&self.resolutions.succeeded, None),
            Err(problem) => (&self.resolutions.failed, Some(problem.clone())),
        };
        self.failures = if problem.is_some() { self.failures.saturating_add(1) } else { 0 };
        counter.fetch_add(1, Relaxed);
        self.resolutions.set_problem(problem);
        let names = names.ok().filter(|names| *names != self.last)?;
        self.last.clone_from(&names);
        self.resolutions.updates.fetch_add(1, Relaxed);
        Some(names)
    }

    /// The time until the next look: after a failure less than the interval at first, and twice as long after each further one.
    fn wait(&self, interval: Duration) -> Duration {
        match self.failures {
            0 => interval,
            failures => {
                let doubled = 1_u32.checked_shl(failures - 1).unwrap_or(u32::MAX);
                FIRST_RETRY.saturating_mul(doubled).min(interval)
            }
        }
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
            while stopped.recv_timeout(names.wait(interval)) == Err(RecvTimeoutError::Timeout) {
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

/// The first wait after a failure.
const FIRST_RETRY: Duration = Duration::from_millis(100);
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
    fn a_failure_is_tried_again_after_waits_that_grow_to_the_interval() {
        let (send, fake) = mpsc::channel();
        let mut names = Names::new(Box::new(Fake(fake)), Arc::default());
        let mut waits = |answers: &[bool]| -> Vec<u128> {
            let wait = |is_answered: &bool| {
                if *is_answered {
                    send.send(Ok(of(&["a:1"]))).unwrap();
                }
                names.resolve();
                names.wait(Duration::from_secs(1)).as_millis()
            };
            answers.iter().map(wait).collect()
        };
        let failures = waits(&[false, false, false, false, false, true, false, true]);
        assert_eq!(failures, [100, 200, 400, 800, 1_000, 1_000, 100, 1_000]);
        let many = waits(&[false; 100]);
        assert_eq!(many[99], 1_000);
        assert_eq!(names.wait(Duration::from_millis(10)).as_millis(), 10);
    }

    #[test]
    fn a_first_failure_does_not_last_for_the_interval() {
        let (send, fake) = mpsc::channel();
        let mut names = Names::new(Box::new(Fake(fake)), Arc::default());
        assert_eq!(names.resolve(), None);
        send.send(Ok(of(&["a:1"]))).unwrap();
        let (report, reported) = mpsc::channel();
        let changed = move |names| report.send(names).is_ok();
        let _resolving = Resolving::start(names, Duration::from_secs(100_000), changed).unwrap();
        assert_eq!(reported.recv_timeout(Duration::from_secs(60)), Ok(of(&["a:1"])));
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
