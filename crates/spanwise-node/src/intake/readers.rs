//! The counters of all receivers, for the account.

use crate::account::ReceiverAccount;
use spanwise_receiver::{Receiver, StatsReader};

/// Reads the counters of receivers. It outlives them: the account of a drain has their last numbers.
pub(crate) struct ReceiverStatsReaders {
    readers: Vec<Reader>,
}

struct Reader {
    name: String,
    endpoint: String,
    stats: StatsReader,
}

impl ReceiverStatsReaders {
    /// Those of receivers with these names.
    pub(crate) fn of<'a>(receivers: impl Iterator<Item = (&'a str, &'a Receiver)>) -> Self {
        let readers = receivers.map(|(name, receiver)| Reader {
            name: name.to_owned(),
            endpoint: match receiver.unix_path() {
                Some(path) => path.display().to_string(),
                None => receiver.address().to_string(),
            },
            stats: receiver.stats_reader(),
        });
        Self { readers: readers.collect() }
    }

    pub(crate) fn accounts(&self) -> Vec<ReceiverAccount> {
        let accounts = self.readers.iter().map(|Reader { name, endpoint, stats }| {
            ReceiverAccount::new(name.clone(), endpoint.clone(), &stats.stats())
        });
        accounts.collect()
    }
}
