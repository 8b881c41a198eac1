//! The account of a node, as its endpoint answers.

use serde_json::Value;

/// The document of `/account`.
#[derive(Debug, Clone)]
pub(super) struct Account(pub(super) Value);

impl Account {
    /// The number at this place, such as `/intake/accepted`; 0 for a stage that the node does not have.
    pub(super) fn number(&self, place: &str) -> u64 {
        self.0.pointer(place).and_then(Value::as_u64).unwrap_or(0)
    }

    /// The sum of a number of all peers, or of all destinations.
    pub(super) fn sum(&self, list: &str, number: &str) -> u64 {
        self.list(list).filter_map(|it| it[number].as_u64()).sum()
    }

    /// A number of the destination with this name.
    pub(super) fn of(&self, destination: &str, number: &str) -> u64 {
        let mut list = self.list("/destinations");
        list.find(|it| it["name"] == destination).and_then(|it| it[number].as_u64()).unwrap_or(0)
    }

    fn list(&self, place: &str) -> impl Iterator<Item = &Value> {
        self.0.pointer(place).and_then(Value::as_array).into_iter().flatten()
    }

    /// Spans that have no outcome yet.
    pub(super) fn unsettled(&self) -> u64 {
        self.number("/sampler/queued")
            + self.number("/sampler/pending")
            + self.number("/gateway/in_flight")
            + self.sum("/destinations", "in_flight")
            + self.sum("/destinations", "spooled")
    }

    /// Accepted spans that the node reports as left out or lost before its destinations.
    pub(super) fn left_out(&self) -> u64 {
        let intake = ["filtered", "sampled_out", "malformed", "unredactable"];
        let sampler = ["not_sampled", "late_not_sampled", "dropped_without_space"];
        let sum = |stage: &str, names: &[&str]| -> u64 {
            names.iter().map(|name| self.number(&format!("/{stage}/{name}"))).sum()
        };
        sum("intake", &intake)
            + sum("sampler", &sampler)
            + self.number("/gateway/dropped")
            + self.number("/gateway/without_peers")
    }

    /// Spans that the process before this one lost by its kill, if it was killed.
    pub(super) fn crash(&self) -> Option<u64> {
        self.0.pointer("/crash/spans").and_then(Value::as_u64)
    }

    /// Spans of the process before this one that a kill lost on their way to a destination with a spool.
    pub(super) fn dropped_by_crash(&self, destination: &str) -> u64 {
        let mut list = self.list("/destinations");
        let found = list.find(|it| it["name"] == destination);
        found.and_then(|it| it["dropped_by_reason"]["crash"].as_u64()).unwrap_or(0)
    }

    /// Spans in the memory of the process, those for destinations aside.
    pub(super) fn in_memory(&self) -> u64 {
        self.number("/sampler/queued")
            + self.number("/sampler/pending")
            + self.number("/gateway/in_flight")
    }

    /// Accepted spans that have left it.
    pub(super) fn left(&self) -> u64 {
        self.number("/intake/accepted").saturating_sub(self.in_memory())
    }

    /// A number that grows with each step of a span.
    pub(super) fn moved(&self) -> u64 {
        ["created", "exported", "dropped", "recovered"]
            .iter()
            .map(|name| self.sum("/destinations", name) + self.sum("/gateway/peers", name))
            .sum::<u64>()
            + self.number("/intake/accepted")
    }

    /// The mistake in its account that the node itself reports.
    pub(super) fn imbalance(&self) -> Option<&str> {
        self.0["imbalance"].as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sums_are_over_the_stages_that_there_are() {
        let account = Account(json!({
            "intake": {"accepted": 10, "filtered": 1},
            "sampler": {"pending": 2, "not_sampled": 3},
            "destinations": [{"name": "one", "in_flight": 4, "dropped": 5}, {"name": "two", "spooled": 6}],
        }));
        assert_eq!((account.unsettled(), account.left_out()), (12, 4));
        assert_eq!((account.of("one", "dropped"), account.of("three", "dropped")), (5, 0));
        assert_eq!((account.number("/intake/accepted"), account.imbalance()), (10, None));
    }
}
