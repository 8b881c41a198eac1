//! The sums of all accounts, and the law that they obey.

use super::account::Account;
use super::sink::Arrived;

/// The names of the destinations.
pub(super) const SINKS: [&str; 2] = ["one", "two"];

/// Spans of all processes so far.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Totals {
    /// Spans that nodes left out before their destinations.
    pub(super) left_out: u64,
    /// Spans that nodes report as lost by their kills.
    pub(super) crashed: u64,
    /// Traces of which gateways sent spans to two samplers.
    pub(super) torn_traces: u64,
    pub(super) of_sinks: [OfSink; 2],
}

/// Spans of a destination.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct OfSink {
    pub(super) arrived: Arrived,
    /// Spans that nodes report as lost on their way to it.
    pub(super) dropped: u64,
    /// Those of them that a kill lost.
    pub(super) crashed: u64,
}

impl Totals {
    pub(super) fn of(accounts: &[&Account], arrived: [Arrived; 2]) -> Self {
        let sum = |number: &dyn Fn(&Account) -> u64| -> u64 {
            accounts.iter().map(|account| number(account)).sum()
        };
        let of_sink = |name: &str, arrived| OfSink {
            arrived,
            dropped: sum(&|it| it.of(name, "dropped")),
            crashed: sum(&|it| it.dropped_by_crash(name)),
        };
        let ([first, second], [one, two]) = (SINKS, arrived);
        Self {
            left_out: sum(&Account::left_out),
            crashed: sum(&|it| it.crash().unwrap_or_default()),
            torn_traces: sum(&|it| it.number("/gateway/torn_traces")),
            of_sinks: [of_sink(first, one), of_sink(second, two)],
        }
    }

    /// The spans since then.
    pub(super) fn since(&self, before: &Self) -> Self {
        let of_sink = |now: &OfSink, before: &OfSink| OfSink {
            arrived: Arrived {
                spans: now.arrived.spans - before.arrived.spans,
                distinct: now.arrived.distinct - before.arrived.distinct,
                torn: now.arrived.torn.saturating_sub(before.arrived.torn),
                whole: now.arrived.whole - before.arrived.whole,
            },
            dropped: now.dropped.saturating_sub(before.dropped),
            crashed: now.crashed.saturating_sub(before.crashed),
        };
        let ([one, two], [one_before, two_before]) = (&self.of_sinks, &before.of_sinks);
        Self {
            left_out: self.left_out.saturating_sub(before.left_out),
            crashed: self.crashed.saturating_sub(before.crashed),
            torn_traces: self.torn_traces.saturating_sub(before.torn_traces),
            of_sinks: [of_sink(one, one_before), of_sink(two, two_before)],
        }
    }

    /// Accepted spans of a destination that have neither arrived nor a place in an account; less than zero if some have two.
    pub(super) fn missing(&self, sink: &OfSink, accepted: u64) -> i128 {
        let accounted = sink.arrived.distinct + sink.dropped + self.left_out + self.crashed;
        i128::from(accepted) - i128::from(accounted)
    }

    /// Checks that each accepted span has its place, and prints the sums.
    ///
    /// # Errors
    /// For a destination, more spans are missing than `may_miss`, or more have two places than `may_exceed`.
    pub(super) fn check(&self, accepted: u64, allowed: [Allowed; 2]) -> Result<(), String> {
        println!(
            "  accepted {accepted} · left out {} · lost by kills {}",
            self.left_out, self.crashed
        );
        for ((name, sink), allowed) in SINKS.iter().zip(&self.of_sinks).zip(allowed) {
            let Arrived { spans, distinct, torn, whole } = sink.arrived;
            let missing = self.missing(sink, accepted);
            println!(
                "  {name}: arrived {spans}, different {distinct}, dropped {} ({} by kills); traces whole {whole}, torn {torn}; \
                 in no account {missing}, permitted {:+} to {:+}",
                sink.dropped,
                sink.crashed,
                -i128::from(allowed.may_exceed),
                allowed.may_miss,
            );
            allowed.check(missing).map_err(|problem| format!("{name}: {problem}"))?;
        }
        Ok(())
    }
}

/// How far an account may be from what has arrived.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Allowed {
    pub(super) may_miss: u64,
    pub(super) may_exceed: u64,
}

impl Allowed {
    /// # Errors
    /// More or fewer are missing.
    fn check(self, missing: i128) -> Result<(), String> {
        if missing > i128::from(self.may_miss) {
            return Err(format!(
                "{missing} accepted spans are in no account, permitted are {}",
                self.may_miss
            ));
        }
        if -missing > i128::from(self.may_exceed) {
            let more = -missing;
            return Err(format!("{more} spans have two places, permitted are {}", self.may_exceed));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_span_without_a_place_and_one_with_two_are_found() {
        let killed = Account(json!({
            "crash": {"spans": 30},
            "destinations": [
                {"name": "one", "dropped": 5, "dropped_by_reason": {"crash": 4, "rejected": 1}},
                {"name": "two"},
            ],
        }));
        let sampled = Account(json!({"sampler": {"not_sampled": 7}}));
        let arrived = [60, 63].map(|distinct| Arrived { distinct, ..Arrived::default() });
        let totals = Totals::of(&[&killed, &sampled], arrived);
        assert_eq!(totals.of_sinks.map(|it| it.crashed), [4, 0]);
        // 60 + 5 + 7 + 30 and 63 + 7 + 30.
        let missing = totals.of_sinks.map(|it| totals.missing(&it, 101));
        assert_eq!(missing, [-1, 1]);
        let allowed = |may_miss, may_exceed| [Allowed { may_miss, may_exceed }; 2];
        assert_eq!(totals.check(101, allowed(1, 1)), Ok(()));
        assert!(totals.check(101, allowed(0, 1)).unwrap_err().contains("in no account"));
        assert!(totals.check(101, allowed(1, 0)).unwrap_err().contains("two places"));
        assert_eq!(totals.since(&totals).missing(&OfSink::default(), 0), 0);
    }
}
