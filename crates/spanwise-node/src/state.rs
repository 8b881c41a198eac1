//! The counts of the running node on disk, from which the next start reports what a crash lost.

use crate::account::{Account, CrashAccount, DestinationAccount, SpoolState};
use crate::directories::Directories;
use crate::start_error::{ExitKind, StartError};
use spanwise_spool::boot_ledger::{BootIdentity, BootLedger, Precision, SpanCounts};
use spanwise_spool::storage::{DirectoryStorage, Storage};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::Builder;
use std::time::{Duration, Instant, SystemTime};

/// The directory of the state, locked for this process.
pub(crate) struct State<S: Storage = DirectoryStorage> {
    // Its drop unlocks the directory.
    _storage: S,
    file: BootLedger<S::File>,
}

/// The thread that writes the counts.
pub(crate) struct StateThread {
    /// Dropped without a message, the thread ends as after a crash.
    stop: Sender<Account>,
    /// Disconnected at its end.
    ended: Receiver<()>,
}

impl State {
    /// Locks the directory, and reads how the process before ended.
    ///
    /// # Errors
    /// Another process or another key has the directory, or it cannot be used.
    pub(crate) fn open(
        directories: &mut Directories,
        directory: &Path,
    ) -> Result<(Self, Option<CrashAccount>), StartError> {
        Self::open_in(directories.open(KEY, directory)?)
    }
}

