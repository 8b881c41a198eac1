//! The run of one seed.

use crate::report::Report;
use crate::violation::Violation;
use crate::world::{Counts, World};
use crate::{spool, tail};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

/// A world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorldKind {
    /// The export path, from the shards to the receiver.
    Export,
    /// The tail sampler.
    Tail,
    /// The export path with a spool, over processes that crash.
    Spool,
}

impl WorldKind {
    /// The option that selects it.
    pub(crate) fn option(self) -> Option<&'static str> {
        match self {
            Self::Export => None,
            Self::Tail => Some("--tail"),
            Self::Spool => Some("--spool"),
        }
    }
}

/// Runs the world of a seed. The same seed gives the same report, on every machine and in every process,
/// but for the text of a panic.
///
/// The world has a thread of its own, so that no thread-local state of an earlier seed is left.
pub fn run_seed(world: WorldKind, seed: u64, is_traced: bool) -> Report {
    if world == WorldKind::Tail {
        return tail::run(seed, is_traced);
    }
    let run = if world == WorldKind::Spool { spool::run } else { run };
    let world = thread::Builder::new().spawn(move || run(seed, is_traced)).map(|it| it.join());
    match world {
        Ok(Ok(report)) => report,
        Ok(Err(_)) => failed(seed, "the end of a world does not panic"),
        Err(_) => failed(seed, "a thread can be started"),
    }
}

fn run(seed: u64, is_traced: bool) -> Report {
    let mut world = match World::new(seed, is_traced) {
        Ok(world) => world,
        Err(violation) => return Report { violation: Some(violation), ..failed(seed, "") },
    };
    let violation = match catch_unwind(AssertUnwindSafe(|| world.run())) {
        Ok(checked) => checked.err(),
        Err(payload) => {
            let text = payload.downcast_ref::<String>().cloned();
            let text = text.or_else(|| payload.downcast_ref::<&str>().map(|&text| text.to_owned()));
            Some(Violation { rule: "nothing panics", details: text.unwrap_or_default() })
        }
    };
    let (counts, trace) = world.into_results();
    Report { seed, violation, counts, trace }
}

fn failed(seed: u64, rule: &'static str) -> Report {
    let violation = Some(Violation { rule, details: String::new() });
    Report { seed, violation, counts: Counts::default(), trace: Vec::new() }
}
