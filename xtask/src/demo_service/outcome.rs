//! The numbers of a service's process.

use serde_json::{Map, Value, json};
use spanwise::{DropReason, Snapshot};

/// The numbers of a service's process.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) created: u64,
    pub(crate) exported: u64,
    pub(crate) sampled_out: u64,
    /// Lost spans by reason.
    pub(crate) dropped: Vec<(String, u64)>,
    /// Why the ledger does not add up.
    pub(crate) imbalance: Option<String>,
    /// From the first span to the end of the shutdown.
    pub(crate) seconds: f64,
    /// Processor time of the process in that time.
    pub(crate) cpu_seconds: f64,
    pub(crate) peak_rss: u64,
    /// The budget in bytes, its origin, and the most of it that was used.
    pub(crate) budget: u64,
    pub(crate) budget_origin: String,
    pub(crate) budget_peak: u64,
    pub(crate) max_in_flight: u64,
    /// Of one span: start, four attributes, end. The median, 99.9 of 100, the longest.
    pub(crate) span_nanos: [u64; 3],
}

impl Outcome {
    pub(super) fn add_ledger(&mut self, ledger: &Snapshot) {
        self.created = ledger.created;
        self.exported = ledger.exported;
        self.sampled_out = ledger.sampled_out;
        self.dropped =
            ledger.drops().map(|(reason, spans)| (reason.name().to_owned(), spans)).collect();
        self.imbalance = ledger.check().err().map(|imbalance| imbalance.to_string());
    }

    /// Lost spans, all reasons together.
    pub(crate) fn lost(&self) -> u64 {
        self.dropped.iter().map(|(_, spans)| spans).sum()
    }

    /// # Errors
    /// The receiver counted fewer spans than it acknowledged, or more than it can have stored.
    pub(crate) fn check_received(&self, received: u64) -> Result<(), String> {
        let is_ambiguous = |name: &str| {
            DropReason::ALL.iter().any(|reason| reason.name() == name && reason.is_ambiguous())
        };
        let ambiguous = self.dropped.iter().filter(|(reason, _)| is_ambiguous(reason));
        let most = self.exported + ambiguous.map(|(_, spans)| spans).sum::<u64>();
        match (self.exported..=most).contains(&received) {
            true => Ok(()),
            false => Err(format!("exported {} spans, received {received}", self.exported)),
        }
    }

    pub(super) fn to_json(&self) -> String {
        let dropped: Map<String, Value> =
            self.dropped.iter().map(|(reason, spans)| (reason.clone(), (*spans).into())).collect();
        json!({
            "created": self.created,
            "exported": self.exported,
            "sampled_out": self.sampled_out,
            "dropped": dropped,
            "imbalance": self.imbalance,
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
            "peak_rss": self.peak_rss,
            "budget": self.budget,
            "budget_origin": self.budget_origin,
            "budget_peak": self.budget_peak,
            "max_in_flight": self.max_in_flight,
            "span_nanos": self.span_nanos,
        })
        .to_string()
    }

    pub(super) fn of_json(text: &str) -> Option<Self> {
        let json: Value = serde_json::from_str(text).ok()?;
        let number = |name: &str| json.get(name)?.as_u64();
        let dropped = json.get("dropped")?.as_object()?.iter();
        let nanos = json.get("span_nanos")?.as_array()?;
        let nanos = |index: usize| nanos.get(index)?.as_u64();
        Some(Self {
            created: number("created")?,
            exported: number("exported")?,
            sampled_out: number("sampled_out")?,
            dropped: dropped
                .map(|(reason, it)| Some((reason.clone(), it.as_u64()?)))
                .collect::<Option<_>>()?,
            imbalance: json.get("imbalance")?.as_str().map(str::to_owned),
            seconds: json.get("seconds")?.as_f64()?,
            cpu_seconds: json.get("cpu_seconds")?.as_f64()?,
            peak_rss: number("peak_rss")?,
            budget: number("budget")?,
            budget_origin: json.get("budget_origin")?.as_str()?.to_owned(),
            budget_peak: number("budget_peak")?,
            max_in_flight: number("max_in_flight")?,
            span_nanos: [nanos(0)?, nanos(1)?, nanos(2)?],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_survives_its_line() {
        let outcome = Outcome {
            created: 7,
            dropped: vec![("queue_bytes".to_owned(), 3), ("shutdown_deadline".to_owned(), 2)],
            imbalance: Some("off by \"one\"".to_owned()),
            seconds: 1.5,
            budget_origin: "container limit".to_owned(),
            span_nanos: [1, 2, 3],
            ..Outcome::default()
        };
        assert_eq!(outcome.lost(), 5);
        assert!(outcome.check_received(0).is_ok() && outcome.check_received(1).is_err());
        let ambiguous = Outcome {
            dropped: vec![("ambiguous_shutdown".to_owned(), 2)],
            exported: 3,
            ..Outcome::default()
        };
        let accepted: Vec<u64> =
            (0..9).filter(|it| ambiguous.check_received(*it).is_ok()).collect();
        assert_eq!(accepted, [3, 4, 5]);
        assert_eq!(Outcome::of_json(&outcome.to_json()), Some(outcome));
        assert_eq!(Outcome::of_json("{}"), None);
    }
}
