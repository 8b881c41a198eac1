//! Runs trials, many at once: most of them only wait.

use super::child;
use super::collectors::Collectors;
use super::context;
use super::control::ControlThreads;
use super::trial::{Outcome, Trial};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// A trial that ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// Its place in the list of trials.
    pub(super) index: usize,
    pub(super) outcome: Outcome,
    /// The longest delay of a control thread between the deadline and the return.
    pub(super) delay: Duration,
}

/// The parts that all trials share.
pub(super) struct Laboratory {
    pub(super) collectors: Collectors,
    control: Arc<ControlThreads>,
    setup: Arc<Setup>,
}

impl Laboratory {
    /// Starts collectors and control threads.
    ///
    /// # Errors
    /// If the system has no socket or thread left.
    pub(super) fn start() -> Result<Self, String> {
        let setup = Arc::new(Setup(Mutex::new(())));
        let control = Arc::new(ControlThreads::start()?);
        Ok(Self { collectors: Collectors::start()?, control, setup })
    }

    /// Runs the trials, at most `at_once` at a time, and returns each once in the order of their ends.
    ///
    /// # Errors
    /// If a trial cannot run, or hangs.
    pub(super) fn run(
        &self,
        trials: &Arc<Vec<Trial>>,
        at_once: usize,
        mut ended: impl FnMut(&Ended),
    ) -> Result<Vec<Ended>, String> {
        let (send, events) = mpsc::channel();
        let next = Arc::new(AtomicUsize::new(0));
        for _ in 0..at_once.min(trials.len()) {
            let worker = Worker {
                trials: trials.clone(),
                next: next.clone(),
                control: self.control.clone(),
                setup: self.setup.clone(),
                events: send.clone(),
            };
            // Not joined: one that hangs must not hang the matrix.
            let spawned = thread::Builder::new().name("trial".to_owned()).spawn(|| worker.run());
            spawned.map_err(|error| error.to_string())?;
        }
        drop(send);
        collect(&events, trials, &mut ended)
    }
}

/// A thread that runs trials.
struct Worker {
    trials: Arc<Vec<Trial>>,
    next: Arc<AtomicUsize>,
    control: Arc<ControlThreads>,
    setup: Arc<Setup>,
    events: Sender<Event>,
}

enum Event {
    Started(usize),
    Ended(Result<Ended, String>),
}

impl Worker {
    fn run(self) {
        loop {
            let index = self.next.fetch_add(1, Relaxed);
            let Some(trial) = self.trials.get(index) else { return };
            let _closed = self.events.send(Event::Started(index));
            let ended = self.one(index, trial).map_err(|error| format!("{}: {error}", trial.cell));
            if self.events.send(Event::Ended(ended)).is_err() {
                return;
            }
        }
    }

    fn one(&self, index: usize, trial: &Trial) -> Result<Ended, String> {
        let (outcome, returned) = match child::is_needed(trial) {
            true => in_child(trial, &self.setup)?,
            false => in_this_process(trial, &self.setup)?,
        };
        let from = returned.checked_sub(outcome.overshoot + BEFORE).unwrap_or(returned);
        let delay = self.control.worst_delay(from, returned);
        Ok(Ended { index, outcome, delay })
    }
}

/// Limits the set-up of trials to one at a time: it uses the processor, and would delay the calls of
/// others.
struct Setup(Mutex<()>);

impl Setup {
    fn run<R>(&self, setup: impl FnOnce() -> R) -> R {
        let _one = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        setup()
    }
}

fn in_this_process(trial: &Trial, setup: &Arc<Setup>) -> Result<(Outcome, Instant), String> {
    let result = Arc::new(OnceLock::new());
    let (slot, trial_of_call, setup) = (result.clone(), trial.clone(), setup.clone());
    context::run(trial.cell.context, trial.variant.other_place(), move || {
        let trial = trial_of_call;
        let prepared = setup.run(|| trial.prepare());
        Box::new(move || {
            let _once = slot.set(prepared.map(|spanwise| {
                let outcome = trial.shut_down(&spanwise);
                (outcome, Instant::now())
            }));
        })
    })?;
    match result.get() {
        Some(result) => result.clone(),
        None => Err("the context did not run the call".to_owned()),
    }
}

fn in_child(trial: &Trial, setup: &Arc<Setup>) -> Result<(Outcome, Instant), String> {
    let one = setup.0.lock().unwrap_or_else(PoisonError::into_inner);
    let outcome = child::run(trial, || drop(one))?;
    Ok((outcome, Instant::now()))
}

/// Receives the outcomes of all trials; an error for the first that could not run, or hangs.
fn collect(
    events: &Receiver<Event>,
    trials: &[Trial],
    ended: &mut impl FnMut(&Ended),
) -> Result<Vec<Ended>, String> {
    let mut all = Vec::with_capacity(trials.len());
    let mut running = BTreeMap::new();
    while all.len() < trials.len() {
        match events.recv_timeout(Duration::from_secs(1)) {
            Ok(Event::Started(index)) => {
                running.insert(index, Instant::now());
            }
            Ok(Event::Ended(result)) => {
                let result = result?;
                running.remove(&result.index);
                ended(&result);
                all.push(result);
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                return Err("a trial panicked".to_owned());
            }
        }
        let mut hangs = running.iter().filter_map(|(index, started)| {
            let trial = trials.get(*index)?;
            (started.elapsed() > trial.cell.deadline + HANGS_AFTER).then_some(trial)
        });
        if let Some(trial) = hangs.next() {
            return Err(format!("{trial:?} hangs"));
        }
    }
    Ok(all)
}

/// The time before the deadline that counts, too: a thread that was late then may still wait for its
/// turn. A child's end is observed after its call.
const BEFORE: Duration = Duration::from_millis(100);
/// Far beyond the time of a trial on a loaded machine.
const HANGS_AFTER: Duration = Duration::from_secs(120);
