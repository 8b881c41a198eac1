//! The bugs of the worlds.

use crate::simulation::WorldKind;
use spanwise_ledger::planted::Bug;
use spanwise_tail::planted::TailBug;
use std::fmt;

/// A bug of the export path or of the tail sampler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PlantedBug {
    Export(Bug),
    Tail(TailBug),
}

impl PlantedBug {
    /// Every bug of a world.
    pub(crate) fn all(world: WorldKind) -> Vec<Self> {
        match world {
            WorldKind::Export => {
                let of_export = Bug::ALL.into_iter().filter(|bug| !OF_SPOOL.contains(bug));
                of_export.map(Self::Export).collect()
            }
            WorldKind::Spool => OF_SPOOL.into_iter().map(Self::Export).collect(),
            WorldKind::Tail => TailBug::ALL.into_iter().map(Self::Tail).collect(),
        }
    }

    /// The bug of this name, of any world.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let worlds = [WorldKind::Export, WorldKind::Tail, WorldKind::Spool];
        worlds.into_iter().flat_map(Self::all).find(|bug| bug.to_string() == name)
    }

    /// Plants `bug` in this process; `None` plants none.
    pub(crate) fn plant(bug: Option<Self>) {
        spanwise_ledger::planted::plant(match bug {
            Some(Self::Export(bug)) => Some(bug),
            _ => None,
        });
        spanwise_tail::planted::plant(match bug {
            Some(Self::Tail(bug)) => Some(bug),
            _ => None,
        });
    }
}

/// The bugs that only a world with a spool can find.
const OF_SPOOL: [Bug; 2] = [Bug::SpooledBeforeStored, Bug::AcknowledgedBeforeDelivery];

/// The name of the variant.
impl fmt::Display for PlantedBug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Export(bug) => write!(f, "{bug:?}"),
            Self::Tail(bug) => write!(f, "{bug:?}"),
        }
    }
}