impl<S: Storage + 'static> State<S>
where
    S::File: 'static,
{
    fn open_in(mut storage: S) -> Result<(Self, Option<CrashAccount>), StartError> {
        let precision = Precision::Interval(INTERVAL);
        let (file, previous) =
            BootLedger::open(&mut storage, BootIdentity::current(), precision)
                .map_err(|error| StartError::new(ExitKind::Spool, format!("{KEY}: {error}")))?;
        let loss = previous.loss(0);
        // Of a clean end.
        let crash = (!loss.is_exact())
            .then_some(CrashAccount { spans: loss.spans, uncertainty: loss.uncertainty });
        Ok((Self { _storage: storage, file }, crash))
    }

    /// Writes what `account` returns, and starts the thread that does so from then on.
    ///
    /// # Errors
    /// The system has no thread.
    pub(crate) fn start(
        mut self,
        account: impl Fn() -> Account + Send + 'static,
    ) -> Result<StateThread, StartError> {
        // Without it, a process that is killed early leaves the record of the crash before it, and the next start reports that once more.
        let _repeated_by_the_thread = self.file.write(SystemTime::now(), &counts(&account()));
        let (stop, stopped) = channel();
        let (end, ended) = channel();
        Builder::new()
            .name("spanwise-state".to_owned())
            .spawn(move || {
                // Dropped behind the directory, also by a panic.
                let _end: Sender<()> = end;
                let mut state = self;
                if let Some(last) = state.write_until(&stopped, account) {
                    // A last write that fails: the next start reports these spans as lost.
                    drop(state.file.close(SystemTime::now(), &counts(&last)));
                }
            })
            .map_err(|error| StartError::io("start the thread of the state", &error))?;
        Ok(StateThread { stop, ended })
    }

    /// Writes the counts once in each interval, until the account of a shutdown arrives.
    fn write_until(
        &mut self,
        stopped: &Receiver<Account>,
        account: impl Fn() -> Account,
    ) -> Option<Account> {
        let mut written = None;
        loop {
            let counts = counts(&account());
            // A disk that fails once may be well later.
            if written != Some(counts) && self.file.write(SystemTime::now(), &counts).is_ok() {
                written = Some(counts);
            }
            match stopped.recv_timeout(INTERVAL) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(last) => return Some(last),
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }
}

impl StateThread {
    /// Writes the account of a shutdown: the next start reports what it has in memory as lost, and no more. A disk that has not stored
    /// it until then is not waited for, and the next start may report a crash.
    pub(crate) fn close(self, account: Account, until: Instant) {
        if self.stop.send(account).is_ok() {
            let timeout = until.saturating_duration_since(Instant::now());
            // A panic of the thread leaves the counts of its last write.
            let _disconnected_or_late = self.ended.recv_timeout(timeout);
        }
    }
}

/// The spans of all stages by where they are. A span that waits for two destinations is two; those of destinations with a spool are in
/// the boot ledger of that.
fn counts(account: &Account) -> SpanCounts {
    let sampler = account.sampler.as_ref().map(|it| it.counts);
    let waiting = sampler.map_or(0, |it| it.queued_spans + it.shards.pending_spans);
    let of_peers = account.gateway.iter().map(|it| &it.ledger);
    let has_boot_ledger =
        |it: &DestinationAccount| it.spool.as_ref().is_some_and(|it| it.state != SpoolState::Ended);
    let without_spool = account.destinations.iter().filter(|it| !has_boot_ledger(it));
    let (mut created, mut in_memory) = (account.intake.accepted, waiting);
    for ledger in of_peers.chain(without_spool.map(|it| &it.ledger)) {
        created += ledger.created;
        in_memory += ledger.in_flight;
    }
    // Numbers that are read later include spans that arrived meanwhile.
    let created = created.max(in_memory);
    SpanCounts { created, exported: created - in_memory, ..SpanCounts::default() }
}

const KEY: &str = "state.directory";
/// A kill loses the account of this time.
const INTERVAL: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
    use super::*;
    use spanwise_spool::storage::model::ModelStorage;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    fn account(accepted: u64, pending: u64) -> Account {
        let mut account = Account::default();
        account.intake.accepted = accepted;
        let mut sampler = crate::account::SamplerAccount::default();
        sampler.counts.shards.pending_spans = pending;
        account.sampler = Some(sampler);
        account
    }

    fn open(directory: &Path) -> Result<(State, Option<CrashAccount>), StartError> {
        State::open(&mut Directories::default(), directory)
    }

    #[test]
    fn a_start_reports_what_the_process_before_had_in_memory() {
        let directory =
            std::env::temp_dir().join(format!("spanwise-node-state-{}", std::process::id()));
        let (state, crash) = open(&directory).unwrap();
        assert!(crash.is_none());
        assert_eq!(open(&directory).err().map(|error| error.kind), Some(ExitKind::Spool));
        let calls = Arc::new(AtomicU64::new(0));
        let counted = calls.clone();
        let thread = state.start(move || {
            counted.fetch_add(1, Relaxed);
            account(10, 4)
        });
        let thread = thread.unwrap();
        let until = Instant::now() + LONG;
        // The second call follows the first write, before the thread.
        while calls.load(Relaxed) < 2 && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        // As a crash.
        let StateThread { stop, ended } = thread;
        drop(stop);
        assert_eq!(ended.recv_timeout(LONG), Err(RecvTimeoutError::Disconnected));
        let (state, crash) = open(&directory).unwrap();
        assert_eq!(crash.map(|it| it.spans), Some(4));
        state.start(|| account(3, 3)).unwrap().close(account(3, 0), Instant::now() + LONG);
        let (_state, crash) = open(&directory).unwrap();
        assert_eq!(crash, None);
        std::fs::remove_dir_all(&directory).unwrap();
    }
    #[test]
    fn a_disk_that_never_syncs_does_not_hold_up_a_shutdown() {
        let disk = ModelStorage::new(1);
        let (state, _) = State::open_in(disk.clone()).unwrap();
        disk.hold_syncs();
        let thread = state.start(|| account(3, 3)).unwrap();
        let (returned, has_returned) = channel();
        let closing = std::thread::spawn(move || {
            thread.close(account(3, 0), Instant::now());
            returned.send(()).unwrap();
        });
        let result = has_returned.recv_timeout(LONG);
        disk.release_syncs();
        assert_eq!(result, Ok(()));
        closing.join().unwrap();
    }

    const LONG: Duration = Duration::from_secs(60);
}
