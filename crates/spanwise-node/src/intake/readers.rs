//! The counters of all receivers, for the account.

use crate::account::ReceiverAccount;
use spanwise_receiver::{Receiver, StatsReader};

/// Reads the counters of receivers. It outlives them: the account of a drain has their last numbers.
pub(crate) struct ReceiverReaders {
    readers: Vec<(String, StatsReader)>,
}

impl ReceiverReaders {
    pub(crate) fn of(receivers: &[Receiver]) -> Self {
        let readers = receivers.iter().map(|receiver| {
            let endpoint = match receiver.unix_path() {
                Some(path) => path.display().to_string(),
                None => receiver.address().to_string(),
            };
            (endpoint, receiver.stats_reader())
        });
        Self { readers: readers.collect() }
    }

    pub(crate) fn accounts(&self) -> Vec<ReceiverAccount> {
        let accounts = self
            .readers
            .iter()
            .map(|(endpoint, reader)| ReceiverAccount::new(endpoint.clone(), &reader.stats()));
        accounts.collect()
    }
}
